/* The kernel structures, reduced to the members that are read. `x___y` is another form of `struct x` in other kernels. */
#pragma once
#include "prelude.h"

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
}; /* Fixed by the architecture: not relocated. */

struct list_head {
	struct list_head *next, *prev;
};

struct ns_common {
	u32 inum;
} CORE;
struct pid_namespace {
	struct ns_common ns;
} CORE;
struct upid {
	int nr;
	struct pid_namespace *ns;
} CORE;
struct pid {
	u32 level;
	struct upid numbers[1];
} CORE;

struct new_utsname {
	char nodename[65];
} CORE;
struct uts_namespace {
	struct ns_common ns;
	struct new_utsname name;
} CORE;
struct mnt_namespace {
	struct ns_common ns;
} CORE;
struct ipc_namespace {
	struct ns_common ns;
} CORE;
struct net {
	struct ns_common ns;
} CORE;
struct cgroup_namespace {
	struct ns_common ns;
} CORE;
struct nsproxy {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
	struct cgroup_namespace *cgroup_ns;
} CORE;

struct kernfs_node {
	u64 id;
	struct kernfs_node *parent;
	const char *name;
} CORE;
struct kernfs_node___6_15 {
	struct kernfs_node *__parent;
} CORE;
struct cgroup_root {
	int hierarchy_id;
} CORE;
struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
} CORE;
struct cgroup_subsys_state {
	struct cgroup *cgroup;
} CORE;
struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
} CORE;

struct qstr {
	const unsigned char *name;
} CORE;
struct super_block {
	u32 s_dev;
	unsigned long s_magic;
} CORE;
struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
} CORE;
struct inode {
	u16 i_mode;
	s64 i_size;
	unsigned long i_ino;
	struct super_block *i_sb;
	struct timespec64 i_ctime;
} CORE;
struct inode___6_6 {
	struct timespec64 __i_ctime;
} CORE;
struct inode___6_11 {
	s64 i_ctime_sec;
	u32 i_ctime_nsec;
} CORE;
struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
} CORE;
struct vfsmount {
	struct dentry *mnt_root;
} CORE;
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
} CORE;
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} CORE;
struct file_operations {
	void *iterate, *iterate_shared;
} CORE;
struct file {
	struct file_operations *f_op;
	u32 f_flags;
	s64 f_pos;
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
	struct {
		s64 counter;
	} f_count;
} CORE;
struct file___6_13 {
	struct {
		struct {
			s64 counter; /* of references beside the first */
		} refcnt;
	} f_ref;
} CORE;
struct fdtable {
	u32 max_fds;
	struct file **fd;
} CORE;
struct files_struct {
	struct fdtable *fdt;
} CORE;
struct fs_struct {
	struct path root, pwd;
	int umask;
} CORE;

struct vm_area_struct {
	unsigned long vm_flags;
	struct file *vm_file;
} CORE;
struct mm_struct {
	unsigned long start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	unsigned long arg_start, arg_end, env_start, env_end;
	unsigned long saved_auxv[40];
	struct file *exe_file;
} CORE;
struct linux_binprm {
	struct file *file;
	const char *filename;
	const char *interp;
	int argc, envc;
} CORE;

struct in6_addr {
	u8 bytes[16];
};
typedef struct {
	s64 counter;
} atomic64_t;
typedef struct {
	struct net *net;
} possible_net_t;
struct sock_common {
	u32 skc_daddr, skc_rcv_saddr;
	u16 skc_dport, skc_num;
	u16 skc_family;
	u8 skc_state;
	possible_net_t skc_net;
	atomic64_t skc_cookie;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} CORE;
struct socket;
struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
} CORE;
struct sockaddr_un {
	u16 sun_family;
} CORE;
struct unix_address {
	int len;
	struct sockaddr_un name[1];
} CORE;
struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
} CORE;
struct socket {
	short type;
	struct sock *sk;
} CORE;
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
} CORE;

typedef struct {
	int counter;
} atomic_t;
struct signal_struct {
	atomic_t live;
} CORE;
struct kid {
	u32 val;
} CORE;
struct user_namespace {
	struct ns_common ns;
} CORE;
struct capabilities {
	u64 mask;
}; /* Of two halves or in one piece: never read by its members. */
struct cred {
	struct kid uid, gid, suid, sgid, euid, egid, fsuid, fsgid;
	unsigned int securebits;
	struct capabilities cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
	struct user_namespace *user_ns;
} CORE;
struct thread_info {
	u32 status;
} CORE;
struct task_struct {
	struct thread_info thread_info;
	void *stack;
	u32 flags;
	int exit_code;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	struct pid *thread_pid;
	u64 start_boottime;
	char comm[16];
	struct cred *real_cred;
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct css_set *cgroups;
	struct mm_struct *mm;
} CORE;

struct module {
	char name[56];
	const char *version, *srcversion;
} CORE;

struct bpf_map {
	u32 id;
	char name[16];
} CORE;
struct bpf_prog_aux {
	u32 id;
	char name[16];
} CORE;
enum bpf_prog_type { ANY_PROG_TYPE };
struct bpf_prog {
	enum bpf_prog_type type;
	struct bpf_prog_aux *aux;
} CORE;

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
	u64 seq_num;
} CORE;
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} CORE;
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
} CORE;

/* What a program sees of a packet. The kernel's interface: not relocated. */
struct __sk_buff {
	u32 len, others[41];
	u64 sk;
};
_Static_assert(__builtin_offsetof(struct __sk_buff, sk) == 168, "the kernel's interface");
