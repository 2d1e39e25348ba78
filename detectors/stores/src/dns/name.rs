//! Names as DNS knows them, and the addresses that some of them stand for.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// End of the names under which IPv4 addresses are looked up.
const REVERSE_V4: &str = ".in-addr.arpa";
/// End of the names under which IPv6 addresses are looked up.
const REVERSE_V6: &str = ".ip6.arpa";

/// What DNS records are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject<'a> {
    /// A name in lower case, without a dot at the end.
    Name(Cow<'a, str>),
    /// An address; an IPv4 one that is mapped into IPv6 is the IPv4 one.
    Address(IpAddr),
}

impl<'a> Subject<'a> {
    /// What a name in a DNS message means. The name under which an address is looked up means the address.
    pub(super) fn of_name(name: &'a str) -> Self {
        let name = trim(name);
        let lower = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
        match address_of(&lower) {
            Some(address) => Self::of_address(address),
            None => Self::Name(lower),
        }
    }

    /// What an address means.
    pub(super) fn of_address(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }

    /// What somebody means who asks for `query`: an address in any notation, or a name.
    pub(super) fn of_query(query: &'a str) -> Self {
        match query.parse() {
            Ok(address) => Self::of_address(address),
            Err(_) => Self::of_name(query),
        }
    }
}

/// A name without the dot that stands for the root.
pub(super) fn trim(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The address that is looked up under `name` (in lower case), if all of it is there.
fn address_of(name: &str) -> Option<IpAddr> {
    if let Some(reversed) = name.strip_suffix(REVERSE_V4) {
        let mut octets = [0; 4];
        let mut labels = reversed.split('.');
        for octet in octets.iter_mut().rev() {
            let label = labels.next()?;
            // Such names have no leading zeros; one that has is another name.
            *octet = label
                .parse()
                .ok()
                .filter(|octet: &u8| octet.to_string() == label)?;
        }
        labels.next().is_none().then(|| Ipv4Addr::from(octets).into())
    } else {
        let mut bits = 0_u128;
        let mut labels = name.strip_suffix(REVERSE_V6)?.split('.');
        for place in 0..32 {
            let &[nibble] = labels.next()?.as_bytes() else {
                return None;
            };
            bits |= u128::from(char::from(nibble).to_digit(16)?) << (4 * place);
        }
        labels.next().is_none().then(|| Ipv6Addr::from(bits).into())
    }
}

/// The name under which an address is looked up.
pub(super) fn reverse_name(address: IpAddr) -> String {
    let mut name = String::new();
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            write!(name, "{d}.{c}.{b}.{a}{REVERSE_V4}").expect("a string takes every text");
        }
        IpAddr::V6(address) => {
            for octet in address.octets().iter().rev() {
                write!(name, "{:x}.{:x}.", octet & 0xf, octet >> 4).expect("a string takes every text");
            }
            name.pop();
            name.push_str(REVERSE_V6);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Subject<'static> {
        Subject::Address(text.parse().expect("an address"))
    }

    #[test]
    fn the_name_of_a_reverse_look_up_means_the_address() {
        for (name, means) in [
            ("4.3.2.1.in-addr.arpa", "1.2.3.4"),
            ("4.3.2.1.IN-ADDR.ARPA.", "1.2.3.4"),
            (
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6.arpa",
                "2001:db8::1",
            ),
        ] {
            assert_eq!(Subject::of_name(name), address(means), "{name}");
            assert_eq!(Subject::of_query(name), address(means), "{name}");
        }
    }

    #[test]
    fn a_part_of_a_reverse_look_up_is_a_name() {
        for name in [
            "3.2.1.in-addr.arpa",
            "5.4.3.2.1.in-addr.arpa",
            "256.3.2.1.in-addr.arpa",
            "04.3.2.1.in-addr.arpa",
            "+4.3.2.1.in-addr.arpa",
            "4.0-25.3.2.1.in-addr.arpa",
            ".in-addr.arpa",
            "in-addr.arpa",
            "8.b.d.0.1.0.0.2.ip6.arpa",
            "10.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            "ip6.arpa",
        ] {
            assert_eq!(Subject::of_name(name), Subject::Name(name.into()), "{name}");
        }
    }

    #[test]
    fn names_are_compared_without_case_and_addresses_by_value() {
        assert_eq!(
            Subject::of_query("WWW.Example.COM."),
            Subject::Name("www.example.com".into())
        );
        assert_eq!(Subject::of_query("::ffff:1.2.3.4"), address("1.2.3.4"));
        assert_eq!(Subject::of_query("2001:DB8:0::1"), address("2001:db8::1"));
        // A name of four numbers, such as the target of a strange alias, is no address.
        assert_eq!(Subject::of_name("1.2.3.4"), Subject::Name("1.2.3.4".into()));
    }

    #[test]
    fn reverse_names_lead_back() {
        for text in [
            "0.0.0.0",
            "1.2.3.4",
            "255.254.0.1",
            "::",
            "2001:db8::1",
            "fe80::f00d:1",
        ] {
            let ip: IpAddr = text.parse().expect("an address");
            assert_eq!(
                Subject::of_name(&reverse_name(ip)),
                Subject::Address(ip),
                "{text}"
            );
        }
    }
}
