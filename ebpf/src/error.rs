//! Why the sensor cannot be loaded or read.

use crate::abi::ParseError;
use crate::kernel::Capability;

/// Why the sensor cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs read the registers of another machine.
    #[error(
        "the live sensor supports x86_64 kernels, this one is {0}; import events recorded by another sensor instead"
    )]
    Machine(String),
    /// Privileges are missing.
    #[error(
        "recording needs {}; run it as root, or give them to the binary: setcap {}+ep $(command -v tracee-cap)",
        names(.0, ", "), names(.0, ",").to_lowercase()
    )]
    Capabilities(Vec<Capability>),
    /// The kernel does not describe its types.
    #[error(
        "this kernel has no /sys/kernel/btf/vmlinux, which the sensor needs: it must be built with CONFIG_DEBUG_INFO_BTF: {0}"
    )]
    Btf(String),
    /// The object was refused.
    #[error("the kernel refuses the sensor's maps: {0}")]
    Object(String),
    /// An event that the sensor cannot give.
    #[error("the live sensor has no event called {0}: tracee-cap doctor lists those that it has")]
    UnknownEvent(String),
    /// A required event cannot be had on this kernel.
    #[error("{event} cannot be recorded on this kernel: {}", .refused.join("; "))]
    Unavailable {
        /// The event.
        event: &'static str,
        /// The hooks that were tried, and what the kernel said.
        refused: Vec<String>,
    },
    /// A part of the object is missing: the build is broken.
    #[error("the sensor's object has no {0}")]
    Missing(&'static str),
    /// A map could not be used.
    #[error("the sensor's {map} map: {reason}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What the kernel says.
        reason: String,
    },
    /// Waiting for records failed.
    #[error("waiting for the ring buffer: {0}")]
    Wait(#[from] nix::Error),
    /// A record is no record.
    #[error(transparent)]
    Record(#[from] ParseError),
}

fn names(capabilities: &[Capability], separator: &str) -> String {
    let names: Vec<_> = capabilities.iter().map(|capability| capability.name()).collect();
    names.join(separator)
}

pub(crate) fn map<M, T: TryFrom<M>>(found: Option<M>, name: &'static str) -> Result<T, Error>
where
    T::Error: std::fmt::Display,
{
    let found = found.ok_or(Error::Missing(name))?;
    T::try_from(found).map_err(|error| map_error(name, &error))
}

pub(crate) fn map_error(map: &'static str, error: &dyn std::fmt::Display) -> Error {
    Error::Map {
        map,
        reason: error.to_string(),
    }
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Many errors already say what caused them.
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    // The verifier's log is switched off.
    match text.strip_suffix(". Verifier output: ") {
        Some(text) => text.to_owned(),
        None => text,
    }
}
