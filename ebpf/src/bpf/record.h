/* The record ABI between the programs and the reader (`abi.rs` mirrors it; both assert sizes and offsets).
 *
 * A record is a header, a payload whose layout follows from the kind, then chunks to the end of the record. All numbers are in
 * the machine's byte order, all times ns of CLOCK_BOOTTIME. There is no padding with unknown content.
 *
 * A chunk is { u16 tag, u16 flags, u32 len } and `len` bytes. The last bytes of the record are the frames of the user stack, if the
 * header says that there are any: u64 addresses, the innermost first. */
#pragma once
#include "prelude.h"

#define RECORD_VERSION 1

enum record_kind {
	KIND_FORK = 1,    /* struct fork_payload */
	KIND_EXEC = 2,    /* struct exec_payload; chunks */
	KIND_EXIT = 3,    /* struct exit_payload */
	KIND_OPEN = 4,    /* struct open_payload; PATH, USER_PATH */
	KIND_CONNECT = 5, /* struct socket_payload; ADDRESS */
	KIND_TASK = 8,    /* task iterator, not in the ring: header only */
	KIND_CGROUP_MKDIR = 9,  /* struct cgroup_payload; CGROUP */
	KIND_CGROUP_RMDIR = 10, /* struct cgroup_payload; CGROUP */
	KIND_CGROUP_ATTACH = 11, /* struct cgroup_payload; CGROUP */
	KIND_EVENT = 12, /* struct event_payload; fields */
	KIND_PACKET = 13, /* struct packet_payload; the packet from its IP header on, to the end of the record */
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

/* In a KIND_EVENT record a chunk is a field of the event: its tag is the form, and in the upper byte the field's number in the
 * catalogue. A field that is not sent is not known. */
enum field_form {
	FORM_NUMBER = 1,      /* u64, sign-extended */
	FORM_TEXT = 2,        /* text without NUL */
	FORM_PATH = 3,        /* path components, leaf first, each ended by NUL */
	FORM_BASE = 4,        /* path components of the directory from which FORM_TEXT of the same field goes on */
	FORM_STRINGS = 5,     /* strings, each ended by NUL */
	FORM_ADDRESS = 6,     /* struct sockaddr */
	FORM_BYTES = 7,       /* as they are */
	FORM_NUMBERS = 8,     /* u64 each */
	FORM_CREDENTIALS = 9, /* struct credentials */
	FORM_TIME = 10,       /* struct timespec: s64 seconds, s64 ns */
	FORM_PAIR = 11,       /* two s32 */
	/* Only in a call plan: an address whose length is behind a pointer, in the next argument. */
	FORM_ADDRESS_OUT = 12,
};
#define TAG(form, field) ((u32)(form) | (u32)(field) << 8)

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
	u64 seq; /* counts the records of this CPU and lane from 0, lost ones too */
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
	u16 lane; /* programs that interrupt each other on a CPU count in lanes of their own */
	u16 frames; /* of the user stack, at most FRAMES_MAX */
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
	s32 fd, unused;
	u32 type;
	u32 reserved;
};
struct event_payload {
	u32 event; /* internal id in the catalogue: EVENT_* */
	u32 reserved;
};
struct credentials {
	u32 uid, gid, suid, sgid, euid, egid, fsuid, fsgid;
	u32 user_ns, secure_bits;
	u64 inheritable, permitted, effective, bounding, ambient;
};
struct cgroup_payload {
	u64 id;        /* inode number of its directory, unique in its hierarchy */
	u32 hierarchy; /* 0 for the unified one */
	u32 task;      /* the moved task, in the root pid namespace: KIND_CGROUP_ATTACH only */
	char comm[16]; /* its name */
};
struct packet_payload {
	u32 events;  /* bits PACKET_*: what it is to be told as */
	u32 leaving; /* 1: this host sends it, 0: it receives it */
	u32 net_ns;
	u32 len;     /* of the whole packet, bytes */
};
/* Events that are made of packets, in the order in which they are told. */
enum packet_event {
	PACKET_IPV4 = 1 << 0,
	PACKET_IPV6 = 1 << 1,
	PACKET_TCP = 1 << 2,
	PACKET_UDP = 1 << 3,
	PACKET_ICMP = 1 << 4,
	PACKET_ICMPV6 = 1 << 5,
	PACKET_DNS = 1 << 6,
	PACKET_DNS_REQUEST = 1 << 7,
	PACKET_DNS_RESPONSE = 1 << 8,
	PACKET_HTTP = 1 << 9,
	PACKET_HTTP_REQUEST = 1 << 10,
	PACKET_HTTP_RESPONSE = 1 << 11,
	PACKET_FLOW_BEGIN = 1 << 12,
	PACKET_FLOW_END = 1 << 13,
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
_Static_assert(sizeof(struct event_payload) == 8, "abi.rs");
_Static_assert(sizeof(struct credentials) == 80, "abi.rs");
_Static_assert(sizeof(struct cgroup_payload) == 32, "abi.rs");
_Static_assert(sizeof(struct packet_payload) == 16, "abi.rs");
_Static_assert(sizeof(struct chunk) == 8, "abi.rs");

#define LANES 4
/* Per CPU; the reader adds them up. */
struct counters {
	u64 produced[LANES]; /* records made, lost ones too */
	u64 ring_full;    /* lost: no room in the ring buffer */
	u64 no_scratch;   /* lost: more programs interrupted each other than there are lanes */
	u64 scope_full;   /* processes that fell out of the recorded scope: its table is full */
};

/* What to do about a system call; one for each number of the native table and one for each of the i386 table. */
struct call_plan {
	u64 derived;  /* bits DERIVE_*: events of other names that are seen in this call */
	u32 event;    /* the event of the call itself, when CALL_REPORTED */
	s32 nr;       /* number in the native table, NR_none where there is none */
	u8 flags;
	u8 form[6];   /* FORM_* of the arguments, 0 after the last */
	u8 reserved;
};
_Static_assert(sizeof(struct call_plan) == 24, "calls.rs");
enum {
	CALL_REPORTED = 1,
	CALL_AT_ENTRY = 2, /* reported at its entry: it does not return */
	CALL_IS_EXEC = 4,  /* reported at its entry, and once more if it fails */
};
enum {
	DERIVE_OPEN = 1 << 0,
	DERIVE_CONNECT = 1 << 1,
	DERIVE_SOCKET_DUP = 1 << 2,
	DERIVE_UNLINK = 1 << 3,
	DERIVE_RENAME = 1 << 4,
	DERIVE_MKNOD = 1 << 5,
	DERIVE_SYMLINK = 1 << 6,
	DERIVE_CHMOD = 1 << 7,
	DERIVE_CHDIR = 1 << 8,
	DERIVE_SOCKET_CREATE = 1 << 9,
	DERIVE_BIND = 1 << 10,
	DERIVE_LISTEN = 1 << 11,
	DERIVE_SETSOCKOPT = 1 << 12,
	DERIVE_ACCEPT = 1 << 13,
	DERIVE_ACCEPTED = 1 << 14,
	DERIVE_PRCTL = 1 << 15,
	DERIVE_RLIMIT = 1 << 16,
	DERIVE_NAMESPACES = 1 << 17,
	DERIVE_CREDENTIALS = 1 << 18,
	DERIVE_EXEC_FAILED = 1 << 19,
	DERIVE_BPRM = 1 << 20,
	DERIVE_MOUNT = 1 << 21,
	DERIVE_BPF = 1 << 22,
	DERIVE_MMAP_FILE = 1 << 23,
	DERIVE_LOADED = 1 << 24,
	DERIVE_MPROTECT = 1 << 25,
	DERIVE_MEM_PROT = 1 << 26,
	DERIVE_READ = 1 << 28,
	DERIVE_READV = 1 << 29,
	DERIVE_WRITE = 1 << 30,
};
/* Beyond what an enumeration of this dialect holds. */
#define DERIVE_WRITEV (1ULL << 31)
#define DERIVE_MAGIC (1ULL << 32)
#define DERIVE_MODIFICATION (1ULL << 33)
#define DERIVE_KERNEL_READ (1ULL << 34)
#define DERIVE_KERNEL_POST_READ (1ULL << 35)
#define DERIVE_BPF_MAP (1ULL << 36)
#define DERIVE_BPF_PROG (1ULL << 37)
/* Families of them, each with a program of its own at the return of calls; `derive.rs` has the same. */
#define DERIVED_OF_FILES                                                                                            \
	(DERIVE_OPEN | DERIVE_UNLINK | DERIVE_RENAME | DERIVE_MKNOD | DERIVE_SYMLINK | DERIVE_CHMOD | DERIVE_CHDIR)
#define DERIVED_OF_SOCKETS                                                                                          \
	(DERIVE_CONNECT | DERIVE_SOCKET_DUP | DERIVE_SOCKET_CREATE | DERIVE_BIND | DERIVE_LISTEN | DERIVE_SETSOCKOPT | \
	 DERIVE_ACCEPT | DERIVE_ACCEPTED)
#define DERIVED_OF_TASKS                                                                                            \
	(DERIVE_PRCTL | DERIVE_RLIMIT | DERIVE_NAMESPACES | DERIVE_CREDENTIALS | DERIVE_EXEC_FAILED | DERIVE_MOUNT)
#define DERIVED_OF_CODE                                                                                             \
	(DERIVE_MMAP_FILE | DERIVE_LOADED | DERIVE_MEM_PROT | DERIVE_BPF | DERIVE_BPF_MAP | DERIVE_BPF_PROG |        \
	 DERIVE_KERNEL_READ | DERIVE_KERNEL_POST_READ)
#define DERIVED_OF_TRANSFERS                                                                                        \
	(DERIVE_READ | DERIVE_READV | DERIVE_WRITE | DERIVE_WRITEV | DERIVE_MAGIC | DERIVE_MODIFICATION)
/* Those that are told when the call begins. */
#define DERIVED_AT_ENTRY (DERIVE_CONNECT | DERIVE_NAMESPACES | DERIVE_CREDENTIALS | DERIVE_MODIFICATION)
