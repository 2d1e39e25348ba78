//! The work that is traced: opening files and forking, as fast as it goes, on every CPU.

use std::error::Error;
use std::fs::File;
use std::io;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the work, in a process of its own.
pub(crate) const CHILD: &str = "--work";
/// Opened files for each fork.
pub(crate) const OPENS_PER_FORK: u64 = 20;
/// What is opened, in turn.
const FILES: [&str; 4] = ["/etc/hostname", "/etc/passwd", "/etc/group", "/etc/hosts"];

/// How much was done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    /// Opened files and forks.
    pub(crate) operations: u64,
    /// In this time.
    pub(crate) time: Duration,
}

impl Done {
    /// Operations a second.
    pub(crate) fn rate(self) -> f64 {
        super::per_second(self)
    }

    /// Reads what [`run`] has printed.
    pub(crate) fn parse(output: &Output) -> Result<Self, Box<dyn Error>> {
        let text = String::from_utf8_lossy(&output.stdout);
        let told = text.lines().find_map(|line| line.strip_prefix("operations "));
        let words: Vec<&str> = told
            .ok_or_else(|| {
                format!(
                    "the work told nothing: {}",
                    String::from_utf8_lossy(&output.stderr)
                )
            })?
            .split(' ')
            .collect();
        match words[..] {
            [operations, nanoseconds] => Ok(Self {
                operations: operations.parse()?,
                time: Duration::from_nanos(nanoseconds.parse()?),
            }),
            _ => Err(format!("the work told {words:?}").into()),
        }
    }
}

/// The command that works for some time.
pub(crate) fn command(time: Duration) -> io::Result<Vec<String>> {
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    Ok(vec![own, CHILD.to_owned(), time.as_secs().to_string()])
}

/// Works for some time in a process that nobody traces.
pub(crate) fn start(time: Duration) -> Result<Done, Box<dyn Error>> {
    let command = command(time)?;
    Done::parse(&Command::new(&command[0]).args(&command[1..]).output()?)
}

/// Works for some time, and tells how much was done.
pub(crate) fn run(time: Duration) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let workers: Vec<_> = (0..thread::available_parallelism()?.get())
        .map(|_| thread::spawn(move || work(begun, time)))
        .collect();
    let mut operations = 0;
    for worker in workers {
        operations += worker.join().map_err(|_| "a worker panicked")??;
    }
    println!("operations {operations} {}", begun.elapsed().as_nanos());
    Ok(())
}

fn work(begun: Instant, time: Duration) -> io::Result<u64> {
    let mut operations = 0;
    while begun.elapsed() < time {
        for file in FILES.iter().cycle().take(OPENS_PER_FORK as usize) {
            drop(File::open(file)?);
        }
        fork()?;
        operations += OPENS_PER_FORK + 1;
    }
    Ok(operations)
}

fn fork() -> io::Result<()> {
    // SAFETY: the child does nothing but exit at once, without any of the parent's locks.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: ends this process and runs nothing of the parent's.
        unsafe { libc::_exit(0) };
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the status is not asked for.
    if unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
