//! What is done through io_uring: security hooks see it, and no system call but `io_uring_enter` shows it.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use libc::{AF_UNIX, AT_FDCWD, O_NONBLOCK, SOCK_STREAM};

use crate::cause::{Notes, c_string, call, failing_call, identity, me, number, text, thread, unseen};
use crate::files::LARGE_FILE;
use crate::sockets::{Address, made, owned, socket};
use crate::truth::Who;

const IO_URING: &str = "what is done through io_uring";

/// Operations, as the kernel numbers them.
const OPENAT: u8 = 18;
const CONNECT: u8 = 16;
/// How: leave it to a worker.
const ASYNC: u8 = 1 << 4;
/// Where the kernel maps the submissions of a ring.
const SUBMISSIONS: u64 = 0x1000_0000;
/// Wait for completions.
const GET_EVENTS: u64 = 1;

pub(crate) fn cause(notes: &mut Notes) {
    // Where an administrator has forbidden it, there is nothing to see.
    let Some(ring) = Ring::new() else { return };
    opened(notes, "a file through io_uring", ring, 0);
    for next in [by_worker, connected] {
        if let Some(ring) = Ring::new() {
            next(notes, ring);
        }
    }
}

/// By the kernel for the thread that submits it, or by a worker: a thread that the kernel gives the process.
fn opened(notes: &mut Notes, case: &str, ring: Ring, how: u8) {
    let file = notes.place(&format!("ring-opens-{how}"));
    fs::write(&file, "x").expect("the directory can be written");
    let path = c_string(&file);
    // The kernel adds `O_NONBLOCK` while it tries not to wait.
    let result = ring.submit(Submission {
        operation: OPENAT,
        how,
        descriptor: AT_FDCWD,
        address: path.as_ptr() as u64,
        flags: O_NONBLOCK.cast_unsigned(),
        ..Submission::default()
    });
    assert!(result >= 0, "{}", std::io::Error::from_raw_os_error(-result));
    drop(owned(result.into()));
    let who = if how == ASYNC { worker() } else { me() };
    let (inode, dev, ctime) = identity(&file);
    let fields = [
        ("pathname", text(&file)),
        ("flags", number(O_NONBLOCK | LARGE_FILE)),
        ("dev", dev),
        ("inode", inode),
        ("ctime", ctime),
        ("syscall_pathname", text("")),
    ];
    notes.by(
        &who,
        case,
        "security_file_open",
        "io_uring_enter",
        &fields,
        &[unseen(IO_URING)],
    );
}

/// The worker of this process, which waits some seconds for more to do.
fn worker() -> Who {
    let threads = fs::read_dir("/proc/self/task").expect("procfs is mounted");
    threads
        .map(|entry| thread(&entry.expect("it can be read").path()))
        .find(|who| who.comm.starts_with("iou-wrk"))
        .expect("the kernel made one")
}

fn by_worker(notes: &mut Notes, ring: Ring) {
    opened(notes, "a file through io_uring, by a worker", ring, ASYNC);
}

fn connected(notes: &mut Notes, ring: Ring) {
    let path = notes.place("ring-listens");
    let _listener = UnixListener::bind(&path).expect("the directory can be written");
    let listening = Address::unix(&path);
    made(notes, "a socket", "socket", (AF_UNIX, SOCK_STREAM, 0), &[]);
    let client = socket(notes, AF_UNIX, SOCK_STREAM, 0);
    let [_, address, length, ..] = listening.arguments(&client);
    let result = ring.submit(Submission {
        operation: CONNECT,
        descriptor: client.as_raw_fd(),
        offset: length,
        address,
        ..Submission::default()
    });
    assert_eq!(result, 0, "{}", std::io::Error::from_raw_os_error(-result));
    // There is no call that has a descriptor among its arguments.
    let fields = [
        ("sockfd", number(0)),
        ("type", number(SOCK_STREAM)),
        ("remote_addr", listening.told),
    ];
    notes.note(
        "a connect through io_uring",
        "security_socket_connect",
        "io_uring_enter",
        &fields,
        &[unseen(IO_URING)],
    );
}

/// The beginning of a `struct io_uring_sqe`; the rest is 0.
#[repr(C)]
#[derive(Default)]
struct Submission {
    operation: u8,
    how: u8,
    priority: u16,
    descriptor: i32,
    offset: u64,
    address: u64,
    length: u32,
    flags: u32,
}

/// A ring for one operation.
struct Ring {
    descriptor: OwnedFd,
    /// `struct io_uring_params`, as the kernel has filled it.
    parameters: [u32; 30],
}

/// Places in `struct io_uring_params`, in words: sizes of the two rings, and where their members are.
const COMPLETIONS: usize = 1;
const SUBMISSION_TAIL: usize = 11;
const COMPLETED: usize = 25;

impl Ring {
    /// `None` where the kernel refuses it.
    fn new() -> Option<Self> {
        let mut parameters = [0_u32; 30];
        let descriptor = failing_call(
            libc::SYS_io_uring_setup,
            [1, parameters.as_mut_ptr() as u64, 0, 0, 0, 0],
        );
        // SAFETY: the kernel has just made the descriptor.
        (descriptor >= 0).then(|| Self {
            descriptor: unsafe { OwnedFd::from_raw_fd(descriptor as i32) },
            parameters,
        })
    }

    fn map(&self, size: u64, offset: u64) -> *mut u8 {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let descriptor = self.descriptor.as_raw_fd();
        let arguments = [
            0,
            size,
            protection as u64,
            libc::MAP_SHARED as u64,
            descriptor as u64,
            offset,
        ];
        call(libc::SYS_mmap, arguments) as *mut u8
    }

    /// Submits an operation and waits for its result: a number, or the negative error.
    fn submit(self, submission: Submission) -> i32 {
        let completed = self.parameters[COMPLETED] as usize;
        // A completion has 16 bytes. Both rings are in one map.
        let size = completed as u64 + 16 * u64::from(self.parameters[COMPLETIONS]);
        let (rings, submissions) = (self.map(size, 0), self.map(64, SUBMISSIONS));
        // SAFETY: the maps are the kernel's, of these sizes, and it does not look into them before it is called. The first entry of
        // the ring says which submission comes first: 0.
        unsafe {
            submissions.cast::<Submission>().write_volatile(submission);
            rings
                .add(self.parameters[SUBMISSION_TAIL] as usize)
                .cast::<u32>()
                .write_volatile(1);
        }
        let descriptor = self.descriptor.as_raw_fd();
        call(
            libc::SYS_io_uring_enter,
            [descriptor as u64, 1, 1, GET_EVENTS, 0, 0],
        );
        // SAFETY: the completion is there; its result is after the eight bytes that say whose it is.
        unsafe { rings.add(completed + 8).cast::<i32>().read_volatile() }
    }
}
