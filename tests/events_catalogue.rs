//! `tracee-cap events`, through the binary.

use assert_cmd::Command;
use insta::assert_snapshot;
use serde_json::Value;

fn events(args: &[&str]) -> std::process::Output {
    Command::cargo_bin("tracee-cap")
        .expect("the binary is built")
        .arg("events")
        .args(args)
        .output()
        .expect("it runs")
}

fn stdout(args: &[&str]) -> String {
    let output = events(args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn list_as_a_table() {
    assert_snapshot!(stdout(&[
        "list",
        "security_socket_*",
        "--set",
        "default",
        "-o",
        "table"
    ]));
}

#[test]
fn show_as_text() {
    assert_snapshot!(stdout(&[
        "show",
        "security_socket_connect",
        "kill",
        "-o",
        "table"
    ]));
}

#[test]
fn a_pipe_gets_one_object_per_event() {
    let lines: Vec<Value> = stdout(&["list"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), detectors_api::catalogue::catalogue().iter().len());
    let open = lines
        .iter()
        .find(|event| event["name"] == "security_file_open")
        .expect("listed");
    assert_eq!(open["id"], 1032);
    assert_eq!(open["fields"][0]["name"], "pathname");
    assert_eq!(open["fields"][0]["columns"][0]["type"], "Dictionary(Int32, Utf8)");

    let array: Value = serde_json::from_str(&stdout(&["list", "-o", "json"])).expect("JSON");
    assert_eq!(array.as_array().map(Vec::len), Some(lines.len()));
}

#[test]
fn filters_all_apply() {
    let names = |args: &[&str]| -> Vec<String> {
        stdout(args)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["name"].to_string())
            .collect()
    };
    assert_eq!(
        names(&["list", "--class", "syscall", "--set", "proc_life", "execve*"]),
        ["\"execve\"", "\"execveat\""]
    );
    assert!(names(&["list", "--class", "capture", "--set", "default"]).is_empty());
}

#[test]
fn what_does_not_exist_is_an_error_with_a_hint() {
    for (args, hint) in [
        (
            &["show", "security_fil_open"][..],
            "did you mean security_file_open",
        ),
        (&["list", "no_such_*"][..], "events list"),
        (&["list", "--set", "defaults"][..], "sets are: 32bit_unique, "),
        (
            &["list", "--class", "kernel"][..],
            "classes are: capture, common, ",
        ),
    ] {
        let output = events(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr.contains(hint), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}
