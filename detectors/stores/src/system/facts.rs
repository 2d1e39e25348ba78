//! What a recorder reads about its host, and what follows from it.

use std::collections::BTreeMap;

use detectors_api::stores::SystemInfo;

use super::os_release::OsRelease;
use crate::rows::{RowsError, rows};

rows! {
    table "stores/system";
    /// A host, as it describes itself. Texts are empty where they could not be read.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct HostFacts {
        /// `sysname` of uname(2).
        pub sysname: String,
        /// `nodename` of uname(2).
        pub nodename: String,
        /// `release` of uname(2).
        pub release: String,
        /// `version` of uname(2).
        pub version: String,
        /// `machine` of uname(2).
        pub machine: String,
        /// Host name, as the system is configured.
        pub hostname: String,
        /// Boot id.
        pub boot_id: String,
        /// The text of `/etc/os-release`.
        pub os_release: String,
        /// UTC minus time since boot (including suspend): ns.
        pub boot_offset_ns: Option<u64>,
        /// When the recorder started: ns since boot (including suspend).
        pub start_boot_ns: Option<u64>,
        /// Name and version of the recorder.
        pub recorder: String,
        /// The first process's namespaces: `NAME=INODE`, the name as in `/proc/1/ns`.
        pub init_namespaces: Vec<String>,
    }
}

impl HostFacts {
    /// What follows from the facts. `row` is where they are, for errors.
    ///
    /// # Errors
    /// If a namespace has no inode number.
    pub(super) fn derive(self, row: usize) -> Result<SystemInfo, RowsError> {
        let os = OsRelease::parse(&self.os_release);
        Ok(SystemInfo {
            architecture: match self.machine.contains("aarch64") {
                true => "arm64".to_owned(),
                false => self.machine,
            },
            kernel_release: self.release,
            hostname: self.hostname,
            boot_id: self.boot_id,
            boot_time_ns: self.boot_offset_ns,
            start_time_ns: self
                .boot_offset_ns
                .zip(self.start_boot_ns)
                .and_then(|(offset, start)| offset.checked_add(start)),
            os_name: os.name,
            os_version: os.version,
            os_pretty_name: os.pretty_name,
            recorder_version: self.recorder,
            init_namespaces: namespaces(row, &self.init_namespaces)?,
        })
    }
}

fn namespaces(row: usize, texts: &[String]) -> Result<BTreeMap<String, u32>, RowsError> {
    texts
        .iter()
        .map(|text| {
            let (name, inode) = text.split_once('=')?;
            Some((name.to_owned(), inode.parse().ok()?))
        })
        .zip(texts)
        .map(|(namespace, text)| {
            namespace.ok_or_else(|| RowsError::Value {
                table: <HostFacts as crate::rows::Row>::TABLE,
                column: "init_namespaces",
                row,
                value: text.clone(),
                reason: "a namespace is written NAME=INODE".to_owned(),
            })
        })
        .collect()
}
