//! Recording what another program sees.

use std::io;
use std::os::fd::AsFd;

use anyhow::Context;
use capture::live::{self, Ended, Stop, Stream, StreamConfig};
use detectors_stores::{Settings, Stores};

use super::args::Args;
use super::watch::Watch;
use super::{chosen, describe, notes, refusals, say, store_names};
use crate::detectors::Offer;
use crate::exit::{Exit, Failure};
use crate::import;

pub(super) fn run(args: &Args, stop: &mut dyn Stop) -> Result<Exit, Failure> {
    let kept = args.selection.kept()?;
    let config = StreamConfig {
        filters: match args.selection.words() {
            [] => Vec::new(),
            words => vec![format!("events={}", words.join(","))],
        },
        architecture: args.foreign.architecture.clone().unwrap_or_default(),
        ..StreamConfig::new(args.recording()?)
    };
    let stores = Stores::with(Settings {
        architecture: config.architecture.clone(),
        ..Settings::default()
    });
    let offer = Offer {
        enrichments: &[],
        stores: store_names(stores, &config.recording.inputs)?,
        recorder: String::new(),
        architecture: &config.architecture,
    };
    let chosen = chosen(args, offer)?;
    if let Some(refusals) = refusals(args, chosen.as_ref()) {
        return refusals;
    }
    let mut watch = Watch::new(args, chosen);
    let result = live::record_stream(&config, open()?, &|event| kept.keeps(event), &mut watch, stop);
    let mut summary = watch.finish(result)?;
    let came = &summary.manifest.events;
    let missed: Vec<_> = kept.names().filter(|name| !came.contains_key(*name)).collect();
    if !missed.is_empty() {
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

/// Begins to read.
fn open() -> Result<Stream, Failure> {
    io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|stdin| live::ndjson("-", stdin))
        .context("cannot read standard input")
        .map_err(Failure::environment)
}
