//! From the kernel's boot-time clock to the wall clock.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every kernel that runs this.
    clock_gettime(clock)
        .map(|time| Duration::from(time).as_nanos() as u64)
        .unwrap_or_default()
}

/// ns since boot, time asleep included: the clock of all records.
#[must_use]
pub fn boot_ns() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// What is added to a time since boot to get a time since the Unix epoch, ns.
///
/// It is sampled once for a recording: later steps of the wall clock must not turn the order of events around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootOffset {
    ns: u64,
    uncertainty_ns: u64,
}

impl BootOffset {
    /// An offset of `ns`, taken as exact.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self {
            ns,
            uncertainty_ns: 0,
        }
    }

    /// Reads both clocks; the best of several tries, so that being preempted in between does not count.
    #[must_use]
    pub fn sample() -> Self {
        let read_both = || {
            let before = boot_ns();
            let wall = read(ClockId::CLOCK_REALTIME);
            let width = boot_ns() - before;
            Self {
                ns: wall.wrapping_sub(before + width / 2),
                uncertainty_ns: width.div_ceil(2),
            }
        };
        (0..16)
            .map(|_| read_both())
            .min_by_key(|offset| offset.uncertainty_ns)
            .unwrap_or_else(read_both)
    }

    /// The offset, ns.
    #[must_use]
    pub const fn ns(self) -> u64 {
        self.ns
    }

    /// By how much the offset can be wrong, ns.
    #[must_use]
    pub const fn uncertainty_ns(self) -> u64 {
        self.uncertainty_ns
    }

    /// Time since the Unix epoch, ns, of a time since boot, ns.
    #[must_use]
    pub const fn epoch(self, boot_ns: u64) -> u64 {
        self.ns.wrapping_add(boot_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_of_now_is_now() {
        let offset = BootOffset::sample();
        let wall = read(ClockId::CLOCK_REALTIME);
        assert!(offset.epoch(boot_ns()).abs_diff(wall) < 50_000_000);
    }
}
