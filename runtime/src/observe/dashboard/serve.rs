//! The server: one thread, with little time for each client.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use crate::sys::spawn_quiet;

use super::answer::{answer, plain_gone};
use super::watch::Shared;

/// How many clients are served at a time; others wait in the queue of the system.
const CLIENTS: usize = 64;
/// How long a client may take to say what it wants.
const HEADERS: Duration = Duration::from_secs(5);
/// How long a client is served at most. Each request has a connection of its own.
const CLIENT: Duration = Duration::from_secs(30);
/// How large a request may be, in bytes.
const REQUEST: usize = 16 << 10;

/// A server that runs. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    /// Where it listens.
    pub(super) address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Serves clients of the listener from now on.
    pub(super) fn start(listener: TcpListener, shared: &Arc<Shared>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::downgrade(shared);
        spawn_quiet("parproc-page", move || {
            runtime.block_on(async {
                tokio::spawn(serve(listener, shared));
                let _ = stopped.await;
            });
            // Clients that are being served are left.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            address,
            _stop: stop,
        })
    }
}

async fn serve(listener: TcpListener, shared: Weak<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let free = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let client = client(stream, Weak::clone(&shared));
                tokio::spawn(async move {
                    // A client that vanishes or dawdles is nothing to tell anybody of.
                    let _ = timeout(CLIENT, client).await;
                    drop(place);
                });
            }
            // The client is gone already, or there are no descriptors; there will be some.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn client(stream: TcpStream, shared: Weak<Shared>) {
    let service = service_fn(move |request| {
        let answer = match shared.upgrade() {
            Some(shared) => answer(&shared, &request),
            None => plain_gone(),
        };
        async move { Ok::<_, Infallible>(answer) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(REQUEST)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
