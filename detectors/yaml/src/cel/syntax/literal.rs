//! Numbers and quoted texts.

use super::lexer::Token;
use crate::cel::CelError;

/// The number at the start of `rest` and its length in bytes: `10`, `0x1F`, `10u`, `1.5`, `.5`, `1e9`.
pub(super) fn number(rest: &str) -> Result<(Token, usize), CelError> {
    let bytes = rest.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let hex = (rest.starts_with("0x") || rest.starts_with("0X"))
        .then(|| 2 + bytes[2..].iter().take_while(|b| b.is_ascii_hexdigit()).count())
        .filter(|end| *end > 2);
    let mut end = hex.unwrap_or_else(|| digits(0));
    let mut fraction = false;
    if hex.is_none() {
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1);
            fraction = true;
        }
        if bytes.get(end).is_some_and(|b| matches!(b, b'e' | b'E')) {
            let sign = usize::from(bytes.get(end + 1).is_some_and(|b| matches!(b, b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent > end + 1 + sign {
                end = exponent;
                fraction = true;
            }
        }
    }
    let text = &rest[..end];
    let unsigned = !fraction && bytes.get(end).is_some_and(|b| matches!(b, b'u' | b'U'));
    let len = end + usize::from(unsigned);
    if bytes
        .get(len)
        .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    {
        return Err(CelError::new(len, "a number cannot be followed by a letter"));
    }
    let token = if fraction {
        let value: f64 = text.parse().map_err(|_| CelError::new(0, "not a number"))?;
        if !value.is_finite() {
            return Err(CelError::new(0, format!("{text} does not fit into a double")));
        }
        Token::Double(value)
    } else {
        let value = if hex.is_some() {
            u64::from_str_radix(&text[2..], 16)
        } else {
            text.parse()
        };
        let value = value.map_err(|_| CelError::new(0, format!("{text} does not fit into 64 bits")))?;
        if unsigned {
            Token::UInt(value)
        } else {
            Token::Int(value)
        }
    };
    Ok((token, len))
}

/// The quoted text or bytes at the start of `rest`, unescaped, and the length in bytes; `None` if there is none.
pub(super) fn text(rest: &str) -> Result<Option<(Token, usize)>, CelError> {
    let prefix = rest
        .bytes()
        .take(2)
        .take_while(|b| matches!(b, b'r' | b'R' | b'b' | b'B'))
        .count();
    let (mut raw, mut binary) = (false, false);
    for letter in rest.bytes().take(prefix) {
        let flag = if matches!(letter, b'r' | b'R') {
            &mut raw
        } else {
            &mut binary
        };
        if std::mem::replace(flag, true) {
            return Ok(None);
        }
    }
    let quoted = &rest[prefix..];
    let Some(quote) = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quote| quoted.starts_with(quote))
    else {
        return Ok(None);
    };
    let body = &quoted[quote.len()..];
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let left = &body[at..];
        if left.starts_with(quote) {
            break;
        }
        let Some(next) = left.chars().next() else {
            return Err(CelError::new(0, "the text has no closing quote"));
        };
        if next == '\n' && quote.len() == 1 {
            return Err(CelError::new(0, "the text has no closing quote on its line")
                .hint("write `\\n`, or use three quotes"));
        }
        if next == '\\' && !raw {
            at += escape(left, binary, &mut out).map_err(|error| error.shift(prefix + quote.len() + at))?;
        } else {
            out.extend_from_slice(&left.as_bytes()[..next.len_utf8()]);
            at += next.len_utf8();
        }
    }
    let len = prefix + 2 * quote.len() + at;
    let token = if binary {
        Token::Bytes(out)
    } else {
        // Only whole characters were pushed.
        Token::String(String::from_utf8(out).map_err(|_| CelError::new(0, "the text is not UTF-8"))?)
    };
    Ok(Some((token, len)))
}

/// Appends what the escape sequence at the start of `left` stands for; its length in bytes.
fn escape(left: &str, binary: bool, out: &mut Vec<u8>) -> Result<usize, CelError> {
    let unknown = || {
        CelError::new(0, "unknown escape sequence")
            .hint("a backslash is written `\\\\`; in raw texts, r\"…\", it stands for itself")
    };
    let kind = *left.as_bytes().get(1).ok_or_else(unknown)?;
    let simple = match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'\'' | b'"' | b'`' | b'?' => kind,
        _ => {
            let (start, len, radix) = match kind {
                b'x' | b'X' => (2, 2, 16),
                b'u' if !binary => (2, 4, 16),
                b'U' if !binary => (2, 8, 16),
                b'0'..=b'3' => (1, 3, 8),
                _ => return Err(unknown()),
            };
            let digits = left.get(start..start + len).ok_or_else(unknown)?;
            if !digits.bytes().all(|digit| char::from(digit).is_digit(radix)) {
                return Err(unknown());
            }
            let code = u32::from_str_radix(digits, radix).map_err(|_| unknown())?;
            match u8::try_from(code) {
                Ok(byte) if binary => out.push(byte),
                _ => {
                    let character = char::from_u32(code)
                        .ok_or_else(|| CelError::new(0, format!("U+{code:04X} is no character")))?;
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            return Ok(start + len);
        }
    };
    out.push(simple);
    Ok(2)
}
