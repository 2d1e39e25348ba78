//! The view of one event: what detectors get.

use std::cell::{Cell, OnceCell};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use prost::Message;

use super::batch::slot;
use super::contexts::ContextRow;
use super::parts::{ContainerView, K8sView, ParentView, Part, ProcessView, ThreadView};
use super::value::{TextList, bytes, int32_list, text, u64_list};
use super::{
    EventBatch, Extra, FromValue, KernelContext, RecordedEvent, SockAddrRef, Value, timestamp_from_ns,
    timestamp_ns,
};
use crate::catalogue::FieldType;
use crate::proto;

/// One event.
///
/// Reading never fails: what is absent reads as `None`, an empty text or 0. Nothing is copied or allocated on the way from
/// the disk to a detector, unless the event is not exactly what the catalogue says.
#[derive(Debug)]
pub struct Event<'a> {
    seq: u64,
    source: Source<'a>,
}

#[derive(Debug)]
enum Source<'a> {
    Row {
        batch: &'a EventBatch,
        row: usize,
        extra: OnceCell<Option<Box<Extra>>>,
        /// Slot of the first column that was asked for and could not be decoded.
        fault: Cell<Option<usize>>,
    },
    Message {
        event: &'a proto::Event,
        /// The event with what is known beyond the message, where that is at hand.
        recorded: Option<&'a RecordedEvent>,
    },
}

impl<'a> Event<'a> {
    pub(super) fn row(batch: &'a EventBatch, row: usize) -> Self {
        Self {
            seq: batch.seq(row),
            source: Source::Row {
                batch,
                row,
                extra: OnceCell::new(),
                fault: Cell::new(None),
            },
        }
    }

    /// A view of an event message, such as the output of a detector.
    #[must_use]
    pub fn from_message(seq: u64, event: &'a proto::Event) -> Self {
        Self {
            seq,
            source: Source::Message {
                event,
                recorded: None,
            },
        }
    }

    /// A view of an event that is in no batch yet.
    #[must_use]
    pub fn from_recorded(seq: u64, recorded: &'a RecordedEvent) -> Self {
        Self {
            seq,
            source: Source::Message {
                event: &recorded.event,
                recorded: Some(recorded),
            },
        }
    }

    /// Sequence number: the place in the total order of the capture. A detection has that of the event it comes from.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Event name.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.source {
            Source::Row { batch, row, .. } if batch.layout.definition().is_none() => {
                let column = self.column(slot::NAME);
                column.and_then(|column| text(column, *row)).unwrap_or_default()
            }
            Source::Row { batch, .. } => batch.event_type(),
            Source::Message { event, .. } => &event.name,
        }
    }

    /// Public event id.
    #[must_use]
    pub fn id(&self) -> i32 {
        match &self.source {
            Source::Row { .. } => self.number::<Int32Type>(slot::EVENT_ID).unwrap_or_default(),
            Source::Message { event, .. } => event.id,
        }
    }

    /// When it happened: ns since the Unix epoch. `None` without a timestamp, or with one that does not fit.
    #[must_use]
    pub fn timestamp_ns(&self) -> Option<i64> {
        match &self.source {
            Source::Row { .. } => self.number::<TimestampNanosecondType>(slot::TIMESTAMP),
            Source::Message { event, .. } => event.timestamp.as_ref().and_then(timestamp_ns),
        }
    }

    /// CPU on which it happened, where the source told.
    #[must_use]
    pub fn processor(&self) -> Option<u32> {
        match &self.source {
            Source::Row { .. } => self.number::<UInt32Type>(slot::PROCESSOR),
            Source::Message { recorded, .. } => recorded.and_then(|recorded| recorded.kernel.processor),
        }
    }

    /// The field called `name`, read as `T`. `None` if there is no such field, it has no value, or `T` cannot hold it.
    ///
    /// If names repeat, the first one decides.
    #[must_use]
    pub fn get<'e, T: FromValue<'e>>(&'e self, name: &str) -> Option<T> {
        T::from_value(self.value(name)?)
    }

    /// Whether the event carries the field called `name`, with a value or without.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self.data_message() {
            Some(data) => data.iter().any(|value| value.name == name),
            // Data in columns is exactly the catalogue's fields.
            None => self.row_field(name).is_some(),
        }
    }

    /// The value of the field called `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value<'_>> {
        match self.data_message() {
            Some(data) => data
                .iter()
                .find(|value| value.name == name)
                .and_then(Value::from_message),
            None => {
                let (field_type, slot) = self.row_field(name)?;
                self.row_value(field_type, slot)
            }
        }
    }

    /// All fields in order, with their values.
    #[must_use]
    pub fn data(&self) -> Vec<(&str, Option<Value<'_>>)> {
        match self.data_message() {
            Some(data) => data
                .iter()
                .map(|value| (value.name.as_str(), Value::from_message(value)))
                .collect(),
            None => {
                let Source::Row { batch, .. } = &self.source else {
                    return Vec::new();
                };
                let fields = batch.layout.fields().iter().zip(batch.layout.slots());
                fields
                    .map(|(field, slot)| (field.name, self.row_value(field.field_type, *slot)))
                    .collect()
            }
        }
    }

    /// The names of all fields in order, without looking at their values.
    #[must_use]
    pub fn field_names(&self) -> Vec<&str> {
        match (self.data_message(), &self.source) {
            (Some(data), _) => data.iter().map(|value| value.name.as_str()).collect(),
            (None, Source::Row { batch, .. }) => {
                batch.layout.fields().iter().map(|field| field.name).collect()
            }
            (None, Source::Message { .. }) => Vec::new(),
        }
    }

    /// The value of the field at `index` in that order; `None` where it has none.
    #[must_use]
    pub fn value_at(&self, index: usize) -> Option<Value<'_>> {
        if let Some(data) = self.data_message() {
            return Value::from_message(data.get(index)?);
        }
        let Source::Row { batch, .. } = &self.source else {
            return None;
        };
        let field = batch.layout.fields().get(index)?;
        self.row_value(field.field_type, *batch.layout.slots().get(index)?)
    }

    /// Whether the event tells who did it.
    #[must_use]
    pub fn has_workload(&self) -> bool {
        match self.workload() {
            Part::Row(row) => row.has_workload(),
            Part::Message(_) => true,
            Part::None => false,
        }
    }

    /// The acting process.
    #[must_use]
    pub fn process(&self) -> ProcessView<'_> {
        ProcessView(match self.workload() {
            Part::Row(row) => Part::Row(row),
            Part::Message(workload) => workload.process.as_ref().map_or(Part::None, Part::Message),
            Part::None => Part::None,
        })
    }

    /// The acting thread.
    #[must_use]
    pub fn thread(&self) -> ThreadView<'_> {
        let (syscall, part) = match (&self.source, self.process().0) {
            (Source::Row { row, .. }, part) => {
                let column = self.column(slot::THREAD_SYSCALL);
                (
                    column.and_then(|column| text(column, *row)).unwrap_or_default(),
                    part,
                )
            }
            (_, Part::Message(process)) => (
                process
                    .thread
                    .as_ref()
                    .map(|thread| thread.syscall.as_str())
                    .unwrap_or_default(),
                Part::Message(process),
            ),
            (_, part) => ("", part),
        };
        ThreadView {
            syscall,
            part: match part {
                Part::Row(row) => Part::Row(row),
                Part::Message(process) => process.thread.as_ref().map_or(Part::None, Part::Message),
                Part::None => Part::None,
            },
        }
    }

    /// The parent of the acting process, as the event carries it.
    #[must_use]
    pub fn parent(&self) -> ParentView<'_> {
        ParentView(match self.process().0 {
            Part::Row(row) => Part::Row(row),
            Part::Message(process) => process.ancestors.first().map_or(Part::None, Part::Message),
            Part::None => Part::None,
        })
    }

    /// The container of the acting process.
    #[must_use]
    pub fn container(&self) -> ContainerView<'_> {
        ContainerView(match self.workload() {
            Part::Row(row) => Part::Row(row),
            Part::Message(workload) => workload.container.as_ref().map_or(Part::None, Part::Message),
            Part::None => Part::None,
        })
    }

    /// Kubernetes metadata of the acting process.
    #[must_use]
    pub fn k8s(&self) -> K8sView<'_> {
        K8sView(match self.workload() {
            Part::Row(row) => Part::Row(row),
            Part::Message(workload) => workload.k8s.as_ref().map_or(Part::None, Part::Message),
            Part::None => Part::None,
        })
    }

    /// Addresses of the user-space stack, innermost first; empty without one.
    #[must_use]
    pub fn stack_addresses(&self) -> Vec<u64> {
        self.user_stack()
            .map(|stack| stack.addresses.iter().map(|frame| frame.address).collect())
            .unwrap_or_default()
    }

    /// What the recorder knows beyond the event model.
    #[must_use]
    pub fn kernel_context(&self) -> KernelContext {
        match &self.source {
            Source::Row { .. } => KernelContext {
                processor: self.processor(),
                ..self.context_row().map(ContextRow::kernel).unwrap_or_default()
            },
            Source::Message { recorded, .. } => {
                recorded.map_or_else(KernelContext::default, |recorded| recorded.kernel.clone())
            }
        }
    }

    /// Threat of an event that is itself a detection.
    #[must_use]
    pub fn threat(&self) -> Option<&proto::Threat> {
        match &self.source {
            Source::Row { .. } => self.extra()?.threat.as_ref(),
            Source::Message { event, .. } => event.threat.as_ref(),
        }
    }

    /// Origin of an event that is itself a detection.
    #[must_use]
    pub fn detected_from(&self) -> Option<&proto::DetectedFrom> {
        match &self.source {
            Source::Row { .. } => self.extra()?.detected_from.as_ref(),
            Source::Message { event, .. } => event.detected_from.as_ref(),
        }
    }

    /// When it happened, as a message, which can also hold what does not fit into [`timestamp_ns`](Self::timestamp_ns).
    #[must_use]
    pub fn timestamp(&self) -> Option<prost_types::Timestamp> {
        match &self.source {
            Source::Message { event, .. } => event.timestamp,
            Source::Row { .. } => match self.timestamp_ns() {
                Some(ns) => Some(timestamp_from_ns(ns)),
                None => self.extra()?.timestamp,
            },
        }
    }

    /// Policies that matched.
    #[must_use]
    pub fn policies(&self) -> Option<proto::Policies> {
        match &self.source {
            Source::Message { event, .. } => event.policies.clone(),
            Source::Row { .. } => self.context_row()?.policies(),
        }
    }

    /// The fields as messages.
    #[must_use]
    pub fn data_messages(&self) -> Vec<proto::EventValue> {
        match self.data_message() {
            Some(data) => data.to_vec(),
            None => self
                .data()
                .into_iter()
                .map(|(name, value)| proto::EventValue {
                    name: name.to_owned(),
                    value: value.map(|value| value.to_message()),
                })
                .collect(),
        }
    }

    /// Who did it, as a message.
    #[must_use]
    pub fn workload_message(&self) -> Option<proto::Workload> {
        match &self.source {
            Source::Message { event, .. } => event.workload.clone(),
            Source::Row { .. } => {
                let mut workload = self.context_row()?.workload()?;
                if let Some(thread) = workload
                    .process
                    .as_mut()
                    .and_then(|process| process.thread.as_mut())
                {
                    thread.syscall = self.thread().syscall.to_owned();
                    thread.user_stack_trace = self.user_stack();
                }
                Some(workload)
            }
        }
    }

    /// The event as a message.
    #[must_use]
    pub fn to_proto(&self) -> proto::Event {
        self.to_recorded().event
    }

    /// The event as it was recorded.
    #[must_use]
    pub fn to_recorded(&self) -> RecordedEvent {
        if let Source::Message { event, recorded } = self.source {
            return recorded.map_or_else(|| event.clone().into(), RecordedEvent::clone);
        }
        let extra = self.extra();
        RecordedEvent {
            event: proto::Event {
                timestamp: self.timestamp(),
                id: self.id(),
                name: self.name().to_owned(),
                policies: self.policies(),
                workload: self.workload_message(),
                data: self.data_messages(),
                threat: self.threat().cloned(),
                detected_from: self.detected_from().cloned(),
            },
            kernel: self.kernel_context(),
            unmapped: extra.and_then(|extra| extra.unmapped.clone()),
        }
    }

    /// Why a column that this view was asked about could not be decoded; what it would have told reads as absent. `None` if
    /// all went well so far.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let Source::Row { batch, fault, .. } = &self.source else {
            return None;
        };
        batch.fault_at(fault.get()?).map(str::to_owned)
    }

    /// The column of the layout at `slot`.
    fn column(&self, slot: usize) -> Option<&'a ArrayRef> {
        let Source::Row { batch, fault, .. } = &self.source else {
            return None;
        };
        match batch.column(slot) {
            Ok(column) => column,
            Err(_) => {
                fault.set(fault.get().or(Some(slot)));
                None
            }
        }
    }

    /// The number that the column at `slot` has for this event.
    fn number<T: ArrowPrimitiveType>(&self, slot: usize) -> Option<T::Native> {
        let Source::Row { row, .. } = &self.source else {
            return None;
        };
        let column = self.column(slot)?.as_primitive::<T>();
        column.is_valid(*row).then(|| column.value(*row))
    }

    fn extra(&self) -> Option<&Extra> {
        let Source::Row {
            batch, row, extra, ..
        } = &self.source
        else {
            return None;
        };
        extra
            .get_or_init(|| {
                let column = batch.extra_column();
                // Whoever made the batch from a file has refused bytes that are no message.
                column
                    .is_valid(*row)
                    .then(|| Extra::decode(column.value(*row)).ok().map(Box::new))
                    .flatten()
            })
            .as_deref()
    }

    /// The data, where it is a message and not in columns.
    fn data_message(&self) -> Option<&[proto::EventValue]> {
        match &self.source {
            Source::Row { .. } => Some(&self.extra()?.data.as_ref()?.values),
            Source::Message { event, .. } => Some(&event.data),
        }
    }

    /// Type of the field called `name`, and slot of its first column.
    fn row_field(&self, name: &str) -> Option<(FieldType, usize)> {
        let Source::Row { batch, .. } = &self.source else {
            return None;
        };
        let fields = batch.layout.fields();
        let position = fields.iter().position(|field| field.name == name)?;
        let (field, slot) = (fields.get(position)?, batch.layout.slots().get(position)?);
        Some((field.field_type, *slot))
    }

    /// The value that the columns from `slot` on have for this event.
    fn row_value(&self, field_type: FieldType, slot: usize) -> Option<Value<'a>> {
        let Source::Row { row, .. } = &self.source else {
            return None;
        };
        let (row, column) = (*row, self.column(slot)?);
        if column.is_null(row) {
            return None;
        }
        Some(match field_type {
            FieldType::Int32 => Value::Int32(column.as_primitive::<Int32Type>().value(row)),
            FieldType::Int64 => Value::Int64(column.as_primitive::<Int64Type>().value(row)),
            FieldType::UInt32 => Value::UInt32(column.as_primitive::<UInt32Type>().value(row)),
            FieldType::UInt64 => Value::UInt64(column.as_primitive::<UInt64Type>().value(row)),
            FieldType::Pointer => Value::Pointer(column.as_primitive::<UInt64Type>().value(row)),
            FieldType::Timespec => Value::Timespec(column.as_primitive::<Float64Type>().value(row)),
            FieldType::Bool => Value::Bool(column.as_boolean().value(row)),
            FieldType::String => Value::Str(text(column, row)?),
            FieldType::Bytes => Value::Bytes(bytes(column, row)?),
            FieldType::StringArray => Value::StrArray(TextList::of_row(column, row)?),
            FieldType::Int32Array => Value::Int32Array(int32_list(column.as_list::<i32>().value(row))),
            FieldType::UInt64Array => Value::UInt64Array(u64_list(column.as_list::<i32>().value(row))),
            FieldType::SockAddr => Value::SockAddr(SockAddrRef {
                address: text(column, row)?,
                family: self.column(slot + 1)?.as_primitive::<Int32Type>().value(row),
                port: self.column(slot + 2)?.as_primitive::<UInt32Type>().value(row),
            }),
            _ => Value::Message(Box::new(
                proto::EventValue::decode(bytes(column, row)?).ok()?.value?,
            )),
        })
    }

    fn context_row(&self) -> Option<ContextRow<'a>> {
        let ctx = self.number::<UInt32Type>(slot::CTX)?;
        match &self.source {
            Source::Row { batch, .. } => batch.contexts().row(ctx),
            Source::Message { .. } => None,
        }
    }

    fn workload(&self) -> Part<'_, proto::Workload> {
        match &self.source {
            Source::Message { event, .. } => event.workload.as_ref().map_or(Part::None, Part::Message),
            Source::Row { .. } => match self.context_row() {
                None => Part::None,
                Some(row) => match row.message() {
                    Some(workload) => workload.map_or(Part::None, Part::Message),
                    None => Part::Row(row),
                },
            },
        }
    }

    fn user_stack(&self) -> Option<proto::UserStackTrace> {
        match &self.source {
            Source::Message { event, .. } => event
                .workload
                .as_ref()?
                .process
                .as_ref()?
                .thread
                .as_ref()?
                .user_stack_trace
                .clone(),
            Source::Row { row, .. } => {
                if let Some(stack) = self.extra().and_then(|extra| extra.user_stack.clone()) {
                    return Some(stack);
                }
                let column = self.column(slot::USER_STACK)?.as_list_opt::<i32>()?;
                column.is_valid(*row).then(|| proto::UserStackTrace {
                    addresses: u64_list(column.value(*row))
                        .into_iter()
                        .map(|address| proto::StackAddress {
                            address,
                            symbol: String::new(),
                        })
                        .collect(),
                })
            }
        }
    }
}
