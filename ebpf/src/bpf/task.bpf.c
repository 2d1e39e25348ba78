/* What tasks may do and where they live: credentials, namespaces, limits; and programs that they try to run. */
#include "fields.h"
#include "syscall.h"

/* ---- credentials ---- */

INLINE void read_credentials(struct credentials *to, struct cred *from)
{
	to->uid = R(from, uid.val);
	to->gid = R(from, gid.val);
	to->suid = R(from, suid.val);
	to->sgid = R(from, sgid.val);
	to->euid = R(from, euid.val);
	to->egid = R(from, egid.val);
	to->fsuid = R(from, fsuid.val);
	to->fsgid = R(from, fsgid.val);
	to->user_ns = R(R(from, user_ns), ns.inum);
	to->secure_bits = R(from, securebits);
	/* Eight bytes on every kernel, of one member or of two. */
	bpf_probe_read_kernel(&to->inheritable, 8, &from->cap_inheritable);
	bpf_probe_read_kernel(&to->permitted, 8, &from->cap_permitted);
	bpf_probe_read_kernel(&to->effective, 8, &from->cap_effective);
	bpf_probe_read_kernel(&to->bounding, 8, &from->cap_bset);
	bpf_probe_read_kernel(&to->ambient, 8, &from->cap_ambient);
}

/* Another user namespace or other secure bits alone are no change that is reported. */
INLINE int same_credentials(struct credentials *a, struct credentials *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->suid == b->suid && a->sgid == b->sgid && a->euid == b->euid &&
	       a->egid == b->egid && a->fsuid == b->fsuid && a->fsgid == b->fsgid && a->inheritable == b->inheritable &&
	       a->permitted == b->permitted && a->effective == b->effective && a->bounding == b->bounding &&
	       a->ambient == b->ambient;
}

INLINE void credentials_changed(struct credentials *before, struct credentials *after)
{
	if (same_credentials(before, after))
		return;
	struct scratch *s = begin_event(EVENT_commit_creds);
	if (!s)
		return;
	put_kernel_block(s, TAG(FORM_CREDENTIALS, commit_creds__old_cred), before, sizeof(*before), 128);
	put_kernel_block(s, TAG(FORM_CREDENTIALS, commit_creds__new_cred), after, sizeof(*after), 128);
	end(s);
}

INLINE int commit_creds_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct credentials before, after;
	read_credentials(&before, R(current_task(), real_cred));
	read_credentials(&after, (void *)a[0]);
	credentials_changed(&before, &after);
	return 0;
}
HOOK(commit_creds_hook, commit_creds)

/* ---- namespaces ---- */

struct namespaces {
	u32 mnt, pid, uts, ipc, net, cgroup;
};

INLINE void read_namespaces(struct namespaces *to, struct nsproxy *from)
{
	to->mnt = R(R(from, mnt_ns), ns.inum);
	to->pid = R(R(from, pid_ns_for_children), ns.inum);
	to->uts = R(R(from, uts_ns), ns.inum);
	to->ipc = R(R(from, ipc_ns), ns.inum);
	to->net = R(R(from, net_ns), ns.inum);
	to->cgroup = R(R(from, cgroup_ns), ns.inum);
}

/* Tells those that are others. */
INLINE void namespaces_changed(struct task_struct *task, struct namespaces *before, struct namespaces *after)
{
	u32 mnt = after->mnt == before->mnt ? 0 : after->mnt, pid = after->pid == before->pid ? 0 : after->pid;
	u32 uts = after->uts == before->uts ? 0 : after->uts, ipc = after->ipc == before->ipc ? 0 : after->ipc;
	u32 net = after->net == before->net ? 0 : after->net, cgroup = after->cgroup == before->cgroup ? 0 : after->cgroup;
	if (!(mnt | pid | uts | ipc | net | cgroup))
		return;
	struct scratch *s = begin_event(EVENT_switch_task_ns);
	if (!s)
		return;
	put_number(s, switch_task_ns__pid, R(task, pid));
	put_number(s, switch_task_ns__new_mnt, mnt);
	put_number(s, switch_task_ns__new_pid, pid);
	put_number(s, switch_task_ns__new_uts, uts);
	put_number(s, switch_task_ns__new_ipc, ipc);
	put_number(s, switch_task_ns__new_net, net);
	put_number(s, switch_task_ns__new_cgroup, cgroup);
	end(s);
}

INLINE int switch_namespaces_hook(const u64 *a)
{
	/* A task that ends leaves its namespaces for none. */
	if (!a[1] || !current_in_scope())
		return 0;
	struct task_struct *task = (void *)a[0];
	struct namespaces before, after;
	read_namespaces(&before, R(task, nsproxy));
	read_namespaces(&after, (void *)a[1]);
	namespaces_changed(task, &before, &after);
	return 0;
}
HOOK(switch_namespaces_hook, switch_task_namespaces)

/* What a task was when it began the call that it is in. */
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct credentials);
} old_credentials SEC(".maps");
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct namespaces);
} old_namespaces SEC(".maps");

INLINE void task_call_entered(u64 derived)
{
	u64 task = bpf_get_current_pid_tgid();
	if (derived & DERIVE_CREDENTIALS) {
		struct credentials now;
		read_credentials(&now, R(current_task(), real_cred));
		bpf_map_update_elem(&old_credentials, &task, &now, 0);
	}
	if (derived & DERIVE_NAMESPACES) {
		struct namespaces now;
		read_namespaces(&now, R(current_task(), nsproxy));
		bpf_map_update_elem(&old_namespaces, &task, &now, 0);
	}
}

/* ---- limits and prctl ---- */

INLINE void limit_set(struct task_struct *task, s32 resource, u64 soft, u64 hard)
{
	struct scratch *s = begin_event(EVENT_security_task_setrlimit);
	if (!s)
		return;
	put_number(s, security_task_setrlimit__target_host_pid, R(task, tgid));
	put_number(s, security_task_setrlimit__resource, (s64)resource);
	put_number(s, security_task_setrlimit__new_rlim_cur, soft);
	put_number(s, security_task_setrlimit__new_rlim_max, hard);
	end(s);
}

INLINE int setrlimit_hook(const u64 *a)
{
	u64 limits[2] = {};
	if (!current_in_scope())
		return 0;
	bpf_probe_read_kernel(limits, sizeof(limits), (void *)a[2]);
	limit_set((void *)a[0], a[1], limits[0], limits[1]);
	return 0;
}
HOOK(setrlimit_hook, security_task_setrlimit)

enum { PR_SET_SECUREBITS = 28, PR_SET_MM = 35, PR_SET_VMA = 0x53564d41, PR_SET_VMA_ANON_NAME = 0 };
/* What PR_SET_MM sets. */
enum { MM_START_STACK = 5, MM_START_BRK = 6, MM_BRK = 7, MM_ENV_END = 11, MM_AUXV = 12, MM_EXE_FILE = 13, MM_MAP = 14 };
/* No kernel has a longer auxiliary vector, bytes. */
#define AUXV_MAX 512

/* struct prctl_mm_map of the kernel's interface. */
struct memory_map {
	u64 places[11]; /* in the order of the event's fields */
	u64 auxv;
	u32 auxv_size;
	s32 exe_fd;
};

/* A program: five fields, from the path on. */
GLOBAL int put_program(u32 slot, u32 field, u64 program)
{
	struct file *file = (struct file *)program;
	struct file_id id;
	if (!file)
		return 0;
	fill_file_id(&id, file);
	put_path(slot, TAG(FORM_PATH, field), (u64)R(file, f_path.mnt), (u64)R(file, f_path.dentry));
	put_number_of(slot, field + 1, id.dev);
	put_number_of(slot, field + 2, id.inode);
	put_number_of(slot, field + 3, id.ctime);
	put_number_of(slot, field + 4, id.mode);
	return 0;
}

/* What the current process has in its memory where. */
GLOBAL int put_old_memory(u32 slot)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct mm_struct *mm = R(current_task(), mm);
	if (!s)
		return 0;
	put_number(s, security_task_prctl__old_start_code, R(mm, start_code));
	put_number(s, security_task_prctl__old_end_code, R(mm, end_code));
	put_number(s, security_task_prctl__old_start_data, R(mm, start_data));
	put_number(s, security_task_prctl__old_end_data, R(mm, end_data));
	put_number(s, security_task_prctl__old_start_brk, R(mm, start_brk));
	put_number(s, security_task_prctl__old_brk, R(mm, brk));
	put_number(s, security_task_prctl__old_start_stack, R(mm, start_stack));
	put_number(s, security_task_prctl__old_arg_start, R(mm, arg_start));
	put_number(s, security_task_prctl__old_arg_end, R(mm, arg_end));
	put_number(s, security_task_prctl__old_env_start, R(mm, env_start));
	put_number(s, security_task_prctl__old_env_end, R(mm, env_end));
	put_kernel_block(s, TAG(FORM_BYTES, security_task_prctl__old_auxv), mm->saved_auxv, field_size(mm->saved_auxv), AUXV_MAX);
	put_program(slot, security_task_prctl__old_pathname, (u64)R(mm, exe_file));
	return 0;
}

/* What it is about to have there. */
GLOBAL int put_new_memory(u32 slot, u32 what, u64 value, u64 size)
{
	u64 auxv = 0;
	s32 exe_fd = -1;
	if (what == MM_MAP) {
		struct memory_map map = {};
		if (bpf_probe_read_user(&map, sizeof(map), (void *)value))
			return 0;
		for (u32 i = 0; i < 11; i++)
			put_number_of(slot, security_task_prctl__new_start_code + i, map.places[i]);
		auxv = map.auxv;
		size = map.auxv_size;
		exe_fd = map.exe_fd;
	} else if (what == MM_AUXV) {
		auxv = value;
	} else if (what == MM_EXE_FILE) {
		exe_fd = value;
	} else if (what == MM_START_STACK) {
		put_number_of(slot, security_task_prctl__new_start_stack, value);
	} else if (what == MM_START_BRK || what == MM_BRK) {
		put_number_of(slot, security_task_prctl__new_start_brk + what - MM_START_BRK, value);
	} else if (what && what <= MM_ENV_END) {
		/* The others have the order of the fields. */
		put_number_of(slot, security_task_prctl__new_start_code + what - 1, value);
	}
	if (auxv && size)
		put_user_block(slot, TAG(FORM_BYTES, security_task_prctl__new_auxv), auxv, auxv + size);
	put_program(slot, security_task_prctl__new_pathname, (u64)file_of(exe_fd));
	return 0;
}

/* `before`: it has not been done yet, so that what it changes is still there. */
INLINE void prctl_called(const u64 *a, int before)
{
	struct scratch *s = begin_event(EVENT_security_task_prctl);
	if (!s)
		return;
	put_number(s, security_task_prctl__option, (s64)(s32)a[0]);
	put_number(s, security_task_prctl__arg2, a[1]);
	put_number(s, security_task_prctl__arg3, a[2]);
	put_number(s, security_task_prctl__arg4, a[3]);
	put_number(s, security_task_prctl__arg5, a[4]);
	if ((s32)a[0] == PR_SET_VMA && a[1] == PR_SET_VMA_ANON_NAME && a[4])
		put_user_string(s, security_task_prctl__vma_name, a[4]);
	if (before && (s32)a[0] == PR_SET_SECUREBITS)
		put_number(s, security_task_prctl__old_securebits, R(R(current_task(), real_cred), securebits));
	if (before && (s32)a[0] == PR_SET_MM) {
		put_old_memory(s->slot);
		put_new_memory(s->slot, a[1], a[2], a[3]);
	}
	end(s);
}

INLINE int prctl_hook(const u64 *a)
{
	if (current_in_scope())
		prctl_called(a, 1);
	return 0;
}
HOOK(prctl_hook, security_task_prctl)

/* ---- programs that are about to run, or cannot ---- */

INLINE int bprm_check_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct file *file = R((struct linux_binprm *)a[0], file);
	struct file_id id;
	struct call call;
	fill_file_id(&id, file);
	current_call(&call);
	struct scratch *s = begin_event(EVENT_security_bprm_check);
	if (!s)
		return 0;
	put_file(s, security_bprm_check__pathname, file);
	put_number(s, security_bprm_check__dev, id.dev);
	put_number(s, security_bprm_check__inode, id.inode);
	/* Until the check is over the memory is that of the program before. */
	u64 argv = call.nr == NR_execve ? call.args[1] : call.nr == NR_execveat ? call.args[2] : 0;
	u64 envp = call.nr == NR_execve ? call.args[2] : call.nr == NR_execveat ? call.args[3] : 0;
	if (argv && !is_compat())
		put_user_strings(s->slot, security_bprm_check__argv, argv);
	if (with_env && envp && !is_compat())
		put_user_strings(s->slot, security_bprm_check__envp, envp);
	end(s);
	return 0;
}
HOOK(bprm_check_hook, security_bprm_check)

/* The program that has passed the check, once it runs. */
SEC("raw_tp/sched_process_exec")
int on_checked_exec(u64 *ctx)
{
	if (!current_in_scope())
		return 0;
	struct file *file = R((struct linux_binprm *)ctx[2], file);
	struct mm_struct *mm = R(current_task(), mm);
	struct file_id id;
	fill_file_id(&id, file);
	struct scratch *s = begin_event(EVENT_security_bprm_check);
	if (!s)
		return 0;
	put_file(s, security_bprm_check__pathname, file);
	put_number(s, security_bprm_check__dev, id.dev);
	put_number(s, security_bprm_check__inode, id.inode);
	put_user_block(s->slot, TAG(FORM_STRINGS, security_bprm_check__argv), R(mm, arg_start), R(mm, arg_end));
	if (with_env)
		put_user_block(s->slot, TAG(FORM_STRINGS, security_bprm_check__envp), R(mm, env_start), R(mm, env_end));
	end(s);
	return 0;
}

/* What a program is that a task tries to run, as chunks of the event that tells that it cannot. The kernel has forgotten it by then. */
#define TRIED_MAX 8704
struct tried {
	struct event_payload head; /* reserved: bytes up to the end of the chunks */
	u8 chunks[TRIED_MAX];
};
_Static_assert(TRIED_MAX > 2 * PATH_MAX + NAME_MAX + 16 * sizeof(struct chunk), "a path, a text and numbers");
/* By address of the task: its numbers change if it is not the first thread. */
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u64);
	__type(value, struct tried);
} tried SEC(".maps");

INLINE int prepare_exec_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct linux_binprm *bprm = (void *)a[0];
	u64 task = (u64)current_task();
	struct scratch *s = begin_event(EVENT_process_execute_failed);
	if (!s)
		return 0;
	put_program(s->slot, process_execute_failed__binary_path, (u64)R(bprm, file));
	put_kernel_string(s, process_execute_failed__interpreter_path, R(bprm, interp));
	((struct event_payload *)s->body)->reserved = LEN(s);
	bpf_map_update_elem(&tried, &task, s->body, 0);
	drop(s);
	return 0;
}
HOOK(prepare_exec_hook, security_bprm_creds_for_exec)

/* Appends what is known of the program, if the kernel has come as far as to open it. */
GLOBAL int put_tried(u32 slot, u64 task)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct tried *program = bpf_map_lookup_elem(&tried, &task);
	if (!s || !program)
		return 0;
	u64 at = LEN(s), size = program->head.reserved - sizeof(program->head);
	if (at > BODY_SIZE - TRIED_MAX || size > TRIED_MAX)
		return 0;
	if (!bpf_probe_read_kernel(s->body + at, size, program->chunks))
		LEN(s) = at + size;
	return 0;
}

/* A program runs, or does not. */
INLINE void exec_returned(void)
{
	u64 task = (u64)current_task();
	bpf_map_delete_elem(&tried, &task);
}

INLINE void exec_failed(struct call *call)
{
	int at = call->nr == NR_execveat;
	struct file *in = file_of(0);
	struct scratch *s = begin_event(EVENT_process_execute_failed);
	if (!s)
		return;
	if (at) {
		put_number(s, process_execute_failed__dirfd, (s64)(s32)call->args[0]);
		put_number(s, process_execute_failed__flags, (s64)(s32)call->args[4]);
	}
	put_user_string(s, process_execute_failed__pathname, at ? call->args[1] : call->args[0]);
	put_tried(s->slot, (u64)current_task());
	if (in) {
		put_number(s, process_execute_failed__stdin_type, R(R(in, f_inode), i_mode) & 0170000);
		put_file(s, process_execute_failed__stdin_path, in);
	}
	put_number(s, process_execute_failed__kernel_invoked, 0);
	u64 argv = at ? call->args[2] : call->args[1], envp = at ? call->args[3] : call->args[2];
	if (argv && !is_compat())
		put_user_strings(s->slot, process_execute_failed__argv, argv);
	if (with_env && envp && !is_compat())
		put_user_strings(s->slot, process_execute_failed__envp, envp);
	end(s);
}

/* ---- mounts ---- */

INLINE int mount_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct path *path = (void *)a[1];
	struct scratch *s = begin_event(EVENT_security_sb_mount);
	if (!s)
		return 0;
	if (a[0])
		put_kernel_string(s, security_sb_mount__dev_name, (void *)a[0]);
	put_path_field(s, security_sb_mount__path, R(path, mnt), R(path, dentry));
	if (a[2])
		put_kernel_string(s, security_sb_mount__type, (void *)a[2]);
	put_number(s, security_sb_mount__flags, a[3]);
	end(s);
	return 0;
}
HOOK(mount_hook, security_sb_mount)

INLINE void mounted(struct call *call)
{
	struct scratch *s = begin_event(EVENT_security_sb_mount);
	if (!s)
		return;
	if (call->args[0])
		put_user_string(s, security_sb_mount__dev_name, call->args[0]);
	put_path_at(s->slot, security_sb_mount__path, AT_FDCWD, call->args[1]);
	if (call->args[2])
		put_user_string(s, security_sb_mount__type, call->args[2]);
	/* The kernel takes away the magic number of old programs, too. */
	u64 flags = call->args[3];
	if ((flags & 0xffff0000) == 0xc0ed0000)
		flags &= ~0xffff0000ULL;
	put_number(s, security_sb_mount__flags, flags);
	end(s);
}

#define EFAULT 14

/* A mount that fails has mostly come by the check, and tells what was tried. */
INLINE void mount_returned(struct call *call, s64 ret, u64 derived)
{
	if (derived & DERIVE_MOUNT && call->nr == NR_mount && ret != -EFAULT)
		mounted(call);
}

/* ---- what calls that have succeeded show ---- */

INLINE void task_call_returned(struct call *call, u64 derived)
{
	u64 task = bpf_get_current_pid_tgid();
	if (derived & DERIVE_CREDENTIALS) {
		struct credentials now, *before = bpf_map_lookup_elem(&old_credentials, &task);
		if (before) {
			read_credentials(&now, R(current_task(), real_cred));
			credentials_changed(before, &now);
			bpf_map_delete_elem(&old_credentials, &task);
		}
	}
	if (derived & DERIVE_NAMESPACES) {
		struct namespaces now, *before = bpf_map_lookup_elem(&old_namespaces, &task);
		if (before) {
			read_namespaces(&now, R(current_task(), nsproxy));
			namespaces_changed(current_task(), before, &now);
			bpf_map_delete_elem(&old_namespaces, &task);
		}
	}
	if (derived & DERIVE_PRCTL && call->nr == NR_prctl)
		prctl_called(call->args, 0);
	if (derived & DERIVE_RLIMIT && call->nr == NR_setrlimit) {
		u64 limits[2] = {};
		if (!bpf_probe_read_user(limits, sizeof(limits), (void *)call->args[1]))
			limit_set(current_task(), call->args[0], limits[0], limits[1]);
	}
	/* Of another process only its number is known. */
	if (derived & DERIVE_RLIMIT && call->nr == NR_prlimit64 && call->args[2]) {
		u64 limits[2] = {};
		s32 pid = call->args[0];
		if ((!pid || pid == own_upid(R(current_task(), group_leader)).nr) &&
		    !bpf_probe_read_user(limits, sizeof(limits), (void *)call->args[2]))
			limit_set(current_task(), call->args[1], limits[0], limits[1]);
	}
}
