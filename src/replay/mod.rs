//! `tracee-cap replay`.

mod args;
mod form;
mod range;
mod summary;
mod threshold;

use anyhow::Context;
use replay::{Options, Provenance, Writer};

pub(crate) use args::Args;

use form::OutputForm;

use crate::detectors::{self, Chosen, Offer};
use crate::exit::{Exit, Failure};
use crate::output::write_json;
use crate::{opened, progress, stores};

/// Runs detectors over the capture.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let reader = opened::open(&args.capture)?;
    let seq = range::range(args, &reader)?;
    let brought = args.stores.load()?;
    let mut stores = reader
        .stores_with(*seq.start(), brought.clone())
        .map_err(opened::failure)?;
    let output = OutputForm::choose(args.output, &args.destination);
    let header = &reader.manifest().header;
    let offer = Offer {
        enrichments: &header.enrichments,
        stores: stores::names(&stores),
        recorder: stores::recorder(&stores),
        architecture: &header.host.architecture,
    };
    let Chosen {
        mut engine,
        refusals,
        helpers,
    } = detectors::engine(&args.detectors, &args.adjustments, offer)?;
    if args.adjustments.list_refused {
        return detectors::list_refused(&refusals, output.list(), &args.destination);
    }
    let unmet = engine.unmet(&detectors::recorded_events(&reader));
    if let Some(line) = detectors::about_unmet(&unmet) {
        tracing::warn!("{line}");
    }
    let threads = args.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .with_context(|| format!("cannot start {threads} threads"))
        .map_err(Failure::environment)?;

    let mut writer = Writer::new(output.format(&engine), args.destination.open()?);
    let mut failed = false;
    let options = Options {
        seq,
        batch_size: args.batch_size as usize,
        hidden: helpers,
        ..Options::default()
    };
    let wanted = replay::stores_for(&reader, &engine, &options);
    if stores.settled() > wanted {
        stores = reader.stores_with(wanted, brought).map_err(opened::failure)?;
    }
    let bar = progress::bar(reader.manifest().seq.map(|seq| seq.last), "replay");
    let engine = pool
        .install(|| {
            let reader = reader.clone();
            replay::run(
                &reader,
                engine,
                stores,
                &options,
                |detections| {
                    for detection in detections {
                        failed |= args
                            .fail_on
                            .is_some_and(|worst| worst.is_reached(&detection.event));
                        writer.write(detection.event)?;
                    }
                    Ok(())
                },
                |seq| bar.set_position(seq),
            )
        })
        .map_err(|error| match error {
            replay::Error::Output(error) => Failure::from(error),
            replay::Error::Capture(error) => opened::failure(error),
            error => Failure::bad_input(error),
        })?;
    bar.finish_and_clear();
    let written = writer.finish()?;
    let provenance = Provenance::new(std::env::args().collect(), &reader, &options, &engine, &written);
    summary::summarise(&provenance, args.stats);
    if let Some(path) = &args.provenance {
        write_json(path, args.destination.force, &provenance)?;
    }
    let exit = opened::end(&reader);
    Ok(if failed { Exit::Findings } else { exit })
}
