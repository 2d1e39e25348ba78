//! The plan of files that are read and written.

use super::Attach::{Fentry, Fexit, Kprobe, Kretprobe};
use super::Chosen::{ByDefault, OnRequest};
use super::way::{IO_URING, KERNEL, complete, entered, fexit, kretprobe, partial, returned};
use super::{EventPlan, Program, derive};

/// Ways around the functions that write a program's bytes.
const OTHER_WAYS: &str = "writes by splice, sendfile, copy_file_range, io_uring and through mapped memory";

const fn program(name: &'static str, attach: super::Attach) -> Program {
    Program { name, attach }
}

const OPENED: Program = program("fd_install_hook_fentry", Fentry("fd_install"));
const OPENED_KPROBE: Program = program("fd_install_hook_kprobe", Kprobe("fd_install"));
const FLUSHED: Program = program("flush_hook_fentry", Fentry("filp_flush"));
const FLUSHED_KPROBE: Program = program("flush_hook_kprobe", Kprobe("filp_flush"));
const CLOSED: Program = program("close_hook_fentry", Fentry("filp_close"));
const CLOSED_KPROBE: Program = program("close_hook_kprobe", Kprobe("filp_close"));
const MODIFIED: Program = program("modified_hook_fexit", Fexit("file_modified"));
const MODIFIED_ENTER: Program = program("modified_hook_enter", Kprobe("file_modified"));
const MODIFIED_KRETPROBE: Program = program("modified_hook_kretprobe", Kretprobe("file_modified"));
const UPDATED: Program = program("update_time_hook_fexit", Fexit("file_update_time"));
const UPDATED_ENTER: Program = program("update_time_hook_enter", Kprobe("file_update_time"));
const UPDATED_KRETPROBE: Program = program("update_time_hook_kretprobe", Kretprobe("file_update_time"));

pub(super) const PLAN: &[EventPlan] = &[
    EventPlan {
        event: "vfs_write",
        chosen: OnRequest,
        hooks: &[
            complete(fexit!("write_hook" at "vfs_write")),
            complete(kretprobe!("write_hook" at "vfs_write")),
            returned(derive::WRITE, &["write", "pwrite64"], &[KERNEL]),
        ],
    },
    EventPlan {
        event: "vfs_writev",
        chosen: OnRequest,
        hooks: &[
            complete(fexit!("writev_hook" at "vfs_writev")),
            complete(kretprobe!("writev_hook" at "vfs_writev")),
            returned(derive::WRITEV, &["writev", "pwritev", "pwritev2"], &[KERNEL]),
        ],
    },
    EventPlan {
        event: "vfs_read",
        chosen: OnRequest,
        hooks: &[
            complete(fexit!("read_hook" at "vfs_read")),
            complete(kretprobe!("read_hook" at "vfs_read")),
            returned(derive::READ, &["read", "pread64"], &[KERNEL]),
        ],
    },
    EventPlan {
        event: "vfs_readv",
        chosen: OnRequest,
        hooks: &[
            complete(fexit!("readv_hook" at "vfs_readv")),
            complete(kretprobe!("readv_hook" at "vfs_readv")),
            returned(derive::READV, &["readv", "preadv", "preadv2"], &[KERNEL]),
        ],
    },
    EventPlan {
        event: "magic_write",
        chosen: ByDefault,
        hooks: &[
            partial(
                fexit!("kernel_write_hook" at "__kernel_write", "writev_hook" at "vfs_writev", "write_hook" at "vfs_write"),
                &[OTHER_WAYS],
            ),
            partial(
                kretprobe!("kernel_write_hook" at "__kernel_write", "writev_hook" at "vfs_writev", "write_hook" at "vfs_write"),
                &[OTHER_WAYS],
            ),
            returned(
                derive::MAGIC,
                &["write", "pwrite64", "writev", "pwritev", "pwritev2"],
                &[OTHER_WAYS, KERNEL],
            ),
        ],
    },
    EventPlan {
        event: "__kernel_write",
        chosen: OnRequest,
        hooks: &[
            complete(fexit!("kernel_write_hook" at "__kernel_write")),
            complete(kretprobe!("kernel_write_hook" at "__kernel_write")),
        ],
    },
    EventPlan {
        event: "file_modification",
        chosen: OnRequest,
        hooks: &[
            complete(&[OPENED, FLUSHED, UPDATED, MODIFIED]),
            complete(&[OPENED, CLOSED, UPDATED, MODIFIED]),
            complete(&[
                OPENED_KPROBE,
                FLUSHED_KPROBE,
                UPDATED_ENTER,
                UPDATED_KRETPROBE,
                MODIFIED_ENTER,
                MODIFIED_KRETPROBE,
            ]),
            complete(&[
                OPENED_KPROBE,
                CLOSED_KPROBE,
                UPDATED_ENTER,
                UPDATED_KRETPROBE,
                MODIFIED_ENTER,
                MODIFIED_KRETPROBE,
            ]),
            entered(
                derive::MODIFICATION,
                &[
                    "open",
                    "creat",
                    "openat",
                    "openat2",
                    "write",
                    "pwrite64",
                    "writev",
                    "pwritev",
                    "pwritev2",
                    "ftruncate",
                    "fallocate",
                    "close",
                ],
                &["until a file is closed, changes by other calls", IO_URING, KERNEL],
            ),
        ],
    },
];
