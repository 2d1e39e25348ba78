//! TRC-1012: the dynamic loader was changed.

use detectors_api::prelude::*;

use crate::flags::is_write;

/// Loaders in the system's directories of libraries, `lib64` and the like included.
const LOADERS: &str = "/lib*/ld*.so*,/usr/lib*/ld*.so*";

struct DefaultLoaderMod;

register!(DefaultLoaderMod);

impl EventDetector for DefaultLoaderMod {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1012", "default_loader_mod")
            .event_id(7505)
            .describe("The dynamic loader was opened for writing, or another file was put in its place")
            .on(EventRequirement::new("security_file_open").data(format!("pathname={LOADERS}")))
            .on(EventRequirement::new("security_inode_rename").data(format!("new_path={LOADERS}")))
            .threat(
                Threat::high("Default dynamic loader modification detected")
                    .describe(
                        "The program that starts nearly every other program was changed or replaced. Whatever is in \
                         it now runs in all of them.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1574", "Hijack Execution Flow")
                    .property("Category", "defense-evasion"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let changed = match event.name() {
            "security_file_open" => event.get::<i64>("flags").is_some_and(is_write),
            _ => true,
        };
        Ok(changed.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;

    use super::*;
    use crate::testing::{fires, open, rename};

    #[test]
    fn writing_or_replacing_the_loader_is_detected() {
        for path in [
            "/lib/ld-linux.so.2",
            "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "/usr/lib/x86_64-linux-gnu/ld-2.31.so",
            "/usr/lib/ld-musl-x86_64.so.1",
        ] {
            for (flags, detected) in [(0, false), (1, true), (2, true), (3, false)] {
                assert_eq!(
                    fires(DefaultLoaderMod, open(path, flags)),
                    detected,
                    "{path} {flags}"
                );
            }
            assert!(fires(DefaultLoaderMod, rename("/tmp/x", path)), "{path}");
            assert!(!fires(DefaultLoaderMod, rename(path, "/tmp/x")), "{path}");
            assert!(
                fires(DefaultLoaderMod, open(path, 1).container("c1", true)),
                "{path}"
            );
        }
        for path in [
            "/lib/libld.so",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/usr/lib/x86_64-linux-gnu/ld-linux",
            "/usr/local/lib/ld-linux.so.2",
            "/mnt/lib/ld-linux.so.2",
            "lib/ld-linux.so.2",
            "",
        ] {
            assert!(!fires(DefaultLoaderMod, open(path, 1)), "{path}");
            assert!(!fires(DefaultLoaderMod, rename("/tmp/x", path)), "{path}");
        }
    }

    #[test]
    fn loaders_of_64_bits_are_watched_too() {
        for path in ["/lib64/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2"] {
            assert!(fires(DefaultLoaderMod, open(path, 1)), "{path}");
            assert!(fires(DefaultLoaderMod, rename("/tmp/x", path)), "{path}");
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open("/lib/ld-linux.so.2", 1);
        assert!(!fires(DefaultLoaderMod, event.clone().without("pathname")));
        assert!(!fires(DefaultLoaderMod, event.clone().without("flags")));
        let text = event.set_exactly("flags", Value::from("1"));
        assert!(!fires(DefaultLoaderMod, text));
        let nowhere = rename("/tmp/x", "/lib/ld-linux.so.2").without("new_path");
        assert!(!fires(DefaultLoaderMod, nowhere));
    }
}
