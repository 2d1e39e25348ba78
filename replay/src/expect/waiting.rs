//! Lines of one side that wait for their like on the other.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::RandomState;
use serde_json::Value;

/// Text that may wait on each side, in bytes. What waits longest gives way: it is counted as different, and not shown.
const LIMIT: usize = 64 << 20;

/// A detection, and where it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Number of the line of an expected detection, from 1; sequence number of one that was found.
    pub(super) place: u64,
    /// The JSON, members sorted, without white space.
    pub(super) text: String,
}

impl Line {
    /// `value` has its members sorted.
    pub(super) fn new(place: u64, value: Value) -> Self {
        Self {
            place,
            text: value.to_string(),
        }
    }
}

/// Lines that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By the order of arrival.
    lines: BTreeMap<u64, Line>,
    /// Arrivals of the lines with each digest, first to last. Only for look-ups.
    arrivals: HashMap<blake3::Hash, VecDeque<u64>, RandomState>,
    next: u64,
    bytes: usize,
    /// Lines that gave way.
    pub(super) gone: u64,
}

impl Waiting {
    /// Takes the like of `line` away from this side; if there is none, `line` waits on its own side, `own`. Whether it waits.
    pub(super) fn cancel(&mut self, line: &Line, own: &mut Self) -> bool {
        let digest = blake3::hash(line.text.as_bytes());
        if let Some(arrivals) = self.arrivals.get_mut(&digest)
            && let Some(first) = arrivals.pop_front()
        {
            if arrivals.is_empty() {
                self.arrivals.remove(&digest);
            }
            if let Some(line) = self.lines.remove(&first) {
                self.bytes -= line.text.len();
            }
            return false;
        }
        own.push(digest, line.clone());
        true
    }

    fn push(&mut self, digest: blake3::Hash, line: Line) {
        self.bytes += line.text.len();
        self.arrivals.entry(digest).or_default().push_back(self.next);
        self.lines.insert(self.next, line);
        self.next += 1;
        while self.bytes > LIMIT
            && let Some((_, line)) = self.lines.pop_first()
        {
            self.bytes -= line.text.len();
            self.gone += 1;
            let digest = blake3::hash(line.text.as_bytes());
            if let Some(arrivals) = self.arrivals.get_mut(&digest) {
                // Those before it went before it: it is the first.
                arrivals.pop_front();
                if arrivals.is_empty() {
                    self.arrivals.remove(&digest);
                }
            }
        }
    }

    /// Those that still wait, in order.
    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines.into_values().collect()
    }
}
