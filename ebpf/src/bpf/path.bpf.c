/* Names in directories that are made, moved and removed, and what else is done to a file by its path.
 *
 * The security hooks at inodes are told the directory entry but not the mount, without which a path has no beginning. The hooks at
 * paths, which the kernel calls just before them, are told the mount: a program there keeps it for the one that reports. */
#include "fields.h"
#include "syscall.h"

/* The mount in which a task is about to change a directory. */
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, u64);
} mounts SEC(".maps");

INLINE int keep_mount(const u64 *a)
{
	u64 task = bpf_get_current_pid_tgid();
	u64 mnt = (u64)R((struct path *)a[0], mnt);
	bpf_map_update_elem(&mounts, &task, &mnt, 0);
	return 0;
}
HOOK_AS(mount_of_unlink, keep_mount, security_path_unlink)
HOOK_AS(mount_of_rename, keep_mount, security_path_rename)
HOOK_AS(mount_of_mknod, keep_mount, security_path_mknod)
HOOK_AS(mount_of_symlink, keep_mount, security_path_symlink)

/* None where the kernel works on a directory by itself, such as that under an overlay. */
INLINE struct vfsmount *known_mount(void)
{
	u64 task = bpf_get_current_pid_tgid();
	u64 *found = bpf_map_lookup_elem(&mounts, &task);
	u64 mnt = found ? *found : 0;
	if (found)
		bpf_map_delete_elem(&mounts, &task);
	return (struct vfsmount *)mnt;
}

INLINE int unlink_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct dentry *victim = (void *)a[1];
	struct inode *inode = R(victim, d_inode);
	struct file_id id;
	fill_inode_id(&id, inode);
	struct vfsmount *mnt = known_mount();
	struct scratch *s = begin_event(EVENT_security_inode_unlink);
	if (!s)
		return 0;
	put_path_field(s, security_inode_unlink__pathname, mnt, victim);
	put_number(s, security_inode_unlink__inode, id.inode);
	put_number(s, security_inode_unlink__dev, id.dev);
	put_number(s, security_inode_unlink__ctime, id.ctime);
	end(s);
	return 0;
}
HOOK(unlink_hook, security_inode_unlink)

INLINE int rename_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct vfsmount *mnt = known_mount();
	struct scratch *s = begin_event(EVENT_security_inode_rename);
	if (!s)
		return 0;
	put_path_field(s, security_inode_rename__old_path, mnt, (void *)a[1]);
	put_path_field(s, security_inode_rename__new_path, mnt, (void *)a[3]);
	end(s);
	return 0;
}
HOOK(rename_hook, security_inode_rename)

INLINE int mknod_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct vfsmount *mnt = known_mount();
	struct scratch *s = begin_event(EVENT_security_inode_mknod);
	if (!s)
		return 0;
	put_path_field(s, security_inode_mknod__file_name, mnt, (void *)a[1]);
	put_number(s, security_inode_mknod__mode, (u16)a[2]);
	put_number(s, security_inode_mknod__dev, (u32)a[3]);
	end(s);
	return 0;
}
HOOK(mknod_hook, security_inode_mknod)

INLINE int symlink_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct vfsmount *mnt = known_mount();
	struct scratch *s = begin_event(EVENT_security_inode_symlink);
	if (!s)
		return 0;
	put_path_field(s, security_inode_symlink__linkpath, mnt, (void *)a[1]);
	put_kernel_string(s, security_inode_symlink__target, (void *)a[2]);
	end(s);
	return 0;
}
HOOK(symlink_hook, security_inode_symlink)

INLINE void put_known_path(struct scratch *s, u32 field, struct path *path)
{
	put_path_field(s, field, R(path, mnt), R(path, dentry));
}

INLINE int chmod_hook(const u64 *a, s64 ret)
{
	if (!current_in_scope())
		return 0;
	struct scratch *s = begin_event(EVENT_chmod_common);
	if (!s)
		return 0;
	put_known_path(s, chmod_common__pathname, (void *)a[0]);
	put_number(s, chmod_common__mode, (u16)a[1]);
	put_number(s, chmod_common__returnValue, (s64)(s32)ret);
	end(s);
	return 0;
}
HOOK_RETURN(chmod_hook, chmod_common, 2, RETURN_CHMOD)

INLINE int path_notify_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct path *path = (void *)a[0];
	struct file_id id;
	fill_inode_id(&id, R(R(path, dentry), d_inode));
	struct scratch *s = begin_event(EVENT_security_path_notify);
	if (!s)
		return 0;
	put_known_path(s, security_path_notify__pathname, path);
	put_number(s, security_path_notify__inode, id.inode);
	put_number(s, security_path_notify__dev, id.dev);
	put_number(s, security_path_notify__mask, a[1]);
	put_number(s, security_path_notify__obj_type, (u32)a[2]);
	end(s);
	return 0;
}
HOOK(path_notify_hook, security_path_notify)

/* The path text of a chdir call stands in the first argument; fchdir has none. */
INLINE void working_directory(u64 user_path, struct path *path)
{
	struct scratch *s = begin_event(EVENT_set_fs_pwd);
	if (!s)
		return;
	if (user_path)
		put_user_string(s, set_fs_pwd__unresolved_path, user_path);
	put_known_path(s, set_fs_pwd__resolved_path, path);
	end(s);
}

INLINE int set_fs_pwd_hook(const u64 *a)
{
	if (!current_in_scope())
		return 0;
	struct call call;
	current_call(&call);
	if (call.nr == NR_chdir || call.nr == NR_fchdir)
		working_directory(call.nr == NR_chdir ? call.args[0] : 0, (void *)a[1]);
	return 0;
}
HOOK(set_fs_pwd_hook, set_fs_pwd)

/* ---- the same, as system calls show it when they have succeeded ---- */

INLINE void path_call_returned(struct call *call, u64 derived)
{
	struct task_struct *task = current_task();
	struct scratch *s = 0;
	/* Of the *at forms, the directory; and where the path stands. */
	s32 directory = AT_FDCWD;
	u64 path = call->args[0];
	switch (call->nr) {
	case NR_unlinkat:
		if (call->args[2] & 0x200 /* AT_REMOVEDIR */)
			return;
		directory = call->args[0];
		path = call->args[1];
	case NR_unlink:
		if (derived & DERIVE_UNLINK && (s = begin_event(EVENT_security_inode_unlink))) {
			put_path_at(s->slot, security_inode_unlink__pathname, directory, path);
			end(s);
		}
		break;
	case NR_rename:
	case NR_renameat:
	case NR_renameat2:
		if (derived & DERIVE_RENAME && (s = begin_event(EVENT_security_inode_rename))) {
			int at = call->nr != NR_rename;
			put_path_at(s->slot, security_inode_rename__old_path, at ? (s32)call->args[0] : AT_FDCWD, at ? call->args[1] : call->args[0]);
			put_path_at(s->slot, security_inode_rename__new_path, at ? (s32)call->args[2] : AT_FDCWD, at ? call->args[3] : call->args[1]);
			end(s);
		}
		break;
	case NR_mknod:
	case NR_mknodat:
		if (derived & DERIVE_MKNOD) {
			int at = call->nr == NR_mknodat;
			u32 mode = at ? call->args[2] : call->args[1], dev = at ? call->args[3] : call->args[2];
			u32 umask = R(R(task, fs), umask), type = mode & 0170000;
			/* A regular file is made without this hook. */
			if (!type || type == 0100000)
				return;
			s = begin_event(EVENT_security_inode_mknod);
			if (!s)
				return;
			put_path_at(s->slot, security_inode_mknod__file_name, at ? (s32)call->args[0] : AT_FDCWD, at ? call->args[1] : call->args[0]);
			put_number(s, security_inode_mknod__mode, (u16)(mode & ~umask));
			/* Programs and the kernel pack major and minor numbers in their own ways. */
			put_number(s, security_inode_mknod__dev, (dev & 0xfff00) >> 8 << 20 | (dev & 0xff) | (dev >> 12 & 0xfff00));
			end(s);
		}
		break;
	case NR_symlink:
	case NR_symlinkat:
		if (derived & DERIVE_SYMLINK && (s = begin_event(EVENT_security_inode_symlink))) {
			int at = call->nr == NR_symlinkat;
			put_path_at(s->slot, security_inode_symlink__linkpath, at ? (s32)call->args[1] : AT_FDCWD, at ? call->args[2] : call->args[1]);
			put_user_string(s, security_inode_symlink__target, call->args[0]);
			end(s);
		}
		break;
	case NR_chmod:
	case NR_fchmodat:
	case NR_fchmodat2:
	case NR_fchmod:
		if (derived & DERIVE_CHMOD && (s = begin_event(EVENT_chmod_common))) {
			if (call->nr == NR_fchmod)
				put_file(s, chmod_common__pathname, file_of((s32)call->args[0]));
			else if (call->nr == NR_chmod)
				put_path_at(s->slot, chmod_common__pathname, AT_FDCWD, call->args[0]);
			else
				put_path_at(s->slot, chmod_common__pathname, (s32)call->args[0], call->args[1]);
			put_number(s, chmod_common__mode, (u16)(call->nr == NR_chmod || call->nr == NR_fchmod ? call->args[1] : call->args[2]));
			put_number(s, chmod_common__returnValue, 0);
			end(s);
		}
		break;
	case NR_chdir:
	case NR_fchdir:
		if (derived & DERIVE_CHDIR) {
			struct fs_struct *fs = R(task, fs);
			working_directory(call->nr == NR_chdir ? call->args[0] : 0, &fs->pwd);
		}
		break;
	}
}
