//! Distributions, and how they are printed.

use crate::run::Run;

/// Smallest, middle and largest of some numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of no numbers it is `None`.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut numbers: Vec<_> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        Some(Self {
            min: *numbers.first()?,
            median: numbers[numbers.len() / 2],
            max: *numbers.last()?,
        })
    }
}

/// Runs of one job, over the same number of events.
#[derive(Debug, Default)]
pub(crate) struct Series {
    pub(crate) events: usize,
    pub(crate) runs: Vec<Run>,
}

impl Series {
    /// Events a second, of the clock.
    pub(crate) fn rate(&self) -> Option<Spread> {
        Spread::of(self.runs.iter().map(|run| self.events as f64 / run.seconds))
    }

    /// Events a second of time on CPUs.
    pub(crate) fn cpu_rate(&self) -> Option<Spread> {
        Spread::of(self.runs.iter().map(|run| self.events as f64 / run.cpu))
    }

    /// Largest peak of memory, MiB.
    pub(crate) fn peak(&self) -> u64 {
        self.runs.iter().map(|run| run.peak).max().unwrap_or_default()
    }

    /// The detections, and their digest, which all runs must agree on.
    pub(crate) fn findings(&self) -> Option<(u64, &str)> {
        let mut findings = self.runs.iter().map(|run| (run.detections, run.digest.as_str()));
        let first = findings.next()?;
        assert!(
            findings.all(|other| other == first),
            "runs of the same job found different things: {:?}",
            self.runs
        );
        Some(first)
    }
}

/// The heads of the columns that [`row`] fills.
pub(crate) const HEADER: &str = "\
| what | events/s, median | slowest to fastest | ns/event | events per CPU second | peak memory | detections |
|---|---|---|---|---|---|---|";

/// A row of a table of runs, in Markdown.
pub(crate) fn row(what: &str, series: &Series) -> String {
    let (Some(rate), Some(cpu), Some((detections, _))) =
        (series.rate(), series.cpu_rate(), series.findings())
    else {
        return format!("| {what} | | | | | | |");
    };
    format!(
        "| {what} | {} | {} to {} | {:.1} | {} | {} MiB | {} |",
        grouped(rate.median),
        grouped(rate.min),
        grouped(rate.max),
        1e9 / rate.median,
        grouped(cpu.median),
        grouped(series.peak() as f64),
        grouped(detections as f64),
    )
}

/// A whole number with commas between thousands.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
