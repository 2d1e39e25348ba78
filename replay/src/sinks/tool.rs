//! This tool, as documents name their maker.

/// Its name.
pub(super) const NAME: &str = "tracee-cap";
/// Its version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where it lives.
pub(super) const HOME: &str = env!("CARGO_PKG_REPOSITORY");
