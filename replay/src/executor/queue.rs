//! Row groups in the order in which they begin.

use std::cmp::Reverse;
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
    /// Row groups of the opened files that begin after the stretch, or were not read.
    later: Vec<ScanTask>,
    /// Files that were not opened.
    unopened: Vec<ScanPart>,
}

impl<T> Default for Done<T> {
    fn default() -> Self {
        Self {
            results: Vec::new(),
            gaps: Vec::new(),
            later: Vec::new(),
            unopened: Vec::new(),
        }
    }
}

impl<T> Done<T> {
    /// Takes what came of reading something else.
    pub(crate) fn append(&mut self, other: Self) {
        self.results.extend(other.results);
        self.gaps.extend(other.gaps);
        self.later.extend(other.later);
        self.unopened.extend(other.unopened);
    }
}

impl Queue {
    pub(crate) fn new(mut parts: Vec<ScanPart>) -> Self {
        sort(&mut parts);
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
        if !done.unopened.is_empty() {
            self.parts.append(&mut done.unopened);
            sort(&mut self.parts);
        }
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
            done.append(other);
        }
        Ok(done)
    }

    /// The same on this thread alone as long as it `goes_on`: first what begins first of the files that are open, then file by file.
    /// What is not read comes back.
    pub(crate) fn read_while<T>(
        self,
        goes_on: impl Fn() -> bool,
        read: impl Fn(ScanTask) -> Result<T, Error>,
    ) -> Result<Done<T>, Error> {
        let mut done = Done::default();
        let (mut parts, mut tasks) = (self.parts, self.tasks);
        tasks.sort_by_key(|task| Reverse((task.seq().first, task.event_type())));
        while goes_on() {
            if let Some(task) = tasks.pop() {
                done.results.push(read(task)?);
            } else if let Some(part) = parts.pop() {
                let (mut opened, gap) = open(&part)?;
                done.gaps.extend(gap);
                done.later
                    .extend(opened.extract_if(.., |task| task.seq().first > self.last));
                opened.reverse();
                tasks = opened;
            } else {
                break;
            }
        }
        done.later.extend(tasks);
        done.unopened = parts;
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
        unopened: Vec::new(),
    })
}

/// Last ones first.
fn sort(parts: &mut [ScanPart]) {
    parts.sort_by_key(|part| Reverse((part.seq().first, part.event_type())));
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use capture::{CaptureReader, CaptureWriter, Header, WriterOptions};
    use fixtures::generator::Generator;

    use super::*;

    #[test]
    fn what_there_was_no_time_for_is_read_later() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.tcap");
        let options = WriterOptions {
            segment_rows: 400,
            row_group_rows: 30,
            ..WriterOptions::default()
        };
        let mut writer = CaptureWriter::create(&path, Header::default(), options).expect("a capture");
        for event in Generator::new(3).take(1_200) {
            writer.push(&event);
        }
        writer.finish().expect("finished");
        let reader = CaptureReader::open(&path).expect("own capture");
        let parts = || -> Vec<ScanPart> {
            let types = reader.event_types().into_iter();
            types.flat_map(|name| reader.scan(name).parts()).collect()
        };
        let read = |task: ScanTask| Ok((task.seq().first, task.event_type()));
        let all = Queue::new(parts())
            .due(&(0..=u64::MAX))
            .read_here(read)
            .expect("it is whole");
        for most in [0, 1, 5, 17, usize::MAX] {
            let mut queue = Queue::new(parts());
            let mut found = Vec::new();
            for stretch in [100..=299, 0..=299, 300..=u64::MAX, 0..=u64::MAX, 0..=u64::MAX] {
                let left = Cell::new(most);
                let goes_on = || {
                    let goes_on = left.get() > 0;
                    left.set(left.get().saturating_sub(1));
                    goes_on
                };
                let mut done = queue
                    .due(&stretch)
                    .read_while(goes_on, read)
                    .expect("it is whole");
                queue.put_back(&mut done);
                assert_eq!(done.gaps, []);
                assert!(done.results.len() <= most);
                assert!(done.results.iter().all(|(first, _)| stretch.contains(first)));
                found.append(&mut done.results);
            }
            let rest = queue.due(&(0..=u64::MAX)).read_here(read).expect("it is whole");
            match most {
                0 => assert_eq!(rest.results.len(), all.results.len()),
                1 => assert!(rest.results.len() < all.results.len() && !rest.results.is_empty()),
                usize::MAX => assert_eq!(rest.results, []),
                _ => {}
            }
            found.extend(rest.results);
            assert_eq!(found.len(), all.results.len(), "each once");
            let sets = [&found, &all.results].map(|found| found.iter().collect::<BTreeSet<_>>());
            assert_eq!(sets[0], sets[1]);
        }
    }
}
