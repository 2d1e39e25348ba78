//! What a recorder may do while it records. It needs root and BTF, and says so where it has to skip.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use capture::CaptureReader;
use detectors_api::proto::event_value::Value;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// `CAP_DAC_OVERRIDE`, `CAP_DAC_READ_SEARCH`, `CAP_SYS_PTRACE`, `CAP_SYSLOG`, `CAP_BPF`.
const KEPT: u64 = 1 << 1 | 1 << 2 | 1 << 19 | 1 << 34 | 1 << 39;

/// A recorder that records a command, which does not end.
struct Recorder {
    child: Child,
    directory: tempfile::TempDir,
    _docker: UnixListener,
}

impl Recorder {
    /// Begins; none, with a note that the test harness does not capture, where this machine has no sensor.
    fn start(arguments: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("docker.sock");
        let docker = UnixListener::bind(&socket).expect("a socket");
        let mut child = Command::new(env!("CARGO_BIN_EXE_tracee-cap"))
            .args(["record", "--progress", "ndjson", "--flush-interval", "50ms"])
            .args(["--exec-hash", "dev-inode", "--detectors", "builtin"])
            .args(["--runtime-socket", &format!("docker={}", socket.display())])
            .args(arguments)
            .arg("-w")
            .arg(directory.path().join("x.tcap"))
            .args(["--", "sh", "-c", "/bin/true; exec /bin/sleep 60 2>/dev/null"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut said = Vec::new();
        let begun = lines
            .by_ref()
            .map(|line| line.expect("text"))
            .inspect(|line| said.push(line.clone()))
            .any(|line| line.starts_with('{'));
        std::thread::spawn(move || lines.count());
        if begun {
            return Some(Self {
                child,
                directory,
                _docker: docker,
            });
        }
        assert_eq!(child.wait().expect("it ends").code(), Some(4), "{said:?}");
        let note = format!("SKIPPED, no live recording here: {said:?}\n");
        nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
        None
    }

    /// Of each of its threads: name, and the sets of capabilities that it has and may have.
    fn threads(&self) -> Vec<(String, [u64; 2], String)> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let statuses = tasks.map(|task| fs::read_to_string(task.expect("a thread").path().join("status")));
        statuses
            .map(|status| rights(&status.expect("it is there")))
            .collect()
    }

    fn command(&self) -> Pid {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let child = children.split_whitespace().next().expect("it has the command");
        Pid::from_raw(child.parse().expect("a number"))
    }

    /// The capabilities of the command.
    fn of_the_command(&self) -> [u64; 2] {
        let status = fs::read_to_string(format!("/proc/{}/status", self.command()));
        rights(&status.expect("it runs")).1
    }

    /// Ends it and what it records; gives the executed programs, and their hashes.
    fn end(mut self) -> BTreeMap<String, Option<String>> {
        let command = self.command();
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).expect("it runs");
        assert!(self.child.wait().expect("it ends").success());
        kill(command, Signal::SIGKILL).expect("it was left running");
        let reader = CaptureReader::open(self.directory.path().join("x.tcap")).expect("it is readable");
        let events = reader
            .events_of(&["sched_process_exec"], 0..=u64::MAX)
            .expect("it opens");
        events
            .map(|event| {
                let event = event.expect("it is readable").1.event;
                let text = |name: &str| {
                    let value = event.data.iter().find(|value| value.name == name)?;
                    match value.value.as_ref()? {
                        Value::Str(text) => Some(text.clone()),
                        _ => None,
                    }
                };
                (text("cmdpath").expect("it has one"), text("sha256"))
            })
            .collect()
    }
}

/// The name, the effective and the permitted capabilities, and whether executed programs get no more.
fn rights(status: &str) -> (String, [u64; 2], String) {
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.expect("the kernel tells").trim().to_owned()
    };
    let mask = |name: &str| u64::from_str_radix(&line(name), 16).expect("hexadecimal");
    (
        line("Name:"),
        [mask("CapEff:"), mask("CapPrm:")],
        line("NoNewPrivs:"),
    )
}

fn own_rights() -> [u64; 2] {
    rights(&fs::read_to_string("/proc/self/status").expect("procfs is mounted")).1
}

#[test]
fn what_is_only_needed_to_begin_is_given_up() {
    let Some(recorder) = Recorder::start(&[]) else {
        return;
    };
    let kept = own_rights().map(|had| had & KEPT);
    let threads = recorder.threads();
    for name in ["file-hashes", "runtimes"] {
        assert!(threads.iter().any(|(of, ..)| of == name), "{threads:?}");
    }
    for (name, has, no_more) in &threads {
        assert_eq!((has, no_more.as_str()), (&kept, "1"), "{name}");
    }
    assert_eq!(recorder.of_the_command(), own_rights());
    let hashes = recorder.end();
    for program in ["/bin/true", "/bin/sleep"] {
        let hash = hashes
            .get(program)
            .unwrap_or_else(|| panic!("{program}: {hashes:?}"));
        assert_eq!(hash.as_deref().map(str::len), Some(64), "{program}");
    }
}

#[test]
fn all_is_kept_where_that_is_wanted() {
    let Some(recorder) = Recorder::start(&["--keep-capabilities"]) else {
        return;
    };
    let before = rights(&fs::read_to_string("/proc/self/status").expect("procfs is mounted")).2;
    for (name, has, no_more) in recorder.threads() {
        assert_eq!((has, no_more.as_str()), (own_rights(), before.as_str()), "{name}");
    }
    recorder.end();
}
