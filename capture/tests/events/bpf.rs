//! BPF maps and programs: commands to the kernel, and what they give descriptors of.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use crate::cause::{Notes, at, c_string, call, failing_call, in_child, number, text, unseen};
use crate::truth::{Loss, Truth};

const FAILED: &str = "what fails is not told";

/// Commands, as the kernel numbers them.
const MAP_CREATE: i32 = 0;
const MAP_UPDATE: i32 = 2;
const PROGRAM_LOAD: i32 = 5;
const PIN: i32 = 6;
const GET_PINNED: i32 = 7;
const PROGRAM_BY_ID: i32 = 13;
const MAP_BY_ID: i32 = 14;
const INFORMATION: i32 = 15;
const NONE_SUCH: i32 = 9_999;

const ARRAY: u32 = 2;
const SOCKET_FILTER: u32 = 1;

/// In a process of its own, with as much memory as it may have: older kernels count maps as memory that is locked, all of a user
/// together.
pub(crate) fn cause(notes: &mut Notes) {
    in_child(|| {
        limit(libc::RLIMIT_MEMLOCK, u64::MAX, u64::MAX);
        maps(notes);
        programs(notes);
        in_child(|| pinned(notes));
        let error = command(
            notes,
            "a command that there is not",
            NONE_SUCH,
            &Attributes::new(),
        );
        assert_eq!(error, -i64::from(libc::EINVAL));
    });
}

fn limit(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> i64 {
    let limits = [soft, hard];
    failing_call(libc::SYS_prlimit64, [0, resource.into(), at(&limits), 0, 0, 0])
}

/// `union bpf_attr`.
struct Attributes([u32; 32]);

impl Attributes {
    fn new() -> Self {
        Self([0; 32])
    }

    /// With numbers at the beginning.
    fn of(numbers: &[u32]) -> Self {
        let mut attributes = Self::new();
        attributes.0[..numbers.len()].copy_from_slice(numbers);
        attributes
    }

    /// With an address at a place in bytes.
    fn address(mut self, place: usize, address: u64) -> Self {
        self.0[place / 4] = address as u32;
        self.0[place / 4 + 1] = (address >> 32) as u32;
        self
    }

    /// With a number at a place in bytes.
    fn number(mut self, place: usize, number: u32) -> Self {
        self.0[place / 4] = number;
        self
    }

    /// With a name of 15 bytes at most at a place in bytes.
    fn name(mut self, place: usize, name: &str) -> Self {
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        for (word, bytes) in self.0[place / 4..].iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        }
        self
    }
}

/// Gives the kernel a command: a number or the negative error.
fn command(notes: &mut Notes, case: &str, command: i32, attributes: &Attributes) -> i64 {
    let result = failing_call(libc::SYS_bpf, [command as u64, at(&attributes.0), 128, 0, 0, 0]);
    notes.note(case, "security_bpf", "bpf", &[("cmd", number(command))], &[]);
    result
}

/// The same of a command that succeeds with a descriptor.
fn descriptor(notes: &mut Notes, case: &str, which: i32, attributes: &Attributes) -> OwnedFd {
    let result = command(notes, case, which, attributes);
    assert!(
        result >= 0,
        "{case}: {}",
        std::io::Error::from_raw_os_error(-result as i32)
    );
    // SAFETY: the kernel has just made it.
    unsafe { OwnedFd::from_raw_fd(result as i32) }
}

/// The number of a map or program: the second member of what the kernel tells of both.
fn id_of(notes: &mut Notes, of: &OwnedFd) -> u32 {
    let information = [0_u32; 2];
    let attributes = Attributes::of(&[of.as_raw_fd().cast_unsigned(), 8]).address(8, at(&information));
    let result = failing_call(
        libc::SYS_bpf,
        [INFORMATION as u64, at(&attributes.0), 16, 0, 0, 0],
    );
    assert_eq!(result, 0);
    let fields = [("cmd", number(INFORMATION))];
    notes.note("a question", "security_bpf", "bpf", &fields, &[]);
    std::hint::black_box(information)[1]
}

fn map(notes: &mut Notes, name: &str) -> (OwnedFd, u32) {
    let case = format!("a new map called {name:?}");
    let attributes = Attributes::of(&[ARRAY, 4, 8, 1]).name(28, name);
    let map = descriptor(notes, &case, MAP_CREATE, &attributes);
    let id = id_of(notes, &map);
    map_given(notes, &case, (id, name));
    (map, id)
}

fn map_given(notes: &mut Notes, case: &str, (id, name): (u32, &str)) {
    let fields = [("map_id", number(id)), ("map_name", text(name))];
    notes.note(case, "security_bpf_map", "bpf", &fields, &[]);
}

fn maps(notes: &mut Notes) {
    map(notes, "");
    let name = "map_of_fifteen_";
    let (map, id) = map(notes, name);
    let case = "a map by its number";
    drop(descriptor(notes, case, MAP_BY_ID, &Attributes::of(&[id])));
    map_given(notes, case, (id, name));
    let (key, value) = (0_u32, 7_u64);
    let attributes = Attributes::of(&[map.as_raw_fd().cast_unsigned()])
        .address(8, at(&key))
        .address(16, at(&value));
    assert_eq!(
        command(notes, "a map that is written", MAP_UPDATE, &attributes),
        0
    );
}

fn program_given(notes: &mut Notes, case: &str, (id, name): (u32, &str), loaded: bool, losses: &[Loss]) {
    let fields = [
        ("type", number(SOCKET_FILTER)),
        ("name", text(name)),
        ("id", number(id)),
        ("load", Truth::Flag(loaded)),
    ];
    notes.note(case, "security_bpf_prog", "bpf", &fields, losses);
}

fn programs(notes: &mut Notes) {
    // Says 0; and ends without having said anything.
    let (says, mute) = ([0xb7_u64, 0x95], [0x95_u64]);
    let name = "prog_of_a_test";
    let licence = c"GPL";
    let of = |code: &[u64]| {
        Attributes::of(&[SOCKET_FILTER, code.len() as u32])
            .address(8, at(code))
            .address(16, licence.as_ptr() as u64)
            .name(48, name)
    };
    let case = "a new program";
    let program = descriptor(notes, case, PROGRAM_LOAD, &of(&says));
    let id = id_of(notes, &program);
    program_given(notes, case, (id, name), true, &[]);
    let case = "a program by its number";
    drop(descriptor(notes, case, PROGRAM_BY_ID, &Attributes::of(&[id])));
    program_given(notes, case, (id, name), false, &[]);
    assert!(command(notes, "a program that is refused", PROGRAM_LOAD, &of(&mute)) < 0);
    // The kernel asks whether this may be before it finds a descriptor for it.
    let case = "a program without a descriptor";
    in_child(|| {
        assert_eq!(limit(libc::RLIMIT_NOFILE, 0, FEW), 0);
        let attributes = Attributes::of(&[id]);
        let result = failing_call(
            libc::SYS_bpf,
            [PROGRAM_BY_ID as u64, at(&attributes.0), 128, 0, 0, 0],
        );
        assert_eq!(limit(libc::RLIMIT_NOFILE, FEW, FEW), 0);
        assert_eq!(result, -i64::from(libc::EMFILE));
        program_given(notes, case, (id, name), false, &[unseen(FAILED)]);
    });
}

/// Descriptors that a process may have at least.
const FEW: u64 = 256;

/// A map that has a name in a file system, in a mount namespace of its own.
fn pinned(notes: &mut Notes) {
    let mount = |at: &Path, kind: &str, flags: u64| {
        let (place, kind) = (c_string(at), c_string(kind));
        let name = kind.as_ptr() as u64;
        call(libc::SYS_mount, [name, place.as_ptr() as u64, name, flags, 0, 0]);
    };
    call(libc::SYS_unshare, [libc::CLONE_NEWNS as u64, 0, 0, 0, 0, 0]);
    mount(Path::new("/"), "none", libc::MS_REC | libc::MS_PRIVATE);
    let place = notes.place("pinned");
    std::fs::create_dir(&place).expect("the directory can be written");
    mount(&place, "bpf", 0);
    let name = "map_with_a_name";
    let (map, id) = map(notes, name);
    let path = c_string(place.join("map"));
    let attributes = |fd: u32| Attributes::new().address(0, path.as_ptr() as u64).number(8, fd);
    let pinned = command(
        notes,
        "a map that is pinned",
        PIN,
        &attributes(map.as_raw_fd().cast_unsigned()),
    );
    assert_eq!(pinned, 0);
    let case = "a map by its path";
    drop(descriptor(notes, case, GET_PINNED, &attributes(0)));
    map_given(notes, case, (id, name));
}
