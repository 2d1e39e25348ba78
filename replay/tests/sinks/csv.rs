//! CSV.

use csv::ReaderBuilder;
use replay::Format;

use super::detections::sample;

#[test]
fn every_cell_comes_back() {
    let sample = sample();
    let bytes = sample.in_form(Format::Csv);
    let mut reader = ReaderBuilder::new().from_reader(&*bytes);
    let header = reader.headers().expect("there is one").clone();
    let column = |name: &str| header.iter().position(|title| title == name).expect(name);
    let rows: Vec<_> = reader
        .records()
        .collect::<Result<_, _>>()
        .expect("as many cells in each row");
    assert_eq!(rows.len(), sample.detections.len());
    for (row, detection) in rows.iter().zip(&sample.detections) {
        assert_eq!(row[column("seq")], detection.seq.to_string());
        assert_eq!(row[column("detector_id")], *detection.detector_id);
        assert_eq!(row[column("name")], detection.event.name);
        let data: serde_json::Value = serde_json::from_str(&row[column("data")]).expect("JSON");
        assert_eq!(
            data.as_object().map(serde_json::Map::len),
            Some(detection.event.data.len())
        );
    }
    let first = &rows[0];
    let cells = [
        "timestamp",
        "severity",
        "host_pid",
        "exe",
        "uid",
        "container_name",
    ]
    .map(|name| &first[column(name)]);
    assert_eq!(
        cells,
        [
            "2026-08-01T08:00:00.987654321Z",
            "",
            "4242",
            "/usr/bin/cat",
            "1000",
            "shop"
        ]
    );
}
