//! System calls with every form of argument: numbers, text, lists of text, addresses in and out, times, pairs.

use std::fs::File;
use std::os::fd::AsRawFd;

use libc::AF_INET;

use crate::cause::{
    Notes, address, at, c_string, call, failing_call, in_any_child, in_child, number, pointer, text, texts,
};
use crate::truth::Truth;

/// The calls that are recorded: those that are caused here in [`crate::compat`] and in [`crate::stacks`].
pub(crate) const CALLS: [&str; 23] = [
    "getpid",
    "getpgid",
    "openat",
    "read",
    "kill",
    "dup3",
    "pipe2",
    "socketpair",
    "execve",
    "execveat",
    "exit_group",
    "connect",
    "bind",
    "getsockname",
    "accept4",
    "nanosleep",
    "clock_nanosleep",
    "ptrace",
    "process_vm_writev",
    "memfd_create",
    "symlinkat",
    "sendto",
    "mknod",
];

pub(crate) fn cause(notes: &mut Notes) {
    numbers(notes);
    texts_of_calls(notes);
    addresses(notes);
    times(notes);
    pairs(notes);
    processes(notes);
}

/// Makes a call and notes it with its arguments and its result.
fn told(
    notes: &mut Notes,
    name: &str,
    nr: libc::c_long,
    arguments: [u64; 6],
    fields: &[(&str, Truth)],
) -> i64 {
    let result = failing_call(nr, arguments);
    returned(notes, name, result, fields);
    result
}

fn returned(notes: &mut Notes, name: &str, result: i64, fields: &[(&str, Truth)]) {
    let fields = [fields, &[("returnValue", number(result))]].concat();
    notes.note(name, name, name, &fields, &[]);
}

fn numbers(notes: &mut Notes) {
    in_child(|| {
        told(notes, "getpid", libc::SYS_getpid, [0; 6], &[]);
    });
    // Neither is 32 bits wide for the kernel.
    let wide = 0xffff_ffff_ffff_fffd;
    told(
        notes,
        "kill",
        libc::SYS_kill,
        [wide, 0, 0, 0, 0, 0],
        &[("pid", number(-3)), ("sig", number(0))],
    );
    let mut buffer = [0_u8; 7];
    let zeros = File::open("/dev/zero").expect("it is there");
    let fd = zeros.as_raw_fd();
    let to = buffer.as_mut_ptr();
    let fields = [("fd", number(fd)), ("buf", pointer(to)), ("count", number(7))];
    told(
        notes,
        "read",
        libc::SYS_read,
        [fd as u64, to as u64, 7, 0, 0, 0],
        &fields,
    );
    let flags = libc::O_CLOEXEC;
    let fields = [
        ("oldfd", number(fd)),
        ("newfd", number(99)),
        ("flags", number(flags)),
    ];
    let copy = told(
        notes,
        "dup3",
        libc::SYS_dup3,
        [fd as u64, 99, flags as u64, 0, 0, 0],
        &fields,
    );
    call(libc::SYS_close, [copy as u64, 0, 0, 0, 0, 0]);
    let fields = [
        ("oldfd", number(12_345)),
        ("newfd", number(99)),
        ("flags", number(0)),
    ];
    assert_eq!(
        told(notes, "dup3", libc::SYS_dup3, [12_345, 99, 0, 0, 0, 0], &fields),
        -i64::from(libc::EBADF)
    );
}

fn texts_of_calls(notes: &mut Notes) {
    let missing = c_string("no/such/file");
    let fields = [
        ("dirfd", number(libc::AT_FDCWD)),
        ("pathname", text("no/such/file")),
        ("flags", number(libc::O_RDWR)),
        ("mode", number(0)),
    ];
    let arguments = [
        libc::AT_FDCWD as u64,
        missing.as_ptr() as u64,
        libc::O_RDWR as u64,
        0,
        0,
        0,
    ];
    assert_eq!(
        told(notes, "openat", libc::SYS_openat, arguments, &fields),
        -i64::from(libc::ENOENT)
    );
    // No text can be read there.
    let fields = [
        ("dirfd", number(5)),
        ("flags", number(0)),
        ("mode", number(0o600)),
        ("pathname", text("")),
    ];
    let arguments = [5, 8, 0, 0o600, 0, 0];
    assert_eq!(
        told(notes, "openat", libc::SYS_openat, arguments, &fields),
        -i64::from(libc::EFAULT)
    );

    let name = c_string("a name");
    let fields = [("name", text("a name")), ("flags", number(1))];
    told(
        notes,
        "memfd_create",
        libc::SYS_memfd_create,
        [name.as_ptr() as u64, 1, 0, 0, 0, 0],
        &fields,
    );
    let (target, link) = (c_string("target"), c_string("no/such/place"));
    let fields = [
        ("target", text("target")),
        ("newdirfd", number(libc::AT_FDCWD)),
        ("linkpath", text("no/such/place")),
    ];
    let arguments = [
        target.as_ptr() as u64,
        libc::AT_FDCWD as u64,
        link.as_ptr() as u64,
        0,
        0,
        0,
    ];
    told(notes, "symlinkat", libc::SYS_symlinkat, arguments, &fields);
    let path = c_string("no/such/node");
    let fields = [
        ("pathname", text("no/such/node")),
        ("mode", number(0o100_644)),
        ("dev", number(7)),
    ];
    told(
        notes,
        "mknod",
        libc::SYS_mknod,
        [path.as_ptr() as u64, 0o100_644, 7, 0, 0, 0],
        &fields,
    );

    let program = c_string("no/such/program of a call");
    let argv = [
        c"one".as_ptr(),
        c"".as_ptr(),
        c"three \xff".as_ptr(),
        std::ptr::null(),
    ];
    let envp = [c"X=y".as_ptr(), std::ptr::null()];
    let fields = [
        ("pathname", text("no/such/program of a call")),
        ("argv", texts(&["one", "", "three \u{fffd}"])),
        ("envp", texts(&["X=y"])),
    ];
    let arguments = [program.as_ptr() as u64, at(&argv), at(&envp), 0, 0, 0];
    let result = failing_call(libc::SYS_execve, arguments);
    assert_eq!(result, -i64::from(libc::ENOENT));
    // It is told when it begins, and once more because it failed.
    returned(notes, "execve", 0, &fields);
    returned(notes, "execve", result, &fields);
    let fields = [&fields[..], &[("dirfd", number(-1)), ("flags", number(0))]].concat();
    let arguments = [u64::MAX, program.as_ptr() as u64, at(&argv), at(&envp), 0, 0];
    let result = failing_call(libc::SYS_execveat, arguments);
    assert_eq!(result, -i64::from(libc::EBADF));
    returned(notes, "execveat", 0, &fields);
    returned(notes, "execveat", result, &fields);
}

fn addresses(notes: &mut Notes) {
    let socket = call(
        libc::SYS_socket,
        [AF_INET as u64, libc::SOCK_DGRAM as u64, 0, 0, 0, 0],
    ) as u64;
    let inet = |host: [u8; 4], port: u16| {
        [
            &(AF_INET as u16).to_ne_bytes()[..],
            &port.to_be_bytes(),
            &host,
            &[0; 8],
        ]
        .concat()
    };
    let fd = || ("sockfd", number(socket));
    let own = inet([127, 0, 0, 1], 20_021);
    let fields = [
        fd(),
        ("addr", address("inet", "127.0.0.1", 20_021)),
        ("addrlen", number(16)),
    ];
    told(
        notes,
        "bind",
        libc::SYS_bind,
        [socket, at(own.as_slice()), 16, 0, 0, 0],
        &fields,
    );
    let remote = inet([127, 0, 0, 2], 20_022);
    let fields = [
        fd(),
        ("addr", address("inet", "127.0.0.2", 20_022)),
        ("addrlen", number(16)),
    ];
    told(
        notes,
        "connect",
        libc::SYS_connect,
        [socket, at(remote.as_slice()), 16, 0, 0, 0],
        &fields,
    );
    let mut found = [0_u8; 16];
    let mut size = 16_u32;
    let (to, length) = (found.as_mut_ptr(), &raw mut size);
    let fields = [
        fd(),
        ("addr", address("inet", "127.0.0.1", 20_021)),
        ("addrlen", pointer(length)),
    ];
    told(
        notes,
        "getsockname",
        libc::SYS_getsockname,
        [socket, to as u64, length as u64, 0, 0, 0],
        &fields,
    );
    let fields = [
        fd(),
        ("addrlen", number(0)),
        ("flags", number(libc::SOCK_NONBLOCK)),
    ];
    told(
        notes,
        "accept4",
        libc::SYS_accept4,
        [socket, 0, 0, libc::SOCK_NONBLOCK as u64, 0, 0],
        &fields,
    );
    let data = b"data";
    let fields = [
        fd(),
        ("buf", pointer(data)),
        ("len", number(4)),
        ("flags", number(libc::MSG_DONTWAIT)),
        ("dest_addr", address("inet", "127.0.0.2", 20_022)),
        ("addrlen", number(16)),
    ];
    let arguments = [
        socket,
        at(data),
        4,
        libc::MSG_DONTWAIT as u64,
        at(remote.as_slice()),
        16,
    ];
    told(notes, "sendto", libc::SYS_sendto, arguments, &fields);
}

fn times(notes: &mut Notes) {
    let wait = [0_i64, 1_500_000];
    told(
        notes,
        "nanosleep",
        libc::SYS_nanosleep,
        [at(&wait), 0, 0, 0, 0, 0],
        &[("req", Truth::Seconds(0.001_5))],
    );
    let mut rest = [7_i64, 500_000_000];
    let fields = [
        ("clockid", number(libc::CLOCK_MONOTONIC)),
        ("flags", number(0)),
        ("request", Truth::Seconds(0.001_5)),
        ("remain", Truth::Seconds(7.5)),
    ];
    let arguments = [
        libc::CLOCK_MONOTONIC as u64,
        0,
        at(&wait),
        rest.as_mut_ptr() as u64,
        0,
        0,
    ];
    told(
        notes,
        "clock_nanosleep",
        libc::SYS_clock_nanosleep,
        arguments,
        &fields,
    );
}

fn pairs(notes: &mut Notes) {
    let mut pair = [0_i32; 2];
    let result = call(
        libc::SYS_pipe2,
        [pair.as_mut_ptr() as u64, libc::O_CLOEXEC as u64, 0, 0, 0, 0],
    );
    let both = |pair: [i32; 2]| Truth::Numbers(pair.map(i64::from).into());
    returned(
        notes,
        "pipe2",
        result,
        &[("pipefd", both(pair)), ("flags", number(libc::O_CLOEXEC))],
    );
    let arguments = [
        libc::AF_UNIX as u64,
        libc::SOCK_STREAM as u64,
        0,
        pair.as_mut_ptr() as u64,
        0,
        0,
    ];
    let result = call(libc::SYS_socketpair, arguments);
    let fields = [
        ("domain", number(libc::AF_UNIX)),
        ("type", number(libc::SOCK_STREAM)),
        ("protocol", number(0)),
        ("sv", both(pair)),
    ];
    returned(notes, "socketpair", result, &fields);
}

fn processes(notes: &mut Notes) {
    in_child(|| {
        let fields = [
            ("request", number(0)),
            ("pid", number(0)),
            ("addr", number(0)),
            ("data", number(0)),
        ];
        told(notes, "ptrace", libc::SYS_ptrace, [0; 6], &fields);
    });
    let (from, mut to) = (*b"text", [0_u8; 4]);
    let local = libc::iovec {
        iov_base: from.as_ptr().cast_mut().cast(),
        iov_len: 4,
    };
    let remote = libc::iovec {
        iov_base: to.as_mut_ptr().cast(),
        iov_len: 4,
    };
    let own = std::process::id();
    let fields = [
        ("pid", number(own)),
        ("local_iov", pointer(&raw const local)),
        ("liovcnt", number(1)),
        ("remote_iov", pointer(&raw const remote)),
        ("riovcnt", number(1)),
        ("flags", number(0)),
    ];
    let arguments = [own.into(), at(&local), 1, at(&remote), 1, 0];
    assert_eq!(
        told(
            notes,
            "process_vm_writev",
            libc::SYS_process_vm_writev,
            arguments,
            &fields
        ),
        4
    );
    in_any_child(|| {
        returned(notes, "exit_group", 0, &[("status", number(3))]);
        // SAFETY: the process ends.
        unsafe { libc::_exit(3) };
    });
}
