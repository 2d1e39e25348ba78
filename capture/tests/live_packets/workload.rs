//! What is recorded: programs that talk to each other in a network of their own, and write down what they know.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

pub(crate) const WORKLOAD: &str = "TRACEE_CAP_TEST_WORKLOAD";
pub(crate) const DIRECTORY: &str = "TRACEE_CAP_TEST_DIRECTORY";
const PORT: &str = "TRACEE_CAP_TEST_PORT";

pub(crate) const HELLO: &[u8] = b"hello there";
/// Type of service of the IPv4 datagrams.
pub(crate) const TOS: u32 = 0x20;

pub(crate) const ALIAS: &str = "www.site.test";
pub(crate) const HOST: &str = "host.site.test";
pub(crate) const REQUEST: &[u8] =
    b"GET /news?page=2 HTTP/1.1\r\nHost: www.site.test\r\nuser-agent: test\r\n\r\n";
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nServer: test\r\n\r\npaper";

const LOOPBACKS: [(&str, &str); 2] = [("v4", "127.0.0.1"), ("v6", "::1")];

pub(crate) fn run() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("the other tests set it"));
    let workload = std::env::var(WORKLOAD).expect("the other tests set it");
    if workload == "client" {
        return be_client();
    }
    let mut truth = Truth::new(&directory);
    truth.note("pid", std::process::id().into());
    own_network();
    match workload.as_str() {
        "datagrams" => exchange_datagrams(&mut truth),
        "connections" => serve(&mut truth),
        "echoes" => ping(),
        "names" => resolve_and_fetch(&mut truth),
        "before" => talk_when_told(&mut truth, &directory),
        other => panic!("no workload {other}"),
    }
}

struct Truth(File);

impl Truth {
    fn new(directory: &Path) -> Self {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(directory.join("truth"));
        Self(file.expect("the directory can be written"))
    }

    fn note(&mut self, name: &str, value: u64) {
        writeln!(self.0, "{name} {value}").expect("it can be written");
    }
}

/// A network with nothing but a loopback device that is up.
fn own_network() {
    // SAFETY: no pointers.
    assert_eq!(
        unsafe { libc::unshare(libc::CLONE_NEWNET) },
        0,
        "{}",
        std::io::Error::last_os_error()
    );
    let socket = UdpSocket::bind("0.0.0.0:0").expect("sockets can be made");
    // SAFETY: any bytes are a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l'.cast_signed();
    request.ifr_name[1] = b'o'.cast_signed();
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    // SAFETY: the request is ours and lives on.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

fn any_port(host: &str) -> SocketAddr {
    SocketAddr::new(host.parse::<IpAddr>().expect("an address"), 0)
}

fn port_of(socket: &UdpSocket) -> u64 {
    socket.local_addr().expect("it is bound").port().into()
}

fn exchange_datagrams(truth: &mut Truth) {
    for (version, (_, host)) in [4, 6].into_iter().zip(LOOPBACKS) {
        let from = UdpSocket::bind(any_port(host)).expect("the loopback device has the address");
        let to = UdpSocket::bind(any_port(host)).expect("the loopback device has the address");
        truth.note(&format!("from{version}"), port_of(&from));
        truth.note(&format!("to{version}"), port_of(&to));
        if version == 4 {
            set_tos(&from);
        }
        from.send_to(HELLO, to.local_addr().expect("it is bound"))
            .expect("it is sent");
        let mut heard = [0; 64];
        let (size, _) = to.recv_from(&mut heard).expect("it arrives");
        assert_eq!(&heard[..size], HELLO);
    }
}

fn set_tos(socket: &UdpSocket) {
    let tos = TOS.cast_signed();
    // SAFETY: a pointer to an int, and its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_TOS,
            (&raw const tos).cast(),
            size_of_val(&tos) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}

/// This program once more, in the same network, as a client of a server at `address`.
fn start_client(address: SocketAddr) -> Child {
    Command::new(std::env::current_exe().expect("the test has a path"))
        .args(["workload", "--exact", "--ignored"])
        .env(WORKLOAD, "client")
        .env(PORT, address.to_string())
        .spawn()
        .expect("the program can be started again")
}

fn be_client() {
    let address: SocketAddr = std::env::var(PORT)
        .expect("the server sets it")
        .parse()
        .expect("an address");
    talk(TcpStream::connect(address).expect("the server listens"));
}

/// Says something, and hears what the server says until the end.
fn talk(mut stream: TcpStream) {
    stream.write_all(HELLO).expect("it is sent");
    stream.shutdown(Shutdown::Write).expect("it is connected");
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).expect("the server answers");
    assert_eq!(heard, HELLO);
}

/// Says back what the client says.
fn answer(mut stream: TcpStream) {
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).expect("the client speaks");
    stream.write_all(&heard).expect("the client listens");
}

fn serve(truth: &mut Truth) {
    for (name, host) in LOOPBACKS {
        let listener = TcpListener::bind(any_port(host)).expect("the loopback device has the address");
        let address = listener.local_addr().expect("it is bound");
        truth.note(&format!("{name}.port"), address.port().into());
        let mut client = start_client(address);
        truth.note(&format!("{name}.client"), client.id().into());
        answer(listener.accept().expect("the client comes").0);
        assert!(client.wait().expect("it is ours").success());
    }
}

/// Sends an echo request over IPv4 and IPv6 and hears the reply.
fn ping() {
    fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0").expect("this network is ours");
    for (family, protocol, kind, host) in [
        (libc::AF_INET, libc::IPPROTO_ICMP, 8, "127.0.0.1"),
        (libc::AF_INET6, libc::IPPROTO_ICMPV6, 128, "::1"),
    ] {
        // SAFETY: no pointers.
        let fd = unsafe { libc::socket(family, libc::SOCK_DGRAM, protocol) };
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the descriptor is new and nobody else's. Sending to an address and receiving is what all datagram sockets do.
        let socket = unsafe { <UdpSocket as std::os::fd::FromRawFd>::from_raw_fd(fd) };
        // Type, code, checksum and number, which the kernel fills in, sequence number.
        let request = [kind, 0, 0, 0, 0, 0, 0, 7];
        socket.send_to(&request, any_port(host)).expect("it is sent");
        let mut reply = [0; 64];
        let size = socket.recv(&mut reply).expect("the kernel answers");
        assert_eq!((size, reply[7]), (8, 7));
    }
}

/// A name in a DNS message.
fn dns_name(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| {
        let length = u8::try_from(label.len()).expect("labels are short");
        [&[length], label.as_bytes()].concat()
    });
    labels.chain([0]).collect()
}

/// A query for an address of `name`.
fn dns_query(name: &str) -> Vec<u8> {
    // Number, recursion desired, one question; type A, class IN.
    [
        &[0xca, 0xfe, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        &dns_name(name)[..],
        &[0, 1, 0, 1],
    ]
    .concat()
}

/// An answer to a query for [`ALIAS`]: it is [`HOST`], which has the address 127.0.0.1.
fn dns_answer(query: &[u8]) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[7] = 2;
    let host = dns_name(HOST);
    // The name of the question, CNAME, IN, 300 s.
    answer.extend([
        0xc0,
        12,
        0,
        5,
        0,
        1,
        0,
        0,
        1,
        44,
        0,
        u8::try_from(host.len()).expect("it is short"),
    ]);
    let at = answer.len();
    answer.extend(host);
    // The name that was just given, A, IN, 60 s.
    answer.extend([
        0xc0,
        u8::try_from(at).expect("it is short"),
        0,
        1,
        0,
        1,
        0,
        0,
        0,
        60,
        0,
        4,
        127,
        0,
        0,
        1,
    ]);
    answer
}

/// Looks a name up over UDP, another one over TCP, and then fetches a page.
fn resolve_and_fetch(truth: &mut Truth) {
    let server = UdpSocket::bind("127.0.0.1:53").expect("this network is ours");
    let client = UdpSocket::bind("127.0.0.1:0").expect("there is a loopback device");
    truth.note("resolver", port_of(&client));
    client
        .send_to(&dns_query(ALIAS), "127.0.0.1:53")
        .expect("it is sent");
    let mut heard = [0; 512];
    let (size, from) = server.recv_from(&mut heard).expect("it arrives");
    server
        .send_to(&dns_answer(&heard[..size]), from)
        .expect("it is sent");
    assert!(client.recv(&mut heard).expect("it arrives") > size);

    let listener = TcpListener::bind("[::1]:53").expect("this network is ours");
    let asking = std::thread::spawn(|| {
        let mut stream = TcpStream::connect("[::1]:53").expect("the server listens");
        let query = dns_query("nobody.test");
        let length = u16::try_from(query.len()).expect("it is short").to_be_bytes();
        stream
            .write_all(&[&length[..], &query].concat())
            .expect("it is sent");
        stream.read_to_end(&mut Vec::new()).expect("the server answers");
    });
    let (mut stream, _) = listener.accept().expect("the client comes");
    let mut query = vec![0; 2 + dns_query("nobody.test").len()];
    stream.read_exact(&mut query).expect("the client asks");
    // There is no such name.
    query[4..6].copy_from_slice(&[0x81, 0x83]);
    stream.write_all(&query).expect("it is sent");
    drop(stream);
    asking.join().expect("the client is content");

    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a loopback device");
    let address = listener.local_addr().expect("it is bound");
    truth.note("page", address.port().into());
    let fetching = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.write_all(REQUEST).expect("it is sent");
        let mut page = Vec::new();
        stream.read_to_end(&mut page).expect("the server answers");
        assert_eq!(page, RESPONSE);
        u64::from(stream.local_addr().expect("it is connected").port())
    });
    let (mut stream, _) = listener.accept().expect("the client comes");
    let mut request = vec![0; REQUEST.len()];
    stream.read_exact(&mut request).expect("the client asks");
    stream.write_all(RESPONSE).expect("it is sent");
    drop(stream);
    truth.note("browser", fetching.join().expect("the client is content"));
}

/// Makes sockets, waits for a line, and then uses them.
fn talk_when_told(truth: &mut Truth, directory: &Path) {
    let from = UdpSocket::bind(any_port("127.0.0.1")).expect("there is a loopback device");
    let to = UdpSocket::bind(any_port("127.0.0.1")).expect("there is a loopback device");
    truth.note("to", port_of(&to));
    let listener = TcpListener::bind(any_port("127.0.0.1")).expect("there is a loopback device");
    let address = listener.local_addr().expect("it is bound");
    truth.note("port", address.port().into());
    let client = TcpStream::connect(address).expect("the server listens");
    let (server, _) = listener.accept().expect("the client has come");
    File::create(directory.join("ready")).expect("the directory can be written");
    std::io::stdin()
        .read_line(&mut String::new())
        .expect("the test says when");

    from.send_to(HELLO, to.local_addr().expect("it is bound"))
        .expect("it is sent");
    to.recv(&mut [0; 64]).expect("it arrives");
    let talking = std::thread::spawn(move || talk(client));
    answer(server);
    talking.join().expect("the client is content");
    // A connection to the old listener.
    let talking = std::thread::spawn(move || talk(TcpStream::connect(address).expect("the server listens")));
    answer(listener.accept().expect("the client comes").0);
    talking.join().expect("the client is content");
    // Nobody is there any more.
    let closed = to.local_addr().expect("it is bound");
    drop(to);
    from.send_to(HELLO, closed).expect("it is sent");
}
