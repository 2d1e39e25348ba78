//! What outputs for programs tell of captures that are not as they should be.

use std::path::Path;

use serde_json::Value;

use crate::{replay, text};

/// Replays, and looks into the record of the run, a SARIF and a JUnit document: they have the state of the capture, the exit code,
/// and nothing but what is `unread` and what is `missing`, each of which has certain words. Gives what the record has of the capture.
pub(crate) fn told(capture: &Path, state: &str, code: i32, unread: &[&[&str]], missing: &[&[&str]]) -> Value {
    let directory = tempfile::tempdir().expect("a directory");
    let run = directory.path().join("run.json");
    let arguments = ["--provenance", run.to_str().expect("text"), "-o", "sarif"];
    let output = replay(capture, &arguments);
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    let run: Value = serde_json::from_slice(&std::fs::read(&run).expect("a record")).expect("JSON");
    let record = &run["captures"][0];
    assert_eq!(record["state"], state);
    assert_eq!(
        record["unreadable"].as_array().map(Vec::len),
        Some(unread.len()),
        "{record}"
    );

    let sarif: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let invocation = &sarif["runs"][0]["invocations"][0];
    assert_eq!(invocation["exitCode"], code);
    assert_eq!(invocation["executionSuccessful"], unread.is_empty());
    assert_eq!(invocation["properties"]["captureState"], state);
    assert_eq!(invocation["properties"]["captureDigest"], record["digest"]);
    let notifications = invocation["toolExecutionNotifications"]
        .as_array()
        .expect("a list");
    for (level, expected) in [("error", unread), ("warning", missing)] {
        let of_level = notifications.iter().filter(|one| one["level"] == level);
        let texts: Vec<_> = of_level
            .map(|one| one["message"]["text"].as_str().expect("text"))
            .collect();
        assert_eq!(texts.len(), expected.len(), "{texts:?}");
        for (text, words) in texts.iter().zip(expected) {
            assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        }
    }

    let output = replay(capture, &["-o", "junit"]);
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    let document = text(&output.stdout);
    assert!(document.contains(&format!(r#"<property name="capture.state" value="{state}"/>"#)));
    let (_, case) = document
        .split_once(r#"<testcase name="capture""#)
        .unwrap_or_else(|| panic!("there is no case: {document}"));
    let (case, _) = case.split_once("</testcase>").expect("it has an end");
    assert_eq!(
        case.contains(r#"type="unreadable""#),
        !unread.is_empty(),
        "{case}"
    );
    assert_eq!(case.contains("<system-out>"), !missing.is_empty(), "{case}");
    for words in unread.iter().chain(missing) {
        assert!(words.iter().all(|word| case.contains(word)), "{words:?}: {case}");
    }
    record.clone()
}
