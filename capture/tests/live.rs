//! Recordings of this kernel. They need root and BTF, and say so where they have to skip.
//!
//! What is recorded is this test program itself, started again to run one of the [`workload`]s.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use capture::live::{Config, Ended, LiveError, NoObserver, Observer, Progress, Recording, Summary, record};
use capture::{CaptureReader, State};
use detectors_api::entity::entity_id;
use detectors_api::event::{RecordedEvent, timestamp_ns};
use detectors_api::proto::event_value::Value;
use detectors_api::proto::{Process, SockAddr};
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;

const WORKLOAD: &str = "TRACEE_CAP_TEST_WORKLOAD";
const DIRECTORY: &str = "TRACEE_CAP_TEST_DIRECTORY";

struct Recorded {
    summary: Summary,
    events: Vec<RecordedEvent>,
    reader: CaptureReader,
}

impl Recorded {
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a RecordedEvent> {
        self.events
            .iter()
            .filter(move |recorded| recorded.event.name == name)
    }
}

/// Records a command; none, with a note that the test harness does not capture, where this machine has no sensor.
fn record_command(config: Config) -> Option<Recorded> {
    let path = config.recording.path.clone();
    match record(&config, None, &mut NoObserver, &mut || false) {
        Ok(summary) => {
            let reader = CaptureReader::open(&path).expect("the capture can be read");
            let events = reader
                .events()
                .expect("the events can be read")
                .map(|event| event.expect("the event can be read").1)
                .collect();
            Some(Recorded {
                summary,
                events,
                reader,
            })
        }
        Err(LiveError::Sensor(
            error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_)),
        )) => {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn skip(reason: &str) {
    let note = format!("SKIPPED, no live recording here: {reason}\n");
    nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
}

fn config(directory: &Path, command: &[&str]) -> Config {
    Config {
        command: command.iter().map(OsString::from).collect(),
        ..Config::new(Recording::new(directory.join("test.tcap")))
    }
}

/// A configuration that records a workload.
fn workload_config(directory: &Path, name: &str) -> Config {
    let own = std::env::current_exe().expect("the test has a path");
    let mut config = config(directory, &["/usr/bin/env"]);
    config.command.push(format!("{WORKLOAD}={name}").into());
    config
        .command
        .push(format!("{DIRECTORY}={}", directory.display()).into());
    config.command.push(own.into());
    config
        .command
        .extend(["workload", "--exact", "--ignored"].map(OsString::from));
    config
}

fn record_workload(directory: &Path, name: &str) -> Option<Recorded> {
    let recorded = record_command(workload_config(directory, name))?;
    assert!(
        matches!(recorded.summary.ended, Ended::Command(status) if status.success()),
        "the workload failed: {:?}",
        recorded.summary.ended
    );
    Some(recorded)
}

fn value<'a>(recorded: &'a RecordedEvent, field: &str) -> Option<&'a Value> {
    recorded
        .event
        .data
        .iter()
        .find(|value| value.name == field)?
        .value
        .as_ref()
}

fn text<'a>(recorded: &'a RecordedEvent, field: &str) -> &'a str {
    match value(recorded, field) {
        Some(Value::Str(text)) => text,
        other => panic!("{field} is {other:?}"),
    }
}

fn number(recorded: &RecordedEvent, field: &str) -> i64 {
    match value(recorded, field) {
        Some(Value::Int32(number)) => i64::from(*number),
        Some(Value::UInt32(number)) => i64::from(*number),
        Some(Value::Int64(number)) => *number,
        Some(Value::UInt64(number) | Value::Pointer(number)) => number.cast_signed(),
        other => panic!("{field} is {other:?}"),
    }
}

fn texts<'a>(recorded: &'a RecordedEvent, field: &str) -> &'a [String] {
    match value(recorded, field) {
        Some(Value::StrArray(texts)) => &texts.value,
        other => panic!("{field} is {other:?}"),
    }
}

fn address<'a>(recorded: &'a RecordedEvent, field: &str) -> &'a SockAddr {
    match value(recorded, field) {
        Some(Value::Sockaddr(address)) => address,
        other => panic!("{field} is {other:?}"),
    }
}

fn process(recorded: &RecordedEvent) -> &Process {
    recorded
        .event
        .workload
        .as_ref()
        .and_then(|workload| workload.process.as_ref())
        .expect("every event has a process")
}

fn executable(recorded: &RecordedEvent) -> &str {
    process(recorded)
        .executable
        .as_ref()
        .map_or("", |executable| &executable.path)
}

#[test]
fn a_tree_of_processes() {
    let directory = tempfile::tempdir().unwrap();
    let script = "/bin/sh -c 'exit 3'; kill -9 $$";
    let Some(recorded) = record_command(config(directory.path(), &["/bin/sh", "-c", script])) else {
        return;
    };
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let execs: Vec<_> = recorded.named("sched_process_exec").collect();
    let (outer, inner) = (execs[0], execs[1]);
    assert_eq!(execs.len(), 2);
    assert_eq!(texts(outer, "argv"), ["/bin/sh", "-c", script]);
    assert_eq!(texts(inner, "argv"), ["/bin/sh", "-c", "exit 3"]);
    assert_eq!(text(inner, "cmdpath"), "/bin/sh");
    assert_eq!(text(inner, "prev_comm"), "sh");
    assert_eq!(texts(inner, "env"), [""; 0]);
    assert_eq!(
        text(inner, "pwd"),
        std::env::current_dir().unwrap().to_string_lossy()
    );

    // The same process has the same id in the event that makes it and in its own, and its parent's is the parent's own.
    let fork = recorded
        .named("sched_process_fork")
        .find(|fork| number(fork, "child_pid") == i64::from(process(inner).host_pid.unwrap()))
        .unwrap();
    let start = number(fork, "start_time").cast_unsigned();
    assert_eq!(
        process(inner).unique_id,
        Some(entity_id(process(inner).host_pid.unwrap(), start))
    );
    assert_eq!(process(inner).ancestors[0].unique_id, process(outer).unique_id);
    assert_eq!(process(fork).unique_id, process(outer).unique_id);
    let thread = process(inner).thread.as_ref().unwrap();
    assert_eq!(
        timestamp_ns(&thread.start_time.unwrap()),
        Some(start.cast_signed())
    );
    assert_eq!((thread.name.as_str(), thread.syscall.as_str()), ("sh", "execve"));

    // The ends, with programs that the kernel no longer tells.
    let exits: Vec<_> = recorded.named("sched_process_exit").collect();
    let ends: Vec<_> = exits
        .iter()
        .map(|exit| {
            (
                process(exit).host_pid,
                number(exit, "exit_code"),
                number(exit, "signal_code"),
            )
        })
        .collect();
    assert_eq!(
        ends,
        [(process(inner).host_pid, 3, 0), (process(outer).host_pid, 0, 9)]
    );
    for exit in exits {
        assert_eq!(executable(exit), shell.to_string_lossy());
        assert_eq!(value(exit, "process_group_exit"), Some(&Value::Bool(true)));
    }

    let times: Vec<_> = recorded
        .events
        .iter()
        .map(|recorded| timestamp_ns(&recorded.event.timestamp.unwrap()))
        .collect();
    assert!(times.is_sorted());
    let totals = recorded.summary.manifest.totals;
    assert_eq!((totals.lost, totals.written), (0, recorded.events.len() as u64));
    assert_eq!(totals.received, totals.written);
    assert_eq!(recorded.summary.manifest.state, State::Closed);
    // The recorder's own events are left out.
    let own = Some(std::process::id());
    assert!(
        recorded
            .events
            .iter()
            .all(|recorded| process(recorded).host_pid != own)
    );
    // The task that was alive at the beginning is in the snapshot: the command, before it was executed.
    let tasks: Vec<TaskSnapshot> = recorded
        .reader
        .inputs("process")
        .unwrap()
        .iter()
        .flat_map(|input| TaskSnapshot::from_batch(&input.rows).unwrap())
        .collect();
    assert!(!tasks.is_empty());
    // Whatever the kernel's iterator hides, everybody's ancestor is there.
    assert!(tasks.iter().any(|task| task.host_pid == 1 && task.host_tid == 1));
}

#[test]
fn arguments_and_environment() {
    let directory = tempfile::tempdir().unwrap();
    let long = "x".repeat(5000);
    let mut config = config(
        directory.path(),
        &[
            "/usr/bin/env",
            "-i",
            "SECRET=1",
            "A=b c",
            "/bin/true",
            "",
            &long,
            &long,
            "end",
        ],
    );
    config.sensor.environment = true;
    let Some(recorded) = record_command(config) else {
        return;
    };
    let exec = recorded.named("sched_process_exec").last().unwrap();
    let argv = texts(exec, "argv");
    assert_eq!(argv[..3], ["/bin/true", "", &long]);
    // 8192 bytes fit; what did not is marked.
    assert!(!argv[3].is_empty() && argv[3].len() < 5000 && long.starts_with(&argv[3]));
    assert_eq!(argv[4..], ["?"]);
    assert_eq!(texts(exec, "env"), ["SECRET=1", "A=b c"]);
    assert_eq!(recorded.summary.manifest.header.enrichments, ["environment"]);
}

#[test]
fn a_program_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let Some(recorded) = record_workload(directory.path(), "memory") else {
        return;
    };
    let exec = recorded.named("sched_process_exec").last().unwrap();
    assert_eq!(text(exec, "pathname"), "memfd:payload");
    assert_eq!(executable(exec), "memfd:payload");
    assert_eq!(
        executable(recorded.named("sched_process_exit").last().unwrap()),
        "memfd:payload"
    );
}

#[test]
fn paths_of_opened_files() {
    let directory = tempfile::tempdir().unwrap();
    let Some(recorded) = record_workload(directory.path(), "open") else {
        return;
    };
    let truth = fs::read_to_string(directory.path().join("truth")).unwrap();
    assert_eq!(truth.lines().count(), 8, "{truth}");
    let opens: Vec<_> = recorded.named("security_file_open").collect();
    for line in truth.lines() {
        let [given, resolved, inode, flags] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let open = opens
            .iter()
            .find(|open| text(open, "pathname") == resolved && text(open, "syscall_pathname") == given)
            .unwrap_or_else(|| panic!("{line} was not recorded"));
        assert_eq!(number(open, "inode").to_string(), inode, "{line}");
        let flags: i64 = flags.parse().unwrap();
        assert_eq!(number(open, "flags") & flags, flags, "{line}");
    }
}

#[test]
fn connections_and_descriptors() {
    let directory = tempfile::tempdir().unwrap();
    let Some(recorded) = record_workload(directory.path(), "sockets") else {
        return;
    };
    let connects: Vec<_> = recorded
        .named("security_socket_connect")
        .map(|event| (number(event, "type"), address(event, "remote_addr")))
        .collect();
    let find = |wanted: &dyn Fn(&SockAddr) -> bool| connects.iter().find(|(_, address)| wanted(address));
    let socket = directory.path().join("socket");
    let (v4, _) = find(&|address| address.sin_addr == "127.0.0.1" && address.sin_port == 9).unwrap();
    let (v6, _) = find(&|address| address.sin6_addr == "::1" && address.sin6_port == 9).unwrap();
    let (unix, _) = find(&|address| address.sun_path == socket.to_string_lossy()).unwrap();
    assert_eq!((*v4, *v6, *unix), (1, 2, 1));

    let dups: Vec<_> = recorded.named("socket_dup").collect();
    assert_eq!(dups.len(), 1);
    assert_eq!(number(dups[0], "newfd"), 77);
    assert_eq!(address(dups[0], "remote_addr").sun_path, socket.to_string_lossy());
    let call = recorded
        .named("dup2")
        .find(|call| number(call, "newfd") == 77)
        .unwrap();
    assert_eq!(
        (number(call, "returnValue"), number(call, "oldfd")),
        (77, number(dups[0], "oldfd"))
    );

    let traces: Vec<_> = recorded.named("ptrace").collect();
    assert_eq!(traces.len(), 1);
    assert_eq!(
        (number(traces[0], "request"), number(traces[0], "returnValue")),
        (0, 0)
    );
}

#[test]
fn only_what_was_selected() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path(), &["/bin/cat", "/etc/hostname"]);
    config.sensor.events = vec!["ptrace".to_owned()];
    let Some(recorded) = record_command(config) else {
        return;
    };
    let mut names: Vec<_> = recorded
        .events
        .iter()
        .map(|recorded| recorded.event.name.as_str())
        .collect();
    names.dedup();
    assert_eq!(names, ["sched_process_exec", "sched_process_exit"]);
}

#[test]
fn a_command_that_cannot_run_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path(), &["/no/such/program"]);
    match record(&config, None, &mut NoObserver, &mut || false) {
        Err(LiveError::Sensor(error)) => skip(&error.to_string()),
        Err(LiveError::Command { command, .. }) => assert_eq!(command, "/no/such/program"),
        other => panic!("{other:?}"),
    }
    assert!(!config.recording.path.exists());
}

#[test]
fn losses_are_counted_and_placed() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = workload_config(directory.path(), "busy");
    config.sensor.ring_bytes = 4096;
    let Some(recorded) = record_command(config) else {
        return;
    };
    let totals = recorded.summary.manifest.totals;
    assert!(totals.lost > 0, "{totals:?}");
    assert_eq!(totals.received, totals.written + totals.lost);
    assert_eq!(totals.written, recorded.events.len() as u64);
    // The workload opens a file 20,000 times.
    assert!(totals.received > 20_000, "{totals:?}");
    let losses = recorded.reader.losses().unwrap();
    assert_eq!(losses.iter().map(|loss| loss.count).sum::<u64>(), totals.lost);
    for loss in losses {
        assert!(
            loss.time_from <= loss.time_to && loss.seq_from <= loss.seq_to,
            "{loss:?}"
        );
        assert!(loss.cpu.is_some());
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Command::new(std::env::current_exe().unwrap())
        .args(["workload", "--exact", "--ignored"])
        .env(WORKLOAD, "recorder")
        .env(DIRECTORY, directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let acknowledged = || {
        let text = fs::read_to_string(directory.path().join("acknowledged")).unwrap_or_default();
        text.lines().last().and_then(|line| line.parse::<u64>().ok())
    };
    let patience = Instant::now();
    while acknowledged().is_none_or(|seq| seq < 5000) {
        if let Some(status) = recorder.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            // It has said why.
            return;
        }
        assert!(
            patience.elapsed() < Duration::from_secs(60),
            "nothing is acknowledged"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    let acknowledged = acknowledged().unwrap();

    let reader = CaptureReader::open(directory.path().join("test.tcap")).unwrap();
    assert_ne!(reader.state(), State::Closed);
    let seqs: Vec<_> = reader.events().unwrap().map(|event| event.unwrap().0).collect();
    assert_eq!(
        seqs[..=usize::try_from(acknowledged).unwrap()],
        (0..=acknowledged).collect::<Vec<_>>()
    );
}

/// What the other tests record.
#[test]
#[ignore = "is run by the other tests"]
fn workload() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("the other tests set it"));
    match std::env::var(WORKLOAD).expect("the other tests set it").as_str() {
        "memory" => run_from_memory(),
        "open" => open_files(&directory),
        "sockets" => use_sockets(&directory),
        "busy" => keep_busy(20_000),
        "recorder" => record_until_killed(&directory),
        other => panic!("no workload {other}"),
    }
}

fn c_string(path: &Path) -> std::ffi::CString {
    std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL in a path")
}

fn run_from_memory() {
    let program = fs::read("/bin/true").expect("there is a /bin/true");
    // SAFETY: a constant name, and the descriptor is checked.
    let fd = unsafe { libc::memfd_create(c"payload".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(fd >= 0);
    fs::write(format!("/proc/self/fd/{fd}"), program).expect("memory can be written");
    let argv = [c"true".as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null()];
    // SAFETY: the lists end with null pointers.
    unsafe { libc::fexecve(fd, argv.as_ptr(), environment.as_ptr()) };
    panic!("{}", std::io::Error::last_os_error());
}

/// Opens files in ways that make their paths hard to find, and writes down what procfs says of each.
fn open_files(directory: &Path) {
    let mut truth = File::create(directory.join("truth")).expect("the directory can be written");
    let mut note = |given: &Path, file: &File, flags: i32| {
        let resolved = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("it is open");
        let inode = std::os::unix::fs::MetadataExt::ino(&file.metadata().expect("it is open"));
        writeln!(
            truth,
            "{}\t{}\t{inode}\t{flags}",
            given.display(),
            resolved.display()
        )
        .expect("it can be written");
    };
    let mut open = |path: &Path| {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        note(path, &file, libc::O_RDONLY);
    };
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
    let mount = |from: &Path, to: &Path, kind: &std::ffi::CStr, flags: libc::c_ulong| {
        let (from, to) = (c_string(from), c_string(to));
        // SAFETY: all are C strings; no data is passed.
        let result =
            unsafe { libc::mount(from.as_ptr(), to.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    };
    mount(
        Path::new("none"),
        Path::new("/"),
        c"",
        libc::MS_REC | libc::MS_PRIVATE,
    );
    let make = |name: &str| {
        let path = directory.join(name);
        fs::create_dir_all(&path).expect("the directory can be written");
        path
    };
    let (tmpfs, bound) = (make("tmpfs"), make("bound"));
    mount(Path::new("none"), &tmpfs, c"tmpfs", 0);
    let inside = tmpfs.join("one/two");
    fs::create_dir_all(&inside).expect("it is ours");
    fs::write(inside.join("file"), "x").expect("it is ours");
    mount(&tmpfs.join("one"), &bound, c"", libc::MS_BIND);

    open(Path::new("/etc/hostname"));
    open(Path::new("/proc/self/status"));
    open(&inside.join("file"));
    open(&bound.join("two/file"));
    open(Path::new("/"));
    let long = inside.join("n".repeat(255));
    fs::write(&long, "x").expect("it is ours");
    open(&long);
    let deep = make(&"d/".repeat(40));
    open(&deep);

    let created = directory.join("created");
    let file = File::create(&created).expect("the directory can be written");
    note(&created, &file, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC);
}

fn use_sockets(directory: &Path) {
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};
    // Nobody listens there; the attempt is what counts.
    drop(TcpStream::connect("127.0.0.1:9"));
    let udp = UdpSocket::bind("[::1]:0").expect("there is a loopback device with IPv6");
    udp.connect("[::1]:9").expect("UDP connects without asking");
    let _listener = UnixListener::bind(directory.join("socket")).expect("the directory can be written");
    let stream = UnixStream::connect(directory.join("socket")).expect("the listener is there");
    // SAFETY: both are numbers; 77 is not in use.
    assert_eq!(unsafe { libc::dup2(stream.as_raw_fd(), 77) }, 77);
    be_traced();
}

/// In a process of its own: a traced thread would have to be waited for by the recorder.
fn be_traced() {
    // SAFETY: the child only makes two system calls.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: neither takes pointers.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::_exit(0);
        }
    }
    let mut status = 0;
    // SAFETY: the status is ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
}

fn keep_busy(opens: u32) {
    for _ in 0..opens {
        drop(File::open("/etc/hostname").expect("there is a /etc/hostname"));
    }
}

/// Records itself being busy and writes down what has been acknowledged.
fn record_until_killed(directory: &Path) {
    struct Acknowledged(File);
    impl Observer for Acknowledged {
        fn progress(&mut self, progress: &Progress) {
            if let Some(seq) = progress.acknowledged_seq {
                writeln!(self.0, "{seq}").expect("the directory can be written");
            }
        }
    }
    let mut acknowledged = Acknowledged(File::create(directory.join("acknowledged")).expect("it is ours"));
    let mut config = workload_config(directory, "busy");
    // Longer than this process is let live, but not for ever.
    config.command = [
        "/bin/sh",
        "-c",
        "for i in $(/usr/bin/seq 3000); do /bin/true; done",
    ]
    .map(OsString::from)
    .into();
    config.recording.flush_interval = Duration::from_millis(50);
    match record(&config, None, &mut acknowledged, &mut || false) {
        Err(LiveError::Sensor(error)) => skip(&error.to_string()),
        other => panic!("{other:?}"),
    }
}
