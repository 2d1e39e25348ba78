//! The run over one capture.

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use detectors_engine::Detection;
use replay::provenance::{CaptureRun, CaptureTiming, Finished, LossRecord};
use replay::{Options, Plan, Replay, Restrictions};

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
    /// Runs the detectors over a capture, and writes what they find. Nothing comes back if it was interrupted.
    pub(super) fn over(
        self,
        subject: Subject,
        outlet: &mut Outlet<impl Write + Send>,
    ) -> Result<Option<Ran>, Failure> {
        let Subject {
            reader,
            seq,
            restrictions,
            chosen,
            brought,
        } = subject;
        let args = self.args;
        let hidden = chosen.helpers;
        let options = options(args, seq.clone(), &restrictions, hidden.clone(), self.cancel);
        let replay = Replay::plan(&reader, chosen.engine, brought, options).map_err(super::failure)?;
        let (mut failed, mut detections) = (false, 0);
        self.progress.start(&reader.path().display().to_string());
        outlet.begin(&reader);
        let write = |found: Vec<Detection>| {
            for detection in found {
                failed |= args
                    .fail_on
                    .is_some_and(|worst| worst.is_reached(&detection.event));
                detections += 1;
                outlet.take(detection)?;
            }
            Ok(())
        };
        let outcome = match replay.run(write, |progress| self.progress.tell(progress)) {
            Ok(outcome) => outcome,
            Err(replay::Error::Cancelled) => return Ok(None),
            Err(error) => return Err(super::failure(error)),
        };
        let range = args.range.record(&reader, &seq)?;
        let losses = LossRecord::in_range(&reader, &seq).map_err(opened::failure)?;
        outlet.end(&reader, &outcome, &losses);
        let (record, timing) = CaptureRun::new(
            &reader,
            range,
            losses,
            restrictions.record(),
            Finished {
                outcome: &outcome,
                hidden: &hidden,
                inputs: &chosen.inputs,
                detections,
            },
        );
        let findings = if failed { Exit::Findings } else { Exit::Ok };
        let unreadable = if outcome.gaps.is_empty() {
            Exit::Ok
        } else {
            Exit::BadInput
        };
        Ok(Some(Ran {
            record,
            timing,
            ended: findings
                .or(unreadable)
                .or(self.progress.suspend(|| opened::end(&reader))),
        }))
    }
}

/// What the run over a capture would read, and why.
pub(super) fn explain(args: &Args, subject: Subject, cancel: &Arc<AtomicBool>) -> Result<Plan, Failure> {
    let options = options(
        args,
        subject.seq,
        &subject.restrictions,
        subject.chosen.helpers,
        cancel,
    );
    Replay::plan(&subject.reader, subject.chosen.engine, subject.brought, options)
        .map(|replay| replay.explain())
        .map_err(super::failure)
}

fn options(
    args: &Args,
    seq: RangeInclusive<u64>,
    restrictions: &Restrictions,
    hidden: BTreeSet<String>,
    cancel: &Arc<AtomicBool>,
) -> Options {
    let events = restrictions.wanted_events();
    Options {
        seq,
        events: events.map(|events| events.iter().map(ToString::to_string).collect()),
        hidden,
        threads: args.threads.map_or(0, usize::from),
        batch_size: args.batch_size as usize,
        window: args.window,
        cancel: Some(Arc::clone(cancel)),
    }
}
