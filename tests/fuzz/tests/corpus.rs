//! Every target over its corpus: what fuzzing once reached or found is tried by every run of the tests.

use fuzz::{TARGETS, corpus};

#[test]
fn nothing_in_the_corpora_is_a_find() {
    for (name, target) in TARGETS {
        let inputs = corpus::read(name).expect("every target has a corpus");
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            // The input belongs into the message of a panic.
            if let Err(panic) = std::panic::catch_unwind(|| target(input.as_bytes())) {
                eprintln!("target {name}, input {input:?}");
                std::panic::resume_unwind(panic);
            }
        }
    }
}
