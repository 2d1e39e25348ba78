//! What those who cause events use: a file for what they know, and facts about themselves.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::truth::{Expected, Loss, Note, Then, Truth, Who};

/// Fields with their values.
pub(crate) type Fields<'a> = &'a [(&'a str, Truth)];

/// Where the causes of events write down what they have done.
pub(crate) struct Notes {
    file: File,
    /// A directory of their own.
    pub(crate) directory: PathBuf,
}

impl Notes {
    pub(crate) fn open(directory: &Path) -> Self {
        let path = directory.join(NOTES);
        let file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("the directory can be written");
        Self {
            file,
            directory: directory.to_owned(),
        }
    }

    /// A place in the directory.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Notes that `event` was caused by `who` in system call `call`.
    pub(crate) fn by(
        &mut self,
        who: &Who,
        case: &str,
        event: &str,
        call: &str,
        fields: Fields<'_>,
        losses: &[Loss],
    ) {
        let expected = Expected {
            case: case.to_owned(),
            event: event.to_owned(),
            who: Some(who.clone()),
            call: call.to_owned(),
            fields: owned(fields),
            losses: losses.to_vec(),
            stack: None,
            absent: false,
        };
        self.expect(expected);
    }

    /// Notes that the recorder has to tell `event` of what it looks at by itself.
    pub(crate) fn by_nobody(&mut self, case: &str, event: &str, fields: Fields<'_>) {
        self.expect(Expected {
            case: case.to_owned(),
            event: event.to_owned(),
            who: None,
            call: String::new(),
            fields: owned(fields),
            losses: Vec::new(),
            stack: None,
            absent: false,
        });
    }

    /// Notes that the calling thread has not caused `event`, though what it did looks like it.
    pub(crate) fn absent(&mut self, case: &str, event: &str, call: &str, fields: Fields<'_>) {
        self.expect(Expected {
            case: case.to_owned(),
            event: event.to_owned(),
            who: Some(me()),
            call: call.to_owned(),
            fields: owned(fields),
            losses: Vec::new(),
            stack: None,
            absent: true,
        });
    }

    /// Notes why `event` cannot be caused here.
    pub(crate) fn not_caused(&mut self, event: &str, reason: &str) {
        self.add(&Note::NotCaused {
            event: event.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Notes what has to be told.
    pub(crate) fn expect(&mut self, expected: Expected) {
        self.add(&Note::Caused(Box::new(expected)));
    }

    fn add(&mut self, note: &Note) {
        let mut line = serde_json::to_vec(note).expect("it has text keys");
        line.push(b'\n');
        // One write, since other processes append, too.
        self.file.write_all(&line).expect("the notes can be written");
    }

    /// The same, caused by the calling thread.
    pub(crate) fn note(&mut self, case: &str, event: &str, call: &str, fields: Fields<'_>, losses: &[Loss]) {
        self.by(&me(), case, event, call, fields, losses);
    }
}

/// The file in the directory of the notes.
pub(crate) const NOTES: &str = "notes";

fn owned(fields: Fields<'_>) -> BTreeMap<String, Truth> {
    fields
        .iter()
        .map(|(name, truth)| ((*name).to_owned(), truth.clone()))
        .collect()
}

/// A hook that loses `reason` does not tell the event.
pub(crate) fn unseen(reason: &str) -> Loss {
    Loss {
        reason: reason.to_owned(),
        then: Then::Unseen,
    }
}

/// A hook that loses `reason` tells these fields otherwise.
pub(crate) fn differs(reason: &str, fields: Fields<'_>) -> Loss {
    Loss {
        reason: reason.to_owned(),
        then: Then::Differs(owned(fields)),
    }
}

/// A hook that loses `reason` tells the event in this system call.
pub(crate) fn during(reason: &str, call: &str) -> Loss {
    Loss {
        reason: reason.to_owned(),
        then: Then::During(call.to_owned()),
    }
}

pub(crate) fn number(number: impl TryInto<i64>) -> Truth {
    Truth::Number(number.try_into().unwrap_or_else(|_| panic!("the number fits")))
}

pub(crate) fn text(text: impl AsRef<Path>) -> Truth {
    Truth::Text(text.as_ref().to_string_lossy().into_owned())
}

pub(crate) fn texts(texts: &[&str]) -> Truth {
    Truth::Texts(texts.iter().map(|&text| text.to_owned()).collect())
}

pub(crate) fn address(family: &str, host: &str, port: u16) -> Truth {
    Truth::Address(family.to_owned(), host.to_owned(), port.into())
}

/// The address of a pointer.
pub(crate) fn pointer<T: ?Sized>(pointer: *const T) -> Truth {
    Truth::Number((pointer.cast::<u8>() as usize as u64).cast_signed())
}

pub(crate) fn c_string(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_bytes()).expect("no NUL in a path")
}

/// Number, device as the kernel packs it, and time of change of a file.
pub(crate) fn identity(path: impl AsRef<Path>) -> (Truth, Truth, Truth) {
    let path = path.as_ref();
    let status = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let device = u64::from(libc::major(status.dev())) << 20 | u64::from(libc::minor(status.dev()));
    (
        number(status.ino()),
        number(device),
        number(status.ctime() * 1_000_000_000 + status.ctime_nsec()),
    )
}

/// The calling thread, now.
pub(crate) fn me() -> Who {
    thread(Path::new("/proc/thread-self"))
}

/// A thread of this process, by its directory in procfs.
pub(crate) fn thread(directory: &Path) -> Who {
    let file = |name: &str| fs::read_to_string(directory.join(name)).expect("procfs is mounted");
    let status = file("status");
    let line = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .expect("the kernel tells it");
        line.split_ascii_whitespace()
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
    };
    let first = |name: &str| line(name)[0].parse::<u32>().expect("a number");
    let last = |name: &str| {
        line(name)
            .last()
            .expect("not empty")
            .parse::<u32>()
            .expect("a number")
    };
    let stat = file("stat");
    let ticks: i64 = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_ascii_whitespace()
        .nth(19)
        .expect("a start time")
        .parse()
        .expect("a number");
    let from = ticks * 10_000_000 + boot_in_epoch();
    Who {
        tid: first("Pid:"),
        pid: first("Tgid:"),
        parent: first("PPid:"),
        tid_inside: last("NSpid:"),
        pid_inside: last("NStgid:"),
        uid: first("Uid:"),
        comm: file("comm").trim_end().to_owned(),
        exe: fs::read_link("/proc/self/exe")
            .expect("procfs is mounted")
            .to_string_lossy()
            .into_owned(),
        started: (from - SLACK, from + 10_000_000 + SLACK),
        mount_ns: namespace("mnt"),
        pid_ns: namespace("pid"),
        host: nix::sys::utsname::uname()
            .expect("it cannot fail")
            .nodename()
            .to_string_lossy()
            .chars()
            .take(15)
            .collect(),
    }
}

/// A process that the calling one has made, which did not change its name.
pub(crate) fn child_of_me(pid: u32) -> Who {
    let own = me();
    Who {
        tid: pid,
        pid,
        parent: own.pid,
        tid_inside: pid,
        pid_inside: pid,
        // It started and ended since this process did.
        started: (own.started.0, i64::MAX),
        ..own
    }
}

/// The clock of the wall is slewed while the test runs, ns.
const SLACK: i64 = 20_000_000;

fn boot_in_epoch() -> i64 {
    use nix::time::{ClockId, clock_gettime};
    let ns = |clock| {
        let time = clock_gettime(clock).expect("Linux has this clock");
        time.tv_sec() * 1_000_000_000 + time.tv_nsec()
    };
    // Whoever is interrupted between two clocks reads them at different times: the pair that was read the fastest counts.
    let pairs = (0..16).map(|_| {
        let before = ns(ClockId::CLOCK_BOOTTIME);
        let wall = ns(ClockId::CLOCK_REALTIME);
        let took = ns(ClockId::CLOCK_BOOTTIME) - before;
        (took, wall - before - took / 2)
    });
    pairs.min().expect("there are some").1
}

/// The number of a namespace of the calling thread.
pub(crate) fn namespace(kind: &str) -> u32 {
    let link = fs::read_link(format!("/proc/thread-self/ns/{kind}")).expect("procfs is mounted");
    let text = link.to_string_lossy();
    text.trim_end_matches(']')
        .rsplit('[')
        .next()
        .expect("a bracket")
        .parse()
        .expect("a number")
}

/// Makes a system call, whose result is not negative.
pub(crate) fn call(number: libc::c_long, arguments: [u64; 6]) -> i64 {
    let result = failing_call(number, arguments);
    assert!(
        result >= 0,
        "system call {number}: {}",
        std::io::Error::from_raw_os_error(-result as i32)
    );
    result
}

/// Makes a system call: the result, or the negative error.
pub(crate) fn failing_call(number: libc::c_long, [a, b, c, d, e, f]: [u64; 6]) -> i64 {
    // SAFETY: the callers hand over pointers that live until the call is over.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => -i64::from(nix::errno::Errno::last_raw()),
        result => result,
    }
}

/// A pointer as an argument of a system call.
pub(crate) fn at<T: ?Sized>(pointer: &T) -> u64 {
    (&raw const *pointer).cast::<u8>() as u64
}

/// Runs `body` in a process of its own, which has to succeed; its id.
pub(crate) fn in_child(body: impl FnOnce()) -> u32 {
    match in_any_child(body) {
        (pid, 0) => pid,
        (pid, status) => panic!("child {pid} ended with {status:#x}"),
    }
}

/// Runs `body` in a process of its own; its id and how it ended.
pub(crate) fn in_any_child(body: impl FnOnce()) -> (u32, i32) {
    // SAFETY: this program has one thread whenever it forks.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        // SAFETY: nothing that is left behind is needed.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let mut status = 0;
    // SAFETY: the status is ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    (child.cast_unsigned(), status)
}
