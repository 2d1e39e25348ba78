//! The sets of detectors that are measured, and how they run.

use std::io;
use std::path::Path;

use capture::CaptureReader;
use detectors_api::detector::Detector;
use detectors_api::prelude::*;
use detectors_engine::{Detection, Engine, EngineBuilder};
use replay::{Format, Options, Replay, Writer};

use crate::Failure;
use crate::recording::{ARCHITECTURE, ENRICHMENTS};

/// How the paths begin that the filter alone, and the selective detector, ask for: one open in some hundred.
pub(crate) const PREFIX: &str = "/etc/package-97";

/// The type that few events are of.
const RARE: &str = "hooked_proc_fops";

/// Detectors that run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Set {
    /// All that are built in.
    BuiltIn,
    /// Detectors with the filters of these, which do nothing with the events that they get: what there is to gain elsewhere.
    Filters,
    /// All that are built in, and one written in YAML that wants few events of the most frequent type.
    Selective,
    /// One for a type of which there is one event in ten thousand: it tells of each.
    Rare,
    /// The built-in one for that type, whose detections tell the ancestors of who did it: every event that changes the process tree
    /// counts.
    RareAncestry,
    /// One filter: files whose path begins with [`PREFIX`] that are opened.
    Filter,
}

impl Set {
    /// Every one.
    pub(crate) const ALL: [Self; 6] = [
        Self::BuiltIn,
        Self::Filters,
        Self::Selective,
        Self::Rare,
        Self::RareAncestry,
        Self::Filter,
    ];

    /// What it is called on the command line of a child.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Filters => "filters",
            Self::Selective => "selective",
            Self::Rare => "rare",
            Self::RareAncestry => "rare-ancestry",
            Self::Filter => "filter",
        }
    }

    fn detectors(self) -> Result<Vec<Box<dyn Detector>>, Failure> {
        let built_in = detectors_builtin::detectors();
        Ok(match self {
            Self::BuiltIn => built_in,
            Self::Filters => built_in
                .iter()
                .map(|detector| Box::new(Idle(detector.definition())) as _)
                .collect(),
            Self::Selective => {
                let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/replay/selective.yaml");
                let loaded = detectors_yaml::load::load([file]);
                if !loaded.errors.is_empty() {
                    return Err(format!("{:?}", loaded.errors).into());
                }
                let yaml = loaded.detectors.into_iter();
                built_in
                    .into_iter()
                    .chain(yaml.map(|detector| Box::new(detector) as _))
                    .collect()
            }
            Self::Rare => vec![Box::new(Hooked)],
            Self::RareAncestry => built_in
                .into_iter()
                .filter(|detector| detector.definition().id == "TRC-1020")
                .collect(),
            Self::Filter => vec![Box::new(Opened)],
        })
    }

    /// An engine with the detectors.
    pub(crate) fn engine(self) -> Result<Engine, Failure> {
        let registered = EngineBuilder::new()
            .detectors(self.detectors()?)
            .enrichments(ENRICHMENTS)
            .stores(Store::ALL)
            .architecture(ARCHITECTURE)
            .build();
        match registered.refusals.as_slice() {
            [] => Ok(registered.engine),
            refusals => Err(format!("{refusals:?}").into()),
        }
    }

    /// Replays a capture; gives the number of detections, and the digest of them as NDJSON.
    pub(crate) fn replay(self, capture: &Path, threads: usize) -> Result<(u64, String), Failure> {
        let reader = CaptureReader::open(capture)?;
        let options = Options {
            threads,
            ..Options::default()
        };
        let mut writer = Writer::new(Format::Ndjson, io::sink());
        let replay = Replay::plan(&reader, self.engine()?, Vec::new(), options)?;
        let outcome = replay.run(|detections| write(&mut writer, detections), |_| {})?;
        if !outcome.gaps.is_empty() {
            return Err(format!("not all could be read: {:?}", outcome.gaps).into());
        }
        let written = writer.finish()?;
        Ok((written.detections, written.digest))
    }
}

/// Writes detections.
pub(crate) fn write(writer: &mut Writer<io::Sink>, detections: Vec<Detection>) -> Result<(), replay::Error> {
    for detection in detections {
        writer.write(detection)?;
    }
    Ok(())
}

/// Gets what another detector gets, and does nothing with it.
struct Idle(DetectorDefinition);

impl EventDetector for Idle {
    fn definition(&self) -> DetectorDefinition {
        let mut definition = self.0.clone();
        definition.stores.clear();
        definition.auto_populate(AutoPopulate::NONE)
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Outputs::none())
    }
}

/// Tells of every file that is opened below [`PREFIX`].
struct Opened;

impl EventDetector for Opened {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("BENCH-1", "opened")
            .on(EventRequirement::new("security_file_open").data(format!("pathname={PREFIX}*")))
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Output::new().into())
    }
}

/// Tells of every function of the proc file system that was replaced.
struct Hooked;

impl EventDetector for Hooked {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("BENCH-2", "hooked").on(EventRequirement::new(RARE))
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Output::new().into())
    }
}
