//! Whole sets of detectors, selected for at once, against the plain evaluator asked for one detector after the other.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, UInt32Type, UInt64Type};
use detectors_api::catalogue::catalogue;
use detectors_api::detector::Detector;
use detectors_api::event::EventBatch;
use detectors_api::prelude::*;
use detectors_api::testkit::batches_of;
use detectors_engine::{Engine, EngineBuilder, Facts, Purpose, Survivors};
use detectors_stores::Stores;
use proptest::prelude::*;

use crate::events::{data_filters, recording, scope_filters};
use crate::{naive, passes};

/// The filters of one requirement.
type Requirement = (Vec<String>, Vec<String>);

/// Detects every event that it is given.
struct Everything {
    number: usize,
    event: &'static str,
    requirements: Vec<Requirement>,
}

impl EventDetector for Everything {
    fn definition(&self) -> DetectorDefinition {
        let definition =
            DetectorDefinition::new(format!("T-{:03}", self.number), format!("seen_{}", self.number));
        self.requirements
            .iter()
            .fold(definition, |definition, (data, scope)| {
                let requirement = EventRequirement::new(self.event);
                let requirement = data
                    .iter()
                    .fold(requirement, |requirement, filter| requirement.data(filter));
                definition.on(scope
                    .iter()
                    .fold(requirement, |requirement, filter| requirement.scope(filter)))
            })
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Output::new().into())
    }
}

fn engine(event: &'static str, detectors: &[Vec<Requirement>]) -> Engine {
    let detectors = detectors.iter().enumerate().map(|(number, requirements)| {
        let requirements = requirements.clone();
        Box::new(Everything {
            number,
            event,
            requirements,
        }) as Box<dyn Detector>
    });
    let built = EngineBuilder::new()
        .detectors(detectors)
        .architecture("x86_64")
        .build();
    assert_eq!(built.refusals, []);
    built.engine
}

/// One to three requirements for each detector; now and then more detectors than one word has bits.
fn detectors() -> impl Strategy<Value = Vec<Vec<Requirement>>> {
    let requirements = || prop::collection::vec((data_filters(), scope_filters()), 1..4);
    prop_oneof![
        9 => prop::collection::vec(requirements(), 1..8),
        1 => prop::collection::vec(requirements(), 60..70),
    ]
}

/// The same events, with plain texts instead of dictionaries.
fn without_dictionaries(batch: &EventBatch) -> EventBatch {
    let columns = batch.record_batch();
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .schema()
        .fields()
        .iter()
        .zip(columns.columns())
        .map(|(field, array)| match array.data_type() {
            DataType::Dictionary(..) => (
                field.as_ref().clone().with_data_type(DataType::Utf8),
                cast(array, &DataType::Utf8).expect("texts are texts"),
            ),
            _ => (field.as_ref().clone(), Arc::clone(array)),
        })
        .unzip();
    let columns = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("they fit each other");
    EventBatch::try_new(batch.event_type(), columns, batch.contexts().clone())
        .expect("the events are the same")
}

/// Everything there is to know about a batch.
struct All<'a>(&'a EventBatch);

impl All<'_> {
    fn column(&self, name: &str) -> &ArrayRef {
        self.0
            .record_batch()
            .column_by_name(name)
            .expect("facts are asked of columns that there are")
    }
}

impl Facts for All<'_> {
    fn number_range(&self, column: &str) -> Option<RangeInclusive<i128>> {
        let column = self.column(column);
        let mut numbers: Vec<i128> = match column.data_type() {
            DataType::Int32 => column
                .as_primitive::<Int32Type>()
                .iter()
                .flatten()
                .map(i128::from)
                .collect(),
            DataType::Int64 => column
                .as_primitive::<Int64Type>()
                .iter()
                .flatten()
                .map(i128::from)
                .collect(),
            DataType::UInt32 => column
                .as_primitive::<UInt32Type>()
                .iter()
                .flatten()
                .map(i128::from)
                .collect(),
            DataType::UInt64 => column
                .as_primitive::<UInt64Type>()
                .iter()
                .flatten()
                .map(i128::from)
                .collect(),
            _ => return None,
        };
        numbers.sort_unstable();
        Some(*numbers.first()?..=*numbers.last()?)
    }

    fn may_hold(&self, column: &str, text: &str) -> bool {
        let Some(column) = self.column(column).as_dictionary_opt::<Int32Type>() else {
            return true;
        };
        // What is in the dictionary but in no row would be allowed, and prove less.
        let mut there = column.keys().iter().flatten();
        let values = column.values().as_string::<i32>();
        there.any(|key| values.value(key as usize) == text)
    }
}

/// Detections as (event, detector), of survivors that come in two windows.
fn found(engine: &mut Engine, mut survivors: Vec<Survivors>, cut: u64) -> Vec<(u64, String)> {
    let later = survivors
        .iter_mut()
        .map(|survivors| survivors.split_off(cut))
        .collect();
    let stores = Stores::new();
    let mut found = engine.run(survivors, &stores, Purpose::Detect);
    assert!(found.iter().all(|detection| detection.seq < cut));
    found.extend(engine.run(later, &stores, Purpose::Detect));
    found
        .into_iter()
        .map(|detection| (detection.seq, detection.detector_id.to_string()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn sets_of_detectors_get_what_each_would_get_alone(
        (event, recorded) in recording(),
        mut detectors in detectors(),
        (from, to, cut) in (0..24_usize, 0..24_usize, 0..24_u64),
    ) {
        let definition = catalogue().get(event).expect("known");
        for (data, _) in detectors.iter_mut().flatten() {
            data.retain(|filter| definition.field(naive::field(filter)).is_some());
        }
        let mut engine = engine(event, &detectors);
        let selector = engine.selector(Purpose::Detect);
        prop_assert_eq!(selector.event_types(), [event]);

        let mut expected = Vec::new();
        for (seq, event) in (1_u64..).zip(&recorded) {
            for (number, requirements) in detectors.iter().enumerate() {
                if requirements.iter().any(|(data, scope)| passes(event, data, scope)) {
                    expected.push((seq, format!("T-{number:03}")));
                }
            }
        }
        let whole = batches_of(&recorded);
        let columns: BTreeSet<&str> = selector.columns(event).into_iter().collect();
        for batch in &whole {
            let survivors = selector.select(batch);
            let wanted: BTreeSet<u64> = expected.iter().map(|(seq, _)| *seq).collect();
            prop_assert_eq!(survivors.seqs().to_vec(), wanted.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(survivors.seen(), batch.len() as u64);

            let plain = without_dictionaries(batch);
            let of_plain = selector.select(&plain);
            prop_assert_eq!(survivors.seqs(), of_plain.seqs());
            // No other columns are looked at.
            let kept: Vec<usize> = batch.record_batch().schema().fields().iter().enumerate()
                .filter(|(_, field)| ["seq", "_extra"].contains(&field.name().as_str()) || columns.contains(field.name().as_str()))
                .map(|(column, _)| column)
                .collect();
            if batch.rows_with_extra().next().is_none() {
                let narrow = batch.record_batch().project(&kept).expect("they are there");
                let narrow = EventBatch::try_new(event, narrow, batch.contexts().clone()).expect("a part of what was right");
                let of_narrow = selector.select(&narrow);
                prop_assert_eq!(survivors.seqs(), of_narrow.seqs());
                prop_assert!(survivors.is_empty() || selector.may_pass(event, &All(batch)));
            }
            // A slice has the dictionary of the whole.
            let (from, to) = (from.min(batch.len()), to.min(batch.len()));
            let slice = batch.slice(from.min(to), from.max(to) - from.min(to));
            let part: Vec<u64> = survivors.seqs().iter().copied().filter(|seq| slice.seqs().contains(seq)).collect();
            let of_slice = selector.select(&slice);
            prop_assert_eq!(of_slice.seqs(), part);
        }
        let survivors = whole.iter().map(|batch| selector.select(batch)).collect();
        prop_assert_eq!(found(&mut engine, survivors, cut), expected);
        let seen = engine.stats().map(|stats| stats.counts.seen).collect::<BTreeSet<_>>();
        prop_assert_eq!(seen, BTreeSet::from([recorded.len() as u64]));
    }
}
