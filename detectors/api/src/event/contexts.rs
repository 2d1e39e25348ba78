//! The process-context table: who did it, once per version instead of once per event.
//!
//! A row is one combination of workload (process, thread, container, pod, parent), policies and kernel context. Events
//! refer to rows by number. Numbers are dense and grow over the whole capture; each segment has its own stretch, so that
//! a segment can be read, kept or dropped alone.
//!
//! The flat columns hold what workloads usually look like. A workload that they cannot hold exactly (several ancestors,
//! pod labels …) is kept in `_extra` as protobuf bytes, which is then authoritative.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, BooleanBuilder, ListBuilder, RecordBatch,
    StringBuilder, TimestampNanosecondBuilder, UInt32Array, UInt32Builder, UInt64Builder,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Schema, SchemaRef, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use prost::Message;

use super::late::is_numbered;
use super::value::{TextList, text};
use super::{BatchError, KernelContext, timestamp_from_ns, timestamp_ns};
use crate::columns::timestamp_type;
use crate::proto;

/// The columns of the process-context table.
#[must_use]
pub fn context_schema() -> &'static SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let u32 = |name| Field::new(name, DataType::UInt32, true);
        let text = |name| Field::new(name, DataType::Utf8, true);
        let bool = |name| Field::new(name, DataType::Boolean, true);
        Arc::new(Schema::new(vec![
            Field::new("ctx", DataType::UInt32, false),
            text("exe"),
            u32("process_id"),
            u32("host_pid"),
            u32("pid"),
            u32("uid"),
            text("comm"),
            u32("thread_id"),
            u32("host_tid"),
            u32("tid"),
            Field::new("start_time", timestamp_type(), true),
            bool("compat"),
            u32("parent_id"),
            u32("parent_host_pid"),
            u32("parent_pid"),
            text("container_id"),
            text("container_name"),
            text("container_image"),
            text("container_image_digest"),
            bool("container_started"),
            text("pod_name"),
            text("pod_uid"),
            text("pod_namespace"),
            Field::new(
                "policies",
                DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
                true,
            ),
            Field::new("cgroup_id", DataType::UInt64, true),
            u32("mount_ns"),
            u32("pid_ns"),
            text("host_name"),
            Field::new("_extra", DataType::Binary, true),
        ]))
    });
    &SCHEMA
}

/// One row of the process-context table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// Who did it, without what changes from event to event: the system call in progress and the user stack.
    pub workload: Option<proto::Workload>,
    /// Policies that matched.
    pub policies: Option<proto::Policies>,
    /// Kernel context; the CPU is not part of it.
    pub kernel: KernelContext,
}

/// The authoritative form of a context whose workload is not flat.
#[derive(Clone, PartialEq, prost::Message)]
struct ContextExtra {
    #[prost(message, optional, tag = "1")]
    workload: Option<proto::Workload>,
}

impl Context {
    /// Bytes that are equal exactly for equal contexts.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(256);
        let message = proto::Event {
            workload: self.workload.clone(),
            policies: self.policies.clone(),
            ..Default::default()
        };
        // Writing to a vector cannot fail: it grows.
        message.encode(&mut key).expect("a vector grows");
        let kernel = &self.kernel;
        for number in [
            kernel.cgroup_id,
            kernel.mount_ns.map(u64::from),
            kernel.pid_ns.map(u64::from),
        ] {
            key.push(u8::from(number.is_some()));
            key.extend(number.unwrap_or_default().to_le_bytes());
        }
        key.extend(kernel.host_name.iter().flat_map(|name| name.bytes()));
        key.push(u8::from(kernel.host_name.is_some()));
        key
    }
}

/// Builds rows of the process-context table.
#[derive(Debug, Default)]
pub(super) struct ContextBuilder {
    ctx: UInt32Builder,
    u32s: [UInt32Builder; 12],
    texts: [StringBuilder; 10],
    start_time: TimestampNanosecondBuilder,
    compat: BooleanBuilder,
    started: BooleanBuilder,
    policies: ListBuilder<StringBuilder>,
    cgroup_id: UInt64Builder,
    extra: BinaryBuilder,
}

impl ContextBuilder {
    pub(super) fn is_empty(&self) -> bool {
        arrow::array::ArrayBuilder::is_empty(&self.ctx)
    }

    pub(super) fn push(&mut self, ctx: u32, context: &Context) {
        let flat = Flat::of(context.workload.as_ref());
        let exact = flat.workload() == context.workload;
        let kernel = &context.kernel;

        self.ctx.append_value(ctx);
        let u32s = [
            flat.process_id,
            flat.host_pid,
            flat.pid,
            flat.uid,
            flat.thread_id,
            flat.host_tid,
            flat.tid,
            flat.parent_id,
            flat.parent_host_pid,
            flat.parent_pid,
            kernel.mount_ns,
            kernel.pid_ns,
        ];
        for (builder, value) in self.u32s.iter_mut().zip(u32s) {
            builder.append_option(value);
        }
        let texts = [
            flat.exe,
            flat.comm,
            flat.container_id,
            flat.container_name,
            flat.container_image,
            flat.container_image_digest,
            flat.pod_name,
            flat.pod_uid,
            flat.pod_namespace,
            kernel.host_name.as_deref(),
        ];
        for (builder, value) in self.texts.iter_mut().zip(texts) {
            builder.append_option(value);
        }
        self.start_time.append_option(flat.start_time);
        self.compat.append_option(flat.compat);
        self.started.append_option(flat.container_started);
        match &context.policies {
            Some(policies) => {
                self.policies.append_value(policies.matched.iter().map(Some));
            }
            None => self.policies.append_null(),
        }
        self.cgroup_id.append_option(kernel.cgroup_id);
        self.extra.append_option((!exact).then(|| {
            ContextExtra {
                workload: context.workload.clone(),
            }
            .encode_to_vec()
        }));
    }

    pub(super) fn finish(&mut self) -> RecordBatch {
        let [
            process_id,
            host_pid,
            pid,
            uid,
            thread_id,
            host_tid,
            tid,
            parent_id,
            parent_host_pid,
            parent_pid,
            mount_ns,
            pid_ns,
        ] = self
            .u32s
            .each_mut()
            .map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let [
            exe,
            comm,
            container_id,
            container_name,
            image,
            digest,
            pod_name,
            pod_uid,
            pod_namespace,
            host_name,
        ] = self
            .texts
            .each_mut()
            .map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let start_time = self.start_time.finish().with_timezone("UTC");
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.ctx.finish()),
            exe,
            process_id,
            host_pid,
            pid,
            uid,
            comm,
            thread_id,
            host_tid,
            tid,
            Arc::new(start_time),
            Arc::new(self.compat.finish()),
            parent_id,
            parent_host_pid,
            parent_pid,
            container_id,
            container_name,
            image,
            digest,
            Arc::new(self.started.finish()),
            pod_name,
            pod_uid,
            pod_namespace,
            Arc::new(self.policies.finish()),
            Arc::new(self.cgroup_id.finish()),
            mount_ns,
            pid_ns,
            host_name,
            Arc::new(self.extra.finish()),
        ];
        RecordBatch::try_new(Arc::clone(context_schema()), columns)
            .expect("the columns are built in the schema's order")
    }
}

/// A workload spread over the flat columns.
#[derive(Default)]
struct Flat<'a> {
    exe: Option<&'a str>,
    process_id: Option<u32>,
    host_pid: Option<u32>,
    pid: Option<u32>,
    uid: Option<u32>,
    comm: Option<&'a str>,
    thread_id: Option<u32>,
    host_tid: Option<u32>,
    tid: Option<u32>,
    start_time: Option<i64>,
    /// Null when there is no thread.
    compat: Option<bool>,
    parent_id: Option<u32>,
    parent_host_pid: Option<u32>,
    parent_pid: Option<u32>,
    container_id: Option<&'a str>,
    container_name: Option<&'a str>,
    container_image: Option<&'a str>,
    container_image_digest: Option<&'a str>,
    /// Null when there is no container.
    container_started: Option<bool>,
    pod_name: Option<&'a str>,
    pod_uid: Option<&'a str>,
    pod_namespace: Option<&'a str>,
}

impl<'a> Flat<'a> {
    fn of(workload: Option<&'a proto::Workload>) -> Self {
        let mut flat = Self::default();
        let Some(workload) = workload else { return flat };
        if let Some(process) = &workload.process {
            flat.exe = process
                .executable
                .as_ref()
                .map(|executable| executable.path.as_str());
            flat.process_id = process.unique_id;
            flat.host_pid = process.host_pid;
            flat.pid = process.pid;
            flat.uid = process.real_user.and_then(|user| user.id);
            if let Some(thread) = &process.thread {
                flat.comm = Some(&thread.name);
                flat.thread_id = thread.unique_id;
                flat.host_tid = thread.host_tid;
                flat.tid = thread.tid;
                flat.start_time = thread.start_time.as_ref().and_then(timestamp_ns);
                flat.compat = Some(thread.compat);
            }
            if let Some(parent) = process.ancestors.first() {
                flat.parent_id = parent.unique_id;
                flat.parent_host_pid = parent.host_pid;
                flat.parent_pid = parent.pid;
            }
        }
        if let Some(container) = &workload.container {
            flat.container_id = Some(&container.id);
            flat.container_name = Some(&container.name);
            flat.container_image = container.image.as_ref().map(|image| image.name.as_str());
            flat.container_image_digest = container
                .image
                .as_ref()
                .and_then(|image| image.repo_digests.first())
                .map(String::as_str);
            flat.container_started = Some(container.started);
        }
        if let Some(k8s) = &workload.k8s {
            flat.pod_name = k8s.pod.as_ref().map(|pod| pod.name.as_str());
            flat.pod_uid = k8s.pod.as_ref().map(|pod| pod.uid.as_str());
            flat.pod_namespace = k8s.namespace.as_ref().map(|namespace| namespace.name.as_str());
        }
        flat
    }

    fn read(columns: &'a Columns, row: usize) -> Self {
        Self {
            exe: columns.text(1, row),
            process_id: columns.u32(2, row),
            host_pid: columns.u32(3, row),
            pid: columns.u32(4, row),
            uid: columns.u32(5, row),
            comm: columns.text(6, row),
            thread_id: columns.u32(7, row),
            host_tid: columns.u32(8, row),
            tid: columns.u32(9, row),
            start_time: columns.number::<TimestampNanosecondType>(10, row),
            compat: columns.bool(11, row),
            parent_id: columns.u32(12, row),
            parent_host_pid: columns.u32(13, row),
            parent_pid: columns.u32(14, row),
            container_id: columns.text(15, row),
            container_name: columns.text(16, row),
            container_image: columns.text(17, row),
            container_image_digest: columns.text(18, row),
            container_started: columns.bool(19, row),
            pod_name: columns.text(20, row),
            pod_uid: columns.text(21, row),
            pod_namespace: columns.text(22, row),
        }
    }

    /// The workload that these columns stand for.
    fn workload(&self) -> Option<proto::Workload> {
        let thread = self.compat.map(|compat| proto::Thread {
            start_time: self.start_time.map(timestamp_from_ns),
            name: self.comm.unwrap_or_default().to_owned(),
            unique_id: self.thread_id,
            host_tid: self.host_tid,
            tid: self.tid,
            compat,
            ..Default::default()
        });
        let parent = [self.parent_id, self.parent_host_pid, self.parent_pid];
        let ancestors = if parent.iter().any(Option::is_some) {
            vec![proto::Process {
                unique_id: parent[0],
                host_pid: parent[1],
                pid: parent[2],
                ..Default::default()
            }]
        } else {
            Vec::new()
        };
        let ids = [self.process_id, self.host_pid, self.pid, self.uid];
        let has_process = thread.is_some()
            || self.exe.is_some()
            || !ancestors.is_empty()
            || ids.iter().any(Option::is_some);
        let process = has_process.then(|| proto::Process {
            executable: self.exe.map(|path| proto::Executable {
                path: path.to_owned(),
            }),
            unique_id: self.process_id,
            host_pid: self.host_pid,
            pid: self.pid,
            real_user: self.uid.map(|id| proto::User { id: Some(id) }),
            thread,
            ancestors,
        });
        let container = self.container_started.map(|started| proto::Container {
            id: self.container_id.unwrap_or_default().to_owned(),
            name: self.container_name.unwrap_or_default().to_owned(),
            image: self.container_image.map(|name| proto::ContainerImage {
                id: String::new(),
                repo_digests: self
                    .container_image_digest
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
                name: name.to_owned(),
            }),
            started,
        });
        let k8s = (self.pod_name.is_some() || self.pod_namespace.is_some()).then(|| proto::K8s {
            pod: self.pod_name.map(|name| proto::Pod {
                name: name.to_owned(),
                uid: self.pod_uid.unwrap_or_default().to_owned(),
                ..Default::default()
            }),
            namespace: self.pod_namespace.map(|name| proto::K8sNamespace {
                name: name.to_owned(),
            }),
        });
        (process.is_some() || container.is_some() || k8s.is_some()).then_some(proto::Workload {
            process,
            container,
            k8s,
        })
    }
}

/// A stretch of the table whose types have been checked.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    batch: RecordBatch,
    /// Number of the first row.
    first: u32,
    /// The workloads of rows that are not flat.
    extra: Arc<HashMap<u32, Option<proto::Workload>>>,
}

impl Columns {
    fn try_new(batch: RecordBatch) -> Result<Option<Self>, BatchError> {
        for (index, expected) in context_schema().fields().iter().enumerate() {
            let found = batch
                .schema_ref()
                .fields()
                .get(index)
                .filter(|found| found.name() == expected.name());
            let found = found.ok_or_else(|| BatchError::MissingColumn {
                event: "(process table)".to_owned(),
                column: expected.name().clone(),
            })?;
            let text = *expected.data_type() == DataType::Utf8;
            let by_number = text && is_numbered(expected.data_type(), found.data_type());
            if found.data_type() != expected.data_type() && !by_number {
                return Err(wrong_type(expected, found));
            }
        }
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let numbers: &UInt32Array = batch.column(0).as_primitive();
        let first = numbers.value(0);
        for (row, ctx) in numbers.iter().enumerate() {
            if ctx.map(u64::from) != Some(u64::from(first) + row as u64) {
                return Err(BatchError::Null {
                    event: "(process table)".to_owned(),
                    column: "ctx".to_owned(),
                    row,
                });
            }
        }
        let extra_column = batch.column(batch.num_columns() - 1).as_binary::<i32>();
        let extra = (0..batch.num_rows())
            .filter(|row| extra_column.is_valid(*row))
            .map(|row| {
                let extra =
                    ContextExtra::decode(extra_column.value(row)).map_err(|source| BatchError::Extra {
                        event: "(process table)".to_owned(),
                        row,
                        source,
                    })?;
                Ok((first + row as u32, extra.workload))
            })
            .collect::<Result<_, BatchError>>()?;
        Ok(Some(Self {
            batch,
            first,
            extra: Arc::new(extra),
        }))
    }

    fn end(&self) -> u64 {
        u64::from(self.first) + self.batch.num_rows() as u64
    }

    fn number<T: ArrowPrimitiveType>(&self, column: usize, row: usize) -> Option<T::Native> {
        let array = self.batch.column(column).as_primitive::<T>();
        array.is_valid(row).then(|| array.value(row))
    }

    fn u32(&self, column: usize, row: usize) -> Option<u32> {
        self.number::<UInt32Type>(column, row)
    }

    fn text(&self, column: usize, row: usize) -> Option<&str> {
        text(self.batch.column(column), row)
    }

    fn bool(&self, column: usize, row: usize) -> Option<bool> {
        let array: &BooleanArray = self.batch.column(column).as_boolean();
        array.is_valid(row).then(|| array.value(row))
    }
}

/// A row of the table, for reading single members.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContextRow<'a> {
    columns: &'a Columns,
    row: usize,
}

impl<'a> ContextRow<'a> {
    /// The workload, where the flat columns do not hold it; `Some(None)` for none at all.
    pub(super) fn message(self) -> Option<Option<&'a proto::Workload>> {
        let ctx = self.columns.first + self.row as u32;
        self.columns.extra.get(&ctx).map(Option::as_ref)
    }

    fn flat(self) -> Flat<'a> {
        Flat::read(self.columns, self.row)
    }

    pub(super) fn exe(self) -> Option<&'a str> {
        self.columns.text(1, self.row)
    }

    pub(super) fn u32(self, column: ContextColumn) -> Option<u32> {
        self.columns.u32(column as usize, self.row)
    }

    pub(super) fn text(self, column: ContextText) -> Option<&'a str> {
        self.columns.text(column as usize, self.row)
    }

    pub(super) fn start_time(self) -> Option<i64> {
        self.columns.number::<TimestampNanosecondType>(10, self.row)
    }

    pub(super) fn compat(self) -> bool {
        self.columns.bool(11, self.row).unwrap_or_default()
    }

    pub(super) fn started(self) -> Option<bool> {
        self.columns.bool(19, self.row)
    }

    pub(super) fn kernel(self) -> KernelContext {
        KernelContext {
            processor: None,
            cgroup_id: self.columns.number::<UInt64Type>(24, self.row),
            mount_ns: self.columns.u32(25, self.row),
            pid_ns: self.columns.u32(26, self.row),
            host_name: self.columns.text(27, self.row).map(str::to_owned),
        }
    }

    pub(super) fn policies(self) -> Option<proto::Policies> {
        let column = self.columns.batch.column(23);
        let names = column
            .is_valid(self.row)
            .then(|| TextList::of_row(column, self.row))??;
        Some(proto::Policies {
            matched: names.iter().map(str::to_owned).collect(),
        })
    }

    /// Whether there is a [`workload`](Self::workload), without making it where that can be told.
    pub(super) fn has_workload(self) -> bool {
        self.u32(ContextColumn::HostPid).is_some() || self.workload().is_some()
    }

    pub(super) fn workload(self) -> Option<proto::Workload> {
        match self.message() {
            Some(workload) => workload.cloned(),
            None => self.flat().workload(),
        }
    }
}

/// Number columns of the table, by position.
#[derive(Clone, Copy, Debug)]
pub(super) enum ContextColumn {
    ProcessId = 2,
    HostPid = 3,
    Pid = 4,
    Uid = 5,
    ThreadId = 7,
    HostTid = 8,
    Tid = 9,
    ParentId = 12,
    ParentHostPid = 13,
    ParentPid = 14,
}

/// Text columns of the table, by position.
#[derive(Clone, Copy, Debug)]
pub(super) enum ContextText {
    Comm = 6,
    ContainerId = 15,
    ContainerName = 16,
    ContainerImage = 17,
    ContainerImageDigest = 18,
    PodName = 20,
    PodUid = 21,
    PodNamespace = 22,
}

/// Process contexts of one segment, or of the part of it that has been written. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Contexts {
    /// In order, without gaps; few and growing, so that adding one is cheap.
    stretches: Arc<Vec<Columns>>,
}

impl Contexts {
    /// Contexts from a process-context table. Texts may be dictionary-encoded.
    ///
    /// # Errors
    /// If a column is missing or of the wrong type, or the row numbers have a gap, or an `_extra` is malformed.
    pub fn try_new(batches: impl IntoIterator<Item = RecordBatch>) -> Result<Self, BatchError> {
        batches
            .into_iter()
            .try_fold(Self::default(), |contexts, batch| contexts.with(batch))
    }

    /// These contexts and those of `batch`, whose numbers follow.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub fn with(&self, batch: RecordBatch) -> Result<Self, BatchError> {
        let Some(added) = Columns::try_new(batch)? else {
            return Ok(self.clone());
        };
        if let Some(first) = self.stretches.first() {
            let expected = first.batch.schema_ref().fields();
            let mut pairs = expected.iter().zip(added.batch.schema_ref().fields());
            if let Some((expected, found)) =
                pairs.find(|(expected, found)| expected.data_type() != found.data_type())
            {
                return Err(wrong_type(expected, found));
            }
        }
        let mut stretches = (*self.stretches).clone();
        if stretches
            .last()
            .is_some_and(|last| last.end() != u64::from(added.first))
        {
            return Err(BatchError::Null {
                event: "(process table)".to_owned(),
                column: "ctx".to_owned(),
                row: 0,
            });
        }
        stretches.push(added);
        // Merge stretches of similar size, so that there are only logarithmically many.
        while let [.., before, last] = stretches.as_slice()
            && last.batch.num_rows() * 2 >= before.batch.num_rows()
        {
            let Ok(merged) = merge(before, last) else { break };
            stretches.truncate(stretches.len() - 2);
            stretches.push(merged);
        }
        Ok(Self {
            stretches: Arc::new(stretches),
        })
    }

    /// Whether there is a context numbered `ctx`.
    #[must_use]
    pub fn contains(&self, ctx: u32) -> bool {
        self.row(ctx).is_some()
    }

    /// Whether these are clones of each other: then equal numbers mean the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.stretches, &other.stretches)
    }

    /// Number of contexts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stretches
            .iter()
            .map(|stretch| stretch.batch.num_rows())
            .sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// The table, in stretches; see [`context_schema`]. Texts may be dictionary-encoded, with numbers of type `Int32`; a column is
    /// of one type in all stretches.
    pub fn batches(&self) -> impl Iterator<Item = &RecordBatch> {
        self.stretches.iter().map(|stretch| &stretch.batch)
    }

    /// Copies of the same with all texts as they are.
    ///
    /// # Errors
    /// If there are more than 2 GiB of them in a stretch.
    pub fn tables(&self) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> {
        self.batches().map(|batch| {
            let columns = batch.columns().iter().zip(context_schema().fields());
            let columns = columns.map(|(column, field)| cast(column, field.data_type()));
            RecordBatch::try_new(Arc::clone(context_schema()), columns.collect::<Result<_, _>>()?)
        })
    }

    /// The context numbered `ctx`.
    #[must_use]
    pub fn get(&self, ctx: u32) -> Option<Context> {
        let row = self.row(ctx)?;
        Some(Context {
            workload: row.workload(),
            policies: row.policies(),
            kernel: row.kernel(),
        })
    }

    pub(super) fn row(&self, ctx: u32) -> Option<ContextRow<'_>> {
        let after = self.stretches.partition_point(|stretch| stretch.first <= ctx);
        let columns = self.stretches.get(after.checked_sub(1)?)?;
        (u64::from(ctx) < columns.end()).then(|| ContextRow {
            columns,
            row: (ctx - columns.first) as usize,
        })
    }
}

fn wrong_type(expected: &Field, found: &Field) -> BatchError {
    BatchError::ColumnType {
        event: "(process table)".to_owned(),
        column: expected.name().clone(),
        expected: expected.data_type().clone(),
        found: found.data_type().clone(),
    }
}

fn merge(before: &Columns, last: &Columns) -> Result<Columns, ArrowError> {
    let batch = concat_batches(before.batch.schema_ref(), [&before.batch, &last.batch])?;
    let extra = before
        .extra
        .iter()
        .chain(last.extra.iter())
        .map(|(ctx, workload)| (*ctx, workload.clone()))
        .collect();
    Ok(Columns {
        batch,
        first: before.first,
        extra: Arc::new(extra),
    })
}
