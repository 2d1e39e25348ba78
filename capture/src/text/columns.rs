//! The columns of a table, as a text tells them: `host_pid u32, comm text, args [text?]?`. A `?` means that there may be nulls.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use detectors_api::columns::timestamp_type;

/// The types that a column, or the items of its lists, can have.
fn types() -> [(&'static str, DataType); 12] {
    [
        ("bool", DataType::Boolean),
        ("i8", DataType::Int8),
        ("i16", DataType::Int16),
        ("i32", DataType::Int32),
        ("i64", DataType::Int64),
        ("u8", DataType::UInt8),
        ("u16", DataType::UInt16),
        ("u32", DataType::UInt32),
        ("u64", DataType::UInt64),
        ("text", DataType::Utf8),
        ("bytes", DataType::Binary),
        ("time", timestamp_type()),
    ]
}

/// Tells the columns, or which one cannot be told.
pub(super) fn describe(schema: &Schema) -> Result<String, String> {
    let columns = schema.fields().iter().map(|field| {
        let name = field.name();
        let word = Some(name).filter(|name| is_name(name)).and_then(|_| word(field));
        word.map(|word| format!("{name} {word}"))
            .ok_or_else(|| format!("column `{}` of type {}", name.escape_debug(), field.data_type()))
    });
    Ok(columns.collect::<Result<Vec<_>, _>>()?.join(", "))
}

/// The schema that [`describe`] told.
pub(super) fn parse(text: &str) -> Result<SchemaRef, String> {
    let mut fields: Vec<Field> = Vec::new();
    for column in text.split(", ") {
        let field = column
            .split_once(' ')
            .filter(|(name, _)| is_name(name))
            .and_then(|(name, word)| field(name, word));
        let field = field.ok_or_else(|| format!("`{column}` is no column: a name and a type"))?;
        if fields.iter().any(|other| other.name() == field.name()) {
            return Err(format!("column `{}` is there twice", field.name()));
        }
        fields.push(field);
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The type of a field, and whether there may be nulls.
fn word(field: &Field) -> Option<String> {
    let word = match field.data_type() {
        DataType::List(item) if *item.name() == *Field::LIST_FIELD_DEFAULT_NAME => {
            format!("[{}{}]", scalar(item.data_type())?, mark(item))
        }
        other => scalar(other)?.to_owned(),
    };
    Some(word + mark(field))
}

fn mark(field: &Field) -> &'static str {
    if field.is_nullable() { "?" } else { "" }
}

fn scalar(wanted: &DataType) -> Option<&'static str> {
    let found = types().into_iter().find(|(_, data_type)| data_type == wanted);
    found.map(|(word, _)| word)
}

fn field(name: &str, word: &str) -> Option<Field> {
    let (word, nullable) = unmark(word);
    let of_word = |wanted: &str| types().into_iter().find(|(word, _)| *word == wanted);
    let data_type = match word.strip_prefix('[').and_then(|item| item.strip_suffix(']')) {
        Some(item) => {
            let (item, nullable) = unmark(item);
            DataType::new_list(of_word(item)?.1, nullable)
        }
        None => of_word(word)?.1,
    };
    Some(Field::new(name, data_type, nullable))
}

fn unmark(word: &str) -> (&str, bool) {
    word.strip_suffix('?').map_or((word, false), |word| (word, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_every_type_come_back() {
        let mut fields = Vec::new();
        for (word, data_type) in types() {
            for nullable in [false, true] {
                let list = |items| DataType::new_list(data_type.clone(), items);
                fields.push(Field::new(
                    format!("{word}_{nullable}"),
                    data_type.clone(),
                    nullable,
                ));
                fields.push(Field::new(format!("{word}_{nullable}_l"), list(false), nullable));
                fields.push(Field::new(format!("{word}_{nullable}_n"), list(true), nullable));
            }
        }
        let schema = Schema::new(fields);
        let text = describe(&schema).expect("all can be told");
        assert_eq!(*parse(&text).expect("that is what it is"), schema);
    }

    #[test]
    fn other_columns_are_refused() {
        let told = |name: &str, data_type| describe(&Schema::new(vec![Field::new(name, data_type, true)]));
        assert!(told("x", DataType::Float64).is_err());
        assert!(told("x, y", DataType::Utf8).is_err());
        let named = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
        assert!(told("x", named).is_err());
        for text in [
            "",
            "x",
            "x u128",
            "x  u8",
            "x u8,y u8",
            "x [[u8]]",
            "x u8, x u8",
            "x u8??",
            "x [u8",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
