//! Detectors that are part of the program.

use super::Detector;

/// A detector that is part of the program. Made by [`register!`](crate::register).
#[derive(Debug)]
pub struct Registration {
    /// Makes the detector.
    pub new: fn() -> Box<dyn Detector>,
}

inventory::collect!(Registration);

/// Makes a detector part of every program that links its crate: `register!(MyDetector)`, `register!(Stateful(MyDetector))`,
/// or any expression that makes one.
#[macro_export]
macro_rules! register {
    ($detector:expr) => {
        $crate::inventory::submit! {
            $crate::detector::Registration { new: || ::std::boxed::Box::new($detector) }
        }
    };
}

/// A new instance of every detector that is part of the program, by id.
#[must_use]
pub fn registered() -> Vec<Box<dyn Detector>> {
    let mut detectors: Vec<_> = inventory::iter::<Registration>
        .into_iter()
        .map(|registration| {
            let detector = (registration.new)();
            let definition = detector.definition();
            ((definition.id, definition.event.name), detector)
        })
        .collect();
    // Link order is nobody's business.
    detectors.sort_by(|(a, _), (b, _)| a.cmp(b));
    detectors.into_iter().map(|(_, detector)| detector).collect()
}
