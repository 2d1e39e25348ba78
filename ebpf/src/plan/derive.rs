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
pub(super) const BPF: u64 = 1 << 22;
pub(super) const MMAP_FILE: u64 = 1 << 23;
pub(super) const LOADED: u64 = 1 << 24;
pub(super) const MPROTECT: u64 = 1 << 25;
pub(super) const MEM_PROT: u64 = 1 << 26;
pub(super) const READ: u64 = 1 << 28;
pub(super) const READV: u64 = 1 << 29;
pub(super) const WRITE: u64 = 1 << 30;
pub(super) const WRITEV: u64 = 1 << 31;
pub(super) const MAGIC: u64 = 1 << 32;
pub(super) const MODIFICATION: u64 = 1 << 33;
pub(super) const KERNEL_READ: u64 = 1 << 34;
pub(super) const KERNEL_POST_READ: u64 = 1 << 35;
pub(super) const BPF_MAP: u64 = 1 << 36;
pub(super) const BPF_PROG: u64 = 1 << 37;

/// What is derived together: each family has a program of its own at the return of calls, `DERIVED_OF_*` of `record.h`.
pub(super) enum Family {
    Files,
    Sockets,
    Tasks,
    Code,
    Transfers,
}

/// The family of a bit.
pub(super) const fn family(bit: u64) -> Family {
    match bit {
        OPEN | UNLINK | RENAME | MKNOD | SYMLINK | CHMOD | CHDIR => Family::Files,
        PRCTL | RLIMIT | NAMESPACES | CREDENTIALS | EXEC_FAILED | MOUNT => Family::Tasks,
        MMAP_FILE | LOADED | MEM_PROT | BPF | BPF_MAP | BPF_PROG | KERNEL_READ | KERNEL_POST_READ => {
            Family::Code
        }
        READ | READV | WRITE | WRITEV | MAGIC | MODIFICATION => Family::Transfers,
        CONNECT | SOCKET_DUP | SOCKET_CREATE | BIND | LISTEN | SETSOCKOPT | ACCEPT | ACCEPTED => {
            Family::Sockets
        }
        _ => panic!("no program at the return of calls derives this"),
    }
}
