//! What is shown while recording, and detected.

use std::io;
use std::path::{Path, PathBuf};

use capture::Unreadable;
use capture::live::{LiveError, Observer, Progress, RecordBatch, Started, Summary};
use detectors_api::event::EventBatch;
use detectors_stores::Stores;
use ebpf::{EventReport, Status};
use indicatif::ProgressBar;
use replay::{Format, LiveDetection, Writer};

use super::args::{Args, DetectionForm, ProgressForm};
use super::say;
use crate::detectors::Chosen;
use crate::exit::{Exit, Failure};
use crate::import::BadRecords;
use crate::opened;
use crate::output::{exists, terminal_width};

/// Shows how far the recording is, and lets detectors see it.
pub(super) struct Watch {
    form: ProgressForm,
    bar: ProgressBar,
    detection: Option<LiveDetection<io::Stdout>>,
    bad: BadRecords,
    capture: PathBuf,
    /// Events that are in the capture whatever happens.
    acknowledged: u64,
}

impl Watch {
    pub(super) fn new(args: &Args, path: &Path, chosen: Option<Chosen>) -> Self {
        Self {
            form: args.progress,
            bar: match args.progress {
                ProgressForm::Auto => crate::progress::bar(None, "recording"),
                ProgressForm::Ndjson | ProgressForm::None => ProgressBar::hidden(),
            },
            detection: chosen.map(|chosen| detection(chosen, args.form())),
            bad: BadRecords::default(),
            capture: path.to_owned(),
            acknowledged: 0,
        }
    }

    /// Ends what there is to see of the recording that ended with `result`.
    pub(super) fn finish(self, result: Result<Summary, LiveError>) -> Result<Summary, Failure> {
        self.bar.finish_and_clear();
        self.bad.finish();
        let summary = result.map_err(failure);
        if summary.is_err() && self.acknowledged > 0 {
            opened::warn(&format!(
                "the recording broke off; {} has the {} events that were acknowledged until then",
                self.capture.display(),
                self.acknowledged
            ));
        }
        let summary = summary?;
        if let Some(detection) = self.detection {
            detection.finish()?;
        }
        Ok(summary)
    }
}

/// The observer that runs detectors over what is recorded.
fn detection(chosen: Chosen, form: DetectionForm) -> LiveDetection<io::Stdout> {
    let format = match form {
        DetectionForm::Ndjson => Format::Ndjson,
        DetectionForm::Table => Format::Table {
            width: terminal_width(),
        },
    };
    LiveDetection::new(chosen.engine, Writer::new(format, io::stdout())).hiding(chosen.helpers)
}

fn failure(error: LiveError) -> Failure {
    let exit = match &error {
        LiveError::Sensor(ebpf::Error::UnknownEvent(_)) | LiveError::Command { .. } => Exit::Usage,
        LiveError::Capture(capture::Error::Exists { path }) => return exists(path),
        LiveError::Capture(error) if error.is_bad_input() => Exit::BadInput,
        _ => Exit::Environment,
    };
    Failure::new(exit, error)
}

impl Observer for Watch {
    fn started(&mut self, started: &Started<'_>) {
        for report in started.reports {
            if let Some(line) = restriction(report) {
                self.bar.suspend(|| tracing::info!("{line}"));
            }
        }
    }

    fn unreadable(&mut self, record: &Unreadable) {
        self.bad.tell(record, &self.bar);
    }

    fn flushed(
        &mut self,
        batches: &[EventBatch],
        stores: &Stores,
    ) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error + Send + Sync>> {
        match &mut self.detection {
            Some(detection) => self.bar.suspend(|| detection.flushed(batches, stores)),
            None => Ok(Vec::new()),
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if self.form == ProgressForm::Ndjson {
            let line = serde_json::json!({
                "acknowledged_seq": progress.acknowledged_seq,
                "received": progress.received,
                "lost": progress.lost,
                "detections": progress.detections,
                "bytes": progress.bytes,
            });
            // Nobody may be reading it any more; the recording goes on.
            let _ = say(&line.to_string());
        }
        self.acknowledged = progress.written;
        let rate = progress.written as f64 / self.bar.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(format!(
            "{} events ({rate:.0}/s), {}, {} lost, {} detections",
            progress.written,
            indicatif::HumanBytes(progress.bytes),
            progress.lost,
            progress.detections
        ));
    }
}

/// What this kernel does not show of an event.
fn restriction(report: &EventReport) -> Option<String> {
    match &report.status {
        Status::Unavailable => Some(format!(
            "{} is not recorded on this kernel: {}",
            report.event,
            report.refused.join("; ")
        )),
        Status::Hooked { loses, .. } if !loses.is_empty() => {
            Some(format!("{} does not show: {}", report.event, loses.join("; ")))
        }
        Status::Hooked { .. } => None,
    }
}
