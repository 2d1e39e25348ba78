//! What filters mean, as plainly as it can be said: each filter is taken apart and tried on the message of the event.

use detectors_api::catalogue::FieldType;
use detectors_api::event::RecordedEvent;
use detectors_api::proto::event_value::Value;

/// The few system calls that the tests name, with their numbers on amd64.
pub(crate) const SYSCALLS: [(&str, i128); 3] = [("read", 0), ("ptrace", 101), ("openat", 257)];

/// A value, whatever its width: a single one is a list of one.
enum Got {
    Numbers(Vec<i128>),
    Texts(Vec<String>),
    Flag(bool),
    Hex(String),
}

pub(crate) fn field(filter: &str) -> &str {
    split(filter).0
}

/// Whether an event whose fields are declared to have types passes all filters.
pub(crate) fn passes(
    event: &RecordedEvent,
    declared: &dyn Fn(&str) -> Option<FieldType>,
    data: &[String],
    scope: &[String],
) -> bool {
    let passes_all = |filters: &[String], same: fn(&str) -> &str, value: &dyn Fn(&str) -> Option<Got>| {
        filters.iter().all(|filter| {
            let name = same(field(filter));
            let on_it: Vec<_> = filters
                .iter()
                .filter(|other| same(field(other)) == name)
                .collect();
            value(name).is_some_and(|got| holds(&got, &on_it))
        })
    };
    let (places, others): (Vec<_>, Vec<_>) = scope
        .iter()
        .cloned()
        .partition(|filter| ["container", "host", "not-container"].contains(&field(filter)));
    places.iter().all(|filter| in_place(event, filter))
        && passes_all(&others, alias, &|name| scope_value(event, name))
        && passes_all(data, |name| name, &|name| {
            data_value(event, declared(name)?, name)
        })
}

fn split(filter: &str) -> (&str, &str, &str) {
    let at = filter.find(['=', '!', '<', '>']).unwrap_or(filter.len());
    let (name, rest) = filter.split_at(at);
    for operator in ["!=", "<=", ">=", "=", "<", ">"] {
        if let Some(value) = rest.strip_prefix(operator) {
            return (name, operator, value);
        }
    }
    (name, "", "")
}

/// Whether a value satisfies all filters on it: one of all `=`, each `!=`, and all ranges together for one element.
fn holds(got: &Got, filters: &[&String]) -> bool {
    let mut equal = Vec::new();
    let mut different = Vec::new();
    let mut ranges = Vec::new();
    for filter in filters {
        let (_, operator, values) = split(filter);
        match operator {
            "=" => equal.extend(list(values)),
            "!=" => different.extend(list(values)),
            range => ranges.push((range, number(values))),
        }
    }
    let equals = |wanted: &String| match got {
        Got::Numbers(numbers) => numbers.contains(&number(wanted)),
        Got::Texts(texts) => texts.iter().any(|text| glob(wanted, text)),
        Got::Flag(flag) => (wanted == "true" || wanted == "1") == *flag,
        Got::Hex(hex) => glob(wanted.trim_start_matches("0x"), hex),
    };
    let inside = |number: &i128| {
        ranges.iter().all(|(operator, bound)| match *operator {
            "<" => number < bound,
            "<=" => number <= bound,
            ">" => number > bound,
            _ => number >= bound,
        })
    };
    let in_ranges = match got {
        Got::Numbers(numbers) => ranges.is_empty() || numbers.iter().any(inside),
        _ => true,
    };
    (equal.is_empty() || equal.iter().any(equals)) && !different.iter().any(equals) && in_ranges
}

/// The values between commas that no backslash precedes.
fn list(values: &str) -> Vec<String> {
    let mut list = vec![String::new()];
    let mut characters = values.chars();
    while let Some(character) = characters.next() {
        let last = list.last_mut().expect("never empty");
        match character {
            ',' => list.push(String::new()),
            '\\' => {
                last.push('\\');
                last.extend(characters.next());
            }
            other => last.push(other),
        }
    }
    list
}

fn number(text: &str) -> i128 {
    if let Some((_, number)) = SYSCALLS.iter().find(|(name, _)| *name == text) {
        return *number;
    }
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let parsed = if let Some(digits) = digits.strip_prefix("0x") {
        i128::from_str_radix(digits, 16)
    } else if let Some(digits) = digits.strip_prefix("0o") {
        i128::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    sign * parsed.expect("the tests write numbers")
}

fn glob(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    let text_tail = |text: &str| {
        text.chars()
            .next()
            .map(|first| text[first.len_utf8()..].to_owned())
    };
    match rest.next() {
        None => text.is_empty(),
        Some('*') => glob(rest.as_str(), text) || text_tail(text).is_some_and(|tail| glob(pattern, &tail)),
        Some('?') => text_tail(text).is_some_and(|tail| glob(rest.as_str(), &tail)),
        Some('\\') => {
            let literal = rest.next().expect("the tests escape something");
            text.starts_with(literal) && glob(rest.as_str(), &text[literal.len_utf8()..])
        }
        Some(literal) => text.starts_with(literal) && glob(rest.as_str(), &text[literal.len_utf8()..]),
    }
}

/// What the event has in a field, if it is of the declared kind.
fn data_value(event: &RecordedEvent, declared: FieldType, name: &str) -> Option<Got> {
    let value = event
        .event
        .data
        .iter()
        .find(|value| value.name == name)?
        .value
        .clone()?;
    let numbers = |numbers: Vec<i128>| Some(Got::Numbers(numbers));
    let got = match value {
        Value::Int32(number) => numbers(vec![number.into()]),
        Value::Int64(number) => numbers(vec![number.into()]),
        Value::UInt32(number) => numbers(vec![number.into()]),
        Value::UInt64(number) | Value::Pointer(number) => numbers(vec![number.into()]),
        Value::Int32Array(list) => numbers(list.value.into_iter().map(i128::from).collect()),
        Value::UInt64Array(list) => numbers(list.value.into_iter().map(i128::from).collect()),
        Value::Str(text) => Some(Got::Texts(vec![text])),
        Value::StrArray(list) => Some(Got::Texts(list.value)),
        Value::Bool(flag) => Some(Got::Flag(flag)),
        Value::Bytes(bytes) => Some(Got::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect())),
        _ => None,
    }?;
    let fits = match (&got, declared) {
        (Got::Texts(_), FieldType::String | FieldType::StringArray) => true,
        (Got::Flag(_), FieldType::Bool) => true,
        (Got::Hex(_), FieldType::Bytes) => true,
        (
            Got::Numbers(_),
            FieldType::String | FieldType::StringArray | FieldType::Bool | FieldType::Bytes,
        ) => false,
        (Got::Numbers(_), _) => true,
        _ => false,
    };
    fits.then_some(got)
}

/// One name for each scope.
fn alias(name: &str) -> &str {
    match name {
        "p" | "processId" => "pid",
        "threadId" => "tid",
        "parentProcessId" => "ppid",
        "hostThreadId" => "hostTid",
        "userId" => "uid",
        "processName" => "comm",
        "mountNamespace" => "mntns",
        "pidNamespace" => "pidns",
        other => other,
    }
}

fn in_place(event: &RecordedEvent, filter: &str) -> bool {
    let container = event
        .event
        .workload
        .as_ref()
        .and_then(|workload| workload.container.as_ref());
    let container = container.filter(|container| !container.id.is_empty());
    match filter {
        "container" | "container=true" | "container!=false" => container.is_some(),
        "container=started" => container.is_some_and(|container| container.started),
        _ => container.is_none(),
    }
}

/// What the event has for a scope; an empty text is nothing.
fn scope_value(event: &RecordedEvent, name: &str) -> Option<Got> {
    let number = |number: Option<u32>| Some(Got::Numbers(vec![number?.into()]));
    let text = |text: &str| (!text.is_empty()).then(|| Got::Texts(vec![text.to_owned()]));
    let kernel = &event.kernel;
    let workload = event.event.workload.as_ref();
    let process = workload.and_then(|workload| workload.process.as_ref());
    let thread = process.and_then(|process| process.thread.as_ref());
    let parent = process.and_then(|process| process.ancestors.first());
    let container = workload.and_then(|workload| workload.container.as_ref());
    let k8s = workload.and_then(|workload| workload.k8s.as_ref());
    match name {
        "timestamp" => {
            let timestamp = event.event.timestamp.as_ref()?;
            let ns = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
            Some(Got::Numbers(vec![ns]))
        }
        "pid" => number(process?.pid),
        "hostPid" => number(process?.host_pid),
        "tid" => number(thread?.tid),
        "hostTid" => number(thread?.host_tid),
        "ppid" => number(parent?.pid),
        "hostParentProcessId" => number(parent?.host_pid),
        "uid" => number(process?.real_user.as_ref()?.id),
        "comm" => text(&thread?.name),
        "syscall" => text(&thread?.syscall),
        "containerId" => text(&container?.id),
        "containerName" => text(&container?.name),
        "containerImage" => text(&container?.image.as_ref()?.name),
        "podName" => text(&k8s?.pod.as_ref()?.name),
        "podUid" => text(&k8s?.pod.as_ref()?.uid),
        "podNamespace" => text(&k8s?.namespace.as_ref()?.name),
        "processorId" => number(kernel.processor),
        "mntns" => number(kernel.mount_ns),
        "pidns" => number(kernel.pid_ns),
        "cgroupId" => Some(Got::Numbers(vec![kernel.cgroup_id?.into()])),
        "hostName" => text(kernel.host_name.as_deref()?),
        other => unreachable!("the tests do not use {other}"),
    }
}
