//! No file makes the loader panic, and every error it tells stands within the file.

use std::fs;

use detectors_yaml::load::load;
use detectors_yaml::settings::Settings;
use detectors_yaml::source::Source;
use proptest::prelude::*;

/// The examples and the broken files: what mutations start from.
fn corpus() -> Vec<Vec<u8>> {
    let mut files: Vec<_> = ["examples", "tests/broken"]
        .into_iter()
        .flat_map(|directory| fs::read_dir(directory).expect("the directory is there"))
        .map(|entry| entry.expect("the directory can be read").path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| fs::read(path).expect("the file can be read"))
        .collect()
}

/// Loads `bytes` as a file and checks what it says about them.
fn check(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("x.yaml");
    fs::write(&path, bytes).expect("a file can be written");
    let loaded = load([&path]);
    assert!(
        loaded.detectors.len() + loaded.lists.len() + loaded.errors.len() > 0,
        "a file is a detector, a list or wrong"
    );
    for error in loaded.errors.iter().chain(&loaded.warnings) {
        assert!(!error.to_string().is_empty());
        if let Some(position) = error.position {
            assert!(position.offset <= bytes.len() && position.line >= 1 && position.column >= 1);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Settings::parse(Source::new("x", text));
    }
}

/// A change of a file: where, how many bytes go, and what comes in their place.
fn edit() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let pieces = [
        "'", "\"", "!", "&a ", "*a", ": ", "- ", "[", "]", "{", "}", "|", ">", "\n", "\r", "\t", "#", "\\",
        "\\u00e9", "é", "---\n", "...", "?", "%TAG", "\u{feff}", "\0", "null", "<<",
    ];
    let piece = prop::sample::select(pieces.map(|piece| piece.as_bytes().to_vec()).to_vec());
    let noise = prop::collection::vec(any::<u8>(), 0..4);
    (
        any::<prop::sample::Index>(),
        0_usize..20,
        prop_oneof![4 => piece, 1 => noise],
    )
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_in_peace(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn arbitrary_texts_are_refused_in_peace(text in "[-\\[\\]{}:,!&*|>'\"#?%@`a-c \n\té\\\\]{0,120}") {
        check(text.as_bytes());
    }

    #[test]
    fn changed_files_are_read_or_refused(
        file in any::<prop::sample::Index>(),
        edits in prop::collection::vec(edit(), 1..6),
    ) {
        let corpus = corpus();
        let mut bytes = file.get(&corpus).clone();
        for (at, removed, inserted) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, inserted);
        }
        check(&bytes);
    }
}
