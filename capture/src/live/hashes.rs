//! SHA-256 of files that are executed, or mapped to be executed.
//!
//! Files are read by a thread of its own: whoever provides a file system can let readers wait for as long as he likes. Every file is
//! read once: what tells files apart is a choice, see [`HashMode`]. A file that is not any more what was executed is not read.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};

use detectors_api::event::RecordedEvent;
use detectors_api::proto::event_value::Value;
use sha2::{Digest, Sha256};

/// Name in a capture's manifest of this enrichment.
pub const HASH_ENRICHMENT: &str = "executable-hash";

/// The field that an event gets.
pub(super) const FIELD: &str = "sha256";

/// The events that tell of such a file.
const EVENTS: [&str; 2] = [EXEC, "shared_object_loaded"];
const EXEC: &str = "sched_process_exec";

/// Files that wait to be read. More are not read.
const QUEUE: usize = 1024;
/// Files of which it is remembered what came of them.
const REMEMBERED: usize = 65_536;
/// Larger files are not read, bytes.
const LARGEST: u64 = 1 << 30;

/// What tells files apart. Two with the same inode number and time of last change are taken for one …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashMode {
    /// … wherever they are.
    Inode,
    /// … on one device.
    DevInode,
    /// … in containers of one image, whatever device each of them has; on one device otherwise.
    DigestInode,
}

impl HashMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Inode, Self::DevInode, Self::DigestInode];

    /// Its name, as detectors ask for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inode => "inode",
            Self::DevInode => "dev-inode",
            Self::DigestInode => "digest-inode",
        }
    }

    /// What the manifest says of an enrichment in this mode.
    #[must_use]
    pub fn enrichment(self) -> String {
        format!("{HASH_ENRICHMENT}={}", self.name())
    }
}

/// What tells one file from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    place: Place,
    inode: u64,
    ctime_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Anywhere,
    Device(u32),
    Image(String),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Anywhere => {}
            Place::Device(device) => write!(f, "{device}:")?,
            Place::Image(digest) => write!(f, "{digest}:")?,
        }
        write!(f, "{}:{}", self.inode, self.ctime_ns)
    }
}

/// A file to read.
#[derive(Debug)]
struct Request {
    key: Key,
    /// The process that runs it, if that is known.
    pid: Option<u32>,
    /// Where else it may be found; the first that is the file counts.
    paths: Vec<String>,
}

#[derive(Debug)]
struct Reply {
    key: Key,
    hash: Option<Arc<str>>,
}

/// What came of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is being read, or waits for that.
    Awaited,
    /// Its hash, in hexadecimal.
    Hash(Arc<str>),
    /// It could not be read.
    Failed,
}

/// The hashes of the files that have been seen.
#[derive(Debug)]
pub(super) struct Hashes {
    mode: HashMode,
    outcomes: HashMap<Key, Outcome>,
    /// The keys of `outcomes`, the oldest first.
    order: VecDeque<Key>,
    requests: SyncSender<Request>,
    replies: Receiver<Reply>,
}

impl Hashes {
    /// Starts the thread that reads files.
    pub(super) fn start(mode: HashMode) -> io::Result<Self> {
        let (requests, asked) = sync_channel::<Request>(QUEUE);
        let (answers, replies) = channel();
        std::thread::Builder::new()
            .name("file-hashes".to_owned())
            .spawn(move || read_files(&asked, &answers))?;
        Ok(Self {
            mode,
            outcomes: HashMap::new(),
            order: VecDeque::new(),
            requests,
            replies,
        })
    }

    /// The file that an event tells of, which is asked for if it is not known; `None` if the event tells of none.
    pub(super) fn look_up(&mut self, event: &RecordedEvent) -> Option<Key> {
        if !EVENTS.contains(&event.event.name.as_str()) {
            return None;
        }
        let request = self.request(event)?;
        let key = request.key.clone();
        if matches!(self.outcomes.get(&key), Some(Outcome::Awaited | Outcome::Hash(_))) {
            return Some(key);
        }
        let outcome = match self.requests.try_send(request) {
            Ok(()) => Outcome::Awaited,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Outcome::Failed,
        };
        self.remember(key.clone(), outcome);
        Some(key)
    }

    /// What came of a file that has been looked up.
    pub(super) fn outcome(&self, key: &Key) -> &Outcome {
        self.outcomes.get(key).unwrap_or(&Outcome::Failed)
    }

    /// Takes in what has been read; gives the keys.
    pub(super) fn receive(&mut self) -> Vec<Key> {
        let mut received = Vec::new();
        while let Ok(Reply { key, hash }) = self.replies.try_recv() {
            received.push(key.clone());
            self.remember(key, hash.map_or(Outcome::Failed, Outcome::Hash));
        }
        received
    }

    fn remember(&mut self, key: Key, outcome: Outcome) {
        if self.outcomes.insert(key.clone(), outcome).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.outcomes.remove(&oldest);
        }
    }

    fn request(&self, event: &RecordedEvent) -> Option<Request> {
        let field = |name: &str| {
            let mut fields = event.event.data.iter();
            fields.find(|field| field.name == name)?.value.as_ref()
        };
        let (Value::UInt32(device), Value::UInt64(inode), Value::UInt64(ctime_ns), Value::Str(path)) = (
            field("dev")?,
            field("inode")?,
            field("ctime")?,
            field("pathname")?,
        ) else {
            return None;
        };
        let workload = event.event.workload.as_ref()?;
        let image = || {
            let image = workload.container.as_ref()?.image.as_ref()?;
            image.repo_digests.first().filter(|digest| !digest.is_empty())
        };
        let place = match (self.mode, image()) {
            (HashMode::Inode, _) => Place::Anywhere,
            (HashMode::DigestInode, Some(digest)) => Place::Image(digest.clone()),
            (HashMode::DevInode | HashMode::DigestInode, _) => Place::Device(*device),
        };
        let process = workload.process.as_ref()?;
        let pid = process.host_pid?;
        // Its own program a process has even if nobody else finds it any more. If it has ended by now, its parent may see the same
        // files, or we do.
        let parent = process.ancestors.first().and_then(|parent| parent.host_pid);
        let roots = [Some(pid), parent].into_iter().flatten();
        let paths = roots.map(|pid| format!("/proc/{pid}/root{path}"));
        let paths = paths.chain([path.clone()]).collect();
        let (inode, ctime_ns) = (*inode, *ctime_ns);
        Some(Request {
            key: Key {
                place,
                inode,
                ctime_ns,
            },
            pid: (event.event.name == EXEC).then_some(pid),
            paths,
        })
    }
}

/// Reads files until nobody asks any more.
fn read_files(asked: &Receiver<Request>, answers: &Sender<Reply>) {
    for Request { key, pid, paths } in asked {
        let running = pid.and_then(|pid| hash_of(&format!("/proc/{pid}/exe"), &key, true));
        let hash = running.or_else(|| paths.iter().find_map(|path| hash_of(path, &key, false)));
        if answers.send(Reply { key, hash }).is_err() {
            break;
        }
    }
}

/// The hash of the file at `path`, if it is the one that the key is of. To one that is running nothing can have been written, even if
/// it has been removed, which changes it, too.
fn hash_of(path: &str, key: &Key, is_running: bool) -> Option<Arc<str>> {
    // Nothing that would wait is opened with these flags, but for a file system that lets readers wait.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok()?;
    let ctime_ns = metadata.ctime().wrapping_mul(1_000_000_000) + metadata.ctime_nsec();
    let removed = is_running && metadata.nlink() == 0;
    let unchanged = removed || ctime_ns.cast_unsigned() == key.ctime_ns;
    if !(metadata.is_file() && metadata.ino() == key.inode && unchanged && metadata.len() <= LARGEST) {
        return None;
    }
    sha256(file).ok()
}

fn sha256(file: File) -> io::Result<Arc<str>> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    // It may grow while it is read.
    let mut file = file.take(LARGEST);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(crate::manifest::hex(&hasher.finalize()).into()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
