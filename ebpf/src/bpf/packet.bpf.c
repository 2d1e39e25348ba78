/* Packets that sockets of this machine send and receive, told with the owner of the socket. Every packet goes its way. */
#include "owner.h"

/* Bits PACKET_*: what is to be told. Set before the programs are loaded. */
const volatile u32 packets_wanted = 0;

#define PACKETS_DNS (PACKET_DNS | PACKET_DNS_REQUEST | PACKET_DNS_RESPONSE)
#define PACKETS_HTTP (PACKET_HTTP | PACKET_HTTP_REQUEST | PACKET_HTTP_RESPONSE)
#define PACKETS_FLOW (PACKET_FLOW_BEGIN | PACKET_FLOW_END)
/* These need what the packet carries, not only its headers. */
#define PACKETS_WHOLE (PACKET_ICMP | PACKET_ICMPV6 | PACKETS_DNS | PACKETS_HTTP)
/* Bytes of a packet that are told: of headers, of a whole one. */
#define HEADERS_MAX 128
#define PACKET_MAX 16384

enum { PROTO_HOP = 0, PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ROUTING = 43, PROTO_FRAGMENT = 44, PROTO_ICMPV6 = 58,
       PROTO_NONE = 59, PROTO_OPTIONS = 60 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };
#define PORT_DNS 53
#define CURRENT_NETNS (-1)

struct packet {
	u8 version, protocol; /* PROTO_NONE for a fragment that is not the first */
	u8 tcp_flags;
	u32 transport, payload; /* where they begin */
	u16 source_port, destination_port;
	struct in6_addr source, destination;
};

INLINE u16 big_endian(const u8 *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

/* Extension headers that are passed over; nobody sends more. */
#define EXTENSIONS_MAX 6

INLINE int read_network(struct __sk_buff *skb, struct packet *p)
{
	u8 head[40];
	if (bpf_skb_load_bytes(skb, 0, head, 20))
		return 0;
	p->version = head[0] >> 4;
	if (p->version == 4) {
		p->transport = (head[0] & 15) * 4;
		p->protocol = big_endian(head + 6) & 0x1fff ? PROTO_NONE : head[9];
		__builtin_memcpy(&p->source, head + 12, 4);
		__builtin_memcpy(&p->destination, head + 16, 4);
		return 1;
	}
	if (p->version != 6 || bpf_skb_load_bytes(skb, 0, head, 40))
		return 0;
	p->protocol = head[6];
	p->transport = 40;
	__builtin_memcpy(&p->source, head + 8, 16);
	__builtin_memcpy(&p->destination, head + 24, 16);
	for (u32 i = 0; i < EXTENSIONS_MAX; i++) {
		u8 extension[4], kind = p->protocol;
		if (kind != PROTO_HOP && kind != PROTO_ROUTING && kind != PROTO_OPTIONS && kind != PROTO_FRAGMENT)
			break;
		if (bpf_skb_load_bytes(skb, p->transport, extension, 4))
			return 0;
		p->protocol = extension[0];
		p->transport += kind == PROTO_FRAGMENT ? 8 : (extension[1] + 1) * 8;
		if (kind == PROTO_FRAGMENT && big_endian(extension + 2) & 0xfff8)
			p->protocol = PROTO_NONE;
	}
	return 1;
}

/* What a payload of TCP that begins like this is told as. */
INLINE u32 http_events(struct __sk_buff *skb, u32 payload)
{
	u8 begin[4];
	if (bpf_skb_load_bytes(skb, payload, begin, 4))
		return 0;
	u32 word = begin[0] << 24 | begin[1] << 16 | begin[2] << 8 | begin[3];
	if (word == 0x48545450) /* HTTP */
		return PACKET_HTTP | PACKET_HTTP_RESPONSE;
	/* GET, POST, PUT, DELETE, HEAD */
	if (word == 0x47455420 || word == 0x504f5354 || word == 0x50555420 || word == 0x44454c45 || word == 0x48454144)
		return PACKET_HTTP | PACKET_HTTP_REQUEST;
	return 0;
}

/* What a packet can be told as. */
INLINE u32 events_of(struct __sk_buff *skb, struct packet *p)
{
	u32 events = p->version == 4 ? PACKET_IPV4 : PACKET_IPV6;
	if (p->protocol == PROTO_ICMP && p->version == 4)
		return events | PACKET_ICMP;
	if (p->protocol == PROTO_ICMPV6 && p->version == 6)
		return events | PACKET_ICMPV6;
	u8 head[14];
	if (p->protocol == PROTO_UDP) {
		if (bpf_skb_load_bytes(skb, p->transport, head, 8))
			return events;
		events |= PACKET_UDP;
		p->payload = p->transport + 8;
	} else if (p->protocol == PROTO_TCP) {
		if (bpf_skb_load_bytes(skb, p->transport, head, 14))
			return events;
		events |= PACKET_TCP;
		p->payload = p->transport + (head[12] >> 4) * 4;
		p->tcp_flags = head[13];
		if (p->tcp_flags & (TCP_FIN | TCP_RST) || (p->tcp_flags & TCP_SYN && p->tcp_flags & TCP_ACK))
			events |= PACKETS_FLOW;
	} else {
		return events;
	}
	p->source_port = big_endian(head);
	p->destination_port = big_endian(head + 2);
	if (p->payload < skb->len) {
		if (p->source_port == PORT_DNS || p->destination_port == PORT_DNS)
			events |= PACKETS_DNS;
		if (p->protocol == PROTO_TCP && packets_wanted & PACKETS_HTTP)
			events |= http_events(skb, p->payload);
	}
	return events;
}

INLINE void local_end(struct local_end *end, struct packet *p, u32 leaving, u32 net_ns)
{
	end->address = leaving ? p->source : p->destination;
	end->net_ns = net_ns;
	end->family = p->version;
	end->port = leaving ? p->source_port : p->destination_port;
}

/* Whether events of the owner are wanted; those of a container that is not known yet are left to the reader. */
INLINE int owner_passes(struct record *task)
{
	u32 kinds = filters_in | filters_out;
	if (!in_scope(task->pid) || (scoped && !task->pid))
		return 0;
	if (!kinds)
		return 1;
	struct filter_key comm = { FILTER_COMM, 0, {} };
	__builtin_memcpy(comm.value, task->comm, sizeof(comm.value));
	u8 *place = bpf_map_lookup_elem(&cgroup_places, &task->cgroup_id);
	return number_passes(FILTER_HOST_PID, task->pid) && number_passes(FILTER_HOST_TID, task->tid) &&
	       number_passes(FILTER_PID, task->ns_pid) && number_passes(FILTER_UID, task->uid) &&
	       number_passes(FILTER_CGROUP, task->cgroup_id) && number_passes(FILTER_MNT_NS, task->mnt_ns) &&
	       number_passes(FILTER_PID_NS, task->pid_ns) && passes(&comm) &&
	       (!(kinds & 1 << FILTER_CONTAINER) || !place || (*place == 1) == !(filters_out & 1 << FILTER_CONTAINER));
}

/* Takes a buffer for a packet of a socket, and fills in the owner; nobody, if there is none. -1 if it is not to be told. */
GLOBAL int take_packet_buffer(u64 sk, u64 cgroup)
{
	struct owner *owner = bpf_map_lookup_elem(&owners, &sk);
	if (owner ? !owner_passes(&owner->task) : scoped || filters_in)
		return -1;
	u32 slot = take_empty_buffer(KIND_PACKET, sizeof(struct packet_payload));
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s)
		return -1;
	struct record *r = &s->rec, meta = s->rec;
	if (owner)
		*r = owner->task;
	else
		__builtin_memset(r, 0, sizeof(*r));
	r->kind = meta.kind;
	r->version = meta.version;
	r->time = meta.time;
	r->cpu = meta.cpu;
	r->lane = meta.lane;
	r->frames = 0;
	if (!owner)
		r->cgroup_id = cgroup;
	return slot;
}

/* Whether a segment that comes to a listening socket completes the opening of a connection: the connection is there as a request.
 *
 * The answer to the opening tells that a connection begins. Not all kernels show it as it leaves over IPv6: Linux 6.1 does not. */
INLINE int completes_opening(struct __sk_buff *skb, struct packet *p, struct sock *socket)
{
	struct {
		struct in6_addr source, destination;
		u16 source_port, destination_port;
	} ends = { p->source, p->destination, __builtin_bswap16(p->source_port), __builtin_bswap16(p->destination_port) };
	if (p->version != 6 || (p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) != TCP_ACK ||
	    R(socket, __sk_common.skc_state) != TCP_LISTEN)
		return 0;
	void *found = bpf_skc_lookup_tcp(skb, &ends, sizeof(ends), CURRENT_NETNS, 0);
	if (!found)
		return 0;
	u64 request = address_of(found);
	bpf_sk_release(found);
	return R((struct sock *)request, __sk_common.skc_state) == TCP_NEW_SYN_RECV;
}

INLINE int packet(struct __sk_buff *skb, u32 leaving)
{
	struct packet p = {};
	u64 sk = address_of((void *)skb->sk);
	if (!sk || !read_network(skb, &p))
		return 1;
	u32 events = events_of(skb, &p) & packets_wanted;
	u32 opening = p.protocol == PROTO_TCP && p.tcp_flags & TCP_SYN;
	struct sock *socket = (struct sock *)sk;
	if (packets_wanted & PACKETS_FLOW && !leaving && completes_opening(skb, &p, socket))
		events |= packets_wanted & PACKETS_FLOW;
	if (!events && !opening)
		return 1;
	u32 net_ns = R(R(socket, __sk_common.skc_net.net), ns.inum);
	struct local_end here = {};
	local_end(&here, &p, leaving, net_ns);
	if (opening && R(socket, __sk_common.skc_state) == TCP_LISTEN)
		bpf_map_update_elem(&listeners, &here, &sk, 0);
	if (!events)
		return 1;

	u64 cookie = bpf_get_socket_cookie(skb), nobody = 0;
	int used = is_using(sk), known = 1;
	if (used) {
		own(sk, cookie);
	} else if (!is_owned(sk, cookie)) {
		u64 *listener = bpf_map_lookup_elem(&listeners, &here);
		known = listener && inherit_owner(sk, cookie, *listener);
	}
	u32 slot = take_packet_buffer(known ? sk : nobody, cgroup_v1 ? 0 : bpf_skb_cgroup_id(skb));
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s)
		return 1;
	if (!used || !leaving)
		s->rec.syscall = -1;
	struct packet_payload *payload = (void *)s->body;
	payload->events = events;
	payload->leaving = leaving;
	payload->net_ns = net_ns;
	payload->len = skb->len;
	u32 most = events & PACKETS_WHOLE ? PACKET_MAX : HEADERS_MAX, size = skb->len;
	if (size > most)
		size = most;
	u64 last = (size - 1) & (PACKET_MAX - 1);
	if (!size || bpf_skb_load_bytes(skb, 0, s->body + sizeof(*payload), last + 1)) {
		drop(s);
		return 1;
	}
	LEN(s) = sizeof(*payload) + last + 1;
	submit(s);
	return 1;
}

SEC("cgroup_skb/ingress")
int packet_arrives(struct __sk_buff *skb)
{
	return packet(skb, 0);
}

SEC("cgroup_skb/egress")
int packet_leaves(struct __sk_buff *skb)
{
	return packet(skb, 1);
}
