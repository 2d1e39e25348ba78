//! The record ABI: what the programs write into the ring buffer. `src/bpf/record.h` is its other half.
//!
//! A record is a header, a payload whose layout follows from the kind, then chunks (tag, flags, length, bytes), and last the frames of
//! the user stack, if the header says that there are any. Records are parsed with bounds checks throughout: a record that is not as described is an error, never a panic.

use std::mem::{offset_of, size_of};

mod fields;
mod packet;

pub(crate) use fields::form;
pub use fields::{Credentials, Event, HookedFunction, RawValue};
pub use packet::{Packet, PacketEvent};

/// Version of the ABI. Programs and parser come from one build; a difference means that memory was corrupted.
pub const VERSION: u16 = 1;

/// Buffers of a CPU: programs that interrupt each other make their records in different ones, and count them there.
pub const LANES: usize = 4;

/// A type that any bytes are a value of, without padding.
///
/// # Safety
/// Implementors are `repr(C)`, have only integer members or arrays of them, and no padding.
unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ident = $size:literal),+ $(,)?) => {
        $(
            // SAFETY: `repr(C)`, integers only; the members' sizes add up to the size (no padding), see record.h.
            unsafe impl Plain for $type {}
            const _: () = assert!(size_of::<$type>() == $size);
        )+
    };
}

plain!(
    Header = 144,
    TaskId = 24,
    FileId = 24,
    Fork = 96,
    ExecFixed = 64,
    Exit = 8,
    OpenFixed = 32,
    SocketFixed = 16,
    Credentials = 80,
    EventFixed = 8,
    CgroupFixed = 32,
    PacketFixed = 16,
    ChunkHead = 8
);
const _: () = assert!(offset_of!(Header, cpu) == 56 && offset_of!(Header, comm) == 112);

/// Who did it, when, and where in the stream of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// Length of the record, bytes.
    pub len: u32,
    kind: u16,
    version: u16,
    /// Number of the record among those of its CPU and [lane](Self::lane), from 0, lost ones included.
    pub seq: u64,
    /// ns since boot.
    pub time: u64,
    /// Start of the task, ns since boot.
    pub task_start: u64,
    /// Start of its thread-group leader, ns since boot.
    pub leader_start: u64,
    /// Start of the parent process, ns since boot.
    pub parent_start: u64,
    /// Inode number of the cgroup's directory.
    pub cgroup_id: u64,
    /// CPU on which it happened.
    pub cpu: u32,
    /// Thread id in the root pid namespace.
    pub tid: u32,
    /// Process id in the root pid namespace.
    pub pid: u32,
    /// Thread id in the task's own pid namespace.
    pub ns_tid: u32,
    /// Process id in the task's own pid namespace.
    pub ns_pid: u32,
    /// Process id of the parent process in the root pid namespace.
    pub ppid: u32,
    /// Process id of the parent process in the task's own pid namespace; 0 if it is in another.
    pub ns_ppid: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Inode number of the mount namespace.
    pub mnt_ns: u32,
    /// Inode number of the pid namespace.
    pub pid_ns: u32,
    syscall: i32,
    flags: u32,
    /// Which of the CPU's [`LANES`] it was made in.
    pub lane: u16,
    frames: u16,
    comm: [u8; 16],
    node: [u8; 16],
}

impl Header {
    /// Name of the task.
    #[must_use]
    pub fn comm(&self) -> String {
        text(&self.comm)
    }

    /// UTS node name, cut to 15 bytes.
    #[must_use]
    pub fn node(&self) -> String {
        text(&self.node)
    }

    /// Whether the task is in a 32-bit system call on a 64-bit kernel.
    #[must_use]
    pub fn compat(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether the task is a kernel thread.
    #[must_use]
    pub fn kernel_thread(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Number of the system call in progress, in the table that [`compat`](Self::compat) names.
    #[must_use]
    pub fn syscall(&self) -> Option<u32> {
        u32::try_from(self.syscall).ok()
    }
}

/// The numbers of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TaskId {
    /// Thread id in the root pid namespace.
    pub tid: u32,
    /// Process id in the root pid namespace.
    pub pid: u32,
    /// Thread id in its own pid namespace.
    pub ns_tid: u32,
    /// Process id in its own pid namespace.
    pub ns_pid: u32,
    /// Start, ns since boot.
    pub start: u64,
}

/// The identity of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FileId {
    /// Inode number.
    pub inode: u64,
    /// Time of the last status change, ns since the Unix epoch.
    pub ctime: u64,
    /// Device in the kernel's encoding: major << 20 | minor.
    pub dev: u32,
    /// `st_mode`.
    pub mode: u32,
}

/// A task was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Fork {
    /// The forking task.
    pub parent: TaskId,
    /// The new task.
    pub child: TaskId,
    /// Leader of the new task's real parent.
    pub parent_process: TaskId,
    /// Leader of the new task.
    pub leader: TaskId,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct ExecFixed {
    file: FileId,
    loader: FileId,
    argc: u32,
    envc: u32,
    stdin_mode: u32,
    invoked_from_kernel: u32,
}

/// A task runs another program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// The image.
    pub file: FileId,
    /// Its resolved path.
    pub path: String,
    /// The path handed to the kernel.
    pub cmdpath: String,
    /// Path of the interpreter of a script; the path handed to the kernel otherwise.
    pub interp: String,
    /// The ELF loader, if there is one and the kernel tells.
    pub loader: Option<(String, FileId)>,
    /// Arguments. Those that did not fit are `?`.
    pub argv: Vec<String>,
    /// Environment, empty unless asked for. Variables that did not fit are `?`.
    pub env: Vec<String>,
    /// `st_mode` of standard input, 0 if it is closed.
    pub stdin_mode: u32,
    /// Path of standard input.
    pub stdin_path: String,
    /// Working directory.
    pub pwd: String,
    /// Name of the task before.
    pub prev_comm: String,
    /// Whether the parent is a kernel thread.
    pub invoked_from_kernel: bool,
}

/// A task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Exit {
    code: i32,
    group_dead: u32,
}

impl Exit {
    /// Exit status, 0 to 255.
    #[must_use]
    pub fn status(&self) -> i32 {
        self.code >> 8
    }

    /// The signal that ended it, with bit 7 set if it dumped core; 0 for none.
    #[must_use]
    pub fn signal(&self) -> i32 {
        if self.code & 0x7f == 0 {
            0
        } else {
            self.code & 0xff
        }
    }

    /// Whether it was the last task of its process.
    #[must_use]
    pub fn group_dead(&self) -> bool {
        self.group_dead != 0
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
struct OpenFixed {
    file: FileId,
    flags: u32,
    reserved: u32,
}

/// A file was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The file.
    pub file: FileId,
    /// Its resolved path.
    pub path: String,
    /// The path as the program gave it.
    pub user_path: String,
    /// Open flags.
    pub flags: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct SocketFixed {
    fd: i32,
    unused: i32,
    kind: u32,
    reserved: u32,
}

/// Something was done with a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Descriptor.
    pub fd: i32,
    /// `SOCK_*`.
    pub kind: u32,
    /// `struct sockaddr` of some family; empty if it could not be read.
    pub address: Vec<u8>,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct EventFixed {
    event: u32,
    reserved: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct CgroupFixed {
    id: u64,
    hierarchy: u32,
    task: u32,
    comm: [u8; 16],
}

#[derive(Clone, Copy)]
#[repr(C)]
struct PacketFixed {
    events: u32,
    leaving: u32,
    net_ns: u32,
    len: u32,
}

/// A control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Inode number of its directory, unique in its hierarchy.
    pub id: u64,
    /// Number of its hierarchy; 0 for the unified one (v2).
    pub hierarchy: u32,
    /// Path from the root of the hierarchy.
    pub path: String,
}

/// A task was moved to another control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupAttach {
    /// Where it is now.
    pub cgroup: Cgroup,
    /// The moved task: thread id in the root pid namespace.
    pub tid: u32,
    /// Its name.
    pub comm: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A task was made.
    Fork(Fork),
    /// A task runs another program.
    Exec(Box<Exec>),
    /// A task ended.
    Exit(Exit),
    /// A file was opened.
    Open(Open),
    /// A socket is being connected.
    Connect(Socket),
    /// A control group was made.
    CgroupMkdir(Cgroup),
    /// A control group was removed.
    CgroupRmdir(Cgroup),
    /// A task was moved to another control group.
    CgroupAttach(CgroupAttach),
    /// An event whose fields are told one by one.
    Event(Event),
    /// A packet comes or goes.
    Packet(Packet),
    /// A task of the list of live tasks.
    Task,
}

/// A parsed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who, when, where.
    pub head: Header,
    /// What.
    pub body: Body,
    /// Where the task is in its program, and where its callers go on, the innermost first: instruction addresses, at most 20. Empty
    /// unless asked for, and for packets.
    pub stack: Vec<u64>,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It ends too early.
    #[error("a sensor record of {len} bytes ends inside its {part}")]
    Short {
        /// Length found, bytes.
        len: usize,
        /// What is not complete.
        part: &'static str,
    },
    /// Its length member says something else.
    #[error("a sensor record of {found} bytes says that it has {said}")]
    Length {
        /// Length found, bytes.
        found: usize,
        /// Length according to the header, bytes.
        said: u32,
    },
    /// Another ABI.
    #[error("a sensor record has ABI version {0}, this reader has {VERSION}")]
    Version(u16),
    /// An unknown kind.
    #[error("a sensor record has the unknown kind {0}")]
    Kind(u16),
    /// An unknown chunk.
    #[error("a sensor record has a chunk with the unknown tag {0}")]
    Tag(u16),
    /// An impossible event.
    #[error("a sensor record has the impossible event number {0}")]
    Event(u32),
    /// A field of a wrong size.
    #[error("a sensor record has {len} bytes for a field of form {form}")]
    Field {
        /// The form.
        form: u16,
        /// The bytes there are.
        len: usize,
    },
}

/// Parses one record.
///
/// # Errors
/// If the bytes are not exactly one record.
pub fn parse(bytes: &[u8]) -> Result<Record, ParseError> {
    let mut input = Input {
        bytes,
        len: bytes.len(),
    };
    let head: Header = input.take("header")?;
    if head.version != VERSION {
        return Err(ParseError::Version(head.version));
    }
    if usize::try_from(head.len) != Ok(bytes.len()) {
        return Err(ParseError::Length {
            found: bytes.len(),
            said: head.len,
        });
    }
    let stack = input.stack(head.frames)?;
    let body = match head.kind {
        1 => Body::Fork(input.take("fork payload")?),
        2 => {
            let fixed = input.take("exec payload")?;
            Body::Exec(Box::new(exec(&fixed, Chunks::read(input)?)))
        }
        3 => Body::Exit(input.take("exit payload")?),
        4 => {
            let fixed: OpenFixed = input.take("open payload")?;
            let chunks = Chunks::read(input)?;
            Body::Open(Open {
                file: fixed.file,
                path: chunks.path(Tag::Path),
                user_path: chunks.text(Tag::UserPath),
                flags: fixed.flags,
            })
        }
        5 => Body::Connect(socket(input)?),
        8 => Body::Task,
        9 => Body::CgroupMkdir(cgroup(input)?.cgroup),
        10 => Body::CgroupRmdir(cgroup(input)?.cgroup),
        11 => Body::CgroupAttach(cgroup(input)?),
        12 => {
            let fixed: EventFixed = input.take("event payload")?;
            Body::Event(Event {
                event: i32::try_from(fixed.event).map_err(|_| ParseError::Event(fixed.event))?,
                fields: fields::read(input)?,
            })
        }
        13 => {
            let fixed: PacketFixed = input.take("packet payload")?;
            Body::Packet(Packet {
                events: fixed.events,
                leaving: fixed.leaving != 0,
                net_ns: fixed.net_ns,
                len: fixed.len,
                bytes: input.bytes.to_vec(),
            })
        }
        kind => return Err(ParseError::Kind(kind)),
    };
    Ok(Record { head, body, stack })
}

fn exec(fixed: &ExecFixed, chunks: Chunks<'_>) -> Exec {
    Exec {
        file: fixed.file,
        path: chunks.path(Tag::Path),
        cmdpath: chunks.text(Tag::Cmdpath),
        interp: chunks.text(Tag::Interp),
        loader: chunks
            .get(Tag::Loader)
            .map(|chunk| (path(chunk.bytes, chunk.flags), fixed.loader)),
        argv: chunks.strings(Tag::Argv, fixed.argc),
        env: match chunks.get(Tag::Env) {
            Some(_) => chunks.strings(Tag::Env, fixed.envc),
            None => Vec::new(),
        },
        stdin_mode: fixed.stdin_mode,
        stdin_path: chunks.path(Tag::Stdin),
        pwd: chunks.path(Tag::Pwd),
        prev_comm: chunks
            .get(Tag::PrevComm)
            .map(|chunk| text(chunk.bytes))
            .unwrap_or_default(),
        invoked_from_kernel: fixed.invoked_from_kernel != 0,
    }
}

fn socket(mut input: Input<'_>) -> Result<Socket, ParseError> {
    let fixed: SocketFixed = input.take("socket payload")?;
    let chunks = Chunks::read(input)?;
    Ok(Socket {
        fd: fixed.fd,
        kind: fixed.kind,
        address: chunks
            .get(Tag::Address)
            .map(|chunk| chunk.bytes.to_vec())
            .unwrap_or_default(),
    })
}

/// All three kinds of records about control groups have one layout.
fn cgroup(mut input: Input<'_>) -> Result<CgroupAttach, ParseError> {
    let fixed: CgroupFixed = input.take("control group payload")?;
    let chunks = Chunks::read(input)?;
    Ok(CgroupAttach {
        cgroup: Cgroup {
            id: fixed.id,
            hierarchy: fixed.hierarchy,
            path: chunks.text(Tag::Cgroup),
        },
        tid: fixed.task,
        comm: text(&fixed.comm),
    })
}

/// The rest of a record.
#[derive(Clone, Copy)]
struct Input<'a> {
    bytes: &'a [u8],
    /// Length of the whole record, for errors.
    len: usize,
}

impl<'a> Input<'a> {
    fn bytes(&mut self, count: usize, part: &'static str) -> Result<&'a [u8], ParseError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(ParseError::Short { len: self.len, part })?;
        self.bytes = rest;
        Ok(taken)
    }

    /// Takes the frames of the user stack from the end.
    fn stack(&mut self, frames: u16) -> Result<Vec<u64>, ParseError> {
        let short = ParseError::Short {
            len: self.len,
            part: "stack",
        };
        let size = usize::from(frames) * size_of::<u64>();
        let at = self.bytes.len().checked_sub(size).ok_or(short)?;
        let (rest, stack) = self.bytes.split_at(at);
        self.bytes = rest;
        let (addresses, _) = stack.as_chunks();
        Ok(addresses.iter().copied().map(u64::from_ne_bytes).collect())
    }

    fn take<T: Plain>(&mut self, part: &'static str) -> Result<T, ParseError> {
        let bytes = self.bytes(size_of::<T>(), part)?;
        // SAFETY: as many bytes as the type has, any of which are a value of it (`Plain`); the read needs no alignment.
        Ok(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
struct ChunkHead {
    tag: u16,
    flags: u16,
    len: u32,
}

#[derive(Clone, Copy)]
#[repr(u16)]
enum Tag {
    Path = 1,
    UserPath,
    Cmdpath,
    Interp,
    Loader,
    Stdin,
    Pwd,
    Argv,
    Env,
    PrevComm,
    Address,
    Cgroup,
}

const TAGS: usize = Tag::Cgroup as usize + 1;
const TRUNCATED: u16 = 1;
const PSEUDO: u16 = 2;
const DISCONNECTED: u16 = 4;

#[derive(Clone, Copy)]
struct Chunk<'a> {
    flags: u16,
    bytes: &'a [u8],
}

/// The chunks of a record, by tag.
struct Chunks<'a>([Option<Chunk<'a>>; TAGS]);

impl<'a> Chunks<'a> {
    fn read(mut input: Input<'a>) -> Result<Self, ParseError> {
        let mut chunks = [None; TAGS];
        while !input.bytes.is_empty() {
            let head: ChunkHead = input.take("chunk header")?;
            let len = usize::try_from(head.len).unwrap_or(usize::MAX);
            let bytes = input.bytes(len, "chunk")?;
            let place = chunks
                .get_mut(usize::from(head.tag))
                .ok_or(ParseError::Tag(head.tag))?;
            *place = Some(Chunk {
                flags: head.flags,
                bytes,
            });
        }
        Ok(Self(chunks))
    }

    fn get(&self, tag: Tag) -> Option<Chunk<'a>> {
        self.0[tag as usize]
    }

    fn text(&self, tag: Tag) -> String {
        self.get(tag).map(|chunk| lossy(chunk.bytes)).unwrap_or_default()
    }

    fn path(&self, tag: Tag) -> String {
        self.get(tag)
            .map(|chunk| path(chunk.bytes, chunk.flags))
            .unwrap_or_default()
    }

    /// `count` strings; those that are not there are `?`.
    fn strings(&self, tag: Tag, count: u32) -> Vec<String> {
        /// More strings than this do not fit into a record, so a larger count is not believed.
        const MOST: usize = 8192;
        let count = usize::try_from(count).unwrap_or(MOST).min(MOST);
        let bytes = self.get(tag).map(|chunk| chunk.bytes).unwrap_or_default();
        bytes
            .strip_suffix(&[0])
            .unwrap_or(bytes)
            .split(|byte| *byte == 0)
            .take(if bytes.is_empty() { 0 } else { count })
            .map(lossy)
            .chain(std::iter::repeat_with(|| "?".to_owned()))
            .take(count)
            .collect()
    }
}

/// The text before the first NUL.
fn text(bytes: &[u8]) -> String {
    lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Puts the components of a path, leaf first, into their order.
///
/// A file on no mount has its name alone (`memfd:x`). A path without its beginning begins with `<disconnected>` (its
/// mount hangs nowhere) or `<truncated>` (it was too long).
fn path(bytes: &[u8], flags: u16) -> String {
    let mut components: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    // The text after the last NUL is empty.
    components.pop();
    let mut path = String::with_capacity(bytes.len() + 1);
    if flags & PSEUDO != 0 {
        if let [name] = components.as_slice() {
            return lossy(name);
        }
        // The last component is the root of a file system that the mount does not show.
        components.pop();
    }
    if flags & (PSEUDO | DISCONNECTED) != 0 {
        path.push_str("<disconnected>");
    } else if flags & TRUNCATED != 0 {
        path.push_str("<truncated>");
    }
    for component in components.iter().rev() {
        path.push('/');
        path.push_str(&String::from_utf8_lossy(component));
    }
    if path.is_empty() {
        path.push('/');
    }
    path
}

#[cfg(test)]
mod tests;
