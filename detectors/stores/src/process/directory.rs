//! What numbers (entity ids, pids) meant as of an event.

use foldhash::HashMap;

use super::facts::Index;
use super::timeline::{Head, Timelines};

/// How many bearers of a number are told apart at a time: more would need as many tasks at once whose 32-bit ids collide.
const BEARERS: usize = 8;

/// Numbers and who bears them. Most numbers have one bearer ever, which costs no history.
#[derive(Debug, Default)]
pub(super) struct Directory {
    meanings: HashMap<u32, Meaning>,
    shared: Vec<Shared>,
    history: Timelines<Option<Index>>,
}

#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// One bearer, from when it was first known.
    One(Index),
    /// Place in `shared`.
    Shared(u32),
}

/// A number that had several bearers, or one only for some time.
#[derive(Debug, Default)]
struct Shared {
    /// Those that can be meant now, the latest last.
    now: Vec<Index>,
    /// Which one was the latest.
    history: Head,
}

impl Directory {
    /// Those that can be meant now, the latest last.
    pub(super) fn now(&self, number: u32) -> &[Index] {
        match self.meanings.get(&number) {
            None => &[],
            Some(Meaning::One(index)) => std::slice::from_ref(index),
            Some(Meaning::Shared(shared)) => &self.shared[*shared as usize].now,
        }
    }

    /// The one that was meant as of event `seq`, if it was known by then.
    #[inline]
    pub(super) fn at(&self, number: u32, seq: u64) -> Option<Index> {
        match self.meanings.get(&number)? {
            Meaning::One(index) => Some(*index),
            Meaning::Shared(shared) => {
                let head = self.history.until(self.shared[*shared as usize].history, seq);
                self.history.get(head)?.value
            }
        }
    }

    /// Those that had been meant by event `seq`, the latest first; not more than can be told apart.
    pub(super) fn before(&self, number: u32, seq: u64) -> impl Iterator<Item = Index> {
        let (one, head) = match self.meanings.get(&number) {
            None => (None, Head::default()),
            Some(Meaning::One(index)) => (Some(*index), Head::default()),
            Some(Meaning::Shared(shared)) => (None, self.shared[*shared as usize].history),
        };
        let several = self.history.back(self.history.until(head, seq)).take(BEARERS);
        one.into_iter().chain(several.filter_map(|entry| entry.value))
    }

    /// From event `seq` on, `index` is meant. `since` tells when a bearer was first known.
    pub(super) fn add(&mut self, number: u32, seq: u64, index: Index, since: impl Fn(Index) -> u64) {
        if !self.meanings.contains_key(&number) && since(index) == seq {
            self.meanings.insert(number, Meaning::One(index));
            return;
        }
        let shared = self.share(number, since);
        shared.0.now.push(index);
        if shared.0.now.len() > BEARERS {
            shared.0.now.remove(0);
        }
        shared.1.push(&mut shared.0.history, seq, Some(index));
    }

    /// From event `seq` on, `index` alone is meant.
    pub(super) fn replace(&mut self, number: u32, seq: u64, index: Index, since: impl Fn(Index) -> u64) {
        if let Some(Meaning::Shared(shared)) = self.meanings.get(&number) {
            self.shared[*shared as usize].now.clear();
        } else if self.meanings.contains_key(&number) {
            self.share(number, &since).0.now.clear();
        }
        self.add(number, seq, index, since);
    }

    /// From event `seq` on, `index` is not meant any more.
    pub(super) fn remove(&mut self, number: u32, seq: u64, index: Index, since: impl Fn(Index) -> u64) {
        if !self.now(number).contains(&index) {
            return;
        }
        let (shared, history) = self.share(number, since);
        let latest = shared.now.last().copied();
        shared.now.retain(|bearer| *bearer != index);
        let now = shared.now.last().copied();
        if now != latest {
            history.push(&mut shared.history, seq, now);
        }
    }

    /// All numbers that ever meant something, in order.
    fn numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<_> = self.meanings.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// What can be meant now: numbers in order, each with its bearers, the latest last.
    pub(super) fn list(&self) -> Vec<(u32, &[Index])> {
        let bearers = self
            .numbers()
            .into_iter()
            .map(|number| (number, self.now(number)));
        bearers.filter(|(_, bearers)| !bearers.is_empty()).collect()
    }

    /// A copy with what questions about event `seq` and later ones depend on. `moved` tells the new places of bearers; those
    /// without one are not asked for any more.
    pub(super) fn compacted(&self, seq: u64, moved: impl Fn(Index) -> Option<Index>) -> Self {
        let mut copy = Self::default();
        let mut kept = Vec::new();
        for number in self.numbers() {
            let shared = match &self.meanings[&number] {
                Meaning::One(index) => {
                    copy.meanings
                        .extend(moved(*index).map(|index| (number, Meaning::One(index))));
                    continue;
                }
                Meaning::Shared(shared) => &self.shared[*shared as usize],
            };
            let now: Vec<_> = shared.now.iter().filter_map(|index| moved(*index)).collect();
            let needed: Vec<_> = self
                .history
                .needed(shared.history, seq)
                .map(|(head, entry)| (head, entry.seq, entry.value.and_then(&moved)))
                .collect();
            let settled = needed.len() == 1 && needed[0].1 <= seq;
            match (now.as_slice(), needed.as_slice()) {
                ([], [(.., None)]) if settled => {}
                ([one], [(.., Some(latest))]) if settled && one == latest => {
                    copy.meanings.insert(number, Meaning::One(*one));
                }
                _ => {
                    let place = copy.shared.len();
                    kept.extend(needed.into_iter().map(|(head, _, value)| (head, place, value)));
                    copy.meanings.insert(number, Meaning::shared(place));
                    copy.shared.push(Shared {
                        now,
                        history: Head::default(),
                    });
                }
            }
        }
        let mut heads = vec![Head::default(); copy.shared.len()];
        copy.history = self.history.copy(kept, &mut heads);
        for (shared, head) in copy.shared.iter_mut().zip(heads) {
            shared.history = head;
        }
        copy
    }

    /// The bearers of a number, as one that can have several.
    fn share(
        &mut self,
        number: u32,
        since: impl Fn(Index) -> u64,
    ) -> (&mut Shared, &mut Timelines<Option<Index>>) {
        let place = match self.meanings.get(&number) {
            Some(Meaning::Shared(shared)) => *shared as usize,
            meaning => {
                let mut shared = Shared::default();
                if let Some(Meaning::One(index)) = meaning {
                    shared.now.push(*index);
                    self.history
                        .push(&mut shared.history, since(*index), Some(*index));
                }
                let place = self.shared.len();
                self.shared.push(shared);
                self.meanings.insert(number, Meaning::shared(place));
                place
            }
        };
        (&mut self.shared[place], &mut self.history)
    }
}

impl Meaning {
    /// # Panics
    /// Beyond 2³² numbers: there are no more.
    fn shared(place: usize) -> Self {
        Self::Shared(u32::try_from(place).expect("there are 2^32 numbers"))
    }
}
