//! The plan of code that joins the kernel: modules, and BPF programs and maps.

use super::Attach::{Fentry, Fexit, Kprobe, Kretprobe};
use super::Chosen::{ByDefault, OnRequest};
use super::way::{FAILED, KERNEL, RETURN_TIME, complete, fentry, kprobe, partial, raw, returned};
use super::{EventPlan, Program, derive};

/// Calls that have the kernel read files.
const READING: &[&str] = &["finit_module", "kexec_file_load"];
const OTHER_FILES: &str = "files that the kernel reads for other reasons, such as firmware and policies";
const HELPERS: &str = "helpers";

const fn init(name: &'static str, attach: super::Attach) -> Program {
    Program { name, attach }
}

pub(super) const PLAN: &[EventPlan] = &[
    EventPlan {
        event: "security_bpf",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("bpf_hook" at "security_bpf")),
            complete(kprobe!("bpf_hook" at "security_bpf")),
            returned(derive::BPF, &["bpf"], &[RETURN_TIME]),
        ],
    },
    EventPlan {
        event: "security_bpf_map",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("bpf_map_hook" at "security_bpf_map")),
            complete(kprobe!("bpf_map_hook" at "security_bpf_map")),
            returned(derive::BPF_MAP, &["bpf"], &[FAILED, RETURN_TIME]),
        ],
    },
    EventPlan {
        event: "security_kernel_read_file",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("kernel_read_hook" at "security_kernel_read_file")),
            complete(kprobe!("kernel_read_hook" at "security_kernel_read_file")),
            returned(derive::KERNEL_READ, READING, &[OTHER_FILES, FAILED, RETURN_TIME]),
        ],
    },
    EventPlan {
        event: "security_kernel_post_read_file",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("kernel_post_read_hook" at "security_kernel_post_read_file")),
            complete(kprobe!("kernel_post_read_hook" at "security_kernel_post_read_file")),
            returned(
                derive::KERNEL_POST_READ,
                READING,
                &[OTHER_FILES, FAILED, RETURN_TIME],
            ),
        ],
    },
    EventPlan {
        event: "do_init_module",
        chosen: ByDefault,
        hooks: &[
            complete(&[
                init("init_begins_fentry", Fentry("do_init_module")),
                init("init_ends_fexit", Fexit("do_init_module")),
            ]),
            complete(&[
                init("init_begins_kprobe", Kprobe("do_init_module")),
                init("init_ends_kretprobe", Kretprobe("do_init_module")),
            ]),
        ],
    },
    EventPlan {
        event: "security_bpf_prog",
        chosen: ByDefault,
        hooks: &[
            partial(fentry!("bpf_prog_hook" at "security_bpf_prog"), &[HELPERS]),
            partial(kprobe!("bpf_prog_hook" at "security_bpf_prog"), &[HELPERS]),
            returned(
                derive::BPF_PROG,
                &["bpf"],
                &[HELPERS, KERNEL, FAILED, RETURN_TIME],
            ),
        ],
    },
    EventPlan {
        event: "module_load",
        chosen: ByDefault,
        hooks: &[complete(&[raw("on_module_load", "module_load")])],
    },
    EventPlan {
        event: "module_free",
        chosen: ByDefault,
        hooks: &[complete(&[raw("on_module_free", "module_free")])],
    },
];
