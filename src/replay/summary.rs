//! What a run says on stderr when it is done.

use replay::Provenance;

/// One line about the run, and what each detector did or what went wrong with it.
#[expect(clippy::print_stderr, reason = "the summary of the run is for people")]
pub(super) fn summarise(run: &Provenance, stats: bool) {
    let whole = run.from_seq == 0 && run.to_seq.saturating_add(1) >= run.events;
    let events = if whole {
        format!("{} events", run.events)
    } else if run.from_seq > run.to_seq {
        format!("none of {} events", run.events)
    } else {
        format!("events {} to {} of {}", run.from_seq, run.to_seq, run.events)
    };
    eprintln!(
        "{} found by {} detectors in {events} ({} lost); capture {}, {}",
        run.detections,
        run.detectors.len(),
        run.lost,
        run.capture_state,
        &run.capture_digest.get(..16).unwrap_or(&run.capture_digest),
    );
    if stats {
        eprint!("{}", replay::stats_table(run));
    } else {
        eprint!("{}", replay::troubles(run));
    }
}
