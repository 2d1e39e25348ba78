//! Progress on a terminal, and only there.

use std::process::Command;

use crate::support::{make, said, tracee_cap};

#[test]
fn progress_is_shown_on_a_terminal_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("generated.tcap");
    make(&capture, 20_000);
    let program = tracee_cap().get_program().to_string_lossy().into_owned();
    // A pseudo-terminal, as `script` of util-linux makes them.
    let command = format!("{program} replay {} -w /dev/null --force", capture.display());
    let shown = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .output()
        .expect("util-linux is there");
    assert!(shown.status.success());
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("events/s") && shown.contains("found,"),
        "{shown:?}"
    );
    assert!(
        shown.contains("generated.tcap") && shown.contains('%'),
        "{shown:?}"
    );
    let (quiet, _) = said(&["-w", "/dev/null", "--force"], &[&capture]);
    assert!(
        !quiet.contains("events/s") && !quiet.contains('\u{1b}'),
        "{quiet:?}"
    );
}
