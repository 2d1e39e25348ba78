/* Who does it: task ids and the header of a record. */
#pragma once
#include "kernel.h"
#include "record.h"

/* Set by the loader before the programs are loaded. */
const volatile u32 self_tgid = 0;   /* the recorder, whose own events are left out */
const volatile u32 scoped = 0;      /* only tasks in `scope` and their descendants */
const volatile u32 with_env = 0;    /* argument environment of exec */
const volatile u32 with_stack = 0;  /* addresses of the user stack with every event of a task */
const volatile u32 cgroup_v1 = 0;   /* cgroup ids are those of the first v1 hierarchy */

#define PF_KTHREAD 0x00200000
#define TS_COMPAT 2

/* Thread groups to record, when `scoped`. */
struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, u8);
} scope SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

INLINE int in_scope(u32 tgid)
{
	if (tgid == self_tgid)
		return 0;
	return !scoped || bpf_map_lookup_elem(&scope, &tgid) != 0;
}

INLINE int current_is_recorded(void)
{
	return in_scope(bpf_get_current_pid_tgid() >> 32);
}

INLINE struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/* The number of a task in its own pid namespace. */
INLINE struct upid own_upid(struct task_struct *task)
{
	struct upid upid = {};
	struct pid *pid = R(task, thread_pid);
	u64 level = R(pid, level);
	bpf_probe_read_kernel(&upid, sizeof(upid), (char *)pid + field_offset(((struct pid *)0)->numbers) + level * sizeof(upid));
	return upid;
}

/* The number of `task` in the pid namespace of a task whose level and namespace are given; 0 if it is not in there. */
INLINE u32 nr_in(struct task_struct *task, struct pid_namespace *ns)
{
	struct upid upid = own_upid(task);
	return upid.ns == ns ? upid.nr : 0;
}

INLINE void fill_task_id(struct task_id *id, struct task_struct *task)
{
	struct task_struct *leader = R(task, group_leader);
	id->tid = R(task, pid);
	id->pid = R(task, tgid);
	id->ns_tid = own_upid(task).nr;
	id->ns_pid = leader == task ? id->ns_tid : own_upid(leader).nr;
	id->start = R(task, start_boottime);
}

/* The user registers on top of a task's kernel stack, or none.
 *
 * The stack is 16 KiB, and some kernels keep 16 bytes free above the registers. The segment registers of user mode tell
 * whether they were found, so on a kernel with other stacks there are none, never wrong ones. */
INLINE struct pt_regs *user_regs(struct task_struct *task)
{
	char *top = (char *)R(task, stack) + 16384;
	for (int free = 0; free <= 16; free += 16) {
		struct pt_regs *regs = (struct pt_regs *)(top - free - sizeof(struct pt_regs));
		u16 cs = R(regs, cs), ss = R(regs, ss);
		if (ss == 0x2b && (cs == 0x33 || cs == 0x23))
			return regs;
	}
	return 0;
}

INLINE struct kernfs_node *cgroup_node_of(struct task_struct *task)
{
	struct css_set *set = R(task, cgroups);
	struct cgroup *cgroup;
	if (cgroup_v1) {
		struct cgroup_subsys_state *css = R(set, subsys[0]);
		cgroup = R(css, cgroup);
	} else {
		cgroup = R(set, dfl_cgrp);
	}
	return R(cgroup, kn);
}

INLINE u64 cgroup_id_of(struct task_struct *task)
{
	return R(cgroup_node_of(task), id);
}

/* Everything in the header but kind, length and place in the stream. */
INLINE void fill_task(struct record *r, struct task_struct *task)
{
	struct task_struct *leader = R(task, group_leader);
	/* A thread's real parent can be a thread; the parent process is that thread's leader. */
	struct task_struct *parent = R(leader, real_parent);
	parent = R(parent, group_leader);
	struct cred *cred = R(task, real_cred);
	struct nsproxy *nsproxy = R(task, nsproxy);
	struct upid own = own_upid(task);

	r->task_start = R(task, start_boottime);
	r->leader_start = R(leader, start_boottime);
	r->parent_start = R(parent, start_boottime);
	r->cgroup_id = cgroup_id_of(task);
	r->tid = R(task, pid);
	r->pid = R(task, tgid);
	r->ns_tid = own.nr;
	r->ns_pid = leader == task ? own.nr : own_upid(leader).nr;
	r->ppid = R(parent, tgid);
	r->ns_ppid = nr_in(parent, own.ns);
	r->uid = R(cred, uid.val);
	r->gid = R(cred, gid.val);
	r->mnt_ns = R(R(nsproxy, mnt_ns), ns.inum);
	r->pid_ns = R(own.ns, ns.inum);
	u32 flags = R(task, flags);
	r->flags = 0;
	r->syscall = -1;
	if (flags & PF_KTHREAD) {
		r->flags |= TASK_KTHREAD;
	} else {
		if (R(task, thread_info.status) & TS_COMPAT)
			r->flags |= TASK_COMPAT;
		struct pt_regs *regs = user_regs(task);
		if (regs)
			r->syscall = (s32)R(regs, orig_ax);
	}
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), &task->comm);
	struct uts_namespace *uts = R(nsproxy, uts_ns);
	bpf_probe_read_kernel(r->node, sizeof(r->node), &uts->name.nodename);
}
