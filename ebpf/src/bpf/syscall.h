/* System calls: numbers, arguments, 32-bit callers. */
#pragma once
#include "task.h"

/* x86-64 numbers; a 32-bit call is translated to its native number. */
enum {
	NR_none = -1,
	NR_read = 0,
	NR_write = 1,
	NR_open = 2,
	NR_close = 3,
	NR_mmap = 9,
	NR_mprotect = 10,
	NR_pread64 = 17,
	NR_pwrite64 = 18,
	NR_readv = 19,
	NR_writev = 20,
	NR_dup = 32,
	NR_dup2 = 33,
	NR_socket = 41,
	NR_connect = 42,
	NR_accept = 43,
	NR_bind = 49,
	NR_listen = 50,
	NR_setsockopt = 54,
	NR_clone = 56,
	NR_execve = 59,
	NR_ftruncate = 77,
	NR_chdir = 80,
	NR_fchdir = 81,
	NR_rename = 82,
	NR_creat = 85,
	NR_unlink = 87,
	NR_symlink = 88,
	NR_chmod = 90,
	NR_fchmod = 91,
	NR_ptrace = 101,
	NR_mknod = 133,
	NR_prctl = 157,
	NR_setrlimit = 160,
	NR_mount = 165,
	NR_init_module = 175,
	NR_openat = 257,
	NR_mknodat = 259,
	NR_unlinkat = 263,
	NR_renameat = 264,
	NR_symlinkat = 266,
	NR_fchmodat = 268,
	NR_unshare = 272,
	NR_fallocate = 285,
	NR_accept4 = 288,
	NR_dup3 = 292,
	NR_preadv = 295,
	NR_pwritev = 296,
	NR_prlimit64 = 302,
	NR_open_by_handle_at = 304,
	NR_setns = 308,
	NR_finit_module = 313,
	NR_renameat2 = 316,
	NR_kexec_file_load = 320,
	NR_bpf = 321,
	NR_execveat = 322,
	NR_preadv2 = 327,
	NR_pwritev2 = 328,
	NR_pkey_mprotect = 329,
	NR_move_mount = 429,
	NR_clone3 = 435,
	NR_openat2 = 437,
	NR_fchmodat2 = 452,
};

struct call {
	s32 nr; /* NR_none for a 32-bit call that is of no interest here */
	u64 args[6];
};

/* By number: what to do about the calls of the native table and of the i386 table. The loader fills them in. */
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 512);
	__type(key, u32);
	__type(value, struct call_plan);
} native_calls SEC(".maps"), i386_calls SEC(".maps");

/* What to do about call `nr`; none for a number that no table has. */
INLINE struct call_plan *plan_of(u32 nr, int compat)
{
	return compat ? bpf_map_lookup_elem(&i386_calls, &nr) : bpf_map_lookup_elem(&native_calls, &nr);
}

INLINE int is_compat(void)
{
	return (R(current_task(), thread_info.status) & TS_COMPAT) != 0;
}

#define NR_I386_MMAP 90
#define NR_I386_SOCKETCALL 102
#define NR_I386_MMAP2 192

/* The call that is made through socketcall number `which`. */
INLINE s32 socket_call(u32 which)
{
	switch (which) {
	case 1: return NR_socket;
	case 2: return NR_bind;
	case 3: return NR_connect;
	case 4: return NR_listen;
	case 5: return NR_accept;
	case 14: return NR_setsockopt;
	case 18: return NR_accept4;
	}
	return NR_none;
}

/* Call `nr` of the current task with the arguments in `regs`; the numbers stay there until the call returns. */
INLINE void read_call(struct call *call, struct pt_regs *regs, s32 nr)
{
	struct pt_regs r = {};
	bpf_probe_read_kernel(&r, sizeof(r), regs);
	if (is_compat()) {
		struct call_plan *plan = plan_of(nr, 1);
		call->nr = plan ? plan->nr : NR_none;
		call->args[0] = (u32)r.bx;
		call->args[1] = (u32)r.cx;
		call->args[2] = (u32)r.dx;
		call->args[3] = (u32)r.si;
		call->args[4] = (u32)r.di;
		call->args[5] = (u32)r.bp;
		if (nr == NR_I386_SOCKETCALL) {
			u32 args[5] = {};
			if (!bpf_probe_read_user(args, sizeof(args), (void *)call->args[1])) {
				call->nr = socket_call(call->args[0]);
				for (int i = 0; i < 5; i++)
					call->args[i] = args[i];
			}
		} else if (nr == NR_I386_MMAP) {
			u32 args[6] = {};
			bpf_probe_read_user(args, sizeof(args), (void *)call->args[0]);
			for (int i = 0; i < 6; i++)
				call->args[i] = args[i];
		} else if (nr == NR_I386_MMAP2) {
			call->nr = NR_mmap;
		}
	} else {
		call->nr = nr;
		call->args[0] = r.di;
		call->args[1] = r.si;
		call->args[2] = r.dx;
		call->args[3] = r.r10;
		call->args[4] = r.r8;
		call->args[5] = r.r9;
	}
}

/* The call that the current task is in. */
INLINE void current_call(struct call *call)
{
	struct task_struct *task = current_task();
	*call = (struct call){ .nr = NR_none };
	if (R(task, flags) & PF_KTHREAD)
		return;
	struct pt_regs *regs = user_regs(task);
	if (regs)
		read_call(call, regs, (s32)R(regs, orig_ax));
}
