/* Control groups: made, removed, and tasks moved into them. Containers are made of them. */
#include "output.h"

/* `path` is the kernel's own text, from the root of the hierarchy. */
INLINE void cgroup_changed(u16 kind, struct cgroup *cgroup, u64 path, struct task_struct *moved)
{
	struct scratch *s = begin(kind, sizeof(struct cgroup_payload));
	if (!s)
		return;
	struct cgroup_payload *p = (void *)s->body;
	__builtin_memset(p, 0, sizeof(*p));
	p->id = R(R(cgroup, kn), id);
	p->hierarchy = R(R(cgroup, root), hierarchy_id);
	if (moved) {
		p->task = R(moved, pid);
		bpf_probe_read_kernel(p->comm, sizeof(p->comm), &moved->comm);
	}
	put_kernel_text(s->slot, CHUNK_CGROUP, path);
	end(s);
}

SEC("raw_tp/cgroup_mkdir")
int on_cgroup_mkdir(u64 *ctx)
{
	if (current_is_recorded())
		cgroup_changed(KIND_CGROUP_MKDIR, (void *)ctx[0], ctx[1], 0);
	return 0;
}

SEC("raw_tp/cgroup_rmdir")
int on_cgroup_rmdir(u64 *ctx)
{
	if (current_is_recorded())
		cgroup_changed(KIND_CGROUP_RMDIR, (void *)ctx[0], ctx[1], 0);
	return 0;
}

/* A task in scope can be moved by one that is not. */
SEC("raw_tp/cgroup_attach_task")
int on_cgroup_attach_task(u64 *ctx)
{
	struct task_struct *moved = (void *)ctx[2];
	if (current_is_recorded() || in_scope(R(moved, tgid)))
		cgroup_changed(KIND_CGROUP_ATTACH, (void *)ctx[0], ctx[1], moved);
	return 0;
}
