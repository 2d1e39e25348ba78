//! Detecting while recording.

use std::collections::BTreeSet;
use std::io::{self, Write};

use arrow::array::RecordBatch;
use capture::live::Observer;
use detectors_api::event::EventBatch;
use detectors_engine::Engine;
use detectors_stores::Stores;

use crate::sinks::Written;
use crate::{Error, Writer, detection_rows};

/// Feeds what a recorder flushes to detectors, writes their detections, and hands them back for the capture.
///
/// Engine and stores are those that replay uses, so replaying the capture gives the same detections.
#[derive(Debug)]
pub struct LiveDetection<W: Write> {
    engine: Engine,
    writer: Writer<W>,
    hidden: BTreeSet<String>,
}

impl<W: Write> LiveDetection<W> {
    /// Detection with `engine`; detections go to `writer`, each flush's at once.
    pub fn new(engine: Engine, writer: Writer<W>) -> Self {
        Self {
            engine,
            writer,
            hidden: BTreeSet::new(),
        }
    }

    /// Neither writes nor keeps what these detectors find: they run because others consume it.
    #[must_use]
    pub fn hiding(mut self, ids: BTreeSet<String>) -> Self {
        self.hidden = ids;
        self
    }

    fn feed(&mut self, batches: &[EventBatch], stores: &Stores) -> Result<Vec<RecordBatch>, Error> {
        let mut detections = self.engine.process(batches, stores);
        detections.retain(|detection| !self.hidden.contains(&*detection.detector_id));
        if detections.is_empty() {
            return Ok(Vec::new());
        }
        let rows = detection_rows(&detections);
        for detection in detections {
            self.writer.write(detection)?;
        }
        self.writer.flush()?;
        Ok(vec![rows])
    }

    /// Ends detection: detectors are closed. Gives back the engine, for its counts.
    ///
    /// # Errors
    /// If the rest of the output cannot be written.
    pub fn finish(mut self) -> io::Result<(Engine, Written)> {
        for warning in self.engine.close() {
            tracing::warn!("{warning}");
        }
        Ok((self.engine, self.writer.finish()?))
    }
}

impl<W: Write> Observer for LiveDetection<W> {
    fn flushed(
        &mut self,
        batches: &[EventBatch],
        stores: &Stores,
    ) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.feed(batches, stores)?)
    }
}
