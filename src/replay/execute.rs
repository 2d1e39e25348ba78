//! The run over one capture.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use replay::Options;
use replay::provenance::{CaptureRun, CaptureTiming, Finished, LossRecord};

use super::args::Args;
use super::outlet::Outlet;
use super::subject::Subject;
use crate::exit::{Exit, Failure};
use crate::opened;
use crate::progress::RunProgress;

/// What the runs over all captures have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) args: &'a Args,
    pub(super) progress: &'a RunProgress,
    pub(super) cancel: &'a Arc<AtomicBool>,
}

/// What a run over one capture came to.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) record: CaptureRun,
    pub(super) timing: CaptureTiming,
    /// The exit code that it alone would have.
    pub(super) ended: Exit,
}

impl Run<'_> {
    /// Runs the detectors over a capture, and writes what they find.
    pub(super) fn over(
        self,
        subject: Subject,
        outlet: &mut Outlet<impl Write + Send>,
    ) -> Result<Ran, Failure> {
        let Subject {
            reader,
            seq,
            restrictions,
            chosen,
            brought,
        } = subject;
        let args = self.args;
        let options = Options {
            seq: seq.clone(),
            batch_size: args.batch_size as usize,
            window: args.window,
            hidden: chosen.helpers,
        };
        let threads = args.threads.unwrap_or(0);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .with_context(|| format!("cannot start {threads} threads"))
            .map_err(Failure::environment)?;
        let wanted = replay::stores_for(&reader, &chosen.engine, &options);
        let stores = reader.stores_with(wanted, brought).map_err(opened::failure)?;
        let (mut failed, mut detections) = (false, 0);
        self.progress.start(
            &reader.path().display().to_string(),
            reader.manifest().seq.map_or(0, |seq| seq.last),
        );
        outlet.begin(&reader);
        let engine = pool
            .install(|| {
                replay::run(
                    &reader,
                    chosen.engine,
                    stores,
                    &options,
                    |found| {
                        if self.cancel.load(Ordering::Relaxed) {
                            return Err(io::Error::from(io::ErrorKind::Interrupted).into());
                        }
                        for detection in found {
                            failed |= args
                                .fail_on
                                .is_some_and(|worst| worst.is_reached(&detection.event));
                            detections += 1;
                            outlet.take(detection)?;
                        }
                        self.progress.found(detections);
                        Ok(())
                    },
                    |seq| self.progress.done(seq),
                )
            })
            .map_err(super::failure)?;
        outlet.end(&engine);
        let range = args.range.record(&reader, &seq)?;
        let losses = LossRecord::in_range(&reader, &seq).map_err(opened::failure)?;
        let (record, timing) = CaptureRun::new(
            &reader,
            range,
            losses,
            restrictions.record(),
            Finished {
                engine: &engine,
                hidden: &options.hidden,
                inputs: &chosen.inputs,
                detections,
            },
        );
        let findings = if failed { Exit::Findings } else { Exit::Ok };
        Ok(Ran {
            record,
            timing,
            ended: findings.or(self.progress.suspend(|| opened::end(&reader))),
        })
    }
}
