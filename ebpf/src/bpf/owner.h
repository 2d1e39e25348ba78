/* Who owns a socket. Packets come and go in whatever task is interrupted, so what is told with them is remembered beforehand.
 *
 * The owner of a socket is the task that made it, then whoever uses it in a call of his own. A connection that nobody has accepted yet
 * belongs to the owner of the socket that listens for it. Sockets that are older than the recording are found in the tables of open
 * files of the tasks that are alive. */
#pragma once
#include "output.h"
#include "syscall.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10 };
enum { TCP_LISTEN = 10, TCP_NEW_SYN_RECV = 12 };

struct bpf_sock;
struct owner {
	/* Tell the socket from one that had its address before. The cookie is 0 as long as the socket has none. */
	u64 cookie, inode;
	struct record task; /* who it is; nothing else of a record */
};
/* By address of the socket. */
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct owner);
} owners SEC(".maps");

/* Where a socket listens. */
struct local_end {
	struct in6_addr address; /* IPv4: in the first four bytes */
	u32 net_ns;
	u16 family, port;
};
/* The socket that listens there. */
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct local_end);
	__type(value, u64);
} listeners SEC(".maps");

INLINE struct socket *socket_of(struct file *file)
{
	if (!file || (R(R(file, f_inode), i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	return R(file, private_data);
}

/* 0 for a socket that no file stands for: it is not accepted yet, or closed. */
INLINE u64 inode_of(struct sock *sk)
{
	struct socket_alloc *socket = (void *)R(sk, sk_socket);
	return socket ? R(socket, vfs_inode.i_ino) : 0;
}

INLINE void remember_owner(u64 sk, u64 cookie, struct task_struct *task, u64 flags)
{
	struct owner owner;
	__builtin_memset(&owner, 0, sizeof(owner));
	owner.cookie = cookie;
	owner.inode = inode_of((struct sock *)sk);
	fill_task(&owner.task, task);
	bpf_map_update_elem(&owners, &sk, &owner, flags);
}

/* A task has a descriptor of a socket, so it is the owner. */
INLINE void own_opened(struct sock *sk, struct task_struct *task, u64 flags)
{
	u16 family = R(sk, __sk_common.skc_family);
	if (family == AF_INET || family == AF_INET6)
		remember_owner((u64)sk, R(sk, __sk_common.skc_cookie.counter), task, flags);
}

/* The current task is the owner from now on. */
GLOBAL int own(u64 sk, u64 cookie)
{
	remember_owner(sk, cookie, current_task(), 0);
	return 0;
}

/* Whether the owner of a socket is known. */
INLINE int is_owned(u64 sk, u64 cookie)
{
	struct owner *owner = bpf_map_lookup_elem(&owners, &sk);
	if (!owner)
		return 0;
	if (!owner->cookie && owner->inode && owner->inode == inode_of((struct sock *)sk))
		owner->cookie = cookie;
	return owner->cookie == cookie;
}

/* Whether the current task is in a call whose first argument is a descriptor of the socket: it is using it. */
GLOBAL int is_using(u64 sk)
{
	struct task_struct *task = current_task();
	struct pt_regs *regs = R(task, flags) & PF_KTHREAD ? 0 : user_regs(task);
	if (!regs)
		return 0;
	u64 fd = R(task, thread_info.status) & TS_COMPAT ? R(regs, bx) : R(regs, di);
	struct socket *socket = socket_of(file_of((s32)fd));
	return socket && (u64)R(socket, sk) == sk;
}

/* A new connection belongs to who listens for it. */
GLOBAL int inherit_owner(u64 sk, u64 cookie, u64 listener)
{
	struct owner *parent = bpf_map_lookup_elem(&owners, &listener);
	if (!parent)
		return 0;
	struct owner owner = *parent;
	owner.cookie = cookie;
	owner.inode = inode_of((struct sock *)sk);
	bpf_map_update_elem(&owners, &sk, &owner, 0);
	return 1;
}

/* A number instead of a pointer that the verifier knows the type of, and then refuses to compare or to calculate with. */
INLINE u64 address_of(void *object)
{
	void *pointer = object;
	u64 address = 0;
	bpf_probe_read_kernel(&address, sizeof(address), &pointer);
	return address;
}

SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *sk)
{
	own(address_of(sk), bpf_get_socket_cookie(sk));
	return 1;
}

/* Whoever accepts a connection owns it. Not in the program that all calls are told by: some verifiers find that too much. A 32-bit
 * program owns it as soon as it uses it. */
SEC("raw_tp/sys_exit")
int on_accepted(u64 *ctx)
{
	s64 fd = ctx[1];
	u64 nr = R((struct pt_regs *)ctx[0], orig_ax);
	if ((nr != NR_accept && nr != NR_accept4) || fd < 0 || is_compat())
		return 0;
	struct socket *connection = socket_of(file_of(fd));
	if (connection)
		own_opened(R(connection, sk), current_task(), 0);
	return 0;
}

/* The sockets that there are. */
SEC("iter/task_file")
int list_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	if (!task || !file)
		return 0;
	struct socket *socket = socket_of(file);
	if (socket)
		own_opened(R(socket, sk), task, BPF_NOEXIST);
	return 0;
}
