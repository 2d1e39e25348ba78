//! What is known about processes, version by version, packed into flat tables.
//!
//! A version is small: what seldom changes (who it is, what it runs, as whom, how it ended) lies in tables of its own, shared
//! by the versions for which it is the same.

use super::facts::{Exit, Facts, Image, Index, Now, Setting};
use super::intern::{Interned, Text, Texts};
use super::timeline::{Entry, Head, Timelines, make_room};

/// A number that can be unknown, in four bytes. The greatest number cannot be told from an unknown one: it is neither a pid
/// nor a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known(u32);

impl From<Option<u32>> for Known {
    fn from(number: Option<u32>) -> Self {
        Self(number.unwrap_or(u32::MAX))
    }
}

impl From<Known> for Option<u32> {
    fn from(number: Known) -> Self {
        (number.0 != u32::MAX).then_some(number.0)
    }
}

/// Who a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// 0 if unknown.
    pub(super) start_ns: u64,
    pub(super) id: u32,
    pub(super) host_pid: u32,
    pub(super) pid: Known,
    pub(super) host_ppid: Known,
    pub(super) ppid: Known,
    pub(super) parent: Option<Index>,
    pub(super) adopted_by: Option<Index>,
    pub(super) coarse: bool,
    pub(super) inferred: bool,
}

impl Identity {
    /// When its leader started: ns since the Unix epoch.
    pub(super) fn started(&self) -> Option<u64> {
        (self.start_ns != 0).then_some(self.start_ns)
    }
}

/// A process from an event on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// Event time, in halves to save padding. It does not go back within a process.
    time: [u32; 2],
    /// Place in `identities`; `FORGOTTEN` for a process that is not known any more.
    identity: u32,
    name: Text,
    image: u32,
    setting: u32,
    /// Place in `exits`; `RUNNING` if there is nothing to tell.
    exit: u32,
}

const FORGOTTEN: u32 = u32::MAX;
const RUNNING: u32 = u32::MAX;

impl Version {
    pub(super) fn time_ns(&self) -> u64 {
        u64::from(self.time[0]) << 32 | u64::from(self.time[1])
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.identity == FORGOTTEN
    }

    /// The version of a process that is not known any more.
    fn forgotten(self) -> Self {
        Self {
            identity: FORGOTTEN,
            ..self
        }
    }
}

/// One incarnation of an entity id.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    pub(super) versions: Head,
    /// Children, each from the event that told of it.
    pub(super) children: Head,
    /// Threads other than the leader, each from the event that told of it.
    pub(super) threads: Head,
    /// Threads other than the leader whose exit was not seen.
    pub(super) live_threads: u32,
    /// The latest exit of a thread: ns since the Unix epoch; 0 before.
    pub(super) last_exit_ns: u64,
    /// Its entity id by now.
    id: u32,
    /// Whether it had another id before.
    renamed: bool,
}

impl Process {
    /// For another table: what does not point into this one.
    pub(super) fn without_links(self) -> Self {
        Self {
            live_threads: self.live_threads,
            last_exit_ns: self.last_exit_ns,
            ..Self::default()
        }
    }
}

/// All processes, with their versions.
#[derive(Debug, Default)]
pub(super) struct ProcessTable {
    pub(super) processes: Vec<Process>,
    pub(super) versions: Timelines<Version>,
    identities: Vec<Identity>,
    exits: Vec<Exit>,
    images: Interned<Image>,
    settings: Interned<Setting>,
    pub(super) texts: Texts,
    pub(super) children: Timelines<Index>,
    pub(super) threads: Timelines<Index>,
}

impl ProcessTable {
    /// A process of which this is known.
    pub(super) fn add(&mut self, now: Now, facts: &Facts) -> Index {
        let index = Index::at(self.processes.len());
        make_room(&mut self.processes);
        self.processes.push(Process::default());
        self.put(now, index, facts);
        index
    }

    pub(super) fn get(&self, index: Index) -> &Process {
        &self.processes[index.position()]
    }

    pub(super) fn get_mut(&mut self, index: Index) -> &mut Process {
        &mut self.processes[index.position()]
    }

    /// From which event on the process is known.
    pub(super) fn since(&self, index: Index) -> u64 {
        self.versions.since(self.get(index).versions).unwrap_or_default()
    }

    /// What is known by now.
    pub(super) fn facts(&self, index: Index) -> Facts {
        let head = self.get(index).versions;
        self.versions
            .get(head)
            .map(|entry| self.unpack(&entry.value))
            .unwrap_or_default()
    }

    /// What is known about a process changes.
    pub(super) fn update(&mut self, now: Now, index: Index, change: impl FnOnce(&mut Facts)) {
        let before = self.facts(index);
        let mut facts = before;
        change(&mut facts);
        if facts != before {
            self.put(now, index, &facts);
        }
    }

    /// The process is not known any more.
    pub(super) fn forget(&mut self, now: Now, index: Index) {
        let head = self.get(index).versions;
        if let Some(latest) = self.versions.get(head) {
            let version = latest.value.forgotten();
            self.put_version(now.seq, index, version);
        }
    }

    /// This is known about a process from now on.
    pub(super) fn put(&mut self, now: Now, index: Index, facts: &Facts) {
        let latest = self.versions.get(self.get(index).versions).copied();
        let time_ns = latest.map_or(0, |latest| latest.value.time_ns()).max(now.time_ns);
        let version = self.pack(now.seq, time_ns, facts, latest);
        self.put_version(now.seq, index, version);
    }

    /// What one event makes of a process is one version.
    fn put_version(&mut self, seq: u64, index: Index, version: Version) {
        let id = self.identity(&version).map(|identity| identity.id);
        let process = &mut self.processes[index.position()];
        if let Some(id) = id {
            process.renamed |= process.versions != Head::default() && process.id != id;
            process.id = id;
        }
        let head = &mut process.versions;
        match self.versions.get(*head) {
            Some(latest) if latest.seq == seq => {
                if let Some(value) = self.versions.value_mut(*head) {
                    *value = version;
                }
            }
            _ => self.versions.push(head, seq, version),
        }
    }

    /// The entity id that a process, which is known, had as of event `seq`. Few ever had two.
    pub(super) fn id_at(&self, index: Index, seq: u64) -> Option<u32> {
        let process = self.get(index);
        if !process.renamed {
            return Some(process.id);
        }
        let entry = self.versions.get(self.versions.until(process.versions, seq))?;
        Some(self.identity(&entry.value)?.id)
    }

    /// Packs what is known from event `seq` on. What is as in the latest version is shared with it; what is not takes the
    /// place of what the same event said before, if that is nobody else's.
    fn pack(&mut self, seq: u64, time_ns: u64, facts: &Facts, latest: Option<Entry<Version>>) -> Version {
        let identity = Identity {
            start_ns: facts.start_ns.unwrap_or_default(),
            id: facts.id,
            host_pid: facts.host_pid,
            pid: facts.pid.into(),
            host_ppid: facts.host_ppid.into(),
            ppid: facts.ppid.into(),
            parent: facts.parent,
            adopted_by: facts.adopted_by,
            coarse: facts.coarse,
            inferred: facts.inferred,
        };
        let replaced = latest.filter(|latest| latest.seq == seq);
        let shared = replaced
            .and_then(|latest| self.versions.get(latest.earlier))
            .map(|entry| entry.value);
        let (latest, replaced) = (latest.map(|entry| entry.value), replaced.map(|entry| entry.value));
        let own = |of: fn(&Version) -> u32| {
            let own = replaced.filter(|version| shared.is_none_or(|shared| of(&shared) != of(version)));
            own.map(|version| of(&version))
        };
        let exit = match facts.exit {
            exit if exit == Exit::default() => RUNNING,
            exit => place(
                &mut self.exits,
                exit,
                latest.map(|latest| latest.exit),
                own(|version| version.exit).filter(|exit| *exit != RUNNING),
            ),
        };
        Version {
            time: [(time_ns >> 32) as u32, time_ns as u32],
            identity: place(
                &mut self.identities,
                identity,
                latest.map(|latest| latest.identity),
                own(|version| version.identity),
            ),
            name: facts.name,
            image: self.images.number(facts.image),
            setting: self.settings.number(facts.setting),
            exit,
        }
    }

    /// Copies a version from another table. Its process is `index` here; `moved` tells the places of the others.
    pub(super) fn copy_version(
        &mut self,
        from: &Self,
        index: Index,
        entry: &Entry<Version>,
        moved: impl Fn(Index) -> Option<Index>,
    ) {
        let latest = self.versions.get(self.get(index).versions).copied();
        let mut facts = if entry.value.is_forgotten() {
            self.facts(index)
        } else {
            from.unpack(&entry.value)
        };
        if !entry.value.is_forgotten() {
            let mut text = |text: &mut Text| *text = self.texts.number(from.texts.get(*text));
            text(&mut facts.name);
            text(&mut facts.image.path);
            text(&mut facts.image.exec_name);
            text(&mut facts.setting.container);
            facts.parent = facts.parent.and_then(&moved);
            facts.adopted_by = facts.adopted_by.and_then(&moved);
        }
        let version = self.pack(entry.seq, entry.value.time_ns(), &facts, latest);
        let version = if entry.value.is_forgotten() {
            version.forgotten()
        } else {
            version
        };
        self.put_version(entry.seq, index, version);
    }

    pub(super) fn add_child(&mut self, now: Now, parent: Index, child: Index) {
        let head = &mut self.processes[parent.position()].children;
        self.children.push(head, now.seq, child);
    }

    pub(super) fn add_thread(&mut self, now: Now, process: Index, thread: Index) {
        let head = &mut self.processes[process.position()].threads;
        self.threads.push(head, now.seq, thread);
    }

    pub(super) fn identity(&self, version: &Version) -> Option<&Identity> {
        self.identities.get(version.identity as usize)
    }

    pub(super) fn image(&self, version: &Version) -> &Image {
        self.images.get(version.image)
    }

    pub(super) fn setting(&self, version: &Version) -> &Setting {
        self.settings.get(version.setting)
    }

    pub(super) fn exit(&self, version: &Version) -> Exit {
        self.exits.get(version.exit as usize).copied().unwrap_or_default()
    }

    pub(super) fn name(&self, version: &Version) -> &str {
        self.texts.get(version.name)
    }

    pub(super) fn unpack(&self, version: &Version) -> Facts {
        let Some(identity) = self.identity(version) else {
            return Facts::default();
        };
        Facts {
            id: identity.id,
            host_pid: identity.host_pid,
            pid: identity.pid.into(),
            host_ppid: identity.host_ppid.into(),
            ppid: identity.ppid.into(),
            parent: identity.parent,
            adopted_by: identity.adopted_by,
            start_ns: identity.started(),
            coarse: identity.coarse,
            inferred: identity.inferred,
            name: version.name,
            image: *self.image(version),
            setting: *self.setting(version),
            exit: self.exit(version),
        }
    }
}

/// The place of `value` in a table: that of the latest one, if it is the same; or `own`, which it then replaces; or a new one.
fn place<T: Copy + PartialEq>(table: &mut Vec<T>, value: T, latest: Option<u32>, own: Option<u32>) -> u32 {
    if let Some(latest) = latest
        && table.get(latest as usize) == Some(&value)
    {
        return latest;
    }
    if let Some(own) = own
        && let Some(place) = table.get_mut(own as usize)
    {
        *place = value;
        return own;
    }
    // Not more than versions, of which there are fewer than 2^32 - 1.
    let place = table.len() as u32;
    make_room(table);
    table.push(value);
    place
}
