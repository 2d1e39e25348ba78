//! Files with the entries of a custom store.
//!
//! A file is a JSON document about one store:
//!
//! ```json
//! {
//!   "store": "ip_reputation",
//!   "policy": "priority_based",
//!   "priorities": {"soc": 10},
//!   "entries": [
//!     {"source": "soc", "key": "203.0.113.7", "data": {"status": "deny", "severity": 9, "tags": ["c2"],
//!      "last_updated": "2026-05-01T00:00:00Z", "metadata": {"ticket": "4711"}}}
//!   ]
//! }
//! ```
//!
//! | member | meaning |
//! |---|---|
//! | `store` | name: letters, digits, `_` and `-` |
//! | `policy` | of `ip_reputation` alone: `last_write_wins` (unless given), `max_severity` or `priority_based` |
//! | `priorities` | for `priority_based` alone: whole numbers by source; 0 for others |
//! | `entries` | `source`, `key`, and `data`: any JSON. The last of equal sources and keys wins |
//!
//! The entries of `ip_reputation` have addresses as keys; their data have `status` (`unknown`, `allow`, `deny`, `suspicious`) and
//! `severity` (1 to 10), and may have `tags`, `last_updated` (RFC 3339, or ns since 1970) and `metadata` (texts by name).
//!
//! More entries may follow the document, as JSON values of their own. So a feed can be a file of lines: the document without
//! entries first, and then an entry a line.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use detectors_api::stores::IP_REPUTATION;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::CUSTOM;
use super::change::Change;
use super::name::StoreName;
use super::reputation::{Opinion, Policy, Resolution, canonical};
use crate::Input;

/// The entries of a custom store, from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreFile {
    /// The store.
    pub name: StoreName,
    /// What the store is told: that it exists, and its entries.
    pub changes: Vec<Change>,
}

/// A file that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{}:{line}: {}{reason}", path.display(), Field(field))]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The member, such as `entries[3].data.severity`; empty if the fault is in none.
        field: String,
        /// What is wrong.
        reason: String,
    },
}

struct Field<'a>(&'a str);

impl std::fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            "" => Ok(()),
            field => write!(f, "{field}: "),
        }
    }
}

impl StoreFile {
    /// The entries as an input that takes effect before event `seq`.
    #[must_use]
    pub fn to_input(&self, seq: u64) -> Input {
        Input {
            store: CUSTOM.to_owned(),
            seq,
            rows: Change::to_batch(&self.name, &self.changes),
        }
    }
}

/// Loads the entries of a custom store from a file.
///
/// # Errors
/// If the file cannot be read, or does not have the format that the module describes.
pub fn load(path: &Path) -> Result<StoreFile, FileError> {
    let text = fs::read_to_string(path).map_err(|source| FileError::Io {
        path: path.to_owned(),
        source,
    })?;
    parse(&text, path)
}

/// Loads the entries of a custom store from `text`. `path` is where they come from, for errors.
///
/// # Errors
/// If it does not have the format that the module describes.
pub fn parse(text: &str, path: &Path) -> Result<StoreFile, FileError> {
    let source = Text { text, path };
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let Some(document) = values.next() else {
        return Err(source.fault(1, "", "the file is empty: it should have a JSON document"));
    };
    let document = document.map_err(|error| source.fault(error.line(), "", &reason(&error)))?;
    let line = source.line_of(document);
    let document: Document<'_> = source.object(document, "")?;
    let name: StoreName = document
        .store
        .parse()
        .map_err(|error| source.fault(line, "store", &format!("{error}")))?;
    let resolution = document
        .resolution(&name)
        .map_err(|(field, reason)| source.fault(line, field, reason))?;
    let mut changes = vec![Change::Declare { resolution }];
    for (number, entry) in document.entries.iter().enumerate() {
        changes.push(source.entry(&name, entry, &format!("entries[{number}]"))?);
    }
    for entry in values {
        let entry = entry.map_err(|error| source.fault(error.line(), "", &reason(&error)))?;
        changes.push(source.entry(&name, entry, "")?);
    }
    Ok(StoreFile { name, changes })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    store: String,
    policy: Option<Policy>,
    priorities: Option<BTreeMap<String, i64>>,
    #[serde(borrow, default)]
    entries: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryText<'a> {
    source: String,
    key: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Document<'_> {
    /// How conflicts are settled; or the member that is wrong, and why.
    fn resolution(&self, name: &StoreName) -> Result<Option<Resolution>, (&'static str, &'static str)> {
        const ELSEWHERE: &str = "only ip_reputation settles what sources disagree about";
        if name.as_str() != IP_REPUTATION {
            return match (self.policy, &self.priorities) {
                (None, None) => Ok(None),
                (Some(_), _) => Err(("policy", ELSEWHERE)),
                (None, Some(_)) => Err(("priorities", ELSEWHERE)),
            };
        }
        let policy = self.policy.unwrap_or_default();
        if policy != Policy::PriorityBased && self.priorities.is_some() {
            return Err((
                "priorities",
                "they have no effect: the policy is not `priority_based`",
            ));
        }
        Ok(Some(Resolution {
            policy,
            priorities: self.priorities.clone().unwrap_or_default(),
        }))
    }
}

/// The text of a file, for errors that tell where they are.
#[derive(Clone, Copy)]
struct Text<'a> {
    text: &'a str,
    path: &'a Path,
}

impl<'a> Text<'a> {
    /// The entry in a part of the text; `field` is its place.
    fn entry(self, name: &StoreName, part: &'a RawValue, field: &str) -> Result<Change, FileError> {
        let entry: EntryText<'_> = self.object(part, field)?;
        if name.as_str() == IP_REPUTATION {
            if canonical(&entry.key).is_none() {
                let reason = format!("`{}` is no IP address", entry.key);
                return Err(self.fault(self.line_of(part), &join(field, "key"), &reason));
            }
            self.object::<Opinion>(entry.data, &join(field, "data"))?;
        }
        Ok(Change::Write {
            data: self.read(entry.data, &join(field, "data"))?,
            source: entry.source,
            key: entry.key,
        })
    }

    /// Reads a part of the text that must be an object; `field` is its place. (A list of the members would be taken, too.)
    fn object<T: Deserialize<'a>>(self, part: &'a RawValue, field: &str) -> Result<T, FileError> {
        if !part.get().starts_with('{') {
            return Err(self.fault(self.line_of(part), field, "a JSON object is expected here"));
        }
        self.read(part, field)
    }

    /// Reads a part of the text; `field` is its place.
    fn read<T: Deserialize<'a>>(self, part: &'a RawValue, field: &str) -> Result<T, FileError> {
        let mut json = serde_json::Deserializer::from_str(part.get());
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { "" } else { &path };
            let line = self.line_of(part) + error.inner().line().saturating_sub(1);
            self.fault(line, &join(field, path), &reason(error.inner()))
        })
    }

    /// The line in which a part of the text begins, from 1.
    fn line_of(self, part: &RawValue) -> usize {
        let offset = (part.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn fault(self, line: usize, field: &str, reason: &str) -> FileError {
        FileError::Content {
            path: self.path.to_owned(),
            line,
            field: field.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// What is wrong, without the place: that is one in a part of the text.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

fn join(field: &str, member: &str) -> String {
    match (field, member) {
        ("", _) => member.to_owned(),
        (_, "") => field.to_owned(),
        _ => format!("{field}.{member}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Result<StoreFile, FileError> {
        parse(text, Path::new("feed.json"))
    }

    fn write(source: &str, key: &str, data: Value) -> Change {
        Change::Write {
            source: source.to_owned(),
            key: key.to_owned(),
            data,
        }
    }

    #[test]
    fn a_document_holds_a_store() {
        let file = read(
            r#"{
                "store": "assets",
                "entries": [
                    {"source": "cmdb", "key": "web-1", "data": {"owner": "shop", "tier": 1}},
                    {"source": "cmdb", "key": "web-2", "data": null}
                ]
            }"#,
        )
        .expect("well-formed");
        assert_eq!(file.name.as_str(), "assets");
        let expected = [
            Change::Declare { resolution: None },
            write("cmdb", "web-1", json!({"owner": "shop", "tier": 1})),
            write("cmdb", "web-2", json!(null)),
        ];
        assert_eq!(file.changes, expected);
    }

    #[test]
    fn a_feed_can_be_a_file_of_lines() {
        let lines = "{\"store\": \"ip_reputation\", \"policy\": \"priority_based\", \"priorities\": {\"soc\": 10}}\n\
                     {\"source\": \"soc\", \"key\": \"10.0.0.1\", \"data\": {\"status\": \"deny\", \"severity\": 9}}\n\n\
                     {\"source\": \"isp\", \"key\": \"10.0.0.1\", \"data\": {\"status\": \"allow\", \"severity\": 1}}\n";
        let file = read(lines).expect("well-formed");
        let resolution = Resolution {
            policy: Policy::PriorityBased,
            priorities: [("soc".to_owned(), 10)].into(),
        };
        let expected = [
            Change::Declare {
                resolution: Some(resolution),
            },
            write("soc", "10.0.0.1", json!({"status": "deny", "severity": 9})),
            write("isp", "10.0.0.1", json!({"status": "allow", "severity": 1})),
        ];
        assert_eq!(file.changes, expected);
    }

    #[test]
    fn errors_tell_line_and_member() {
        let reputation =
            |entry: &str| format!("{{\"store\": \"ip_reputation\", \"entries\": [\n{entry}\n]}}");
        let entry =
            |key: &str, data: &str| format!("{{\"source\": \"s\", \"key\": \"{key}\",\n\"data\": {data}}}");
        for (text, error) in [
            (
                String::new(),
                "feed.json:1: the file is empty: it should have a JSON document",
            ),
            ("[]".to_owned(), "feed.json:1: a JSON object is expected here"),
            (
                "{\n\"store\":\n".to_owned(),
                "feed.json:3: EOF while parsing a value",
            ),
            (
                "{\"entries\": []}".to_owned(),
                "feed.json:1: missing field `store`",
            ),
            (
                "{\"store\": 7}".to_owned(),
                "feed.json:1: store: invalid type: integer `7`, expected a string",
            ),
            (
                "{\"store\": \"dns\"}".to_owned(),
                "feed.json:1: store: a store cannot be called `dns`: that one is built in",
            ),
            (
                "{\"store\": \"x\",\n\"entry\": []}".to_owned(),
                "feed.json:2: entry: unknown field `entry`",
            ),
            (
                "{\"store\": \"x\",\n\"policy\": \"best\"}".to_owned(),
                "feed.json:2: policy: unknown variant `best`",
            ),
            (
                "{\"store\": \"x\", \"policy\": \"max_severity\"}".to_owned(),
                "feed.json:1: policy: only ip_reputation settles what sources disagree about",
            ),
            (
                "{\"store\": \"ip_reputation\", \"priorities\": {}}".to_owned(),
                "feed.json:1: priorities: they have no effect: the policy is not `priority_based`",
            ),
            (
                "{\"store\": \"x\", \"entries\": [\n{\"source\": \"s\", \"key\": \"k\"}]}".to_owned(),
                "feed.json:2: entries[0]: missing field `data`",
            ),
            (
                "{\"store\": \"x\", \"entries\": [\n{\"source\": \"s\",\n\"key\": 1, \"data\": 1}]}"
                    .to_owned(),
                "feed.json:3: entries[0].key: invalid type: integer `1`, expected a string",
            ),
            (
                "{\"store\": \"x\"}\n{\"source\": \"s\"}".to_owned(),
                "feed.json:2: missing field `key`",
            ),
            (
                "{\"store\": \"x\"}\n[\"s\", \"k\", 1]".to_owned(),
                "feed.json:2: a JSON object is expected here",
            ),
            (
                "{\"store\": \"x\"}\n\nnonsense".to_owned(),
                "feed.json:3: expected ident",
            ),
            (
                reputation(&entry("host", "{\"status\": \"deny\", \"severity\": 1}")),
                "feed.json:2: entries[0].key: `host` is no IP address",
            ),
            (
                reputation(&entry("10.0.0.1", "{\"status\": \"deny\",\n\"severity\": 12}")),
                "feed.json:4: entries[0].data.severity: the severity 12 is not from 1 to 10",
            ),
            (
                reputation(&entry("10.0.0.1", "{\"severity\": 1}")),
                "feed.json:3: entries[0].data: missing field `status`",
            ),
        ] {
            let found = read(&text).expect_err(error).to_string();
            assert!(found.starts_with(error), "{found}\nshould be\n{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = load(Path::new("/nowhere/feed.json")).expect_err("it is not there");
        assert_eq!(error.to_string(), "cannot read /nowhere/feed.json");
    }
}
