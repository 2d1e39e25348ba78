/* The record ABI between the programs and the reader (`abi.rs` mirrors it; both assert sizes and offsets).
 *
 * A record is a header, a payload whose layout follows from the kind, then chunks to the end of the record. All numbers are in
 * the machine's byte order, all times ns of CLOCK_BOOTTIME. There is no padding with unknown content.
 *
 * A chunk is { u16 tag, u16 flags, u32 len } and `len` bytes. */
#pragma once
#include "prelude.h"

#define RECORD_VERSION 1

enum record_kind {
	KIND_FORK = 1,    /* struct fork_payload */
	KIND_EXEC = 2,    /* struct exec_payload; chunks */
	KIND_EXIT = 3,    /* struct exit_payload */
	KIND_OPEN = 4,    /* struct open_payload; PATH, USER_PATH */
	KIND_CONNECT = 5, /* struct socket_payload; ADDRESS */
	KIND_SYSCALL = 6, /* struct syscall_payload */
	KIND_DUP = 7,     /* struct socket_payload; ADDRESS */
	KIND_TASK = 8,    /* task iterator, not in the ring: header only */
	KIND_CGROUP_MKDIR = 9,  /* struct cgroup_payload; CGROUP */
	KIND_CGROUP_RMDIR = 10, /* struct cgroup_payload; CGROUP */
	KIND_CGROUP_ATTACH = 11, /* struct cgroup_payload; CGROUP */
};

enum chunk_tag {
	CHUNK_PATH = 1,        /* path components, leaf first, each ended by NUL */
	CHUNK_USER_PATH = 2,   /* the path as the program gave it */
	CHUNK_CMDPATH = 3,     /* text: the path handed to exec */
	CHUNK_INTERP = 4,      /* text: the last interpreter of a script */
	CHUNK_LOADER = 5,      /* path components: the ELF loader */
	CHUNK_STDIN = 6,       /* path components */
	CHUNK_PWD = 7,         /* path components */
	CHUNK_ARGV = 8,        /* strings, each ended by NUL */
	CHUNK_ENV = 9,         /* strings, each ended by NUL */
	CHUNK_PREV_COMM = 10,  /* text */
	CHUNK_ADDRESS = 11,    /* struct sockaddr of the family, as long as the caller said */
	CHUNK_CGROUP = 12,     /* text: path of a cgroup from the root of its hierarchy */
};

enum chunk_flag {
	FLAG_TRUNCATED = 1,    /* there was more */
	FLAG_PSEUDO = 2,       /* path: the file hangs on no mount; the only component is its name */
	FLAG_DISCONNECTED = 4, /* path: the mount hangs on no mount namespace */
	FLAG_UNREADABLE = 8,   /* the memory could not be read */
};

enum task_flag {
	TASK_COMPAT = 1, /* in a 32-bit system call */
	TASK_KTHREAD = 2,
};

struct record {
	u32 len; /* of the whole record, bytes */
	u16 kind;
	u16 version;
	u64 cpu_seq; /* counts the records of this CPU from 0, lost ones too */
	u64 time;
	u64 task_start, leader_start, parent_start;
	u64 cgroup_id;
	u32 cpu;
	u32 tid, pid;       /* in the root pid namespace; pid = thread group */
	u32 ns_tid, ns_pid; /* in the task's own pid namespace */
	u32 ppid, ns_ppid;  /* thread group of the leader's real parent; ns: 0 if it is in another pid namespace */
	u32 uid, gid;       /* real ones */
	u32 mnt_ns, pid_ns;
	s32 syscall; /* number in the table of the call, -1 for none */
	u32 flags;
	u32 reserved;
	char comm[16];
	char node[16];
};
_Static_assert(sizeof(struct record) == 144, "abi.rs");
_Static_assert(__builtin_offsetof(struct record, cpu) == 56, "abi.rs");
_Static_assert(__builtin_offsetof(struct record, comm) == 112, "abi.rs");

struct task_id {
	u32 tid, pid, ns_tid, ns_pid;
	u64 start;
};
struct file_id {
	u64 inode, ctime; /* ctime: ns since 1970 */
	u32 dev, mode;
};
struct fork_payload {
	struct task_id parent, child;
	struct task_id parent_process, leader; /* leader of the child's real parent; leader of the child */
};
struct exec_payload {
	struct file_id file, loader;
	u32 argc, envc; /* numbers of strings, of which the chunks may hold fewer */
	u32 stdin_mode;
	u32 invoked_from_kernel;
};
struct exit_payload {
	s32 code; /* as the kernel keeps it: status << 8 | core dumped << 7 | signal */
	u32 group_dead;
};
struct open_payload {
	struct file_id file;
	u32 flags;
	u32 reserved;
};
struct socket_payload {
	s32 fd, new_fd; /* new_fd: KIND_DUP only */
	u32 type;
	u32 reserved;
};
struct syscall_payload {
	u64 args[6];
	s64 ret;
	u32 nr; /* in the native table */
	u32 reserved;
};
struct cgroup_payload {
	u64 id;        /* inode number of its directory, unique in its hierarchy */
	u32 hierarchy; /* 0 for the unified one */
	u32 task;      /* the moved task, in the root pid namespace: KIND_CGROUP_ATTACH only */
	char comm[16]; /* its name */
};
struct chunk {
	u16 tag, flags;
	u32 len;
};
_Static_assert(sizeof(struct fork_payload) == 96, "abi.rs");
_Static_assert(sizeof(struct exec_payload) == 64, "abi.rs");
_Static_assert(sizeof(struct exit_payload) == 8, "abi.rs");
_Static_assert(sizeof(struct open_payload) == 32, "abi.rs");
_Static_assert(sizeof(struct socket_payload) == 16, "abi.rs");
_Static_assert(sizeof(struct syscall_payload) == 64, "abi.rs");
_Static_assert(sizeof(struct cgroup_payload) == 32, "abi.rs");
_Static_assert(sizeof(struct chunk) == 8, "abi.rs");

/* Per CPU; the reader adds them up. */
struct counters {
	u64 produced;     /* records made, lost ones too */
	u64 ring_full;    /* lost: no room in the ring buffer */
	u64 no_scratch;   /* lost: programs preempted each other too deeply */
	u64 scope_full;   /* processes that fell out of the recorded scope: its table is full */
};

/* struct control.syscalls: which events come from the system-call programs */
enum {
	CALL_OPEN = 1,
	CALL_CONNECT = 2,
	CALL_PTRACE = 4,
	CALL_DUP = 8,
	CALL_DUP2 = 16,
	CALL_DUP3 = 32,
	CALL_SOCKET_DUP = 64,
};
struct control {
	u64 syscalls;
};
