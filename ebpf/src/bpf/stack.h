/* The user stack of a task, by the chain of frame pointers, as the kernel's own unwinder follows it. Its helpers want
 * the context of the program, which is not at hand where a record ends. */
#pragma once
#include "task.h"

#define FRAMES_MAX 20
#define USER32_CS 0x23

/* As a function with a frame pointer leaves it: the caller's frame, the address to return to. */
struct frame {
	u64 caller, address;
};

/* The frame at an address; a 32-bit program has narrow ones. */
INLINE long read_frame(struct frame *frame, u64 at, int narrow)
{
	if (!narrow)
		return bpf_probe_read_user(frame, sizeof(*frame), (const void *)at);
	u32 halves[2] = {};
	long error = bpf_probe_read_user(halves, sizeof(halves), (const void *)at);
	frame->caller = halves[0];
	frame->address = halves[1];
	return error;
}
