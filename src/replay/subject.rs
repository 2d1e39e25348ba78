//! A capture, and all that is to be known before the run over it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use capture::CaptureReader;
use detectors_engine::Refusal;
use detectors_stores::Input;
use replay::Restrictions;

use super::args::Args;
use crate::detectors::{self, Chosen, Offer};
use crate::exit::Failure;
use crate::opened;

/// A capture that is to be looked at, with detectors of its own.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) reader: CaptureReader,
    /// Sequence numbers of the events to look at.
    pub(super) seq: RangeInclusive<u64>,
    /// Which of them detectors are given.
    pub(super) restrictions: Arc<Restrictions>,
    pub(super) chosen: Chosen,
    /// What the user brings along for stores.
    pub(super) brought: Vec<Input>,
}

/// Opens all captures before the first run: what is wrong with the last one should not be found out hours later.
pub(super) fn prepare(args: &Args) -> Result<Vec<Subject>, Failure> {
    // A misspelt event needs no capture to be told.
    args.wanted.events()?;
    let brought = args.stores.load()?;
    let readers = args
        .captures
        .iter()
        .map(|path| opened::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    tell_apart(&readers)?;
    let ranges = readers
        .iter()
        .map(|reader| args.range.of(reader))
        .collect::<Result<Vec<_>, _>>()?;
    let restrictions = args.wanted.of(&readers)?;
    let several = readers.len() > 1;
    readers
        .into_iter()
        .zip(ranges)
        .zip(restrictions)
        .map(|((reader, seq), restrictions)| {
            let path = reader.path().display().to_string();
            let _span = several.then(|| tracing::warn_span!("capture", path).entered());
            let restrictions = Arc::new(restrictions);
            Ok(Subject {
                chosen: choose(args, &reader, &seq, &brought, &restrictions)?,
                restrictions,
                brought: brought.clone(),
                reader,
                seq,
            })
        })
        .collect()
}

/// A capture that is given twice would count twice.
fn tell_apart(readers: &[CaptureReader]) -> Result<(), Failure> {
    let mut seen = BTreeMap::new();
    for reader in readers {
        let manifest = reader.manifest();
        let same = (manifest.header.capture_id.clone(), manifest.digest());
        if let Some(other) = seen.insert(same, reader.path()) {
            return Err(Failure::usage(format!(
                "{} and {} are the same capture ({})",
                other.display(),
                reader.path().display(),
                manifest.header.capture_id
            )));
        }
    }
    Ok(())
}

/// The detectors for a capture.
fn choose(
    args: &Args,
    reader: &CaptureReader,
    seq: &RangeInclusive<u64>,
    brought: &[Input],
    restrictions: &Arc<Restrictions>,
) -> Result<Chosen, Failure> {
    let offer = Offer::of(reader, *seq.start(), brought)?;
    let mut chosen = detectors::engine(&args.detectors, &args.adjustments, offer)?;
    if args.adjustments.list_refused {
        return Ok(chosen);
    }
    let unmet = chosen.engine.unmet(&detectors::recorded_events(reader));
    if let Some(line) = detectors::about_unmet(&unmet) {
        tracing::warn!("{line}");
    }
    if !restrictions.is_empty() {
        chosen.engine.restrict(Arc::clone(restrictions) as _);
    }
    if let Some(wanted) = restrictions.wanted_events() {
        let consumed = chosen.engine.subscribed_events();
        if !consumed.iter().any(|event| wanted.contains(event)) {
            tracing::warn!(
                "no detector that runs looks at the events of --event; they look at {}",
                consumed.join(", ")
            );
        }
    }
    Ok(chosen)
}

/// Why detectors do not run over some of the captures; each reason once.
pub(super) fn refusals(subjects: &[Subject]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for refusal in subjects.iter().flat_map(|subject| &subject.chosen.refusals) {
        if !refusals.contains(refusal) {
            refusals.push(refusal.clone());
        }
    }
    refusals
}
