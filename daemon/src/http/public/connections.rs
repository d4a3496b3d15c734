//! Connections of strangers: how many, of whom, and how long they may keep one waiting.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use datanet_config::PublicConfig;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::super::guard::Reached;
use super::super::limits;
use super::super::metrics::Metrics;
use super::budget::{Peer, subscriber};

/// How long whoever asked may leave unread what is sent to him.
const UNREAD: Duration = Duration::from_secs(30);
/// Headers of a request, and bytes of them.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// The rest after the system had no connection to give.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections, and how long their headers may take.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    all: usize,
    of_one: usize,
    headers: Duration,
    /// Those that may have as many as there are.
    proxies: Vec<IpAddr>,
}

impl Bounds {
    /// As configured.
    pub(super) fn of(config: &PublicConfig) -> Self {
        Self {
            all: config.max_connections as usize,
            of_one: config.max_connections_per_address as usize,
            headers: Duration::from_secs(config.header_seconds),
            proxies: config.trusted_proxies.clone(),
        }
    }
}

/// Those that are open, by whose they are.
#[derive(Debug, Default)]
struct Open {
    all: usize,
    /// Nobody is here who has none, so that it is no longer than there are connections.
    of: HashMap<IpAddr, usize>,
}

#[derive(Clone)]
struct Connections {
    open: Arc<Mutex<Open>>,
    bounds: Bounds,
    metrics: Arc<Metrics>,
}

/// A connection's place, free again when it is dropped.
struct Kept {
    of: Connections,
    whose: IpAddr,
}

impl Connections {
    /// A place for a connection from `address`, or which bound it is beyond.
    fn keep(&self, address: IpAddr) -> Result<Kept, &'static str> {
        let whose = subscriber(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.bounds.all {
            return Err("max_connections");
        }
        let own = open.of.get(&whose).copied().unwrap_or(0);
        if own >= self.bounds.of_one && !self.bounds.proxies.contains(&address.to_canonical()) {
            return Err("max_connections_per_address");
        }
        open.all = open.all.saturating_add(1);
        open.of.insert(whose, own.saturating_add(1));
        self.metrics.set_public_connections(open.all);
        Ok(Kept { of: self.clone(), whose })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut open = self.of.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(own) = open.of.get_mut(&self.whose) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.of.remove(&self.whose);
            }
        }
        self.of.metrics.set_public_connections(open.all);
    }
}

/// Serves `app` on all connections within `bounds`, until the node stops and those that are open have ended or had their time.
pub(super) async fn serve(
    listener: TcpListener,
    app: axum::Router,
    bounds: Bounds,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    let connections = Connections { open: Arc::default(), bounds, metrics };
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => match connections.keep(peer.ip()) {
                Ok(kept) => {
                    drop(tasks.spawn(connection(stream, peer, app.clone(), kept, shutdown.clone())));
                }
                Err(bound) => connections.metrics.count_turned_away(bound),
            },
            Err(error) => {
                // Too many open files, perhaps: connections that end give some back.
                tracing::warn!(%error, "the public face could not take a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    tasks.close();
    let _ = tokio::time::timeout(limits::LAST_WORDS, tasks.wait()).await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, app: axum::Router, kept: Kept, shutdown: CancellationToken) {
    let reached = Reached::of(&stream);
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(UNREAD));
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(reached));
        request.extensions_mut().insert(Peer(peer.ip()));
        app.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(kept.of.bounds.headers);
    http.max_headers(MAX_HEADERS).max_buf_size(MAX_HEADER_BYTES);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, peer = %peer, "a connection to the public face broke off");
    }
    drop(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_no_more_than_its_own_and_all_no_more_than_there_are() {
        let config = PublicConfig {
            max_connections: 5,
            max_connections_per_address: 2,
            trusted_proxies: vec!["10.0.0.1".parse().unwrap()],
            ..PublicConfig::default()
        };
        let metrics = Arc::new(Metrics::new());
        let connections = Connections { open: Arc::default(), bounds: Bounds::of(&config), metrics };
        let from = |address: &str| connections.keep(address.parse().unwrap());
        let first = [from("192.0.2.1").unwrap(), from("192.0.2.1").unwrap()];
        assert_eq!(from("192.0.2.1").err(), Some("max_connections_per_address"));
        let _v6 = [from("2001:db8::1").unwrap(), from("2001:db8::2").unwrap()];
        assert_eq!(from("2001:db8::3").err(), Some("max_connections_per_address"));
        drop(first);
        let _proxy = [from("10.0.0.1").unwrap(), from("10.0.0.1").unwrap(), from("10.0.0.1").unwrap()];
        assert_eq!(from("192.0.2.2").err(), Some("max_connections"));
        assert_eq!(connections.open.lock().unwrap().of.len(), 2, "who has none is forgotten");
    }
}
