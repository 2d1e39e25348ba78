//! Where Tracee listens.

use std::fmt;
use std::str::FromStr;

/// Where a port is that has no machine.
const LOCAL: &str = "127.0.0.1";

/// Where Tracee listens: `unix:/run/tracee.sock`, `host:4466`, `tcp:host:4466`, or, as Tracee is told, `tcp:4466` on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(String),
    /// A port of a machine.
    Tcp {
        /// Name or address of the machine; an IPv6 address has no brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give unix:/path/to.sock or host:port")]
pub struct AddressError;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        // With or without the slashes that a URL has.
        let after = |scheme: &str| {
            let rest = text.strip_prefix(scheme)?.strip_prefix(':')?;
            Some(rest.strip_prefix("//").unwrap_or(rest))
        };
        if let Some(path) = after("unix") {
            return if path.is_empty() {
                Err(AddressError)
            } else {
                Ok(Self::Unix(path.to_owned()))
            };
        }
        let (host, port) = match after("tcp") {
            Some(rest) => rest.rsplit_once(':').unwrap_or((LOCAL, rest)),
            None => text.rsplit_once(':').ok_or(AddressError)?,
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_host = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(is_usual),
        };
        match port.parse() {
            Ok(port) if is_host && port > 0 => Ok(Self::Tcp {
                host: bare.unwrap_or(host).to_owned(),
                port,
            }),
            _ => Err(AddressError),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{path}"),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        let host = host.to_owned();
        Address::Tcp { host, port }
    }

    #[test]
    fn addresses_are_read_and_written() {
        let unix = Address::Unix("/run/tracee.sock".to_owned());
        for (text, address) in [
            ("unix:/run/tracee.sock", unix.clone()),
            ("unix:///run/tracee.sock", unix),
            ("unix:relative.sock", Address::Unix("relative.sock".to_owned())),
            ("node-1.example:4466", tcp("node-1.example", 4466)),
            ("tcp:127.0.0.1:4466", tcp("127.0.0.1", 4466)),
            ("tcp://localhost:1", tcp("localhost", 1)),
            ("tcp:4466", tcp("127.0.0.1", 4466)),
            ("[::1]:4466", tcp("::1", 4466)),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string().parse(), Ok(address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "unix:",
            "host",
            "host:",
            ":4466",
            "host:0",
            "host:65536",
            "host:x",
            "tcp:host",
            "::1:4466",
            "[host]:4466",
            "http://host:4466",
            "user@host:4466",
            "/run/tracee.sock",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }
}
