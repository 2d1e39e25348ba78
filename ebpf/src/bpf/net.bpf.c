/* Sockets: made, bound, listening, connected, accepted, given options; at the security hooks and as calls show them. */
#include "fields.h"
#include "owner.h"
#include "syscall.h"

enum { SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_SEQPACKET = 5 };
#define ADDRESS_MAX 128 /* sizeof(struct sockaddr_storage) */

INLINE int is_recorded_type(u32 type)
{
	return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
}

/* Puts the address in, `size` bytes of it. 0 when it cannot be read. */
INLINE int put_address(struct scratch *s, const void *address, u32 size, int user)
{
	if (!open_chunk(s, ADDRESS_MAX))
		return 0;
	u64 at = LEN(s);
	if (at > BODY_SIZE - ADDRESS_MAX || size == 0)
		return 0;
	u64 last = masked(size - 1, ADDRESS_MAX - 1);
	long failed = user ? bpf_probe_read_user(s->body + at, last + 1, address) : bpf_probe_read_kernel(s->body + at, last + 1, address);
	if (!failed)
		LEN(s) = at + last + 1;
	close_chunk(s, CHUNK_ADDRESS, failed ? FLAG_UNREADABLE : 0);
	return !failed;
}

INLINE void connecting(struct socket *socket, s32 fd, const void *address, u32 size, int user)
{
	struct scratch *s = begin(KIND_CONNECT, sizeof(struct socket_payload));
	if (!s)
		return;
	struct socket_payload *p = (void *)s->body;
	p->fd = fd;
	p->unused = 0;
	p->type = (u16)R(socket, type);
	p->reserved = 0;
	put_address(s, address, size, user);
	end(s);
}

INLINE int is_recorded_family(u16 family)
{
	return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

INLINE int on_security_socket_connect(struct socket *socket, const void *address, u32 size)
{
	u16 family = 0;
	if (!current_in_scope() || size < sizeof(family) || size > ADDRESS_MAX || !is_recorded_type((u16)R(socket, type)))
		return 0;
	bpf_probe_read_kernel(&family, sizeof(family), address);
	if (!is_recorded_family(family))
		return 0;
	struct call call;
	current_call(&call);
	/* A connection that no connect call asks for (io_uring) has no descriptor. */
	connecting(socket, call.nr == NR_connect ? (s32)call.args[0] : 0, address, size, 0);
	return 0;
}

SEC("fentry/security_socket_connect")
int connect_fentry(u64 *ctx)
{
	return on_security_socket_connect((struct socket *)ctx[0], (const void *)ctx[1], ctx[2]);
}

SEC("kprobe/security_socket_connect")
int connect_kprobe(struct pt_regs *ctx)
{
	return on_security_socket_connect((struct socket *)ctx->di, (const void *)ctx->si, ctx->dx);
}

/* What stands in a struct sockaddr of an internet socket, of whichever family. */
struct socket_name {
	u16 family, port;
	u32 address_or_flow;
	struct in6_addr address6;
	u32 scope;
};

/* Puts the name of a socket as a struct sockaddr; `peer`: of its other end. A UNIX socket that is connected without having a name
 * of its own is told by that of its peer. */
GLOBAL int put_socket_name(u32 slot, u32 tag, u64 of, u32 peer)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct sock *sk = (struct sock *)of;
	struct socket_name name = {};
	if (!s || !sk)
		return 0;
	name.family = R(sk, __sk_common.skc_family);
	if (name.family == AF_UNIX) {
		struct unix_sock *other = peer ? (void *)R((struct unix_sock *)sk, peer) : 0;
		struct unix_address *address = R(other ? other : (struct unix_sock *)sk, addr);
		u32 size = address ? R(address, len) : 0;
		if (size > 0 && size <= ADDRESS_MAX)
			put_kernel_block(s, tag, &address->name, size, ADDRESS_MAX);
		else
			put_kernel_block(s, tag, &name, sizeof(name.family), ADDRESS_MAX);
		return 0;
	}
	if (name.family != AF_INET && name.family != AF_INET6)
		return 0;
	if (peer) {
		name.port = R(sk, __sk_common.skc_dport);
	} else {
		u16 port = R(sk, __sk_common.skc_num);
		name.port = port >> 8 | port << 8;
	}
	if (name.family == AF_INET)
		name.address_or_flow = peer ? R(sk, __sk_common.skc_daddr) : R(sk, __sk_common.skc_rcv_saddr);
	else
		name.address6 = peer ? R(sk, __sk_common.skc_v6_daddr) : R(sk, __sk_common.skc_v6_rcv_saddr);
	put_kernel_block(s, tag, &name, sizeof(name), ADDRESS_MAX);
	return 0;
}

INLINE void put_own_name(struct scratch *s, u32 field, struct socket *socket)
{
	put_socket_name(s->slot, TAG(FORM_ADDRESS, field), (u64)R(socket, sk), 0);
}

/* The first argument of the running call, if it is one of these: a descriptor. */
INLINE s64 descriptor_of(s32 nr, s32 or)
{
	struct call call;
	current_call(&call);
	return call.nr == nr || call.nr == or ? (s32)call.args[0] : 0;
}

INLINE void socket_created(u32 family, u32 type, u32 protocol, u32 kernel)
{
	struct scratch *s = begin_event(EVENT_security_socket_create);
	if (!s)
		return;
	put_number(s, security_socket_create__family, family);
	put_number(s, security_socket_create__type, type);
	put_number(s, security_socket_create__protocol, protocol);
	put_number(s, security_socket_create__kern, kernel);
	end(s);
}

INLINE int socket_create_hook(const u64 *a)
{
	if (current_in_scope())
		socket_created(a[0], a[1], a[2], a[3]);
	return 0;
}
HOOK(socket_create_hook, security_socket_create)

INLINE void listening(struct socket *socket, s64 fd, s32 backlog)
{
	struct scratch *s = begin_event(EVENT_security_socket_listen);
	if (!s)
		return;
	put_number(s, security_socket_listen__sockfd, fd);
	put_own_name(s, security_socket_listen__local_addr, socket);
	put_number(s, security_socket_listen__backlog, (s64)backlog);
	end(s);
}

INLINE int listen_hook(const u64 *a)
{
	if (current_in_scope())
		listening((void *)a[0], descriptor_of(NR_listen, NR_listen), a[1]);
	return 0;
}
HOOK(listen_hook, security_socket_listen)

INLINE void accepting(struct socket *socket, s64 fd)
{
	struct scratch *s = begin_event(EVENT_security_socket_accept);
	if (!s)
		return;
	put_number(s, security_socket_accept__sockfd, fd);
	put_own_name(s, security_socket_accept__local_addr, socket);
	end(s);
}

INLINE int accept_hook(const u64 *a)
{
	if (current_in_scope())
		accepting((void *)a[0], descriptor_of(NR_accept, NR_accept4));
	return 0;
}
HOOK(accept_hook, security_socket_accept)

INLINE void set_option(struct socket *socket, s64 fd, s32 level, s32 option)
{
	struct scratch *s = begin_event(EVENT_security_socket_setsockopt);
	if (!s)
		return;
	put_number(s, security_socket_setsockopt__sockfd, fd);
	put_number(s, security_socket_setsockopt__level, (s64)level);
	put_number(s, security_socket_setsockopt__optname, (s64)option);
	put_own_name(s, security_socket_setsockopt__local_addr, socket);
	end(s);
}

INLINE int setsockopt_hook(const u64 *a)
{
	if (current_in_scope())
		set_option((void *)a[0], descriptor_of(NR_setsockopt, NR_setsockopt), a[1], a[2]);
	return 0;
}
HOOK(setsockopt_hook, security_socket_setsockopt)

INLINE int bind_hook(const u64 *a)
{
	u32 size = a[2];
	u16 family = 0;
	if (!current_in_scope() || size < sizeof(family) || size > ADDRESS_MAX)
		return 0;
	bpf_probe_read_kernel(&family, sizeof(family), (void *)a[1]);
	if (!is_recorded_family(family))
		return 0;
	s64 fd = descriptor_of(NR_bind, NR_bind);
	struct scratch *s = begin_event(EVENT_security_socket_bind);
	if (!s)
		return 0;
	put_number(s, security_socket_bind__sockfd, fd);
	put_kernel_block(s, TAG(FORM_ADDRESS, security_socket_bind__local_addr), (void *)a[1], size, ADDRESS_MAX);
	end(s);
	return 0;
}
HOOK(bind_hook, security_socket_bind)

/* Both ends of a connection that a call has accepted. */
INLINE void accepted(struct socket *listener, struct socket *socket, s64 fd)
{
	struct scratch *s = begin_event(EVENT_socket_accept);
	if (!s)
		return;
	put_number(s, socket_accept__sockfd, fd);
	put_own_name(s, socket_accept__local_addr, listener);
	put_socket_name(s->slot, TAG(FORM_ADDRESS, socket_accept__remote_addr), (u64)R(socket, sk), 1);
	end(s);
}

/* A call on sockets that has succeeded. */
INLINE void socket_call_returned(struct call *call, s64 ret, u64 derived)
{
	s32 fd = call->args[0];
	struct socket *socket = 0;
	switch (call->nr) {
	case NR_socket:
		if (derived & DERIVE_SOCKET_CREATE)
			socket_created(call->args[0], call->args[1] & 0xf, call->args[2], 0);
		break;
	case NR_bind:
		if (derived & DERIVE_BIND) {
			u32 size = call->args[2] > ADDRESS_MAX ? ADDRESS_MAX : call->args[2];
			u16 family = 0;
			bpf_probe_read_user(&family, sizeof(family), (void *)call->args[1]);
			struct scratch *s = is_recorded_family(family) ? begin_event(EVENT_security_socket_bind) : 0;
			if (s) {
				put_number(s, security_socket_bind__sockfd, (s64)fd);
				put_user_bytes(s->slot, TAG(FORM_ADDRESS, security_socket_bind__local_addr), call->args[1], size);
				end(s);
			}
		}
		break;
	case NR_listen:
		if (derived & DERIVE_LISTEN && (socket = socket_of(file_of(fd))))
			listening(socket, fd, call->args[1]);
		break;
	case NR_setsockopt:
		if (derived & DERIVE_SETSOCKOPT && (socket = socket_of(file_of(fd))))
			set_option(socket, fd, call->args[1], call->args[2]);
		break;
	case NR_accept:
	case NR_accept4:
		socket = socket_of(file_of(fd));
		if (!socket)
			return;
		if (derived & DERIVE_ACCEPT)
			accepting(socket, fd);
		if (derived & DERIVE_ACCEPTED) {
			struct socket *connection = socket_of(file_of(ret));
			if (connection)
				accepted(socket, connection, fd);
		}
		break;
	}
}
