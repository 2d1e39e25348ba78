//! The plan of memory: what is mapped, and protection that changes.

use super::Chosen::{ByDefault, OnRequest};
use super::way::{CODE_CALL, FAILED, KERNEL, RETURN_TIME, complete, fentry, kprobe, raw, returned};
use super::{Derived, EventPlan, Hook, Program, derive};

/// Calls that map a file.
const MAPPING: &[&str] = &["mmap", "mmap2"];
/// Calls that change the protection of memory.
const PROTECTING: &[&str] = &["mprotect", "pkey_mprotect"];
/// All of them.
const MEMORY: &[&str] = &["mmap", "mmap2", "mprotect", "pkey_mprotect"];

const OF_AREA: Program = raw("on_mprotect_of_area", "sys_enter");
const OF_CALL: Program = raw("on_mprotect", "sys_enter");

/// What is told when memory is about to get another protection.
const fn protecting(programs: &'static [Program], derived: Derived, loses: &'static [&'static str]) -> Hook {
    Hook {
        programs,
        derived: Some(derived),
        loses,
    }
}

const MPROTECT: Derived = Derived {
    bit: derive::MPROTECT,
    calls: PROTECTING,
};
const MEM_PROT: Derived = Derived {
    bit: derive::MEM_PROT,
    calls: MEMORY,
};

const FIRST_AREA: &str = "of several mapped areas in the range, only the first is told";

pub(super) const PLAN: &[EventPlan] = &[
    EventPlan {
        event: "mem_prot_alert",
        chosen: ByDefault,
        hooks: &[
            complete(
                fentry!("mmap_addr_hook" at "security_mmap_addr", "mprotect_hook" at "security_file_mprotect"),
            ),
            complete(
                kprobe!("mmap_addr_hook" at "security_mmap_addr", "mprotect_hook" at "security_file_mprotect"),
            ),
            protecting(
                &[OF_AREA, CODE_CALL],
                MEM_PROT,
                &[
                    FIRST_AREA,
                    "mappings that fail",
                    "the time of a mapping is that of the call's return",
                ],
            ),
            protecting(
                &[OF_CALL, CODE_CALL],
                MEM_PROT,
                &[
                    "alerts 3 and 4, and whether memory was executable before: any memory that is made executable gives alert 2",
                    "prev_prot, and of changed protection pathname, dev, inode and ctime",
                    "mappings that fail",
                    "the time of a mapping is that of the call's return",
                ],
            ),
        ],
    },
    EventPlan {
        event: "security_mmap_file",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("mmap_file_hook" at "security_mmap_file")),
            complete(kprobe!("mmap_file_hook" at "security_mmap_file")),
            returned(derive::MMAP_FILE, MAPPING, &[KERNEL, FAILED, RETURN_TIME]),
        ],
    },
    EventPlan {
        event: "security_file_mprotect",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("mprotect_hook" at "security_file_mprotect")),
            complete(kprobe!("mprotect_hook" at "security_file_mprotect")),
            protecting(&[OF_AREA], MPROTECT, &[FIRST_AREA]),
            protecting(&[OF_CALL], MPROTECT, &["pathname, ctime and prev_prot"]),
        ],
    },
    EventPlan {
        event: "shared_object_loaded",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("mmap_file_hook" at "security_mmap_file")),
            complete(kprobe!("mmap_file_hook" at "security_mmap_file")),
            returned(derive::LOADED, MAPPING, &[FAILED, RETURN_TIME]),
        ],
    },
];
