/* Memory: files that are mapped, and protection that becomes suspect. */
#include "fields.h"
#include "syscall.h"

enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, PROT_ALL = 7 };
#define MAP_ANONYMOUS 0x20
#define PAGE_SIZE 4096

enum alert {
	ALERT_NONE = 0,
	ALERT_MAPPED = 1,     /* mapped to be written and executed */
	ALERT_EXEC = 2,       /* can be executed from now on */
	ALERT_EXEC_WRITE = 3, /* could be executed, can be written from now on, too */
	ALERT_WRITTEN = 4,    /* could be written, can be executed from now on */
};

/* What changing `before` to `after` means; the last rule that fits. */
INLINE u32 alert_of(u32 before, u32 after)
{
	if (!(after & PROT_EXEC))
		return ALERT_NONE;
	if (before & PROT_WRITE && !(after & PROT_WRITE))
		return ALERT_WRITTEN;
	if (before & PROT_EXEC && !(before & PROT_WRITE) && after & PROT_WRITE)
		return ALERT_EXEC_WRITE;
	return before & PROT_EXEC ? ALERT_NONE : ALERT_EXEC;
}

INLINE void mapping_file(struct file *file, u64 prot, u64 flags, int in_mmap)
{
	struct scratch *s = begin_event(EVENT_security_mmap_file);
	if (s) {
		put_file_fields(s, security_mmap_file, file);
		put_number(s, security_mmap_file__flags, (s64)(s32)R(file, f_flags));
		put_number(s, security_mmap_file__prot, prot);
		put_number(s, security_mmap_file__mmap_flags, flags);
		end(s);
	}
	if (!in_mmap || !(prot & PROT_EXEC))
		return;
	s = begin_event(EVENT_shared_object_loaded);
	if (s) {
		put_file_fields(s, shared_object_loaded, file);
		put_number(s, shared_object_loaded__flags, (s64)(s32)R(file, f_flags));
		end(s);
	}
}

INLINE int mmap_file_hook(const u64 *a)
{
	struct file *file = (void *)a[0];
	if (!file || !current_in_scope())
		return 0;
	struct call call;
	current_call(&call);
	mapping_file(file, a[1], a[2], call.nr == NR_mmap);
	return 0;
}
HOOK(mmap_file_hook, security_mmap_file)

INLINE void alert(u32 alert, u64 address, u64 size, u64 prot, s64 before, struct file *file)
{
	struct scratch *s = begin_event(EVENT_mem_prot_alert);
	if (!s)
		return;
	put_number(s, mem_prot_alert__alert, alert);
	put_number(s, mem_prot_alert__addr, address);
	put_number(s, mem_prot_alert__len, size ? size : PAGE_SIZE);
	put_number(s, mem_prot_alert__prot, (s64)(s32)prot);
	if (before >= 0)
		put_number(s, mem_prot_alert__prev_prot, before);
	if (file)
		put_file_fields(s, mem_prot_alert, file);
	end(s);
}

INLINE void mapped(struct call *call, u64 address)
{
	u64 prot = call->args[2];
	if ((prot & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC))
		alert(ALERT_MAPPED, address, call->args[1], prot, 0, call->args[3] & MAP_ANONYMOUS ? 0 : file_of((s32)call->args[4]));
}

/* The kernel asks about an address once it has chosen it. */
INLINE int mmap_addr_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct call call;
	current_call(&call);
	if (call.nr == NR_mmap)
		mapped(&call, a[0]);
	return 0;
}
HOOK(mmap_addr_hook, security_mmap_addr)

/* Memory as it is before its protection is changed; `prot` is negative where that is not known. */
struct area {
	s64 prot;
	struct file *file;
};

INLINE void area_of(struct area *area, struct vm_area_struct *vma)
{
	area->prot = R(vma, vm_flags) & PROT_ALL; /* the first three flags are the bits of mprotect */
	area->file = R(vma, vm_file);
}

INLINE void protecting(struct call *call, u64 prot, struct area *area)
{
	struct scratch *s = begin_event(EVENT_security_file_mprotect);
	if (s) {
		if (area->file) {
			struct file_id id;
			fill_file_id(&id, area->file);
			put_file(s, security_file_mprotect__pathname, area->file);
			put_number(s, security_file_mprotect__ctime, id.ctime);
		}
		put_number(s, security_file_mprotect__prot, (s64)(s32)prot);
		if (area->prot >= 0)
			put_number(s, security_file_mprotect__prev_prot, area->prot);
		put_number(s, security_file_mprotect__addr, call->args[0]);
		put_number(s, security_file_mprotect__len, call->args[1]);
		if (call->nr == NR_pkey_mprotect)
			put_number(s, security_file_mprotect__pkey, (s64)(s32)call->args[3]);
		end(s);
	}
	/* Of memory of which nothing is known, so much is certain: it can be executed. */
	u32 kind = area->prot >= 0 ? alert_of(area->prot, prot) : (prot & PROT_EXEC ? ALERT_EXEC : ALERT_NONE);
	if (kind)
		alert(kind, call->args[0], call->args[1], prot, area->prot, area->file);
}

INLINE int mprotect_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct call call;
	current_call(&call);
	if (call.nr != NR_mprotect && call.nr != NR_pkey_mprotect)
		return 0;
	struct area area;
	area_of(&area, (void *)a[0]);
	protecting(&call, a[1], &area);
	return 0;
}
HOOK(mprotect_hook, security_file_mprotect)

/* ---- as calls show it ---- */

INLINE void mmap_returned(struct call *call, s64 ret, u64 derived)
{
	if (derived & (DERIVE_MMAP_FILE | DERIVE_LOADED) && !(call->args[3] & MAP_ANONYMOUS)) {
		struct file *file = file_of((s32)call->args[4]);
		if (file)
			mapping_file(file, call->args[2], call->args[3], 1);
	}
	if (derived & DERIVE_MEM_PROT)
		mapped(call, ret);
}

/* Reads the call that begins, if it changes protection; 0 if nobody wants to know. */
INLINE int mprotect_call(struct call *call, const u64 *ctx)
{
	struct call_plan *plan = plan_of(ctx[1], is_compat());
	if (!plan || !(plan->derived & (DERIVE_MPROTECT | DERIVE_MEM_PROT)) || !current_in_scope())
		return 0;
	read_call(call, (struct pt_regs *)ctx[0], ctx[1]);
	return call->nr == NR_mprotect || call->nr == NR_pkey_mprotect;
}

/* static, so that it can be a callback */
static long on_protected_vma(struct task_struct *task, struct vm_area_struct *vma, struct area *area)
{
	area_of(area, vma);
	return 0;
}

/* Programs of their own, because finding what is at an address takes bpf_find_vma (Linux 5.17). */
SEC("raw_tp/sys_enter")
int on_mprotect_of_area(u64 *ctx)
{
	struct call call;
	if (!mprotect_call(&call, ctx))
		return 0;
	struct area area = { -1, 0 };
	bpf_find_vma(bpf_get_current_task_btf(), call.args[0], on_protected_vma, &area, 0);
	protecting(&call, call.args[2], &area);
	return 0;
}

SEC("raw_tp/sys_enter")
int on_mprotect(u64 *ctx)
{
	struct call call;
	struct area area = { -1, 0 };
	if (mprotect_call(&call, ctx))
		protecting(&call, call.args[2], &area);
	return 0;
}
