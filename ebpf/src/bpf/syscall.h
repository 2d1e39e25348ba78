/* System calls: numbers, arguments, 32-bit callers. */
#pragma once
#include "task.h"

/* x86-64 numbers; a 32-bit call is translated to its native number. */
enum {
	NR_none = -1,
	NR_open = 2,
	NR_dup = 32,
	NR_dup2 = 33,
	NR_connect = 42,
	NR_execve = 59,
	NR_creat = 85,
	NR_ptrace = 101,
	NR_openat = 257,
	NR_dup3 = 292,
	NR_open_by_handle_at = 304,
	NR_execveat = 322,
	NR_openat2 = 437,
};

struct call {
	s32 nr; /* NR_none for a 32-bit call that is of no interest here */
	u64 args[6];
};

/* The i386 table, as far as events come from it. */
INLINE s32 native_nr(u32 nr)
{
	switch (nr) {
	case 5: return NR_open;
	case 8: return NR_creat;
	case 11: return NR_execve;
	case 26: return NR_ptrace;
	case 41: return NR_dup;
	case 63: return NR_dup2;
	case 295: return NR_openat;
	case 330: return NR_dup3;
	case 342: return NR_open_by_handle_at;
	case 358: return NR_execveat;
	case 362: return NR_connect;
	case 437: return NR_openat2;
	}
	return NR_none;
}

/* Call `nr` of the current task with the arguments in `regs`; the numbers stay there until the call returns. */
INLINE void read_call(struct call *call, struct pt_regs *regs, s32 nr)
{
	struct pt_regs r = {};
	bpf_probe_read_kernel(&r, sizeof(r), regs);
	if (R(current_task(), thread_info.status) & TS_COMPAT) {
		call->nr = native_nr(nr);
		call->args[0] = (u32)r.bx;
		call->args[1] = (u32)r.cx;
		call->args[2] = (u32)r.dx;
		call->args[3] = (u32)r.si;
		call->args[4] = (u32)r.di;
		call->args[5] = (u32)r.bp;
		if (nr == 102 /* socketcall */ && call->args[0] == 3 /* connect */) {
			u32 args[3] = {};
			if (!bpf_probe_read_user(args, sizeof(args), (void *)call->args[1])) {
				call->nr = NR_connect;
				call->args[0] = args[0];
				call->args[1] = args[1];
				call->args[2] = args[2];
			}
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
	call->nr = NR_none;
	if (R(task, flags) & PF_KTHREAD)
		return;
	struct pt_regs *regs = user_regs(task);
	if (regs)
		read_call(call, regs, (s32)R(regs, orig_ax));
}
