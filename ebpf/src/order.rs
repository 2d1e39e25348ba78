//! Records in order of time, and the losses between them.
//!
//! Records reach the ring buffer nearly in order: a program takes its time stamp microseconds before its record is queued,
//! unless it is preempted in between. So records wait until everything that happened before them must have arrived (the
//! window), and are given out by (time, CPU, lane, number in the lane). One that comes later still is given out at once and
//! counted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::abi::{LANES, Record};

/// Records of one CPU that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The CPU.
    pub cpu: u32,
    /// Time of the last record before, ns since boot.
    pub from: u64,
    /// Time of the first record after, ns since boot.
    pub to: u64,
    /// How many.
    pub count: u64,
}

/// Puts records in order and finds the gaps.
#[derive(Debug)]
pub struct Orderer {
    window: u64,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// By CPU and lane.
    lanes: BTreeMap<(u32, u16), Lane>,
    released: u64,
    late: u64,
    /// Time at which the recording began, for losses before the first record.
    start: u64,
}

#[derive(Debug)]
struct Waiting {
    key: (u64, u32, u16, u64),
    record: Record,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// What has been seen of a lane of a CPU.
#[derive(Debug, Default)]
struct Lane {
    /// Number after the highest seen.
    next: u64,
    /// Time of the record with the highest number.
    last: u64,
    /// Numbers that are missing: first → (after the last, time before, time after).
    gaps: BTreeMap<u64, (u64, u64, u64)>,
}

impl Lane {
    fn see(&mut self, seq: u64, time: u64, start: u64) {
        let before = if self.next == 0 { start } else { self.last };
        if seq >= self.next {
            if seq > self.next {
                self.gaps.insert(self.next, (seq, before, time));
            }
            self.next = seq.saturating_add(1);
            self.last = time;
            return;
        }
        // It was overtaken: it fills a part of a gap.
        let Some((&first, &(end, from, to))) = self.gaps.range(..=seq).next_back() else {
            return;
        };
        if seq >= end {
            return;
        }
        self.gaps.remove(&first);
        if first < seq {
            self.gaps.insert(first, (seq, from, to));
        }
        if seq + 1 < end {
            self.gaps.insert(seq + 1, (end, from, to));
        }
    }
}

impl Orderer {
    /// An orderer that makes records wait for `window` ns; the recording began at `start`, ns since boot.
    #[must_use]
    pub fn new(window: u64, start: u64) -> Self {
        Self {
            window,
            waiting: BinaryHeap::new(),
            lanes: BTreeMap::new(),
            released: 0,
            late: 0,
            start,
        }
    }

    /// Takes a record.
    pub fn push(&mut self, record: Record) {
        let head = &record.head;
        self.lanes
            .entry((head.cpu, head.lane))
            .or_default()
            .see(head.seq, head.time, self.start);
        if head.time < self.released {
            self.late += 1;
        }
        self.waiting.push(Reverse(Waiting {
            key: (head.time, head.cpu, head.lane, head.seq),
            record,
        }));
    }

    /// The next record in order, if everything up to `horizon` (ns since boot) has been pushed.
    pub fn pop(&mut self, horizon: u64) -> Option<Record> {
        let Reverse(first) = self.waiting.peek()?;
        if first.key.0.saturating_add(self.window) > horizon {
            return None;
        }
        self.pop_any()
    }

    /// The next record in order, when nothing more will come.
    pub fn pop_any(&mut self) -> Option<Record> {
        let Reverse(first) = self.waiting.pop()?;
        self.released = self.released.max(first.key.0);
        Some(first.record)
    }

    /// Losses that nothing pushed after `horizon` can undo, in order of CPU, lane and number.
    pub fn losses(&mut self, horizon: u64) -> Vec<Loss> {
        let window = self.window;
        let mut losses = Vec::new();
        for (&(cpu, _), seen) in &mut self.lanes {
            seen.gaps.retain(|first, (end, from, to)| {
                let open = to.saturating_add(window) > horizon;
                if !open {
                    losses.push(Loss {
                        cpu,
                        from: *from,
                        to: *to,
                        count: *end - *first,
                    });
                }
                open
            });
        }
        losses
    }

    /// All losses, when nothing more will come: `produced` is the number of records that each CPU made in its lanes, `end` the time
    /// of the end, ns since boot.
    pub fn finish(&mut self, produced: &[[u64; LANES]], end: u64) -> Vec<Loss> {
        let lanes = (0..).zip(produced).flat_map(|(cpu, lanes)| {
            (0..)
                .zip(lanes)
                .map(move |(lane, produced)| ((cpu, lane), produced))
        });
        for (lane, produced) in lanes {
            let seen = self.lanes.entry(lane).or_default();
            if *produced > seen.next {
                let from = if seen.next == 0 { self.start } else { seen.last };
                seen.gaps.insert(seen.next, (*produced, from, end));
                seen.next = *produced;
            }
        }
        self.losses(u64::MAX)
    }

    /// Records that came after one that happened later had been given out.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Records that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::abi::parse;

    fn record(time: u64, cpu: u32, seq: u64) -> Record {
        let mut bytes = vec![0_u8; 144];
        bytes[..4].copy_from_slice(&144_u32.to_ne_bytes());
        bytes[4..6].copy_from_slice(&8_u16.to_ne_bytes());
        bytes[6..8].copy_from_slice(&crate::abi::VERSION.to_ne_bytes());
        bytes[8..16].copy_from_slice(&seq.to_ne_bytes());
        bytes[16..24].copy_from_slice(&time.to_ne_bytes());
        bytes[56..60].copy_from_slice(&cpu.to_ne_bytes());
        parse(&bytes).unwrap()
    }

    #[test]
    fn records_of_two_cpus_are_merged_and_wait() {
        let mut orderer = Orderer::new(10, 0);
        orderer.push(record(30, 0, 0));
        orderer.push(record(20, 1, 0));
        assert!(orderer.pop(29).is_none());
        assert_eq!(orderer.pop(30).unwrap().head.time, 20);
        assert!(orderer.pop(39).is_none());
        assert_eq!(orderer.pop(40).unwrap().head.time, 30);
        orderer.push(record(25, 1, 1));
        assert_eq!(orderer.late(), 1);
        assert_eq!(orderer.pop(40).unwrap().head.time, 25);
    }

    #[test]
    fn gaps_are_placed_between_their_neighbours() {
        let mut orderer = Orderer::new(10, 5);
        orderer.push(record(20, 0, 2));
        orderer.push(record(30, 0, 5));
        // Overtaken, not lost.
        orderer.push(record(29, 0, 4));
        assert_eq!(orderer.losses(20), []);
        let loss = |cpu, from, to, count| Loss { cpu, from, to, count };
        assert_eq!(orderer.losses(35), [loss(0, 5, 20, 2)]);
        assert_eq!(
            orderer.finish(&[[8, 0, 0, 0], [0, 3, 0, 0]], 50),
            [loss(0, 20, 30, 1), loss(0, 30, 50, 2), loss(1, 5, 50, 3)]
        );
        assert_eq!(orderer.finish(&[[8, 0, 0, 0], [0, 3, 0, 0]], 50), []);
    }

    proptest! {
        /// Whatever is lost and however records overtake each other: what was made is what arrived and what was lost.
        #[test]
        fn made_is_arrived_and_lost(arrive in proptest::collection::vec(any::<(bool, u8)>(), 1..200)) {
            let mut numbered: Vec<_> = (0_u64..).zip(&arrive).filter(|(_, (arrives, _))| *arrives).collect();
            // Each record is held up by at most 4 places.
            numbered.sort_by_key(|(seq, (_, delay))| seq + u64::from(delay % 5));
            let mut orderer = Orderer::new(1000, 0);
            let mut lost = 0;
            for (seq, _) in &numbered {
                orderer.push(record(seq * 1000, 0, *seq));
                lost += orderer.losses(seq.saturating_sub(4) * 1000).iter().map(|loss| loss.count).sum::<u64>();
            }
            lost += orderer.finish(&[[arrive.len() as u64, 0, 0, 0]], u64::MAX).iter().map(|loss| loss.count).sum::<u64>();
            prop_assert_eq!(numbered.len() as u64 + lost, arrive.len() as u64);
            let times: Vec<_> = std::iter::from_fn(|| orderer.pop_any()).map(|record| record.head.time).collect();
            prop_assert!(times.is_sorted());
        }
    }
}
