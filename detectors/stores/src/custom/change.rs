//! What custom stores are told.

use arrow::array::RecordBatch;
use detectors_api::stores::IP_REPUTATION;
use serde_json::Value;

use super::name::StoreName;
use super::reputation::Resolution;
use crate::rows::{Row, RowsError, rows};

rows! {
    table "stores/custom";
    /// One change of one custom store. Changes with the same sequence number take effect in the order of their rows.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct CustomRow {
        /// Name of the store.
        pub store: String,
        /// `declare`, `write`, `delete` or `clear`.
        pub op: String,
        /// The source; not for `declare`.
        pub source: Option<String>,
        /// The key, for `write` and `delete`.
        pub key: Option<String>,
        /// JSON. For `write`: what the source says. For `declare`, of the store of IP reputations alone: a [`Resolution`].
        pub data: Option<String>,
    }
}

/// A change of a custom store.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The store exists. Writing to one that does not makes it, too.
    Declare {
        /// How it settles what sources disagree about: the store of IP reputations alone does.
        resolution: Option<Resolution>,
    },
    /// What a source says about a key.
    Write {
        /// The source.
        source: String,
        /// The key.
        key: String,
        /// What it says.
        data: Value,
    },
    /// A source says nothing about a key any more.
    Delete {
        /// The source.
        source: String,
        /// The key.
        key: String,
    },
    /// A source says nothing at all any more.
    Clear {
        /// The source.
        source: String,
    },
}

impl Change {
    /// Rows for changes of one store.
    #[must_use]
    pub fn to_batch(store: &StoreName, changes: &[Self]) -> RecordBatch {
        let rows: Vec<_> = changes.iter().map(|change| change.to_row(store)).collect();
        CustomRow::to_batch(&rows)
    }

    fn to_row(&self, store: &StoreName) -> CustomRow {
        let (op, source, key, data) = match self {
            Self::Declare { resolution } => (
                "declare",
                None,
                None,
                resolution
                    .as_ref()
                    .map(|resolution| serde_json::to_string(resolution).expect("its keys are texts")),
            ),
            Self::Write { source, key, data } => ("write", Some(source), Some(key), Some(data.to_string())),
            Self::Delete { source, key } => ("delete", Some(source), Some(key), None),
            Self::Clear { source } => ("clear", Some(source), None, None),
        };
        CustomRow {
            store: store.to_string(),
            op: op.to_owned(),
            source: source.cloned(),
            key: key.cloned(),
            data,
        }
    }
}

impl CustomRow {
    /// The change, and of which store. `row` is where it is, for errors.
    pub(super) fn read(self, row: usize) -> Result<(StoreName, Change), RowsError> {
        let store: StoreName = self.store.parse().map_err(refused("store", row, &self.store))?;
        let missing = |column| RowsError::Null {
            table: Self::TABLE,
            column,
            row,
        };
        let source = self.source.ok_or_else(|| missing("source"));
        let key = self.key.ok_or_else(|| missing("key"));
        let change = match self.op.as_str() {
            "declare" => Change::Declare {
                resolution: match self.data {
                    Some(data) if store.as_str() == IP_REPUTATION => {
                        Some(serde_json::from_str(&data).map_err(refused("data", row, &data))?)
                    }
                    Some(data) => {
                        return Err(refused("data", row, &data)(
                            "only ip_reputation settles what sources disagree about",
                        ));
                    }
                    None => None,
                },
            },
            "write" => {
                let data = self.data.ok_or_else(|| missing("data"))?;
                Change::Write {
                    source: source?,
                    key: key?,
                    data: serde_json::from_str(&data).map_err(refused("data", row, &data))?,
                }
            }
            "delete" => Change::Delete {
                source: source?,
                key: key?,
            },
            "clear" => Change::Clear { source: source? },
            other => {
                return Err(refused("op", row, other)(
                    "it is none of declare, write, delete and clear",
                ));
            }
        };
        Ok((store, change))
    }
}

/// For `map_err`: what is wrong with a value.
pub(super) fn refused<E: ToString>(
    column: &'static str,
    row: usize,
    value: &str,
) -> impl FnOnce(E) -> RowsError {
    /// Characters of a value that an error shows.
    const SHOWN: usize = 80;
    let mut shown: String = value.chars().take(SHOWN).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    move |reason| RowsError::Value {
        table: CustomRow::TABLE,
        column,
        row,
        value: shown,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::reputation::Policy;
    use super::*;

    #[test]
    fn changes_come_back_from_rows() {
        let store: StoreName = IP_REPUTATION.parse().expect("a plain name");
        let resolution = Resolution {
            policy: Policy::PriorityBased,
            priorities: [("a".to_owned(), 3)].into(),
        };
        let (source, key) = ("feed".to_owned(), "10.0.0.1".to_owned());
        let changes = [
            Change::Declare {
                resolution: Some(resolution),
            },
            Change::Declare { resolution: None },
            Change::Write {
                source: source.clone(),
                key: key.clone(),
                data: json!({"a": [1, null, "x"]}),
            },
            Change::Delete {
                source: source.clone(),
                key,
            },
            Change::Clear { source },
        ];
        let rows = CustomRow::from_batch(&Change::to_batch(&store, &changes)).expect("its own rows");
        for (row, (cells, change)) in rows.into_iter().zip(changes).enumerate() {
            assert_eq!(cells.read(row), Ok((store.clone(), change)));
        }
    }

    #[test]
    fn rows_that_are_no_change_are_refused() {
        let row =
            |store: &str, op: &str, source: Option<&str>, key: Option<&str>, data: Option<&str>| CustomRow {
                store: store.to_owned(),
                op: op.to_owned(),
                source: source.map(str::to_owned),
                key: key.map(str::to_owned),
                data: data.map(str::to_owned),
            };
        for (row, error) in [
            (
                row("dns", "clear", Some("s"), None, None),
                "column `store` of the table stores/custom has `dns` in row 4: a store cannot be called `dns`: that one is built in",
            ),
            (
                row("x", "insert", Some("s"), None, None),
                "column `op` of the table stores/custom has `insert` in row 4: it is none of declare, write, delete and clear",
            ),
            (
                row("x", "write", None, Some("k"), Some("1")),
                "column `source` of the table stores/custom has a null in row 4",
            ),
            (
                row("x", "write", Some("s"), None, Some("1")),
                "column `key` of the table stores/custom has a null in row 4",
            ),
            (
                row("x", "write", Some("s"), Some("k"), None),
                "column `data` of the table stores/custom has a null in row 4",
            ),
            (
                row("x", "delete", Some("s"), None, None),
                "column `key` of the table stores/custom has a null in row 4",
            ),
            (
                row("x", "clear", None, None, None),
                "column `source` of the table stores/custom has a null in row 4",
            ),
            (
                row("x", "write", Some("s"), Some("k"), Some("{")),
                "column `data` of the table stores/custom has `{` in row 4: EOF while parsing an object at line 1 column 1",
            ),
            (
                row("x", "declare", None, None, Some("{}")),
                "column `data` of the table stores/custom has `{}` in row 4: only ip_reputation settles what sources disagree about",
            ),
        ] {
            assert_eq!(row.read(4).expect_err(error).to_string(), error);
        }
    }
}
