//! Every target over its corpus: what fuzzing once reached or found is tried by every run of the tests.

use std::path::Path;

#[test]
fn nothing_in_the_corpora_is_a_find() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in fuzz::TARGETS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpora.join(name)).expect("every target has a corpus") {
            let path = entry.expect("readable").path();
            let bytes = std::fs::read(&path).expect("readable");
            // The name of the input belongs into the message of a panic.
            if let Err(panic) = std::panic::catch_unwind(|| target(&bytes)) {
                eprintln!("target {name}, input {}", path.display());
                std::panic::resume_unwind(panic);
            }
            inputs += 1;
        }
        assert!(inputs > 0, "the corpus of {name} is empty");
    }
}
