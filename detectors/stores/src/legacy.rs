//! The old data sources, as adapters on the stores.
