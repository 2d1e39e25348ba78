//! Writes the v1beta1 encoding: members in the order of the interface, and what is left out is what Tracee leaves out.

use std::collections::BTreeMap;

use prost_types::value::Kind;

use super::encode::{self, Escape, Object};
use super::protojson::Member;
use crate::catalogue::FieldType;
use crate::proto;
use crate::proto::event_value::Value;

/// Writes the members of an event.
pub(super) fn event(object: &mut Object<'_>, event: &proto::Event) {
    header(object, event);
    if let Some(policies) = &event.policies {
        let mut inner = Object::open(object.member("policies"));
        encode::list(inner.member("matched"), &policies.matched, text);
        inner.close();
    }
    if let Some(workload) = &event.workload {
        self::workload(object.member("workload"), workload);
    }
    data(object, &event.data);
    if let Some(threat) = &event.threat {
        self::threat(object.member("threat"), threat);
    }
    if let Some(origin) = &event.detected_from {
        detected_from(object.member("detected_from"), origin);
    }
}

/// Writes the members that every event has.
pub(super) fn header(object: &mut Object<'_>, event: &proto::Event) {
    let out = object.member("timestamp");
    if !(event.timestamp.as_ref()).is_some_and(|timestamp| encode::timestamp(out, timestamp)) {
        encode::text(out, "null", Escape::Plain);
    }
    encode::number(object.member("id"), event.id);
    text(object.member("name"), &event.name);
}

fn text(out: &mut Vec<u8>, text: impl AsRef<str>) {
    encode::text(out, text.as_ref(), Escape::Plain);
}

fn number(object: &mut Object<'_>, key: &str, number: Option<u32>) {
    if let Some(number) = number {
        encode::number(object.member(key), number);
    }
}

fn text_map(out: &mut Vec<u8>, map: &BTreeMap<String, String>) {
    let mut object = Object::open(out);
    for (key, value) in map {
        text(object.any_member(key, Escape::Plain), value);
    }
    object.close();
}

fn workload(out: &mut Vec<u8>, workload: &proto::Workload) {
    let mut object = Object::open(out);
    if let Some(process) = &workload.process {
        self::process(object.member("process"), process);
    }
    if let Some(container) = &workload.container {
        self::container(object.member("container"), container);
    }
    if let Some(k8s) = &workload.k8s {
        self::k8s(object.member("k8s"), k8s);
    }
    object.close();
}

fn process(out: &mut Vec<u8>, process: &proto::Process) {
    let mut object = Object::open(out);
    if let Some(executable) = &process.executable {
        let mut inner = Object::open(object.member("executable"));
        text(inner.member("path"), &executable.path);
        inner.close();
    }
    number(&mut object, "unique_id", process.unique_id);
    number(&mut object, "host_pid", process.host_pid);
    number(&mut object, "pid", process.pid);
    if let Some(uid) = process.real_user.and_then(|user| user.id) {
        let mut inner = Object::open(object.member("real_user"));
        encode::number(inner.member("id"), uid);
        inner.close();
    }
    if let Some(thread) = &process.thread {
        self::thread(object.member("thread"), thread);
    }
    if !process.ancestors.is_empty() {
        encode::list(object.member("ancestors"), &process.ancestors, self::process);
    }
    object.close();
}

fn thread(out: &mut Vec<u8>, thread: &proto::Thread) {
    let mut object = Object::open(out);
    if let Some(start_time) = &thread.start_time {
        let mut value = Vec::new();
        if encode::timestamp(&mut value, start_time) {
            object.member("start_time").append(&mut value);
        }
    }
    if !thread.name.is_empty() {
        text(object.member("name"), &thread.name);
    }
    number(&mut object, "unique_id", thread.unique_id);
    number(&mut object, "host_tid", thread.host_tid);
    number(&mut object, "tid", thread.tid);
    if !thread.syscall.is_empty() {
        text(object.member("syscall"), &thread.syscall);
    }
    if thread.compat {
        encode::display(object.member("compat"), true);
    }
    if let Some(stack) = &thread.user_stack_trace {
        let mut inner = Object::open(object.member("user_stack_trace"));
        encode::list(inner.member("addresses"), &stack.addresses, |out, frame| {
            let mut object = Object::open(out);
            encode::number(object.member("address"), frame.address);
            text(object.member("symbol"), &frame.symbol);
            object.close();
        });
        inner.close();
    }
    object.close();
}

fn container(out: &mut Vec<u8>, container: &proto::Container) {
    let mut object = Object::open(out);
    text(object.member("id"), &container.id);
    text(object.member("name"), &container.name);
    if let Some(image) = &container.image {
        let mut inner = Object::open(object.member("image"));
        text(inner.member("id"), &image.id);
        if !image.repo_digests.is_empty() {
            encode::list(inner.member("repo_digests"), &image.repo_digests, text);
        }
        text(inner.member("name"), &image.name);
        inner.close();
    }
    encode::display(object.member("started"), container.started);
    object.close();
}

fn k8s(out: &mut Vec<u8>, k8s: &proto::K8s) {
    let mut object = Object::open(out);
    if let Some(pod) = &k8s.pod {
        let mut inner = Object::open(object.member("pod"));
        text(inner.member("name"), &pod.name);
        text(inner.member("uid"), &pod.uid);
        if !pod.labels.is_empty() {
            text_map(inner.member("labels"), &pod.labels);
        }
        inner.close();
    }
    if let Some(namespace) = &k8s.namespace {
        let mut inner = Object::open(object.member("namespace"));
        text(inner.member("name"), &namespace.name);
        inner.close();
    }
    object.close();
}

fn threat(out: &mut Vec<u8>, threat: &proto::Threat) {
    let mut object = Object::open(out);
    text(object.member("description"), &threat.description);
    if let Some(mitre) = &threat.mitre {
        let mut inner = Object::open(object.member("mitre"));
        if let Some(tactic) = &mitre.tactic {
            let mut object = Object::open(inner.member("tactic"));
            text(object.member("name"), &tactic.name);
            object.close();
        }
        if let Some(technique) = &mitre.technique {
            let mut object = Object::open(inner.member("technique"));
            text(object.member("id"), &technique.id);
            text(object.member("name"), &technique.name);
            object.close();
        }
        inner.close();
    }
    encode::number(object.member("severity"), threat.severity);
    text(object.member("name"), &threat.name);
    if !threat.properties.is_empty() {
        text_map(object.member("properties"), &threat.properties);
    }
    object.close();
}

fn detected_from(out: &mut Vec<u8>, origin: &proto::DetectedFrom) {
    let mut object = Object::open(out);
    encode::number(object.member("id"), origin.id);
    text(object.member("name"), &origin.name);
    data(&mut object, &origin.data);
    if let Some(parent) = &origin.parent {
        detected_from(object.member("parent"), parent);
    }
    object.close();
}

fn data(object: &mut Object<'_>, data: &[proto::EventValue]) {
    if !data.is_empty() {
        encode::list(object.member("data"), data, field);
    }
}

fn field(out: &mut Vec<u8>, field: &proto::EventValue) {
    let mut object = Object::open(out);
    text(object.member("name"), &field.name);
    match &field.value {
        Some(value) => self::value(object.member(FieldType::of(value).arm()), value),
        None => object.member("value").extend_from_slice(b"null"),
    }
    object.close();
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Int32(number) => encode::number(out, *number),
        Value::UInt32(number) => encode::number(out, *number),
        Value::Int64(number) => encode::quoted(out, *number),
        Value::UInt64(number) | Value::Pointer(number) => encode::quoted(out, *number),
        Value::Str(value) => text(out, value),
        Value::Bytes(bytes) => encode::base64(out, bytes),
        Value::Bool(flag) => encode::display(out, flag),
        Value::StrArray(array) => array_value(out, &array.value, |out, item| text(out, item)),
        Value::Int32Array(array) => array_value(out, &array.value, |out, item| encode::number(out, *item)),
        Value::UInt64Array(array) => array_value(out, &array.value, |out, item| encode::quoted(out, *item)),
        Value::Sockaddr(address) => sockaddr(out, address),
        Value::Credentials(credentials) => self::credentials(out, credentials),
        Value::Timespec(timespec) => match timespec.value {
            Some(seconds) => {
                let mut object = Object::open(out);
                encode::double(object.member("value"), seconds);
                object.close();
            }
            None => out.extend_from_slice(b"null"),
        },
        // An empty object has no map in the Go message.
        Value::Struct(object) if object.fields.is_empty() => out.extend_from_slice(b"null"),
        Value::Struct(object) => free_form_object(out, object),
        Value::HookedSyscalls(message) => message.write(out),
        Value::HookedSeqOps(message) => message.write(out),
        Value::Ipv4(message) => message.write(out),
        Value::Ipv6(message) => message.write(out),
        Value::Tcp(message) => message.write(out),
        Value::Udp(message) => message.write(out),
        Value::Icmp(message) => message.write(out),
        Value::Icmpv6(message) => message.write(out),
        Value::Dns(message) => message.write(out),
        Value::DnsQuestions(message) => message.write(out),
        Value::DnsResponses(message) => message.write(out),
        Value::PacketMetadata(message) => message.write(out),
        Value::Http(message) => message.write(out),
        Value::HttpRequest(message) => message.write(out),
        Value::HttpResponse(message) => message.write(out),
    }
}

fn array_value<T>(out: &mut Vec<u8>, items: &[T], write: impl FnMut(&mut Vec<u8>, &T)) {
    let mut object = Object::open(out);
    if !items.is_empty() {
        encode::list(object.member("value"), items, write);
    }
    object.close();
}

fn sockaddr(out: &mut Vec<u8>, address: &proto::SockAddr) {
    let mut object = Object::open(out);
    if address.sa_family != 0 {
        let out = object.member("sa_family");
        match proto::SaFamilyT::try_from(address.sa_family) {
            Ok(family) => text(out, family.as_str_name()),
            Err(_) => encode::quoted(out, address.sa_family),
        }
    }
    let mut member = |key: &str, value: &str| {
        if !value.is_empty() {
            text(object.member(key), value);
        }
    };
    member("sun_path", &address.sun_path);
    member("sin_addr", &address.sin_addr);
    number(
        &mut object,
        "sin_port",
        Some(address.sin_port).filter(|port| *port != 0),
    );
    if !address.sin6_addr.is_empty() {
        text(object.member("sin6_addr"), &address.sin6_addr);
    }
    for (key, value) in [
        ("sin6_port", address.sin6_port),
        ("sin6_flowinfo", address.sin6_flowinfo),
        ("sin6_scopeid", address.sin6_scopeid),
    ] {
        number(&mut object, key, Some(value).filter(|value| *value != 0));
    }
    object.close();
}

fn credentials(out: &mut Vec<u8>, credentials: &proto::Credentials) {
    let mut object = Object::open(out);
    for (key, id) in [
        ("uid", credentials.uid),
        ("gid", credentials.gid),
        ("suid", credentials.suid),
        ("sgid", credentials.sgid),
        ("euid", credentials.euid),
        ("egid", credentials.egid),
        ("fsuid", credentials.fsuid),
        ("fsgid", credentials.fsgid),
        ("user_namespace", credentials.user_namespace),
        ("secure_bits", credentials.secure_bits),
    ] {
        number(&mut object, key, id);
    }
    for (key, capabilities) in [
        ("cap_inheritable", &credentials.cap_inheritable),
        ("cap_permitted", &credentials.cap_permitted),
        ("cap_effective", &credentials.cap_effective),
        ("cap_bounding", &credentials.cap_bounding),
        ("cap_ambient", &credentials.cap_ambient),
    ] {
        if !capabilities.is_empty() {
            encode::list(object.member(key), capabilities, |out, capability| {
                encode::number(out, *capability);
            });
        }
    }
    object.close();
}

fn free_form_object(out: &mut Vec<u8>, value: &prost_types::Struct) {
    let mut object = Object::open(out);
    for (key, value) in &value.fields {
        free_form(object.any_member(key, Escape::Plain), value);
    }
    object.close();
}

fn free_form(out: &mut Vec<u8>, value: &prost_types::Value) {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => out.extend_from_slice(b"null"),
        Some(Kind::NumberValue(number)) => encode::double(out, *number),
        Some(Kind::StringValue(value)) => text(out, value),
        Some(Kind::BoolValue(flag)) => encode::display(out, flag),
        Some(Kind::StructValue(object)) => free_form_object(out, object),
        Some(Kind::ListValue(list)) => encode::list(out, &list.values, free_form),
    }
}
