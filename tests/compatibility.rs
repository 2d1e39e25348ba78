//! `docs/compatibility.md` names a test for every difference: each must exist.

use std::fs;
use std::path::Path;

/// The text of all Rust files below `directory`.
fn sources(directory: &Path, text: &mut String) {
    let entries = fs::read_dir(directory).expect("the repository can be read");
    for entry in entries {
        let path = entry.expect("the repository can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("sources are text"));
        }
    }
}

#[test]
fn every_difference_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/compatibility.md")).expect("the page is there");
    let mut code = String::new();
    sources(root, &mut code);
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("| test |"));
    let mut named = 0;
    for row in rows {
        let tests = row
            .trim_end_matches(['|', ' '])
            .rsplit('|')
            .next()
            .unwrap_or_default()
            .trim();
        assert!(
            tests == "as above" || tests.contains('`'),
            "no test is named: {row}"
        );
        for test in tests.split('`').skip(1).step_by(2) {
            let function = test.rsplit("::").next().unwrap_or(test);
            let exists = code.contains(&format!("fn {function}("));
            assert!(exists || function == "tests", "there is no test `{test}`: {row}");
            named += 1;
        }
    }
    assert!(named > 30, "only {named} tests are named");
}
