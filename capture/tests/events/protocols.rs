//! What packets carry, DNS and HTTP, and the connections that carry it: between sockets of one thread, in a network of its own.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

use detectors_api::proto;
use detectors_api::proto::event_value::Value;

use crate::cause::{Notes, at, call, in_child, number, text, texts};
use crate::names::Message;
use crate::truth::Truth;

const ALIAS: &str = "www.site.test";
const HOST: &str = "host.site.test";
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 81));
const SERVERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 82)),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];
const DNS: u16 = 53;
const TCP: u32 = 6;
const UDP: u32 = 17;
/// Of segments that carry something: with the times of both ends.
const TCP_HEADER: usize = 32;

const REQUEST: &[u8] =
    b"GET /news?page=2 HTTP/1.1\r\nHost: www.site.test\r\nuser-agent: test\r\nX-A: 1\r\nx-a: 2\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\nServer: test\r\n\r\npaper";

pub(crate) fn cause(notes: &mut Notes) {
    in_child(|| {
        own_network();
        for server in SERVERS {
            // The server has no name yet.
            names_over_tcp(notes, server);
            names_over_udp(notes, server);
            page(notes, server);
            refused(notes, server);
        }
    });
}

/// A network with nothing but a loopback device that is up.
fn own_network() {
    call(libc::SYS_unshare, [libc::CLONE_NEWNET as u64, 0, 0, 0, 0, 0]);
    let socket = UdpSocket::bind("0.0.0.0:0").expect("sockets can be made");
    // SAFETY: any bytes are a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l'.cast_signed();
    request.ifr_name[1] = b'o'.cast_signed();
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    let arguments = [
        socket.as_raw_fd() as u64,
        libc::SIOCSIFFLAGS,
        at(&request),
        0,
        0,
        0,
    ];
    call(libc::SYS_ioctl, arguments);
}

/// A packet with a message.
struct Sent {
    from: SocketAddr,
    to: SocketAddr,
    protocol: u32,
    /// Bytes behind the header of the protocol.
    length: usize,
}

impl Sent {
    /// Notes that it left in a call and arrived, as events that have the message in a field: one of all messages with the ends of the
    /// packet in fields of their own, and one of such messages alone.
    fn told(&self, notes: &mut Notes, [all, some]: [(&str, &str, Value); 2]) {
        for (direction, call) in [("egress", "sendto"), ("ingress", "")] {
            let case = format!("{direction} from {} to {}", self.from, self.to);
            let (event, field, message) = &all;
            let fields = [
                ("src", text(self.from.ip().to_string())),
                ("dst", text(self.to.ip().to_string())),
                ("src_port", number(self.from.port())),
                ("dst_port", number(self.to.port())),
                ("metadata", text(direction)),
                (field, Truth::message(message)),
            ];
            notes.note(&case, event, call, &fields, &[]);
            let (event, field, message) = &some;
            let fields = [
                ("metadata", Truth::message(&self.metadata())),
                (field, Truth::message(message)),
            ];
            notes.note(&case, event, call, &fields, &[]);
        }
    }

    fn metadata(&self) -> Value {
        // IPv6 does not count its own header.
        let headers =
            if self.from.is_ipv4() { 20 } else { 0 } + if self.protocol == TCP { TCP_HEADER } else { 8 };
        Value::PacketMetadata(proto::PacketMetadata {
            src_ip: self.from.ip().to_string(),
            dst_ip: self.to.ip().to_string(),
            src_port: self.from.port().into(),
            dst_port: self.to.port().into(),
            protocol: self.protocol,
            packet_len: u32::try_from(headers + self.length).expect("packets are short"),
            iface: "any".to_owned(),
            direction: 0,
        })
    }
}

/// Both ends of a connection.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    from: SocketAddr,
    to: SocketAddr,
}

impl Connection {
    /// Connects to a server whose address has these names.
    fn open(notes: &mut Notes, to: SocketAddr, names: &[&str]) -> Self {
        let listener = TcpListener::bind(to).expect("this network is ours");
        let client = TcpStream::connect(to).expect("the server listens");
        let (server, from) = listener.accept().expect("the client has come");
        let connection = Self {
            client,
            server,
            from,
            to,
        };
        connected(notes, to, names);
        connection.flow(notes, "net_flow_tcp_begin", "outgoing", "", names);
        connection.flow(notes, "net_flow_tcp_begin", "incoming", "", names);
        connection
    }

    /// Sends from one end what the other one receives; tells that it was sent.
    fn send(&mut self, to_server: bool, bytes: &[u8]) -> Sent {
        let (ends, from, to) = if to_server {
            ((&mut self.client, &mut self.server), self.from, self.to)
        } else {
            ((&mut self.server, &mut self.client), self.to, self.from)
        };
        ends.0.write_all(bytes).expect("it is sent");
        let mut received = vec![0; bytes.len()];
        ends.1.read_exact(&mut received).expect("it arrives");
        Sent {
            from,
            to,
            protocol: TCP,
            length: bytes.len(),
        }
    }

    /// The client closes it.
    fn close(self, notes: &mut Notes, names: &[&str]) {
        self.client.shutdown(Shutdown::Write).expect("it is connected");
        self.flow(notes, "net_flow_tcp_end", "outgoing", "shutdown", names);
        self.flow(notes, "net_flow_tcp_end", "incoming", "", names);
    }

    /// Notes what one end sees of its beginning or end. The client's address is that of the server, or has no name.
    fn flow(&self, notes: &mut Notes, event: &str, direction: &str, call: &str, names: &[&str]) {
        let source = if self.from.ip() == self.to.ip() {
            names
        } else {
            &[]
        };
        let fields = [
            ("conn_direction", text(direction)),
            ("src", text(self.from.ip().to_string())),
            ("dst", text(self.to.ip().to_string())),
            ("src_port", number(self.from.port())),
            ("dst_port", number(self.to.port())),
            ("src_dns", texts(source)),
            ("dst_dns", texts(names)),
        ];
        notes.note(
            &format!("{direction} from {} to {}", self.from, self.to),
            event,
            call,
            &fields,
            &[],
        );
    }
}

/// Notes that the thread connects.
fn connected(notes: &mut Notes, to: SocketAddr, names: &[&str]) {
    let fields = [
        ("dst", text(to.ip().to_string())),
        ("dst_port", number(to.port())),
        ("dst_dns", texts(names)),
    ];
    notes.note(
        &format!("a connect to {to}"),
        "net_tcp_connect",
        "connect",
        &fields,
        &[],
    );
}

/// Nobody has the name that is asked for.
fn names_over_tcp(notes: &mut Notes, server: IpAddr) {
    let mut connection = Connection::open(notes, (server, DNS).into(), &[]);
    let question = Message::question("nobody.test", server);
    for (to_server, message) in [(true, &question), (false, &question.unknown())] {
        let length = u16::try_from(message.bytes.len()).expect("it is short");
        let bytes = [&length.to_be_bytes(), message.bytes.as_slice()].concat();
        connection.send(to_server, &bytes).told(notes, message.events());
    }
    connection.close(notes, &[]);
}

/// The server has the names from then on.
fn names_over_udp(notes: &mut Notes, server: IpAddr) {
    let (from, to) = (SocketAddr::new(client_of(server), 20_081), (server, DNS).into());
    let [asking, answering] = [from, to].map(|end| UdpSocket::bind(end).expect("this network is ours"));
    let question = Message::question(ALIAS, server);
    let response = question.answered(HOST, server);
    for (sender, receiver, from, to, message) in [
        (&asking, &answering, from, to, &question),
        (&answering, &asking, to, from, &response),
    ] {
        sender.send_to(&message.bytes, to).expect("it is sent");
        let mut received = [0; 512];
        assert_eq!(
            receiver.recv(&mut received).expect("it arrives"),
            message.bytes.len()
        );
        let sent = Sent {
            from,
            to,
            protocol: UDP,
            length: message.bytes.len(),
        };
        sent.told(notes, message.events());
    }
}

/// There is one address of IPv6.
fn client_of(server: IpAddr) -> IpAddr {
    if server.is_ipv4() { CLIENT } else { server }
}

fn page(notes: &mut Notes, server: IpAddr) {
    let names = [ALIAS, HOST];
    let mut connection = Connection::open(notes, (server, 20_082).into(), &names);
    connection.send(true, REQUEST).told(notes, request());
    connection.send(false, RESPONSE).told(notes, response());
    connection.close(notes, &names);
}

fn headers(headers: &[(&str, &[&str])]) -> std::collections::BTreeMap<String, proto::HttpHeader> {
    let header = |values: &[&str]| proto::HttpHeader {
        header: values.iter().map(|&value| value.to_owned()).collect(),
    };
    headers
        .iter()
        .map(|(name, values)| ((*name).to_owned(), header(values)))
        .collect()
}

/// How [`REQUEST`] is told.
fn request() -> [(&'static str, &'static str, Value); 2] {
    let headers = headers(&[("User-Agent", &["test"]), ("X-A", &["1", "2"])]);
    let all = proto::Http {
        direction: "request".to_owned(),
        method: "GET".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        host: ALIAS.to_owned(),
        uri_path: "/news".to_owned(),
        headers: headers.clone(),
        ..proto::Http::default()
    };
    let only = proto::HttpRequest {
        method: "GET".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        host: ALIAS.to_owned(),
        uri_path: "/news".to_owned(),
        headers,
        content_length: 0,
    };
    [
        ("net_packet_http", "proto_http", Value::Http(all)),
        (
            "net_packet_http_request",
            "http_request",
            Value::HttpRequest(only),
        ),
    ]
}

/// How [`RESPONSE`] is told.
fn response() -> [(&'static str, &'static str, Value); 2] {
    let headers = headers(&[("Content-Length", &["5"]), ("Server", &["test"])]);
    let all = proto::Http {
        direction: "response".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        status: "404 Not Found".to_owned(),
        status_code: 404,
        headers: headers.clone(),
        content_length: 5,
        ..proto::Http::default()
    };
    let only = proto::HttpResponse {
        status: "404 Not Found".to_owned(),
        status_code: 404,
        protocol: "HTTP/1.1".to_owned(),
        headers,
        content_length: 5,
    };
    [
        ("net_packet_http", "proto_http", Value::Http(all)),
        (
            "net_packet_http_response",
            "http_response",
            Value::HttpResponse(only),
        ),
    ]
}

/// Nobody listens: a connection was asked for, and never began.
fn refused(notes: &mut Notes, server: IpAddr) {
    let to = SocketAddr::new(server, 20_083);
    assert!(TcpStream::connect(to).is_err());
    connected(notes, to, &[ALIAS, HOST]);
    let fields = [
        ("conn_direction", text("outgoing")),
        ("src", Truth::Something),
        ("dst", text(server.to_string())),
        ("src_port", Truth::Something),
        ("dst_port", number(to.port())),
        ("src_dns", Truth::Something),
        ("dst_dns", texts(&[ALIAS, HOST])),
    ];
    for event in ["net_flow_tcp_begin", "net_flow_tcp_end"] {
        notes.absent(&format!("a connect to {to}"), event, "", &fields);
    }
}
