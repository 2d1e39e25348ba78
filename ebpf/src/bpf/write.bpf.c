/* Files that are read and written, and what their first bytes become. */
#include "fields.h"
#include "syscall.h"

#define S_IFREG 0100000
#define O_ACCMODE 3
#define O_APPEND 02000
#define RWF_APPEND 16
#define ESPIPE 29
#define MAGIC_SIZE 32

/* What was asked for and what came of it. */
struct transfer {
	struct file *file;
	u64 size;  /* bytes, or vectors */
	s64 start; /* where in the file it began */
	s64 ret;
};

#define put_file_name(s, event, file)                                    \
	({                                                               \
		struct file_id __id;                                     \
		fill_file_id(&__id, file);                               \
		put_file(s, event##__pathname, file);                    \
		put_number(s, event##__dev, __id.dev);                   \
		put_number(s, event##__inode, __id.inode);               \
	})

#define tell_transfer(event, size_field, t)                              \
	({                                                               \
		struct scratch *__s = begin_event(EVENT_##event);        \
		if (__s) {                                               \
			put_file_name(__s, event, (t)->file);            \
			put_number(__s, event##__##size_field, (t)->size); \
			put_number(__s, event##__pos, (t)->start);       \
			put_number(__s, event##__returnValue, (t)->ret); \
			end(__s);                                        \
		}                                                        \
	})

/* Where a transfer began that has left the position at `position`. What has no positions keeps it at 0. */
INLINE s64 start_of(s64 position, s64 ret)
{
	return position > 0 && ret > 0 ? position - ret : position;
}

/* A transfer that a function of the kernel has made: (file, buffer or vectors, size, pointer to the position). */
INLINE struct transfer made(const u64 *a, s64 ret)
{
	s64 position = 0;
	bpf_probe_read_kernel(&position, sizeof(position), (void *)a[3]);
	return (struct transfer){ (void *)a[0], a[2], start_of(position, ret), ret };
}

/* What now stands at the beginning of a regular file. */
INLINE void written(struct transfer *t, u64 bytes, u64 size, int user)
{
	if (t->start || !t->ret || !size || (R(R(t->file, f_inode), i_mode) & S_IFMT) != S_IFREG)
		return;
	if (t->ret > 0 && size > t->ret)
		size = t->ret;
	if (size > MAGIC_SIZE)
		size = MAGIC_SIZE;
	struct scratch *s = begin_event(EVENT_magic_write);
	if (!s)
		return;
	put_file_name(s, magic_write, t->file);
	if (user)
		put_user_bytes(s->slot, TAG(FORM_BYTES, magic_write__bytes), bytes, size);
	else
		put_kernel_block(s, TAG(FORM_BYTES, magic_write__bytes), (void *)bytes, size, MAGIC_SIZE);
	put_number(s, magic_write__returnValue, t->ret);
	end(s);
}

struct vector {
	u64 bytes, size;
};

/* The first of a program's vectors. */
INLINE struct vector first_vector(u64 vectors, u64 count)
{
	struct vector first = {};
	if (count && is_compat()) {
		u32 narrow[2] = {};
		bpf_probe_read_user(narrow, sizeof(narrow), (void *)vectors);
		first.bytes = narrow[0];
		first.size = narrow[1];
	} else if (count) {
		bpf_probe_read_user(&first, sizeof(first), (void *)vectors);
	}
	return first;
}

INLINE int read_hook(const u64 *a, s64 ret)
{
	if (!current_in_scope())
		return 0;
	struct transfer t = made(a, ret);
	tell_transfer(vfs_read, count, &t);
	return 0;
}
HOOK_RETURN(read_hook, vfs_read, 4, RETURN_READ)

INLINE int readv_hook(const u64 *a, s64 ret)
{
	if (!current_in_scope())
		return 0;
	struct transfer t = made(a, ret);
	tell_transfer(vfs_readv, vlen, &t);
	return 0;
}
HOOK_RETURN(readv_hook, vfs_readv, 5, RETURN_READV)

INLINE int write_hook(const u64 *a, s64 ret)
{
	if (!current_in_scope())
		return 0;
	struct transfer t = made(a, ret);
	tell_transfer(vfs_write, count, &t);
	written(&t, a[1], t.size, 1);
	return 0;
}
HOOK_RETURN(write_hook, vfs_write, 4, RETURN_WRITE)

INLINE int writev_hook(const u64 *a, s64 ret)
{
	if (!current_in_scope())
		return 0;
	struct transfer t = made(a, ret);
	tell_transfer(vfs_writev, vlen, &t);
	struct vector first = first_vector(a[1], t.size);
	written(&t, first.bytes, first.size, 1);
	return 0;
}
HOOK_RETURN(writev_hook, vfs_writev, 5, RETURN_WRITEV)

INLINE int kernel_write_hook(const u64 *a, s64 ret)
{
	if (!current_in_scope())
		return 0;
	struct transfer t = made(a, ret);
	struct scratch *s = begin_event(EVENT___kernel_write);
	if (s) {
		put_file_name(s, __kernel_write, t.file);
		put_number(s, __kernel_write__count, t.size);
		put_number(s, __kernel_write__pos, t.start);
		end(s);
	}
	written(&t, a[1], t.size, 0);
	return 0;
}
HOOK_RETURN(kernel_write_hook, __kernel_write, 4, RETURN_KERNEL_WRITE)

/* ---- the first change of a file since it was opened to be written ---- */

struct opened_file {
	u64 inode;
	u32 dev, process;
};
struct opening {
	u64 ctime;
	u64 told; /* the change has been told */
};
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct opened_file);
	__type(value, struct opening);
} openings SEC(".maps");

/* The key and the time of change of a regular file that was opened to be written; 0 for any other. */
INLINE int opened_to_write(struct opened_file *key, u64 *ctime, struct file *file)
{
	struct file_id id;
	if (!file || !(R(file, f_flags) & O_ACCMODE))
		return 0;
	fill_file_id(&id, file);
	if ((id.mode & S_IFMT) != S_IFREG)
		return 0;
	key->inode = id.inode;
	key->dev = id.dev;
	key->process = bpf_get_current_pid_tgid() >> 32;
	*ctime = id.ctime;
	return 1;
}

/* Whether more than one descriptor holds what was opened once. */
INLINE int is_shared(struct file *file)
{
	struct file___6_13 *newer = (void *)file;
	return field_exists(newer->f_ref) ? R(newer, f_ref.refcnt.counter) > 0 : R(file, f_count.counter) > 1;
}

/* A descriptor has been given: what it copies, or gets from another process, was opened before. */
INLINE void write_begins(struct file *file)
{
	struct opened_file key;
	struct opening opening = {};
	if (opened_to_write(&key, &opening.ctime, file))
		bpf_map_update_elem(&openings, &key, &opening, is_shared(file) ? BPF_NOEXIST : 0);
}

INLINE void modification(struct file *file, struct opened_file *key, struct opening *opening, u64 ctime)
{
	opening->told = 1;
	struct scratch *s = begin_event(EVENT_file_modification);
	if (!s)
		return;
	put_file(s, file_modification__file_path, file);
	put_number(s, file_modification__dev, key->dev);
	put_number(s, file_modification__inode, key->inode);
	put_number(s, file_modification__old_ctime, opening->ctime);
	put_number(s, file_modification__new_ctime, ctime);
	end(s);
}

INLINE void modified(struct file *file)
{
	struct opened_file key;
	u64 ctime;
	if (!opened_to_write(&key, &ctime, file))
		return;
	struct opening *opening = bpf_map_lookup_elem(&openings, &key);
	if (opening && !opening->told)
		modification(file, &key, opening, ctime);
}

/* A descriptor is closed, perhaps not the last. A change that no other program saw, such as by ftruncate, shows in the time. */
INLINE void write_ends(struct file *file)
{
	struct opened_file key;
	u64 ctime;
	if (!opened_to_write(&key, &ctime, file))
		return;
	struct opening *opening = bpf_map_lookup_elem(&openings, &key);
	if (!opening)
		return;
	if (!opening->told && opening->ctime != ctime)
		modification(file, &key, opening, ctime);
	if (!is_shared(file))
		bpf_map_delete_elem(&openings, &key);
}

INLINE int fd_install_hook(const u64 *a)
{
	if (current_in_scope())
		write_begins((void *)a[1]);
	return 0;
}
HOOK(fd_install_hook, fd_install)

INLINE int modified_hook(const u64 *a, s64 ret)
{
	if (current_in_scope())
		modified((void *)a[0]);
	return 0;
}
INLINE int update_time_hook(const u64 *a, s64 ret)
{
	return modified_hook(a, ret);
}
HOOK_RETURN(modified_hook, file_modified, 1, RETURN_MODIFIED)
HOOK_RETURN(update_time_hook, file_update_time, 1, RETURN_UPDATE_TIME)

INLINE int close_hook(const u64 *a)
{
	if (current_in_scope())
		write_ends((void *)a[0]);
	return 0;
}
HOOK_AS(flush_hook, close_hook, filp_flush)
HOOK(close_hook, filp_close)

/* ---- as calls show it ---- */

/* A position that a call was given: in the upper half of a register of its own for 32-bit callers. */
INLINE s64 position_of(struct call *call)
{
	return is_compat() ? (s64)((u32)call->args[3] | call->args[4] << 32) : (s64)call->args[3];
}

/* Where a call has written that was given a position: what is appended begins elsewhere. */
INLINE s64 written_from(struct call *call, struct file *file, s64 ret)
{
	int appends = R(file, f_flags) & O_APPEND || (call->nr == NR_pwritev2 && call->args[5] & RWF_APPEND);
	struct inode *inode = R(file, f_inode);
	if (appends && ret > 0 && (R(inode, i_mode) & S_IFMT) == S_IFREG)
		return R(inode, i_size) - ret;
	return position_of(call);
}

/* Whether a call failed before it came to the functions that transfer: for its position, or since its file has none. */
INLINE int is_refused(struct call *call, s64 ret)
{
	s64 least = 0;
	switch (call->nr) {
	case NR_preadv2:
	case NR_pwritev2:
		least = -1; /* the file's own */
	case NR_pread64:
	case NR_pwrite64:
	case NR_preadv:
	case NR_pwritev:
		return ret == -ESPIPE || position_of(call) < least;
	}
	return 0;
}

INLINE void transfer_returned(struct call *call, s64 ret, u64 derived)
{
	struct file *file = file_of((s32)call->args[0]);
	if (!file || is_refused(call, ret))
		return;
	struct transfer t = { file, call->args[2], start_of(R(file, f_pos), ret), ret };
	struct vector first;
	switch (call->nr) {
	case NR_pread64:
		t.start = position_of(call);
	case NR_read:
		if (derived & DERIVE_READ)
			tell_transfer(vfs_read, count, &t);
		break;
	case NR_preadv:
	case NR_preadv2:
		if (call->nr == NR_preadv || position_of(call) != -1)
			t.start = position_of(call);
	case NR_readv:
		if (derived & DERIVE_READV)
			tell_transfer(vfs_readv, vlen, &t);
		break;
	case NR_pwrite64:
		t.start = written_from(call, file, ret);
	case NR_write:
		if (derived & DERIVE_WRITE)
			tell_transfer(vfs_write, count, &t);
		if (derived & DERIVE_MAGIC)
			written(&t, call->args[1], t.size, 1);
		break;
	case NR_pwritev:
	case NR_pwritev2:
		if (call->nr == NR_pwritev || position_of(call) != -1)
			t.start = written_from(call, file, ret);
	case NR_writev:
		if (derived & DERIVE_WRITEV)
			tell_transfer(vfs_writev, vlen, &t);
		if (derived & DERIVE_MAGIC) {
			first = first_vector(call->args[1], t.size);
			written(&t, first.bytes, first.size, 1);
		}
		break;
	}
}

/* A call that opens, writes or cuts a file. */
INLINE void modifying_call_returned(struct call *call, s64 ret)
{
	switch (call->nr) {
	case NR_open:
	case NR_creat:
	case NR_openat:
	case NR_openat2:
		write_begins(file_of(ret));
		break;
	default:
		if (ret > 0 || call->nr == NR_ftruncate || call->nr == NR_fallocate)
			modified(file_of((s32)call->args[0]));
	}
}
