//! What the recorder gives up once it records.
//!
//! Loading the sensor takes rights that what comes after does not: whoever takes over the recorder, through what it reads, should not
//! get them. Rights belong to threads. So the threads that help are started from one that has given up its own ([`start_with_few`]), and
//! the recording thread gives up its own when all is in place.

use std::io;
use std::thread;

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl::set_no_new_privs;

/// What recording goes on to need, as far as it is there.
const KEPT: [Capability; 5] = [
    // The programs' counters and iterators: some kernels ask for it at each call.
    Capability::CAP_BPF,
    // The executables and the root directories of other users' processes.
    Capability::CAP_SYS_PTRACE,
    // The files in there, which are hashed.
    Capability::CAP_DAC_READ_SEARCH,
    // The capture, in whoever's directory it is, and the sockets of container runtimes.
    Capability::CAP_DAC_OVERRIDE,
    // Where functions of the kernel are.
    Capability::CAP_SYSLOG,
];

/// Gives up the rights that recording does not need: those of the calling thread, and of those that it will start. Programs that they
/// execute do not get them back.
pub(super) fn give_up() -> io::Result<()> {
    let had = caps::read(None, CapSet::Effective).map_err(io::Error::other)?;
    let mut kept: CapsHashSet = KEPT
        .into_iter()
        .filter(|capability| had.contains(capability))
        .collect();
    // It stands for what is not there.
    if !had.contains(&Capability::CAP_BPF) && had.contains(&Capability::CAP_SYS_ADMIN) {
        kept.insert(Capability::CAP_SYS_ADMIN);
    }
    caps::clear(None, CapSet::Ambient).map_err(io::Error::other)?;
    caps::clear(None, CapSet::Inheritable).map_err(io::Error::other)?;
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept).map_err(io::Error::other)?;
    }
    set_no_new_privs()?;
    Ok(())
}

/// What `start` gives, called in a thread that has given up the rights that recording does not need, as have then the threads that it
/// starts.
///
/// # Errors
/// If the thread cannot be started, or the kernel does not take the rights back.
pub fn start_with_few<T: Send>(start: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let helper = thread::Builder::new().spawn_scoped(scope, || give_up().map(|()| start()))?;
        helper
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that starts helpers panicked")))
    })
}
