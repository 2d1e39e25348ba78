//! What stateful detectors remember.
//!
//! There is one state per key of the detector's reach. Where the recording has a retention, a state that was not used for that
//! long starts anew. What time it is follows from the events that this detector was given, in order: the latest time of all so
//! far. So it does not depend on how events are cut into windows, nor on what other detectors were given.

use std::collections::HashMap;

use detectors_api::detector::{Reach, State};
use detectors_api::event::Event;
use foldhash::fast::RandomState;

/// Sweeps in the time for which unused states are kept.
const SWEEPS: i64 = 8;

/// The states of one detector.
#[derive(Debug, Default)]
pub(crate) struct States {
    kept: HashMap<Key, Kept, RandomState>,
    /// Latest time of the events so far: ns since the Unix epoch.
    now_ns: i64,
    /// When unused states were last dropped.
    swept_ns: i64,
}

/// Which state an event belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// That of all events, or of those without a process or outside of containers.
    Shared,
    Process(u32),
    Container(Box<str>),
}

impl Key {
    fn new(reach: Reach, event: &Event<'_>) -> Self {
        match reach {
            Reach::Global => Self::Shared,
            Reach::PerProcess => event.process().entity_id().map_or(Self::Shared, Self::Process),
            Reach::PerContainer => match event.container().id() {
                "" => Self::Shared,
                id => Self::Container(id.into()),
            },
        }
    }
}

/// A state that is kept from one event to the next.
#[derive(Debug)]
struct Kept {
    state: State,
    /// The time when it was last used.
    used_ns: i64,
}

/// Events that share a state, in order.
#[derive(Debug)]
pub(super) struct Group {
    key: Key,
    kept: Option<Kept>,
    /// Position of each event among all deliveries, and the time then.
    events: Vec<(usize, i64)>,
    retention_ns: Option<i64>,
}

impl States {
    /// Groups deliveries by the state they belong to. The states are out until they are [put back](Self::put_back).
    pub(super) fn take_out<'e>(
        &mut self,
        reach: Reach,
        deliveries: impl Iterator<Item = Event<'e>>,
        retention_ns: Option<u64>,
    ) -> Vec<Group> {
        let retention_ns = retention_ns.map(|ns| i64::try_from(ns).unwrap_or(i64::MAX));
        let mut groups: Vec<Group> = Vec::new();
        let mut group_of: HashMap<Key, usize, RandomState> = HashMap::default();
        for (position, event) in deliveries.enumerate() {
            self.now_ns = self.now_ns.max(event.timestamp_ns().unwrap_or_default());
            let key = Key::new(reach, &event);
            let group = *group_of.entry(key).or_insert_with_key(|key| {
                groups.push(Group {
                    key: key.clone(),
                    kept: self.kept.remove(key),
                    events: Vec::new(),
                    retention_ns,
                });
                groups.len() - 1
            });
            groups[group].events.push((position, self.now_ns));
        }
        groups
    }

    /// Keeps the states of `groups` until the next events, and drops those that would start anew anyhow.
    pub(super) fn put_back(&mut self, groups: Vec<Group>, retention_ns: Option<u64>) {
        let kept = groups
            .into_iter()
            .filter_map(|group| group.kept.map(|kept| (group.key, kept)));
        self.kept.extend(kept);
        let Some(retention) = retention_ns.and_then(|ns| i64::try_from(ns).ok()) else {
            return;
        };
        if self.now_ns.saturating_sub(self.swept_ns) >= retention / SWEEPS {
            self.swept_ns = self.now_ns;
            let now = self.now_ns;
            self.kept.retain(|_, kept| !is_over(kept.used_ns, now, retention));
        }
    }
}

impl Group {
    /// Hands every event's position to `call`, in order, with the state that it left the last time; it gets none if the state
    /// starts anew.
    pub(super) fn run(&mut self, mut call: impl FnMut(usize, &mut Option<State>)) {
        let (mut state, mut used_ns) = match self.kept.take() {
            Some(kept) => (Some(kept.state), kept.used_ns),
            None => (None, 0),
        };
        for (position, now) in &self.events {
            if self
                .retention_ns
                .is_some_and(|retention| is_over(used_ns, *now, retention))
            {
                state = None;
            }
            used_ns = *now;
            call(*position, &mut state);
        }
        self.kept = state.map(|state| Kept { state, used_ns });
    }
}

/// Whether a state that was last used at one time is gone at another.
fn is_over(used_ns: i64, now_ns: i64, retention_ns: i64) -> bool {
    now_ns.saturating_sub(used_ns) > retention_ns
}
