//! The reference.

use detectors_yaml::source::Source;
use fixtures::fixture::About;

use crate::support::{read, root};

/// The blocks of YAML on the page.
fn blocks(page: &str) -> Vec<&str> {
    let blocks = page.split("\n```yaml\n").skip(1);
    blocks
        .map(|block| block.split("\n```").next().unwrap_or_default())
        .collect()
}

#[test]
fn the_files_that_are_shown_are_read() {
    let page = read("fixtures.md");
    let blocks = blocks(&page);
    let (whole, parts) = blocks.split_first().expect("there are examples");
    let about = About::parse(&Source::new("fixture.yaml", *whole)).expect("it is in order");
    // All that there is, is there.
    assert!(about.config.is_some() && !about.stores.is_empty() && about.made.from.is_some());
    assert!(!parts.is_empty());
    for part in parts {
        let text = format!("fixture: 1\nmade: {{how: written}}\ndetectors: [all]\n{part}\n");
        About::parse(&Source::new("fixture.yaml", text)).expect("it is in order");
    }
}

#[test]
fn the_examples_that_are_linked_are_there() {
    let page = read("fixtures.md");
    let links = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links {
        assert!(root().join("docs").join(link).exists(), "{link}");
    }
}
