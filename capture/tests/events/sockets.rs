//! Sockets of all recorded families: made, bound, listening, connected, accepted, copied.

use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::{AF_INET, AF_INET6, AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM};

use crate::cause::{Notes, address, at, call, failing_call, number, unseen};
use crate::truth::{Loss, Truth};

const FAILED: &str = "what fails is not told";

/// A `struct sockaddr` and how it is told.
pub(crate) struct Address {
    bytes: Vec<u8>,
    pub(crate) told: Truth,
}

impl Address {
    pub(crate) fn inet(host: [u8; 4], port: u16) -> Self {
        let family = (AF_INET as u16).to_ne_bytes();
        Self {
            bytes: [&family[..], &port.to_be_bytes(), &host, &[0; 8]].concat(),
            told: address("inet", &std::net::Ipv4Addr::from(host).to_string(), port),
        }
    }

    pub(crate) fn inet6(port: u16) -> Self {
        let mut bytes = vec![0; size_of::<libc::sockaddr_in6>()];
        bytes[..2].copy_from_slice(&(AF_INET6 as u16).to_ne_bytes());
        bytes[2..4].copy_from_slice(&port.to_be_bytes());
        bytes[23] = 1;
        Self {
            bytes,
            told: address("inet6", "::1", port),
        }
    }

    pub(crate) fn unix(path: &Path) -> Self {
        let family = (AF_UNIX as u16).to_ne_bytes();
        Self {
            bytes: [&family[..], path.as_os_str().as_bytes(), &[0]].concat(),
            told: address("unix", &path.to_string_lossy(), 0),
        }
    }

    fn abstract_name(name: &str) -> Self {
        let family = (AF_UNIX as u16).to_ne_bytes();
        Self {
            bytes: [&family[..], &[0], name.as_bytes()].concat(),
            told: address("unix", &format!("@{name}"), 0),
        }
    }

    pub(crate) fn arguments(&self, socket: &OwnedFd) -> [u64; 6] {
        [
            fd(socket),
            at(self.bytes.as_slice()),
            self.bytes.len() as u64,
            0,
            0,
            0,
        ]
    }
}

fn fd(socket: &OwnedFd) -> u64 {
    socket.as_raw_fd() as u64
}

pub(crate) fn owned(fd: i64) -> OwnedFd {
    // SAFETY: the kernel has just made the descriptor.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

pub(crate) fn cause(notes: &mut Notes) {
    let path = notes.place("listening");
    let name = format!("tracee-cap-events-{}", std::process::id());
    for (kind, listening) in [
        ("inet", Address::inet([127, 0, 0, 1], 20_001)),
        ("inet6", Address::inet6(20_002)),
        ("unix", Address::unix(&path)),
        ("abstract", Address::abstract_name(&name)),
    ] {
        connection(notes, kind, &listening);
    }
    refusals(notes);
    pair(notes);
}

fn family(address: &Address) -> i32 {
    i32::from(u16::from_ne_bytes([address.bytes[0], address.bytes[1]]))
}

/// Both ends of a connection.
fn connection(notes: &mut Notes, kind: &str, listening: &Address) {
    let family = family(listening);
    let case = |what: &str| format!("{what} of family {kind}");
    let protocol = if family == AF_UNIX { 0 } else { libc::IPPROTO_TCP };
    let server = socket(notes, family, SOCK_STREAM, protocol);
    reuse_address(&server);
    let unnamed = match family {
        AF_INET => address("inet", "0.0.0.0", 0),
        AF_INET6 => address("inet6", "::", 0),
        _ => address("unix", "", 0),
    };
    let server_fd = || ("sockfd", number(server.as_raw_fd()));
    notes.note(
        &case("an option"),
        "security_socket_setsockopt",
        "setsockopt",
        &[
            server_fd(),
            ("level", number(libc::SOL_SOCKET)),
            ("optname", number(libc::SO_REUSEADDR)),
            ("local_addr", unnamed),
        ],
        &[],
    );
    call(libc::SYS_bind, listening.arguments(&server));
    notes.note(
        &case("a bind"),
        "security_socket_bind",
        "bind",
        &[server_fd(), ("local_addr", listening.told.clone())],
        &[],
    );
    call(libc::SYS_listen, [fd(&server), 5, 0, 0, 0, 0]);
    notes.note(
        &case("a listen"),
        "security_socket_listen",
        "listen",
        &[
            server_fd(),
            ("local_addr", listening.told.clone()),
            ("backlog", number(5)),
        ],
        &[],
    );

    let client = socket(notes, family, SOCK_STREAM, 0);
    let own = (family == AF_INET).then(|| Address::inet([127, 0, 0, 1], 20_011));
    if let Some(own) = &own {
        reuse_address(&client);
        call(libc::SYS_bind, own.arguments(&client));
    }
    call(libc::SYS_connect, listening.arguments(&client));
    notes.note(
        &case("a connect"),
        "security_socket_connect",
        "connect",
        &[
            ("sockfd", number(client.as_raw_fd())),
            ("type", number(SOCK_STREAM)),
            ("remote_addr", listening.told.clone()),
        ],
        &[],
    );
    let accept4 = kind == "abstract";
    let number_of_call = if accept4 {
        libc::SYS_accept4
    } else {
        libc::SYS_accept
    };
    let call_name = if accept4 { "accept4" } else { "accept" };
    let _accepted = owned(call(number_of_call, [fd(&server), 0, 0, 0, 0, 0]));
    notes.note(
        &case("an accept"),
        "security_socket_accept",
        call_name,
        &[server_fd(), ("local_addr", listening.told.clone())],
        &[],
    );
    let remote = match (&own, family) {
        (Some(own), _) => own.told.clone(),
        (None, AF_INET6) => Truth::Something,
        // The client has no name.
        _ => address("unix", "", 0),
    };
    notes.note(
        &case("an accepted connection"),
        "socket_accept",
        call_name,
        &[
            server_fd(),
            ("local_addr", listening.told.clone()),
            ("remote_addr", remote),
        ],
        &[],
    );

    let copy = 90 + family;
    call(libc::SYS_dup2, [fd(&client), copy as u64, 0, 0, 0, 0]);
    notes.note(
        &case("a copy"),
        "socket_dup",
        "dup2",
        &[
            ("oldfd", number(client.as_raw_fd())),
            ("newfd", number(copy)),
            ("remote_addr", listening.told.clone()),
        ],
        &[],
    );
    drop(owned(copy.into()));
}

/// The test can then run again at once.
fn reuse_address(socket: &OwnedFd) {
    let on = 1_i32;
    let option = [libc::SOL_SOCKET as u64, libc::SO_REUSEADDR as u64];
    call(
        libc::SYS_setsockopt,
        [fd(socket), option[0], option[1], at(&on), 4, 0],
    );
}

/// What the kernel refuses after the security check.
fn refusals(notes: &mut Notes) {
    let nobody = Address::inet([127, 0, 0, 1], 20_009);
    let stream = socket(notes, AF_INET, SOCK_STREAM, libc::IPPROTO_TCP);
    assert_eq!(
        failing_call(libc::SYS_connect, nobody.arguments(&stream)),
        -i64::from(libc::ECONNREFUSED)
    );
    notes.note(
        "a refused connect",
        "security_socket_connect",
        "connect",
        &[
            ("sockfd", number(stream.as_raw_fd())),
            ("type", number(SOCK_STREAM)),
            ("remote_addr", nobody.told),
        ],
        &[],
    );
    let elsewhere = Address::inet([192, 0, 2, 1], 20_009);
    assert_eq!(
        failing_call(libc::SYS_bind, elsewhere.arguments(&stream)),
        -i64::from(libc::EADDRNOTAVAIL)
    );
    notes.note(
        "a bind to an address of others",
        "security_socket_bind",
        "bind",
        &[
            ("sockfd", number(stream.as_raw_fd())),
            ("local_addr", elsewhere.told),
        ],
        &[unseen(FAILED)],
    );
    let datagrams = socket(notes, AF_INET6, SOCK_DGRAM, 0);
    let remote = Address::inet6(20_010);
    call(libc::SYS_connect, remote.arguments(&datagrams));
    notes.note(
        "a connect of datagrams",
        "security_socket_connect",
        "connect",
        &[
            ("sockfd", number(datagrams.as_raw_fd())),
            ("type", number(SOCK_DGRAM)),
            ("remote_addr", remote.told),
        ],
        &[],
    );
    assert_eq!(
        failing_call(libc::SYS_socket, [AF_INET as u64, SOCK_DGRAM as u64, 77, 0, 0, 0]),
        -i64::from(libc::EPROTONOSUPPORT)
    );
    made(
        notes,
        "a socket of an unknown protocol",
        "socket",
        (AF_INET, SOCK_DGRAM, 77),
        &[unseen(FAILED)],
    );
}

/// A pair of sockets is two sockets.
fn pair(notes: &mut Notes) {
    let mut pair = [0_i32; 2];
    call(
        libc::SYS_socketpair,
        [
            AF_UNIX as u64,
            libc::SOCK_SEQPACKET as u64,
            0,
            pair.as_mut_ptr() as u64,
            0,
            0,
        ],
    );
    drop(pair.map(|fd| owned(fd.into())));
    for end in ["an end", "the other end"] {
        made(
            notes,
            &format!("{end} of a pair"),
            "socketpair",
            (AF_UNIX, libc::SOCK_SEQPACKET, 0),
            &[unseen("sockets of socketpair")],
        );
    }
}

/// Notes a socket of a family, a type and a protocol.
pub(crate) fn made(
    notes: &mut Notes,
    case: &str,
    call: &str,
    (family, kind, protocol): (i32, i32, i32),
    losses: &[Loss],
) {
    let fields = [
        ("family", number(family)),
        ("type", number(kind)),
        ("protocol", number(protocol)),
        ("kern", number(0)),
    ];
    notes.note(case, "security_socket_create", call, &fields, losses);
}

/// Makes a socket and notes it.
pub(crate) fn socket(notes: &mut Notes, family: i32, kind: i32, protocol: i32) -> OwnedFd {
    let socket = owned(call(
        libc::SYS_socket,
        [
            family as u64,
            (kind | SOCK_CLOEXEC) as u64,
            protocol as u64,
            0,
            0,
            0,
        ],
    ));
    made(notes, "a socket", "socket", (family, kind, protocol), &[]);
    socket
}
