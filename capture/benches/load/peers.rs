//! Other tracers, told to look at the same: opened files and new processes.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::work::{self, Done};

/// A tracer that runs a command.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its name and what it does, for the table.
    pub(crate) name: &'static str,
    /// Its command line before that of the command.
    command: &'static [&'static str],
    /// Whether it takes the command as one word.
    one_word: bool,
}

/// Those that are tried.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "strace -f, opens and forks",
        command: &[
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=open,openat,clone,clone3,fork,vfork,exit_group",
        ],
        one_word: false,
    },
    Peer {
        name: "strace -f --seccomp-bpf, the same",
        command: &[
            "strace",
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=open,openat,clone,clone3,fork,vfork,exit_group",
        ],
        one_word: false,
    },
    Peer {
        name: "perf trace, opens and forks",
        command: &[
            "perf",
            "trace",
            "-o",
            "/dev/null",
            "-e",
            "openat,clone,clone3,fork,vfork,exit_group",
            "--",
        ],
        one_word: false,
    },
    Peer {
        name: "bpftrace, prints opens and forks",
        command: &[
            "bpftrace",
            "-o",
            "/dev/null",
            "-e",
            "tracepoint:syscalls:sys_enter_openat { printf(\"%d %s %s\\n\", pid, comm, str(args->filename)); } \
             tracepoint:sched:sched_process_fork { printf(\"%d %d\\n\", pid, args->child_pid); }",
            "-c",
        ],
        one_word: true,
    },
];

impl Peer {
    /// Whether it runs here at all; if not, why.
    pub(crate) fn works(&self) -> Result<(), String> {
        match self.run(Duration::from_secs(1)) {
            Ok(done) if done.operations > 0 => Ok(()),
            Ok(_) => Err("nothing was done under it".to_owned()),
            Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
        }
    }

    /// Has it trace the work.
    pub(crate) fn run(&self, time: Duration) -> Result<Done, Box<dyn Error>> {
        let work = work::command(time)?;
        let mut command = Command::new(self.command[0]);
        command.args(&self.command[1..]).stdin(Stdio::null());
        if self.one_word {
            command.arg(work.join(" "));
        } else {
            command.args(work);
        }
        let output = command
            .output()
            .map_err(|error| format!("{}: {error}", self.command[0]))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}", output.status, said.trim()).into());
        }
        Done::parse(&output)
    }
}
