//! What was running when a recording started, as rows of an Arrow table.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, RecordBatch, StringArray, UInt32Array,
    UInt64Array,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Schema, SchemaRef, UInt32Type, UInt64Type};

/// A task that was alive when a recording started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskSnapshot {
    /// Thread-group id in the root pid namespace.
    pub host_pid: u32,
    /// Thread id in the root pid namespace; that of the leader equals `host_pid`.
    pub host_tid: u32,
    /// Thread-group id in the task's own pid namespace.
    pub pid: u32,
    /// Thread id in the task's own pid namespace.
    pub tid: u32,
    /// Thread-group id of the parent in the root pid namespace; 0 for none.
    pub host_ppid: u32,
    /// Thread-group id of the parent in the task's pid namespace; 0 if it is not visible there.
    pub ppid: u32,
    /// When the task started: ns since the Unix epoch.
    pub start_ns: u64,
    /// When the parent's leader started: ns since the Unix epoch; 0 if unknown.
    pub parent_start_ns: u64,
    /// comm.
    pub comm: String,
    /// Path of the running binary; empty for kernel threads and where it could not be read.
    pub exe: String,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Inode number of the cgroup directory; 0 if unknown.
    pub cgroup_id: u64,
    /// A kernel thread.
    pub kernel_thread: bool,
    /// The start times come from procfs, which counts in clock ticks (10 ms): entity ids made from them may be off.
    pub coarse: bool,
}

/// A snapshot that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// A column is missing.
    #[error("the process snapshot has no column `{column}`")]
    MissingColumn {
        /// Column name.
        column: String,
    },
    /// A column has another type.
    #[error("column `{column}` of the process snapshot is {found}, not {expected}")]
    ColumnType {
        /// Column name.
        column: String,
        /// What it must be.
        expected: DataType,
        /// What it is.
        found: DataType,
    },
    /// A value is missing.
    #[error("column `{column}` of the process snapshot has a null in row {row}")]
    Null {
        /// Column name.
        column: String,
        /// Row of the batch.
        row: usize,
    },
}

/// The columns of a process snapshot: the members of [`TaskSnapshot`], none of them nullable.
#[must_use]
pub fn snapshot_schema() -> &'static SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let columns = [
            ("host_pid", DataType::UInt32),
            ("host_tid", DataType::UInt32),
            ("pid", DataType::UInt32),
            ("tid", DataType::UInt32),
            ("host_ppid", DataType::UInt32),
            ("ppid", DataType::UInt32),
            ("start_ns", DataType::UInt64),
            ("parent_start_ns", DataType::UInt64),
            ("comm", DataType::Utf8),
            ("exe", DataType::Utf8),
            ("uid", DataType::UInt32),
            ("gid", DataType::UInt32),
            ("cgroup_id", DataType::UInt64),
            ("kernel_thread", DataType::Boolean),
            ("coarse", DataType::Boolean),
        ];
        Arc::new(Schema::new(
            columns
                .map(|(name, data_type)| Field::new(name, data_type, false))
                .to_vec(),
        ))
    });
    &SCHEMA
}

/// The table of `tasks`.
///
/// # Panics
/// Never: the columns follow the schema.
#[must_use]
pub fn to_batch(tasks: &[TaskSnapshot]) -> RecordBatch {
    let u32s = |member: fn(&TaskSnapshot) -> u32| -> ArrayRef {
        Arc::new(UInt32Array::from_iter_values(tasks.iter().map(member)))
    };
    let u64s = |member: fn(&TaskSnapshot) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(tasks.iter().map(member)))
    };
    let texts = |member: fn(&TaskSnapshot) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(tasks.iter().map(member)))
    };
    let flags = |member: fn(&TaskSnapshot) -> bool| -> ArrayRef {
        Arc::new(
            tasks
                .iter()
                .map(|task| Some(member(task)))
                .collect::<BooleanArray>(),
        )
    };
    let columns = vec![
        u32s(|task| task.host_pid),
        u32s(|task| task.host_tid),
        u32s(|task| task.pid),
        u32s(|task| task.tid),
        u32s(|task| task.host_ppid),
        u32s(|task| task.ppid),
        u64s(|task| task.start_ns),
        u64s(|task| task.parent_start_ns),
        texts(|task| &task.comm),
        texts(|task| &task.exe),
        u32s(|task| task.uid),
        u32s(|task| task.gid),
        u64s(|task| task.cgroup_id),
        flags(|task| task.kernel_thread),
        flags(|task| task.coarse),
    ];
    RecordBatch::try_new(Arc::clone(snapshot_schema()), columns).expect("the columns follow the schema")
}

/// The tasks of a table. Columns are found by name; others are ignored, so that newer snapshots can be read.
///
/// # Errors
/// If a column is missing, of the wrong type, or has a null.
pub fn from_batch(batch: &RecordBatch) -> Result<Vec<TaskSnapshot>, SnapshotError> {
    let columns = Columns(batch);
    let u32s = |name| columns.numbers::<UInt32Type>(name);
    let u64s = |name| columns.numbers::<UInt64Type>(name);
    let (host_pid, host_tid) = (u32s("host_pid")?, u32s("host_tid")?);
    let (pid, tid) = (u32s("pid")?, u32s("tid")?);
    let (host_ppid, ppid) = (u32s("host_ppid")?, u32s("ppid")?);
    let (start_ns, parent_start_ns) = (u64s("start_ns")?, u64s("parent_start_ns")?);
    let comm: &StringArray = columns.get("comm", &DataType::Utf8)?.as_string();
    let exe: &StringArray = columns.get("exe", &DataType::Utf8)?.as_string();
    let (uid, gid) = (u32s("uid")?, u32s("gid")?);
    let cgroup_id = u64s("cgroup_id")?;
    let kernel_thread = columns.get("kernel_thread", &DataType::Boolean)?.as_boolean();
    let coarse = columns.get("coarse", &DataType::Boolean)?.as_boolean();
    let task = |row| TaskSnapshot {
        host_pid: host_pid.value(row),
        host_tid: host_tid.value(row),
        pid: pid.value(row),
        tid: tid.value(row),
        host_ppid: host_ppid.value(row),
        ppid: ppid.value(row),
        start_ns: start_ns.value(row),
        parent_start_ns: parent_start_ns.value(row),
        comm: comm.value(row).to_owned(),
        exe: exe.value(row).to_owned(),
        uid: uid.value(row),
        gid: gid.value(row),
        cgroup_id: cgroup_id.value(row),
        kernel_thread: kernel_thread.value(row),
        coarse: coarse.value(row),
    };
    Ok((0..batch.num_rows()).map(task).collect())
}

struct Columns<'a>(&'a RecordBatch);

impl<'a> Columns<'a> {
    fn numbers<T: ArrowPrimitiveType>(&self, name: &str) -> Result<&'a PrimitiveArray<T>, SnapshotError> {
        Ok(self.get(name, &T::DATA_TYPE)?.as_primitive())
    }

    fn get(&self, name: &str, expected: &DataType) -> Result<&'a ArrayRef, SnapshotError> {
        let array = self
            .0
            .column_by_name(name)
            .ok_or_else(|| SnapshotError::MissingColumn {
                column: name.to_owned(),
            })?;
        if array.data_type() != expected {
            return Err(SnapshotError::ColumnType {
                column: name.to_owned(),
                expected: expected.clone(),
                found: array.data_type().clone(),
            });
        }
        if array.null_count() == 0 {
            return Ok(array);
        }
        Err(SnapshotError::Null {
            column: name.to_owned(),
            row: (0..array.len())
                .find(|row| array.is_null(*row))
                .unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let tasks = [
            TaskSnapshot {
                host_pid: 1,
                host_tid: 1,
                pid: 1,
                tid: 1,
                start_ns: 7,
                comm: "systemd".to_owned(),
                exe: "/usr/lib/systemd/systemd".to_owned(),
                ..TaskSnapshot::default()
            },
            TaskSnapshot {
                host_pid: 2,
                kernel_thread: true,
                coarse: true,
                cgroup_id: 9,
                uid: 3,
                ..TaskSnapshot::default()
            },
        ];
        assert_eq!(from_batch(&to_batch(&tasks)).expect("own table"), tasks);
        assert_eq!(from_batch(&to_batch(&[])).expect("own table"), []);
    }

    #[test]
    fn a_foreign_table_is_refused_by_column() {
        let batch = to_batch(&[TaskSnapshot::default()]);
        let missing = batch.project(&[0, 1, 2]).expect("columns exist");
        assert_eq!(
            from_batch(&missing).expect_err("columns are missing").to_string(),
            "the process snapshot has no column `tid`"
        );
        let renamed = Schema::new(vec![Field::new("host_pid", DataType::Utf8, false)]);
        let wrong = RecordBatch::try_new(
            Arc::new(renamed),
            vec![Arc::new(StringArray::from(vec!["1"])) as ArrayRef],
        )
        .expect("one column");
        assert_eq!(
            from_batch(&wrong).expect_err("wrong type").to_string(),
            "column `host_pid` of the process snapshot is Utf8, not UInt32"
        );
    }
}
