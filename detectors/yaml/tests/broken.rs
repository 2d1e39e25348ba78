//! Everything that is wrong with a directory of files is told in one run, each with its place.

use std::fmt::Write as _;
use std::path::Path;

use detectors_api::detector::EventDetector as _;
use detectors_yaml::load::load;

#[test]
fn every_error_is_told_with_its_place() {
    let directory = Path::new("tests/broken");
    let loaded = load([directory]);
    let mut text = String::new();
    for error in &loaded.errors {
        writeln!(text, "{error}\n").expect("writing to a text cannot fail");
    }
    insta::assert_snapshot!(text);
    let ids: Vec<_> = loaded
        .detectors
        .iter()
        .map(|detector| detector.definition().id)
        .collect();
    assert_eq!(ids, ["good"], "what is right runs");
    let lists: Vec<_> = loaded
        .lists
        .iter()
        .map(|list| (list.name.as_str(), &*list.values))
        .collect();
    let values = ["sh", "1", "true"].map(str::to_owned);
    assert_eq!(lists, [("GOOD_LIST", &values[..])]);
}

#[test]
fn errors_are_there_for_programs_too() {
    let loaded = load(["tests/broken/d_tab.yaml"]);
    let json: Vec<_> = loaded.errors.iter().map(|error| error.to_json()).collect();
    let [error] = &json[..] else {
        panic!("there is one error: {json:?}");
    };
    assert_eq!(error["file"], "tests/broken/d_tab.yaml");
    assert_eq!((&error["line"], &error["column"]), (&4.into(), &2.into()));
    assert_eq!(error["hint"], "indent with spaces");
}
