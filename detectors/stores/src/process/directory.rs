//! What numbers (entity ids, pids) meant as of an event.

use std::collections::hash_map::Entry;

use foldhash::HashMap;

use super::facts::Index;
use super::timeline::{Head, Timelines};

/// How many bearers of a number are told apart at a time: more would need as many tasks at once whose 32-bit ids collide.
const BEARERS: usize = 8;

/// Numbers and who bears them. Most numbers have one bearer ever, which costs no history.
#[derive(Debug, Default)]
pub(super) struct Directory {
    meanings: HashMap<u32, Packed>,
    shared: Vec<Shared>,
    history: Timelines<Option<Index>>,
}

#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// One bearer, from when it was first known.
    One(Index),
    /// One bearer, from when it was first known until it was forgotten.
    Was(Index),
    /// Place in `shared`.
    Shared(usize),
}

/// A meaning in four bytes: two bits tell which kind, the others a place.
#[derive(Clone, Copy, Debug)]
struct Packed(u32);

impl Packed {
    const KIND: u32 = 30;

    fn unpack(self) -> Meaning {
        let place = (self.0 & ((1 << Self::KIND) - 1)) as usize;
        match self.0 >> Self::KIND {
            0 => Meaning::One(Index::at(place)),
            1 => Meaning::Was(Index::at(place)),
            _ => Meaning::Shared(place),
        }
    }
}

impl From<Meaning> for Packed {
    /// # Panics
    /// Beyond 2³⁰ processes or threads, long after memory has run out.
    fn from(meaning: Meaning) -> Self {
        let (kind, place) = match meaning {
            Meaning::One(index) => (0, index.position()),
            Meaning::Was(index) => (1, index.position()),
            Meaning::Shared(place) => (2, place),
        };
        let place = u32::try_from(place).ok().filter(|place| place >> Self::KIND == 0);
        Self(kind << Self::KIND | place.expect("fewer than 2^30 entries"))
    }
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
    /// Makes room for as many numbers at once.
    pub(super) fn make_room(&mut self, numbers: usize) {
        self.meanings.reserve(numbers);
    }

    fn meaning(&self, number: u32) -> Option<Meaning> {
        Some(self.meanings.get(&number)?.unpack())
    }

    /// Those that can be meant now, the latest last.
    pub(super) fn now(&self, number: u32) -> Bearers<'_> {
        match self.meaning(number) {
            None | Some(Meaning::Was(_)) => Bearers::One(None),
            Some(Meaning::One(index)) => Bearers::One(Some(index)),
            Some(Meaning::Shared(place)) => Bearers::Shared(&self.shared[place].now),
        }
    }

    /// The one that was meant as of event `seq`; it may not have been known by then.
    #[inline]
    pub(super) fn at(&self, number: u32, seq: u64) -> Option<Index> {
        match self.meaning(number)? {
            Meaning::One(index) | Meaning::Was(index) => Some(index),
            Meaning::Shared(place) => {
                let head = self.history.until(self.shared[place].history, seq);
                self.history.get(head)?.value
            }
        }
    }

    /// Those that had been meant by event `seq`, the latest first; not more than can be told apart.
    pub(super) fn before(&self, number: u32, seq: u64) -> impl Iterator<Item = Index> {
        let (one, head) = match self.meaning(number) {
            None => (None, Head::default()),
            Some(Meaning::One(index) | Meaning::Was(index)) => (Some(index), Head::default()),
            Some(Meaning::Shared(place)) => (None, self.shared[place].history),
        };
        let several = self.history.back(self.history.until(head, seq)).take(BEARERS);
        one.into_iter().chain(several.filter_map(|entry| entry.value))
    }

    /// From event `seq` on, `index` is meant. `since` tells when a bearer was first known.
    pub(super) fn add(&mut self, number: u32, seq: u64, index: Index, since: impl Fn(Index) -> u64) {
        if self.begin(number, seq, index, &since) {
            return;
        }
        let (shared, history) = self.share(number, since);
        shared.now.push(index);
        if shared.now.len() > BEARERS {
            shared.now.remove(0);
        }
        history.push(&mut shared.history, seq, Some(index));
    }

    /// From event `seq` on, `index` alone is meant.
    pub(super) fn replace(&mut self, number: u32, seq: u64, index: Index, since: impl Fn(Index) -> u64) {
        if self.begin(number, seq, index, &since) {
            return;
        }
        let (shared, history) = self.share(number, since);
        shared.now.clear();
        shared.now.push(index);
        history.push(&mut shared.history, seq, Some(index));
    }

    /// `index` is meant, if it is known from event `seq` on, and the first that bears the number. Tells whether it is.
    fn begin(&mut self, number: u32, seq: u64, index: Index, since: impl Fn(Index) -> u64) -> bool {
        match self.meanings.entry(number) {
            Entry::Vacant(vacant) if since(index) == seq => {
                vacant.insert(Meaning::One(index).into());
                true
            }
            _ => false,
        }
    }

    /// From event `seq` on, `index` is not meant any more, because it is forgotten.
    pub(super) fn remove(&mut self, number: u32, seq: u64, index: Index) {
        let Some(meaning) = self.meanings.get_mut(&number) else {
            return;
        };
        match meaning.unpack() {
            // When it was forgotten, it knows itself.
            Meaning::One(bearer) if bearer == index => *meaning = Meaning::Was(index).into(),
            Meaning::One(_) | Meaning::Was(_) => {}
            Meaning::Shared(place) => {
                let shared = &mut self.shared[place];
                let latest = shared.now.last().copied();
                shared.now.retain(|bearer| *bearer != index);
                let now = shared.now.last().copied();
                if now != latest {
                    self.history.push(&mut shared.history, seq, now);
                }
            }
        }
    }

    /// What can be meant now, for numbers with several bearers or with one of another number: numbers in order, each with its
    /// bearers, the latest last. `own` tells a bearer's number.
    pub(super) fn others(&self, own: impl Fn(Index) -> u32) -> Vec<(u32, Index)> {
        let mut others = Vec::new();
        for (number, meaning) in &self.meanings {
            match meaning.unpack() {
                Meaning::Was(_) => {}
                Meaning::One(index) if own(index) == *number => {}
                Meaning::One(index) => others.push((*number, index)),
                Meaning::Shared(place) => match self.shared[place].now.as_slice() {
                    [one] if own(*one) == *number => {}
                    bearers => others.extend(bearers.iter().map(|index| (*number, *index))),
                },
            }
        }
        // Stable: bearers of a number stay in order.
        others.sort_by_key(|(number, _)| *number);
        others
    }

    /// Drops what only questions about events before `seq` depend on. `moved` tells the new places of bearers; those without one
    /// are not asked for any more.
    pub(super) fn compact(&mut self, seq: u64, moved: impl Fn(Index) -> Option<Index>) {
        let mut shared = Vec::new();
        let mut kept = Vec::new();
        let shared_by = |(number, meaning): (&u32, &Packed)| match meaning.unpack() {
            Meaning::Shared(_) => Some(*number),
            Meaning::One(_) | Meaning::Was(_) => None,
        };
        let mut several: Vec<_> = self.meanings.iter().filter_map(shared_by).collect();
        // So that what comes of it does not depend on the order of the table.
        several.sort_unstable();
        self.meanings.retain(|_, meaning| {
            let still = match meaning.unpack() {
                Meaning::One(index) => moved(index).map(Meaning::One),
                Meaning::Was(index) => moved(index).map(Meaning::Was),
                shared @ Meaning::Shared(_) => Some(shared),
            };
            still.map(|still| *meaning = still.into()).is_some()
        });
        for number in several {
            let Some(Meaning::Shared(place)) = self.meaning(number) else {
                continue;
            };
            let former = &self.shared[place];
            let now: Vec<_> = former.now.iter().filter_map(|index| moved(*index)).collect();
            let needed: Vec<_> = self
                .history
                .needed(former.history, seq)
                .map(|(head, entry)| (head, entry.seq, entry.value.and_then(&moved)))
                .collect();
            let settled = needed.len() == 1 && needed[0].1 <= seq;
            match (now.as_slice(), needed.as_slice()) {
                ([], [(.., None)]) if settled => {
                    self.meanings.remove(&number);
                }
                ([one], [(.., Some(latest))]) if settled && one == latest => {
                    self.meanings.insert(number, Meaning::One(*one).into());
                }
                _ => {
                    let place = shared.len();
                    kept.extend(needed.into_iter().map(|(head, _, value)| (head, place, value)));
                    self.meanings.insert(number, Meaning::Shared(place).into());
                    shared.push(Shared {
                        now,
                        history: Head::default(),
                    });
                }
            }
        }
        let mut heads = vec![Head::default(); shared.len()];
        self.history = self.history.copy(kept, &mut heads);
        for (shared, head) in shared.iter_mut().zip(heads) {
            shared.history = head;
        }
        self.shared = shared;
        if self.meanings.capacity() / 4 > self.meanings.len() {
            self.meanings.shrink_to_fit();
        }
    }

    /// Number of entries of numbers with several bearers, for which [`compact`](Self::compact) may have nothing to do.
    pub(super) fn shared(&self) -> usize {
        self.shared.len() + self.history.len()
    }

    /// The bearers of a number, as one that can have several.
    fn share(
        &mut self,
        number: u32,
        since: impl Fn(Index) -> u64,
    ) -> (&mut Shared, &mut Timelines<Option<Index>>) {
        let meaning = self.meaning(number);
        let place = match meaning {
            Some(Meaning::Shared(place)) => place,
            _ => {
                let mut shared = Shared::default();
                if let Some(Meaning::One(index) | Meaning::Was(index)) = meaning {
                    self.history.push(&mut shared.history, since(index), Some(index));
                }
                if let Some(Meaning::One(index)) = meaning {
                    shared.now.push(index);
                }
                self.shared.push(shared);
                self.shared.len() - 1
            }
        };
        self.meanings.insert(number, Meaning::Shared(place).into());
        (&mut self.shared[place], &mut self.history)
    }
}

/// Those that a number can mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bearers<'a> {
    One(Option<Index>),
    Shared(&'a [Index]),
}

impl<'a> Bearers<'a> {
    /// The latest of which `holds` is true.
    pub(super) fn latest(self, holds: impl Fn(Index) -> bool) -> Option<Index> {
        match self {
            Self::One(one) => one.filter(|index| holds(*index)),
            Self::Shared(shared) => shared.iter().rev().copied().find(|index| holds(*index)),
        }
    }

    pub(super) fn last(self) -> Option<Index> {
        match self {
            Self::One(one) => one,
            Self::Shared(shared) => shared.last().copied(),
        }
    }

    /// Whether only this one can be meant.
    pub(super) fn are_only(self, index: Index) -> bool {
        match self {
            Self::One(one) => one == Some(index),
            Self::Shared(shared) => shared == [index],
        }
    }
}
