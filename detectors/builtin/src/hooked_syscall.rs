//! DRV-002: an entry of the system call table leads elsewhere.

use std::collections::VecDeque;

use detectors_api::prelude::*;

/// How many entries are remembered: more than any table has.
const REMEMBERED: usize = 500;

struct HookedSyscallDetector;

register!(Stateful(HookedSyscallDetector));

impl StatefulDetector for HookedSyscallDetector {
    type State = Reported;
    const REACH: Reach = Reach::Global;

    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("DRV-002", "hooked_syscall_detector")
            .event_id(7513)
            .describe("An entry of the system call table leads out of the kernel")
            .field("syscall", FieldType::String)
            .field("address", FieldType::String)
            .field("function", FieldType::String)
            .field("owner", FieldType::String)
            .on(EventRequirement::new("syscall_table_check"))
            .store(StoreRequirement::required(Store::Symbol))
            .store(StoreRequirement::required(Store::Syscall))
            .threat(
                Threat::critical("Syscall Table Hooking Detected")
                    .describe(
                        "An entry of the system call table leads to a function that is not the kernel's own. Rootkits \
                         put themselves there to decide what programs are told and what they may do.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1014", "Rootkit"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, reported: &mut Reported, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        let number: i32 = event
            .get("syscall_id")
            .ok_or("the event does not tell the number of the system call (syscall_id)")?;
        let address: u64 = event
            .get("syscall_address")
            .ok_or("the event does not tell where the entry leads (syscall_address)")?;
        // The table is checked again and again, and says the same each time.
        if !reported.is_news(number, address) {
            return Ok(Outputs::none());
        }
        // It is the kernel's own table, which counts as the kernel does.
        let name = cx.stores().syscalls().get_native_syscall_name(number);
        let hook = |function: &str, owner: &str| {
            Output::new()
                .with("syscall", name.as_deref().unwrap_or_default())
                .with("address", format!("{address:x}"))
                .with("function", function)
                .with("owner", owner)
        };
        // A function that hides has no name, and is reported all the same.
        let symbols = cx.stores().kernel_symbols().resolve_symbol_by_address(address);
        let symbols = symbols.unwrap_or_default();
        if symbols.is_empty() {
            return Ok(hook("", "").into());
        }
        Ok(symbols
            .iter()
            .map(|symbol| hook(symbol.name, symbol.module))
            .collect())
    }
}

/// Where entries led when they were last looked at, the latest last: number and address.
#[derive(Debug, Default)]
struct Reported(VecDeque<(i32, u64)>);

impl Reported {
    /// Remembers where the entry with this number leads, and tells whether that is new.
    fn is_news(&mut self, number: i32, address: u64) -> bool {
        let known = self.0.iter().position(|(entry, _)| *entry == number);
        let known = known.and_then(|position| self.0.remove(position));
        self.0.push_back((number, address));
        // A recording can make up any number of entries.
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        known != Some((number, address))
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;
    use detectors_api::stores::NullStores;
    use detectors_api::testkit::{TestEvent, batches};

    use super::*;
    use crate::testing::detect_in_kernel;

    const KALLSYMS: &str = "\
ffffffff81000000 T _stext
ffffffff81800000 T _etext
ffffffffc0001000 t hidden_read\t[rootkit]
ffffffffc0001000 t alias_of_it\t[rootkit]
ffffffffc0002000 t hidden_kill\t[rootkit]
";
    const READ: u64 = 0xffff_ffff_c000_1000;
    const KILL: u64 = 0xffff_ffff_c000_2000;

    fn check(number: i32, address: u64) -> TestEvent {
        TestEvent::new("syscall_table_check")
            .set("syscall_id", number)
            .set("syscall_address", Value::UInt64(address))
    }

    /// What is reported: number of the event, and the values in the order of the fields.
    fn found(events: &[TestEvent]) -> Vec<(u64, Vec<String>)> {
        let detections = detect_in_kernel(Stateful(HookedSyscallDetector), KALLSYMS, events);
        detections
            .into_iter()
            .map(|detection| {
                let names: Vec<_> = detection
                    .event
                    .data
                    .iter()
                    .map(|field| field.name.as_str())
                    .collect();
                assert_eq!(names, ["syscall", "address", "function", "owner"]);
                let values = detection.event.data.into_iter().map(|field| match field.value {
                    Some(Value::Str(text)) => text,
                    other => panic!("{other:?}"),
                });
                (detection.seq, values.collect())
            })
            .collect()
    }

    fn hook(seq: u64, values: [&str; 4]) -> (u64, Vec<String>) {
        (seq, values.map(str::to_owned).to_vec())
    }

    #[test]
    fn an_entry_is_reported_under_each_name_of_the_function() {
        assert_eq!(
            found(&[check(0, READ), check(62, KILL)]),
            [
                hook(1, ["read", "ffffffffc0001000", "hidden_read", "rootkit"]),
                hook(1, ["read", "ffffffffc0001000", "alias_of_it", "rootkit"]),
                hook(2, ["kill", "ffffffffc0002000", "hidden_kill", "rootkit"]),
            ]
        );
    }

    #[test]
    fn what_has_no_name_is_reported_without() {
        assert_eq!(
            found(&[check(0, READ + 8), check(100_000, KILL), check(1, 0xa)]),
            [
                hook(1, ["read", "ffffffffc0001008", "", ""]),
                hook(2, ["", "ffffffffc0002000", "hidden_kill", "rootkit"]),
                hook(3, ["write", "a", "", ""]),
            ]
        );
    }

    #[test]
    fn numbers_are_those_of_the_kernels_table() {
        let hooks = found(&[check(449, KILL)]);
        assert_eq!(hooks[0].1[0], "futex_waitv");
    }

    #[test]
    fn an_entry_is_reported_again_when_it_leads_elsewhere() {
        let events = [
            check(62, KILL),
            check(62, KILL),
            check(62, KILL + 1),
            check(62, KILL + 1),
            check(62, KILL),
            check(63, KILL),
        ];
        let seqs: Vec<_> = found(&events).into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(seqs, [1, 3, 5, 6]);
    }

    #[test]
    fn a_recording_can_make_up_entries_without_end() {
        let mut reported = Reported::default();
        assert!((0..500).all(|number| reported.is_news(number, 1)));
        assert!(!reported.is_news(0, 1), "a whole table is remembered");
        assert!(reported.is_news(500, 1));
        assert_eq!(reported.0.len(), REMEMBERED);
        assert!(!reported.is_news(0, 1), "it was looked at lately");
        assert!(reported.is_news(1, 1), "it was not");
    }

    #[test]
    fn what_does_not_tell_the_entry_is_an_error() {
        for event in [
            check(62, KILL).without("syscall_id"),
            check(62, KILL).without("syscall_address"),
            check(62, KILL).set_exactly("syscall_id", Value::from("62")),
            check(62, KILL).set_exactly("syscall_address", Value::Int64(-1)),
        ] {
            let batches = batches(&[event]);
            let cx = Context::new(&NullStores);
            let error = HookedSyscallDetector
                .on_event(&mut Reported::default(), &batches[0].event(0), &cx)
                .expect_err("it tells no entry");
            assert!(
                error.to_string().starts_with("the event does not tell "),
                "{error}"
            );
        }
        // Modules that are loaded are none of its business.
        assert_eq!(found(&[TestEvent::new("do_init_module")]), []);
    }
}
