//! Detections as rows of a capture's `detections` table.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BinaryArray, RecordBatch, StringArray, TimestampNanosecondArray, UInt8Array, UInt32Array,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use detectors_api::columns::timestamp_type;
use detectors_api::event::timestamp_ns;
use detectors_engine::Detection;
use prost::Message;

use super::words::severity_name;

/// The columns of the `detections` table. `event` is the detection as a `tracee.v1beta1.Event` in protobuf; the others
/// repeat what queries want of it.
#[must_use]
pub fn detection_schema() -> &'static SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        Arc::new(Schema::new(vec![
            Field::new("seq", DataType::UInt64, false),
            Field::new("level", DataType::UInt8, false),
            Field::new("output", DataType::UInt32, false),
            Field::new("detector_id", DataType::Utf8, false),
            Field::new("name", DataType::Utf8, false),
            Field::new("timestamp", timestamp_type(), true),
            Field::new("severity", DataType::Utf8, true),
            Field::new("threat", DataType::Utf8, true),
            Field::new("event", DataType::Binary, false),
        ]))
    });
    &SCHEMA
}

/// `detections` as rows.
#[must_use]
pub fn detection_rows(detections: &[Detection]) -> RecordBatch {
    let threats = || detections.iter().map(|detection| detection.event.threat.as_ref());
    let times = detections
        .iter()
        .map(|detection| detection.event.timestamp.as_ref().and_then(timestamp_ns));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            detections
                .iter()
                .map(|detection| detection.seq)
                .collect::<UInt64Array>(),
        ),
        Arc::new(
            detections
                .iter()
                .map(|detection| detection.level)
                .collect::<UInt8Array>(),
        ),
        Arc::new(
            detections
                .iter()
                .map(|detection| detection.index)
                .collect::<UInt32Array>(),
        ),
        Arc::new(StringArray::from_iter_values(
            detections.iter().map(|detection| &*detection.detector_id),
        )),
        Arc::new(StringArray::from_iter_values(
            detections.iter().map(|detection| &detection.event.name),
        )),
        Arc::new(times.collect::<TimestampNanosecondArray>().with_timezone("UTC")),
        Arc::new(
            threats()
                .map(|threat| threat.map(|threat| severity_name(threat.severity)))
                .collect::<StringArray>(),
        ),
        Arc::new(
            threats()
                .map(|threat| threat.map(|threat| &threat.name))
                .collect::<StringArray>(),
        ),
        Arc::new(BinaryArray::from_iter_values(
            detections.iter().map(|detection| detection.event.encode_to_vec()),
        )),
    ];
    RecordBatch::try_new(Arc::clone(detection_schema()), columns)
        .expect("the columns are built in the schema's order")
}
