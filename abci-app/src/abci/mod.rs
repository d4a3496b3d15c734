//! The server that CometBFT talks to: ABCI 2.0 (the 0.38 line) over a Unix socket.
//!
//! It runs on a small runtime of its own: calls are synchronous there, so CheckTx answers without hopping between
//! threads, and a block under execution holds up nobody else's tasks. A ledger error in what consensus depends on is
//! never answered (CometBFT would go on with a guess): the connection closes and the node is told to stop. What strangers
//! send through CometBFT's RPC, decodable or not, always has an answer. A CometBFT that dies is only a closed connection.

mod connection;
mod consensus;
mod convert;
mod frame;
mod request;
mod service;

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::handle::LedgerHandle;
use service::AbciService;

/// CometBFT holds four connections; each may block its worker while it waits for a lock.
const WORKERS: usize = 4;
/// How long a connection that could not be accepted is waited for, before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why the server could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum AbciError {
    /// The socket could not be made.
    #[error("cannot listen on {path}: {source}; choose a shorter home path that you may write to")]
    Socket {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The ledger failed and the node must stop; see the log before it.
    #[error("ledger failed: {0}")]
    Ledger(String),
    /// The server's thread is gone.
    #[error("abci server stopped unexpectedly")]
    Gone,
}

/// The running server. It stops with its token; drop it, or wait for the end with [`AbciServer::join`].
#[derive(Debug)]
pub struct AbciServer {
    socket: PathBuf,
    thread: JoinHandle<Result<(), AbciError>>,
}

impl AbciServer {
    /// Serves `ledger` on the Unix socket `socket`, which is private to the user, as is its folder if it is made here.
    /// Cancelling `shutdown` stops it; a fatal ledger error cancels `shutdown`. CometBFT is told that it need not keep more than
    /// `keep_blocks` blocks; 0 is all.
    ///
    /// # Errors
    /// When the folder, the socket or the thread that serves it cannot be made.
    pub async fn spawn(
        ledger: LedgerHandle,
        socket: &Path,
        keep_blocks: u64,
        shutdown: CancellationToken,
    ) -> Result<Self, AbciError> {
        prepare(socket).map_err(|source| AbciError::Socket { path: socket.to_owned(), source })?;
        let (ready, started) = oneshot::channel();
        let path = socket.to_owned();
        let thread = std::thread::Builder::new()
            .name("abci".into())
            .spawn(move || run(AbciService::new(ledger, keep_blocks, shutdown.clone()), &path, shutdown, ready))
            .map_err(|source| AbciError::Socket { path: socket.to_owned(), source })?;
        let server = Self { socket: socket.to_owned(), thread };
        match started.await {
            Ok(()) => Ok(server),
            Err(_) => Err(server.join().await.err().unwrap_or(AbciError::Gone)),
        }
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What CometBFT's `proxy_app` must say.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Waits until the server has stopped and its connections are closed.
    ///
    /// # Errors
    /// [`AbciError::Ledger`] when the ledger failed, [`AbciError::Socket`] when the socket did, [`AbciError::Gone`]
    /// when the server panicked.
    pub async fn join(self) -> Result<(), AbciError> {
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        joined.map_err(|_| AbciError::Gone)?.map_err(|_| AbciError::Gone)?
    }
}

/// Answers one connection, as the server does each that it accepts, until `requests` ends. What is answered is written once a
/// Flush asks for it. A fatal ledger error ends it without an answer and cancels `shutdown`.
///
/// # Errors
/// When a stream breaks, `requests` ends within a message, or a message's length is none or over 128 MiB.
pub async fn converse<R, W>(
    ledger: LedgerHandle,
    requests: R,
    answers: W,
    shutdown: CancellationToken,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    connection::run(requests, answers, &AbciService::new(ledger, 0, shutdown)).await
}

/// Removes a socket that a killed node left behind; a folder that is made here keeps others out.
fn prepare(socket: &Path) -> io::Result<()> {
    if let Some(folder) = socket.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn run(
    service: AbciService,
    socket: &Path,
    shutdown: CancellationToken,
    ready: oneshot::Sender<()>,
) -> Result<(), AbciError> {
    let socket_error = |source| AbciError::Socket { path: socket.to_owned(), source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("abci-worker")
        .enable_all()
        .build()
        .map_err(socket_error)?;
    let failure = service.failure();
    let result = runtime.block_on(serve(service, socket, &shutdown, ready)).map_err(socket_error);
    let _ = std::fs::remove_file(socket);
    // Nothing serves CometBFT any more, so nothing else should go on either.
    shutdown.cancel();
    match failure.get() {
        Some(reason) => Err(AbciError::Ledger(reason.clone())),
        None => result,
    }
}

async fn serve(
    service: AbciService,
    socket: &Path,
    shutdown: &CancellationToken,
    ready: oneshot::Sender<()>,
) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    // A folder that was there may be open to others.
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    let _ = ready.send(());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => {
                match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection::serve(stream, service.clone()));
                    }
                    // Such as too many open files, which passes: the node is not worth ending for it.
                    Err(error) => {
                        tracing::warn!(%error, "a connection of CometBFT's was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    // A call that is running ends first: a commit is never cut short.
    connections.shutdown().await;
    Ok(())
}
