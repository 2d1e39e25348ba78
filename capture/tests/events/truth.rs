//! What an event has to say, as the one who caused it knows; and the comparison with what was recorded.

use std::collections::BTreeMap;

use detectors_api::catalogue::{EventDefinition, catalogue};
use detectors_api::event::{RecordedEvent, timestamp_ns};
use detectors_api::proto::event_value::Value;
use detectors_api::proto::{SaFamilyT, SockAddr};
use serde::{Deserialize, Serialize};

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Truth {
    /// Any integer; what is unsigned is taken as signed.
    Number(i64),
    /// An integer from the first to the last of these: a time that is known roughly.
    Between(i64, i64),
    Flag(bool),
    Text(String),
    Texts(Vec<String>),
    Bytes(Vec<u8>),
    /// Bytes, and zeros up to some length.
    Padded(Vec<u8>),
    /// Pairs of descriptors, addresses.
    Numbers(Vec<i64>),
    /// A socket address: family, address or path, port.
    Address(String, String, u32),
    /// Functions that lead elsewhere: their roles and their owners.
    Hooks(Vec<(String, String)>),
    Seconds(f64),
    /// The eight ids in the order of the interface, the user namespace, the secure bits and the five sets of capabilities.
    Credentials(Vec<u32>, [u64; 5]),
    /// A message, as text.
    Message(String),
    /// A value that the cause does not know, but there has to be one.
    Something,
    /// No value.
    Nothing,
}

impl Truth {
    fn of(value: Option<&Value>) -> Self {
        match value {
            None => Self::Nothing,
            Some(Value::Int32(number)) => Self::Number((*number).into()),
            Some(Value::UInt32(number)) => Self::Number((*number).into()),
            Some(Value::Int64(number)) => Self::Number(*number),
            Some(Value::UInt64(number) | Value::Pointer(number)) => Self::Number(number.cast_signed()),
            Some(Value::Bool(flag)) => Self::Flag(*flag),
            Some(Value::Str(text)) => Self::Text(text.clone()),
            Some(Value::StrArray(texts)) => Self::Texts(texts.value.clone()),
            Some(Value::Bytes(bytes)) => Self::Bytes(bytes.clone()),
            Some(Value::Int32Array(numbers)) => {
                Self::Numbers(numbers.value.iter().map(|number| i64::from(*number)).collect())
            }
            Some(Value::UInt64Array(numbers)) => {
                Self::Numbers(numbers.value.iter().map(|number| number.cast_signed()).collect())
            }
            Some(Value::HookedSyscalls(hooks)) => {
                let hooks = hooks.value.iter();
                let hooks = hooks.map(|hook| (hook.symbol_name.clone(), hook.module_owner.clone()));
                Self::Hooks(hooks.collect())
            }
            Some(Value::Timespec(time)) => Self::Seconds(time.value.unwrap_or_default()),
            Some(Value::Sockaddr(address)) => address_of(address),
            Some(Value::Credentials(c)) => {
                let ids = [
                    c.uid,
                    c.gid,
                    c.suid,
                    c.sgid,
                    c.euid,
                    c.egid,
                    c.fsuid,
                    c.fsgid,
                    c.user_namespace,
                    c.secure_bits,
                ];
                let mask = |bits: &[i32]| bits.iter().fold(0, |mask, bit| mask | 1_u64 << bit);
                Self::Credentials(
                    ids.iter().map(|id| id.unwrap_or_default()).collect(),
                    [
                        mask(&c.cap_inheritable),
                        mask(&c.cap_permitted),
                        mask(&c.cap_effective),
                        mask(&c.cap_bounding),
                        mask(&c.cap_ambient),
                    ],
                )
            }
            Some(message) => Self::message(message),
        }
    }

    /// A value that is a message of its own.
    pub(crate) fn message(message: &Value) -> Self {
        Self::Message(format!("{message:?}"))
    }

    fn holds(&self, told: &Self) -> bool {
        match (self, told) {
            (Self::Something, told) => *told != Self::Nothing,
            (Self::Between(from, to), Self::Number(number)) => (from..=to).contains(&number),
            (Self::Padded(bytes), Self::Bytes(told)) => {
                let (begin, end) = told.split_at(bytes.len().min(told.len()));
                begin == bytes && end.iter().all(|byte| *byte == 0)
            }
            (truth, told) => truth == told,
        }
    }
}

fn address_of(address: &SockAddr) -> Truth {
    let (family, host, port) = match address.sa_family() {
        SaFamilyT::AfUnix => ("unix", &address.sun_path, 0),
        SaFamilyT::AfInet => ("inet", &address.sin_addr, address.sin_port),
        SaFamilyT::AfInet6 => ("inet6", &address.sin6_addr, address.sin6_port),
        _ => ("other", &address.sun_path, 0),
    };
    Truth::Address(family.to_owned(), host.clone(), port)
}

/// Who causes an event, as procfs shows it to its outermost pid namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) tid: u32,
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) tid_inside: u32,
    pub(crate) pid_inside: u32,
    pub(crate) uid: u32,
    pub(crate) comm: String,
    pub(crate) exe: String,
    /// Start of the thread, ns since 1970, from and to.
    pub(crate) started: (i64, i64),
    pub(crate) mount_ns: u32,
    pub(crate) pid_ns: u32,
    pub(crate) host: String,
}

/// A reason why a hook tells less, in the words of its plan, and what it tells then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Loss {
    pub(crate) reason: String,
    pub(crate) then: Then,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Then {
    /// The event is not told.
    Unseen,
    /// These fields have other values.
    Differs(BTreeMap<String, Truth>),
    /// It is told in another system call.
    During(String),
}

/// A line of the notes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Note {
    /// Something has to be told.
    Caused(Box<Expected>),
    /// An event cannot be caused here.
    NotCaused { event: String, reason: String },
}

/// An event that has to be in the recording, once; if nobody causes it, once at least. Or one that may not be there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// What was done, in words.
    pub(crate) case: String,
    pub(crate) event: String,
    /// Nobody, if it is the recorder that looks.
    pub(crate) who: Option<Who>,
    /// The system call that it is done in.
    pub(crate) call: String,
    pub(crate) fields: BTreeMap<String, Truth>,
    pub(crate) losses: Vec<Loss>,
    /// The addresses of the stack, the innermost first, where they are known.
    pub(crate) stack: Option<Vec<u64>>,
    /// It did not happen, and may not be told.
    pub(crate) absent: bool,
}

impl Expected {
    /// What is wrong with the recording, if its hook `loses` these and the same was done `times` times.
    pub(crate) fn check<'a>(
        &self,
        events: impl Iterator<Item = &'a RecordedEvent>,
        loses: &[String],
        times: usize,
    ) -> Result<(), String> {
        let definition = catalogue().get(&self.event).ok_or("no such event")?;
        let (mut fields, mut call) = (self.fields.clone(), self.call.as_str());
        for loss in self.losses.iter().filter(|loss| loses.contains(&loss.reason)) {
            match &loss.then {
                Then::Unseen => return Ok(()),
                Then::Differs(others) => fields.extend(others.clone()),
                Then::During(other) => call = other,
            }
        }
        if let Some(stray) = fields
            .keys()
            .find(|name| !definition.fields.iter().any(|field| field.name == **name))
        {
            return Err(format!("the event has no field {stray}"));
        }
        let differences: Vec<_> = events
            .filter(|recorded| recorded.event.name == self.event && thread(recorded) == self.thread())
            .map(|recorded| self.differences(definition, &fields, call, recorded))
            .collect();
        match differences
            .iter()
            .filter(|differences| differences.is_empty())
            .count()
        {
            0 if self.absent => Ok(()),
            _ if self.absent => Err(format!("{}: recorded, though it did not happen", self.case)),
            count if count == times || self.who.is_none() && count > times => Ok(()),
            0 => match differences.iter().min_by_key(|differences| differences.len()) {
                None => Err(format!("{}: not recorded", self.case)),
                Some(nearest) => Err(format!("{}: {}", self.case, nearest.join("; "))),
            },
            count => Err(format!("{}: recorded {count} times, not {times}", self.case)),
        }
    }

    /// Whether nobody can tell the two apart.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.event, &self.call, &self.fields, self.thread())
            == (&other.event, &other.call, &other.fields, other.thread())
    }

    fn thread(&self) -> Option<u32> {
        self.who.as_ref().map(|who| who.tid)
    }

    fn differences(
        &self,
        definition: &EventDefinition,
        fields: &BTreeMap<String, Truth>,
        truth_of_call: &str,
        recorded: &RecordedEvent,
    ) -> Vec<String> {
        let mut differences = Vec::new();
        for field in &definition.fields {
            let told = recorded.event.data.iter().find(|value| value.name == field.name);
            let told = Truth::of(told.and_then(|value| value.value.as_ref()));
            let truth = fields.get(field.name).unwrap_or(&Truth::Nothing);
            if !truth.holds(&told) {
                differences.push(format!("{} is {told:?}, not {truth:?}", field.name));
            }
        }
        match (&self.who, who(recorded)) {
            (None, None) => {}
            (Some(truth), Some((told, started))) => {
                let (from, to) = truth.started;
                let told = Who {
                    started: truth.started,
                    ..told
                };
                if *truth != told || !(from..=to).contains(&started) {
                    differences.push(format!(
                        "it was done by {told:?} since {started}, not by {truth:?}"
                    ));
                }
            }
            (Some(_), None) => differences.push("nobody did it".to_owned()),
            (None, Some((told, _))) => differences.push(format!("it was done by {told:?}")),
        }
        let stack = stack(recorded);
        if self.stack.as_ref().is_some_and(|truth| *truth != stack) {
            differences.push(format!("its stack is {stack:x?}, not {:x?}", self.stack));
        }
        let call = call(recorded);
        if call != truth_of_call {
            differences.push(format!("it was done in {call:?}, not in {truth_of_call:?}"));
        }
        differences
    }
}

fn call(recorded: &RecordedEvent) -> &str {
    let process = recorded
        .event
        .workload
        .as_ref()
        .and_then(|workload| workload.process.as_ref());
    process
        .and_then(|process| process.thread.as_ref())
        .map_or("", |thread| &thread.syscall)
}

fn stack(recorded: &RecordedEvent) -> Vec<u64> {
    let workload = recorded.event.workload.as_ref();
    let thread = workload
        .and_then(|workload| workload.process.as_ref())
        .and_then(|process| process.thread.as_ref());
    thread
        .and_then(|thread| thread.user_stack_trace.as_ref())
        .map(|stack| stack.addresses.iter().map(|frame| frame.address).collect())
        .unwrap_or_default()
}

fn thread(recorded: &RecordedEvent) -> Option<u32> {
    recorded
        .event
        .workload
        .as_ref()?
        .process
        .as_ref()?
        .thread
        .as_ref()?
        .host_tid
}

fn who(recorded: &RecordedEvent) -> Option<(Who, i64)> {
    let process = recorded.event.workload.as_ref()?.process.as_ref()?;
    let thread = process.thread.as_ref()?;
    let started = timestamp_ns(thread.start_time.as_ref()?)?;
    let who = Who {
        tid: thread.host_tid?,
        pid: process.host_pid?,
        parent: process.ancestors.first()?.host_pid?,
        tid_inside: thread.tid?,
        pid_inside: process.pid?,
        uid: process.real_user.as_ref()?.id?,
        comm: thread.name.clone(),
        exe: process.executable.as_ref()?.path.clone(),
        started: (0, 0),
        mount_ns: recorded.kernel.mount_ns?,
        pid_ns: recorded.kernel.pid_ns?,
        host: recorded.kernel.host_name.clone()?,
    };
    Some((who, started))
}
