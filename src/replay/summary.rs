//! What a run says on stderr when it is done.

use replay::provenance::{CaptureRun, CaptureTiming};

/// Causes of losses that are told one by one.
const SHOWN: usize = 5;

/// What was found in a capture, and what was missing; then what each detector did, or what went wrong with it.
#[expect(clippy::print_stderr, reason = "the summary of the run is for people")]
pub(super) fn of_capture(run: &CaptureRun, timing: &CaptureTiming, stats: bool) {
    eprint!("{}", text(run));
    if stats {
        eprint!("{}", replay::stats_table(&run.detectors, &timing.detectors));
    } else {
        eprint!("{}", replay::troubles(&run.detectors));
    }
}

/// The sum over several captures.
#[expect(clippy::print_stderr, reason = "the summary of the run is for people")]
pub(super) fn of_all<'a>(found: u64, runs: impl ExactSizeIterator<Item = &'a CaptureRun>) {
    let captures = runs.len();
    let (mut events, mut lost) = (0, 0);
    for run in runs {
        events += run.range.events;
        lost += lost_in_range(run);
    }
    eprintln!("{found} found in {events} events of {captures} captures ({lost} lost)");
}

fn lost_in_range(run: &CaptureRun) -> u64 {
    run.losses.iter().map(|loss| loss.events).sum()
}

fn text(run: &CaptureRun) -> String {
    let range = &run.range;
    let events = match (range.first_seq, range.last_seq) {
        _ if range.events == run.events => format!("{} events", run.events),
        (Some(first), Some(last)) => format!("{} events ({first} to {last}) of {}", range.events, run.events),
        _ => format!("none of {} events", run.events),
    };
    let mut text = format!(
        "{}: {} found by {} detectors in {events} ({} lost); {}, {}\n",
        run.capture,
        run.detections,
        run.detectors.len(),
        lost_in_range(run),
        run.state,
        run.digest.get(..16).unwrap_or(&run.digest),
    );
    for loss in run.losses.iter().take(SHOWN) {
        text.push_str(&format!("  lost: {loss}\n"));
    }
    if let Some(more) = run.losses.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("  lost: {more} more causes; --provenance has all\n"));
    }
    for gap in run.unreadable.iter().take(SHOWN) {
        text.push_str(&format!("  {gap}\n"));
    }
    if let Some(more) = run.unreadable.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!(
            "  {more} more stretches could not be read; --provenance has all\n"
        ));
    }
    for failed in &run.restrictions.failed {
        text.push_str(&format!(
            "  {}: no value for {} events, which were left out; the first is event {} ({}): {}\n",
            failed.condition, failed.events, failed.seq, failed.event, failed.reason
        ));
    }
    text
}
