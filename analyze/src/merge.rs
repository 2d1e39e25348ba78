//! Rows of several event types in the order of their sequence numbers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};

/// Rows with the sequence number of each.
pub(crate) type Numbered = (Vec<u64>, RecordBatch);

/// Rows of a merged batch.
const BATCH: usize = 8192;

/// Merges sources whose numbers grow. After an error there are no more rows.
pub(crate) struct Merge<I> {
    schema: SchemaRef,
    sources: Vec<Cursor<I>>,
    /// The next number of each source, and the source.
    next: BinaryHeap<Reverse<(u64, usize)>>,
    started: bool,
}

struct Cursor<I> {
    batches: I,
    seqs: Vec<u64>,
    row: usize,
}

impl<I: Iterator<Item = Result<Numbered>>> Merge<I> {
    pub(crate) fn new(schema: SchemaRef, sources: impl IntoIterator<Item = I>) -> Self {
        Self {
            schema,
            sources: sources
                .into_iter()
                .map(|batches| Cursor {
                    batches,
                    seqs: Vec::new(),
                    row: 0,
                })
                .collect(),
            next: BinaryHeap::new(),
            started: false,
        }
    }

    fn read(&mut self, held: &mut Held) -> Result<Option<RecordBatch>> {
        if !self.started {
            self.started = true;
            for source in 0..self.sources.len() {
                self.advance(source, held)?;
            }
        }
        let mut picked = Vec::with_capacity(BATCH);
        while picked.len() < BATCH
            && let Some(Reverse((_, source))) = self.next.pop()
        {
            // As long as no other source comes first, rows need no heap.
            let limit = self.next.peek().map_or(u64::MAX, |Reverse((seq, _))| *seq);
            let cursor = &mut self.sources[source];
            while picked.len() < BATCH
                && let Some(seq) = cursor.seqs.get(cursor.row)
                && (*seq <= limit)
            {
                picked.push((held.slot(source), cursor.row));
                cursor.row += 1;
            }
            self.advance(source, held)?;
        }
        if picked.is_empty() {
            return Ok(None);
        }
        let batches: Vec<_> = held.batches.iter().collect();
        let merged = if self.schema.fields().is_empty() {
            RecordBatch::try_new_with_options(
                Arc::clone(&self.schema),
                Vec::new(),
                &RecordBatchOptions::new().with_row_count(Some(picked.len())),
            )
        } else {
            interleave_record_batch(&batches, &picked)
        };
        merged
            .map(Some)
            .map_err(|error| DataFusionError::ArrowError(Box::new(error), None))
    }

    /// Puts a source back in line, with a new batch if it has used up its last one.
    fn advance(&mut self, source: usize, held: &mut Held) -> Result<()> {
        let cursor = &mut self.sources[source];
        while cursor.row == cursor.seqs.len() {
            let Some(batch) = cursor.batches.next() else {
                return Ok(());
            };
            let (seqs, rows) = batch?;
            (cursor.seqs, cursor.row) = (seqs, 0);
            held.put(source, rows);
        }
        self.next.push(Reverse((cursor.seqs[cursor.row], source)));
        Ok(())
    }

    /// The merged batches.
    pub(crate) fn batches(mut self) -> impl Iterator<Item = Result<RecordBatch>> {
        let mut held = Held::default();
        std::iter::from_fn(move || {
            held.compact();
            let batch = self.read(&mut held);
            if batch.is_err() {
                self.next.clear();
            }
            batch.transpose()
        })
    }
}

/// The batches that rows are picked from, and which one each source is at.
#[derive(Default)]
struct Held {
    batches: Vec<RecordBatch>,
    slots: Vec<Option<usize>>,
}

impl Held {
    fn slot(&self, source: usize) -> usize {
        self.slots[source].unwrap_or_default()
    }

    fn put(&mut self, source: usize, rows: RecordBatch) {
        if self.slots.len() <= source {
            self.slots.resize(source + 1, None);
        }
        self.slots[source] = Some(self.batches.len());
        self.batches.push(rows);
    }

    /// Lets go of batches that no source is at.
    fn compact(&mut self) {
        let current: Vec<_> = self
            .slots
            .iter_mut()
            .filter_map(|slot| {
                let index = (*slot)?;
                Some((slot, self.batches[index].clone()))
            })
            .collect();
        let mut batches = Vec::with_capacity(current.len());
        for (slot, batch) in current {
            *slot = Some(batches.len());
            batches.push(batch);
        }
        self.batches = batches;
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, UInt64Array};
    use arrow::datatypes::{DataType, Field, Schema, UInt64Type};

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("seq", DataType::UInt64, false)]))
    }

    fn batch(seqs: &[u64]) -> Result<Numbered> {
        let rows = RecordBatch::try_new(schema(), vec![Arc::new(UInt64Array::from(seqs.to_vec()))])?;
        Ok((seqs.to_vec(), rows))
    }

    /// Sources in batches of `size`; number `n` goes to source `n * n % 5`.
    fn sources(numbers: u64, size: usize) -> Vec<Vec<Vec<u64>>> {
        (0..5)
            .map(|source| {
                let own: Vec<_> = (0..numbers)
                    .filter(|number| number * number % 5 == source)
                    .collect();
                own.chunks(size).map(<[u64]>::to_vec).collect()
            })
            .collect()
    }

    fn merged(numbers: u64, size: usize) -> Vec<u64> {
        let sources = sources(numbers, size)
            .into_iter()
            .map(|batches| batches.into_iter().map(|seqs| batch(&seqs)));
        Merge::new(schema(), sources)
            .batches()
            .flat_map(|batch| {
                let batch = batch.expect("sources do not fail");
                assert!(batch.num_rows() <= BATCH);
                batch.column(0).as_primitive::<UInt64Type>().values().to_vec()
            })
            .collect()
    }

    #[test]
    fn all_rows_come_in_order_however_they_are_cut() {
        let numbers = 2 * BATCH as u64 + 7;
        for size in [1, 3, 1000, 50_000] {
            assert!(
                merged(numbers, size).into_iter().eq(0..numbers),
                "batches of {size}"
            );
        }
        assert!(merged(0, 1).is_empty());
    }

    #[test]
    fn an_error_ends_it() {
        let failing = vec![
            batch(&[1, 2]),
            Err(DataFusionError::Execution("torn".to_owned())),
            batch(&[9]),
        ];
        let results: Vec<_> = Merge::new(schema(), [failing.into_iter()]).batches().collect();
        assert_eq!(results.len(), 1);
        assert!(results[0].is_err());
    }
}
