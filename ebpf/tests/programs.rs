//! What the running kernel's verifier says to each program of the plan: needs root and BTF, and says so where it has to skip.

use std::collections::HashSet;
use std::path::Path;

use ebpf::Config;
use ebpf::plan::{Attach, Kind, Program};

/// Names the only program to look at, with all that the verifier says to it.
const VERIFIER: &str = "TRACEE_CAP_VERIFIER";

/// Programs that look for an area of memory.
const FIND_AREAS: [&str; 2] = ["on_exec_with_loader", "on_mprotect_of_area"];

/// Where the running kernel lets programs be attached.
struct Places {
    functions: HashSet<String>,
    breakpoints: bool,
    trampolines: bool,
    control_groups: bool,
}

impl Places {
    /// Whether one trampoline is possible is known from others: `taken` tells where programs are.
    fn of<'a>(mut taken: impl Iterator<Item = &'a Attach>) -> Self {
        let symbols = std::fs::read_to_string("/proc/kallsyms").expect("procfs is mounted");
        Self {
            functions: symbols
                .lines()
                .filter_map(|line| line.split_ascii_whitespace().nth(2))
                .map(ToOwned::to_owned)
                .collect(),
            breakpoints: Path::new("/sys/bus/event_source/devices/kprobe/type").exists(),
            control_groups: std::fs::read_to_string("/proc/self/mounts")
                .expect("procfs is mounted")
                .lines()
                .any(|line| line.split(' ').nth(2) == Some("cgroup2")),
            trampolines: taken.any(|attach| attach.kind() == Kind::Trampoline),
        }
    }

    fn has(&self, program: &Program) -> bool {
        // They call a helper that came with Linux 5.17.
        if FIND_AREAS.contains(&program.name) && !self.functions.contains("bpf_find_vma") {
            return false;
        }
        match program.attach {
            // Each tracepoint comes with a function that calls what is attached to it.
            Attach::RawTracepoint(name) => self.functions.contains(&format!("__traceiter_{name}")),
            Attach::TaskIterator => true,
            Attach::Fentry(name) | Attach::Fexit(name) => self.trampolines && self.functions.contains(name),
            Attach::Kprobe(name) | Attach::Kretprobe(name) => {
                self.breakpoints && self.functions.contains(name)
            }
            Attach::Ingress | Attach::Egress | Attach::SocketMade => self.control_groups,
            Attach::OpenFiles => true,
        }
    }
}

#[test]
fn every_program_is_taken_where_its_place_is() {
    let mut programs = ebpf::plan::programs();
    let wanted = std::env::var(VERIFIER).ok();
    if let Some(wanted) = &wanted {
        programs.retain(|program| program.name == wanted);
    }
    let config = Config {
        verifier_log: wanted.is_some(),
        ..Config::default()
    };
    let verdicts: Vec<_> = match ebpf::verdicts(&config, &programs) {
        Ok(verdicts) => programs.iter().zip(verdicts).collect(),
        Err(error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_))) => {
            let note = format!("SKIPPED, no live sensor here: {error}\n");
            // Straight to the descriptor: the test harness captures what is printed.
            nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let taken = verdicts.iter().filter(|(_, verdict)| verdict.is_ok());
    let places = Places::of(taken.map(|(program, _)| &program.attach));
    let mut refused = Vec::new();
    for (program, verdict) in &verdicts {
        let (name, place) = (program.name, program.attach.describe());
        match verdict {
            Ok(()) => println!("taken    {name} at {place}"),
            Err(reason) if !places.has(program) => println!("no place {name} at {place}: {reason}"),
            Err(reason) => {
                println!("REFUSED  {name} at {place}: {reason}");
                refused.push(name);
            }
        }
    }
    assert!(refused.is_empty(), "refused by the verifier: {refused:?}");
}
