//! Signals that end the process: temporary captures go away with it, and a run may be told to come to its end.
//!
//! They are waited for on one thread. Threads that are started later leave them to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;

use anyhow::Context;
use nix::sys::signal::{SigHandler, SigSet, Signal, raise, signal};

use crate::exit::{Exit, Failure};

/// Signals that end the process and leave it time to clear up.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Files may be made while the directory is being removed.
const ATTEMPTS: usize = 10;

/// What to do before the process ends.
struct Duties {
    /// To be removed.
    directories: Vec<PathBuf>,
    /// Raised by the first Ctrl-C, which then does not end the process.
    interrupt: Option<Arc<AtomicBool>>,
}

static DUTIES: Mutex<Duties> = Mutex::new(Duties {
    directories: Vec::new(),
    interrupt: None,
});

/// Has the directory removed if a signal ends the process.
pub(crate) fn remove_at_end(directory: &Path) -> Result<(), Failure> {
    duties(|duties| duties.directories.push(directory.to_owned()));
    watch()
}

/// A flag that is raised by the first Ctrl-C: the run stops soon, and says how far it came. The second one ends the process.
pub(crate) fn interrupt_flag() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    duties(|duties| duties.interrupt = Some(Arc::clone(&flag)));
    watch()?;
    Ok(flag)
}

fn duties<T>(with: impl FnOnce(&mut Duties) -> T) -> T {
    // A panic while the lock was held left the lists as they were.
    with(&mut DUTIES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Begins to wait for signals, once.
fn watch() -> Result<(), Failure> {
    static WATCH: Once = Once::new();
    let mut started = Ok(());
    WATCH.call_once(|| {
        // What is ignored, as by `nohup`, stays ignored.
        let signals: SigSet = SIGNALS
            .into_iter()
            .filter(|signal| !is_ignored(*signal))
            .collect();
        started = signals
            .thread_block()
            .map_err(anyhow::Error::from)
            .and_then(|()| {
                let thread = thread::Builder::new().name("signals".to_owned());
                Ok(thread.spawn(move || wait(&signals))?)
            })
            .map(drop);
    });
    started
        .context("cannot wait for signals")
        .map_err(Failure::environment)
}

fn wait(signals: &SigSet) {
    while let Ok(received) = signals.wait() {
        let interrupt = duties(|duties| duties.interrupt.clone()).filter(|_| received == Signal::SIGINT);
        if let Some(flag) = &interrupt
            && !flag.swap(true, Ordering::Relaxed)
        {
            continue;
        }
        duties(|duties| duties.directories.iter().for_each(|directory| remove(directory)));
        if interrupt.is_some() {
            std::process::exit(Exit::Interrupted as i32);
        }
        // The process ends as if nobody had caught the signal.
        // SAFETY: the default action is no function of ours.
        let _ = unsafe { signal(received, SigHandler::SigDfl) };
        let _ = signals.thread_unblock();
        let _ = raise(received);
    }
}

fn is_ignored(signal: Signal) -> bool {
    // SAFETY: without a new action, the call only writes the structure it is given.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(signal as libc::c_int, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

fn remove(directory: &Path) {
    for _ in 0..ATTEMPTS {
        if fs::remove_dir_all(directory).is_ok() || !directory.exists() {
            return;
        }
    }
}
