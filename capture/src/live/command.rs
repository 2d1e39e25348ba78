//! A command that waits until it is being recorded.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::thread::JoinHandle;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// A command that has been forked and not yet executed, so that nothing of it is missed.
///
/// Dropped before [`start`](Self::start), it ends without having run.
#[derive(Debug)]
pub struct WaitingCommand {
    pid: u32,
    /// Until it is started.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
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
                waiting: Some(Waiting { gate, spawn }),
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
        let Some(Waiting { mut gate, spawn }) = self.waiting.take() else {
            return Err(io::Error::other("the command has been started"));
        };
        gate.write_all(&[1])?;
        drop(gate);
        join(spawn).map(RunningCommand)
    }
}

impl Drop for WaitingCommand {
    fn drop(&mut self) {
        let Some(Waiting { gate, spawn }) = self.waiting.take() else {
            return;
        };
        // A command that was forked meanwhile may hold the writing end, too, so that closing it says nothing.
        let pid = Pid::from_raw(self.pid.cast_signed());
        let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
        drop(gate);
        if let Ok(mut child) = join(spawn) {
            let _ = child.wait();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_are_given_up_are_gone() {
        let directory = tempfile::tempdir().expect("a directory");
        let ran = directory.path().join("ran");
        let argv = ["touch".into(), ran.clone().into_os_string()];
        let one = WaitingCommand::fork(&argv).expect("a process");
        // It has the other one's pipe.
        let other = WaitingCommand::fork(&argv).expect("a process");
        let pids = [one.pid(), other.pid()];
        drop(one);
        drop(other);
        for pid in pids {
            assert!(
                !std::path::Path::new(&format!("/proc/{pid}")).exists(),
                "{pid} is there"
            );
        }
        assert!(!ran.exists());
    }
}
