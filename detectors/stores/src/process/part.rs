//! A part of a keyframe, as one of its own.

use arrow::array::RecordBatch;

use super::keyframe::{CHILD, PROCESS, PROCESS_ID, Piece, THREAD, THREAD_ID};
use crate::rows::{Row, RowsError};

/// New numbers of what is kept, by the old ones.
#[derive(Default)]
struct Numbers {
    new: Vec<Option<u32>>,
    kept: u32,
}

impl Numbers {
    fn push(&mut self, is_kept: bool) {
        self.new.push(is_kept.then_some(self.kept));
        self.kept += u32::from(is_kept);
    }

    fn of(&self, old: Option<u32>) -> Option<u32> {
        *self.new.get(old? as usize)?
    }
}

/// The `kept` rows of a keyframe, by their numbers in increasing order. A parent that is not kept is not known; what is nothing without
/// a process or thread that is not kept is not kept either.
pub(crate) fn part(rows: &RecordBatch, kept: &[u32]) -> Result<RecordBatch, RowsError> {
    let pieces = Piece::from_batch(rows)?;
    let (mut processes, mut threads) = (Numbers::default(), Numbers::default());
    let is_kept = |row: &u32| kept.binary_search(row).is_ok();
    let of_kind = |kind| (0..).zip(&pieces).filter(move |(_, piece)| piece.kind == kind);
    for (row, _) in of_kind(PROCESS) {
        processes.push(is_kept(&row));
    }
    for (row, piece) in of_kind(THREAD) {
        threads.push(is_kept(&row) && processes.of(piece.process).is_some());
    }
    let kept = (0..).zip(&pieces).filter(|(row, _)| is_kept(row));
    let part: Vec<_> = kept
        .filter_map(|(_, piece)| {
            let piece = Piece {
                process: processes.of(piece.process),
                thread: threads.of(piece.thread),
                child: processes.of(piece.child),
                parent: processes.of(piece.parent),
                adopted_by: processes.of(piece.adopted_by),
                ..piece.clone()
            };
            let is_whole = match piece.kind.as_str() {
                THREAD | PROCESS_ID => piece.process.is_some(),
                THREAD_ID => piece.thread.is_some(),
                CHILD => piece.process.is_some() && piece.child.is_some(),
                _ => true,
            };
            is_whole.then_some(piece)
        })
        .collect();
    Ok(Piece::to_batch(&part))
}
