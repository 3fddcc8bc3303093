//! Who gets what from the server of a live page.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::event::{Event, EventKind, Observer};

use super::Dashboard;

/// Sends text as it is, and reads the answer to its end.
fn asked(dashboard: &Dashboard, text: &str) -> String {
    let mut stream = connect(dashboard);
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn connect(dashboard: &Dashboard) -> TcpStream {
    let stream = TcpStream::connect(place(dashboard)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Address and port.
fn place(dashboard: &Dashboard) -> String {
    let address = dashboard.address();
    address.split('/').nth(2).unwrap().to_owned()
}

fn path(dashboard: &Dashboard) -> String {
    let address = dashboard.address();
    format!("/{}/", address.split('/').nth(3).unwrap())
}

fn get(dashboard: &Dashboard, path: &str, host: &str) -> String {
    asked(
        dashboard,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    )
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn call(dashboard: &mut Dashboard, call: u64) {
    let kind = EventKind::CallStarted {
        call,
        function: "app::f",
        items: Some(1),
    };
    dashboard.observe(&[Event::new(call, kind)]);
}

fn end(dashboard: &mut Dashboard, call: u64) {
    dashboard.observe(&[Event::new(call + 1, EventKind::CallEnded { call })]);
}

#[test]
fn who_has_the_address_gets_the_page() {
    let mut dashboard = Dashboard::bind("127.0.0.1:0").unwrap();
    call(&mut dashboard, 1);
    let page = get(&dashboard, &path(&dashboard), &place(&dashboard));
    assert_eq!(status(&page), "200");
    assert!(page.contains("<!DOCTYPE html>") && page.contains("connect-src 'self'"));
    for header in [
        "cache-control: no-store",
        "nosniff",
        "frame-ancestors 'none'",
    ] {
        assert!(page.contains(header), "{header}");
    }
    let data = get(&dashboard, &(path(&dashboard) + "data.json"), "localhost");
    assert!(status(&data) == "200" && data.contains("app::f"));
    let moved = get(
        &dashboard,
        path(&dashboard).trim_end_matches('/'),
        "localhost",
    );
    assert_eq!(status(&moved), "308");
}

#[test]
fn what_is_known_is_not_sent_again() {
    let mut dashboard = Dashboard::bind("127.0.0.1:0").unwrap();
    call(&mut dashboard, 1);
    let ask = |dashboard: &Dashboard, since: u64| {
        let path = format!("{}data.json?since={since}", path(dashboard));
        status(&get(dashboard, &path, "localhost")).to_owned()
    };
    // While something runs, time goes on.
    assert_eq!(ask(&dashboard, 1), "200");
    end(&mut dashboard, 1);
    assert_eq!(ask(&dashboard, 1), "200");
    assert_eq!(ask(&dashboard, 2), "204");
}

#[test]
fn others_get_nothing() {
    let dashboard = Dashboard::bind("127.0.0.1:0").unwrap();
    let right = path(&dashboard);
    let wrong = right.replace(|c: char| c.is_ascii_hexdigit(), "0");
    let longer = right.replace("/", "/0");
    for path in [
        "/",
        "/data.json",
        "//",
        &wrong,
        &longer,
        "/favicon.ico",
        "*",
    ] {
        let answer = get(&dashboard, path, "127.0.0.1");
        assert!(matches!(status(&answer), "404" | "400"), "{path}: {answer}");
        assert!(!answer.contains("DOCTYPE"));
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil",
        "",
        "a b",
    ] {
        let answer = get(&dashboard, &right, host);
        assert!(matches!(status(&answer), "403" | "400"), "{host}: {answer}");
    }
    let twice = format!("GET {right} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n");
    assert_eq!(status(&asked(&dashboard, &twice)), "403");
    let old = format!("GET {right} HTTP/1.0\r\n\r\n");
    assert_eq!(status(&asked(&dashboard, &old)), "403");
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let text = format!("{method} {right} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(status(&asked(&dashboard, &text)), "405", "{method}");
    }
    assert_eq!(status(&get(&dashboard, &right, "[::1]:80")), "200");
    assert!(!format!("{dashboard:?}").contains(right.trim_matches('/')));
}

#[test]
fn clients_that_dawdle_or_vanish_hold_nothing_up() {
    let mut dashboard = Dashboard::bind("127.0.0.1:0").unwrap();
    // Some say nothing, some ask and never read, some ask and go, some send what is no request.
    let silent: Vec<_> = (0..20).map(|_| connect(&dashboard)).collect();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        path(&dashboard)
    );
    let deaf: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = connect(&dashboard);
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..50 {
        connect(&dashboard).write_all(request.as_bytes()).unwrap();
        // The server may have closed it already.
        let _ = connect(&dashboard).write_all(&[0xff; 40_000]);
    }
    for n in 0..100 {
        call(&mut dashboard, n);
    }
    let page = get(&dashboard, &path(&dashboard), "localhost");
    assert_eq!(status(&page), "200");
    drop((silent, deaf));
}

#[test]
fn the_server_ends_with_the_last_one() {
    let dashboard = Dashboard::bind("0").unwrap();
    let other = dashboard.clone();
    let (place, path) = (place(&dashboard), path(&dashboard));
    assert!(place.starts_with("127.0.0.1:"));
    drop(dashboard);
    assert_eq!(status(&get(&other, &path, "localhost")), "200");
    drop(other);
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(&place).is_ok() {
        assert!(std::time::Instant::now() < end, "somebody still listens");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_address_is_a_number_and_a_port() {
    for wrong in ["", "x", "127.0.0.1", "1.2.3.4.5:6", "99999", "name:80"] {
        assert!(Dashboard::bind(wrong).unwrap_err().is_invalid(), "{wrong}");
    }
    for right in ["0", ":0", "localhost:0", "127.0.0.1:0"] {
        assert!(Dashboard::bind(right).is_ok(), "{right}");
    }
    let taken = Dashboard::bind("0").unwrap();
    let error = Dashboard::bind(&place(&taken)).unwrap_err();
    assert!(error.to_string().contains(&place(&taken)), "{error}");
}
