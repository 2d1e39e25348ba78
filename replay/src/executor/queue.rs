//! Row groups in the order in which they begin.

use std::ops::RangeInclusive;

use capture::{ScanPart, ScanTask};
use rayon::prelude::*;

use crate::{Error, Gap};

/// What is to be read of several event types: files, opened when their time comes, and row groups of those that are open.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// By first sequence number, last ones first.
    parts: Vec<ScanPart>,
    tasks: Vec<ScanTask>,
}

/// What begins in a stretch.
#[derive(Debug)]
pub(crate) struct Due {
    parts: Vec<ScanPart>,
    tasks: Vec<ScanTask>,
    last: u64,
}

/// What came of reading it.
#[derive(Debug)]
pub(crate) struct Done<T> {
    /// Of every row group, in no particular order.
    pub(crate) results: Vec<T>,
    /// Files that could not be opened.
    pub(crate) gaps: Vec<Gap>,
    /// Row groups of the opened files that begin after the stretch.
    later: Vec<ScanTask>,
}

impl<T> Default for Done<T> {
    fn default() -> Self {
        Self {
            results: Vec::new(),
            gaps: Vec::new(),
            later: Vec::new(),
        }
    }
}

impl Queue {
    pub(crate) fn new(mut parts: Vec<ScanPart>) -> Self {
        parts.sort_by_key(|part| std::cmp::Reverse((part.seq().first, part.event_type())));
        Self {
            parts,
            tasks: Vec::new(),
        }
    }

    /// Files that have not been opened.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &ScanPart> {
        self.parts.iter().rev()
    }

    /// Takes out what begins in `stretch`.
    pub(crate) fn due(&mut self, stretch: &RangeInclusive<u64>) -> Due {
        let end = self
            .parts
            .partition_point(|part| part.seq().first > *stretch.end());
        let begin = self
            .parts
            .partition_point(|part| part.seq().first >= *stretch.start());
        Due {
            parts: self.parts.drain(end..begin.max(end)).collect(),
            tasks: self
                .tasks
                .extract_if(.., |task| stretch.contains(&task.seq().first))
                .collect(),
            last: *stretch.end(),
        }
    }

    /// Takes back what begins later.
    pub(crate) fn put_back<T>(&mut self, done: &mut Done<T>) {
        self.tasks.append(&mut done.later);
    }

    /// Drops what ends before `seq`.
    pub(crate) fn skip_before(&mut self, seq: u64) {
        self.parts.retain(|part| part.seq().last >= seq);
        self.tasks.retain(|task| task.seq().last >= seq);
    }
}

impl Due {
    /// Hands every row group to `read`, on the current rayon pool.
    pub(crate) fn read<T: Send>(
        self,
        read: impl Fn(ScanTask) -> Result<T, Error> + Sync,
    ) -> Result<Done<T>, Error> {
        let opened: Vec<Done<T>> = self
            .parts
            .into_par_iter()
            .map(|part| {
                let (tasks, gap) = open(&part)?;
                read_due(tasks, gap, self.last, &read)
            })
            .collect::<Result<_, Error>>()?;
        let mut done = read_due(self.tasks, None, self.last, &read)?;
        for other in opened {
            done.results.extend(other.results);
            done.gaps.extend(other.gaps);
            done.later.extend(other.later);
        }
        Ok(done)
    }

    /// The same on this thread alone.
    pub(crate) fn read_here<T>(self, read: impl Fn(ScanTask) -> Result<T, Error>) -> Result<Done<T>, Error> {
        let mut done = Done::default();
        let mut tasks = self.tasks;
        for part in &self.parts {
            let (opened, gap) = open(part)?;
            tasks.extend(opened);
            done.gaps.extend(gap);
        }
        for task in tasks {
            if task.seq().first > self.last {
                done.later.push(task);
            } else {
                done.results.push(read(task)?);
            }
        }
        Ok(done)
    }
}

fn read_due<T: Send>(
    tasks: Vec<ScanTask>,
    gap: Option<Gap>,
    last: u64,
    read: &(impl Fn(ScanTask) -> Result<T, Error> + Sync),
) -> Result<Done<T>, Error> {
    let (due, later): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| task.seq().first <= last);
    Ok(Done {
        results: due.into_par_iter().map(read).collect::<Result<_, _>>()?,
        gaps: gap.into_iter().collect(),
        later,
    })
}

fn open(part: &ScanPart) -> Result<(Vec<ScanTask>, Option<Gap>), Error> {
    match part.tasks() {
        Ok(tasks) => Ok((tasks, None)),
        Err(error) => {
            let gap = Gap::of_error(part.event_type(), part.seq(), part.rows(), error)?;
            Ok((Vec::new(), Some(gap)))
        }
    }
}
