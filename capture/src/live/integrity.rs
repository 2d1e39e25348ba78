//! When is looked whether the kernel still leads where it was made to lead, and what was found until its time comes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use detectors_api::catalogue::catalogue;
use ebpf::Sensor;
use ebpf::abi::{Body, Event, Record};
use ebpf::clock::boot_ns;

/// How long it takes at most until a change is noticed that comes without a module.
const INTERVAL: Duration = Duration::from_secs(60);
/// Events after which is looked at once: rootkits are modules.
const OCCASIONS: [&str; 2] = ["module_load", "do_init_module"];

/// Looks at the beginning, at intervals, and when modules come.
#[derive(Debug)]
pub(super) struct Looks {
    /// When is looked again, whatever happens; never, once looking has failed.
    next: Option<Instant>,
    occasions: [Option<i32>; 2],
    /// What was found, in order of time, ns since boot.
    found: VecDeque<(u64, Event)>,
}

impl Looks {
    pub(super) fn new() -> Self {
        Self {
            next: Some(Instant::now()),
            occasions: OCCASIONS.map(|event| Some(catalogue().get(event)?.internal_id_amd64)),
            found: VecDeque::new(),
        }
    }

    /// Notices records after which is to be looked.
    pub(super) fn follow(&mut self, record: &Record) {
        if let Body::Event(event) = &record.body
            && self.occasions.contains(&Some(event.event))
            && let Some(next) = &mut self.next
        {
            *next = Instant::now();
        }
    }

    /// Looks, if it is time.
    pub(super) fn look(&mut self, sensor: &mut Sensor) -> Result<(), ebpf::Error> {
        let now = Instant::now();
        if self.next.is_some_and(|next| next <= now) {
            self.next = None;
            let events = sensor.check_integrity()?;
            let time = boot_ns();
            self.found.extend(events.into_iter().map(|event| (time, event)));
            self.next = Some(now + INTERVAL);
        }
        Ok(())
    }

    /// The next thing that was found until `time`.
    pub(super) fn until(&mut self, time: u64) -> Option<(u64, Event)> {
        self.found.pop_front_if(|(found, _)| *found <= time)
    }
}
