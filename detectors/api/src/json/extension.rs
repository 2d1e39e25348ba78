//! The key `tracee_cap`: what the v1beta1 encoding has no place for.
//!
//! ```text
//! "tracee_cap": {
//!   "kernel":   {"processor", "cgroup_id" (quoted), "mount_ns", "pid_ns", "host_name"},
//!   "unmapped": JSON pointer → value,
//!   "exact":    base64 of the protobuf event
//! }
//! ```
//!
//! Members are there only if they say something. `exact` is there if the rest of the line cannot hold the event as it is
//! (a number that is none, a message that is there but empty, a timestamp outside the calendar…). It is authoritative;
//! a line whose other members were changed afterwards is refused, so that an edit is never undone unnoticed.

use prost::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::encode::{self, Escape, Object};
use super::unmapped::json_text;
use super::wire::Quoted;
use super::{LineError, v1beta1, write};
use crate::event::{KernelContext, RecordedEvent};
use crate::proto;

/// The value of `tracee_cap`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Extension<'a> {
    kernel: Option<Kernel>,
    #[serde(borrow)]
    unmapped: Option<&'a RawValue>,
    exact: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kernel {
    processor: Option<u32>,
    cgroup_id: Option<Quoted<u64>>,
    mount_ns: Option<u32>,
    pid_ns: Option<u32>,
    host_name: Option<String>,
}

impl Extension<'_> {
    /// Adds what the extension says to the event that the rest of the line says.
    pub(super) fn apply(self, plain: proto::Event) -> Result<RecordedEvent, LineError> {
        let fail = |reason: &str| LineError::Extension {
            reason: reason.to_owned(),
        };
        let event = match self.exact {
            None => plain,
            Some(exact) => {
                let bytes = encode::from_base64(&exact).ok_or_else(|| fail("`exact` is not base64"))?;
                let event = proto::Event::decode(bytes.as_slice())
                    .map_err(|error| fail(&format!("`exact` is no event: {error}")))?;
                // Compared as protobuf, where NaN equals itself.
                let (_, expected) = plain_form(&event);
                if expected.encode_to_vec() != plain.encode_to_vec() {
                    return Err(fail(
                        "`exact` and the rest of the line differ; after a change to the line, remove `exact`",
                    ));
                }
                event
            }
        };
        let kernel = self.kernel.unwrap_or_default();
        let unmapped = match self.unmapped.map(RawValue::get) {
            None => None,
            // Text that is no JSON object is kept as text.
            Some(text) if text.starts_with('"') => {
                Some(serde_json::from_str(text).map_err(|error| LineError::not_json(text, &error))?)
            }
            Some(json) => Some(json.to_owned()),
        };
        Ok(RecordedEvent {
            event,
            kernel: KernelContext {
                processor: kernel.processor,
                cgroup_id: kernel.cgroup_id.map(|id| id.0),
                mount_ns: kernel.mount_ns,
                pid_ns: kernel.pid_ns,
                host_name: kernel.host_name,
            },
            unmapped,
        })
    }
}

/// Writes the members of `recorded` such that reading them gives it back.
pub(super) fn event(object: &mut Object<'_>, recorded: &RecordedEvent) {
    let (plain, read_back) = plain_form(&recorded.event);
    let exact = read_back != recorded.event;
    object.members(&plain);
    let kernel = (recorded.kernel != KernelContext::default()).then_some(&recorded.kernel);
    if kernel.is_none() && recorded.unmapped.is_none() && !exact {
        return;
    }
    let mut inner = Object::open(object.member("tracee_cap"));
    if let Some(kernel) = kernel {
        self::kernel(inner.member("kernel"), kernel);
    }
    if let Some(unmapped) = &recorded.unmapped {
        let text = if is_object(unmapped) {
            unmapped
        } else {
            &json_text(unmapped)
        };
        inner.member("unmapped").extend_from_slice(text.as_bytes());
    }
    if exact {
        encode::base64(inner.member("exact"), &recorded.event.encode_to_vec());
    }
    inner.close();
}

/// The members that say as much of the event as can be read back, which is all or only what every event has, and what
/// they read back as.
fn plain_form(event: &proto::Event) -> (String, proto::Event) {
    let parse = |members: String| {
        let (event, _) = v1beta1::parse(&format!("{{{members}}}"))?;
        Some((members, event))
    };
    parse(members(event, write::event)).unwrap_or_else(|| {
        parse(members(event, write::header)).expect("a timestamp, a number and a text read back")
    })
}

fn members(event: &proto::Event, write: impl FnOnce(&mut Object<'_>, &proto::Event)) -> String {
    let mut out = Vec::new();
    write(&mut Object::open(&mut out), event);
    out.remove(0);
    String::from_utf8(out).expect("it is made of text")
}

/// Whether the text can stand in a line as it is.
fn is_object(text: &str) -> bool {
    text.starts_with('{') && !text.contains(['\n', '\r']) && serde_json::from_str::<&RawValue>(text).is_ok()
}

fn kernel(out: &mut Vec<u8>, kernel: &KernelContext) {
    let mut object = Object::open(out);
    let mut number = |key: &str, number: Option<u32>| {
        if let Some(number) = number {
            encode::number(object.member(key), number);
        }
    };
    number("processor", kernel.processor);
    number("mount_ns", kernel.mount_ns);
    number("pid_ns", kernel.pid_ns);
    if let Some(cgroup_id) = kernel.cgroup_id {
        encode::quoted(object.member("cgroup_id"), cgroup_id);
    }
    if let Some(host_name) = &kernel.host_name {
        encode::text(object.member("host_name"), host_name, Escape::Plain);
    }
    object.close();
}
