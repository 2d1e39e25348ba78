//! Tasks: made, ended, executing programs, with other rights, names, limits, groups and memory.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cause::{
    Notes, at, c_string, call, differs, identity, in_any_child, in_child, me, namespace, number, text, texts,
    unseen,
};
use crate::truth::{Loss, Truth, Who};
use crate::{WITNESS_SCRIPT, attempts, files, settings, witness_arguments};

pub(crate) fn cause(notes: &mut Notes) {
    forked(notes);
    ended(notes);
    executed(notes);
    attempts::cause(notes);
    in_child(|| credentials(notes));
    in_child(|| namespaces(notes));
    in_child(|| inside(notes));
    in_child(|| limits(notes));
    in_child(|| settings::cause(notes));
    groups(notes);
    in_child(|| memory(notes));
}

fn forked(notes: &mut Notes) {
    let parent = me();
    in_child(|| {
        let child = me();
        let id = |id: u32| number(id);
        let since = |who: &Who| Truth::Between(who.started.0, who.started.1);
        let (tid, pid) = (|| id(parent.tid), || id(parent.pid));
        let fields = [
            ("parent_tid", tid()),
            ("parent_ns_tid", tid()),
            ("parent_pid", pid()),
            ("parent_ns_pid", pid()),
            ("parent_start_time", since(&parent)),
            ("child_tid", id(child.tid)),
            ("child_ns_tid", id(child.tid)),
            ("child_pid", id(child.pid)),
            ("child_ns_pid", id(child.pid)),
            ("start_time", since(&child)),
            ("parent_process_tid", pid()),
            ("parent_process_ns_tid", pid()),
            ("parent_process_pid", pid()),
            ("parent_process_ns_pid", pid()),
            ("parent_process_start_time", since(&parent)),
            ("leader_tid", id(child.pid)),
            ("leader_ns_tid", id(child.pid)),
            ("leader_pid", id(child.pid)),
            ("leader_ns_pid", id(child.pid)),
            ("leader_start_time", since(&child)),
        ];
        notes.by(&parent, "a child", "sched_process_fork", "clone", &fields, &[]);
    });
}

fn ended(notes: &mut Notes) {
    let end = |status: i32, signal: i32, whole: bool| {
        [
            ("exit_code", number(status)),
            ("signal_code", number(signal)),
            ("process_group_exit", Truth::Flag(whole)),
        ]
    };
    in_any_child(|| {
        notes.note(
            "a child with a status",
            "sched_process_exit",
            "exit_group",
            &end(7, 0, true),
            &[],
        );
        // SAFETY: the process ends.
        unsafe { libc::_exit(7) };
    });
    in_any_child(|| {
        notes.note(
            "a killed child",
            "sched_process_exit",
            "",
            &end(0, libc::SIGKILL, true),
            &[],
        );
        // SAFETY: a number in; the process ends.
        unsafe { libc::raise(libc::SIGKILL) };
    });
    in_child(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| notes.note("a thread", "sched_process_exit", "exit", &end(0, 0, false), &[]));
        });
        // What waits for a thread does not wait until the kernel has ended it.
        while fs::read_dir("/proc/self/task")
            .expect("procfs is mounted")
            .count()
            > 1
        {
            std::thread::yield_now();
        }
    });
}

/// Executes this program again as a [`witness`] and as one whose check it notes itself.
fn executed(notes: &mut Notes) {
    let own = std::env::current_exe().expect("the test has a path");
    // Under the same name, so that the task's name is the same before and after.
    let linked = notes.place("jail").join(own.file_name().expect("it has a name"));
    std::os::unix::fs::symlink(&own, &linked).expect("the directory can be written");
    let mut many: Vec<OsString> = (0..500).map(|count| format!("a{count}").into()).collect();
    many.push(OsString::from_vec(b"not \xff\xfe text".to_vec()));
    many.push(OsString::new());
    for (case, path, rest) in [
        ("a program through a link", &linked, many),
        ("a program", &own, vec!["one".into()]),
    ] {
        in_child(|| {
            let argv = witness_arguments(&[told_to_witness(notes, path, case), rest].concat());
            checked(notes, case, &own, &argv, &[]);
            execute(path, &argv);
        });
    }
    script(notes, &own);
}

/// A script whose interpreter is this program: the kernel checks both, and then puts the interpreter's words before the script's.
fn script(notes: &mut Notes, own: &Path) {
    let directory = notes.place("scripts");
    fs::create_dir(&directory).expect("the directory can be written");
    // Under the same name, as above.
    let path = directory.join(own.file_name().expect("it has a name"));
    fs::write(&path, format!("#!{} {WITNESS_SCRIPT}\n", own.display()))
        .expect("the directory can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let case = "a script";
    in_child(|| {
        let words = told_to_witness(notes, &path, case);
        let given = [vec![OsString::from("given")], words.clone()].concat();
        checked(
            notes,
            case,
            &path,
            &given,
            &[unseen("scripts on the way to their interpreter")],
        );
        let with_its_own = [
            vec![
                own.as_os_str().to_owned(),
                WITNESS_SCRIPT.into(),
                path.as_os_str().to_owned(),
            ],
            words,
        ]
        .concat();
        checked(
            notes,
            "the interpreter of a script",
            own,
            &given,
            &[differs(
                "argv of an interpreter begins with its own words",
                &[("argv", lossy(&with_its_own))],
            )],
        );
        execute(&path, &given);
    });
}

/// What a witness has to know of its execution. The task is made ready for it: its standard input is `/dev/null`.
fn told_to_witness(notes: &Notes, path: &Path, case: &str) -> Vec<OsString> {
    let null = File::open("/dev/null").expect("it is there");
    call(libc::SYS_dup2, [null.as_raw_fd() as u64, 0, 0, 0, 0, 0]);
    vec![
        notes.directory.as_os_str().to_owned(),
        path.as_os_str().to_owned(),
        me().comm.into(),
        case.into(),
    ]
}

/// Notes that the kernel checks `program`, which [`execute`] asks for.
fn checked(notes: &mut Notes, case: &str, program: &Path, argv: &[OsString], losses: &[Loss]) {
    let (inode, dev, _) = identity(program);
    let fields = [
        ("pathname", text(program)),
        ("dev", dev),
        ("inode", inode),
        ("argv", lossy(argv)),
        ("envp", texts(&["ONE=1", "TWO=2 3"])),
    ];
    notes.note(case, "security_bprm_check", "execve", &fields, losses);
}

fn execute(path: &Path, argv: &[OsString]) {
    let arguments: Vec<_> = argv
        .iter()
        .map(|text| CString::new(text.as_bytes()).expect("no NUL"))
        .collect();
    let mut pointers: Vec<_> = arguments.iter().map(|text| text.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let environment = [c"ONE=1".as_ptr(), c"TWO=2 3".as_ptr(), std::ptr::null()];
    let path = c_string(path);
    // SAFETY: the lists end with null pointers.
    unsafe { libc::execve(path.as_ptr(), pointers.as_ptr(), environment.as_ptr()) };
    panic!("{}", std::io::Error::last_os_error());
}

fn lossy(texts: &[OsString]) -> Truth {
    Truth::Texts(
        texts
            .iter()
            .map(|text| text.to_string_lossy().into_owned())
            .collect(),
    )
}

/// Notes its own execution. After the words that came `before` them, the arguments are the directory of the notes, the path that was
/// executed, the name of the task before and the case; the interpreter is what the kernel ran for that path.
pub(crate) fn witness(arguments: &[OsString], before: usize, interpreter: &OsString) -> ExitCode {
    let [directory, executed, previous, case, ..] = &arguments[before..] else {
        panic!("{arguments:?}");
    };
    let mut notes = Notes::open(Path::new(directory));
    let own = std::env::current_exe().expect("procfs is mounted");
    let (inode, dev, ctime) = identity(&own);
    let mode = fs::metadata(&own).expect("it is there").mode();
    let maps = fs::read_to_string("/proc/self/maps").expect("procfs is mounted");
    let loader = maps
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(5))
        .find(|path| path.contains("/ld-linux"))
        .map(PathBuf::from)
        .expect("it is a dynamic program");
    let (loader_inode, loader_dev, loader_ctime) = identity(&loader);
    let environment: Vec<_> = std::env::vars_os()
        .map(|(name, value)| OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect();
    let fields = [
        ("cmdpath", text(executed)),
        ("pathname", text(&own)),
        ("dev", dev),
        ("inode", inode),
        ("ctime", ctime),
        ("inode_mode", number(mode)),
        ("interpreter_pathname", text(&loader)),
        ("interpreter_dev", loader_dev),
        ("interpreter_inode", loader_inode),
        ("interpreter_ctime", loader_ctime),
        ("argv", lossy(arguments)),
        ("interp", text(interpreter)),
        ("stdin_type", number(libc::S_IFCHR)),
        ("stdin_path", text("/dev/null")),
        ("invoked_from_kernel", Truth::Flag(false)),
        ("prev_comm", text(previous)),
        ("env", lossy(&environment)),
        ("pwd", text(std::env::current_dir().expect("it is there"))),
    ];
    let no_loader = [
        ("interpreter_pathname", text("")),
        ("interpreter_dev", number(0)),
        ("interpreter_inode", number(0)),
        ("interpreter_ctime", number(0)),
    ];
    notes.note(
        &case.to_string_lossy(),
        "sched_process_exec",
        "execve",
        &fields,
        &[
            differs(
                "interpreter_pathname, _dev, _inode and _ctime are empty",
                &no_loader,
            ),
            differs("prev_comm is empty", &[("prev_comm", text(""))]),
        ],
    );
    // What the kernel knows of this program is not told of the next.
    attempts::missing(&mut notes, &format!("after {}", case.to_string_lossy()));
    ExitCode::SUCCESS
}

/// The credentials of the calling thread.
fn own_credentials() -> Truth {
    let status = fs::read_to_string("/proc/thread-self/status").expect("procfs is mounted");
    let line = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .expect("the kernel tells it")
            .trim()
    };
    let ids = |name: &str| {
        line(name)
            .split_ascii_whitespace()
            .map(|id| id.parse().expect("a number"))
            .collect::<Vec<u32>>()
    };
    let (uid, gid) = (ids("Uid:"), ids("Gid:"));
    let mask = |name: &str| u64::from_str_radix(line(name), 16).expect("a number");
    // SAFETY: no pointers.
    let secure_bits = unsafe { libc::prctl(libc::PR_GET_SECUREBITS) };
    // Real, effective, saved, of file systems; the interface has the saved before the effective.
    Truth::Credentials(
        vec![
            uid[0],
            gid[0],
            uid[2],
            gid[2],
            uid[1],
            gid[1],
            uid[3],
            gid[3],
            namespace("user"),
            secure_bits.cast_unsigned(),
        ],
        ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"].map(mask),
    )
}

fn credentials(notes: &mut Notes) {
    let (who, before) = (me(), own_credentials());
    // The real user stays, so that it is the same before and after.
    let same = u64::from(u32::MAX);
    call(libc::SYS_setresgid, [same, 1001, 1002, 0, 0, 0]);
    let after = own_credentials();
    let fields = [("old_cred", before), ("new_cred", after.clone())];
    notes.by(&who, "other groups", "commit_creds", "setresgid", &fields, &[]);
    call(libc::SYS_setresuid, [same, 1003, same, 0, 0, 0]);
    let fields = [("old_cred", after), ("new_cred", own_credentials())];
    notes.by(&who, "another user", "commit_creds", "setresuid", &fields, &[]);
}

fn namespaces(notes: &mut Notes) {
    let old = File::open("/proc/self/ns/uts").expect("procfs is mounted");
    let old_number = namespace("uts");
    let note = |notes: &mut Notes, case: &str, call: &str, uts: u32| {
        let who = me();
        let mut fields: Vec<_> = ["new_mnt", "new_pid", "new_ipc", "new_net", "new_cgroup"]
            .map(|name| (name, number(0)))
            .into();
        fields.extend([("pid", number(who.tid)), ("new_uts", number(uts))]);
        notes.by(&who, case, "switch_task_ns", call, &fields, &[]);
    };
    call(libc::SYS_unshare, [libc::CLONE_NEWUTS as u64, 0, 0, 0, 0, 0]);
    note(notes, "a new namespace", "unshare", namespace("uts"));
    call(
        libc::SYS_setns,
        [old.as_raw_fd() as u64, libc::CLONE_NEWUTS as u64, 0, 0, 0, 0],
    );
    note(notes, "the namespace of before", "setns", old_number);
}

/// As the first process of a pid namespace.
fn inside(notes: &mut Notes) {
    call(libc::SYS_unshare, [libc::CLONE_NEWPID as u64, 0, 0, 0, 0, 0]);
    in_child(|| {
        assert_eq!(std::process::id(), 1);
        let who = me();
        assert!(who.pid != 1 && who.pid_inside == 1, "{who:?}");
        let file = notes.place("file");
        files::open(
            notes,
            "a file, by the first process of a namespace",
            (libc::AT_FDCWD, &file),
            libc::O_RDONLY,
            &file,
        );
    });
}

fn limits(notes: &mut Notes) {
    let limit = |notes: &mut Notes, case: &str, call: &str, target: u32, soft: u64, losses: &[_]| {
        let fields = [
            ("target_host_pid", number(target)),
            ("resource", number(i64::from(libc::RLIMIT_CORE))),
            ("new_rlim_cur", number(soft)),
            ("new_rlim_max", number(77)),
        ];
        notes.note(case, "security_task_setrlimit", call, &fields, losses);
    };
    let core = u64::from(libc::RLIMIT_CORE);
    call(libc::SYS_setrlimit, [core, at(&[55_u64, 77]), 0, 0, 0, 0]);
    limit(notes, "a limit", "setrlimit", std::process::id(), 55, &[]);
    call(libc::SYS_prlimit64, [0, core, at(&[56_u64, 77]), 0, 0, 0]);
    limit(
        notes,
        "a limit by another call",
        "prlimit64",
        std::process::id(),
        56,
        &[],
    );
    let mut ready = [0_i32; 2];
    call(libc::SYS_pipe2, [ready.as_mut_ptr() as u64, 0, 0, 0, 0, 0]);
    let parent = std::process::id();
    in_child(|| {
        call(
            libc::SYS_prlimit64,
            [parent.into(), core, at(&[57_u64, 77]), 0, 0, 0],
        );
        limit(
            notes,
            "a limit of another process",
            "prlimit64",
            parent,
            57,
            &[unseen("limits of other processes")],
        );
    });
}

fn groups(notes: &mut Notes) {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("procfs is mounted");
    let Some(mount) = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|words| words[2] == "cgroup2")
    else {
        panic!("no cgroup v2 file system is mounted");
    };
    let name = format!("tracee-cap-events-{}", std::process::id());
    let (root, group) = (Path::new(mount[1]), Path::new(mount[1]).join(&name));
    let told = format!("/{name}");
    fs::create_dir(&group).expect("control groups can be made");
    let id = fs::metadata(&group).expect("it was made").ino();
    let fields = [
        ("cgroup_id", number(id)),
        ("cgroup_path", text(&told)),
        ("hierarchy_id", number(0)),
    ];
    notes.note("a control group", "cgroup_mkdir", "mkdir", &fields, &[]);
    let (moved, _) = in_any_child(|| {
        let who = me();
        fs::write(group.join("cgroup.procs"), who.pid.to_string()).expect("the child can be moved");
        let attached = [
            ("cgroup_path", text(&told)),
            ("comm", text(&who.comm)),
            ("pid", number(who.tid)),
        ];
        notes.by(&who, "a child", "cgroup_attach_task", "write", &attached, &[]);
        fs::write(root.join("cgroup.procs"), who.pid.to_string()).expect("the child can be moved back");
    });
    assert!(moved > 0);
    fs::remove_dir(&group).expect("it is empty");
    notes.note("a control group", "cgroup_rmdir", "rmdir", &fields, &[]);
}

/// A mapped file and memory whose protection changes.
fn memory(notes: &mut Notes) {
    const PAGE: u64 = 4096;
    let path = notes.place("mapped");
    fs::write(&path, [0; PAGE as usize]).expect("the directory can be written");
    let file = File::open(&path).expect("it was made");
    let (inode, dev, ctime) = identity(&path);
    let flags = files::flags_of(&file);
    let (read, write, exec) = (
        libc::PROT_READ as u64,
        libc::PROT_WRITE as u64,
        libc::PROT_EXEC as u64,
    );
    let map = |prot: u64, flags: i32, fd: i64| {
        call(libc::SYS_mmap, [0, PAGE, prot, flags as u64, fd as u64, 0]).cast_unsigned()
    };
    let private = libc::MAP_PRIVATE;
    let fd = i64::from(file.as_raw_fd());
    let loaded = [
        ("pathname", text(&path)),
        ("flags", number(flags)),
        ("dev", dev.clone()),
        ("inode", inode.clone()),
        ("ctime", ctime.clone()),
    ];
    let mapped = |prot: u64| {
        [
            &loaded[..],
            &[("prot", number(prot)), ("mmap_flags", number(private))],
        ]
        .concat()
    };
    let area = map(read, private, fd);
    notes.note("a file", "security_mmap_file", "mmap", &mapped(read), &[]);
    map(read | exec, private, fd);
    notes.note(
        "a program",
        "security_mmap_file",
        "mmap",
        &mapped(read | exec),
        &[],
    );
    notes.note("a program", "shared_object_loaded", "mmap", &loaded, &[]);

    const NO_AREA: &str = "pathname, ctime and prev_prot";
    const NO_BEFORE: &str = "prev_prot, and of changed protection pathname, dev, inode and ctime";
    let nothing = |names: &[&'static str]| {
        names
            .iter()
            .map(|name| (*name, Truth::Nothing))
            .collect::<Vec<_>>()
    };
    call(libc::SYS_mprotect, [area, PAGE, read | exec, 0, 0, 0]);
    let place = [
        ("addr", number(area)),
        ("len", number(PAGE)),
        ("prot", number(read | exec)),
        ("prev_prot", number(read)),
    ];
    let fields = [&place[..], &[("pathname", text(&path)), ("ctime", ctime.clone())]].concat();
    notes.note(
        "a file becomes a program",
        "security_file_mprotect",
        "mprotect",
        &fields,
        &[differs(NO_AREA, &nothing(&["pathname", "ctime", "prev_prot"]))],
    );
    let fields = [
        &place[..],
        &[
            ("alert", number(2)),
            ("pathname", text(&path)),
            ("dev", dev),
            ("inode", inode),
            ("ctime", ctime),
        ],
    ]
    .concat();
    notes.note(
        "a file becomes a program",
        "mem_prot_alert",
        "mprotect",
        &fields,
        &[differs(
            NO_BEFORE,
            &nothing(&["pathname", "dev", "inode", "ctime", "prev_prot"]),
        )],
    );

    let area = map(read | write | exec, private | libc::MAP_ANONYMOUS, -1);
    let place = |prot: u64, before: u64| {
        [
            ("addr", number(area)),
            ("len", number(PAGE)),
            ("prot", number(prot)),
            ("prev_prot", number(before)),
        ]
    };
    let fields = [&place(read | write | exec, 0)[..], &[("alert", number(1))]].concat();
    notes.note(
        "memory to write and execute",
        "mem_prot_alert",
        "mmap",
        &fields,
        &[],
    );
    call(libc::SYS_mprotect, [area, PAGE, read | exec, 0, 0, 0]);
    let fields = [&place(read | exec, 7)[..], &[("alert", number(4))]].concat();
    let without = [("alert", number(2)), ("prev_prot", Truth::Nothing)];
    notes.note(
        "written memory becomes a program",
        "mem_prot_alert",
        "mprotect",
        &fields,
        &[differs(NO_BEFORE, &without)],
    );
}
