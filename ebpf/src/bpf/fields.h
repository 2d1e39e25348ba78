/* Events whose fields are told one by one. The numbers of events and fields come from the catalogue (events.h is generated). */
#pragma once
#include "events.h"
#include "output.h"

/* By number, the events that are to be told: a program that shows several leaves out those that nobody wants. Set before the
 * programs are loaded, so that the kernel removes what is never done. */
const volatile u8 wanted[1024] = {};

INLINE struct scratch *begin_event_of(u32 event)
{
	struct scratch *s = begin(KIND_EVENT, sizeof(struct event_payload));
	if (s) {
		struct event_payload *p = (void *)s->body;
		p->event = event;
		p->reserved = 0;
	}
	return s;
}

/* `event` is known when compiling. */
INLINE struct scratch *begin_event(u32 event)
{
	return wanted[event] ? begin_event_of(event) : 0;
}

/* Appends at most `room` bytes of kernel memory, of which `size` are wanted; room is a power of two and known when compiling. */
INLINE void put_kernel_block(struct scratch *s, u32 tag, const void *from, u32 size, u32 room)
{
	if (!open_chunk(s, room))
		return;
	u64 at = LEN(s);
	if (at > BODY_SIZE - room)
		return;
	if (size > room)
		size = room;
	if (size) {
		u64 last = masked(size - 1, room - 1);
		if (!bpf_probe_read_kernel(s->body + at, last + 1, from))
			LEN(s) = at + last + 1;
	}
	close_chunk(s, tag, 0);
}

GLOBAL int put_number_of(u32 slot, u32 field, u64 value)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (s)
		put_kernel_block(s, TAG(FORM_NUMBER, field), &value, sizeof(value), sizeof(value));
	return 0;
}

/* A number; what is signed is to be extended by the caller. */
INLINE void put_number(struct scratch *s, u32 field, u64 value)
{
	put_number_of(s->slot, field, value);
}

INLINE void put_path_field(struct scratch *s, u32 field, struct vfsmount *mnt, struct dentry *dentry)
{
	put_path(s->slot, TAG(FORM_PATH, field), (u64)mnt, (u64)dentry);
}

INLINE void put_file(struct scratch *s, u32 field, struct file *file)
{
	put_path_field(s, field, R(file, f_path.mnt), R(file, f_path.dentry));
}

INLINE void put_kernel_string(struct scratch *s, u32 field, const void *from)
{
	put_kernel_text(s->slot, TAG(FORM_TEXT, field), (u64)from);
}

INLINE void put_user_string(struct scratch *s, u32 field, u64 from)
{
	put_user_text(s->slot, TAG(FORM_TEXT, field), from);
}

#define AT_FDCWD -100

/* A path as a program gave it, and the directory where it begins: the root of the task, its working directory or an open one. */
GLOBAL int put_path_at(u32 slot, u32 field, s32 dirfd, u64 path)
{
	struct task_struct *task = current_task();
	struct fs_struct *fs = R(task, fs);
	char first = 0;
	u64 mnt, dentry;
	bpf_probe_read_user(&first, sizeof(first), (void *)path);
	if (first == '/') {
		mnt = (u64)R(fs, root.mnt);
		dentry = (u64)R(fs, root.dentry);
	} else if (dirfd == AT_FDCWD) {
		mnt = (u64)R(fs, pwd.mnt);
		dentry = (u64)R(fs, pwd.dentry);
	} else {
		struct file *directory = file_of(dirfd);
		mnt = (u64)R(directory, f_path.mnt);
		dentry = (u64)R(directory, f_path.dentry);
	}
	put_path(slot, TAG(FORM_BASE, field), mnt, dentry);
	put_user_text(slot, TAG(FORM_TEXT, field), path);
	return 0;
}

#define MAX_STRINGS 512

/* The strings that an array of pointers in user memory leads to. */
GLOBAL int put_user_strings(u32 slot, u32 field, u64 from)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s || !open_chunk(s, ARGS_MAX + PATH_MAX))
		return 0;
	u16 flags = FLAG_TRUNCATED;
	for (u32 i = 0; i < MAX_STRINGS; i++) {
		u64 string = 0;
		if (bpf_probe_read_user(&string, sizeof(string), (void *)(from + 8ULL * i))) {
			flags = FLAG_UNREADABLE;
			break;
		}
		if (!string) {
			flags = 0;
			break;
		}
		u64 at = LEN(s);
		if (at > BODY_SIZE - PATH_MAX || at - START(s) > ARGS_MAX)
			break;
		long n = bpf_probe_read_user_str(s->body + at, PATH_MAX, (void *)string);
		if (n < 0) {
			flags = FLAG_UNREADABLE;
			break;
		}
		/* Some kernels count the NUL of every text but the empty one, and do not write it. */
		if (!n) {
			s->body[at] = 0;
			n = 1;
		}
		LEN(s) = at + n;
	}
	close_chunk(s, TAG(FORM_STRINGS, field), flags);
	return 0;
}

/* Appends `size` bytes of user memory, at most 128. */
GLOBAL int put_user_bytes(u32 slot, u32 tag, u64 from, u32 size)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s || !size || !open_chunk(s, 128))
		return 0;
	u64 at = LEN(s);
	if (at > BODY_SIZE - 128)
		return 0;
	u64 last = masked(size - 1, 127);
	u32 failed = bpf_probe_read_user(s->body + at, last + 1, (void *)from) != 0;
	if (!failed)
		LEN(s) = at + last + 1;
	close_chunk(s, tag, failed ? FLAG_UNREADABLE : 0);
	return 0;
}

/* The file that an event is about: its path, and where the event has them, number, device and time of change. */
#define put_file_fields(s, event, file)                                  \
	({                                                               \
		struct file *__file = (file);                            \
		struct file_id __id;                                     \
		fill_file_id(&__id, __file);                             \
		put_file(s, event##__pathname, __file);                  \
		put_number(s, event##__dev, __id.dev);                   \
		put_number(s, event##__inode, __id.inode);               \
		put_number(s, event##__ctime, __id.ctime);               \
	})

/* ---- programs at functions of the kernel ----
 *
 * The program at the entry of a function gets its arguments as plain numbers, the same in a trampoline and at a breakpoint: a
 * pointer that the verifier knows the type of is refused by some verifiers where a number is not. */
#define HOOK(name, function) HOOK_AS(name, name, function)
#define HOOK_AS(name, body, function)                                                       \
	SEC("fentry/" #function) int name##_fentry(u64 *ctx)                                \
	{                                                                                   \
		u64 a[6] = {};                                                              \
		bpf_probe_read_kernel(a, sizeof(a), ctx);                                   \
		return body(a);                                                             \
	}                                                                                   \
	SEC("kprobe/" #function) int name##_kprobe(struct pt_regs *ctx)                     \
	{                                                                                   \
		u64 a[6] = { ctx->di, ctx->si, ctx->dx, ctx->cx, ctx->r8, ctx->r9 };        \
		return body(a);                                                             \
	}

/* Arguments of calls that are under way, for programs at the return of a function where there are no trampolines. */
struct under_way {
	u64 task;
	u64 function; /* tells the functions apart: the address of a map value cannot, a number can */
};
struct arguments {
	u64 a[6];
};
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct under_way);
	__type(value, struct arguments);
} under_way SEC(".maps");

INLINE void remember(u64 function, struct pt_regs *ctx)
{
	struct under_way key = { bpf_get_current_pid_tgid(), function };
	struct arguments value = { { ctx->di, ctx->si, ctx->dx, ctx->cx, ctx->r8, ctx->r9 } };
	bpf_map_update_elem(&under_way, &key, &value, 0);
}

INLINE int recall(u64 function, struct arguments *value)
{
	struct under_way key = { bpf_get_current_pid_tgid(), function };
	struct arguments *found = bpf_map_lookup_elem(&under_way, &key);
	if (!found)
		return 0;
	*value = *found;
	bpf_map_delete_elem(&under_way, &key);
	return 1;
}

/* Tells the functions apart at whose return there is a program. */
enum return_hook {
	RETURN_READ = 1,
	RETURN_READV,
	RETURN_WRITE,
	RETURN_WRITEV,
	RETURN_KERNEL_WRITE,
	RETURN_MODIFIED,
	RETURN_UPDATE_TIME,
	RETURN_CHMOD,
};

/* The program at the return of a function of `count` arguments gets them and the result: fexit, or kprobe (name_enter) and
 * kretprobe together. `id` is one of `enum return_hook`. */
#define HOOK_RETURN(name, function, count, id)                                              \
	SEC("fexit/" #function) int name##_fexit(u64 *ctx)                                  \
	{                                                                                   \
		u64 a[8] = {};                                                              \
		bpf_probe_read_kernel(a, 8 * ((count) + 1), ctx);                           \
		return name(a, a[count]);                                                   \
	}                                                                                   \
	SEC("kprobe/" #function) int name##_enter(struct pt_regs *ctx)                      \
	{                                                                                   \
		remember(id, ctx);                                                          \
		return 0;                                                                   \
	}                                                                                   \
	SEC("kretprobe/" #function) int name##_kretprobe(struct pt_regs *ctx)               \
	{                                                                                   \
		struct arguments value;                                                     \
		return recall(id, &value) ? name(value.a, ctx->ax) : 0;                     \
	}
