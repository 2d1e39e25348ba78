//! State around events: deterministic folds with history.
