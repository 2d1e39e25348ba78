use std::sync::Mutex;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};

use super::*;
use crate::columns::{EXTRA, SEQ, layout};
use crate::event::{BatchBuilder, EventBatch, RecordedEvent};
use crate::proto::{self, EventValue, event_value};

/// Columns in memory, and what was asked of them.
#[derive(Debug)]
struct Memory {
    whole: RecordBatch,
    contexts: Contexts,
    asked: Mutex<Vec<(String, Vec<u32>)>>,
}

impl ColumnSource for Memory {
    fn column(&self, column: &str, rows: &Rows) -> Result<Option<ArrayRef>, String> {
        let rows: Vec<u32> = rows.runs().flatten().collect();
        let of = UInt32Array::from(rows.clone());
        self.asked
            .lock()
            .expect("nobody panicked")
            .push((column.to_owned(), rows));
        let column = self.whole.column_by_name(column);
        column
            .map(|column| take(column, &of, None).map_err(|error| error.to_string()))
            .transpose()
    }

    fn contexts(&self) -> Result<Contexts, String> {
        Ok(self.contexts.clone())
    }
}

fn close(fd: i32) -> RecordedEvent {
    let mut event = proto::Event {
        name: "close".to_owned(),
        id: 3,
        data: vec![
            EventValue {
                name: "fd".to_owned(),
                value: Some(event_value::Value::Int32(fd)),
            },
            EventValue {
                name: "returnValue".to_owned(),
                value: Some(event_value::Value::Int64(0)),
            },
        ],
        ..Default::default()
    };
    let process = proto::Process {
        host_pid: Some(fd as u32),
        ..Default::default()
    };
    event.workload = Some(proto::Workload {
        process: Some(process),
        ..Default::default()
    });
    event.into()
}

/// Ten events with only `seq` and `_extra` read at once.
fn late(change: impl FnOnce(&mut Memory)) -> (EventBatch, Arc<Memory>) {
    let mut builder = BatchBuilder::new(0);
    for n in 0..10 {
        builder.push(n, &close(n as i32));
    }
    let whole = builder.finish().batches.remove(0);
    let columns = whole.record_batch();
    let schema = columns.schema();
    let at_once: Vec<_> = [SEQ, EXTRA]
        .iter()
        .map(|name| schema.index_of(name).expect("is in every layout"))
        .collect();
    let at_once = columns.project(&at_once).expect("has these columns");
    let mut memory = Memory {
        whole: columns.clone(),
        contexts: whole.contexts().clone(),
        asked: Mutex::default(),
    };
    change(&mut memory);
    let memory = Arc::new(memory);
    let batch = EventBatch::try_new("close", at_once, Contexts::default()).expect("is well-formed");
    (
        batch.with_late_columns(Arc::clone(&memory) as _, (0..10).into()),
        memory,
    )
}

fn asked(memory: &Memory) -> Vec<(String, Vec<u32>)> {
    std::mem::take(&mut *memory.asked.lock().expect("nobody panicked"))
}

#[test]
fn a_column_is_decoded_once_and_for_the_rows_that_are_left() {
    let (batch, memory) = late(|_| ());
    assert_eq!(asked(&memory), []);
    let few = batch.take(&[1, 2, 5, 9]);
    let (first, second) = (few.slice(0, 2), few.slice(2, 2));
    for (batch, fds) in [(&second, [5, 9]), (&first, [1, 2]), (&first, [1, 2])] {
        let found: Vec<_> = batch
            .events()
            .filter_map(|event| event.get::<i32>("fd"))
            .collect();
        assert_eq!(found, fds);
    }
    // The slices share what they were cut from.
    assert_eq!(asked(&memory), [("fd".to_owned(), vec![1, 2, 5, 9])]);
    // What is decoded is not decoded again.
    assert_eq!(few.take(&[3]).event(0).get::<i32>("fd"), Some(9));
    assert_eq!(asked(&memory), []);
    let inner = second.slice(1, 1).take(&[0]);
    assert_eq!(inner.event(0).get::<i64>("returnValue"), Some(0));
    assert_eq!(asked(&memory), [("returnValue".to_owned(), vec![9])]);
    assert_eq!(inner.event(0).process().host_pid(), Some(9));
    assert_eq!(inner.event(0).to_recorded(), close(9));
}

/// Every column has the numbers of `seq`.
fn mistype(memory: &mut Memory) {
    let schema = memory.whole.schema();
    let fields = schema.fields().iter();
    let fields: Vec<_> = fields
        .map(|field| Field::new(field.name(), DataType::UInt64, true))
        .collect();
    let arrays = vec![Arc::clone(memory.whole.column(0)); fields.len()];
    memory.whole = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("as it says");
}

#[test]
fn what_a_source_gives_is_checked() {
    type Change = fn(&mut Memory);
    let cases: [(Change, &str); 3] = [
        (
            |memory| memory.contexts = Contexts::default(),
            "refers to process context 0",
        ),
        (mistype, "column `ctx` of event type close has UInt64, not UInt32"),
        (
            |memory| memory.whole = memory.whole.project(&[]).expect("nothing is asked for"),
            "",
        ),
    ];
    for (change, expected) in cases {
        let (batch, _) = late(change);
        let event = batch.event(0);
        assert_eq!(event.process().host_pid(), None);
        let fault = event.fault().unwrap_or_default();
        assert!(
            fault.contains(expected) && fault.is_empty() == expected.is_empty(),
            "{fault}"
        );
        assert_eq!(batch.faults().collect::<Vec<_>>().join(" "), fault);
    }
}

#[test]
fn what_is_read_ahead_is_nobody_s_fault() {
    let (batch, memory) = late(mistype);
    let slot = |name| layout("close").schema().index_of(name).expect("is there");
    let few = batch.take(&[1, 2, 9]);
    few.read_ahead(&[slot("fd"), slot(CTX), 1_000]);
    assert_eq!(asked(&memory).len(), 2);
    let (first, second) = (few.slice(0, 1), few.slice(1, 2));
    assert_eq!(few.faults().chain(first.faults()).next(), None);
    assert!(few.late_columns_asked_for().is_empty());
    assert_eq!(second.event(1).get::<i32>("fd"), None);
    assert!(second.faults().all(|fault| fault.contains("fd")) && second.faults().count() == 1);
    assert_eq!(few.faults().chain(first.faults()).next(), None);
    assert_eq!(second.late_columns_asked_for(), [slot("fd")]);
    // Nothing was decoded again.
    assert_eq!(asked(&memory), []);
    // Whoever asks about a batch asks about all parts of it.
    assert_eq!(few.event(0).get::<i32>("fd"), None);
    assert!(
        [few.slice(2, 1), few.take(&[0])]
            .iter()
            .all(|part| part.faults().count() == 1)
    );
}

#[test]
fn few_rows_keep_few_texts() {
    let texts: Vec<_> = (0..100)
        .map(|n| (n % 7 > 0).then(|| format!("text {}", n / 2)))
        .collect();
    let column: DictionaryArray<Int32Type> = texts.iter().map(Option::as_deref).collect();
    let column: ArrayRef = Arc::new(column);
    let texts_of = |column: &ArrayRef| {
        let rows = 0..column.len();
        rows.map(|row| crate::event::value::text(column, row).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    for (of, kept) in [(vec![3, 14, 15, 99], 4), ((0..40).collect(), 50)] {
        let taken = take_column(&column, &UInt32Array::from(of.clone()));
        let wanted: Vec<_> = of.iter().map(|row| texts[*row as usize].clone()).collect();
        assert_eq!(texts_of(&taken), wanted);
        assert_eq!(taken.as_dictionary::<Int32Type>().values().len(), kept);
    }
    assert_eq!(
        take_column(&column, &UInt32Array::from(Vec::<u32>::new())).len(),
        0
    );
}

#[test]
fn rows() {
    let runs = |rows: &Rows| format!("{:?}", rows.runs().collect::<Vec<_>>());
    let all = Rows::from(3..9);
    assert_eq!(runs(&all), "[3..9]");
    assert_eq!(runs(&all.slice(2, 3)), "[5..8]");
    assert_eq!(runs(&all.slice(6, 0)), "[]");
    let some = all.take(&[0, 1, 3, 5]);
    assert_eq!(runs(&some), "[3..5, 6..7, 8..9]");
    assert_eq!(runs(&some.slice(1, 2)), "[4..5, 6..7]");
    assert_eq!(runs(&some.slice(1, 2).take(&[1])), "[6..7]");
    assert_eq!(runs(&[0..2, 2..4, 4..4].into_iter().collect()), "[0..4]");
    assert_eq!(runs(&[0..2, 3..4].into_iter().collect()), "[0..2, 3..4]");
    assert_eq!(runs(&std::iter::empty().collect()), "[]");
}

#[test]
fn common_columns_have_their_slots_in_every_layout() {
    use crate::columns::*;
    use crate::event::batch::slot;
    let names = [
        (slot::SEQ, SEQ),
        (slot::TIMESTAMP, TIMESTAMP),
        (slot::CTX, CTX),
        (slot::EVENT_ID, EVENT_ID),
        (slot::THREAD_SYSCALL, THREAD_SYSCALL),
        (slot::USER_STACK, USER_STACK),
        (slot::PROCESSOR, PROCESSOR),
    ];
    let types = crate::catalogue::catalogue()
        .iter()
        .map(|definition| definition.name);
    for layout in types.chain([OTHER]).map(layout) {
        for (slot, name) in names {
            assert_eq!(layout.schema().field(slot).name(), name);
        }
        for (field, slot) in layout.fields().iter().zip(layout.slots()) {
            assert_eq!(layout.schema().field(*slot).name(), &field.column);
        }
        assert_eq!(
            layout.schema().fields().last().map(|field| field.name().as_str()),
            Some(EXTRA)
        );
    }
    assert_eq!(layout(OTHER).schema().field(slot::NAME).name(), NAME);
}
