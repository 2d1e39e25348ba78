//! Ctrl-C: the run stops soon, and says how far it came.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use nix::sys::signal::{SigSet, Signal};

use crate::exit::{Exit, Failure};

/// A flag that is raised by the first Ctrl-C. The second one ends the process at once.
///
/// Threads that are started later leave the signal to the one that waits for it here.
pub(super) fn flag() -> Result<Arc<AtomicBool>, Failure> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals
        .thread_block()
        .context("cannot wait for Ctrl-C")
        .map_err(Failure::environment)?;
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            while signals.wait().is_ok() {
                if raised.swap(true, Ordering::Relaxed) {
                    std::process::exit(Exit::Interrupted as i32);
                }
            }
        })
        .context("cannot wait for Ctrl-C")
        .map_err(Failure::environment)?;
    Ok(flag)
}
