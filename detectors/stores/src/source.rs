//! Where stores come from when somebody asks.

use crate::Stores;

/// Stores for whoever may ask: detectors, mostly. Those who never ask never pay, so a source may put off work until then.
///
/// What it gives has been told of every event up to the one that is asked about: [`Stores::at`] answers for it.
pub trait StoreSource: Sync {
    /// The stores, for questions as of event `seq`.
    fn stores(&self, seq: u64) -> &Stores;

    /// How long what has ended is kept: ns of event time; for ever, if `None`. This costs nothing.
    fn retention_ns(&self) -> Option<u64>;
}

impl StoreSource for Stores {
    fn stores(&self, _seq: u64) -> &Stores {
        self
    }

    fn retention_ns(&self) -> Option<u64> {
        Stores::retention_ns(self)
    }
}
