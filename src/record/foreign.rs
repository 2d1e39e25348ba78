//! Recording what another program sees.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context;
use capture::live::{self, Ended, Stop, Stream, StreamConfig};
use detectors_stores::{Settings, Stores};
use tracee::Tracee;

use super::args::{Args, Foreign};
use super::watch::Watch;
use super::{chosen, describe, notes, refusals, say, store_names};
use crate::detectors::Offer;
use crate::exit::{Exit, Failure};
use crate::import;

pub(super) fn run(
    args: &Args,
    path: &Path,
    source: Foreign<'_>,
    stop: &mut dyn Stop,
) -> Result<Exit, Failure> {
    let kept = args.selection.kept()?;
    let config = StreamConfig {
        filters: match args.selection.words() {
            [] => Vec::new(),
            words => vec![format!("events={}", words.join(","))],
        },
        architecture: args.foreign.architecture.clone().unwrap_or_default(),
        ..StreamConfig::new(args.recording(path)?)
    };
    let source = Source::open(source, stop)?;
    let stores = Stores::with(Settings {
        architecture: config.architecture.clone(),
        ..Settings::default()
    });
    let offer = Offer {
        enrichments: &[],
        stores: store_names(stores, &config.recording.inputs)?,
        recorder: source.producer(),
        architecture: &config.architecture,
    };
    let chosen = chosen(args, offer)?;
    if let Some(refusals) = refusals(args, chosen.as_ref()) {
        return refusals;
    }
    let note = source.note();
    let stream = source.stream()?;
    let mut watch = Watch::new(args, path, chosen);
    let mut missed: BTreeSet<_> = kept.names().collect();
    let mut keeps = |event: &str| {
        missed.remove(event);
        kept.keeps(event)
    };
    let result = live::record_stream(&config, stream, &mut keeps, &mut watch, stop);
    let mut summary = watch.finish(result)?;
    summary.warnings.extend(note);
    if !missed.is_empty() {
        let missed: Vec<_> = missed.into_iter().collect();
        let note = format!("none of the events was {}", missed.join(" or "));
        summary.warnings.push(note);
    }
    say(&(describe(&config.recording.path, &summary, "") + &notes(&summary)))?;
    if let Ended::Broken(reason) = summary.ended {
        return Err(Failure::bad_input(anyhow::anyhow!(
            "the stream broke off: {reason}; what came before is in the capture"
        )));
    }
    import::left_out(summary.manifest.unreadable(), args.foreign.skip_bad)
}

/// Another program, whose events have not been asked for yet.
enum Source {
    Stdin,
    Tracee(Tracee),
}

impl Source {
    /// Finds out who is there.
    fn open(source: Foreign<'_>, stop: &mut dyn Stop) -> Result<Self, Failure> {
        match source {
            Foreign::Stdin => Ok(Self::Stdin),
            Foreign::Tracee(address) => Tracee::connect(address, stop).map(Self::Tracee).map_err(failure),
        }
    }

    /// What it is, by name and version; empty if unknown.
    fn producer(&self) -> String {
        match self {
            Self::Stdin => String::new(),
            Self::Tracee(tracee) => tracee.producer(),
        }
    }

    /// What the user should know about it.
    fn note(&self) -> Option<String> {
        match self {
            Self::Tracee(tracee) if !tracee.tells_losses() => {
                Some("this Tracee does not tell what it loses".to_owned())
            }
            Self::Stdin | Self::Tracee(_) => None,
        }
    }

    /// Begins to read its events.
    fn stream(self) -> Result<Stream, Failure> {
        match self {
            Self::Stdin => io::stdin()
                .as_fd()
                .try_clone_to_owned()
                .and_then(|stdin| live::ndjson("-", stdin))
                .context("cannot read standard input")
                .map_err(Failure::environment),
            Self::Tracee(tracee) => tracee.stream().map_err(failure),
        }
    }
}

fn failure(error: tracee::Error) -> Failure {
    match error {
        tracee::Error::NotTracee { .. } => Failure::bad_input(error),
        tracee::Error::Stopped { .. } => Failure::new(Exit::Interrupted, error),
        tracee::Error::Connect { .. } | tracee::Error::Silent { .. } | tracee::Error::Machine(_) => {
            Failure::environment(error)
        }
    }
}
