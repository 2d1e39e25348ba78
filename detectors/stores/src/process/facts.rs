//! What can be known about a process.

use std::num::NonZeroU32;

use detectors_api::stores::ExecutableFile;

use super::intern::Text;

/// A process or a thread, by its place in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Index(NonZeroU32);

impl Index {
    /// # Panics
    /// Beyond 2³² − 1 entries, long after memory has run out.
    pub(super) fn at(position: usize) -> Self {
        let number = u32::try_from(position + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("fewer than 2^32 entries"))
    }

    pub(super) fn position(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// When something happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) seq: u64,
    /// Event time: ns since the Unix epoch; 0 if unknown.
    pub(super) time_ns: u64,
}

/// What a process executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Image {
    pub(super) path: Text,
    /// The last part of the path that the kernel was given.
    pub(super) exec_name: Text,
    pub(super) file: Option<ExecutableFile>,
}

/// As whom and where a process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Setting {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) container: Text,
}

/// How a process ended, or is ending. Times are ns since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exit {
    /// When its last thread exited; `None` while it runs.
    pub(super) ns: Option<u64>,
    pub(super) leader_ns: Option<u64>,
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// The kernel said that no thread was left.
    pub(super) complete: bool,
}

/// What is known about a process at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) id: u32,
    /// 0 if unknown.
    pub(super) host_pid: u32,
    pub(super) pid: Option<u32>,
    pub(super) host_ppid: Option<u32>,
    pub(super) ppid: Option<u32>,
    pub(super) parent: Option<Index>,
    pub(super) adopted_by: Option<Index>,
    pub(super) start_ns: Option<u64>,
    /// `start_ns` comes from a clock that ticks every 10 ms.
    pub(super) coarse: bool,
    pub(super) inferred: bool,
    pub(super) name: Text,
    pub(super) image: Image,
    pub(super) setting: Setting,
    pub(super) exit: Exit,
}

impl Facts {
    /// It runs the binary with this path; empty if unknown.
    pub(super) fn runs(&mut self, path: Text) {
        if !path.is_empty() && path != self.image.path {
            self.image = Image {
                path,
                ..Image::default()
            };
        }
    }

    /// What is not known yet is as it was with the parent.
    pub(super) fn inherit(&mut self, parent: &Self) {
        self.name = self.name.or(parent.name);
        if self.image.path.is_empty() {
            self.image = parent.image;
        }
        self.setting.uid = self.setting.uid.or(parent.setting.uid);
        self.setting.gid = self.setting.gid.or(parent.setting.gid);
        self.setting.container = self.setting.container.or(parent.setting.container);
    }
}
