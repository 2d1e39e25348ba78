//! A plan for people.

use std::fmt;

use super::{Plan, PlannedTest, TypeRead};

/// Filters of one test that are shown; all are counted.
const SHOWN: usize = 6;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Events {} to {} of {}, in {} window{}",
            self.from_seq,
            self.to_seq,
            self.events,
            self.windows,
            plural(self.windows)
        )?;
        writeln!(f, "\nRead for detectors:")?;
        for read in &self.reads {
            read.fmt(f)?;
        }
        if !self.stores.is_empty() {
            writeln!(f, "\nFolded into stores, when a detector asks them:")?;
            for read in &self.stores {
                writeln!(
                    f,
                    "  {}: {} events in {} file{}; {}",
                    read.event_type,
                    read.events,
                    read.parts,
                    plural(read.parts),
                    read.columns.join(", ")
                )?;
            }
        }
        if !self.not_opened.is_empty() {
            writeln!(
                f,
                "\nNot opened, since neither detectors nor stores are given them:"
            )?;
            for (name, events) in &self.not_opened {
                writeln!(f, "  {name}: {events} events")?;
            }
        }
        if !self.not_recorded.is_empty() {
            writeln!(
                f,
                "\nAsked for, and not in the capture:\n  {}",
                self.not_recorded.join(", ")
            )?;
        }
        writeln!(f, "\nDetectors, level by level:")?;
        for detector in &self.detectors {
            writeln!(
                f,
                "  {} {} remembers {}; consumes {}{}",
                detector.level,
                detector.id,
                detector.remembers,
                detector.consumes.join(", "),
                if detector.hidden { "; not shown" } else { "" }
            )?;
        }
        for gap in &self.gaps {
            writeln!(f, "\n{gap}")?;
        }
        Ok(())
    }
}

impl TypeRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {}{}: {} events in {} row group{} of {} file{}",
            self.event_type,
            if self.before_range {
                ", before the range"
            } else {
                ""
            },
            self.events,
            self.row_groups,
            plural(self.row_groups),
            self.parts,
            plural(self.parts),
        )?;
        if self.spared_row_groups > 0 {
            writeln!(
                f,
                "    spared     {} row group{} with {} events: statistics or bloom filters rule them out",
                self.spared_row_groups,
                plural(self.spared_row_groups),
                self.spared_events
            )?;
        }
        if self.cut_row_groups > 0 {
            writeln!(
                f,
                "    cut        {} row group{}: only the pages that reach into the range",
                self.cut_row_groups,
                plural(self.cut_row_groups)
            )?;
        }
        if self.row_groups_with_extra > 0 {
            writeln!(
                f,
                "    odd        {} row group{} with events that differ from the catalogue: never spared",
                self.row_groups_with_extra,
                plural(self.row_groups_with_extra)
            )?;
        }
        if self.row_groups > self.spared_row_groups {
            let columns: Vec<_> = self
                .columns
                .iter()
                .map(|(name, bytes)| format!("{name} ({})", size(*bytes)))
                .collect();
            writeln!(f, "    at once    {}", columns.join(", "))?;
            writeln!(
                f,
                "    on demand  {} other columns ({}), for events that a detector gets",
                self.columns_on_demand,
                size(self.bytes_on_demand)
            )?;
        }
        for test in &self.tests {
            test.fmt(f)?;
        }
        if !self.unfiltered.is_empty() {
            writeln!(f, "    all to     {}", self.unfiltered.join(", "))?;
        }
        Ok(())
    }
}

impl PlannedTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = match self.filters.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown: Vec<_> = self.filters.iter().take(SHOWN).map(String::as_str).collect();
        writeln!(
            f,
            "    test       {}, {}: {}{more}, for {}",
            self.tested,
            self.evaluation,
            shown.join("  "),
            self.detectors.join(", ")
        )
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
