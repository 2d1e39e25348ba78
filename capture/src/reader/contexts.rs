//! The process contexts of segments, and which of them are in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use detectors_api::event::Contexts;

use super::Inner;
use super::decode::ParquetFile;
use crate::{Error, Table};

/// Process contexts that are kept in memory, of the segments that were read last: some 10 MiB. That is two segments of a busy
/// machine, which is what is read at a time, or many small ones, of which more are.
const KEPT: u64 = 1 << 17;

/// The contexts that were read last, with the numbers of their segments.
#[derive(Debug, Default)]
pub(super) struct ContextCache(Mutex<VecDeque<(u32, Contexts)>>);

impl Inner {
    /// The process contexts of a segment; none, if it has none.
    pub(super) fn contexts(&self, segment: u32) -> Result<Contexts, Error> {
        if let Some(journal) = self.journal.get(&segment) {
            return Ok(journal.contexts.clone());
        }
        // A panic while the lock was held left the cache as it was.
        let mut cache = self.contexts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, contexts)) = cache.iter().find(|(number, _)| *number == segment) {
            return Ok(contexts.clone());
        }
        let mut parts = self.manifest.parts.iter();
        let Some(part) = parts.find(|part| part.table == Table::Process && part.segment == segment) else {
            return Ok(Contexts::default());
        };
        // Others go before these come, so that there are never more in memory.
        let mut kept: u64 = cache.iter().map(|(_, contexts)| contexts.len() as u64).sum();
        while kept.saturating_add(part.rows) > KEPT
            && let Some((_, first)) = cache.pop_front()
        {
            kept -= first.len() as u64;
        }
        let batches = ParquetFile::open(&self.volume, part, false)?.contexts()?;
        let path = self.volume.file_name(&part.path);
        let contexts = Contexts::try_new(batches).map_err(Error::rows(&path, None))?;
        // They stay, however many they are.
        cache.push_back((segment, contexts.clone()));
        Ok(contexts)
    }
}
