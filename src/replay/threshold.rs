//! `--fail-on`: what is bad enough for an exit code of its own.

use detectors_api::proto::{self, Severity};

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Threshold {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Threshold {
    fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }

    /// Whether what was found is at least this bad.
    pub(super) fn is_reached(self, event: &proto::Event) -> bool {
        let threat = event.threat.as_ref();
        threat.is_some_and(|threat| threat.severity >= self.severity() as i32)
    }
}
