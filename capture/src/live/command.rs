//! A command that waits until it is being recorded.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::thread::JoinHandle;

/// A command that has been forked and not yet executed, so that nothing of it is missed.
///
/// Dropped before [`start`](Self::start), it ends without having run.
#[derive(Debug)]
pub struct WaitingCommand {
    pid: u32,
    gate: io::PipeWriter,
    spawn: JoinHandle<io::Result<Child>>,
}

impl WaitingCommand {
    /// Forks for `argv`.
    ///
    /// # Errors
    /// If `argv` is empty or the system has no more processes.
    pub fn fork(argv: &[OsString]) -> io::Result<Self> {
        let (program, arguments) = argv
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command was given"))?;
        let (mut gate_reader, gate) = io::pipe()?;
        let (mut pid_reader, mut pid_writer) = io::pipe()?;
        let mut command = Command::new(program);
        command.args(arguments);
        let gate_fd = gate.as_raw_fd();
        let wait = move || {
            pid_writer.write_all(&std::process::id().to_ne_bytes())?;
            // The fork's own copy of the writing end would hide that the recorder is gone.
            nix::unistd::close(gate_fd)?;
            gate_reader.read_exact(&mut [0])
        };
        // SAFETY: between fork and exec only getpid, write, close and read are called, which may be called there; nothing is
        // allocated unless one fails, and then the process ends.
        unsafe { command.pre_exec(wait) };
        let spawn = std::thread::spawn(move || command.spawn());
        let mut pid = [0; 4];
        match pid_reader.read_exact(&mut pid) {
            Ok(()) => Ok(Self {
                pid: u32::from_ne_bytes(pid),
                gate,
                spawn,
            }),
            Err(error) => Err(join(spawn).err().unwrap_or(error)),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it run.
    ///
    /// # Errors
    /// If the program cannot be executed.
    pub fn start(mut self) -> io::Result<RunningCommand> {
        self.gate.write_all(&[1])?;
        drop(self.gate);
        join(self.spawn).map(RunningCommand)
    }
}

fn join(spawn: JoinHandle<io::Result<Child>>) -> io::Result<Child> {
    spawn
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread that starts the command panicked")))
}

/// A command that runs.
#[derive(Debug)]
pub struct RunningCommand(Child);

impl RunningCommand {
    /// How it ended, if it has.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}
