//! Recording this machine, or one command.

use std::path::Path;

use anyhow::Context;
use capture::live::{self, Config, Ended, Enricher, Stop, Summary};
use detectors_api::stores::Store;
use detectors_stores::Stores;
use ebpf::Status;

use super::args::Args;
use super::watch::Watch;
use super::{Place, chosen, describe, notes, refusals, say, store_names};
use crate::detectors::{Chosen, Offer};
use crate::exit::{Exit, Failure};

pub(super) fn run(args: &Args, place: &Place<'_>, stop: &mut dyn Stop) -> Result<Exit, Failure> {
    let mut config = config(args, place.path)?;
    let mut enricher = helped(args, || args.enrichment.enricher())??;
    let recorded = [
        ("environment", args.machine.env),
        (live::CONTAINER_ENRICHMENT, enricher.is_some()),
    ];
    let enrichments: Vec<_> = recorded
        .into_iter()
        .filter(|(_, recorded)| *recorded)
        .map(|(name, _)| name.to_owned())
        .chain(config.hashes.map(live::HashMode::enrichment))
        .collect();
    let mut stores = store_names(Stores::new(), &config.recording.inputs)?;
    stores.extend(config.stores().into_iter().map(String::from));
    let offer = Offer {
        enrichments: &enrichments,
        stores,
        recorder: String::new(),
        architecture: std::env::consts::ARCH,
    };
    let mut chosen = chosen(args, offer)?;
    let selected = args
        .selection
        .resolve(chosen.as_mut().map(|chosen| &mut chosen.engine))?;
    args.sieve.set(&mut config, &selected.events)?;
    config.sensor.events = selected.events;
    config.sensor.required = selected.required;
    if let Some(refusals) = refusals(args, chosen.as_ref()) {
        return refusals;
    }
    if !place.whole {
        config.symbols &= chosen.as_ref().is_some_and(asks_for_symbols);
    }
    let mut watch = helped(args, || Watch::new(args, place.name, chosen))?;
    let enricher = enricher.as_mut().map(|enricher| enricher as &mut dyn Enricher);
    let result = live::record(&config, enricher, &mut watch, stop);
    let summary = watch.finish(result)?;
    say(&told(&config, place.name, &summary))?;
    Ok(Exit::Ok)
}

/// What `start` gives, which starts threads that help. They need no more rights than the recording does.
fn helped<T: Send>(args: &Args, start: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    if args.machine.keep_capabilities {
        return Ok(start());
    }
    live::start_with_few(start)
        .context("cannot give up the capabilities that are not needed (--keep-capabilities does without)")
        .map_err(Failure::environment)
}

fn config(args: &Args, path: &Path) -> Result<Config, Failure> {
    let ring_bytes = u32::try_from(args.machine.ring_size)
        .ok()
        .filter(|size| *size <= 1 << 30)
        .ok_or_else(|| Failure::usage("--ring-size is at most 1GiB"))?;
    let mut config = Config::new(args.recording(path)?);
    config.sensor.ring_bytes = ring_bytes;
    config.sensor.latency = args.machine.latency;
    config.sensor.environment = args.machine.env;
    config.sensor.stack_addresses = args.machine.stack_addresses;
    config.window = args.machine.latency;
    config.command.clone_from(&args.machine.command);
    config.symbols = !args.machine.no_symbols;
    config.hashes = args.machine.exec_hash;
    config.gives_up_rights = !args.machine.keep_capabilities;
    Ok(config)
}

fn asks_for_symbols(chosen: &Chosen) -> bool {
    let mut stores = chosen
        .engine
        .definitions()
        .flat_map(|definition| &definition.stores);
    stores.any(|store| store.name == Store::Symbol.name())
}

/// The recording in a paragraph.
fn told(config: &Config, name: &Path, summary: &Summary) -> String {
    let mut text = describe(name, summary, " (try a larger --ring-size)");
    let unavailable: Vec<_> = summary
        .reports
        .iter()
        .filter(|report| report.status == Status::Unavailable)
        .map(|report| report.event)
        .collect();
    if !unavailable.is_empty() {
        text.push_str(&format!(
            " This kernel does not show {}: see tracee-cap doctor.",
            unavailable.join(", ")
        ));
    }
    if !config.command.is_empty() && !matches!(summary.ended, Ended::Command(_)) {
        text.push_str(" The command was left running.");
    }
    text + &notes(summary)
}
