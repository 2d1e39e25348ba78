/* Birth, change of program and death of tasks, and the list of those that are alive. */
#include "output.h"

/* The comm that a task had before its last rename; exec renames the task on its way. */
struct comm {
	char text[16];
};
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct comm);
} previous_comm SEC(".maps");

INLINE void put_comm(struct scratch *s, u16 tag, struct comm *comm)
{
	if (!open_chunk(s, sizeof(*comm)))
		return;
	u64 at = LEN(s);
	if (at > BODY_SIZE - sizeof(*comm))
		return;
	__builtin_memcpy(s->body + at, comm, sizeof(*comm));
	LEN(s) = at + sizeof(*comm);
	close_chunk(s, tag, 0);
}

SEC("raw_tp/sched_process_fork")
int on_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	if (!current_is_recorded())
		return 0;
	u32 tid = R(child, pid), pid = R(child, tgid);
	if (scoped && tid == pid) {
		u8 one = 1;
		u32 zero = 0;
		struct counters *c = bpf_map_lookup_elem(&counters, &zero);
		if (bpf_map_update_elem(&scope, &pid, &one, 0) && c)
			c->scope_full++;
	}
	struct scratch *s = begin(KIND_FORK, sizeof(struct fork_payload));
	if (!s)
		return 0;
	struct fork_payload *p = (void *)s->body;
	struct task_struct *leader = R(child, group_leader);
	fill_task_id(&p->parent, parent);
	fill_task_id(&p->child, child);
	struct task_struct *real = R(leader, real_parent);
	fill_task_id(&p->parent_process, R(real, group_leader));
	fill_task_id(&p->leader, leader);
	end(s);
	return 0;
}

SEC("raw_tp/task_rename")
int on_rename(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct comm before = {};
	u32 tid = R(task, pid);
	bpf_probe_read_kernel(&before, sizeof(before), &task->comm);
	bpf_map_update_elem(&previous_comm, &tid, &before, 0);
	return 0;
}

struct found_file {
	struct file *file;
};

/* static, so that it can be a callback */
static long on_vma(struct task_struct *task, struct vm_area_struct *vma, struct found_file *found)
{
	bpf_probe_read_kernel(&found->file, sizeof(found->file), &vma->vm_file);
	return 0;
}

/* Where the ELF loader was mapped (auxiliary vector), 0 for a static program. */
INLINE u64 loader_base(struct mm_struct *mm)
{
	for (u32 i = 0; i < 20; i++) {
		u64 entry[2] = {};
		bpf_probe_read_kernel(entry, sizeof(entry), &mm->saved_auxv[2 * i]);
		if (entry[0] == 7 /* AT_BASE */)
			return entry[1];
		if (entry[0] == 0 /* AT_NULL */)
			break;
	}
	return 0;
}

INLINE void exec(u64 *ctx, struct file *loader)
{
	struct linux_binprm *bprm = (void *)ctx[2];
	struct task_struct *task = current_task();
	struct mm_struct *mm = R(task, mm);
	struct file *file = R(bprm, file), *in = file_of(0);
	struct scratch *s = begin(KIND_EXEC, sizeof(struct exec_payload));
	if (!s)
		return;
	struct exec_payload *p = (void *)s->body;
	fill_file_id(&p->file, file);
	p->loader = (struct file_id){};
	if (loader && loader != file)
		fill_file_id(&p->loader, loader);
	p->argc = R(bprm, argc);
	p->envc = R(bprm, envc);
	p->stdin_mode = in ? R(R(in, f_inode), i_mode) : 0;
	p->invoked_from_kernel = (R(R(task, real_parent), flags) & PF_KTHREAD) != 0;

	put_file_path(s, CHUNK_PATH, file);
	put_kernel_text(s->slot, CHUNK_CMDPATH, (u64)R(bprm, filename));
	put_kernel_text(s->slot, CHUNK_INTERP, (u64)R(bprm, interp));
	u32 tid = s->rec.tid;
	struct comm *before = bpf_map_lookup_elem(&previous_comm, &tid);
	if (before) {
		put_comm(s, CHUNK_PREV_COMM, before);
		bpf_map_delete_elem(&previous_comm, &tid);
	}
	put_user_block(s->slot, CHUNK_ARGV, R(mm, arg_start), R(mm, arg_end));
	if (in)
		put_file_path(s, CHUNK_STDIN, in);
	struct fs_struct *fs = R(task, fs);
	put_path(s->slot, CHUNK_PWD, (u64)R(fs, pwd.mnt), (u64)R(fs, pwd.dentry));
	if (loader && loader != file)
		put_file_path(s, CHUNK_LOADER, loader);
	if (with_env)
		put_user_block(s->slot, CHUNK_ENV, R(mm, env_start), R(mm, env_end));
	end(s);
}

/* Finding the loader takes bpf_find_vma (Linux 5.17). */
SEC("raw_tp/sched_process_exec")
int on_exec_with_loader(u64 *ctx)
{
	if (!current_is_recorded())
		return 0;
	struct found_file found = {};
	u64 base = loader_base(R(current_task(), mm));
	if (base)
		bpf_find_vma(bpf_get_current_task_btf(), base, on_vma, &found, 0);
	exec(ctx, found.file);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(u64 *ctx)
{
	if (current_is_recorded())
		exec(ctx, 0);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(u64 *ctx)
{
	if (!current_is_recorded())
		return 0;
	struct task_struct *task = current_task();
	u32 dead = R(R(task, signal), live.counter) == 0;
	struct scratch *s = begin(KIND_EXIT, sizeof(struct exit_payload));
	if (s) {
		struct exit_payload *p = (void *)s->body;
		p->code = R(task, exit_code);
		p->group_dead = dead;
		end(s);
	}
	u32 tgid = R(task, tgid);
	if (scoped && dead)
		bpf_map_delete_elem(&scope, &tgid);
	return 0;
}

/* All tasks, as record headers, for the snapshot at the start of a recording. */
SEC("iter/task")
int list_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	if (!task)
		return 0;
	struct record r;
	__builtin_memset(&r, 0, sizeof(r));
	r.len = sizeof(r);
	r.kind = KIND_TASK;
	r.version = RECORD_VERSION;
	r.time = bpf_ktime_get_boot_ns();
	fill_task(&r, task);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}
