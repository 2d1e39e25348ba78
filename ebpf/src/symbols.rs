//! Where things are in the kernel, as `/proc/kallsyms` and `/proc/modules` tell.

use std::collections::BTreeSet;
use std::fs::{File, read_to_string};
use std::io::{self, BufRead, BufReader};
use std::ops::Range;

/// The kernel's lists of connections, in the order in which events tell them.
pub const CONNECTION_LISTS: [&str; 6] = [
    "tcp4_seq_ops",
    "tcp6_seq_ops",
    "udp_seq_ops",
    "udp6_seq_ops",
    "raw_seq_ops",
    "raw6_seq_ops",
];
const TABLE: &str = "sys_call_table";
/// An owner that is no module: the kernel itself.
pub const SYSTEM: &str = "system";
/// An owner that does not show itself.
pub const HIDDEN: &str = "hidden";

/// Addresses of what can be replaced, and of the kernel's own code. What the kernel does not show is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The kernel's own code.
    pub(crate) text: Option<Range<u64>>,
    /// The table of system calls, to the symbol after it.
    pub(crate) table: Option<Range<u64>>,
    /// The [lists of connections](CONNECTION_LISTS).
    pub(crate) lists: [Option<u64>; 6],
}

impl Layout {
    /// Of the running kernel.
    pub(crate) fn of_kernel() -> io::Result<Self> {
        Self::read(BufReader::new(File::open("/proc/kallsyms")?))
    }

    /// From the lines of a table of symbols, which come by address.
    fn read(lines: impl BufRead) -> io::Result<Self> {
        let (mut start, mut end, mut table) = (None, None, None);
        let mut layout = Self::default();
        for line in lines.lines() {
            let line = line?;
            // Addresses that this process may not see are 0.
            let Some((address, name, owner)) = symbol(&line).filter(|(address, ..)| *address != 0) else {
                continue;
            };
            if let Some(from) = table
                && layout.table.is_none()
                && address > from
            {
                layout.table = Some(from..address);
            }
            // A module may call its own symbols what it likes.
            if owner != SYSTEM {
                continue;
            }
            match name {
                "_stext" => start = Some(address),
                "_etext" => end = Some(address),
                TABLE => table = Some(address),
                _ => {
                    if let Some(list) = CONNECTION_LISTS.iter().position(|list| *list == name) {
                        layout.lists[list] = Some(address);
                    }
                }
            }
        }
        layout.text = start.zip(end).map(|(start, end)| start..end);
        Ok(layout)
    }

    /// Why an event cannot be had from this kernel, if it needs symbols that are not there.
    pub(crate) fn lacks(&self, event: &str) -> Option<String> {
        let missing = match event {
            "syscall_table_check" | "hooked_syscall" if self.table.is_none() => TABLE,
            "print_net_seq_ops" | "hooked_seq_ops" if self.lists == [None; 6] => CONNECTION_LISTS[0],
            "syscall_table_check"
            | "hooked_syscall"
            | "print_net_seq_ops"
            | "hooked_seq_ops"
            | "hooked_proc_fops"
                if self.text.is_none() =>
            {
                "_stext"
            }
            _ => return None,
        };
        Some(format!("/proc/kallsyms does not show where {missing} is"))
    }
}

/// Address, name and owner of the symbol in a line.
fn symbol(line: &str) -> Option<(u64, &str, &str)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let name = words.nth(1)?;
    let owner = words
        .next()
        .and_then(|owner| owner.strip_prefix('[')?.strip_suffix(']'))
        .unwrap_or(SYSTEM);
    Some((address, name, owner))
}

/// The symbols at some addresses: address, name and owner. Those that the kernel does not show have none.
pub(crate) fn at(addresses: &BTreeSet<u64>) -> Vec<(u64, String, String)> {
    let Ok(file) = File::open("/proc/kallsyms") else {
        return Vec::new();
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    lines
        .filter_map(|line| {
            let (address, name, owner) = symbol(&line)?;
            let wanted = addresses.contains(&address);
            wanted.then(|| (address, name.to_owned(), owner.to_owned()))
        })
        .collect()
}

/// The module that has the code at an address; [`HIDDEN`] if none says so.
#[must_use]
pub fn module_at(address: u64) -> String {
    let modules = read_to_string("/proc/modules").unwrap_or_default();
    module_in(&modules, address).unwrap_or(HIDDEN).to_owned()
}

fn module_in(modules: &str, address: u64) -> Option<&str> {
    modules.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (name, size) = (words.next()?, words.next()?.parse::<u64>().ok()?);
        let start = u64::from_str_radix(words.nth(3)?.strip_prefix("0x")?, 16).ok()?;
        (start..start.saturating_add(size))
            .contains(&address)
            .then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KALLSYMS: &str = "\
ffffffff81000000 T _stext
ffffffff81800000 T _etext
ffffffff82000000 R sys_call_table
ffffffff82000000 R alias_of_it
ffffffff82000e00 R ia32_sys_call_table
ffffffff82100000 r udp_seq_ops
ffffffffc0001000 r tcp4_seq_ops\t[rootkit]
";

    #[test]
    fn places_are_those_of_the_kernel() {
        let layout = Layout::read(KALLSYMS.as_bytes()).expect("memory can be read");
        assert_eq!(layout.text, Some(0xffff_ffff_8100_0000..0xffff_ffff_8180_0000));
        assert_eq!(layout.table, Some(0xffff_ffff_8200_0000..0xffff_ffff_8200_0e00));
        assert_eq!(
            layout.lists,
            [None, None, Some(0xffff_ffff_8210_0000), None, None, None]
        );
        assert_eq!(layout.lacks("hooked_syscall"), None);
        assert_eq!(layout.lacks("print_net_seq_ops"), None);
    }

    #[test]
    fn what_is_hidden_is_missing() {
        let hidden = KALLSYMS
            .replace("ffffffff8", "000000000")
            .replace("0000000002", "000000000");
        let layout = Layout::read(
            hidden
                .replace(|digit| ('1'..='9').contains(&digit), "0")
                .as_bytes(),
        );
        let layout = layout.expect("memory can be read");
        assert_eq!(layout, Layout::default());
        for event in [
            "hooked_syscall",
            "syscall_table_check",
            "print_net_seq_ops",
            "hooked_seq_ops",
            "hooked_proc_fops",
        ] {
            assert!(layout.lacks(event).is_some(), "{event}");
        }
        assert_eq!(layout.lacks("magic_write"), None);
    }

    #[test]
    fn code_belongs_to_the_module_around_it() {
        let modules = "a 4096 0 - Live 0xffffffffc0001000 (OE)\nb 8192 1 a, Live 0xffffffffc0004000\nc x y\n";
        assert_eq!(module_in(modules, 0xffff_ffff_c000_1fff), Some("a"));
        assert_eq!(module_in(modules, 0xffff_ffff_c000_2000), None);
        assert_eq!(module_in(modules, 0xffff_ffff_c000_4000), Some("b"));
    }
}
