//! Detectors that remember.

use std::any::Any;
use std::fmt;

use super::{Context, Detector, DetectorParams, Kind, Result};
use crate::definition::DetectorDefinition;
use crate::event::Event;
use crate::output::Outputs;

/// A detector that remembers: it is given the events in order, and with each the state that belongs to it.
///
/// How many states there are follows from [`REACH`](Self::REACH): the engine keeps one for each process, for each
/// container, or one for all, and makes a new one (`State::default()`) when something happens there for the first time.
/// What a detector keeps belongs into its state and nowhere else: `on_event` cannot change the detector itself.
///
/// * Events with the same state come one after the other, in the order of the recording. Events with different states may
///   come at the same time, on different threads.
/// * A call that returns an error keeps what it wrote into the state. The state of a call that panics is dropped, because
///   it may be half written; it starts anew with the next event.
/// * Where the recording has a retention (its stores forget what ended long ago), a state that its detector was not given
///   for that long, in event time, starts anew. Otherwise states stay until the end.
///
/// ```
/// use detectors_api::prelude::*;
///
/// /// A process opened its hundredth file.
/// struct ManyOpens;
///
/// impl StatefulDetector for ManyOpens {
///     type State = u64;
///     const REACH: Reach = Reach::PerProcess;
///
///     fn definition(&self) -> DetectorDefinition {
///         DetectorDefinition::new("ACME-003", "many_opens")
///             .describe("A process opened a hundred files")
///             .on(EventRequirement::new("security_file_open"))
///     }
///
///     fn on_event(&self, opened: &mut u64, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
///         *opened += 1;
///         Ok((*opened == 100).then(Output::new).into())
///     }
/// }
///
/// register!(Stateful(ManyOpens));
/// ```
///
/// A detector without memory cannot have any by accident:
///
/// ```compile_fail,E0594
/// use detectors_api::prelude::*;
///
/// struct Counting {
///     seen: u64,
/// }
///
/// impl EventDetector for Counting {
///     fn definition(&self) -> DetectorDefinition {
///         DetectorDefinition::new("ACME-004", "counting")
///     }
///
///     fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
///         self.seen += 1;
///         Ok(Outputs::none())
///     }
/// }
/// ```
pub trait StatefulDetector: Send + Sync {
    /// What it remembers.
    type State: Default + Send + 'static;

    /// How far it remembers.
    const REACH: Reach;

    /// Who it is and what it needs. Pure; may be called several times.
    fn definition(&self) -> DetectorDefinition;

    /// Called once, before the first event.
    ///
    /// # Errors
    /// The detector is refused, with the error as the reason.
    fn init(&mut self, _params: &DetectorParams) -> Result<()> {
        Ok(())
    }

    /// Called for every event that passes the filters of a requirement, in order, with the state that belongs to it.
    ///
    /// # Errors
    /// Counted and reported with the event; other detectors and other events go on.
    fn on_event(&self, state: &mut Self::State, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs>;

    /// Called once, after the last event.
    ///
    /// # Errors
    /// Reported.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// How far the state of a detector reaches: which events share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Those of the same process, by its entity id. Events that say nothing about a process share one state.
    PerProcess,
    /// Those of the same container, by its id. Events from outside of containers share the state of the host.
    PerContainer,
    /// All.
    Global,
}

impl Reach {
    /// `process`, `container` or `global`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PerProcess => "process",
            Self::PerContainer => "container",
            Self::Global => "global",
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes a [`StatefulDetector`] a [`Detector`]: `register!(Stateful(MyDetector))`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stateful<D>(pub D);

/// A state whose type only its detector knows.
pub struct State(Box<dyn Any + Send>);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State(..)")
    }
}

/// A stateful detector without the type of its state: how the engine calls it.
pub trait Session: Sync {
    /// How far it remembers.
    fn reach(&self) -> Reach;

    /// A new state.
    fn new_state(&self) -> State;

    /// What the detector makes of an event, given the state that belongs to it. A state of another detector is replaced by a
    /// new one.
    ///
    /// # Errors
    /// Those of the detector.
    fn on_event(&self, state: &mut State, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs>;
}

impl<D: StatefulDetector> Session for Stateful<D> {
    fn reach(&self) -> Reach {
        D::REACH
    }

    fn new_state(&self) -> State {
        State(Box::new(D::State::default()))
    }

    fn on_event(&self, state: &mut State, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        if !state.0.is::<D::State>() {
            *state = self.new_state();
        }
        let state = state.0.downcast_mut().expect("it is this detector's");
        self.0.on_event(state, event, cx)
    }
}

impl<D: StatefulDetector> Detector for Stateful<D> {
    fn definition(&self) -> DetectorDefinition {
        self.0.definition()
    }

    fn init(&mut self, params: &DetectorParams) -> Result<()> {
        self.0.init(params)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Stateful(self)
    }

    fn close(&mut self) -> Result<()> {
        self.0.close()
    }
}
