//! Paths, as rules look at them.

use detectors_api::prelude::*;

/// Paths of files that lie in memory, as the values of a filter: anonymous memory files and shared memory.
pub(crate) const IN_MEMORY: &str = "memfd:*,/run/shm/*,/dev/shm/*";

/// The last part of `path`, not counting slashes at its end: `/` for a path of slashes alone, `.` for an empty one.
pub(crate) fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return "/";
    }
    path.rsplit_once('/').map_or(path, |(_, base)| base)
}

/// The name of the file that the acting process runs: the last part of its path, as the event tells it or else the process
/// store. `.` if neither does.
pub(crate) fn program<'a>(event: &'a Event<'_>, cx: &Context<'a>) -> &'a str {
    let process = event.process();
    let told = process.executable_path();
    let path = if told.is_empty() {
        process
            .entity_id()
            .and_then(|id| cx.processes().get_process(id).ok())
            .map_or("", |process| process.exe)
    } else {
        told
    };
    base(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_path() {
        for (path, name) in [
            ("/usr/bin/kubectl", "kubectl"),
            ("kubectl", "kubectl"),
            ("/usr/bin/kubectl//", "kubectl"),
            ("/usr/bin/kubectl (deleted)", "kubectl (deleted)"),
            ("/", "/"),
            ("//", "/"),
            ("", "."),
        ] {
            assert_eq!(base(path), name, "{path}");
        }
    }
}
