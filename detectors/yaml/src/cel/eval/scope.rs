//! What an expression is evaluated for: an event and the stores as of it.

use std::cell::OnceCell;

use detectors_api::detector::Context;
use detectors_api::event::{Event, Value as Field};
use detectors_api::proto;
use detectors_api::stores::Stores;
use jiff::Timestamp;

use super::{Evaluated, Evaluation};
use crate::cel::EvalError;
use crate::cel::model::{self, FieldValue, LazyField};
use crate::cel::value::{Blob, Val};

/// An event, and what was made of it because an expression asked for it as a message.
pub(in crate::cel) struct Scope<'a> {
    pub event: &'a Event<'a>,
    pub stores: &'a dyn Stores,
    message: OnceCell<Box<proto::Event>>,
    workload: OnceCell<Option<proto::Workload>>,
    data: OnceCell<Vec<LazyField<'a>>>,
}

impl<'a> Scope<'a> {
    pub(in crate::cel) fn new(event: &'a Event<'a>, cx: &Context<'a>) -> Self {
        Self {
            event,
            stores: cx.stores(),
            message: OnceCell::new(),
            workload: OnceCell::new(),
            data: OnceCell::new(),
        }
    }

    /// The whole event.
    pub(super) fn message(&'a self) -> &'a proto::Event {
        self.message.get_or_init(|| Box::new(self.event.to_proto()))
    }

    fn workload_message(&'a self) -> Option<&'a proto::Workload> {
        self.workload
            .get_or_init(|| self.event.workload_message())
            .as_ref()
    }

    pub(super) fn workload(&'a self) -> Evaluated<'a> {
        self.workload_message()
            .map(|workload| Val::Message(workload))
            .ok_or(EvalError::Unset("workload"))
    }

    pub(super) fn workload_or_empty(&'a self) -> Val<'a> {
        match self.workload_message() {
            Some(workload) => Val::Message(workload),
            None => Option::<proto::Workload>::unset(),
        }
    }

    pub(super) fn data(&'a self) -> &'a Vec<LazyField<'a>> {
        self.data.get_or_init(|| LazyField::of(self.event))
    }

    pub(super) fn threat(&'a self) -> Val<'a> {
        match self.event.threat() {
            Some(threat) => Val::Message(threat),
            None => Option::<proto::Threat>::unset(),
        }
    }

    pub(super) fn detected_from(&'a self) -> Val<'a> {
        match self.event.detected_from() {
            Some(origin) => Val::Message(origin),
            None => Option::<proto::DetectedFrom>::unset(),
        }
    }

    pub(super) fn timestamp(&'a self) -> Evaluated<'a> {
        if let Some(ns) = self.event.timestamp_ns() {
            // 64 bits of ns are within the range of times.
            let time = Timestamp::from_nanosecond(ns.into());
            return time
                .map(Val::Timestamp)
                .map_err(|_| EvalError::Overflow("timestamp"));
        }
        let message = self.message();
        if message.timestamp.is_none() {
            return Err(EvalError::Unset("timestamp"));
        }
        Ok(message.timestamp.value())
    }

    /// What an unset time reads as.
    pub(super) fn no_timestamp() -> Val<'a> {
        Val::Timestamp(Timestamp::UNIX_EPOCH)
    }

    /// The value of a field of the event; null if it has none.
    pub(super) fn field(&'a self, eval: &mut Evaluation<'a>, name: &str) -> Evaluated<'a> {
        let Some(field) = self.event.value(name) else {
            return Ok(Val::Null);
        };
        Ok(match field {
            Field::Int32(value) => Val::Int(value.into()),
            Field::Int64(value) => Val::Int(value),
            Field::UInt32(value) => Val::UInt(value.into()),
            Field::UInt64(value) | Field::Pointer(value) => Val::UInt(value),
            Field::Str(value) => Val::text(value),
            Field::Bytes(value) => Val::Bytes(Blob::Borrowed(value)),
            Field::Bool(value) => Val::Bool(value),
            Field::Timespec(value) => Val::Double(value),
            Field::StrArray(texts) => {
                eval.charge(texts.len())?;
                Val::list(texts.iter().map(Val::text))
            }
            Field::Int32Array(numbers) => {
                eval.charge(numbers.len())?;
                Val::list(numbers.into_iter().map(|number| Val::Int(number.into())))
            }
            Field::UInt64Array(numbers) => {
                eval.charge(numbers.len())?;
                Val::list(numbers.into_iter().map(Val::UInt))
            }
            Field::SockAddr(_) | Field::Message(_) => {
                let data = self.data();
                eval.charge(data.len())?;
                data.iter()
                    .find(|field| field.name == name)
                    .and_then(LazyField::value)
                    .map_or(Val::Null, model::data_value)
            }
        })
    }
}
