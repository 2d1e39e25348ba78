//! Whether the kernel still leads where it was made to lead: its table of system calls, and what lists connections.
//!
//! A program copies the words of these tables; what leads out of the kernel's own code becomes events, made here. They have no
//! process: nobody in particular is at work.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use aya::maps::{Array, MapData};
use aya::{Ebpf, Pod};
use detectors_api::catalogue::catalogue;

use crate::abi::{Event, HookedFunction, RawValue};
use crate::error::Error;
use crate::symbols::{self, Layout};
use crate::syscalls;
use crate::tasks::run_loaded_iterator;

/// `BLOCK_WORDS` and `BLOCKS` of `integrity.bpf.c`.
const BLOCK_WORDS: usize = 32;
const BLOCKS: usize = 32;
/// Entries of the table of system calls that are looked at, at most: no kernel has as many.
const MOST_CALLS: usize = (BLOCKS - symbols::CONNECTION_LISTS.len()) * BLOCK_WORDS;
/// Functions in `struct seq_operations`: start, stop, next, show.
const LIST_WORDS: usize = 4;
/// The places there of the functions, in the order in which events tell them: show, start, next, stop.
const LIST_ORDER: [usize; LIST_WORDS] = [3, 0, 2, 1];
/// What they are called, in that order.
const LIST_FUNCTIONS: [&str; LIST_WORDS] = ["show", "start", "next", "stop"];

/// `struct block` of `integrity.bpf.c`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Block {
    address: u64,
    words: u64,
}
// SAFETY: `repr(C)`, integers only, no padding.
unsafe impl Pod for Block {}

/// What is looked at, and what was found before.
#[derive(Debug)]
pub(crate) struct Integrity {
    text: Range<u64>,
    table: Option<Range<u64>>,
    lists: [Option<u64>; 6],
    /// `hooked_syscall` is to be told.
    hooks: bool,
    /// `print_net_seq_ops` is to be told.
    functions: bool,
    /// `hooked_seq_ops` is to be told.
    list_hooks: bool,
    /// Calls and functions that have been told as hooks.
    told: HashSet<(usize, u64)>,
    /// The functions of lists that were told as hooks last.
    told_of_lists: Vec<u64>,
}

impl Integrity {
    /// Looks after what the `events` are about that the kernel gives; none if that is nothing.
    pub(crate) fn new(layout: &Layout, events: &BTreeSet<&str>) -> Option<Self> {
        let hooks = events.contains("hooked_syscall");
        let table = hooks || events.contains("syscall_table_check");
        let functions = events.contains("print_net_seq_ops");
        let list_hooks = events.contains("hooked_seq_ops");
        let lists = functions || list_hooks;
        (table || lists).then_some(Self {
            text: layout.text.clone()?,
            table: layout.table.clone().filter(|_| table),
            lists: if lists { layout.lists } else { [None; 6] },
            hooks,
            functions,
            list_hooks,
            told: HashSet::new(),
            told_of_lists: Vec::new(),
        })
    }

    /// Looks now. What leads elsewhere is told each time, but hooks only when they are new.
    pub(crate) fn check(&mut self, ebpf: &mut Ebpf) -> Result<Vec<Event>, Error> {
        let calls = self.table.as_ref().map_or(0, |table| {
            usize::try_from((table.end - table.start) / 8).map_or(MOST_CALLS, |calls| calls.min(MOST_CALLS))
        });
        let table = self.table.as_ref().map_or(0, |table| table.start);
        let mut blocks: Vec<_> = (0..calls)
            .step_by(BLOCK_WORDS)
            .map(|first| Block {
                address: table + 8 * first as u64,
                words: (calls - first).min(BLOCK_WORDS) as u64,
            })
            .collect();
        let of_table = blocks.len();
        let lists: Vec<_> = self
            .lists
            .iter()
            .enumerate()
            .filter_map(|(list, at)| Some((list, (*at)?)))
            .collect();
        blocks.extend(lists.iter().map(|(_, address)| Block {
            address: *address,
            words: LIST_WORDS as u64,
        }));
        let words = read_blocks(ebpf, &blocks)?;
        let (of_table, of_lists) = words
            .split_at_checked(of_table * BLOCK_WORDS)
            .unwrap_or((&words, &[]));

        let is_foreign = |word: &u64| *word != 0 && !self.text.contains(word);
        let replaced: BTreeMap<usize, u64> = (0..calls)
            .zip(of_table.iter().copied())
            .filter(|(_, word)| is_foreign(word))
            .collect();
        let mut functions = vec![0; symbols::CONNECTION_LISTS.len() * LIST_WORDS];
        for ((list, _), words) in lists.iter().zip(of_lists.chunks(BLOCK_WORDS)) {
            for (place, word) in LIST_ORDER.iter().enumerate() {
                functions[list * LIST_WORDS + place] =
                    words.get(*word).copied().filter(is_foreign).unwrap_or_default();
            }
        }
        let mut events: Vec<_> = replaced
            .iter()
            .filter_map(|(call, function)| {
                event(
                    "syscall_table_check",
                    [RawValue::Number(*call as u64), RawValue::Number(*function)],
                )
            })
            .collect();
        events.extend(self.hooked(&replaced));
        let hooked = self.hooked_lists(&functions);
        if self.functions && functions.iter().any(|function| *function != 0) {
            events.extend(event("print_net_seq_ops", [RawValue::Numbers(functions)]));
        }
        events.extend(hooked);
        Ok(events)
    }

    /// All hooks of lists, if others than before.
    fn hooked_lists(&mut self, functions: &[u64]) -> Option<Event> {
        if !self.list_hooks || self.told_of_lists == functions {
            return None;
        }
        self.told_of_lists = functions.to_vec();
        let replaced: BTreeSet<_> = functions
            .iter()
            .copied()
            .filter(|function| *function != 0)
            .collect();
        if replaced.is_empty() {
            return None;
        }
        let names = symbols::at(&replaced);
        let roles = symbols::CONNECTION_LISTS
            .iter()
            .flat_map(|list| LIST_FUNCTIONS.map(|function| format!("{list}_{function}")));
        let hooks = roles.zip(functions).filter(|(_, function)| **function != 0);
        let hooks = hooks.map(|(role, function)| {
            let (name, owner) = names
                .iter()
                .find(|(address, ..)| address == function)
                .map_or(("", symbols::HIDDEN), |(_, name, owner)| (name, owner));
            HookedFunction {
                role,
                name: name.to_owned(),
                owner: owner.to_owned(),
            }
        });
        event("hooked_seq_ops", [RawValue::Hooks(hooks.collect())])
    }

    /// Hooks that are new, one event for each name of the function.
    fn hooked(&mut self, replaced: &BTreeMap<usize, u64>) -> Vec<Event> {
        let mut events = Vec::new();
        if !self.hooks {
            return events;
        }
        let new: Vec<_> = replaced
            .iter()
            .map(|(call, function)| (*call, *function))
            .filter(|hook| self.told.insert(*hook))
            .collect();
        if new.is_empty() {
            return events;
        }
        let names = symbols::at(&new.iter().map(|(_, function)| *function).collect());
        for (call, function) in new {
            let mut of_function: Vec<_> = names
                .iter()
                .filter(|(address, ..)| *address == function)
                .map(|(_, name, owner)| (name.clone(), owner.clone()))
                .collect();
            // A function that hides has no name, and is told all the same.
            if of_function.is_empty() {
                of_function.push((String::new(), String::new()));
            }
            let name = syscalls::name(call as u32, false);
            for (function_name, owner) in of_function {
                let fields = [name.to_owned(), format!("{function:x}"), function_name, owner];
                events.extend(event("hooked_syscall", fields.map(RawValue::Text)));
            }
        }
        events
    }
}

/// An event with values of its first fields; none if the catalogue has no such event.
fn event(name: &str, values: impl IntoIterator<Item = RawValue>) -> Option<Event> {
    Some(Event {
        event: catalogue().get(name)?.internal_id_amd64,
        fields: (0..).zip(values).collect(),
    })
}

/// [`BLOCK_WORDS`] words of each block.
fn read_blocks(ebpf: &mut Ebpf, blocks: &[Block]) -> Result<Vec<u64>, Error> {
    const NAME: &str = "list_words";
    const MAP: &str = "blocks";
    let refused = |reason: String| Error::Map { map: MAP, reason };
    let mut map: Array<&mut MapData, Block> = ebpf
        .map_mut(MAP)
        .ok_or(Error::Missing(MAP))?
        .try_into()
        .map_err(|error: aya::maps::MapError| refused(error.to_string()))?;
    let nothing = Block { address: 0, words: 0 };
    for (place, block) in (0..BLOCKS as u32).zip(blocks.iter().chain(std::iter::repeat(&nothing))) {
        map.set(place, block, 0)
            .map_err(|error| refused(error.to_string()))?;
    }
    let program = ebpf.program_mut(NAME).ok_or(Error::Missing(NAME))?;
    let bytes = run_loaded_iterator(program).map_err(refused)?;
    let words = bytes.chunks_exact(8);
    Ok(words
        .map(|word| u64::from_ne_bytes(word.try_into().expect("chunks of eight bytes")))
        .collect())
}
