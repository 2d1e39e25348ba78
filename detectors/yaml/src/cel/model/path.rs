//! Paths that are read straight from where the event lies, without making messages.

use detectors_api::event::Event;
use jiff::Timestamp;

use crate::cel::value::Val;

/// Reads a member of an event.
pub(in crate::cel) type Read = for<'a> fn(&'a Event<'_>) -> Val<'a>;

/// How the member at `path` under `workload` is read, if there is a direct way. What is unset reads as its default.
pub(in crate::cel) fn read(path: &[&str]) -> Option<Read> {
    Some(match path {
        ["process", "executable", "path"] => |event| Val::text(event.process().executable_path()),
        ["process", "unique_id"] => |event| Val::number(event.process().entity_id()),
        ["process", "host_pid"] => |event| Val::number(event.process().host_pid()),
        ["process", "pid"] => |event| Val::number(event.process().pid()),
        ["process", "real_user", "id"] => |event| Val::number(event.process().uid()),
        ["process", "thread", "name"] => |event| Val::text(event.thread().name()),
        ["process", "thread", "unique_id"] => |event| Val::number(event.thread().entity_id()),
        ["process", "thread", "host_tid"] => |event| Val::number(event.thread().host_tid()),
        ["process", "thread", "tid"] => |event| Val::number(event.thread().tid()),
        ["process", "thread", "syscall"] => |event| Val::text(event.thread().syscall()),
        ["process", "thread", "compat"] => |event| Val::Bool(event.thread().compat()),
        ["process", "thread", "start_time"] => |event| time(event.thread().start_time_ns()),
        ["container", "id"] => |event| Val::text(event.container().id()),
        ["container", "name"] => |event| Val::text(event.container().name()),
        ["container", "started"] => |event| Val::Bool(event.container().started()),
        ["container", "image", "name"] => |event| Val::text(event.container().image()),
        ["k8s", "pod", "name"] => |event| Val::text(event.k8s().pod_name()),
        ["k8s", "pod", "uid"] => |event| Val::text(event.k8s().pod_uid()),
        ["k8s", "namespace", "name"] => |event| Val::text(event.k8s().namespace()),
        _ => return None,
    })
}

/// A time in ns since the Unix epoch; the epoch for `None`.
fn time(ns: Option<i64>) -> Val<'static> {
    let time = ns.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
    Val::Timestamp(time.unwrap_or(Timestamp::UNIX_EPOCH))
}
