/* Entry and exit of system calls: events that are calls, and the forms of others that a kernel without hooks on its functions
 * still shows. */
#include "output.h"
#include "syscall.h"

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct control);
} control SEC(".maps");

/* Tasks in a connect whose address could not be read at its entry, because it was paged out. */
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u8);
} unread SEC(".maps");

INLINE u64 wanted_calls(void)
{
	u32 zero = 0;
	struct control *c = bpf_map_lookup_elem(&control, &zero);
	return c ? c->syscalls : 0;
}

#define S_IFMT 0170000
#define S_IFSOCK 0140000

INLINE struct socket *socket_of(struct file *file)
{
	if (!file || (R(R(file, f_inode), i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	return R(file, private_data);
}

/* Reports a connect call; 0 when its address cannot be read. */
INLINE int connect_call(struct call *call)
{
	struct socket *socket = socket_of(file_of((s32)call->args[0]));
	u32 size = call->args[2];
	u16 family = 0;
	if (!socket || size < sizeof(family) || size > ADDRESS_MAX || !is_recorded_type((u16)R(socket, type)))
		return 1;
	const void *address = (const void *)call->args[1];
	if (bpf_probe_read_user(&family, sizeof(family), address))
		return 0;
	if (is_recorded_family(family))
		connecting(socket, (s32)call->args[0], address, size, 1);
	return 1;
}

SEC("raw_tp/sys_enter")
int on_sys_enter(u64 *ctx)
{
	u32 nr = ctx[1];
	/* 42 and 362 are connect in the native and the 32-bit table, 102 is the 32-bit socketcall. */
	if ((nr != NR_connect && nr != 362 && nr != 102) || !(wanted_calls() & CALL_CONNECT) || !current_in_scope())
		return 0;
	struct call call;
	read_call(&call, (struct pt_regs *)ctx[0], nr);
	if (call.nr == NR_connect && !connect_call(&call)) {
		u64 task = bpf_get_current_pid_tgid();
		u8 one = 1;
		bpf_map_update_elem(&unread, &task, &one, 0);
	}
	return 0;
}

#define O_PATH 010000000
/* The kernel takes these from the file once it is open. */
#define OPEN_TIME_FLAGS (0100 /* O_CREAT */ | 0200 /* O_EXCL */ | 0400 /* O_NOCTTY */ | 01000 /* O_TRUNC */)
#define CREAT_FLAGS (0100 | 01000)

INLINE void open_returned(struct call *call, s64 ret)
{
	struct file *file = ret >= 0 ? file_of(ret) : 0;
	u64 asked = 0, user_path = 0;
	if (!file)
		return;
	switch (call->nr) {
	case NR_open:
		user_path = call->args[0];
		asked = call->args[1];
		break;
	case NR_creat:
		user_path = call->args[0];
		asked = CREAT_FLAGS;
		break;
	case NR_openat:
		user_path = call->args[1];
		asked = call->args[2];
		break;
	case NR_openat2:
		user_path = call->args[1];
		bpf_probe_read_user(&asked, sizeof(asked), (void *)call->args[2]); /* struct open_how begins with the flags */
		break;
	}
	u32 flags = R(file, f_flags);
	if (!(flags & O_PATH)) /* such a descriptor opens nothing */
		file_opened(file, flags | (asked & OPEN_TIME_FLAGS), user_path);
}

INLINE void call_returned(struct call *call, s64 ret)
{
	struct scratch *s = begin(KIND_SYSCALL, sizeof(struct syscall_payload));
	if (!s)
		return;
	struct syscall_payload *p = (void *)s->body;
	__builtin_memcpy(p->args, call->args, sizeof(p->args));
	p->ret = ret;
	p->nr = call->nr;
	p->reserved = 0;
	end(s);
}

/* The peer of a socket as a struct sockaddr: its name, or for an unconnected UNIX socket its own. */
INLINE void put_peer(struct scratch *s, struct socket *socket)
{
	struct {
		u16 family, port;
		u32 address_or_flow;
		struct in6_addr address6;
		u32 scope;
	} peer = {};
	struct sock *sk = R(socket, sk);
	peer.family = R(sk, __sk_common.skc_family);
	if (peer.family == AF_UNIX) {
		struct unix_sock *other = (void *)R((struct unix_sock *)sk, peer);
		struct unix_address *name = R(other ? other : (struct unix_sock *)sk, addr);
		u32 size = name ? R(name, len) : 0;
		if (size && size <= ADDRESS_MAX)
			put_address(s, &name->name, size, 0);
		else
			put_address(s, &peer, sizeof(peer.family), 0);
		return;
	}
	peer.port = R(sk, __sk_common.skc_dport);
	if (peer.family == AF_INET)
		peer.address_or_flow = R(sk, __sk_common.skc_daddr);
	else if (peer.family == AF_INET6)
		peer.address6 = R(sk, __sk_common.skc_v6_daddr);
	put_address(s, &peer, sizeof(peer), 0);
}

INLINE void dup_returned(struct call *call, s64 ret)
{
	struct socket *socket = ret >= 0 ? socket_of(file_of(ret)) : 0;
	if (!socket)
		return;
	struct scratch *s = begin(KIND_DUP, sizeof(struct socket_payload));
	if (!s)
		return;
	struct socket_payload *p = (void *)s->body;
	p->fd = call->args[0];
	p->new_fd = ret;
	p->type = (u16)R(socket, type);
	p->reserved = 0;
	put_peer(s, socket);
	end(s);
}

SEC("raw_tp/sys_exit")
int on_sys_exit(u64 *ctx)
{
	struct pt_regs *regs = (void *)ctx[0];
	s64 ret = ctx[1];
	u64 wanted = wanted_calls();
	s32 nr = R(regs, orig_ax);
	if (nr < 0 || !current_in_scope())
		return 0;
	struct call call;
	read_call(&call, regs, nr);
	switch (call.nr) {
	case NR_open:
	case NR_creat:
	case NR_openat:
	case NR_openat2:
	case NR_open_by_handle_at:
		if (wanted & CALL_OPEN)
			open_returned(&call, ret);
		break;
	case NR_connect:
		if (wanted & CALL_CONNECT) {
			u64 task = bpf_get_current_pid_tgid();
			if (bpf_map_delete_elem(&unread, &task) == 0)
				connect_call(&call);
		}
		break;
	case NR_ptrace:
		if (wanted & CALL_PTRACE)
			call_returned(&call, ret);
		break;
	case NR_dup:
	case NR_dup2:
	case NR_dup3:
		if (wanted & (call.nr == NR_dup ? CALL_DUP : call.nr == NR_dup2 ? CALL_DUP2 : CALL_DUP3))
			call_returned(&call, ret);
		if (wanted & CALL_SOCKET_DUP)
			dup_returned(&call, ret);
		break;
	}
	return 0;
}
