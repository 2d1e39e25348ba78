//! Detecting while recording.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use capture::live::{Observer, Started};
use detectors_api::event::EventBatch;
use detectors_engine::Engine;

use crate::output::Written;
use crate::{Error, Pass, Writer, detection_rows};

/// Feeds what a recorder flushes to detectors, writes their detections, and hands them back for the capture.
///
/// It is the same [`Pass`] that replay makes, so replaying the capture gives the same detections.
#[derive(Debug)]
pub struct LiveDetection<W: Write> {
    stage: Stage,
    writer: Writer<W>,
}

#[derive(Debug)]
enum Stage {
    Waiting(Box<Engine>),
    Running(Box<Pass>),
    /// Told with the next flush, since a start cannot fail.
    Failed(Option<Error>),
}

impl<W: Write> LiveDetection<W> {
    /// Detection with `engine`; detections go to `writer`, each flush's at once.
    pub fn new(engine: Engine, writer: Writer<W>) -> Self {
        Self {
            stage: Stage::Waiting(Box::new(engine)),
            writer,
        }
    }

    fn feed(&mut self, batches: &[EventBatch]) -> Result<Vec<RecordBatch>, Error> {
        let pass = match &mut self.stage {
            Stage::Running(pass) => pass,
            Stage::Waiting(_) => return Ok(Vec::new()),
            Stage::Failed(error) => return error.take().map_or(Ok(Vec::new()), Err),
        };
        let detections = pass.feed(batches)?;
        if detections.is_empty() {
            return Ok(Vec::new());
        }
        let rows = detection_rows(&detections);
        for detection in detections {
            self.writer.write(detection.event)?;
        }
        self.writer.flush()?;
        Ok(vec![rows])
    }

    /// Ends detection. Gives back the engine, for its counts, unless recording never began.
    ///
    /// # Errors
    /// If the rest of the output cannot be written.
    pub fn finish(self) -> io::Result<(Option<Engine>, Written)> {
        let engine = match self.stage {
            Stage::Running(pass) => {
                let (engine, warnings) = pass.finish();
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                Some(engine)
            }
            _ => None,
        };
        Ok((engine, self.writer.finish()?))
    }
}

impl<W: Write> Observer for LiveDetection<W> {
    fn started(&mut self, started: &Started<'_>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Failed(None));
        self.stage = match stage {
            Stage::Waiting(engine) => match Pass::new(*engine, std::slice::from_ref(started.tasks)) {
                Ok(pass) => Stage::Running(Box::new(pass)),
                Err(error) => Stage::Failed(Some(error.into())),
            },
            stage => stage,
        };
    }

    fn flushed(
        &mut self,
        batches: &[EventBatch],
    ) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.feed(batches)?)
    }
}
