//! Socket addresses, from the bytes of a `struct sockaddr`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use detectors_api::proto::{SaFamilyT, SockAddr};

const UNIX: u16 = 1;
const INET: u16 = 2;
const INET6: u16 = 10;

/// The address in `bytes`; none if it is too short or of another family than UNIX, INET and INET6.
pub(super) fn decode(bytes: &[u8]) -> Option<SockAddr> {
    let (family, rest) = bytes.split_first_chunk()?;
    match u16::from_ne_bytes(*family) {
        UNIX => Some(SockAddr {
            sa_family: SaFamilyT::AfUnix as i32,
            sun_path: unix_path(rest),
            ..SockAddr::default()
        }),
        INET => {
            let (port, rest) = rest.split_first_chunk()?;
            let (address, _) = rest.split_first_chunk::<4>()?;
            Some(SockAddr {
                sa_family: SaFamilyT::AfInet as i32,
                sin_port: u16::from_be_bytes(*port).into(),
                sin_addr: Ipv4Addr::from(*address).to_string(),
                ..SockAddr::default()
            })
        }
        INET6 => {
            let (port, rest) = rest.split_first_chunk()?;
            let (flow, rest) = rest.split_first_chunk()?;
            let (address, rest) = rest.split_first_chunk::<16>()?;
            Some(SockAddr {
                sa_family: SaFamilyT::AfInet6 as i32,
                sin6_port: u16::from_be_bytes(*port).into(),
                sin6_flowinfo: u32::from_be_bytes(*flow),
                sin6_addr: Ipv6Addr::from(*address).to_string(),
                // Addresses without a scope may be given without the member.
                sin6_scopeid: rest
                    .split_first_chunk()
                    .map_or(0, |(scope, _)| u32::from_ne_bytes(*scope)),
                ..SockAddr::default()
            })
        }
        _ => None,
    }
}

/// Address and port in `bytes`; none if it is too short or of another family than INET and INET6.
pub(super) fn internet(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk()?;
    let (port, rest) = rest.split_first_chunk()?;
    let address: IpAddr = match u16::from_ne_bytes(*family) {
        INET => rest.first_chunk::<4>().copied()?.into(),
        INET6 => rest.get(4..)?.first_chunk::<16>().copied()?.into(),
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_be_bytes(*port)))
}

/// Text up to the first NUL; an abstract name, which begins with NUL, begins with `@`; an unnamed socket has none.
fn unix_path(bytes: &[u8]) -> String {
    let text = |bytes: &[u8]| {
        let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    };
    match bytes.split_first() {
        Some((0, name)) if !text(name).is_empty() => format!("@{}", text(name)),
        _ => text(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(family: u16, rest: &[u8]) -> Vec<u8> {
        [&family.to_ne_bytes(), rest].concat()
    }

    #[test]
    fn families() {
        let inet = decode(&bytes(INET, &[0x1f, 0x90, 127, 0, 0, 1])).unwrap();
        assert_eq!((inet.sin_addr.as_str(), inet.sin_port), ("127.0.0.1", 8080));
        let address = internet(&bytes(INET, &[0x1f, 0x90, 127, 0, 0, 1]));
        assert_eq!(address, "127.0.0.1:8080".parse().ok());

        let mut loopback = [0_u8; 16];
        loopback[15] = 1;
        let inet6 = decode(&bytes(INET6, &[&[0, 53, 0, 0, 0, 9][..], &loopback].concat())).unwrap();
        assert_eq!(
            (
                inet6.sin6_addr.as_str(),
                inet6.sin6_port,
                inet6.sin6_flowinfo,
                inet6.sin6_scopeid
            ),
            ("::1", 53, 9, 0)
        );

        let address = internet(&bytes(INET6, &[&[0, 53, 0, 0, 0, 9][..], &loopback].concat()));
        assert_eq!(address, "[::1]:53".parse().ok());
        assert_eq!(internet(&bytes(UNIX, b"/run/x.sock\0")), None);

        for (path, text) in [
            (&b"/run/x.sock\0junk"[..], "/run/x.sock"),
            (b"\0name", "@name"),
            (b"", ""),
            (b"\0", ""),
        ] {
            assert_eq!(decode(&bytes(UNIX, path)).unwrap().sun_path, text);
        }
        assert_eq!(decode(&bytes(17, &[0; 20])), None);
        assert_eq!(decode(&bytes(INET, &[0])), None);
        assert_eq!(decode(&[1]), None);
    }
}
