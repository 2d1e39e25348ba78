//! From the sensor's records to events.

use std::collections::BTreeSet;

use detectors_api::catalogue::{EventDefinition, catalogue};
use detectors_api::entity::entity_id;
use detectors_api::event::{KernelContext, RecordedEvent, timestamp_from_ns};
use detectors_api::proto;
use detectors_api::proto::event_value::Value;
use ebpf::abi::{Body, Cgroup, CgroupAttach, Event, Exec, Exit, Fork, Header, Open, Packet, Record, Socket};
use ebpf::clock::BootOffset;
use ebpf::syscalls;
use ebpf::tasks::Task;

use super::containers::Containers;
use super::packets::{Fields, Packets};
use super::processes::Processes;
use super::{address, container_events, fields, stack};

const S_IFMT: u32 = 0o170_000;
const SOCK_STREAM: u32 = 1;

/// Makes events of records, which must come in order.
#[derive(Debug)]
pub(super) struct Converter {
    offset: BootOffset,
    processes: Processes,
    packets: Packets,
    pub(super) containers: Containers,
    /// Those of [`DERIVED`] that are wanted.
    derived: BTreeSet<&'static str>,
}

const CONNECT: &str = "security_socket_connect";
const TCP_CONNECT: &str = "net_tcp_connect";

/// The events that are made of others, and those of which only what is made of them may be wanted.
const DERIVED: [&str; 5] = [
    CONNECT,
    TCP_CONNECT,
    container_events::CREATED,
    container_events::REMOVED,
    container_events::EXISTING,
];

impl Converter {
    /// A converter that knows what is alive, and makes those of its own events that are among `events`.
    pub(super) fn new(offset: BootOffset, tasks: &[Task], containers: Containers, events: &[String]) -> Self {
        Self {
            derived: DERIVED
                .into_iter()
                .filter(|event| events.iter().any(|wanted| wanted == event))
                .collect(),
            offset,
            processes: Processes::of(tasks),
            packets: Packets::default(),
            containers,
        }
    }

    /// The events that tell what was there before the recording began, as the recorder's own, at boot time `now`.
    pub(super) fn existing(&self, now: u64) -> Vec<RecordedEvent> {
        if !self.derived.contains(container_events::EXISTING) {
            return Vec::new();
        }
        let Some(definition) = catalogue().get(container_events::EXISTING) else {
            return Vec::new();
        };
        let containers = self.containers.all();
        containers
            .into_iter()
            .map(|(id, runtime, made_ns, facts)| RecordedEvent {
                event: proto::Event {
                    timestamp: Some(self.timestamp(now)),
                    id: definition.id,
                    name: definition.name.to_owned(),
                    workload: Some(proto::Workload {
                        process: Some(recorder()),
                        ..proto::Workload::default()
                    }),
                    data: container_events::described(&id, runtime, made_ns, facts),
                    ..proto::Event::default()
                },
                kernel: KernelContext::default(),
                unmapped: None,
            })
            .collect()
    }

    /// An event that no process has caused, at boot time `now`.
    pub(super) fn found(&self, now: u64, event: &Event) -> Option<RecordedEvent> {
        let definition = catalogue().by_internal_id(event.event)?;
        Some(RecordedEvent {
            event: proto::Event {
                timestamp: Some(self.timestamp(now)),
                id: definition.id,
                name: definition.name.to_owned(),
                data: fields::values(definition, event),
                ..proto::Event::default()
            },
            kernel: KernelContext::default(),
            unmapped: None,
        })
    }

    /// The events of a record, in order.
    pub(super) fn convert(&mut self, record: &Record) -> Vec<RecordedEvent> {
        self.containers.follow(record);
        let exec = matches!(record.body, Body::Exec(_));
        if exec {
            self.processes.follow(record);
            self.start_container(&record.head);
        }
        let mut events = match &record.body {
            Body::Packet(packet) => self.packet(&record.head, packet),
            Body::Connect(socket) => self.connect(&record.head, socket),
            _ => self.event(record).into_iter().collect(),
        };
        stack::tell(&record.stack, &mut events);
        events.extend(self.container_event(record));
        if !exec {
            self.processes.follow(record);
        }
        events
    }

    fn container_event(&mut self, record: &Record) -> Option<RecordedEvent> {
        let (name, fields) = self.containers.event(record)?;
        if !self.derived.contains(name) {
            return None;
        }
        Some(self.recorded(&record.head, catalogue().get(name)?, fields, true))
    }

    fn event(&mut self, record: &Record) -> Option<RecordedEvent> {
        if let Body::Event(event) = &record.body {
            let definition = catalogue().by_internal_id(event.event)?;
            return Some(self.recorded(&record.head, definition, fields::values(definition, event), true));
        }
        let (name, fields) = match &record.body {
            Body::Fork(fork) => ("sched_process_fork", self.fork(fork)),
            Body::Exec(exec) => ("sched_process_exec", exec_fields(exec)),
            Body::Exit(exit) => ("sched_process_exit", exit_fields(exit)),
            Body::Open(open) => ("security_file_open", open_fields(open)),
            Body::CgroupMkdir(cgroup) => ("cgroup_mkdir", cgroup_fields(cgroup)),
            Body::CgroupRmdir(cgroup) => ("cgroup_rmdir", cgroup_fields(cgroup)),
            Body::CgroupAttach(attach) => ("cgroup_attach_task", attach_fields(attach)),
            Body::Event(_) | Body::Connect(_) | Body::Packet(_) | Body::Task => return None,
        };
        let killed = matches!(&record.body, Body::Exit(exit) if exit.signal() != 0);
        Some(self.recorded(&record.head, catalogue().get(name)?, data(fields), !killed))
    }

    fn connect(&mut self, head: &Header, socket: &Socket) -> Vec<RecordedEvent> {
        let events = [
            (CONNECT, Some(connect_fields(socket))),
            (TCP_CONNECT, self.tcp_connect_fields(head, socket)),
        ];
        events
            .into_iter()
            .filter(|(name, _)| self.derived.contains(name))
            .filter_map(|(name, fields)| Some((catalogue().get(name)?, fields?)))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(definition, fields)| self.recorded(head, definition, data(fields), true))
            .collect()
    }

    /// None for what is no connection over TCP.
    fn tcp_connect_fields(&self, head: &Header, socket: &Socket) -> Option<Fields> {
        let address = address::internet(&socket.address).filter(|_| socket.kind == SOCK_STREAM)?;
        Some(vec![
            ("dst", text(&address.ip().to_string())),
            ("dst_port", Value::Int64(address.port().into())),
            ("dst_dns", self.packets.names(address.ip(), head.time)),
        ])
    }

    fn packet(&mut self, head: &Header, packet: &Packet) -> Vec<RecordedEvent> {
        let events = self.packets.events(packet, head.time).into_iter();
        events
            .filter_map(|(event, fields)| {
                let definition = catalogue().get(event.name())?;
                Some(self.recorded(head, definition, data(fields), true))
            })
            .collect()
    }

    /// An event with the context that its record's header tells; `in_call`: whether the system call there is its own.
    fn recorded(
        &mut self,
        head: &Header,
        definition: &EventDefinition,
        data: Vec<proto::EventValue>,
        in_call: bool,
    ) -> RecordedEvent {
        let (container, k8s) = self.containers.of(head).unzip();
        let event = proto::Event {
            timestamp: Some(self.timestamp(head.time)),
            id: definition.id,
            name: definition.name.to_owned(),
            workload: Some(proto::Workload {
                // Nobody is process 0: the owner of a packet is not known.
                process: (head.pid != 0).then(|| self.process(head, in_call)),
                container,
                k8s: k8s.flatten(),
            }),
            data,
            ..proto::Event::default()
        };
        RecordedEvent {
            event,
            kernel: KernelContext {
                processor: Some(head.cpu),
                cgroup_id: Some(head.cgroup_id).filter(|id| *id != 0),
                mount_ns: Some(head.mnt_ns).filter(|_| head.pid != 0),
                pid_ns: Some(head.pid_ns).filter(|_| head.pid != 0),
                host_name: Some(head.node()).filter(|_| head.pid != 0),
            },
            unmapped: None,
        }
    }

    fn timestamp(&self, boot_ns: u64) -> prost_types::Timestamp {
        timestamp_from_ns(self.offset.epoch(boot_ns).cast_signed())
    }

    fn process(&mut self, head: &Header, in_call: bool) -> proto::Process {
        let exe = self.processes.executable(head);
        let entity = |tid, start| Some(entity_id(tid, self.offset.epoch(start)));
        let parent = (head.ppid != 0).then(|| proto::Process {
            unique_id: entity(head.ppid, head.parent_start),
            host_pid: Some(head.ppid),
            pid: Some(head.ns_ppid),
            ..proto::Process::default()
        });
        let syscall = head
            .syscall()
            .filter(|_| in_call)
            .map_or("", |nr| syscalls::name(nr, head.compat()));
        proto::Process {
            executable: (!exe.is_empty()).then(|| proto::Executable {
                path: exe.to_string(),
            }),
            unique_id: entity(head.pid, head.leader_start),
            host_pid: Some(head.pid),
            pid: Some(head.ns_pid),
            real_user: Some(proto::User { id: Some(head.uid) }),
            thread: Some(proto::Thread {
                start_time: Some(self.timestamp(head.task_start)),
                name: head.comm(),
                unique_id: entity(head.tid, head.task_start),
                host_tid: Some(head.tid),
                tid: Some(head.ns_tid),
                syscall: syscall.to_owned(),
                compat: head.compat(),
                user_stack_trace: None,
            }),
            ancestors: parent.into_iter().collect(),
        }
    }

    /// A container has started once a program runs in it whose mount namespace is not that of its parent.
    fn start_container(&mut self, head: &Header) {
        let parent = self.processes.parent_mnt_ns(head);
        if parent.is_some_and(|mnt_ns| mnt_ns != head.mnt_ns) {
            self.containers.start(head);
        }
    }

    fn fork(&self, fork: &Fork) -> Fields {
        let id = |value: u32| Value::Int32(value.cast_signed());
        let time = |boot_ns| Value::UInt64(self.offset.epoch(boot_ns));
        let (parent, child, process, leader) =
            (&fork.parent, &fork.child, &fork.parent_process, &fork.leader);
        vec![
            ("parent_tid", id(parent.tid)),
            ("parent_ns_tid", id(parent.ns_tid)),
            ("parent_pid", id(parent.pid)),
            ("parent_ns_pid", id(parent.ns_pid)),
            ("parent_start_time", time(parent.start)),
            ("child_tid", id(child.tid)),
            ("child_ns_tid", id(child.ns_tid)),
            ("child_pid", id(child.pid)),
            ("child_ns_pid", id(child.ns_pid)),
            ("start_time", time(child.start)),
            ("parent_process_tid", id(process.tid)),
            ("parent_process_ns_tid", id(process.ns_tid)),
            ("parent_process_pid", id(process.pid)),
            ("parent_process_ns_pid", id(process.ns_pid)),
            ("parent_process_start_time", time(process.start)),
            ("leader_tid", id(leader.tid)),
            ("leader_ns_tid", id(leader.ns_tid)),
            ("leader_pid", id(leader.pid)),
            ("leader_ns_pid", id(leader.ns_pid)),
            ("leader_start_time", time(leader.start)),
        ]
    }
}

/// The process that this is.
fn recorder() -> proto::Process {
    let pid = std::process::id();
    let exe = std::env::current_exe().unwrap_or_default();
    proto::Process {
        executable: Some(proto::Executable {
            path: exe.to_string_lossy().into_owned(),
        }),
        pid: Some(pid),
        host_pid: Some(pid),
        ..proto::Process::default()
    }
}

fn data(fields: Fields) -> Vec<proto::EventValue> {
    let value = |(name, value): (&str, _)| proto::EventValue {
        name: name.to_owned(),
        value: Some(value),
    };
    fields.into_iter().map(value).collect()
}

fn text(value: &str) -> Value {
    Value::Str(value.to_owned())
}

fn texts(values: &[String]) -> Value {
    Value::StrArray(proto::StringArray {
        value: values.to_vec(),
    })
}

fn exec_fields(exec: &Exec) -> Fields {
    let (loader_path, loader) = exec
        .loader
        .as_ref()
        .map_or(("", Default::default()), |(path, file)| (path.as_str(), *file));
    vec![
        ("cmdpath", text(&exec.cmdpath)),
        ("pathname", text(&exec.path)),
        ("dev", Value::UInt32(exec.file.dev)),
        ("inode", Value::UInt64(exec.file.inode)),
        ("ctime", Value::UInt64(exec.file.ctime)),
        ("inode_mode", Value::UInt32(exec.file.mode)),
        ("interpreter_pathname", text(loader_path)),
        ("interpreter_dev", Value::UInt32(loader.dev)),
        ("interpreter_inode", Value::UInt64(loader.inode)),
        ("interpreter_ctime", Value::UInt64(loader.ctime)),
        ("argv", texts(&exec.argv)),
        ("interp", text(&exec.interp)),
        ("stdin_type", Value::UInt32(exec.stdin_mode & S_IFMT)),
        ("stdin_path", text(&exec.stdin_path)),
        ("invoked_from_kernel", Value::Bool(exec.invoked_from_kernel)),
        ("prev_comm", text(&exec.prev_comm)),
        ("env", texts(&exec.env)),
        ("pwd", text(&exec.pwd)),
    ]
}

fn exit_fields(exit: &Exit) -> Fields {
    vec![
        ("exit_code", Value::Int32(exit.status())),
        ("signal_code", Value::Int32(exit.signal())),
        ("process_group_exit", Value::Bool(exit.group_dead())),
    ]
}

fn cgroup_fields(cgroup: &Cgroup) -> Fields {
    vec![
        ("cgroup_id", Value::UInt64(cgroup.id)),
        ("cgroup_path", text(&cgroup.path)),
        ("hierarchy_id", Value::UInt32(cgroup.hierarchy)),
    ]
}

fn attach_fields(attach: &CgroupAttach) -> Fields {
    vec![
        ("cgroup_path", text(&attach.cgroup.path)),
        ("comm", text(&attach.comm)),
        ("pid", Value::Int32(attach.tid.cast_signed())),
    ]
}

fn open_fields(open: &Open) -> Fields {
    vec![
        ("pathname", text(&open.path)),
        ("flags", Value::Int32(open.flags.cast_signed())),
        ("dev", Value::UInt32(open.file.dev)),
        ("inode", Value::UInt64(open.file.inode)),
        ("ctime", Value::UInt64(open.file.ctime)),
        ("syscall_pathname", text(&open.user_path)),
    ]
}

/// An address that cannot be told leaves its field without a value.
fn address_field(fields: &mut Fields, bytes: &[u8]) {
    fields.extend(address::decode(bytes).map(|address| ("remote_addr", Value::Sockaddr(address))));
}

fn connect_fields(socket: &Socket) -> Fields {
    let mut fields = vec![
        ("sockfd", Value::Int32(socket.fd)),
        ("type", Value::Int32(socket.kind.cast_signed())),
    ];
    address_field(&mut fields, &socket.address);
    fields
}
