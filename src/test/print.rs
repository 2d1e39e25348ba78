//! What `test` prints.

use std::io::{self, IsTerminal, Write};

use fixtures::golden::{Coverage, Report, Verdict};
use indicatif::ProgressBar;
use serde_json::json;

use super::args::ReportForm;
use crate::exit::Failure;
use crate::output::{Destination, printable};

/// Prints reports as they come, and keeps out of the way of the progress bar.
pub(super) struct Printer {
    form: ReportForm,
    out: Box<dyn Write + Send>,
    /// Whether times are shown: what is no terminal gets the same whenever fixtures are run.
    times: bool,
    bar: ProgressBar,
}

impl Printer {
    pub(super) fn new(
        form: ReportForm,
        destination: &Destination,
        bar: ProgressBar,
    ) -> Result<Self, Failure> {
        Ok(Self {
            form,
            out: destination.open()?,
            times: destination.is_terminal() && io::stdout().is_terminal(),
            bar,
        })
    }

    /// Prints what came of a fixture.
    pub(super) fn report(&mut self, report: &Report) -> io::Result<()> {
        self.bar.inc(1);
        let text = match self.form {
            ReportForm::Table => text(report, self.times),
            ReportForm::Ndjson => format!("{}\n", report.to_json()),
        };
        self.print(&text)
    }

    /// Prints how many fixtures passed.
    pub(super) fn summary(&mut self, reports: &[Report]) -> io::Result<()> {
        if self.form == ReportForm::Ndjson {
            return Ok(());
        }
        let count = |verdict: fn(&Verdict) -> bool| {
            let reports = reports.iter();
            reports.filter(|report| verdict(&report.verdict)).count()
        };
        let mut text = format!(
            "{} {}: {} passed",
            reports.len(),
            if reports.len() == 1 { "fixture" } else { "fixtures" },
            count(|verdict| matches!(verdict, Verdict::Passed))
        );
        for (count, what) in [
            (count(|verdict| matches!(verdict, Verdict::Failed(_))), "failed"),
            (
                count(|verdict| matches!(verdict, Verdict::Unusable(_))),
                "could not be run",
            ),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        self.print(&format!("\n{text}\n"))
    }

    /// Prints which detectors are covered.
    pub(super) fn coverage(&mut self, coverage: &Coverage) -> io::Result<()> {
        let text = match self.form {
            ReportForm::Table => coverage_text(coverage),
            ReportForm::Ndjson => format!("{}\n", coverage_json(coverage)),
        };
        self.print(&text)
    }

    /// Ends the output.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.bar.finish_and_clear();
        self.out.flush()
    }

    fn print(&mut self, text: &str) -> io::Result<()> {
        let out = &mut self.out;
        self.bar.suspend(|| {
            out.write_all(text.as_bytes())?;
            out.flush()
        })
    }
}

fn text(report: &Report, times: bool) -> String {
    let verdict = report.verdict.as_str().to_uppercase();
    let path = printable(&report.fixture.display().to_string());
    let mut text = format!("{verdict:<5} {path}");
    if times {
        text.push_str(&format!(" ({:.2} s)", report.took.as_secs_f64()));
    }
    text.push('\n');
    let mut add = |prefix: &str, lines: &str| {
        for line in lines.lines() {
            text.push_str(&format!("  {prefix}{}\n", printable(line)));
        }
    };
    report.blessed.iter().for_each(|line| add("blessed: ", line));
    add("", &report.text());
    // They may explain what is not as expected; where all is, nobody asks.
    if !matches!(report.verdict, Verdict::Passed) {
        report.notes.iter().for_each(|line| add("note: ", line));
    }
    text
}

fn coverage_text(coverage: &Coverage) -> String {
    let uncovered: Vec<_> = coverage.uncovered().map(|one| one.id.as_str()).collect();
    let alone: Vec<_> = coverage.without_negative().map(|one| one.id.as_str()).collect();
    let idle: Vec<_> = coverage
        .idle
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let all = coverage.detectors.len();
    let mut text = format!(
        "\ncoverage: {} of {all} detectors have to find something in a fixture\n",
        all - uncovered.len()
    );
    if !uncovered.is_empty() {
        text.push_str(&format!("  not covered: {}\n", uncovered.join(", ")));
    }
    if !alone.is_empty() {
        text.push_str(&format!("  without a negative fixture: {}\n", alone.join(", ")));
    }
    for path in idle {
        text.push_str(&format!("  says nothing about them: {}\n", printable(&path)));
    }
    text
}

fn coverage_json(coverage: &Coverage) -> serde_json::Value {
    let detectors = coverage.detectors.iter();
    let detectors: Vec<_> = detectors
        .map(|one| json!({"id": one.id, "positive": one.positive, "negative": one.negative}))
        .collect();
    let idle: Vec<_> = coverage
        .idle
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    json!({"coverage": {"detectors": detectors, "idle": idle}})
}
