//! The heads of HTTP messages. Only a head that is whole in its segment is told.

use std::collections::BTreeMap;

use detectors_api::proto;

/// Headers of a message at most.
const MAX_HEADERS: usize = 128;

/// The head of the message that the payload of a segment begins with.
pub(super) fn read(payload: &[u8]) -> Option<proto::Http> {
    if payload.starts_with(b"HTTP/") {
        response(payload)
    } else {
        request(payload)
    }
}

fn request(payload: &[u8]) -> Option<proto::Http> {
    let mut room = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut room);
    if !request.parse(payload).ok()?.is_complete() {
        return None;
    }
    let target = request.path?;
    let (authority, path) = split_target(target);
    let mut headers = headers(request.headers);
    let host = headers
        .remove("Host")
        .and_then(|host| host.header.into_iter().next())
        .or(authority.map(str::to_owned));
    Some(proto::Http {
        direction: "request".to_owned(),
        method: request.method?.to_owned(),
        protocol: protocol(request.version?),
        host: host.unwrap_or_default(),
        uri_path: path.to_owned(),
        content_length: content_length(&headers).unwrap_or(0),
        headers,
        ..proto::Http::default()
    })
}

fn response(payload: &[u8]) -> Option<proto::Http> {
    let mut room = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut room);
    if !response.parse(payload).ok()?.is_complete() {
        return None;
    }
    let code = response.code?;
    let headers = headers(response.headers);
    Some(proto::Http {
        direction: "response".to_owned(),
        protocol: protocol(response.version?),
        status: format!("{code} {}", response.reason.unwrap_or_default())
            .trim_end()
            .to_owned(),
        status_code: code.into(),
        content_length: content_length(&headers).unwrap_or(-1),
        headers,
        ..proto::Http::default()
    })
}

/// A message in the form of requests, if it is one.
pub(super) fn request_of(http: &proto::Http) -> Option<proto::HttpRequest> {
    (http.direction == "request").then(|| proto::HttpRequest {
        method: http.method.clone(),
        protocol: http.protocol.clone(),
        host: http.host.clone(),
        uri_path: http.uri_path.clone(),
        headers: http.headers.clone(),
        content_length: http.content_length,
    })
}

/// A message in the form of responses, if it is one.
pub(super) fn response_of(http: &proto::Http) -> Option<proto::HttpResponse> {
    (http.direction == "response").then(|| proto::HttpResponse {
        status: http.status.clone(),
        status_code: http.status_code,
        protocol: http.protocol.clone(),
        headers: http.headers.clone(),
        content_length: http.content_length,
    })
}

fn protocol(minor: u8) -> String {
    format!("HTTP/1.{minor}")
}

/// Host and path of what a request asks for, without the query. A proxy is asked for a whole URL.
fn split_target(target: &str) -> (Option<&str>, &str) {
    let target = target.split(['?', '#']).next().unwrap_or_default();
    let Some((_, rest)) = target.split_once("://") else {
        return (None, target);
    };
    let slash = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(slash);
    (Some(authority), path)
}

/// Headers by name, in the usual spelling; a name may come several times.
fn headers(parsed: &[httparse::Header<'_>]) -> BTreeMap<String, proto::HttpHeader> {
    let mut headers: BTreeMap<String, proto::HttpHeader> = BTreeMap::new();
    for header in parsed {
        let value = String::from_utf8_lossy(header.value).into_owned();
        headers
            .entry(canonical(header.name))
            .or_default()
            .header
            .push(value);
    }
    headers
}

/// `content-type` is `Content-Type`.
fn canonical(name: &str) -> String {
    let mut canonical = String::with_capacity(name.len());
    let mut first = true;
    for character in name.chars() {
        canonical.push(if first {
            character.to_ascii_uppercase()
        } else {
            character.to_ascii_lowercase()
        });
        first = character == '-';
    }
    canonical
}

/// What the message says about the length of its body. One that comes in chunks does not say it.
fn content_length(headers: &BTreeMap<String, proto::HttpHeader>) -> Option<i64> {
    let value = |name: &str| headers.get(name).and_then(|header| header.header.first());
    if value("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Some(-1);
    }
    value("Content-Length")?
        .trim()
        .parse()
        .ok()
        .filter(|length| *length >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request() {
        let http = read(
            b"POST /a/b?c=d HTTP/1.1\r\nhost: example.org:8080\r\ncontent-length: 3\r\nx-one: 1\r\nX-ONE: 2\r\n\r\nabc",
        )
        .expect("a request");
        assert_eq!(
            (
                http.direction.as_str(),
                http.method.as_str(),
                http.host.as_str(),
                http.uri_path.as_str()
            ),
            ("request", "POST", "example.org:8080", "/a/b")
        );
        assert_eq!((http.protocol.as_str(), http.content_length), ("HTTP/1.1", 3));
        assert_eq!(http.headers["X-One"].header, ["1", "2"]);
        assert_eq!(http.headers.len(), 2);
        let proxy = read(b"GET http://example.org/x HTTP/1.0\r\n\r\n").expect("a request");
        assert_eq!(
            (proxy.host.as_str(), proxy.uri_path.as_str()),
            ("example.org", "/x")
        );
        assert_eq!(proxy.content_length, 0);
    }

    #[test]
    fn a_response() {
        let http = read(b"HTTP/1.1 404 Not Found\r\nserver: x\r\n\r\n").expect("a response");
        assert_eq!((http.status.as_str(), http.status_code), ("404 Not Found", 404));
        assert_eq!((http.direction.as_str(), http.content_length), ("response", -1));
    }

    #[test]
    fn what_is_not_whole_is_not_told() {
        for bytes in [
            &b"GET /"[..],
            b"GET / HTTP/1.1\r\nhost: x\r\n",
            b"HTTP/9 x",
            b"GET \0",
        ] {
            assert_eq!(read(bytes), None);
        }
    }
}
