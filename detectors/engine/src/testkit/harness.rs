//! Detectors, what the recording offers them, and the events to run them on.

use std::path::Path;

use detectors_api::definition::DetectorDefinition;
use detectors_api::detector::{Detector, DetectorConfig};
use detectors_api::event::{BatchBuilder, EventBatch};
use detectors_api::stores::{Store, Stores as _};
use detectors_api::testkit::TestEvent;
use detectors_stores::container::ContainerInput;
use detectors_stores::custom;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row;
use detectors_stores::symbol::Kallsyms;
use detectors_stores::system::HostFacts;
use detectors_stores::{Input, Settings, Stores};

use super::run::Run;
use crate::EngineBuilder;

/// The enrichments that a recording can have.
const ENRICHMENTS: [&str; 3] = ["environment", "executable-hash", "container"];

/// Runs one or several detectors on events made by hand, as replay would: with registration, filters, chains, auto-population and
/// stores that are told of the events.
///
/// Without further word the events come from an x86_64 host, with all enrichments and with DNS events; the stores know what the
/// events say, and what the test adds.
#[derive(Debug)]
pub struct Harness {
    builder: EngineBuilder,
    definitions: Vec<DetectorDefinition>,
    settings: Settings,
    inputs: Vec<Input>,
    enrichments: Vec<String>,
    /// The stores of the recording; those that have something to say, if `None`.
    stores: Option<Vec<String>>,
    /// Events in a window.
    window: usize,
}

impl Harness {
    /// Runs this detector.
    #[must_use]
    pub fn new(detector: impl Detector + 'static) -> Self {
        let harness = Self {
            builder: EngineBuilder::new(),
            definitions: Vec::new(),
            settings: Settings {
                architecture: "x86_64".to_owned(),
                dns: true,
                ..Settings::default()
            },
            inputs: Vec::new(),
            enrichments: ENRICHMENTS.map(str::to_owned).to_vec(),
            stores: None,
            window: usize::MAX,
        };
        harness.and(detector)
    }

    /// Runs this detector, too: it can consume the events of the others, and they its events.
    #[must_use]
    pub fn and(mut self, detector: impl Detector + 'static) -> Self {
        self.definitions.push(detector.definition());
        self.builder = self.builder.detector(detector);
        self
    }

    /// Sets the user's settings for the detector with this id.
    #[must_use]
    pub fn config(
        mut self,
        detector: &str,
        settings: impl IntoIterator<Item = (impl Into<String>, impl Into<serde_json::Value>)>,
    ) -> Self {
        let config: DetectorConfig = settings.into_iter().collect();
        self.builder = self.builder.config(detector, config);
        self
    }

    /// Says what was added to the events while they were recorded, and nothing else was: `environment`,
    /// `executable-hash=MODE`, `container`.
    #[must_use]
    pub fn enrichments<I: IntoIterator<Item = impl Into<String>>>(mut self, names: I) -> Self {
        self.enrichments = names.into_iter().map(Into::into).collect();
        self
    }

    /// Says where the events were recorded: `x86_64` or `aarch64`.
    #[must_use]
    pub fn architecture(mut self, name: &str) -> Self {
        name.clone_into(&mut self.settings.architecture);
        self
    }

    /// Says which stores the recording has, core stores and others. That decides about requirements; the stores are filled all the same.
    #[must_use]
    pub fn stores(mut self, stores: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stores = Some(stores.into_iter().map(Into::into).collect());
        self
    }

    /// What has ended is forgotten so long after: ns of event time.
    #[must_use]
    pub fn retention_ns(mut self, ns: u64) -> Self {
        self.settings.retention_ns = Some(ns);
        self
    }

    /// Feeds the events in windows of this many, as a replay of a long recording does.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn windows_of(mut self, events: usize) -> Self {
        assert!(events > 0, "a window has at least one event");
        self.window = events;
        self
    }

    /// Adds what a store is told beside events.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.inputs.push(input);
        self
    }

    /// These processes ran before the first event.
    #[must_use]
    pub fn processes(self, tasks: &[TaskSnapshot]) -> Self {
        self.rows(Store::Process, tasks)
    }

    /// This is known about containers before the first event.
    #[must_use]
    pub fn containers(self, containers: &[ContainerInput]) -> Self {
        self.rows(Store::Container, containers)
    }

    /// The host says this about itself.
    #[must_use]
    pub fn host(self, facts: HostFacts) -> Self {
        self.rows(Store::System, &[facts])
    }

    /// The kernel has these symbols: lines as in `/proc/kallsyms`.
    ///
    /// # Panics
    /// If a line is no symbol.
    #[must_use]
    #[track_caller]
    pub fn symbols(self, kallsyms: &str) -> Self {
        let read = Kallsyms::read(kallsyms.as_bytes()).expect("memory can be read");
        assert_eq!(read.malformed, 0, "lines that are no symbols in:\n{kallsyms}");
        self.input(Input {
            store: Store::Symbol.name().to_owned(),
            seq: 0,
            rows: read.rows,
        })
    }

    /// The user brings along this store: the text of a file as `--store FILE` takes it.
    ///
    /// # Panics
    /// If it has another format.
    #[must_use]
    #[track_caller]
    pub fn store(self, file: &str) -> Self {
        match custom::parse(file, Path::new("store.json")) {
            Ok(store) => self.input(store.to_input(0)),
            Err(error) => panic!("{error}"),
        }
    }

    fn rows<R: Row>(self, store: Store, rows: &[R]) -> Self {
        self.input(Input {
            store: store.name().to_owned(),
            seq: 0,
            rows: R::to_batch(rows),
        })
    }

    /// Runs the detectors on `events`, numbered from 1 in this order.
    ///
    /// # Panics
    /// If a store does not take what it is told.
    #[must_use]
    #[track_caller]
    pub fn run(self, events: &[TestEvent]) -> Run {
        let architecture = self.settings.architecture.clone();
        let mut stores = Stores::with(self.settings);
        for input in self.inputs {
            if let Err(error) = stores.add_input(input) {
                panic!("{error}");
            }
        }
        let available = self.stores.unwrap_or_else(|| {
            let names = stores.at(u64::MAX, i64::MAX);
            names.list().into_iter().map(str::to_owned).collect()
        });
        let registered = self
            .builder
            .enrichments(self.enrichments)
            .architecture(architecture.clone())
            .stores(available)
            .build();
        let mut engine = registered.engine;
        let (mut detections, mut recorded) = (Vec::new(), Vec::new());
        for (number, window) in events.chunks(self.window).enumerate() {
            let batches = batches(number * self.window, window);
            if let Err(error) = stores.apply(&batches) {
                panic!("{error}");
            }
            detections.extend(engine.process(&batches, &stores));
            recorded.extend(batches);
        }
        let mut warnings = registered.warnings;
        warnings.extend(engine.close());
        Run {
            definitions: self.definitions,
            architecture,
            events: recorded,
            detections,
            refusals: registered.refusals,
            warnings,
            stats: engine.stats().cloned().collect(),
        }
    }
}

/// The batches that a recorder would make of `events`, which come after `before` others.
fn batches(before: usize, events: &[TestEvent]) -> Vec<EventBatch> {
    let mut builder = BatchBuilder::default();
    for (seq, event) in (before as u64 + 1..).zip(events) {
        builder.push(seq, &event.to_recorded());
    }
    builder.finish().batches
}
