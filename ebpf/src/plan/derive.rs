//! What programs at the entries and returns of system calls are asked to tell: `DERIVE_*` of `record.h`.

pub(super) const OPEN: u64 = 1 << 0;
pub(super) const CONNECT: u64 = 1 << 1;
pub(super) const SOCKET_DUP: u64 = 1 << 2;
pub(super) const UNLINK: u64 = 1 << 3;
pub(super) const RENAME: u64 = 1 << 4;
pub(super) const MKNOD: u64 = 1 << 5;
pub(super) const SYMLINK: u64 = 1 << 6;
pub(super) const CHMOD: u64 = 1 << 7;
pub(super) const CHDIR: u64 = 1 << 8;
pub(super) const SOCKET_CREATE: u64 = 1 << 9;
pub(super) const BIND: u64 = 1 << 10;
pub(super) const LISTEN: u64 = 1 << 11;
pub(super) const SETSOCKOPT: u64 = 1 << 12;
pub(super) const ACCEPT: u64 = 1 << 13;
pub(super) const ACCEPTED: u64 = 1 << 14;
pub(super) const PRCTL: u64 = 1 << 15;
pub(super) const RLIMIT: u64 = 1 << 16;
pub(super) const NAMESPACES: u64 = 1 << 17;
pub(super) const CREDENTIALS: u64 = 1 << 18;
pub(super) const EXEC_FAILED: u64 = 1 << 19;
pub(super) const MOUNT: u64 = 1 << 21;
pub(super) const MMAP_FILE: u64 = 1 << 23;
pub(super) const LOADED: u64 = 1 << 24;
pub(super) const MPROTECT: u64 = 1 << 25;
pub(super) const MEM_PROT: u64 = 1 << 26;
pub(super) const OWNER: u64 = 1 << 27;
