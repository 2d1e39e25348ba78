//! Where stores come from when somebody asks.

use crate::Stores;

/// Stores for whoever may ask: detectors, mostly. Those who never ask never pay, so a source may put off work until then.
///
/// What it gives has been told of every event that is asked about: [`Stores::at`] answers for all of them.
pub trait StoreSource: Sync {
    /// The stores.
    fn stores(&self) -> &Stores;

    /// How long what has ended is kept: ns of event time; for ever, if `None`. This costs nothing.
    fn retention_ns(&self) -> Option<u64>;
}

impl StoreSource for Stores {
    fn stores(&self) -> &Stores {
        self
    }

    fn retention_ns(&self) -> Option<u64> {
        Stores::retention_ns(self)
    }
}
