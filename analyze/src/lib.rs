//! SQL over captures.
