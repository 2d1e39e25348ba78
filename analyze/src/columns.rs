//! What the columns of event tables are called, and where their values come from.
//!
//! An event table shows, in this order: the place in the capture (`seq`, `timestamp`), the event's own fields under their
//! own names, the process columns of the event's process context, and what is left of the common columns. A field whose
//! name one of the others has is shown as `data_<field>`. The physical columns of the Parquet files are named by
//! [`detectors_api::columns`]; they differ where one name needs several types over the catalogue.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use detectors_api::columns::{self, FieldColumns, Layout, Physical, timestamp_type};
use detectors_api::event::context_schema;

/// Column with the file name of the capture that a row is from.
pub(crate) const CAPTURE: &str = "capture";
/// Column of the `events` table with the event's fields as a JSON object.
pub(crate) const DATA: &str = "data";
/// Column of the `events` table with the event name.
pub(crate) const NAME: &str = "name";

/// Where the values of a column come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The common column of this name.
    Common(&'static str),
    /// The value of a field; of a socket address, the address.
    Field(&'static FieldColumns),
    /// The family number of a socket address.
    Family(&'static FieldColumns),
    /// The port of a socket address.
    Port(&'static FieldColumns),
    /// The column of the process-context table at this position.
    Process(usize),
    /// The name of the event.
    Name,
    /// The fields of the event, as JSON.
    Data,
    /// The file name of the capture.
    Capture,
}

/// A column of an event table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) field: FieldRef,
    pub(crate) source: Source,
}

impl Column {
    fn new(name: impl Into<String>, data_type: DataType, nullable: bool, source: Source) -> Self {
        Self {
            field: Arc::new(Field::new(name, data_type, nullable)),
            source,
        }
    }

    fn common(name: &'static str, data_type: DataType) -> Self {
        let nullable = !matches!(name, columns::SEQ | columns::EVENT_ID);
        Self::new(name, data_type, nullable, Source::Common(name))
    }
}

/// The schema of `columns`.
pub(crate) fn schema_of(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(
        columns
            .iter()
            .map(|column| Arc::clone(&column.field))
            .collect::<Vec<_>>(),
    ))
}

/// Text in tables: dictionary-encoded, so that a predicate runs once per distinct value.
pub(crate) fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The columns of the table of one event type.
pub(crate) fn event_columns(layout: &'static Layout) -> Vec<Column> {
    let mut table = place();
    if layout.definition().is_none() {
        table.push(Column::new(NAME, text_type(), false, Source::Name));
        table.push(Column::new(DATA, DataType::Utf8, false, Source::Data));
    }
    table.extend(layout.fields().iter().flat_map(data_columns));
    table.extend(actor());
    table
}

/// The columns of the table of all events.
pub(crate) fn all_columns() -> Vec<Column> {
    let mut table = place();
    table.push(Column::new(NAME, text_type(), false, Source::Name));
    table.push(Column::new(DATA, DataType::Utf8, false, Source::Data));
    table.extend(actor());
    table
}

/// The names of the columns that show the field called `field` of the events of `layout`: one, or three for a socket
/// address (address or path, family, port). Empty if there is no such field.
#[must_use]
pub fn sql_columns(layout: &'static Layout, field: &str) -> Vec<String> {
    layout
        .field(field)
        .map(data_columns)
        .unwrap_or_default()
        .into_iter()
        .map(|column| column.field.name().clone())
        .collect()
}

fn place() -> Vec<Column> {
    vec![
        Column::common(columns::SEQ, DataType::UInt64),
        Column::common(columns::TIMESTAMP, timestamp_type()),
    ]
}

/// Who did it, and what else every event has.
fn actor() -> Vec<Column> {
    let mut actor = vec![Column::common(columns::THREAD_SYSCALL, text_type())];
    actor.extend(process_columns().map(|(position, field)| {
        let data_type = match field.data_type() {
            DataType::Utf8 => text_type(),
            other => other.clone(),
        };
        Column::new(field.name(), data_type, true, Source::Process(position))
    }));
    actor.extend([
        Column::common(columns::EVENT_ID, DataType::Int32),
        Column::common(columns::PROCESSOR, DataType::UInt32),
        Column::common(columns::USER_STACK, Physical::UInt64List.data_type()),
        Column::common(columns::CTX, DataType::UInt32),
        Column::new(CAPTURE, text_type(), false, Source::Capture),
    ]);
    actor
}

/// The columns of the process-context table that event tables show, with their positions.
fn process_columns() -> impl Iterator<Item = (usize, &'static FieldRef)> {
    context_schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| ![columns::CTX, columns::EXTRA].contains(&field.name().as_str()))
}

fn is_reserved(name: &str) -> bool {
    [
        columns::SEQ,
        columns::TIMESTAMP,
        columns::THREAD_SYSCALL,
        columns::EVENT_ID,
        columns::PROCESSOR,
        columns::USER_STACK,
        columns::CTX,
        CAPTURE,
    ]
    .contains(&name)
        || process_columns().any(|(_, field)| field.name() == name)
}

fn data_columns(field: &'static FieldColumns) -> Vec<Column> {
    let name = if is_reserved(field.name) {
        format!("data_{}", field.name)
    } else {
        field.name.to_owned()
    };
    let value = match field.physical {
        Physical::Message => DataType::Utf8,
        physical => physical.data_type(),
    };
    let mut shown = Vec::new();
    if field.physical == Physical::SockAddr {
        let (family, port) = (format!("{name}_family"), format!("{name}_port"));
        shown.push(Column::new(family, DataType::Int32, true, Source::Family(field)));
        shown.push(Column::new(port, DataType::UInt32, true, Source::Port(field)));
    }
    shown.insert(0, Column::new(name, value, true, Source::Field(field)));
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use detectors_api::catalogue::catalogue;
    use detectors_api::columns::{OTHER, layout};

    use super::*;

    #[test]
    fn no_event_table_has_a_column_twice() {
        let names = catalogue().iter().map(|event| event.name).chain([OTHER]);
        for name in names {
            let columns = event_columns(layout(name));
            let distinct: BTreeSet<_> = columns.iter().map(|column| column.field.name()).collect();
            assert_eq!(distinct.len(), columns.len(), "{name}");
        }
        let all = all_columns();
        let distinct: BTreeSet<_> = all.iter().map(|column| column.field.name()).collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn fields_keep_their_names_unless_a_process_column_has_it() {
        let open = layout("security_file_open");
        assert_eq!(sql_columns(open, "flags"), ["flags"]);
        assert_eq!(sql_columns(layout("security_sb_mount"), "flags"), ["flags"]);
        assert_eq!(sql_columns(layout("kill"), "pid"), ["data_pid"]);
        assert_eq!(
            sql_columns(layout("security_socket_connect"), "remote_addr"),
            ["remote_addr", "remote_addr_family", "remote_addr_port"]
        );
        assert!(sql_columns(open, "no_such_field").is_empty());
    }
}
