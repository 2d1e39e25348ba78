//! What detectors did, as a table for people.

use std::fmt::Write;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::provenance::{DetectorRun, DetectorTiming};
use crate::sinks::printable;

/// Failures and warnings that are shown of one detector.
const SHOWN: usize = 5;

/// What each detector did, and its first failures and warnings. `timing` is of the same detectors. Slow ones are marked with
/// `!`: those with calls of more than 1 ms.
#[must_use]
pub fn stats_table(detectors: &[DetectorRun], timing: &[DetectorTiming]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "DETECTOR", "SEEN", "FILTERED", "CALLS", "FOUND", "ERRORS", "PANICS", "WARNINGS", "TIME",
            "SLOWEST",
        ]);
    for (detector, timing) in detectors.iter().zip(timing) {
        table.add_row([
            printable(&detector.id),
            detector.seen.to_string(),
            detector.filtered.to_string(),
            match detector.warm_up_calls {
                0 => detector.calls.to_string(),
                before => format!("{} (+{before} before)", detector.calls),
            },
            match detector.hidden {
                false => detector.outputs.to_string(),
                true => format!("{} (not shown)", detector.outputs),
            },
            detector.errors.to_string(),
            detector.panics.to_string(),
            detector.warnings.to_string(),
            time(timing.total_ns),
            slowest(timing),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(8) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect::<String>() + &troubles(detectors)
}

/// The first failures and warnings of each detector; a line each.
#[must_use]
pub fn troubles(detectors: &[DetectorRun]) -> String {
    let mut text = String::new();
    for detector in detectors {
        let failed = detector.errors + detector.panics + detector.unreadable;
        for (texts, count, what) in [
            (&detector.failures, failed, "failed calls"),
            (&detector.notes, detector.warnings, "warnings"),
        ] {
            let shown = texts.iter().take(SHOWN);
            for line in shown.clone() {
                let _ = writeln!(text, "  {}", printable(line));
            }
            let more = count.saturating_sub(shown.len() as u64);
            if more > 0 {
                let id = printable(&detector.id);
                let _ = writeln!(
                    text,
                    "  detector {id}: {more} more {what}; --provenance keeps the first of them"
                );
            }
        }
    }
    text
}

fn slowest(timing: &DetectorTiming) -> String {
    let Some(call) = &timing.slowest else {
        return "-".to_owned();
    };
    let mark = if timing.slow_calls > 0 {
        format!(" ! {} calls over 1 ms", timing.slow_calls)
    } else {
        String::new()
    };
    format!(
        "{} on event {} ({}){mark}",
        time(call.ns),
        call.seq,
        printable(&call.event)
    )
}

/// In the unit that reads best.
fn time(ns: u64) -> String {
    let time = Duration::from_nanos(ns);
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", time.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::{DetectorRun, SlowestCall};

    #[test]
    fn the_table_says_what_each_did_and_marks_slow_ones() {
        let detector = |id: &str| DetectorRun {
            id: id.to_owned(),
            version: "1.0.0".to_owned(),
            digest: String::new(),
            hidden: false,
            seen: 1200,
            filtered: 1000,
            calls: 200,
            warm_up_calls: 0,
            outputs: 3,
            errors: 0,
            panics: 0,
            unreadable: 0,
            warnings: 0,
            failures: Vec::new(),
            notes: Vec::new(),
        };
        let timing = |id: &str, slow_calls, ns| DetectorTiming {
            id: id.to_owned(),
            total_ns: 2_500_000_000,
            slow_calls,
            slowest: Some(SlowestCall {
                ns,
                seq: 17,
                event: "sched_process_exec".to_owned(),
            }),
        };
        let failing = DetectorRun {
            hidden: true,
            warm_up_calls: 70,
            errors: 7,
            failures: vec!["detector B failed on event 1 (x): \u{1b}[31mred".to_owned(); 7],
            warnings: 1,
            notes: vec!["detector B on event 2 (x): odd".to_owned()],
            ..detector("B")
        };
        let detectors = [detector("TRC-105"), failing];
        let timing = [timing("TRC-105", 0, 1_500), timing("B", 2, 3_000_000)];
        insta::assert_snapshot!(stats_table(&detectors, &timing));
    }
}
