//! Functions for queries, next to those of the engine.

use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use crate::glob::Glob;

/// All functions.
pub(crate) fn all() -> Vec<ScalarUDF> {
    vec![
        of_two_texts(
            "glob",
            |text, pattern: &Glob| Ok(pattern.matches(text)),
            |pattern| Ok(Glob::new(pattern)),
        ),
        of_two_texts(
            "cidr_match",
            |address, network: &Network| Ok(network.contains(address)),
            Network::parse,
        ),
    ]
}

/// A predicate over a text and something that is parsed from a second text. Null if either is null.
fn of_two_texts<T: 'static>(
    name: &'static str,
    test: impl Fn(&str, &T) -> Result<bool> + Send + Sync + 'static,
    parse: impl Fn(&str) -> Result<T> + Send + Sync + 'static,
) -> ScalarUDF {
    let call = move |arguments: &[ColumnarValue]| {
        let scalar = arguments
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let texts = |index: usize| -> Result<&StringArray> {
            arrays
                .get(index)
                .and_then(|array: &ArrayRef| array.as_string_opt())
                .ok_or_else(|| DataFusionError::Execution(format!("{name} takes two texts")))
        };
        let mut result = Vec::with_capacity(texts(0)?.len());
        // The second text is nearly always a constant.
        let mut parsed: Option<(&str, T)> = None;
        for (subject, second) in texts(0)?.iter().zip(texts(1)?) {
            let (Some(subject), Some(second)) = (subject, second) else {
                result.push(None);
                continue;
            };
            if parsed.as_ref().is_none_or(|(text, _)| *text != second) {
                parsed = Some((second, parse(second)?));
            }
            result.push(match &parsed {
                Some((_, parsed)) => Some(test(subject, parsed)?),
                None => None,
            });
        }
        let result = BooleanArray::from(result);
        if scalar {
            return datafusion::scalar::ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(Arc::new(result)))
    };
    create_udf(
        name,
        vec![DataType::Utf8, DataType::Utf8],
        DataType::Boolean,
        Volatility::Immutable,
        Arc::new(call),
    )
}

/// An IPv4 or IPv6 network in CIDR notation; a bare address is a network of one.
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            DataFusionError::Execution(format!(
                "`{text}` is no network: write it as 10.0.0.0/8 or 2001:db8::/32"
            ))
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|prefix| *prefix <= bits)
                .ok_or_else(wrong)?,
            None => bits,
        };
        Ok(Self { address, prefix })
    }

    /// Whether the address is in the network. What is no address, or one of the other family, is not; an IPv4 address in
    /// IPv6 form (`::ffff:…`) counts as IPv4.
    fn contains(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<IpAddr>() else {
            return false;
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - self.prefix;
                u64::from(network.to_bits()) >> shift == u64::from(address.to_bits()) >> shift
            }
            (IpAddr::V6(network), _) => {
                let IpAddr::V6(address) = address else {
                    return false;
                };
                let shift = 128 - self.prefix;
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    fn contains(network: &str, address: &str) -> bool {
        Network::parse(network).expect("a network").contains(address)
    }

    #[test]
    fn networks() {
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("203.0.113.9", "203.0.113.9"));
        assert!(!contains("203.0.113.9/32", "203.0.113.8"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(contains("::/0", "2001:db8:1::1"));
        assert!(!contains("::/0", "10.0.0.1"));
        assert!(!contains("10.0.0.0/8", "/run/socket"));
        for wrong in [
            "10.0.0.0/33",
            "10.0.0/8",
            "::1/129",
            "",
            "10.0.0.0/-1",
            "10.0.0.0/",
        ] {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
    }
}
