//! From recorded events to Arrow batches.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder,
    ListBuilder, RecordBatch, StringBuilder, StringDictionaryBuilder, TimestampNanosecondBuilder,
    UInt32Builder, UInt64Builder,
};
use arrow::datatypes::Int32Type;
use prost::Message;

use super::contexts::ContextBuilder;
use super::value::sockaddr_message;
use super::{Context, Contexts, Data, EventBatch, Extra, RecordedEvent, SockAddrRef, Value, timestamp_ns};
use crate::catalogue::FieldType;
use crate::columns::{FieldColumns, Layout, OTHER, Physical, layout};
use crate::proto;
use crate::proto::event_value::Value as Owned;

/// What a [`BatchBuilder`] has built.
#[derive(Debug)]
pub struct Built {
    /// One batch per event type, sorted by type.
    pub batches: Vec<EventBatch>,
    /// New rows of the process-context table, if any.
    pub new_contexts: Option<RecordBatch>,
}

/// Turns recorded events into batches, one per event type, and rows of the process-context table.
///
/// Contexts are remembered from batch to batch, until [`start_segment`](Self::start_segment).
#[derive(Debug, Default)]
pub struct BatchBuilder {
    types: BTreeMap<&'static str, TypeBuilder>,
    known: HashMap<Vec<u8>, u32>,
    next_ctx: u32,
    new_contexts: ContextBuilder,
    contexts: Contexts,
    len: usize,
}

impl BatchBuilder {
    /// A builder whose first process context gets number `first_ctx`.
    #[must_use]
    pub fn new(first_ctx: u32) -> Self {
        Self {
            next_ctx: first_ctx,
            ..Self::default()
        }
    }

    /// Number of events since the last [`finish`](Self::finish).
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number that the next new process context gets.
    #[must_use]
    pub fn next_ctx(&self) -> u32 {
        self.next_ctx
    }

    /// Adds an event. Within an event type, `seq` must grow from call to call.
    pub fn push(&mut self, seq: u64, recorded: &RecordedEvent) {
        let ctx = self.ctx(recorded);
        let layout = layout(&recorded.event.name);
        let builder = self
            .types
            .entry(layout.name())
            .or_insert_with(|| TypeBuilder::new(layout));
        builder.push(seq, ctx, recorded);
        self.len += 1;
    }

    /// Takes what has been built.
    pub fn finish(&mut self) -> Built {
        let new_contexts = (!self.new_contexts.is_empty()).then(|| self.new_contexts.finish());
        if let Some(batch) = &new_contexts {
            self.contexts = self
                .contexts
                .with(batch.clone())
                .expect("the builder numbers contexts without gaps");
        }
        let batches = self
            .types
            .values_mut()
            .filter(|builder| !builder.seq.is_empty())
            .map(|builder| {
                EventBatch::of_columns(builder.layout.name(), builder.finish(), self.contexts.clone())
                    .expect("the builder follows the layout")
            })
            .collect();
        self.len = 0;
        Built {
            batches,
            new_contexts,
        }
    }

    /// Forgets the process contexts, so that the events that follow only refer to contexts that follow.
    ///
    /// Call it after [`finish`](Self::finish), when a segment of a capture ends.
    pub fn start_segment(&mut self) {
        debug_assert!(self.is_empty(), "events of the old segment have not been taken");
        self.known.clear();
        self.contexts = Contexts::default();
    }

    fn ctx(&mut self, recorded: &RecordedEvent) -> Option<u32> {
        let mut workload = recorded.event.workload.clone();
        if let Some(thread) = workload
            .as_mut()
            .and_then(|workload| workload.process.as_mut()?.thread.as_mut())
        {
            thread.syscall.clear();
            thread.user_stack_trace = None;
        }
        let mut kernel = recorded.kernel.clone();
        kernel.processor = None;
        let context = Context {
            workload,
            policies: recorded.event.policies.clone(),
            kernel,
        };
        if context == Context::default() {
            return None;
        }
        let next = self.next_ctx;
        let ctx = *self.known.entry(context.key()).or_insert(next);
        if ctx == next {
            self.new_contexts.push(ctx, &context);
            self.next_ctx += 1;
        }
        Some(ctx)
    }
}

type TextBuilder = StringDictionaryBuilder<Int32Type>;

struct TypeBuilder {
    layout: &'static Arc<Layout>,
    seq: UInt64Builder,
    timestamp: TimestampNanosecondBuilder,
    ctx: UInt32Builder,
    event_id: Int32Builder,
    thread_syscall: TextBuilder,
    user_stack: ListBuilder<UInt64Builder>,
    processor: UInt32Builder,
    name: Option<TextBuilder>,
    fields: Vec<FieldBuilder>,
    extra: BinaryBuilder,
}

// By hand: dictionary builders have no `Debug`.
impl std::fmt::Debug for TypeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypeBuilder")
            .field("event", &self.layout.name())
            .finish_non_exhaustive()
    }
}

impl TypeBuilder {
    fn new(layout: &'static Arc<Layout>) -> Self {
        Self {
            layout,
            seq: UInt64Builder::new(),
            timestamp: TimestampNanosecondBuilder::new(),
            ctx: UInt32Builder::new(),
            event_id: Int32Builder::new(),
            thread_syscall: TextBuilder::new(),
            user_stack: ListBuilder::default(),
            processor: UInt32Builder::new(),
            name: (layout.name() == OTHER).then(TextBuilder::new),
            fields: layout.fields().iter().map(FieldBuilder::new).collect(),
            extra: BinaryBuilder::new(),
        }
    }

    fn push(&mut self, seq: u64, ctx: Option<u32>, recorded: &RecordedEvent) {
        let event = &recorded.event;
        let thread = event
            .workload
            .as_ref()
            .and_then(|workload| workload.process.as_ref())
            .and_then(|process| process.thread.as_ref());
        let mut extra = Extra {
            threat: event.threat.clone(),
            detected_from: event.detected_from.clone(),
            unmapped: recorded.unmapped.clone(),
            ..Extra::default()
        };

        self.seq.append_value(seq);
        let timestamp = event.timestamp.as_ref().and_then(timestamp_ns);
        if timestamp.is_none() {
            extra.timestamp = event.timestamp;
        }
        self.timestamp.append_option(timestamp);
        self.ctx.append_option(ctx);
        self.event_id.append_value(event.id);
        self.thread_syscall.append_option(
            thread
                .map(|thread| &thread.syscall)
                .filter(|name| !name.is_empty()),
        );
        let stack = thread.and_then(|thread| thread.user_stack_trace.as_ref());
        if stack.is_some_and(|stack| stack.addresses.iter().any(|frame| !frame.symbol.is_empty())) {
            extra.user_stack = stack.cloned();
        }
        self.user_stack
            .append_option(stack.map(|stack| stack.addresses.iter().map(|frame| Some(frame.address))));
        self.processor.append_option(recorded.kernel.processor);
        if let Some(name) = &mut self.name {
            name.append_value(&event.name);
        }
        if !self.push_fields(&event.data) {
            extra.data = Some(Data {
                values: event.data.clone(),
            });
        }
        self.extra
            .append_option((extra != Extra::default()).then(|| extra.encode_to_vec()));
    }

    /// Fills the data columns; whether they hold `data` exactly.
    fn push_fields(&mut self, data: &[proto::EventValue]) -> bool {
        let mut exact = self.fields.len() == data.len();
        for (position, (columns, builder)) in self.layout.fields().iter().zip(&mut self.fields).enumerate() {
            let in_place = data.get(position).filter(|value| value.name == columns.name);
            exact &= in_place.is_some();
            let value = in_place.or_else(|| data.iter().find(|value| value.name == columns.name));
            exact &= builder.push(columns.field_type, value);
        }
        exact
    }

    fn finish(&mut self) -> RecordBatch {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.seq.finish()),
            Arc::new(self.timestamp.finish().with_timezone("UTC")),
            Arc::new(self.ctx.finish()),
            Arc::new(self.event_id.finish()),
            Arc::new(self.thread_syscall.finish()),
            Arc::new(self.user_stack.finish()),
            Arc::new(self.processor.finish()),
        ];
        columns.extend(
            self.name
                .iter_mut()
                .map(|name| Arc::new(name.finish()) as ArrayRef),
        );
        for field in &mut self.fields {
            field.finish(&mut columns);
        }
        columns.push(Arc::new(self.extra.finish()));
        RecordBatch::try_new(Arc::clone(self.layout.schema()), columns)
            .expect("the columns are built in the layout's order")
    }
}

enum FieldBuilder {
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt32(UInt32Builder),
    UInt64(UInt64Builder),
    Float64(Float64Builder),
    Boolean(BooleanBuilder),
    Text(Box<TextBuilder>),
    Bytes(BinaryBuilder),
    TextList(ListBuilder<StringBuilder>),
    Int32List(ListBuilder<Int32Builder>),
    UInt64List(ListBuilder<UInt64Builder>),
    SockAddr {
        address: Box<TextBuilder>,
        family: Int32Builder,
        port: UInt32Builder,
    },
    Message(BinaryBuilder),
}

impl FieldBuilder {
    fn new(field: &FieldColumns) -> Self {
        match field.physical {
            Physical::Int32 => Self::Int32(Int32Builder::new()),
            Physical::Int64 => Self::Int64(Int64Builder::new()),
            Physical::UInt32 => Self::UInt32(UInt32Builder::new()),
            Physical::UInt64 => Self::UInt64(UInt64Builder::new()),
            Physical::Float64 => Self::Float64(Float64Builder::new()),
            Physical::Boolean => Self::Boolean(BooleanBuilder::new()),
            Physical::Text => Self::Text(Box::default()),
            Physical::Bytes => Self::Bytes(BinaryBuilder::new()),
            Physical::TextList => Self::TextList(ListBuilder::default()),
            Physical::Int32List => Self::Int32List(ListBuilder::default()),
            Physical::UInt64List => Self::UInt64List(ListBuilder::default()),
            Physical::SockAddr => Self::SockAddr {
                address: Box::default(),
                family: Int32Builder::new(),
                port: UInt32Builder::new(),
            },
            Physical::Message => Self::Message(BinaryBuilder::new()),
        }
    }

    /// Appends the value, or null if it does not fit; whether reading it back gives exactly this value.
    fn push(&mut self, field_type: FieldType, value: Option<&proto::EventValue>) -> bool {
        let value = value.and_then(|value| value.value.as_ref());
        let same_type = value.is_some_and(|value| FieldType::of(value) == field_type);
        let view = value.and_then(borrow);
        // A number of another width still serves queries, if it fits.
        let integer = || view.as_ref().and_then(Value::as_integer);
        let stored = match self {
            Self::Int32(builder) => append(integer().and_then(|number| number.try_into().ok()), |v| {
                builder.append_option(v);
            }),
            Self::Int64(builder) => append(integer().and_then(|number| number.try_into().ok()), |v| {
                builder.append_option(v);
            }),
            Self::UInt32(builder) => append(integer().and_then(|number| number.try_into().ok()), |v| {
                builder.append_option(v);
            }),
            Self::UInt64(builder) => append(integer().and_then(|number| number.try_into().ok()), |v| {
                builder.append_option(v);
            }),
            Self::Float64(builder) => append(
                view.and_then(|v| match v {
                    Value::Timespec(seconds) => Some(seconds),
                    _ => None,
                }),
                |v| builder.append_option(v),
            ),
            Self::Boolean(builder) => append(
                view.and_then(|v| match v {
                    Value::Bool(flag) => Some(flag),
                    _ => None,
                }),
                |v| builder.append_option(v),
            ),
            Self::Text(builder) => append(
                view.and_then(|v| match v {
                    Value::Str(text) => Some(text),
                    _ => None,
                }),
                |v| builder.append_option(v),
            ),
            Self::Bytes(builder) => append(
                view.and_then(|v| match v {
                    Value::Bytes(bytes) => Some(bytes),
                    _ => None,
                }),
                |v| builder.append_option(v),
            ),
            Self::TextList(builder) => append(
                match value {
                    Some(Owned::StrArray(list)) => Some(list.value.iter().map(Some)),
                    _ => None,
                },
                |v| builder.append_option(v),
            ),
            Self::Int32List(builder) => append(
                match value {
                    Some(Owned::Int32Array(list)) => Some(list.value.iter().copied().map(Some)),
                    _ => None,
                },
                |v| builder.append_option(v),
            ),
            Self::UInt64List(builder) => append(
                match value {
                    Some(Owned::UInt64Array(list)) => Some(list.value.iter().copied().map(Some)),
                    _ => None,
                },
                |v| builder.append_option(v),
            ),
            Self::SockAddr {
                address,
                family,
                port,
            } => {
                let message = match value {
                    Some(Owned::Sockaddr(message)) => Some(message),
                    _ => None,
                };
                let addr = message.map(SockAddrRef::from);
                address.append_option(addr.map(|addr| addr.address));
                family.append_option(addr.map(|addr| addr.family));
                port.append_option(addr.map(|addr| addr.port));
                addr.map(sockaddr_message).as_ref() == message && message.is_some()
            }
            Self::Message(builder) => append(
                value.filter(|_| same_type).map(|value| {
                    proto::EventValue {
                        name: String::new(),
                        value: Some(value.clone()),
                    }
                    .encode_to_vec()
                }),
                |v| builder.append_option(v),
            ),
        };
        stored && same_type
    }

    fn finish(&mut self, columns: &mut Vec<ArrayRef>) {
        let array: ArrayRef = match self {
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::UInt32(builder) => Arc::new(builder.finish()),
            Self::UInt64(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) | Self::Message(builder) => Arc::new(builder.finish()),
            Self::TextList(builder) => Arc::new(builder.finish()),
            Self::Int32List(builder) => Arc::new(builder.finish()),
            Self::UInt64List(builder) => Arc::new(builder.finish()),
            Self::SockAddr {
                address,
                family,
                port,
            } => {
                columns.push(Arc::new(address.finish()));
                columns.push(Arc::new(family.finish()));
                Arc::new(port.finish())
            }
        };
        columns.push(array);
    }
}

/// Appends an optional value and says whether there was one.
fn append<T>(value: Option<T>, append: impl FnOnce(Option<T>)) -> bool {
    let stored = value.is_some();
    append(value);
    stored
}

/// The value of the types that lie in one column as they are.
fn borrow(value: &Owned) -> Option<Value<'_>> {
    Some(match value {
        Owned::Int32(value) => Value::Int32(*value),
        Owned::Int64(value) => Value::Int64(*value),
        Owned::UInt32(value) => Value::UInt32(*value),
        Owned::UInt64(value) => Value::UInt64(*value),
        Owned::Pointer(value) => Value::Pointer(*value),
        Owned::Str(value) => Value::Str(value),
        Owned::Bytes(value) => Value::Bytes(value),
        Owned::Bool(value) => Value::Bool(*value),
        Owned::Timespec(value) => Value::Timespec(value.value?),
        _ => return None,
    })
}
