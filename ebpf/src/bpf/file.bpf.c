/* Opened files, at the security hook. */
#include "fields.h"
#include "syscall.h"

INLINE void file_opened(struct file *file, u32 flags, u64 user_path)
{
	struct scratch *s = begin(KIND_OPEN, sizeof(struct open_payload));
	if (!s)
		return;
	struct open_payload *p = (void *)s->body;
	fill_file_id(&p->file, file);
	p->flags = flags;
	p->reserved = 0;
	put_file_path(s, CHUNK_PATH, file);
	if (user_path)
		put_user_text(s->slot, CHUNK_USER_PATH, user_path);
	end_with_path(s, EVENT_security_file_open, sizeof(struct open_payload));
}

INLINE int on_security_file_open(struct file *file)
{
	if (!current_in_scope())
		return 0;
	struct call call;
	current_call(&call);
	u64 user_path = 0;
	if (call.nr == NR_open || call.nr == NR_execve)
		user_path = call.args[0];
	else if (call.nr == NR_openat || call.nr == NR_openat2 || call.nr == NR_execveat)
		user_path = call.args[1];
	file_opened(file, R(file, f_flags), user_path);
	return 0;
}

SEC("fentry/security_file_open")
int file_open_fentry(u64 *ctx)
{
	return on_security_file_open((struct file *)ctx[0]);
}

SEC("kprobe/security_file_open")
int file_open_kprobe(struct pt_regs *ctx)
{
	return on_security_file_open((struct file *)ctx->di);
}
