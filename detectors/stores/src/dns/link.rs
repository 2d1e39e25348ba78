//! A record that leads from one node to another, and when it was seen.

use smallvec::SmallVec;

use super::graph::{Ends, NodeId, TypeId};
use super::record::RecordType;

/// A record: what leads from one node to another.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) from: NodeId,
    pub(super) record_type: RecordType,
    pub(super) to: NodeId,
    /// When it was seen, by sequence number; never empty. Most were seen once, or are known as if they had been.
    sightings: SmallVec<[Sighting; 1]>,
}

/// A response with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) seq: u64,
    /// It holds from here …
    pub(super) from: i64,
    /// … to here, inclusive: ns since the Unix epoch.
    pub(super) until: i64,
    /// Seconds.
    pub(super) ttl: u32,
    pub(super) question: NodeId,
    pub(super) question_type: TypeId,
    /// The one that holds longest, of all up to this one.
    longest: u32,
}

impl Sighting {
    pub(super) fn new(
        seq: u64,
        from: i64,
        until: i64,
        ttl: u32,
        question: NodeId,
        question_type: TypeId,
    ) -> Self {
        Self {
            seq,
            from,
            until,
            ttl,
            question,
            question_type,
            longest: 0,
        }
    }

    fn holds(&self, now: i64) -> bool {
        self.from <= now && now <= self.until
    }
}

impl Link {
    pub(super) fn new((from, record_type, to): Ends, sighting: Sighting) -> Self {
        let mut link = Self {
            from,
            record_type,
            to,
            sightings: SmallVec::new(),
        };
        link.see(sighting);
        link
    }

    /// The link without what ended before `floor`, with nodes that have other numbers; `None` if nothing is left of it.
    pub(super) fn moved(&self, floor: i64, moved: impl Fn(NodeId) -> Option<NodeId>) -> Option<Self> {
        let ends = (moved(self.from)?, self.record_type, moved(self.to)?);
        let mut kept = self.sightings.iter().filter_map(|sighting| {
            let question = moved(sighting.question)?;
            (sighting.until >= floor).then_some(Sighting {
                question,
                ..*sighting
            })
        });
        let mut link = Self::new(ends, kept.next()?);
        kept.for_each(|sighting| link.see(sighting));
        Some(link)
    }

    pub(super) fn ends(&self) -> Ends {
        (self.from, self.record_type, self.to)
    }

    pub(super) fn since(&self) -> u64 {
        self.sightings[0].seq
    }

    /// The last moment at which it holds: ns since the Unix epoch.
    pub(super) fn until(&self) -> i64 {
        self.sightings[self.latest().longest as usize].until
    }

    pub(super) fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// The last sighting.
    pub(super) fn latest(&self) -> &Sighting {
        &self.sightings[self.sightings.len() - 1]
    }

    /// A sighting as of event `seq` by which it holds at `now`; the latest, or the longest, if several do.
    pub(super) fn holds(&self, seq: u64, now: i64) -> Option<&Sighting> {
        let known = self.sightings.partition_point(|sighting| sighting.seq <= seq);
        let latest = self.sightings[..known].last()?;
        let longest = &self.sightings[latest.longest as usize];
        if let Some(found) = [latest, longest].into_iter().find(|sighting| sighting.holds(now)) {
            return Some(found);
        }
        // Timestamps went back, or the question is about the past.
        self.sightings[..known]
            .iter()
            .rev()
            .take_while(|sighting| self.sightings[sighting.longest as usize].until >= now)
            .find(|sighting| sighting.holds(now))
    }

    /// The link as questions about later events know it.
    pub(super) fn merged(&self) -> Self {
        let mut merged = self.clone();
        merged.merge(u64::MAX);
        merged
    }

    pub(super) fn see(&mut self, mut sighting: Sighting) {
        let place = u32::try_from(self.sightings.len()).expect("fewer than 2^32 sightings");
        let before = self.sightings.last().map(|last| last.longest);
        sighting.longest = before
            .filter(|longest| self.sightings[*longest as usize].until > sighting.until)
            .unwrap_or(place);
        self.sightings.push(sighting);
    }

    /// Makes one of sightings before `seq` whose times overlap: later questions know all of them.
    pub(super) fn merge(&mut self, seq: u64) {
        let after = self.sightings.partition_point(|sighting| sighting.seq < seq);
        if after < 2 {
            return;
        }
        let mut earlier = std::mem::take(&mut self.sightings);
        let later: SmallVec<[Sighting; 1]> = earlier.drain(after..).collect();
        earlier.sort_by_key(|sighting| (sighting.from, sighting.seq));
        earlier.dedup_by(|next, kept| {
            let overlaps = next.from <= kept.until;
            if overlaps && next.until > kept.until {
                *kept = Sighting {
                    seq: kept.seq,
                    from: kept.from,
                    ..*next
                };
            }
            overlaps
        });
        for sighting in earlier.into_iter().chain(later) {
            self.see(sighting);
        }
    }
}
