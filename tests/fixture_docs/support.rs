//! Commands as a reader would type them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(page: &str) -> String {
    fs::read_to_string(root().join("docs").join(page)).expect("the page is there")
}

/// A shell in `directory` that finds our program.
pub(crate) fn shell(directory: &Path, command: &str) -> Output {
    let program = assert_cmd::cargo::cargo_bin("tracee-cap");
    let mut path = vec![program.parent().expect("it is in a directory").to_owned()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    Command::new("sh")
        .args(["-euc", command])
        .current_dir(directory)
        .env(
            "PATH",
            env::join_paths(path).expect("there are no colons in them"),
        )
        .output()
        .expect("there is a shell")
}

pub(crate) fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
