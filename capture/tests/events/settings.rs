//! What a process says of itself by prctl: signals, rights, and where in its memory things are.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cause::{Notes, at, call, differs, failing_call, identity, number, text, unseen};
use crate::truth::{Loss, Truth};

const EVENT: &str = "security_task_prctl";
const FAILED: &str = "what fails is not told";
const CHANGES: &str = "what PR_SET_MM and PR_SET_SECUREBITS change, before and after";
/// Places in memory, as the fields and `struct prctl_mm_map` have them.
const PLACES: [&str; 11] = [
    "start_code",
    "end_code",
    "start_data",
    "end_data",
    "start_brk",
    "brk",
    "start_stack",
    "arg_start",
    "arg_end",
    "env_start",
    "env_end",
];
/// Where `/proc/self/stat` has them, counted from the state on; not that of `brk`.
const IN_STAT: [usize; 11] = [23, 24, 42, 43, 44, usize::MAX, 25, 45, 46, 47, 48];
const BRK: usize = 5;
const OF_FILES: [&str; 5] = ["pathname", "dev", "inode", "ctime", "inode_mode"];

type Fields = Vec<(String, Truth)>;

pub(crate) fn cause(notes: &mut Notes) {
    simple(notes);
    secure_bits(notes);
    memory(notes);
}

/// Makes the call and notes it, with fields that a hook does not show which sees the call alone; the result.
fn prctl(notes: &mut Notes, case: &str, arguments: [u64; 5], hidden: &[(String, Truth)]) -> i64 {
    let [option, second, third, fourth, fifth] = arguments;
    let result = failing_call(libc::SYS_prctl, [option, second, third, fourth, fifth, 0]);
    let fields = ["option", "arg2", "arg3", "arg4", "arg5"]
        .into_iter()
        .zip(arguments.map(|argument| number(argument.cast_signed())));
    let fields: Vec<_> = fields
        .chain(hidden.iter().map(|(name, truth)| (name.as_str(), truth.clone())))
        .collect();
    let nothing: Vec<_> = hidden
        .iter()
        .map(|(name, _)| (name.as_str(), Truth::Nothing))
        .collect();
    let mut losses: Vec<Loss> = vec![differs(CHANGES, &nothing)];
    if result < 0 {
        losses.push(unseen(FAILED));
    }
    notes.note(case, EVENT, "prctl", &fields, &losses);
    result
}

fn simple(notes: &mut Notes) {
    let signal = libc::SIGTERM as u64;
    let arguments = [libc::PR_SET_PDEATHSIG as u64, signal, 3, 4, 5];
    prctl(notes, "a signal at the death of the parent", arguments, &[]);
    let result = prctl(notes, "an unknown option", [12_345, signal, 3, 4, 5], &[]);
    assert_eq!(result, -i64::from(libc::EINVAL));
}

fn secure_bits(notes: &mut Notes) {
    /// `SECBIT_NO_SETUID_FIXUP`
    const BIT: u64 = 4;
    // SAFETY: no pointers.
    let before = unsafe { libc::prctl(libc::PR_GET_SECUREBITS) };
    let set = |bits| [libc::PR_SET_SECUREBITS as u64, bits, 0, 0, 0];
    for (case, bits, old) in [("a secure bit", BIT, before), ("none", 0, BIT as i32)] {
        let hidden = vec![("old_securebits".to_owned(), number(old))];
        assert_eq!(prctl(notes, case, set(bits), &hidden), 0);
    }
}

/// Where things are now.
fn places() -> [u64; 11] {
    let stat = fs::read_to_string("/proc/self/stat").expect("procfs is mounted");
    let words: Vec<_> = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_ascii_whitespace()
        .collect();
    IN_STAT.map(|word| match words.get(word) {
        Some(word) => word.parse().expect("a number"),
        None => call(libc::SYS_brk, [0; 6]).cast_unsigned(),
    })
}

/// The fields of the file.
fn file(time: &str, path: &Path) -> Fields {
    let (inode, device, changed) = identity(path);
    let mode = fs::metadata(path).expect("it is there").mode();
    let values = [text(path), device, inode, changed, number(mode)];
    let names = OF_FILES.map(|name| format!("{time}_{name}"));
    names.into_iter().zip(values).collect()
}

/// The fields of places.
fn all(time: &str, places: &[u64; 11]) -> Fields {
    let names = PLACES.map(|name| format!("{time}_{name}"));
    let values = places.map(|place| number(place.cast_signed()));
    names.into_iter().zip(values).collect()
}

/// Sets what is there already.
fn memory(notes: &mut Notes) {
    // There is room in the heap from now on: its end stays where it is.
    drop(std::hint::black_box(vec![1_u8; 100_000]));
    let own = std::env::current_exe().expect("procfs is mounted");
    let auxv = fs::read("/proc/self/auxv").expect("procfs is mounted");
    let places = places();
    let mut old = all("old", &places);
    old.extend(file("old", &own));
    old.push(("old_auxv".to_owned(), Truth::Padded(auxv.clone())));
    let mut set = |case: &str, arguments: [u64; 3], new: Fields| {
        let [what, value, size] = arguments;
        let arguments = [libc::PR_SET_MM as u64, what, value, size, 0];
        prctl(notes, case, arguments, &[old.as_slice(), &new].concat())
    };
    let new = all("new", &places);
    // Whether it may be done (CAP_SYS_RESOURCE) or not, it is told before.
    let answers = [0, -i64::from(libc::EPERM)];
    for (what, place) in (1..).zip([0, 1, 2, 3, 6, 4, 5, 7, 8, 9, 10]) {
        let result = set(PLACES[place], [what, places[place], 0], vec![new[place].clone()]);
        assert!(answers.contains(&result), "{}: {result}", PLACES[place]);
    }
    let vector = || ("new_auxv".to_owned(), Truth::Bytes(auxv.clone()));
    let size = auxv.len() as u64;
    let result = set(
        "the auxiliary vector",
        [12, at(auxv.as_slice()), size],
        vec![vector()],
    );
    assert!(answers.contains(&result), "{result}");
    // Not as long as the old one is mapped.
    let other = File::open("/bin/sh").expect("there is a shell");
    let path = fs::canonicalize("/bin/sh").expect("there is a shell");
    let result = set(
        "another program",
        [13, other.as_raw_fd() as u64, 0],
        file("new", &path),
    );
    assert!(result < 0, "{result}");

    let mut map = places.to_vec();
    // No other program.
    map.extend([at(auxv.as_slice()), size | 0xffff_ffff_0000_0000]);
    let words = map.len() as u64;
    set(
        "all",
        [14, at(map.as_slice()), 8 * words],
        [new, vec![vector()]].concat(),
    );
    let mut answer = 0_u32;
    set(
        "the size of a map",
        [15, (&raw mut answer) as u64, 0],
        Fields::new(),
    );
    assert_eq!(call(libc::SYS_brk, [0; 6]).cast_unsigned(), places[BRK]);
}
