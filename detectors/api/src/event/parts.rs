//! Who did it: views of the parts of an event's workload.

use super::contexts::{ContextColumn, ContextRow, ContextText};
use super::timestamp_ns;
use crate::proto;

/// A part of a workload: in the table, in a message, or absent.
#[derive(Debug)]
pub(super) enum Part<'a, T> {
    Row(ContextRow<'a>),
    Message(&'a T),
    None,
}

// By hand: a derive would ask that the message be `Copy`, not the reference.
impl<T> Clone for Part<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Part<'_, T> {}

impl<'a, T> Part<'a, T> {
    fn number(self, column: ContextColumn, member: impl FnOnce(&'a T) -> Option<u32>) -> Option<u32> {
        match self {
            Part::Row(row) => row.u32(column),
            Part::Message(message) => member(message),
            Part::None => None,
        }
    }

    fn text(self, column: ContextText, member: impl FnOnce(&'a T) -> Option<&'a String>) -> &'a str {
        match self {
            Part::Row(row) => row.text(column),
            Part::Message(message) => member(message).map(String::as_str),
            Part::None => None,
        }
        .unwrap_or_default()
    }
}

/// A process of an event. What is absent reads as `None` or an empty text.
#[derive(Clone, Copy, Debug)]
pub struct ProcessView<'a>(pub(super) Part<'a, proto::Process>);

impl<'a> ProcessView<'a> {
    /// Path of the running binary.
    #[must_use]
    pub fn executable_path(self) -> &'a str {
        match self.0 {
            Part::Row(row) => row.exe(),
            Part::Message(process) => process
                .executable
                .as_ref()
                .map(|executable| executable.path.as_str()),
            Part::None => None,
        }
        .unwrap_or_default()
    }

    /// Process entity id.
    #[must_use]
    pub fn entity_id(self) -> Option<u32> {
        self.0
            .number(ContextColumn::ProcessId, |process| process.unique_id)
    }

    /// Thread-group id in the root pid namespace.
    #[must_use]
    pub fn host_pid(self) -> Option<u32> {
        self.0.number(ContextColumn::HostPid, |process| process.host_pid)
    }

    /// Thread-group id in the task's own pid namespace.
    #[must_use]
    pub fn pid(self) -> Option<u32> {
        self.0.number(ContextColumn::Pid, |process| process.pid)
    }

    /// Real user id.
    #[must_use]
    pub fn uid(self) -> Option<u32> {
        self.0.number(ContextColumn::Uid, |process| process.real_user?.id)
    }
}

/// The acting thread of an event. What is absent reads as `None` or an empty text.
#[derive(Clone, Copy, Debug)]
pub struct ThreadView<'a> {
    pub(super) syscall: &'a str,
    pub(super) part: Part<'a, proto::Thread>,
}

impl<'a> ThreadView<'a> {
    /// comm.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.part.text(ContextText::Comm, |thread| Some(&thread.name))
    }

    /// Name of the system call in progress.
    #[must_use]
    pub fn syscall(self) -> &'a str {
        self.syscall
    }

    /// Thread entity id.
    #[must_use]
    pub fn entity_id(self) -> Option<u32> {
        self.part
            .number(ContextColumn::ThreadId, |thread| thread.unique_id)
    }

    /// Thread id in the root pid namespace.
    #[must_use]
    pub fn host_tid(self) -> Option<u32> {
        self.part.number(ContextColumn::HostTid, |thread| thread.host_tid)
    }

    /// Thread id in the task's own pid namespace.
    #[must_use]
    pub fn tid(self) -> Option<u32> {
        self.part.number(ContextColumn::Tid, |thread| thread.tid)
    }

    /// Task creation: ns since the Unix epoch.
    #[must_use]
    pub fn start_time_ns(self) -> Option<i64> {
        match self.part {
            Part::Row(row) => row.start_time(),
            Part::Message(thread) => thread.start_time.as_ref().and_then(timestamp_ns),
            Part::None => None,
        }
    }

    /// A 32-bit task on a 64-bit kernel.
    #[must_use]
    pub fn compat(self) -> bool {
        match self.part {
            Part::Row(row) => row.compat(),
            Part::Message(thread) => thread.compat,
            Part::None => false,
        }
    }
}

/// The parent that an event carries.
#[derive(Clone, Copy, Debug)]
pub struct ParentView<'a>(pub(super) Part<'a, proto::Process>);

impl ParentView<'_> {
    /// Process entity id.
    #[must_use]
    pub fn entity_id(self) -> Option<u32> {
        self.0
            .number(ContextColumn::ParentId, |process| process.unique_id)
    }

    /// Thread-group id in the root pid namespace.
    #[must_use]
    pub fn host_pid(self) -> Option<u32> {
        self.0
            .number(ContextColumn::ParentHostPid, |process| process.host_pid)
    }

    /// Thread-group id in the parent's pid namespace, as the event has it.
    #[must_use]
    pub fn pid(self) -> Option<u32> {
        self.0.number(ContextColumn::ParentPid, |process| process.pid)
    }
}

/// The container of an event. What is absent reads as an empty text.
#[derive(Clone, Copy, Debug)]
pub struct ContainerView<'a>(pub(super) Part<'a, proto::Container>);

impl<'a> ContainerView<'a> {
    /// Full container id; empty outside containers.
    #[must_use]
    pub fn id(self) -> &'a str {
        self.0
            .text(ContextText::ContainerId, |container| Some(&container.id))
    }

    /// Name given by the runtime.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.0
            .text(ContextText::ContainerName, |container| Some(&container.name))
    }

    /// Image name.
    #[must_use]
    pub fn image(self) -> &'a str {
        self.0.text(ContextText::ContainerImage, |container| {
            Some(&container.image.as_ref()?.name)
        })
    }

    /// First repository digest of the image.
    #[must_use]
    pub fn image_digest(self) -> &'a str {
        self.0.text(ContextText::ContainerImageDigest, |container| {
            container.image.as_ref()?.repo_digests.first()
        })
    }

    /// Whether the entry point has been executed.
    #[must_use]
    pub fn started(self) -> bool {
        match self.0 {
            Part::Row(row) => row.started().unwrap_or_default(),
            Part::Message(container) => container.started,
            Part::None => false,
        }
    }
}

/// Kubernetes metadata of an event. What is absent reads as an empty text.
#[derive(Clone, Copy, Debug)]
pub struct K8sView<'a>(pub(super) Part<'a, proto::K8s>);

impl<'a> K8sView<'a> {
    /// Pod name.
    #[must_use]
    pub fn pod_name(self) -> &'a str {
        self.0
            .text(ContextText::PodName, |k8s| Some(&k8s.pod.as_ref()?.name))
    }

    /// Pod uid.
    #[must_use]
    pub fn pod_uid(self) -> &'a str {
        self.0
            .text(ContextText::PodUid, |k8s| Some(&k8s.pod.as_ref()?.uid))
    }

    /// Pod namespace.
    #[must_use]
    pub fn namespace(self) -> &'a str {
        self.0.text(ContextText::PodNamespace, |k8s| {
            Some(&k8s.namespace.as_ref()?.name)
        })
    }
}
