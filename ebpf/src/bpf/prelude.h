/* What every program needs: integer types, BPF helpers and map syntax, CO-RE access.
 *
 * No vmlinux.h, no kernel or libbpf headers: the members that are read are declared in kernel.h, and the loader finds
 * their real places with the BTF of the running kernel. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed int s32;
typedef signed long long s64;
_Static_assert(sizeof(u64) == 8 && sizeof(u32) == 4 && sizeof(u16) == 2, "the record ABI counts on these");

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
/* A global subprogram: the verifier checks it once, however many programs call it, and knows only its scalars. */
#define GLOBAL __attribute__((noinline))

/* ---- maps ---- */
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
enum {
	MAP_HASH = 1,
	MAP_ARRAY = 2,
	MAP_PERCPU_ARRAY = 6,
	MAP_LRU_HASH = 9,
	MAP_RINGBUF = 27,
};

/* ---- helpers, by their number in the kernel's uapi ---- */
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*bpf_get_current_uid_gid)(void) = (void *)15;
static long (*bpf_get_current_comm)(void *buf, u32 size) = (void *)16;
static long (*bpf_skb_load_bytes)(const void *skb, u32 offset, void *to, u32 len) = (void *)26;
static u64 (*bpf_get_current_task)(void) = (void *)35;
static u64 (*bpf_get_socket_cookie)(void *ctx) = (void *)46;
static u64 (*bpf_skb_cgroup_id)(void *skb) = (void *)79;
static long (*bpf_sk_release)(void *sk) = (void *)86;
static void *(*bpf_skc_lookup_tcp)(void *ctx, void *tuple, u32 size, u64 netns, u64 flags) = (void *)99;
static long (*bpf_probe_read_user)(void *dst, u32 size, const void *src) = (void *)112;
static long (*bpf_probe_read_kernel)(void *dst, u32 size, const void *src) = (void *)113;
static long (*bpf_probe_read_user_str)(void *dst, u32 size, const void *src) = (void *)114;
static long (*bpf_probe_read_kernel_str)(void *dst, u32 size, const void *src) = (void *)115;
static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_seq_write)(void *seq, const void *data, u32 len) = (void *)127;
static long (*bpf_ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static u64 (*bpf_ringbuf_query)(void *ring, u64 what) = (void *)134;
static void *(*bpf_get_current_task_btf)(void) = (void *)158;
static long (*bpf_find_vma)(void *task, u64 addr, void *callback, void *context, u64 flags) = (void *)180;

enum { BPF_NOEXIST = 1 };
enum { RB_NO_WAKEUP = 1, RB_FORCE_WAKEUP = 2, RB_AVAILABLE_BYTES = 0 };

/* `value & mask`, even where the compiler knows that the mask takes nothing away and the verifier does not. */
INLINE u64 masked(u64 value, u64 mask)
{
	asm volatile("" : "+r"(value));
	return value & mask;
}

/* ---- CO-RE ---- */
#define CORE __attribute__((preserve_access_index))
#define field_exists(f) __builtin_preserve_field_info(f, 2)
#define field_size(f) __builtin_preserve_field_info(f, 1)
#define field_offset(f) __builtin_preserve_field_info(f, 0)
/* Reads member `f` of kernel object `p`. Works in every kind of program, on every kernel since 5.10; the result is a plain
 * number to the verifier, so that arithmetic with it is never refused. A failed read gives 0. */
#define R(p, f)                                                               \
	({                                                                    \
		typeof((p)->f) __value;                                       \
		bpf_probe_read_kernel(&__value, sizeof(__value), &(p)->f);    \
		__value;                                                      \
	})
