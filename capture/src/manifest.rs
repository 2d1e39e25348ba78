//! `manifest.json`: what a capture is and what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use detectors_stores::Settings;
use serde::{Deserialize, Serialize};

use crate::records::Content;
use crate::volume::Volume;
use crate::{Error, Excerpt, MergedPart, Table};

/// Name of the manifest in the capture's directory.
pub const MANIFEST: &str = "manifest.json";

/// Where a new manifest is written before it takes the old one's place.
pub(crate) const TEMPORARY: &str = ".manifest.json.tmp";

/// The format that this version writes. A newer minor version is read, a newer major version is refused.
pub const FORMAT: &str = "1.2";

const FORMAT_MAJOR: u32 = 1;

/// Name and version of this tool.
pub(crate) const TOOL: &str = concat!("tracee-cap ", env!("CARGO_PKG_VERSION"));

/// Bytes of the largest manifest that is read: some 200,000 parts.
const MAX_BYTES: u64 = 128 << 20;

/// Whether a capture is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being recorded.
    Open,
    /// Complete: the recorder ended it.
    Closed,
    /// The recorder died; what it had acknowledged is there.
    Truncated,
}

impl State {
    /// The word in the manifest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Truncated => "truncated",
        }
    }
}

/// What the recorder knows about a recording, beyond the events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Random, 32 hexadecimal digits: tells captures apart. Left empty, the writer makes one up.
    pub capture_id: String,
    /// When recording began, RFC 3339. Absent for imports, so that the same input gives the same capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The recorder's command line.
    pub argv: Vec<String>,
    /// The machine.
    pub host: Host,
    /// How kernel time maps to UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// What the sensor hooked and what it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensor_plan: Option<serde_json::Value>,
    /// Filters that were in force, as given.
    pub filters: Vec<String>,
    /// Enrichments that were recorded.
    pub enrichments: Vec<String>,
    /// How long stores keep what has ended, in ns of event time; absent for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stores_retention_ns: Option<u64>,
    /// Where the events come from.
    pub source: Source,
    /// What the capture was cut out of, if it is a part of another one. All else is said of the whole recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<Excerpt>,
    /// What the capture was merged from, in order; empty if it was not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<MergedPart>,
}

impl Header {
    /// The machines whose events these are: what is known of each, and how long its stores keep what has ended, in ns of event time.
    /// Of several, event `seq` is of machine `seq % n`.
    #[must_use]
    pub fn machines(&self) -> Vec<(&Host, Option<u64>)> {
        let mut machines: Vec<_> = Vec::new();
        for part in &self.merged {
            // They are numbered as they come.
            if part.machine == machines.len() as u64 {
                machines.push((&part.host, part.stores_retention_ns));
            }
        }
        if machines.len() < 2 {
            machines = vec![(&self.host, self.stores_retention_ns)];
        }
        machines
    }

    /// What is fixed for the stores of a recording that has events of these types: of each of its machines.
    #[must_use]
    pub fn store_settings<'a>(&self, event_types: impl IntoIterator<Item = &'a str>) -> Vec<Settings> {
        let is_dns = |event: &str| event.starts_with("net_packet_dns");
        let watched = |report: &serde_json::Value| {
            report["status"] == "hooked" && report["event"].as_str().is_some_and(is_dns)
        };
        let plan = self.sensor_plan.as_ref().and_then(|plan| plan.as_array());
        let dns = plan.into_iter().flatten().any(watched) || event_types.into_iter().any(is_dns);
        let machines = self.machines().into_iter();
        machines
            .map(|(host, retention_ns)| Settings {
                retention_ns,
                architecture: host.architecture.clone(),
                dns,
            })
            .collect()
    }
}

/// Facts about the recorded machine; empty where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Node name.
    pub name: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture, as `uname -m`.
    pub architecture: String,
    /// Distribution, as `PRETTY_NAME` of os-release.
    pub os: String,
    /// Number of CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Boot id: tells boots apart.
    pub boot_id: String,
}

/// How kernel time maps to UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// UTC minus time since boot (including suspend), in ns, when recording began.
    pub boot_offset_ns: i64,
    /// Uncertainty of the offset in ns.
    pub uncertainty_ns: u64,
}

/// Where events come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A sensor on the recorded machine.
    #[default]
    Live,
    /// Events that another program wrote: files, or a stream that was recorded as it came.
    Import {
        /// The files, in order, or the stream.
        inputs: Vec<ImportedInput>,
    },
}

/// What was read from one input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportedInput {
    /// Path or address as given; `-` for standard input.
    pub name: String,
    /// `ndjson`, `protobuf` or `grpc`.
    pub format: String,
    /// What made the events, by name and version, such as `tracee v0.24.1`; empty if unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub producer: String,
    /// Bytes, as stored (compressed, if they were).
    pub bytes: u64,
    /// Records: lines that are not blank, or messages. `records = events + log_lines + unreadable`.
    pub records: u64,
    /// Records that are events.
    pub events: u64,
    /// Lines that a logger wrote between the events.
    pub log_lines: u64,
    /// Records that could not be read. What they held is unknown, so they count neither as received nor as lost.
    pub unreadable: u64,
    /// Events that are not in the capture because others were selected.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

impl ImportedInput {
    /// Counts one more record.
    pub(crate) fn count(&mut self, content: &Content) {
        self.records += 1;
        match content {
            Content::Event(_) => self.events += 1,
            Content::Log => self.log_lines += 1,
            Content::Unreadable(_) => self.unreadable += 1,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Totals: `received = written + lost`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Events that the source had.
    pub received: u64,
    /// Events in the capture.
    pub written: u64,
    /// Events that are known to be missing: the sum over the loss table.
    pub lost: u64,
}

/// An inclusive range of sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeqRange {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// An inclusive range of times. The manifest has them as RFC 3339 with ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    /// The earliest, in ns since the Unix epoch.
    #[serde(with = "rfc3339")]
    pub first: i64,
    /// The latest, in ns since the Unix epoch.
    #[serde(with = "rfc3339")]
    pub last: i64,
}

impl SeqRange {
    /// The smallest range that holds both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

impl TimeRange {
    /// The smallest range that holds both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

/// One Parquet file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Path from the capture's directory: always [`Table::part_path`] of the table and the segment.
    pub path: String,
    /// The table it is part of.
    pub table: Table,
    /// The segment: its number is in the name.
    pub segment: u32,
    /// Number of rows.
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Sequence numbers of the rows. Only for events, inputs and keyframes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seq: Option<SeqRange>,
    /// Times of the rows that have one. Only for events.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time: Option<TimeRange>,
    /// BLAKE3 of the file, in hexadecimal.
    pub digest: String,
    /// BLAKE3 of the chain value before (32 zero bytes for the first part), [`Part::digest`] (both as 32 bytes) and
    /// [`Part::path`]: the order and the set of parts cannot be changed unnoticed.
    pub chain: String,
}

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format, `major.minor`.
    pub format: String,
    /// The tool that wrote the capture, `name version`.
    pub tool: String,
    /// Whether the capture is complete, as far as the recorder knew when it wrote this.
    pub state: State,
    /// What the recorder knows beyond the events.
    #[serde(rename = "recording")]
    pub header: Header,
    /// Sequence numbers of the events. Absent without events.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seq: Option<SeqRange>,
    /// Times of the events that have one. Absent if none has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time: Option<TimeRange>,
    /// Totals.
    pub totals: Totals,
    /// Number of events by event type.
    pub events: BTreeMap<String, u64>,
    /// Number of segments that have become Parquet. The journal of a segment with a lower number is void.
    pub segments: u32,
    /// The files, in the order in which they were written.
    pub parts: Vec<Part>,
}

impl Manifest {
    pub(crate) fn new(header: Header) -> Self {
        Self {
            format: FORMAT.to_owned(),
            tool: TOOL.to_owned(),
            state: State::Open,
            header,
            seq: None,
            time: None,
            totals: Totals::default(),
            events: BTreeMap::new(),
            segments: 0,
            parts: Vec::new(),
        }
    }

    /// Digest of the whole capture: the last value of the hash chain over the parts, in hexadecimal.
    ///
    /// Equal digests mean equal files in equal order. The manifest itself is not covered.
    #[must_use]
    pub fn digest(&self) -> String {
        self.parts
            .last()
            .map_or_else(|| hex(&[0; 32]), |part| part.chain.clone())
    }

    /// Bytes of all parts.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Records that could not be read when the capture was imported.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        match &self.header.source {
            Source::Live => 0,
            Source::Import { inputs } => inputs.iter().map(|input| input.unreadable).sum(),
        }
    }

    /// What made the events, by name and version, as far as the inputs tell; empty if unknown.
    #[must_use]
    pub fn producer(&self) -> &str {
        match &self.header.source {
            Source::Live => "",
            Source::Import { inputs } => inputs
                .iter()
                .map(|input| input.producer.as_str())
                .find(|producer| !producer.is_empty())
                .unwrap_or_default(),
        }
    }

    /// Counts `written` more events of type `event_type`.
    pub(crate) fn count(&mut self, event_type: &str, written: u64, seq: SeqRange, time: Option<TimeRange>) {
        *self.events.entry(event_type.to_owned()).or_default() += written;
        self.totals.written += written;
        self.totals.received += written;
        self.seq = Some(self.seq.map_or(seq, |all| all.join(seq)));
        self.time = join(self.time, time);
    }

    pub(crate) fn count_lost(&mut self, lost: u64) {
        self.totals.lost = self.totals.lost.saturating_add(lost);
        self.totals.received = self.totals.written.saturating_add(self.totals.lost);
    }

    /// Reads and checks the manifest of a capture.
    pub(crate) fn read(volume: &Volume) -> Result<Self, Error> {
        let text = Self::text(volume)?;
        Self::parse(volume.file_name(MANIFEST), &text)
    }

    /// The manifest as it is written.
    pub(crate) fn text(volume: &Volume) -> Result<Vec<u8>, Error> {
        volume.read(MANIFEST, MAX_BYTES)
    }

    /// Checks `text`, which is that of the manifest at `path`.
    pub(crate) fn parse(path: PathBuf, text: &[u8]) -> Result<Self, Error> {
        let broken = |reason: String| Error::Manifest {
            path: path.clone(),
            reason,
        };
        // The version first: the rest may look different in another one.
        #[derive(Deserialize)]
        struct Versioned {
            format: String,
        }
        let Versioned { format } = serde_json::from_slice(text)
            .map_err(|error| broken(format!("this is no manifest of a capture: {error}")))?;
        check_version(&path, &format)?;
        let manifest: Self = serde_json::from_slice(text).map_err(|error| broken(error.to_string()))?;
        manifest.check().map_err(broken)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let Totals {
            received,
            written,
            lost,
        } = self.totals;
        if written.checked_add(lost) != Some(received) {
            return Err(format!(
                "the totals contradict each other: {received} received, {written} written, {lost} lost"
            ));
        }
        let mut before = 0;
        let mut paths = BTreeSet::new();
        for part in &self.parts {
            if part.path != part.table.part_path(part.segment) {
                return Err(format!(
                    "part `{}` of table {} and segment {} should be {}",
                    part.path,
                    part.table,
                    part.segment,
                    part.table.part_path(part.segment)
                ));
            }
            if part.segment >= self.segments {
                return Err(format!(
                    "{} belongs to segment {}, and there are {}",
                    part.path, part.segment, self.segments
                ));
            }
            if part.segment < before || !paths.insert(&part.path) {
                return Err(format!("{} is listed twice, or after a later segment", part.path));
            }
            if matches!(part.table, Table::Events(_)) && part.seq.is_none() {
                return Err(format!("{} has no sequence numbers", part.path));
            }
            before = part.segment;
        }
        Ok(())
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| Error::Manifest {
            path: directory.join(MANIFEST),
            reason: error.to_string(),
        })?;
        text.push(b'\n');
        crate::files::replace(directory, MANIFEST, &text)
    }
}

/// Whether this version can read what has version `format` of the capture format.
pub(crate) fn check_version(path: &Path, format: &str) -> Result<(), Error> {
    let major: u32 = format
        .split_once('.')
        .and_then(|(major, minor)| minor.parse::<u32>().ok().and(major.parse().ok()))
        .ok_or_else(|| Error::Manifest {
            path: path.to_owned(),
            reason: format!("`{format}` is no version of the capture format"),
        })?;
    if major == FORMAT_MAJOR {
        return Ok(());
    }
    Err(Error::Version {
        path: path.to_owned(),
        found: format.to_owned(),
        supported: FORMAT,
    })
}

/// The smallest range that holds both, where there are any.
pub(crate) fn join(one: Option<TimeRange>, other: Option<TimeRange>) -> Option<TimeRange> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.join(other)),
        (one, other) => one.or(other),
    }
}

/// The chain value after a part; `None` if a digest is not 64 hexadecimal digits.
pub(crate) fn chain(before: Option<&str>, digest: &str, path: &str) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    match before {
        Some(before) => hasher.update(blake3::Hash::from_hex(before).ok()?.as_bytes()),
        None => hasher.update(&[0; 32]),
    };
    hasher.update(blake3::Hash::from_hex(digest).ok()?.as_bytes());
    hasher.update(path.as_bytes());
    Some(hasher.finalize().to_hex().to_string())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// ns since the Unix epoch as RFC 3339 with nine digits after the point.
#[must_use]
pub fn format_time(ns: i64) -> String {
    // Every i64 of ns lies between the years 1677 and 2262, which jiff covers.
    jiff::Timestamp::from_nanosecond(i128::from(ns))
        .map(|time| format!("{time:.9}"))
        .unwrap_or_default()
}

mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(ns: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_time(*ns))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        i64::try_from(time.as_nanosecond())
            .map_err(|_| serde::de::Error::custom(format!("{text} does not fit into 64-bit nanoseconds")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_to_the_nanosecond() {
        for ns in [i64::MIN, -1, 0, 1, 1_763_000_000_123_456_789, i64::MAX] {
            let range = TimeRange { first: ns, last: ns };
            let text = serde_json::to_string(&range).unwrap();
            assert_eq!(serde_json::from_str::<TimeRange>(&text).unwrap(), range, "{text}");
        }
    }

    #[test]
    fn the_chain_depends_on_everything() {
        let zero = hex(&[0; 32]);
        let first = chain(None, &zero, "a").unwrap();
        assert_eq!(chain(Some(&zero), &zero, "a").unwrap(), first);
        assert_ne!(chain(Some(&first), &zero, "a").unwrap(), first);
        assert_ne!(chain(None, &first, "a").unwrap(), first);
        assert_ne!(chain(None, &zero, "b").unwrap(), first);
        assert_eq!(chain(None, "no digest", "a"), None);
    }
}
