/* Building a record in a per-CPU buffer and handing it to the reader. */
#pragma once
#include "filter.h"
#include "stack.h"

#define BODY_SIZE 31744

/* The offset lives in the map value, never in a register: the verifier then has nothing to enumerate, which takes the
 * path walk from a quarter of a million verified instructions to ten thousand. */
struct scratch {
	u32 users; /* programs that have it or ask for it */
	u32 len;   /* bytes of the body in use */
	u32 start; /* where the open chunk begins */
	u32 slot;
	struct record rec;
	u8 body[BODY_SIZE];
};
_Static_assert(sizeof(struct scratch) <= 32768, "the kernel's limit of a per-CPU array element");

#define LEN(s) (*(volatile u32 *)&(s)->len)
#define START(s) (*(volatile u32 *)&(s)->start)

/* Programs can interrupt each other on a CPU: each takes a buffer that is free, and numbers its records in that buffer's lane. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, LANES);
	__type(key, u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

/* Wake the reader when this many bytes are queued: waking it for each record costs 20 times what the record does. */
const volatile u64 wake_bytes = 65536;

/* Gives a buffer back. */
INLINE void drop(struct scratch *s)
{
	__sync_fetch_and_add(&s->users, -1);
}

/* Takes a buffer: its number, or -1 when there is none. Who did it is left to be filled in. */
GLOBAL int take_empty_buffer(u32 kind, u32 payload)
{
	u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counters, &zero);
	if (!c)
		return -1;
	u64 time = bpf_ktime_get_boot_ns();
	for (u32 i = 0; i < LANES; i++) {
		u32 slot = i;
		struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
		if (!s)
			break;
		/* Who finds nobody else has it. An atomic operation that gives a value takes Linux 5.12. */
		__sync_fetch_and_add(&s->users, 1);
		if (*(volatile u32 *)&s->users != 1) {
			drop(s);
			continue;
		}
		s->slot = i;
		s->len = payload;
		s->rec.kind = kind;
		s->rec.version = RECORD_VERSION;
		s->rec.lane = i;
		s->rec.frames = 0;
		s->rec.time = time;
		s->rec.cpu = bpf_get_smp_processor_id();
		return i;
	}
	__sync_fetch_and_add(&c->no_scratch, 1);
	return -1;
}

/* Takes a buffer and fills in the header, with the current task in it. */
GLOBAL int take_buffer(u32 kind, u32 payload)
{
	u32 slot = take_empty_buffer(kind, payload);
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (s)
		fill_task(&s->rec, current_task());
	return slot;
}

INLINE struct scratch *begin(u16 kind, u32 payload)
{
	u32 slot = take_buffer(kind, payload);
	return bpf_map_lookup_elem(&scratch, &slot);
}

/* A filter on the path of an event: the path's first directories, or all of it, as they end a chunk of components: the first directory
 * last. Only whole components are compared; the reader does the rest. */
#define PREFIX_MAX 64
#define PREFIXES 16
struct path_prefix {
	u32 event; /* 0: no more of them */
	u32 len;
	u64 tail[PREFIX_MAX / 8];
};
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, PREFIXES);
	__type(key, u32);
	__type(value, struct path_prefix);
} path_prefixes SEC(".maps");

/* By number, the events whose path is filtered; set before the programs are loaded. */
const volatile u8 path_filtered[1024] = {};

/* Whether the path in the first chunk of the event, which begins at `at`, is one of those that are wanted. */
GLOBAL int path_passes(u32 slot, u32 event, u32 at)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s || at > BODY_SIZE - sizeof(struct chunk))
		return 1;
	struct chunk *chunk = (struct chunk *)(s->body + at);
	u32 len = chunk->len;
	/* What is not the whole path is left to the reader. */
	if (chunk->flags)
		return 1;
	for (u32 i = 0; i < PREFIXES; i++) {
		u32 key = i;
		struct path_prefix *prefix = bpf_map_lookup_elem(&path_prefixes, &key);
		if (!prefix || !prefix->event)
			break;
		u32 size = prefix->len;
		if (prefix->event != event || size > len)
			continue;
		u64 from = at + sizeof(struct chunk) + len - size;
		u64 tail[PREFIX_MAX / 8] = {};
		if (!size || size > PREFIX_MAX || from > BODY_SIZE - PREFIX_MAX)
			return 1;
		bpf_probe_read_kernel(tail, ((size - 1) & (PREFIX_MAX - 1)) + 1, s->body + from);
		u64 differs = 0;
		for (u32 j = 0; j < PREFIX_MAX / 8; j++)
			differs |= tail[j] ^ prefix->tail[j];
		if (!differs)
			return 1;
	}
	return 0;
}

INLINE void put_frame(struct scratch *s, u64 address)
{
	u64 at = LEN(s);
	if (at > BODY_SIZE - sizeof(address))
		return;
	bpf_probe_read_kernel(s->body + at, sizeof(address), &address);
	LEN(s) = at + sizeof(address);
	s->rec.frames++;
}

/* Ends a record with the current task's user stack: where it is in its program, and where its callers go on. A program may write what it
 * likes into the chain: no more is believed than that it has FRAMES_MAX links. */
GLOBAL int put_stack(u32 slot)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	struct task_struct *task = current_task();
	if (!s || R(task, flags) & PF_KTHREAD)
		return 0;
	struct pt_regs *regs = user_regs(task);
	if (!regs)
		return 0;
	int narrow = (u16)R(regs, cs) == USER32_CS;
	struct frame frame = { R(regs, bp), R(regs, ip) };
	put_frame(s, frame.address);
	for (u32 i = 1; i < FRAMES_MAX; i++) {
		if (!frame.caller || read_frame(&frame, frame.caller, narrow) || !frame.address)
			break;
		put_frame(s, frame.address);
	}
	return 0;
}

/* Hands a record to the reader. */
INLINE void submit(struct scratch *s)
{
	u64 body = LEN(s);
	u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counters, &zero);
	if (c && body <= BODY_SIZE) {
		u64 size = sizeof(struct record) + body;
		s->rec.len = size;
		s->rec.seq = c->produced[s->slot & (LANES - 1)]++;
		u64 wake = bpf_ringbuf_query(&ring, RB_AVAILABLE_BYTES) >= wake_bytes ? RB_FORCE_WAKEUP : RB_NO_WAKEUP;
		if (bpf_ringbuf_output(&ring, &s->rec, size, wake))
			__sync_fetch_and_add(&c->ring_full, 1);
	}
	drop(s);
}

/* The end of a record about the current task. */
INLINE void end(struct scratch *s)
{
	if (with_stack)
		put_stack(s->slot);
	submit(s);
}

/* The end of an event whose path stands in its first chunk, after a payload of so many bytes; `event` is known when compiling. */
INLINE void end_with_path(struct scratch *s, u32 event, u32 payload)
{
	if (path_filtered[event] && !path_passes(s->slot, event, payload))
		drop(s);
	else
		end(s);
}

/* Opens a chunk for `room` bytes; where there is no room, leaves nothing open and says 0. */
INLINE int open_chunk(struct scratch *s, u32 room)
{
	u32 at = LEN(s);
	if (at > BODY_SIZE - sizeof(struct chunk) - room)
		return 0;
	START(s) = at;
	LEN(s) = at + sizeof(struct chunk);
	return 1;
}

INLINE void close_chunk(struct scratch *s, u16 tag, u16 flags)
{
	u64 at = START(s);
	if (at > BODY_SIZE - sizeof(struct chunk))
		return;
	struct chunk *chunk = (struct chunk *)(s->body + at);
	chunk->tag = tag;
	chunk->flags = flags;
	chunk->len = LEN(s) - at - sizeof(struct chunk);
}

INLINE void empty_chunk(struct scratch *s, u16 tag, u16 flags)
{
	if (open_chunk(s, 0))
		close_chunk(s, tag, flags);
}

#define PATH_MAX 4096
#define NAME_MAX 256
#define MAX_COMPONENTS 128
#define ARGS_MAX 8192

/* Appends text of at most PATH_MAX bytes from kernel or user memory. */
INLINE void text(struct scratch *s, u16 tag, const void *from, int user)
{
	if (!open_chunk(s, PATH_MAX)) {
		empty_chunk(s, tag, FLAG_TRUNCATED);
		return;
	}
	u64 at = LEN(s);
	if (at > BODY_SIZE - PATH_MAX)
		return;
	long n = user ? bpf_probe_read_user_str(s->body + at, PATH_MAX, from) : bpf_probe_read_kernel_str(s->body + at, PATH_MAX, from);
	if (n > 0)
		LEN(s) = at + n - 1; /* without the NUL */
	/* Some kernels count the NUL of every text but the empty one. */
	close_chunk(s, tag, n >= 0 ? 0 : FLAG_UNREADABLE);
}

GLOBAL int put_kernel_text(u32 slot, u32 tag, u64 from)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (s)
		text(s, tag, (const void *)from, 0);
	return 0;
}

GLOBAL int put_user_text(u32 slot, u32 tag, u64 from)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (s)
		text(s, tag, (const void *)from, 1);
	return 0;
}

/* Appends at most ARGS_MAX bytes of user memory. */
GLOBAL int put_user_block(u32 slot, u32 tag, u64 from, u64 to)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s || from >= to)
		return 0;
	u64 size = to - from;
	u16 flags = 0;
	if (size > ARGS_MAX) {
		size = ARGS_MAX;
		flags = FLAG_TRUNCATED;
	}
	if (!open_chunk(s, ARGS_MAX)) {
		empty_chunk(s, tag, FLAG_TRUNCATED);
		return 0;
	}
	u64 at = LEN(s);
	if (at > BODY_SIZE - ARGS_MAX)
		return 0;
	/* In this form every verifier sees that the size is neither 0 nor too large. */
	u64 last = masked(size - 1, ARGS_MAX - 1);
	if (bpf_probe_read_user(s->body + at, last + 1, (const void *)from))
		flags |= FLAG_UNREADABLE;
	else
		LEN(s) = at + last + 1;
	close_chunk(s, tag, flags);
	return 0;
}

/* Appends a path from its leaf to the root of the mount namespace, whatever root the task has been given. */
GLOBAL int put_path(u32 slot, u32 tag, u64 mnt, u64 dentry)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s)
		return 0;
	if (!open_chunk(s, PATH_MAX + NAME_MAX)) {
		empty_chunk(s, tag, FLAG_TRUNCATED);
		return 0;
	}
	struct vfsmount *vm = (struct vfsmount *)mnt;
	struct dentry *d = (struct dentry *)dentry;
	struct mount *m = (struct mount *)((char *)vm - field_offset(((struct mount *)0)->mnt));
	struct dentry *root = R(vm, mnt_root);
	u16 flags = FLAG_TRUNCATED;
	for (u32 i = 0; i < MAX_COMPONENTS; i++) {
		if (d == root) {
			struct mount *below = R(m, mnt_parent);
			if (below == m || !below) {
				flags = R(m, mnt_ns) ? 0 : FLAG_DISCONNECTED;
				break;
			}
			d = R(m, mnt_mountpoint);
			m = below;
			vm = (struct vfsmount *)((char *)m + field_offset(((struct mount *)0)->mnt));
			root = R(vm, mnt_root);
			continue;
		}
		struct dentry *parent = R(d, d_parent);
		const unsigned char *name = R(d, d_name.name);
		u64 at = LEN(s);
		if (at > BODY_SIZE - NAME_MAX || at - START(s) > PATH_MAX)
			break;
		long n = bpf_probe_read_kernel_str(s->body + at, NAME_MAX, name);
		if (n <= 0) {
			flags = FLAG_UNREADABLE;
			break;
		}
		LEN(s) = at + n;
		if (d == parent) {
			flags = FLAG_PSEUDO;
			break;
		}
		d = parent;
	}
	close_chunk(s, tag, flags);
	return 0;
}

INLINE void put_file_path(struct scratch *s, u16 tag, struct file *file)
{
	put_path(s->slot, tag, (u64)R(file, f_path.mnt), (u64)R(file, f_path.dentry));
}

INLINE void fill_inode_id(struct file_id *id, struct inode *inode)
{
	id->inode = R(inode, i_ino);
	id->dev = R(R(inode, i_sb), s_dev);
	id->mode = R(inode, i_mode);
	struct inode___6_11 *split = (void *)inode;
	struct inode___6_6 *renamed = (void *)inode;
	if (field_exists(split->i_ctime_sec))
		/* The topmost bit of the ns tells that somebody has asked for the time (Linux 6.13). */
		id->ctime = R(split, i_ctime_sec) * 1000000000ULL + (R(split, i_ctime_nsec) & 0x7fffffff);
	else if (field_exists(renamed->__i_ctime))
		id->ctime = R(renamed, __i_ctime.tv_sec) * 1000000000ULL + R(renamed, __i_ctime.tv_nsec);
	else
		id->ctime = R(inode, i_ctime.tv_sec) * 1000000000ULL + R(inode, i_ctime.tv_nsec);
}

INLINE void fill_file_id(struct file_id *id, struct file *file)
{
	fill_inode_id(id, R(file, f_inode));
}

/* The open file behind descriptor `fd` of the current task, or none. */
INLINE struct file *file_of(s32 fd)
{
	struct files_struct *files = R(current_task(), files);
	struct fdtable *table = R(files, fdt);
	struct file *file = 0;
	if (fd < 0 || (u32)fd >= R(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), R(table, fd) + fd);
	return file;
}
