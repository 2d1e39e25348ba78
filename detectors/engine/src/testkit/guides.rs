//! The guides for authors in `docs/`, whose examples run as tests.

#[doc = include_str!("../../../../docs/writing-detectors.md")]
struct WritingDetectors;

#[doc = include_str!("../../../../docs/detector-api.md")]
struct DetectorApi;

#[doc = include_str!("../../../../docs/migrating-signatures.md")]
struct MigratingSignatures;
