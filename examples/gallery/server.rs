//! A web server whose requests run in worker processes, and which outlives those that crash and hang.
//!
//! `cargo run --release --example server -- 127.0.0.1:8080` serves until it is interrupted:
//!
//! ```sh
//! curl --data '[1, {"two": 3}]' http://127.0.0.1:8080/json
//! printf '(.)\\1\nballoon' | curl --data-binary @- http://127.0.0.1:8080/regex
//! ```
//!
//! Without an address it takes a free port and sends itself requests, all at once: good ones, wrong ones, one that
//! overflows the stack of its parser and one that would be matched for years. It prints what each was
//! answered, and ends. A task is a future, so a request that waits for its worker costs no thread.

use std::env;
use std::error::Error;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use fancy_regex::RegexBuilder;
use parproc::{Function, Pool, parallel};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

/// What is told to who asked: the answer, or what is wrong with the question.
type Answer = Result<String, String>;

/// How many values a document has in it. The parser goes as deep as the document does.
#[parallel(timeout = "1s", memory_limit = "256MiB")]
fn json(document: Vec<u8>) -> Answer {
    let mut deserializer = serde_json::Deserializer::from_slice(&document);
    deserializer.disable_recursion_limit();
    let value = Value::deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(format!("{} values", count(&value)))
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// How often the pattern in the first line matches in the text below it.
#[parallel(timeout = "1s", memory_limit = "256MiB")]
fn regex(question: Vec<u8>) -> Answer {
    let question = String::from_utf8(question).map_err(|error| error.to_string())?;
    let (pattern, text) = question.split_once('\n').ok_or("there is no text")?;
    let regex = RegexBuilder::new(pattern)
        .backtrack_limit(usize::MAX)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(format!("{} matches", regex.find_iter(text).count()))
}

/// Has a worker answer the request.
async fn answer<F, M>(function: F, body: Bytes) -> (StatusCode, String)
where
    F: Function<Vec<u8>, M, Output = Answer>,
{
    let outcome = match Pool::global().and_then(|pool| pool.spawn(function, body.to_vec())) {
        Ok(task) => task.await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(Ok(answer)) => (StatusCode::OK, answer),
        Ok(Err(reason)) => (StatusCode::BAD_REQUEST, reason),
        Err(error) => {
            let status = match error.task() {
                Some(task) if task.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, error.to_string())
        }
    }
}

fn app() -> Router {
    Router::new()
        .route("/json", post(|body| answer(json, body)))
        .route("/regex", post(|body| answer(regex, body)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if let Some(address) = env::args().nth(1) {
        let listener = TcpListener::bind(&address)
            .await
            .map_err(|error| format!("{address}: {error}"))?;
        println!("listening on {}", listener.local_addr()?);
        return Ok(axum::serve(listener, app()).await?);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(axum::serve(listener, app()).into_future());

    let orders = r#"{"what": "apples", "price": 1.5},"#.repeat(20_000);
    let requests = [
        ("/json", "a small document", "[1, {\"two\": 3}]".to_owned()),
        ("/json", "20,000 orders", format!("[{}null]", orders)),
        ("/json", "a bracket left open", "[1, 2".to_owned()),
        ("/json", "1,000,000 brackets", "[".repeat(1_000_000)),
        (
            "/regex",
            "letters that come twice",
            format!("(\\w)\\1\n{orders}"),
        ),
        ("/regex", "no text", "a+".to_owned()),
        (
            "/regex",
            "countless ways to fail",
            format!("^(?:(a|\\w)+)\\1?$\n{}!", "a".repeat(64)),
        ),
        ("/regex", "numbers", format!("\\d+\\.\\d+(?!\\d)\n{orders}")),
    ];
    println!("request  {:<24} status  milliseconds  answer", "content");
    let mut asked = tokio::task::JoinSet::new();
    for (path, content, body) in requests {
        asked.spawn(async move {
            let start = Instant::now();
            let reply = ask(address, path, &body).await;
            (path, content, reply, start.elapsed())
        });
    }
    while let Some(reply) = asked.join_next().await {
        let (path, content, reply, time) = reply?;
        show(path, content, &reply?, time);
    }
    let start = Instant::now();
    let reply = ask(address, "/json", "[\"still\", \"there?\"]").await?;
    show("/json", "afterwards", &reply, start.elapsed());
    server.abort();
    Ok(())
}

/// Sends a request, and gives the status and what was answered.
async fn ask(to: impl ToSocketAddrs, path: &str, body: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(to).await?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len(),
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    let status = reply.split(' ').nth(1).unwrap_or_default().to_owned();
    let (_, answer) = reply.split_once("\r\n\r\n").unwrap_or_default();
    Ok((status, answer.to_owned()))
}

fn show(path: &str, content: &str, (status, answer): &(String, String), time: Duration) {
    println!(
        "{path:<7}  {content:<24} {status:>6}  {:>12.1}  {answer}",
        time.as_secs_f64() * 1e3
    );
}
