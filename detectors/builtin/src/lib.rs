//! The built-in detectors, one file each, with their tests.
//!
//! Their ids, events, filters and logic follow Tracee's detectors of the same ids, so that rules, dashboards and runbooks
//! carry over; the event numbers are those of Tracee's default build. Where they differ on purpose is listed in
//! `docs/compatibility.md`. Unlike Tracee's, their detections carry the ancestors of the acting process: an investigator
//! wants to see who started it.
//!
//! The tests here run on written events, one for each condition of a rule. `tests/live_detectors.rs` runs the rules on what the
//! kernel does when someone acts.

mod anti_debugging;
mod aslr_inspection;
mod cgroup_notify_on_release;
mod cgroup_release_agent;
mod core_pattern_modification;
mod default_loader_mod;
mod disk_mount;
mod docker_abuse;
mod dropped_executable;
mod dynamic_code_loading;
mod elf;
mod exec;
mod fileless_execution;
mod flags;
mod hidden_file_created;
mod hooked_seq_ops;
mod hooked_syscall;
mod illegitimate_shell;
mod k8s_api_connection;
mod k8s_cert_theft;
mod k8s_service_account_token;
mod kernel_module_loading;
mod ld_preload;
mod path;
mod proc_fops_hooking;
mod proc_kcore_read;
mod proc_mem_access;
mod proc_mem_code_injection;
mod process_memory;
mod process_vm_write_inject;
mod ptrace_code_injection;
mod rcd_modification;
pub mod reference;
mod sched_debug_recon;
mod scheduled_task_mod;
mod stdio_over_socket;
mod sudoers_modification;
mod syscall_hooking;
mod system_request_key_mod;
#[cfg(test)]
mod testing;

use detectors_api::detector::{Detector, registered};

/// All detectors that are part of the program, by id: the built-in ones, and those that other linked crates register.
#[must_use]
pub fn detectors() -> Vec<Box<dyn Detector>> {
    registered()
}

#[cfg(test)]
mod tests {
    use detectors_api::definition::AutoPopulate;
    use detectors_api::stores::Store;
    use detectors_engine::EngineBuilder;

    #[test]
    fn all_of_them_ask_for_everything() {
        for detector in super::detectors() {
            let definition = detector.definition();
            assert_eq!(definition.auto_populate, AutoPopulate::ALL, "{}", definition.id);
        }
    }

    #[test]
    fn all_of_them_are_registered_and_in_order() {
        let built = EngineBuilder::new()
            .detectors(super::detectors())
            .enrichments(["environment"])
            .stores(Store::ALL)
            .build();
        assert_eq!((built.refusals, built.warnings), (Vec::new(), Vec::new()));
        let definitions = built.engine.definitions();
        let table: Vec<_> = definitions
            .map(|definition| {
                let threat = definition.threat.as_ref().expect("each has a threat");
                assert!(!threat.description.is_empty() && !definition.event.description.is_empty());
                format!(
                    "{} {} {} {:?} {} {}",
                    definition.event.number(),
                    definition.id,
                    definition.event.name,
                    threat.severity,
                    threat.tactics.join(","),
                    threat
                        .techniques
                        .iter()
                        .map(|(id, name)| format!("{id} {name}"))
                        .collect::<Vec<_>>()
                        .join(",")
                )
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }
}
