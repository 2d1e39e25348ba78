/* Connecting sockets, at the security hook. */
#include "output.h"
#include "syscall.h"

enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10 };
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
	u64 last = (size - 1) & (ADDRESS_MAX - 1);
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
	p->new_fd = -1;
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
