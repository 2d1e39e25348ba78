//! The plan of processes, files and sockets, in catalogue order.

use super::Attach::{Fentry, Kprobe};
use super::derive::*;
use super::way::{
    FAILED, IO_URING, KERNEL, NO_MOUNT, RETURN_TIME, TASK_CALL, UNRESOLVED, complete, entered, fentry, fexit,
    kprobe, kretprobe, partial, raw, returned, returned_with,
};
use super::{Chosen, EventPlan, Hook, Program};
use Chosen::{Always, ByDefault, OnRequest};

const PREV_COMM: Program = raw("on_rename", "task_rename");
/// The program that is to be executed, once the kernel has opened it.
const TRIED: Program = Program {
    name: "prepare_exec_hook_fentry",
    attach: Fentry("security_bprm_creds_for_exec"),
};
const TRIED_KPROBE: Program = Program {
    name: "prepare_exec_hook_kprobe",
    attach: Kprobe("security_bprm_creds_for_exec"),
};
const EXECUTING: &[&str] = &["execve", "execveat"];

/// Connections that are asked for.
const CONNECTING: &[Hook] = &[
    complete(&[Program {
        name: "connect_fentry",
        attach: Fentry("security_socket_connect"),
    }]),
    complete(&[Program {
        name: "connect_kprobe",
        attach: Kprobe("security_socket_connect"),
    }]),
    entered(
        CONNECT,
        &["connect"],
        &[
            "connections by the kernel itself",
            IO_URING,
            "the address is read from the program's memory, which another thread can change meanwhile",
        ],
    ),
];

pub(super) const PLAN: &[EventPlan] = &[
    EventPlan {
        event: "sched_process_fork",
        chosen: Always,
        hooks: &[complete(&[raw("on_fork", "sched_process_fork")])],
    },
    EventPlan {
        event: "sched_process_exec",
        chosen: Always,
        hooks: &[
            complete(&[PREV_COMM, raw("on_exec_with_loader", "sched_process_exec")]),
            partial(
                &[PREV_COMM, raw("on_exec", "sched_process_exec")],
                &["interpreter_pathname, _dev, _inode and _ctime are empty"],
            ),
            partial(
                &[raw("on_exec", "sched_process_exec")],
                &[
                    "interpreter_pathname, _dev, _inode and _ctime are empty",
                    "prev_comm is empty",
                ],
            ),
        ],
    },
    EventPlan {
        event: "sched_process_exit",
        chosen: Always,
        hooks: &[complete(&[raw("on_exit", "sched_process_exit")])],
    },
    EventPlan {
        event: "commit_creds",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("commit_creds_hook" at "commit_creds")),
            complete(kprobe!("commit_creds_hook" at "commit_creds")),
            entered(
                CREDENTIALS,
                &[
                    "setuid",
                    "setgid",
                    "setreuid",
                    "setregid",
                    "setresuid",
                    "setresgid",
                    "setfsuid",
                    "setfsgid",
                    "capset",
                    "prctl",
                    "unshare",
                    "setns",
                ],
                &["changes by the execution of a program", FAILED, RETURN_TIME],
            ),
        ],
    },
    EventPlan {
        event: "switch_task_ns",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("switch_namespaces_hook" at "switch_task_namespaces")),
            complete(kprobe!("switch_namespaces_hook" at "switch_task_namespaces")),
            entered(NAMESPACES, &["unshare", "setns"], &[RETURN_TIME]),
        ],
    },
    EventPlan {
        event: "cgroup_attach_task",
        chosen: Always,
        hooks: &[complete(&[raw("on_cgroup_attach_task", "cgroup_attach_task")])],
    },
    EventPlan {
        event: "cgroup_mkdir",
        chosen: Always,
        hooks: &[complete(&[raw("on_cgroup_mkdir", "cgroup_mkdir")])],
    },
    EventPlan {
        event: "cgroup_rmdir",
        chosen: Always,
        hooks: &[complete(&[raw("on_cgroup_rmdir", "cgroup_rmdir")])],
    },
    EventPlan {
        event: "security_bprm_check",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("bprm_check_hook" at "security_bprm_check")),
            complete(kprobe!("bprm_check_hook" at "security_bprm_check")),
            partial(
                &[raw("on_checked_exec", "sched_process_exec")],
                &[
                    "programs that do not come to run",
                    "scripts on the way to their interpreter",
                    "argv of an interpreter begins with its own words",
                    "the time is that of the execution",
                ],
            ),
        ],
    },
    EventPlan {
        event: "security_file_open",
        chosen: ByDefault,
        hooks: &[
            complete(&[Program {
                name: "file_open_fentry",
                attach: Fentry("security_file_open"),
            }]),
            complete(&[Program {
                name: "file_open_kprobe",
                attach: Kprobe("security_file_open"),
            }]),
            returned(
                OPEN,
                &["open", "openat", "openat2", "creat", "open_by_handle_at"],
                &[
                    "opens that fail after the security check",
                    "opens by the kernel itself (images and interpreters of exec)",
                    IO_URING,
                    RETURN_TIME,
                ],
            ),
        ],
    },
    EventPlan {
        event: "security_inode_unlink",
        chosen: ByDefault,
        hooks: &[
            complete(
                fentry!("mount_of_unlink" at "security_path_unlink", "unlink_hook" at "security_inode_unlink"),
            ),
            complete(
                kprobe!("mount_of_unlink" at "security_path_unlink", "unlink_hook" at "security_inode_unlink"),
            ),
            partial(fentry!("unlink_hook" at "security_inode_unlink"), &[NO_MOUNT]),
            partial(kprobe!("unlink_hook" at "security_inode_unlink"), &[NO_MOUNT]),
            returned(
                UNLINK,
                &["unlink", "unlinkat"],
                &["inode, dev and ctime", UNRESOLVED, FAILED, IO_URING, RETURN_TIME],
            ),
        ],
    },
    EventPlan {
        event: "security_socket_create",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("socket_create_hook" at "security_socket_create")),
            complete(kprobe!("socket_create_hook" at "security_socket_create")),
            returned(
                SOCKET_CREATE,
                &["socket"],
                &["sockets of socketpair", KERNEL, FAILED, IO_URING, RETURN_TIME],
            ),
        ],
    },
    EventPlan {
        event: "security_socket_listen",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("listen_hook" at "security_socket_listen")),
            complete(kprobe!("listen_hook" at "security_socket_listen")),
            returned(LISTEN, &["listen"], &[KERNEL, FAILED, IO_URING, RETURN_TIME]),
        ],
    },
    EventPlan {
        event: "security_socket_connect",
        chosen: ByDefault,
        hooks: CONNECTING,
    },
    // Made of the same records.
    EventPlan {
        event: "net_tcp_connect",
        chosen: ByDefault,
        hooks: CONNECTING,
    },
    EventPlan {
        event: "security_socket_accept",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("accept_hook" at "security_socket_accept")),
            complete(kprobe!("accept_hook" at "security_socket_accept")),
            returned(
                ACCEPT,
                &["accept", "accept4"],
                &["it is told when a connection has come", KERNEL, FAILED, IO_URING],
            ),
        ],
    },
    EventPlan {
        event: "security_socket_bind",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("bind_hook" at "security_socket_bind")),
            complete(kprobe!("bind_hook" at "security_socket_bind")),
            returned(
                BIND,
                &["bind"],
                &[
                    "the address is read from the program's memory, which another thread can change meanwhile",
                    KERNEL,
                    FAILED,
                    IO_URING,
                    RETURN_TIME,
                ],
            ),
        ],
    },
    EventPlan {
        event: "security_socket_setsockopt",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("setsockopt_hook" at "security_socket_setsockopt")),
            complete(kprobe!("setsockopt_hook" at "security_socket_setsockopt")),
            returned(SETSOCKOPT, &["setsockopt"], &[KERNEL, FAILED, RETURN_TIME]),
        ],
    },
    EventPlan {
        event: "security_sb_mount",
        chosen: ByDefault,
        hooks: &[
            complete(fentry!("mount_hook" at "security_sb_mount")),
            complete(kprobe!("mount_hook" at "security_sb_mount")),
            returned(
                MOUNT,
                &["mount"],
                &[
                    UNRESOLVED,
                    RETURN_TIME,
                    "mounts on places that do not exist are told, too",
                ],
            ),
        ],
    },
    EventPlan {
        event: "security_inode_mknod",
        chosen: ByDefault,
        hooks: &[
            complete(
                fentry!("mount_of_mknod" at "security_path_mknod", "mknod_hook" at "security_inode_mknod"),
            ),
            complete(
                kprobe!("mount_of_mknod" at "security_path_mknod", "mknod_hook" at "security_inode_mknod"),
            ),
            partial(fentry!("mknod_hook" at "security_inode_mknod"), &[NO_MOUNT]),
            partial(kprobe!("mknod_hook" at "security_inode_mknod"), &[NO_MOUNT]),
            returned(
                MKNOD,
                &["mknod", "mknodat"],
                &[
                    "sockets that bind makes",
                    UNRESOLVED,
                    FAILED,
                    IO_URING,
                    RETURN_TIME,
                ],
            ),
        ],
    },
    EventPlan {
        event: "security_inode_symlink",
        chosen: ByDefault,
        hooks: &[
            complete(
                fentry!("mount_of_symlink" at "security_path_symlink", "symlink_hook" at "security_inode_symlink"),
            ),
            complete(
                kprobe!("mount_of_symlink" at "security_path_symlink", "symlink_hook" at "security_inode_symlink"),
            ),
            partial(fentry!("symlink_hook" at "security_inode_symlink"), &[NO_MOUNT]),
            partial(kprobe!("symlink_hook" at "security_inode_symlink"), &[NO_MOUNT]),
            returned(
                SYMLINK,
                &["symlink", "symlinkat"],
                &[UNRESOLVED, FAILED, IO_URING, RETURN_TIME],
            ),
        ],
    },
    EventPlan {
        event: "socket_dup",
        chosen: ByDefault,
        hooks: &[returned(SOCKET_DUP, &["dup", "dup2", "dup3"], &[RETURN_TIME])],
    },
    EventPlan {
        event: "socket_accept",
        chosen: OnRequest,
        hooks: &[returned(ACCEPTED, &["accept", "accept4"], &[IO_URING])],
    },
    EventPlan {
        event: "security_inode_rename",
        chosen: ByDefault,
        hooks: &[
            complete(
                fentry!("mount_of_rename" at "security_path_rename", "rename_hook" at "security_inode_rename"),
            ),
            complete(
                kprobe!("mount_of_rename" at "security_path_rename", "rename_hook" at "security_inode_rename"),
            ),
            partial(fentry!("rename_hook" at "security_inode_rename"), &[NO_MOUNT]),
            partial(kprobe!("rename_hook" at "security_inode_rename"), &[NO_MOUNT]),
            returned(
                RENAME,
                &["rename", "renameat", "renameat2"],
                &[UNRESOLVED, FAILED, IO_URING, RETURN_TIME],
            ),
        ],
    },
    EventPlan {
        event: "process_execute_failed",
        chosen: ByDefault,
        hooks: &[
            returned_with(&[TRIED, TASK_CALL], EXEC_FAILED, EXECUTING, &[RETURN_TIME]),
            returned_with(&[TRIED_KPROBE, TASK_CALL], EXEC_FAILED, EXECUTING, &[RETURN_TIME]),
            returned(
                EXEC_FAILED,
                EXECUTING,
                &[
                    "binary.path, .device_id, .inode_number, .ctime, .inode_mode and interpreter_path",
                    RETURN_TIME,
                ],
            ),
        ],
    },
    EventPlan {
        event: "security_path_notify",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("path_notify_hook" at "security_path_notify")),
            complete(kprobe!("path_notify_hook" at "security_path_notify")),
        ],
    },
    EventPlan {
        event: "set_fs_pwd",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("set_fs_pwd_hook" at "set_fs_pwd")),
            complete(kprobe!("set_fs_pwd_hook" at "set_fs_pwd")),
            returned(CHDIR, &["chdir", "fchdir"], &[RETURN_TIME]),
        ],
    },
    EventPlan {
        event: "security_task_setrlimit",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("setrlimit_hook" at "security_task_setrlimit")),
            complete(kprobe!("setrlimit_hook" at "security_task_setrlimit")),
            returned(
                RLIMIT,
                &["setrlimit", "prlimit64"],
                &["limits of other processes", FAILED, RETURN_TIME],
            ),
        ],
    },
    EventPlan {
        event: "chmod_common",
        chosen: ByDefault,
        hooks: &[
            complete(fexit!("chmod_hook" at "chmod_common")),
            complete(kretprobe!("chmod_hook" at "chmod_common")),
            returned(
                CHMOD,
                &["chmod", "fchmod", "fchmodat"],
                &[UNRESOLVED, FAILED, RETURN_TIME],
            ),
        ],
    },
    EventPlan {
        event: "security_task_prctl",
        chosen: OnRequest,
        hooks: &[
            complete(fentry!("prctl_hook" at "security_task_prctl")),
            complete(kprobe!("prctl_hook" at "security_task_prctl")),
            returned(
                PRCTL,
                &["prctl"],
                &[
                    "what PR_SET_MM and PR_SET_SECUREBITS change, before and after",
                    FAILED,
                    RETURN_TIME,
                ],
            ),
        ],
    },
    EventPlan {
        event: "container_create",
        chosen: ByDefault,
        hooks: &[complete(&[raw("on_cgroup_mkdir", "cgroup_mkdir")])],
    },
    EventPlan {
        event: "container_remove",
        chosen: ByDefault,
        hooks: &[complete(&[raw("on_cgroup_rmdir", "cgroup_rmdir")])],
    },
    EventPlan {
        event: "existing_container",
        chosen: ByDefault,
        hooks: &[complete(&[])],
    },
];
