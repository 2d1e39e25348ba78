//! `docs/detectors.md` is what the definitions of the built-in detectors say.

use std::fs;
use std::path::Path;

use detectors_builtin::{detectors, reference};

/// What stands above the generated part.
const INTRODUCTION: &str = "\
<!-- Generated from the detectors' definitions by `UPDATE_DOCS=1 cargo test -p detectors-builtin --test reference`. -->

# Built-in detectors

What `tracee-cap replay` looks for by itself. A detection is an event of its own: other detectors can run on it. Filters are
written as in a detector's definition: values of one field separated by commas are alternatives, all else must hold together.
What is *required* must have been recorded, or the detector is refused and says why; without what is *optional* it runs, and
warns. Every detection also carries the event that it was detected from, and the ancestors of the acting process. Where rules
differ from Tracee's of the same id is told in [Compatibility with Tracee](compatibility.md#built-in-detectors).

";

#[test]
fn the_page_says_what_the_definitions_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/detectors.md");
    let definitions: Vec<_> = detectors().iter().map(|detector| detector.definition()).collect();
    let page = format!("{INTRODUCTION}{}", reference::page(&definitions));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = page
        .lines()
        .zip(written.lines())
        .position(|(new, old)| new != old);
    assert!(
        page == written,
        "docs/detectors.md is out of date from line {} on; write it anew with \
         UPDATE_DOCS=1 cargo test -p detectors-builtin --test reference",
        differs.unwrap_or_else(|| page.lines().count().min(written.lines().count())) + 1
    );
}
