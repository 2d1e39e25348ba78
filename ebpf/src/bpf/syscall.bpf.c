/* Entry and exit of system calls: events that are calls, and the forms of others that a kernel without hooks on its functions
 * still shows. */
#include "fields.h"
#include "syscall.h"

/* Tasks in a connect whose address could not be read at its entry, because it was paged out. */
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u8);
} unread SEC(".maps");

/* Reports a connect call; 0 when its address cannot be read. */
INLINE int connect_call(struct call *call)
{
	struct socket *socket = socket_of(file_of((s32)call->args[0]));
	u32 size = call->args[2];
	u16 family = 0;
	if (!socket || size < sizeof(family) || size > ADDRESS_MAX || !is_recorded_type((u16)R(socket, type)))
		return 1;
	const void *address = (const void *)call->args[1];
	if (bpf_probe_read_user(&family, sizeof(family), address))
		return 0;
	if (is_recorded_family(family))
		connecting(socket, (s32)call->args[0], address, size, 1);
	return 1;
}

INLINE u64 address_size(const struct call *call, u32 form, u32 argument)
{
	u32 size = 0;
	u64 next = argument < 5 ? call->args[argument + 1] : 0;
	if (form == FORM_ADDRESS)
		size = next;
	else
		bpf_probe_read_user(&size, sizeof(size), (void *)next);
	return size > 128 ? 128 : size;
}

/* One argument of a call, as its plan has it. */
GLOBAL int put_argument(u32 slot, u32 field, u32 form, u64 value, u64 size)
{
	switch (form) {
	case FORM_NUMBER:
		put_number_of(slot, field, value);
		break;
	case FORM_TEXT:
		if (value)
			put_user_text(slot, TAG(FORM_TEXT, field), value);
		break;
	case FORM_STRINGS:
		if (value)
			put_user_strings(slot, field, value);
		break;
	case FORM_ADDRESS:
	case FORM_ADDRESS_OUT:
		if (value)
			put_user_bytes(slot, TAG(FORM_ADDRESS, field), value, size);
		break;
	case FORM_TIME:
		if (value)
			put_user_bytes(slot, TAG(FORM_TIME, field), value, 16);
		break;
	case FORM_PAIR:
		put_user_bytes(slot, TAG(FORM_PAIR, field), value, 8);
		break;
	}
	return 0;
}

/* The event of a call itself: its arguments, and where it has one its result. */
INLINE void report_call(struct call *call, struct call_plan *plan, s64 ret)
{
	struct scratch *s = begin_event_of(plan->event);
	if (!s)
		return;
	u32 count = 0;
	for (u32 i = 0; i < 6; i++) {
		u32 form = plan->form[i];
		if (!form)
			break;
		u64 size = form == FORM_ADDRESS || form == FORM_ADDRESS_OUT ? address_size(call, form, i) : 0;
		put_argument(s->slot, i, form, call->args[i], size);
		count = i + 1;
	}
	put_number(s, count, ret);
	end(s);
}

SEC("raw_tp/sys_enter")
int on_sys_enter(u64 *ctx)
{
	u32 nr = ctx[1];
	int compat = is_compat();
	struct call_plan *plan = plan_of(nr, compat);
	if (!plan)
		return 0;
	u64 derived = plan->derived;
	u32 flags = plan->flags;
	if (!(derived & DERIVED_AT_ENTRY) && !(flags & (CALL_AT_ENTRY | CALL_IS_EXEC)))
		return 0;
	if (!current_in_scope())
		return 0;
	struct call call;
	read_call(&call, (struct pt_regs *)ctx[0], nr);
	if (flags & CALL_REPORTED && flags & (CALL_AT_ENTRY | CALL_IS_EXEC))
		report_call(&call, plan, 0);
	task_call_entered(derived);
	if (call.nr == NR_close && derived & DERIVE_MODIFICATION)
		write_ends(file_of((s32)call.args[0]));
	if (call.nr == NR_connect && derived & DERIVE_CONNECT && !connect_call(&call)) {
		u64 task = bpf_get_current_pid_tgid();
		u8 one = 1;
		bpf_map_update_elem(&unread, &task, &one, 0);
	}
	return 0;
}

#define O_PATH 010000000
/* The kernel takes these from the file once it is open. */
#define OPEN_TIME_FLAGS (0100 /* O_CREAT */ | 0200 /* O_EXCL */ | 0400 /* O_NOCTTY */ | 01000 /* O_TRUNC */)
#define CREAT_FLAGS (0100 | 01000)

INLINE void open_returned(struct call *call, s64 ret)
{
	struct file *file = ret >= 0 ? file_of(ret) : 0;
	u64 asked = 0, user_path = 0;
	if (!file)
		return;
	switch (call->nr) {
	case NR_open:
		user_path = call->args[0];
		asked = call->args[1];
		break;
	case NR_creat:
		user_path = call->args[0];
		asked = CREAT_FLAGS;
		break;
	case NR_openat:
		user_path = call->args[1];
		asked = call->args[2];
		break;
	case NR_openat2:
		user_path = call->args[1];
		bpf_probe_read_user(&asked, sizeof(asked), (void *)call->args[2]); /* struct open_how begins with the flags */
		break;
	}
	u32 flags = R(file, f_flags);
	if (!(flags & O_PATH)) /* such a descriptor opens nothing */
		file_opened(file, flags | (asked & OPEN_TIME_FLAGS), user_path);
}

INLINE void dup_returned(struct call *call, s64 ret)
{
	struct socket *socket = ret >= 0 ? socket_of(file_of(ret)) : 0;
	if (!socket)
		return;
	struct scratch *s = begin_event(EVENT_socket_dup);
	if (!s)
		return;
	put_number(s, socket_dup__oldfd, (s64)(s32)call->args[0]);
	put_number(s, socket_dup__newfd, ret);
	put_socket_name(s->slot, TAG(FORM_ADDRESS, socket_dup__remote_addr), (u64)R(socket, sk), 1);
	end(s);
}

/* The call that returns, if the programs are to look at what `mask` names of it. */
INLINE int call_returned(u64 *ctx, u64 mask, struct call *call, u64 *derived)
{
	struct pt_regs *regs = (void *)ctx[0];
	u32 nr = R(regs, orig_ax);
	struct call_plan *plan = plan_of(nr, is_compat());
	if (!plan)
		return 0;
	*derived = plan->derived & mask;
	if (!*derived || !current_in_scope())
		return 0;
	read_call(call, regs, nr);
	return 1;
}

/* Events of calls themselves. */
SEC("raw_tp/sys_exit")
int on_sys_exit(u64 *ctx)
{
	struct pt_regs *regs = (void *)ctx[0];
	s64 ret = ctx[1];
	u32 nr = R(regs, orig_ax);
	int compat = is_compat();
	struct call_plan *plan = plan_of(nr, compat);
	if (!plan)
		return 0;
	u32 flags = plan->flags;
	if (!(flags & CALL_REPORTED) || flags & CALL_AT_ENTRY || (flags & CALL_IS_EXEC && ret >= 0) || !current_in_scope())
		return 0;
	struct call call;
	read_call(&call, regs, nr);
	/* What a caller of socketcall hands over stands in its memory; the event tells the call's own arguments. */
	if (compat && nr == NR_I386_SOCKETCALL) {
		call.args[0] = (u32)R(regs, bx);
		call.args[1] = (u32)R(regs, cx);
	}
	report_call(&call, plan, ret);
	return 0;
}

/* What is derived from calls. There is a program for each family of events, since older kernels verify a million instructions of a
 * program and no more; only those that some event wants are attached. */

SEC("raw_tp/sys_exit")
int on_file_call(u64 *ctx)
{
	struct call call;
	u64 derived;
	s64 ret = ctx[1];
	if (ret < 0 || !call_returned(ctx, DERIVED_OF_FILES, &call, &derived))
		return 0;
	if (derived & DERIVE_OPEN)
		open_returned(&call, ret);
	path_call_returned(&call, derived);
	return 0;
}

SEC("raw_tp/sys_exit")
int on_socket_call(u64 *ctx)
{
	struct call call;
	u64 derived;
	s64 ret = ctx[1];
	if (!call_returned(ctx, DERIVED_OF_SOCKETS, &call, &derived))
		return 0;
	if (derived & DERIVE_CONNECT && call.nr == NR_connect) {
		u64 task = bpf_get_current_pid_tgid();
		if (bpf_map_delete_elem(&unread, &task) == 0)
			connect_call(&call);
	}
	if (ret < 0)
		return 0;
	if (derived & DERIVE_SOCKET_DUP)
		dup_returned(&call, ret);
	socket_call_returned(&call, ret, derived);
	return 0;
}

SEC("raw_tp/sys_exit")
int on_task_call(u64 *ctx)
{
	struct call call;
	u64 derived;
	s64 ret = ctx[1];
	if (!call_returned(ctx, DERIVED_OF_TASKS, &call, &derived))
		return 0;
	mount_returned(&call, ret, derived);
	if (derived & DERIVE_EXEC_FAILED) {
		if (ret < 0)
			exec_failed(&call);
		exec_returned();
	}
	if (ret >= 0)
		task_call_returned(&call, derived);
	return 0;
}

SEC("raw_tp/sys_exit")
int on_code_call(u64 *ctx)
{
	struct call call;
	u64 derived;
	s64 ret = ctx[1];
	if (!call_returned(ctx, DERIVED_OF_CODE, &call, &derived))
		return 0;
	/* Addresses are not negative, whatever their first bit. */
	if (call.nr == NR_mmap && (ret >= 0 || ret < -4095))
		mmap_returned(&call, ret, derived);
	if (call.nr == NR_bpf && derived & (DERIVE_BPF | DERIVE_BPF_MAP | DERIVE_BPF_PROG))
		bpf_returned(&call, ret, derived);
	if (ret >= 0 && derived & (DERIVE_KERNEL_READ | DERIVE_KERNEL_POST_READ))
		kernel_read_returned(&call, derived);
	return 0;
}

SEC("raw_tp/sys_exit")
int on_transfer_call(u64 *ctx)
{
	struct call call;
	u64 derived;
	s64 ret = ctx[1];
	if (!call_returned(ctx, DERIVED_OF_TRANSFERS, &call, &derived))
		return 0;
	if (derived & ~DERIVE_MODIFICATION)
		transfer_returned(&call, ret, derived);
	if (ret >= 0 && derived & DERIVE_MODIFICATION)
		modifying_call_returned(&call, ret);
	return 0;
}
