//! What is answered to a request.

use std::net::IpAddr;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use subtle::ConstantTimeEq;

use super::watch::Shared;

pub(super) type Answer = Response<Full<Bytes>>;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers; what is asked besides is not looked at.
pub(super) fn answer<B>(shared: &Shared, request: &Request<B>) -> Answer {
    let mut answer = found(shared, request);
    let headers = answer.headers_mut();
    // Nobody keeps it, guesses what it is, frames it or learns its address.
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn found<B>(shared: &Shared, request: &Request<B>) -> Answer {
    if !is_asked_by_number(request) {
        return plain(
            StatusCode::FORBIDDEN,
            "the host must be a number or localhost\n",
        );
    }
    let path = request.uri().path();
    let (token, rest) = match path[1.min(path.len())..].split_once('/') {
        Some((token, rest)) => (token, Some(rest)),
        None => (&path[1.min(path.len())..], None),
    };
    if !bool::from(token.as_bytes().ct_eq(shared.token.as_bytes())) {
        return plain(StatusCode::NOT_FOUND, "not found\n");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "this can only be read\n");
        answer
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match rest {
        None => {
            let mut answer = plain(StatusCode::PERMANENT_REDIRECT, "");
            if let Ok(to) = HeaderValue::from_str(&format!("/{}/", shared.token)) {
                answer.headers_mut().insert(LOCATION, to);
            }
            answer
        }
        Some("") => match shared.page() {
            Ok(page) => whole(StatusCode::OK, HTML, Bytes::from(page)),
            Err(error) => failed(&error),
        },
        Some("data.json") => match shared.data(since(request.uri().query())) {
            Ok(Some(json)) => whole(StatusCode::OK, JSON, json),
            Ok(None) => whole(StatusCode::NO_CONTENT, JSON, Bytes::new()),
            Err(error) => failed(&error),
        },
        Some(_) => plain(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// The server is about to end.
pub(super) fn plain_gone() -> Answer {
    plain(StatusCode::SERVICE_UNAVAILABLE, "the pool is over\n")
}

/// True when the request names the host by its number, or as `localhost`: a name of somebody else's domain is not
/// what the user opened.
fn is_asked_by_number<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(authority) = host
        .to_str()
        .unwrap_or_default()
        .parse::<hyper::http::uri::Authority>()
    else {
        return false;
    };
    let name = authority.host();
    let number = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    number.unwrap_or(name).parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

/// The revision that the client has, out of `since=5`.
fn since(query: Option<&str>) -> Option<u64> {
    query?.strip_prefix("since=")?.parse().ok()
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    whole(status, TEXT, Bytes::from_static(text.as_bytes()))
}

fn failed(error: &crate::error::Error) -> Answer {
    whole(
        StatusCode::INTERNAL_SERVER_ERROR,
        TEXT,
        Bytes::from(format!("{error}\n")),
    )
}

fn whole(status: StatusCode, kind: &'static str, bytes: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(bytes));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
