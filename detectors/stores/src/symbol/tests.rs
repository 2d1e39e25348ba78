//! What the symbol store answers.

use detectors_api::stores::{HealthStatus, KernelSymbolStore as _};
use proptest::prelude::*;

use super::*;
use crate::rows::Row as _;

/// A table with what symbol tables have: hidden and per-CPU symbols, aliases, data, duplicates, modules, BPF programs.
const KALLSYMS: &str = "\
0 A fixed_percpu_data
ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81000100 T do_a
ffffffff81800000 T _etext
ffffffff82000000 D some_data
ffffffff82000010 d req_data
ffffffffc0001000 t dup\t[mod1]
ffffffffc0002000 t dup\t[mod2]
ffffffffc0003000 t bpf_prog_x\t[bpf]
ffffffffc0004000
not an address
";

fn store(tables: &[(u64, &str)]) -> SymbolStore {
    let mut store = SymbolStore::default();
    for (seq, text) in tables {
        let read = Kallsyms::read(text.as_bytes()).expect("memory can be read");
        store.input(*seq, &read.rows).expect("its own rows");
    }
    store
}

fn info<'a>(name: &'a str, address: u64, module: &'a str) -> SymbolInfo<'a> {
    SymbolInfo {
        name,
        address,
        module,
    }
}

#[test]
fn symbols_at_addresses_of_the_kernel_are_listed_by_address() {
    let store = store(&[(0, KALLSYMS), (7, "")]);
    let names = |seq| {
        store
            .at(seq, 0)
            .all()
            .map(|symbol| symbol.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(6),
        [
            "_text",
            "_stext",
            "do_a",
            "_etext",
            "some_data",
            "req_data",
            "dup",
            "dup",
            "bpf_prog_x"
        ]
    );
    assert!(names(7).is_empty());
}

#[test]
fn only_the_start_of_a_symbol_is_its_address() {
    let store = store(&[(0, KALLSYMS)]);
    let at = store.at(0, 0);
    let cases: &[(u64, &[SymbolInfo<'_>])] = &[
        // Aliases in the order of the table.
        (
            0xffff_ffff_8100_0000,
            &[
                info("_text", 0xffff_ffff_8100_0000, "system"),
                info("_stext", 0xffff_ffff_8100_0000, "system"),
            ],
        ),
        (
            0xffff_ffff_8100_0100,
            &[info("do_a", 0xffff_ffff_8100_0100, "system")],
        ),
        // Inside of `do_a`.
        (0xffff_ffff_8100_0104, &[]),
        // Data are found like code, whoever asks.
        (
            0xffff_ffff_8200_0000,
            &[info("some_data", 0xffff_ffff_8200_0000, "system")],
        ),
        (
            0xffff_ffff_8200_0010,
            &[info("req_data", 0xffff_ffff_8200_0010, "system")],
        ),
        (
            0xffff_ffff_c000_3000,
            &[info("bpf_prog_x", 0xffff_ffff_c000_3000, "bpf")],
        ),
        // Not an address of the kernel.
        (0, &[]),
        (u64::MAX, &[]),
    ];
    for (address, expected) in cases {
        match at.resolve_symbol_by_address(*address) {
            Ok(found) => assert_eq!(found, *expected, "{address:#x}"),
            Err(error) => {
                assert!(expected.is_empty(), "{address:#x}: {error}");
                assert_eq!(error.cause, Cause::NotFound(Entity::Address(*address)));
            }
        }
    }
}

#[test]
fn a_name_means_the_highest_address() {
    let store = store(&[(0, KALLSYMS)]);
    let at = store.at(0, 0);
    for (name, address) in [
        ("dup", Some(0xffff_ffff_c000_2000)),
        ("_stext", Some(0xffff_ffff_8100_0000)),
        ("some_data", Some(0xffff_ffff_8200_0000)),
        ("fixed_percpu_data", None),
        ("du", None),
        ("dup2", None),
        ("", None),
    ] {
        let found = at.get_symbol_address(name);
        assert_eq!(found.as_ref().ok(), address.as_ref(), "{name}");
        assert!(
            found.is_ok() || found.is_err_and(|error| error.is_not_found()),
            "{name}"
        );
    }
}

#[test]
fn a_batch_leaves_out_what_is_not_there() {
    let store = store(&[(0, KALLSYMS)]);
    let (there, inside) = (0xffff_ffff_8100_0100, 0xffff_ffff_8100_0104);
    let at = store.at(0, 0);
    let found = at
        .resolve_symbols_batch(&[there, inside, there])
        .expect("the store is healthy");
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [(there, vec![info("do_a", there, "system")])]
    );
}

#[test]
fn an_address_lies_in_the_symbol_before_it() {
    let store = store(&[(0, KALLSYMS)]);
    let at = store.at(0, 0);
    for (address, name) in [
        (0xffff_ffff_8100_0000, Some("_text")),
        (0xffff_ffff_8100_00ff, Some("_text")),
        (0xffff_ffff_8100_0104, Some("do_a")),
        (0xffff_ffff_8110_0100, Some("do_a")),
        // More than 1 MiB after the start.
        (0xffff_ffff_8110_0101, None),
        (0xffff_ffff_80ff_ffff, None),
        (0xffff_ffff_c000_3fff, Some("bpf_prog_x")),
        (u64::MAX, None),
        (0x1000, None),
    ] {
        assert_eq!(
            at.containing_symbol(address).ok().map(|symbol| symbol.name),
            name,
            "{address:#x}"
        );
    }
}

#[test]
fn kernel_text_ends_before_etext() {
    let module = "ffffffffc0000000 t _stext\t[evil]\nffffffffc0009000 t _etext\t[evil]\n";
    let store = store(&[(0, &format!("{KALLSYMS}{module}"))]);
    let at = store.at(0, 0);
    for (address, expected) in [
        (0xffff_ffff_80ff_ffff, false),
        (0xffff_ffff_8100_0000, true),
        (0xffff_ffff_817f_ffff, true),
        (0xffff_ffff_8180_0000, false),
        // A module cannot claim to be the kernel.
        (0xffff_ffff_c000_1000, false),
    ] {
        assert_eq!(at.is_kernel_text(address), Ok(expected), "{address:#x}");
    }
    let store = self::store(&[(0, "ffffffff81000000 T _stext\n")]);
    let error = store.at(0, 0).is_kernel_text(1).expect_err("there is no _etext");
    assert_eq!(
        error.to_string(),
        "symbol.is_kernel_text: no symbol `_etext` is known"
    );
}

#[test]
fn health_says_why_nothing_can_be_found() {
    let hidden = "0 T _text\n0 t secret\t[mod]\n";
    for (tables, message) in [
        (vec![], "the recording has no symbol table as of this event"),
        (
            vec![(9, KALLSYMS)],
            "the recording has no symbol table as of this event",
        ),
        (
            vec![(0, "")],
            "the symbol table is empty: the recorder could not read /proc/kallsyms",
        ),
        (
            vec![(0, hidden)],
            "the addresses of all symbols are hidden: record with CAP_SYSLOG, and with the setting kernel.kptr_restrict at 0 or 1",
        ),
    ] {
        let store = store(&tables);
        let at = store.at(8, 5);
        assert_eq!(at.health(), Health::unhealthy(5, message));
        assert_eq!(at.metrics().item_count, 0);
        // Not to be mistaken for a symbol that does not exist.
        let error = at.get_symbol_address("_text").expect_err("nothing can be found");
        assert_eq!(error.cause, Cause::Unhealthy(message.into()));
        assert_eq!(store.is_known(), !tables.is_empty());
    }
    let store = store(&[(0, KALLSYMS)]);
    assert_eq!(store.at(0, 5).health(), Health::healthy(5));
    assert_eq!(store.at(0, 5).metrics().item_count, 9);
}

#[test]
fn the_latest_table_holds() {
    let loaded = "ffffffff81000000 T _text\nffffffffc0001000 t evil\t[rootkit]\n";
    let unloaded = "ffffffff81000000 T _text\n";
    let mut store = store(&[(0, unloaded), (5, loaded), (9, unloaded)]);
    let evil = |store: &SymbolStore, seq| store.at(seq, 0).get_symbol_address("evil").is_ok();
    let answers = |store: &SymbolStore| [4, 5, 8, 9].map(|seq| evil(store, seq));
    assert_eq!(answers(&store), [false, true, true, false]);
    store.compact(7);
    assert_eq!(store.at(4, 0).health().status, HealthStatus::Unhealthy);
    assert_eq!(answers(&store), [false, true, true, false]);
    store.compact(9);
    assert_eq!(answers(&store), [false, false, false, false]);
    assert!(store.at(9, 0).get_symbol_address("_text").is_ok());
    assert_eq!(store.keyframe(), None);
}

#[test]
fn a_table_can_come_in_parts() {
    let (first, second) = KALLSYMS.split_at(KALLSYMS.find("ffffffff81800000").expect("it has _etext"));
    let (whole, parts) = (store(&[(3, KALLSYMS)]), store(&[(3, first), (3, second)]));
    let (whole, parts) = (whole.at(3, 0), parts.at(3, 0));
    assert_eq!(whole.metrics(), parts.metrics());
    for address in [
        0xffff_ffff_8100_0000,
        0xffff_ffff_8200_0010,
        0xffff_ffff_c000_2000,
    ] {
        assert_eq!(
            whole.resolve_symbol_by_address(address),
            parts.resolve_symbol_by_address(address)
        );
    }
    assert_eq!(whole.get_symbol_address("dup"), parts.get_symbol_address("dup"));
}

#[test]
fn rows_of_another_table_are_refused() {
    let rows = crate::system::HostFacts::to_batch(&[]);
    let error = SymbolStore::default().input(0, &rows).expect_err("no symbols");
    assert_eq!(
        error.to_string(),
        "the table stores/symbol has no column `address`"
    );
}

proptest! {
    /// The index answers as a search through the rows does.
    #[test]
    fn the_index_finds_what_is_there(
        symbols in prop::collection::vec((0..6_u64, 0..4_u8), 0..30),
        cut in 0..30_usize,
    ) {
        let base = 0xffff_ffff_8100_0000;
        let rows: Vec<_> = symbols
            .iter()
            .map(|(address, name)| Symbol {
                address: if *address == 5 { 0x1000 } else { base + address },
                kind: "T".to_owned(),
                name: name.to_string(),
                owner: String::new(),
            })
            .collect();
        let mut store = SymbolStore::default();
        let (first, second) = rows.split_at(cut.min(rows.len()));
        for part in [first, second] {
            store.input(0, &Symbol::to_batch(part)).expect("its own rows");
        }
        let at = store.at(0, 0);
        let visible = || rows.iter().filter(|symbol| symbol.address >= base);
        for address in (base - 1)..(base + 8) {
            let names = |symbols: Vec<SymbolInfo<'_>>| {
                symbols.iter().map(|symbol| symbol.name.to_owned()).collect::<Vec<_>>()
            };
            let expected: Vec<_> = visible()
                .filter(|symbol| symbol.address == address)
                .map(|symbol| symbol.name.clone())
                .collect();
            prop_assert_eq!(names(at.resolve_symbol_by_address(address).unwrap_or_default()), expected);
            let nearest = visible().filter(|symbol| symbol.address <= address).max_by(|a, b| {
                a.address.cmp(&b.address).then(std::cmp::Ordering::Greater)
            });
            prop_assert_eq!(
                at.containing_symbol(address).ok().map(|symbol| symbol.name),
                nearest.map(|symbol| symbol.name.as_str())
            );
        }
        for name in 0..5_u8 {
            let highest = visible()
                .filter(|symbol| symbol.name == name.to_string())
                .map(|symbol| symbol.address)
                .max();
            prop_assert_eq!(at.get_symbol_address(&name.to_string()).ok(), highest);
        }
    }
}
