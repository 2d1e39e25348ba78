/* Modules that come and go, and files that the kernel reads as a whole for itself. */
#include "fields.h"
#include "syscall.h"

#define put_module(s, event, module)                                              \
	({                                                                        \
		put_kernel_string(s, event##__name, &(module)->name);             \
		put_kernel_string(s, event##__version, R(module, version));       \
		put_kernel_string(s, event##__src_version, R(module, srcversion)); \
	})

SEC("raw_tp/module_load")
int on_module_load(u64 *ctx)
{
	struct module *module = (void *)ctx[0];
	if (!current_in_scope())
		return 0;
	struct call call;
	current_call(&call);
	struct file *file = call.nr == NR_finit_module ? file_of((s32)call.args[0]) : 0;
	struct scratch *s = begin_event(EVENT_module_load);
	if (!s)
		return 0;
	put_module(s, module_load, module);
	if (file)
		put_file_fields(s, module_load, file);
	end(s);
	return 0;
}

SEC("raw_tp/module_free")
int on_module_free(u64 *ctx)
{
	struct module *module = (void *)ctx[0];
	if (!current_in_scope())
		return 0;
	struct scratch *s = begin_event(EVENT_module_free);
	if (!s)
		return 0;
	put_module(s, module_free, module);
	end(s);
	return 0;
}

/* What a module is called: one whose start fails is gone when that is known. */
struct module_names {
	char name[64], version[64], src_version[32];
};
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, u64);
	__type(value, struct module_names);
} starting SEC(".maps");

INLINE int init_begins(const u64 *a)
{
	struct module *module = (void *)a[0];
	u64 task = bpf_get_current_pid_tgid();
	struct module_names names = {};
	bpf_probe_read_kernel_str(names.name, sizeof(names.name), &module->name);
	bpf_probe_read_kernel_str(names.version, sizeof(names.version), R(module, version));
	bpf_probe_read_kernel_str(names.src_version, sizeof(names.src_version), R(module, srcversion));
	bpf_map_update_elem(&starting, &task, &names, 0);
	return 0;
}
HOOK(init_begins, do_init_module)

INLINE int init_ends(s64 ret)
{
	u64 task = bpf_get_current_pid_tgid();
	struct module_names *names = bpf_map_lookup_elem(&starting, &task);
	struct scratch *s = names && current_in_scope() ? begin_event(EVENT_do_init_module) : 0;
	if (!s)
		return 0;
	/* No verifier takes a pointer that it knows for the number that other functions want. */
	text(s, TAG(FORM_TEXT, do_init_module__name), names->name, 0);
	text(s, TAG(FORM_TEXT, do_init_module__version), names->version, 0);
	text(s, TAG(FORM_TEXT, do_init_module__src_version), names->src_version, 0);
	put_number(s, do_init_module__returnValue, (s64)(s32)ret);
	end(s);
	bpf_map_delete_elem(&starting, &task);
	return 0;
}

SEC("fexit/do_init_module")
int init_ends_fexit(u64 *ctx)
{
	u64 args[2] = {};
	bpf_probe_read_kernel(args, sizeof(args), ctx);
	return init_ends(args[1]);
}

SEC("kretprobe/do_init_module")
int init_ends_kretprobe(struct pt_regs *ctx)
{
	return init_ends(ctx->ax);
}

/* ---- files that the kernel reads ---- */

INLINE void reading_file(struct file *file)
{
	struct scratch *s = begin_event(EVENT_security_kernel_read_file);
	if (!s)
		return;
	put_file_fields(s, security_kernel_read_file, file);
	end(s);
}

INLINE void file_read(struct file *file, s64 size)
{
	struct scratch *s = begin_event(EVENT_security_kernel_post_read_file);
	if (!s)
		return;
	put_file(s, security_kernel_post_read_file__pathname, file);
	put_number(s, security_kernel_post_read_file__size, size);
	end(s);
}

INLINE int kernel_read_hook(const u64 *a)
{
	if (a[0] && current_in_scope())
		reading_file((void *)a[0]);
	return 0;
}
HOOK(kernel_read_hook, security_kernel_read_file)

INLINE int kernel_post_read_hook(const u64 *a)
{
	if (a[0] && current_in_scope())
		file_read((void *)a[0], a[2]);
	return 0;
}
HOOK(kernel_post_read_hook, security_kernel_post_read_file)

INLINE void file_given(s32 fd, u64 derived)
{
	struct file *file = file_of(fd);
	if (!file)
		return;
	if (derived & DERIVE_KERNEL_READ)
		reading_file(file);
	if (derived & DERIVE_KERNEL_POST_READ)
		file_read(file, R(R(file, f_inode), i_size));
}

/* A call that has given the kernel files to read. */
INLINE void kernel_read_returned(struct call *call, u64 derived)
{
	if (call->nr == NR_finit_module || call->nr == NR_kexec_file_load)
		file_given((s32)call->args[0], derived);
	if (call->nr == NR_kexec_file_load && !(call->args[4] & 4 /* KEXEC_FILE_NO_INITRAMFS */))
		file_given((s32)call->args[1], derived);
}
