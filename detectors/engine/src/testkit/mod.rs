//! For the tests of detectors: runs them as replay does. Panics on misuse.
//!
//! Events by hand, stores that say what a test wants and calls without an engine come from [`detectors_api::testkit`].
//!
//! ```
//! use detectors_api::prelude::*;
//! use detectors_api::testkit::TestEvent;
//! use detectors_engine::testkit::Harness;
//!
//! struct ShadowRead;
//!
//! impl EventDetector for ShadowRead {
//!     fn definition(&self) -> DetectorDefinition {
//!         DetectorDefinition::new("ACME-002", "shadow_read")
//!             .field("file", FieldType::String)
//!             .on(EventRequirement::new("security_file_open").data("pathname=/etc/*shadow"))
//!     }
//!
//!     fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
//!         Ok(event.get::<&str>("pathname").map(|path| Output::new().with("file", path)).into())
//!     }
//! }
//!
//! let open = |path: &str| TestEvent::new("security_file_open").set("pathname", path);
//! let run = Harness::new(ShadowRead).run(&[open("/etc/passwd"), open("/etc/gshadow")]);
//! run.assert_text(
//!     r#"
//!     event 2: shadow_read (ACME-002)
//!       file = "/etc/gshadow"
//!     "#,
//! );
//! ```
//!
//! Where the detections are not the expected ones, the panic has the difference and, for every event, why it did not pass:
//!
//! ```text
//! event 1 (security_file_open): pathname = "/etc/passwd"
//!   ACME-002 did not get it: `pathname=/etc/*shadow`: pathname is "/etc/passwd"
//! ```

mod explain;
#[cfg(doctest)]
mod guides;
mod harness;
mod run;
mod text;

pub use harness::Harness;
pub use run::Run;

use detectors_api::detector::Detector;
use detectors_api::testkit::TestEvent;

use crate::Detection;

/// The detections of `detector` in `events`: [`Harness::run`], when all must go well.
///
/// # Panics
/// If the detector is refused, fails, or has something to say that it did not declare.
#[must_use]
#[track_caller]
pub fn detect(detector: impl Detector + 'static, events: &[TestEvent]) -> Vec<Detection> {
    let run = Harness::new(detector).run(events);
    run.assert_sound();
    run.into_detections()
}
