//! The files that are the memory of a process.

/// Pattern that every path of such a file matches, for filters.
pub(crate) const PATTERN: &str = "*/proc/*/mem";

/// Whether `path` is the memory of a process: it ends in `/proc/<pid>/mem` or `/proc/self/mem`.
pub(crate) fn is_process_memory(path: &str) -> bool {
    let Some((before, process)) = path.strip_suffix("/mem").and_then(|path| path.rsplit_once('/')) else {
        return false;
    };
    let is_pid = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
    before.ends_with("/proc") && (is_pid || process == "self")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_process_has_one_name_per_process() {
        for path in ["/proc/1/mem", "/proc/self/mem", "/rootfs/proc/4194304/mem"] {
            assert!(is_process_memory(path), "{path}");
        }
        for path in [
            "",
            "/mem",
            "/proc/mem",
            "/proc//mem",
            "proc/1/mem",
            "/xproc/1/mem",
            "/proc/1/mem2",
            "/proc/1/maps",
            "/proc/1x/mem",
            "/proc/selfish/mem",
            "/proc/1/task/1/mem",
            "/dev/mem",
        ] {
            assert!(!is_process_memory(path), "{path}");
        }
    }
}
