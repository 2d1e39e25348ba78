//! A table that grows without being moved.
//!
//! Most of a recording's memory are a few large tables. A vector that grows copies all that it has, and needs room for both. Here, rows
//! lie in chunks, which stay where they are.

use std::ops::{Index, IndexMut};

/// Rows of a full chunk: a power of two.
const CHUNK: usize = 1 << 12;

/// Rows in the order in which they were added, by their positions.
#[derive(Debug)]
pub(super) struct Chunked<T> {
    /// All but the last are full. None is empty.
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Chunked<T> {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        full + self.chunks.last().map_or(0, Vec::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    #[inline]
    pub(super) fn get(&self, position: usize) -> Option<&T> {
        self.chunks.get(position / CHUNK)?.get(position % CHUNK)
    }

    pub(super) fn push(&mut self, row: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(row),
            last => {
                // Most tables of small recordings never have as many rows as a chunk.
                let room = if last.is_some() { CHUNK } else { 0 };
                let mut chunk = Vec::with_capacity(room);
                chunk.push(row);
                self.chunks.push(chunk);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }

    /// Drops the rows of which `is_kept` is not true, asked in order, and moves the others together.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&T) -> bool) {
        let chunks = std::mem::take(&mut self.chunks);
        // A chunk at a time, so that there is never much more than what was there.
        for chunk in chunks {
            for row in chunk {
                if is_kept(&row) {
                    self.push(row);
                }
            }
        }
    }
}

impl<T> Index<usize> for Chunked<T> {
    type Output = T;

    #[inline]
    fn index(&self, position: usize) -> &T {
        &self.chunks[position / CHUNK][position % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunked<T> {
    #[inline]
    fn index_mut(&mut self, position: usize) -> &mut T {
        &mut self.chunks[position / CHUNK][position % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_their_positions_however_many_there_are() {
        let mut table = Chunked::default();
        assert!(table.is_empty() && table.get(0).is_none());
        let many = 2 * CHUNK + 5;
        for row in 0..many {
            assert_eq!(table.len(), row);
            table.push(row);
        }
        assert_eq!(table.len(), many);
        assert!((0..many).all(|row| table[row] == row && table.get(row) == Some(&row)));
        assert!(table.get(many).is_none() && table.get(usize::MAX).is_none());
        assert!(table.iter().copied().eq(0..many));
        table[CHUNK] += 1;
        table.iter_mut().for_each(|row| *row *= 2);
        assert_eq!(table[CHUNK], 2 * (CHUNK + 1));
    }

    #[test]
    fn what_is_kept_is_moved_together() {
        let mut table = Chunked::default();
        (0..3 * CHUNK).for_each(|row| table.push(row));
        table.retain(|row| row % 3 == 1);
        assert!(table.iter().copied().eq((1..3 * CHUNK).step_by(3)));
        assert_eq!((table.len(), table[1]), (CHUNK, 4));
        table.push(7);
        assert_eq!((table.len(), table[CHUNK]), (CHUNK + 1, 7));
        table.retain(|_| false);
        assert!(table.is_empty());
    }
}
