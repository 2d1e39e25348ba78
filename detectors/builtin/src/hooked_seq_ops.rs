//! DRV-003: what lists network connections leads elsewhere.

use std::collections::BTreeMap;

use detectors_api::prelude::*;
use detectors_api::proto::event_value::Value as Message;
use detectors_api::proto::{HookedSeqOps, HookedSymbolData};

/// The kernel's lists of connections, in the order in which the sensor checks them.
const LISTS: [&str; 6] = [
    "tcp4_seq_ops",
    "tcp6_seq_ops",
    "udp_seq_ops",
    "udp6_seq_ops",
    "raw_seq_ops",
    "raw6_seq_ops",
];

/// The functions of each list, in the order in which the sensor checks them.
const FUNCTIONS: [&str; 4] = ["show", "start", "next", "stop"];

/// The field with the functions that were replaced, and who owns the new ones.
const HOOKS: &str = "hooked_seq_ops_detector";

struct HookedSeqOpsDetector;

register!(HookedSeqOpsDetector);

impl EventDetector for HookedSeqOpsDetector {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("DRV-003", "hooked_seq_ops_detector")
            .event_id(7512)
            .describe("Network connections are listed by code from outside of the kernel")
            .field(HOOKS, FieldType::HookedSeqOps)
            .on(EventRequirement::new("print_net_seq_ops"))
            .store(StoreRequirement::required(Store::Symbol))
            .threat(
                Threat::critical("Network Seq_ops Hooking Detected")
                    .describe(
                        "Functions that list the host's network connections are not the kernel's own. Rootkits \
                         replace them to leave their connections out of what every program is shown.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1014", "Rootkit"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        let addresses: Vec<u64> = event.get("net_seq_ops").unwrap_or_default();
        let functions = LISTS
            .iter()
            .flat_map(|list| FUNCTIONS.map(|function| format!("{list}_{function}")));
        if let Some(surplus) = addresses.get(LISTS.len() * FUNCTIONS.len()..)
            && surplus.iter().any(|address| *address != 0)
        {
            cx.warn("there are more addresses than known functions: the rest is left out");
        }
        let mut hooks = BTreeMap::new();
        for (function, address) in functions.zip(addresses) {
            // The sensor leaves out the kernel's own.
            if address == 0 {
                continue;
            }
            let symbols = match cx.stores().kernel_symbols().resolve_symbol_by_address(address) {
                Ok(symbols) => symbols,
                Err(error) => {
                    cx.warn(format_args!("{function} leads to {address:#x}: {error}"));
                    continue;
                }
            };
            // Of several names the first one will do: they are the same function.
            if let Some(symbol) = symbols.first() {
                let symbol = HookedSymbolData {
                    symbol_name: symbol.name.to_owned(),
                    module_owner: symbol.module.to_owned(),
                };
                hooks.insert(function, symbol);
            }
        }
        let hooked = !hooks.is_empty();
        Ok(hooked
            .then(|| Output::new().with(HOOKS, Message::HookedSeqOps(HookedSeqOps { value: hooks })))
            .into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::detector::Notes;
    use detectors_api::stores::NullStores;
    use detectors_api::testkit::{TestEvent, batches};

    use super::*;
    use crate::testing::detect_in_kernel;

    const KALLSYMS: &str = "\
ffffffff81000000 T _stext
ffffffff81800000 T _etext
ffffffffc0001000 t hidden_show\t[rootkit]
ffffffffc0001000 t alias_of_it\t[rootkit]
ffffffffc0002000 t hidden_next\t[rootkit]
";
    const SHOW: u64 = 0xffff_ffff_c000_1000;
    const NEXT: u64 = 0xffff_ffff_c000_2000;
    const KERNEL: u64 = 0xffff_ffff_8100_0000;

    fn found(addresses: &[u64]) -> TestEvent {
        TestEvent::new("print_net_seq_ops").set("net_seq_ops", addresses.to_vec())
    }

    /// What is reported of `event`: functions, and the symbols and owners of the new ones.
    fn hooks(event: TestEvent) -> Vec<(String, String, String)> {
        let detections = detect_in_kernel(HookedSeqOpsDetector, KALLSYMS, &[event]);
        assert!(detections.len() <= 1);
        let fields = detections.into_iter().flat_map(|detection| detection.event.data);
        let maps = fields.map(|field| match (field.name.as_str(), field.value) {
            ("hooked_seq_ops_detector", Some(Message::HookedSeqOps(hooks))) => hooks.value,
            other => panic!("{other:?}"),
        });
        maps.flatten()
            .map(|(function, symbol)| (function, symbol.symbol_name, symbol.module_owner))
            .collect()
    }

    #[test]
    fn each_function_is_named_by_its_place() {
        let mut addresses = [0; 24];
        (addresses[0], addresses[2], addresses[9], addresses[23]) = (SHOW, NEXT, NEXT, KERNEL);
        let expected = [
            // Owned by the kernel, and yet not where it belongs.
            ("raw6_seq_ops_stop", "_stext", "system"),
            ("tcp4_seq_ops_next", "hidden_next", "rootkit"),
            ("tcp4_seq_ops_show", "hidden_show", "rootkit"),
            ("udp_seq_ops_start", "hidden_next", "rootkit"),
        ]
        .map(|(function, symbol, owner)| (function.to_owned(), symbol.to_owned(), owner.to_owned()));
        assert_eq!(hooks(found(&addresses)), expected);
    }

    #[test]
    fn what_has_no_name_or_no_place_is_left_out_with_a_warning() {
        let mut addresses = [0; 26];
        (addresses[0], addresses[24]) = (SHOW + 8, SHOW);
        assert_eq!(hooks(found(&addresses)), []);
        addresses[1] = SHOW;
        let functions: Vec<_> = hooks(found(&addresses))
            .into_iter()
            .map(|(function, ..)| function)
            .collect();
        assert_eq!(functions, ["tcp4_seq_ops_start"]);

        let notes = Notes::default();
        let cx = Context::new(&NullStores).noting(&notes);
        let batches = batches(&[found(&addresses)]);
        let outputs = HookedSeqOpsDetector.on_event(&batches[0].event(0), &cx);
        assert_eq!(outputs, Ok(Outputs::none()));
        let warnings = notes.into_kept();
        let beginnings = [
            "there are more addresses than known functions",
            "tcp4_seq_ops_show leads to 0xffffffffc0001008: ",
            "tcp4_seq_ops_start leads to 0xffffffffc0001000: ",
        ];
        assert_eq!(warnings.len(), beginnings.len());
        for (warning, beginning) in warnings.iter().zip(beginnings) {
            assert!(warning.starts_with(beginning), "{warning}");
        }
    }

    #[test]
    fn without_addresses_nothing_is_said() {
        assert_eq!(hooks(found(&[])), []);
        assert_eq!(hooks(found(&[0; 24])), []);
        assert_eq!(hooks(found(&[SHOW]).without("net_seq_ops")), []);
        let texts = Message::from(vec![SHOW.to_string()]);
        assert_eq!(hooks(found(&[]).set_exactly("net_seq_ops", texts)), []);
    }
}
