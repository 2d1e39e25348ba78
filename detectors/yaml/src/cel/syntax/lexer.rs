//! Text to tokens.

use super::literal;
use super::{MAX_LEN, Operator};
use crate::cel::CelError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Int(u64),
    UInt(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    /// A name; keywords and reserved words included, as they may name fields.
    Name(String),
    Operator(Operator),
    And,
    Or,
    Not,
    Question,
    Colon,
    Comma,
    Dot,
    Open(char),
    Close(char),
    End,
}

/// The tokens of `source` with their byte offsets; [`Token::End`] is the last.
pub(super) fn tokens(source: &str) -> Result<Vec<(usize, Token)>, CelError> {
    if source.len() > MAX_LEN {
        let message = format!(
            "the expression has {} bytes; at most {MAX_LEN} are allowed",
            source.len()
        );
        return Err(CelError::new(0, message).hint("split it into several conditions"));
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        if matches!(first, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c') {
            at += 1;
            continue;
        }
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (token, len) = token(rest, first).map_err(|error| error.shift(at))?;
        tokens.push((at, token));
        at += len;
    }
    tokens.push((source.len(), Token::End));
    Ok(tokens)
}

/// The token at the start of `rest` and its length in bytes.
fn token(rest: &str, first: char) -> Result<(Token, usize), CelError> {
    if let Some((token, len)) = literal::text(rest)? {
        return Ok((token, len));
    }
    let second = rest[first.len_utf8()..].chars().next();
    if first.is_ascii_digit() || first == '.' && second.is_some_and(|c| c.is_ascii_digit()) {
        return literal::number(rest);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let len = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let token = match &rest[..len] {
            "in" => Token::Operator(Operator::In),
            name => Token::Name(name.to_owned()),
        };
        return Ok((token, len));
    }
    let two = second.map(|second| (first, second));
    let double = match two {
        Some(('=', '=')) => Some(Token::Operator(Operator::Equal)),
        Some(('!', '=')) => Some(Token::Operator(Operator::NotEqual)),
        Some(('<', '=')) => Some(Token::Operator(Operator::LessEqual)),
        Some(('>', '=')) => Some(Token::Operator(Operator::GreaterEqual)),
        Some(('&', '&')) => Some(Token::And),
        Some(('|', '|')) => Some(Token::Or),
        _ => None,
    };
    if let Some(token) = double {
        return Ok((token, 2));
    }
    let token = match first {
        '<' => Token::Operator(Operator::Less),
        '>' => Token::Operator(Operator::Greater),
        '+' => Token::Operator(Operator::Add),
        '-' => Token::Operator(Operator::Subtract),
        '*' => Token::Operator(Operator::Multiply),
        '/' => Token::Operator(Operator::Divide),
        '%' => Token::Operator(Operator::Remainder),
        '!' => Token::Not,
        '?' => Token::Question,
        ':' => Token::Colon,
        ',' => Token::Comma,
        '.' => Token::Dot,
        '(' | '[' | '{' => Token::Open(first),
        ')' | ']' | '}' => Token::Close(first),
        '=' => return Err(CelError::new(0, "`=` is no operator").hint("write `==` to compare")),
        '&' => return Err(CelError::new(0, "`&` is no operator").hint("write `&&`")),
        '|' => return Err(CelError::new(0, "`|` is no operator").hint("write `||`")),
        other => return Err(CelError::new(0, format!("unexpected character {other:?}"))),
    };
    Ok((token, 1))
}
