//! Files of detectors: any bytes are a detector, a list, or wrong at a place in them; what loads can run.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use detectors_api::stores::Store;
use detectors_engine::EngineBuilder;
use detectors_stores::Stores;
use detectors_yaml::load::load;
use detectors_yaml::settings::Settings;
use detectors_yaml::source::Source;
use tempfile::TempDir;

use crate::events;

/// Loads the bytes as a file, runs what comes of it over a few events, and reads them as settings, too.
///
/// # Panics
/// If a problem lies outside of the file, or nothing at all is said about it.
pub fn yaml(bytes: &[u8]) {
    thread_local! {
        static FILE: RefCell<(TempDir, PathBuf)> = RefCell::new(file());
    }
    let loaded = FILE.with_borrow(|(_, path)| {
        fs::write(path, bytes).expect("the file can be written");
        load([path])
    });
    assert!(loaded.detectors.len() + loaded.lists.len() + loaded.errors.len() > 0);
    for problem in loaded.errors.iter().chain(&loaded.warnings) {
        assert!(!problem.to_string().is_empty());
        if let Some(position) = problem.position {
            assert!(position.offset <= bytes.len() && position.line >= 1 && position.column >= 1);
        }
    }
    let builder = EngineBuilder::new()
        .enrichments(["environment", "executable-hash", "container"])
        .stores(Store::ALL)
        .architecture("x86_64");
    let mut engine = loaded
        .detectors
        .into_iter()
        .fold(builder, EngineBuilder::detector)
        .build()
        .engine;
    let batches = events::window();
    let mut stores = Stores::new();
    stores.apply(&batches).expect("the events are numbered in order");
    let _ = engine.process(&batches, &stores);
    for stats in engine.stats() {
        assert_eq!((stats.counts.errors, stats.counts.panics), (0, 0), "{stats:?}");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Settings::parse(Source::new("x", text));
    }
}

fn file() -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory can be made");
    let path = directory.path().join("x.yaml");
    (directory, path)
}
