//! The plan of what shows whether the kernel still leads where it was made to lead.

use super::Attach::TaskIterator;
use super::Chosen::ByDefault;
use super::way::{complete, fentry, kprobe, partial};
use super::{EventPlan, Hook, Program};

/// Tables that are looked at from time to time.
const LOOKED_AT: &[Hook] = &[partial(
    &[Program {
        name: "list_words",
        attach: TaskIterator,
    }],
    &["what is put back before the next look"],
)];

pub(super) const PLAN: &[EventPlan] = &[
    EventPlan {
        event: "syscall_table_check",
        chosen: ByDefault,
        hooks: LOOKED_AT,
    },
    EventPlan {
        event: "hooked_proc_fops",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("proc_permission_hook" at "security_file_permission")),
            complete(kprobe!("proc_permission_hook" at "security_file_permission")),
        ],
    },
    EventPlan {
        event: "print_net_seq_ops",
        chosen: ByDefault,
        hooks: LOOKED_AT,
    },
    EventPlan {
        event: "hooked_syscall",
        chosen: ByDefault,
        hooks: LOOKED_AT,
    },
    EventPlan {
        event: "hooked_seq_ops",
        chosen: ByDefault,
        hooks: LOOKED_AT,
    },
];
