//! Calls of a detector without an engine.

use std::fmt;

use crate::detector::{
    Context, Detector, DetectorConfig, DetectorParams, Kind, Logger, Notes, Reach, Result, State,
};
use crate::event::Event;
use crate::output::Outputs;
use crate::stores::Stores as _;

use super::{MockStores, TestEvent, batches};

/// A detector that a test calls by itself, with stores that the test fills: no filters, no requirements, no auto-population.
///
/// ```
/// use detectors_api::prelude::*;
/// use detectors_api::testkit::{Direct, MockStores, TestEvent};
///
/// /// A shell opened a file.
/// struct ShellOpens;
///
/// impl EventDetector for ShellOpens {
///     fn definition(&self) -> DetectorDefinition {
///         DetectorDefinition::new("ACME-005", "shell_opens")
///             .on(EventRequirement::new("security_file_open"))
///             .store(StoreRequirement::required(Store::Process))
///     }
///
///     fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
///         let id = event.process().entity_id().unwrap_or_default();
///         let shell = cx.processes().get_process(id)?.exe == "/bin/bash";
///         Ok(shell.then(Output::new).into())
///     }
/// }
///
/// let event = TestEvent::new("security_file_open").process(4300, 1);
/// let bash = ProcessInfo { entity_id: event.entity_id(), exe: "/bin/bash", ..Default::default() };
/// let mut detector = Direct::new(ShellOpens).stores(MockStores::new().process(bash)).init()?;
/// assert_eq!(detector.on_event(&event)?.len(), 1);
/// assert!(detector.on_event(&TestEvent::new("security_file_open")).is_err(), "nobody knows that process");
/// # Ok::<(), DetectorError>(())
/// ```
pub struct Direct<D> {
    detector: D,
    stores: MockStores,
    config: DetectorConfig,
}

/// A detector that has been started; made by [`Direct::init`].
pub struct Started<D> {
    detector: D,
    stores: MockStores,
    /// What belongs to the processes, or containers, that have been seen.
    states: Vec<(Key, State)>,
    warnings: Vec<String>,
}

// By hand: detectors need not have a debug form.
impl<D> fmt::Debug for Direct<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl<D> fmt::Debug for Started<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// What a state belongs to.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    Process(Option<u32>),
    Container(String),
    All,
}

impl<D: Detector> Direct<D> {
    /// A detector without stores and settings.
    #[must_use]
    pub fn new(detector: D) -> Self {
        Self {
            detector,
            stores: MockStores::new(),
            config: DetectorConfig::default(),
        }
    }

    /// Sets the stores that it can ask.
    #[must_use]
    pub fn stores(mut self, stores: MockStores) -> Self {
        self.stores = stores;
        self
    }

    /// Sets the user's settings.
    #[must_use]
    pub fn config(
        mut self,
        settings: impl IntoIterator<Item = (impl Into<String>, impl Into<serde_json::Value>)>,
    ) -> Self {
        self.config = settings.into_iter().collect();
        self
    }

    /// Starts the detector.
    ///
    /// # Errors
    /// Those of its `init`.
    pub fn init(mut self) -> Result<Started<D>> {
        let params = DetectorParams {
            config: self.config,
            stores: self.stores.list().into_iter().collect(),
            logger: Logger::new(&self.detector.definition().id),
        };
        self.detector.init(&params)?;
        Ok(Started {
            detector: self.detector,
            stores: self.stores,
            states: Vec::new(),
            warnings: Vec::new(),
        })
    }
}

impl<D: Detector> Started<D> {
    /// What it makes of `event`. If it is stateful, it gets the state that belongs to the event.
    ///
    /// # Errors
    /// Those of the detector.
    pub fn on_event(&mut self, event: &TestEvent) -> Result<Outputs> {
        let batches = batches(std::slice::from_ref(event));
        let event = batches[0].event(0);
        let notes = Notes::default();
        let cx = Context::new(&self.stores).noting(&notes);
        let outputs = match self.detector.kind() {
            Kind::Stateless(detector) => detector.on_event(&event, &cx),
            Kind::Stateful(session) => {
                let key = Key::of(session.reach(), &event);
                let known = self.states.iter().position(|(known, _)| *known == key);
                let at = known.unwrap_or_else(|| {
                    self.states.push((key, session.new_state()));
                    self.states.len() - 1
                });
                session.on_event(&mut self.states[at].1, &event, &cx)
            }
        };
        self.warnings.extend(notes.into_kept());
        outputs
    }

    /// What it warned about so far; of each call the first few.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Ends it.
    ///
    /// # Errors
    /// Those of its `close`.
    pub fn close(mut self) -> Result<()> {
        self.detector.close()
    }
}

impl Key {
    fn of(reach: Reach, event: &Event<'_>) -> Self {
        match reach {
            Reach::PerProcess => Self::Process(event.process().entity_id()),
            Reach::PerContainer => Self::Container(event.container().id().to_owned()),
            Reach::Global => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    /// Says how many events came before, and warns about the second.
    struct Counts;

    impl StatefulDetector for Counts {
        type State = i64;
        const REACH: Reach = Reach::PerProcess;

        fn definition(&self) -> DetectorDefinition {
            DetectorDefinition::new("T-1", "counts").on(EventRequirement::new("ptrace"))
        }

        fn init(&mut self, params: &DetectorParams) -> Result<()> {
            match params.stores.is_available(Store::Dns) && params.config.has("limit") {
                true => Ok(()),
                false => Err("it needs DNS and a limit".into()),
            }
        }

        fn on_event(&self, before: &mut i64, _: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
            *before += 1;
            if *before == 2 {
                cx.warn("twice");
            }
            Ok(Output::new().with("before", *before - 1).into())
        }
    }

    #[test]
    fn a_stateful_detector_has_a_state_for_each_process() -> Result<()> {
        let mut detector = Direct::new(Stateful(Counts))
            .stores(MockStores::new().with(Store::Dns))
            .config([("limit", 1)])
            .init()?;
        let mut before =
            |pid| -> Result<Outputs> { detector.on_event(&TestEvent::new("ptrace").process(pid, 1)) };
        let zero = before(7)?;
        assert_eq!(before(8)?, zero);
        assert_eq!(before(7)?, Output::new().with("before", 1_i64).into());
        assert_eq!(detector.warnings(), ["twice"]);
        detector.close()
    }

    #[test]
    fn a_start_can_fail() {
        let error = Direct::new(Stateful(Counts))
            .init()
            .expect_err("it lacks everything");
        assert_eq!(error.to_string(), "it needs DNS and a limit");
    }
}
