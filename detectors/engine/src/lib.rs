//! The detector engine: registration, filters, dispatch, auto-population.
