//! A client of one node, for programs on its machine.
//!
//! One typed method for each thing that programs do; [`Client::get`] and [`Client::post`] for everything else. A refusal
//! is the node's own [`Problem`](crate::Problem).

mod answers;
mod data;
mod error;
mod events;
mod ledger;
mod models;

use std::path::PathBuf;
use std::time::Duration;

use datanet_config::{FileError, Home, read_text};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::ClientError;

use crate::{RunFile, loopback};

/// What a call gives.
pub type ClientResult<T> = Result<T, ClientError>;

/// The longest wait for a connection, which leads nowhere but to this machine.
const CONNECT: Duration = Duration::from_secs(5);

/// So many times its usual patience a client has with an upload, which may be of any size.
const UPLOAD: u32 = 10;

/// A caller of one node. Cheap to clone; calls may run at the same time.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
    patience: Option<Duration>,
    /// The home whose node this is, and its process.
    process: Option<(PathBuf, u32)>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token, which must not be in a log.
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the node at `base` (`http://127.0.0.1:PORT`) with the token of its home.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn new(base: &str, token: &str) -> ClientResult<Self> {
        let setup = |error: Box<dyn std::error::Error + Send + Sync>| ClientError::Setup(error);
        let builder = loopback::client_builder().map_err(|error| setup(error.into()))?;
        let http = builder.connect_timeout(CONNECT).build().map_err(|error| setup(error.into()))?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http, base, token: token.trim().to_owned(), patience: None, process: None })
    }

    /// A client of the node that runs in `home`.
    ///
    /// # Errors
    /// When none runs there, or when the home's files can't be read.
    pub fn of(home: &Home) -> ClientResult<Self> {
        let run = RunFile::read(home)?;
        let token = read_text(&home.api_token()).map_err(|error| match error {
            FileError::Denied(_) => ClientError::File(error),
            error => ClientError::NoToken(error),
        })?;
        Ok(Self { process: Some((home.root().to_owned(), run.pid)), ..Self::new(&run.api, &token)? })
    }

    /// The same client, which waits so long for an answer and no longer; for uploads, ten times that. Streams of events
    /// have no end of their own.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// The node's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request to `path` with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Sends a request of [`Client::request`]; anything but success is an error.
    ///
    /// # Errors
    /// See [`ClientError`]; so for all calls.
    pub async fn send(&self, request: RequestBuilder) -> ClientResult<Response> {
        let response = request.send().await.map_err(|source| self.failure(source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|source| self.failure(source))?;
        Err(error::refusal(status, &body))
    }

    /// `GET path`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> ClientResult<T> {
        self.call(self.request(Method::GET, path), path).await
    }

    /// `GET path` with a query string.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_with<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> ClientResult<T> {
        self.call(self.request(Method::GET, path).query(query), path).await
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> ClientResult<T> {
        self.call(self.request(Method::POST, path).json(body), path).await
    }

    /// `DELETE path`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> ClientResult<T> {
        self.call(self.request(Method::DELETE, path), path).await
    }

    /// `POST path` without a body.
    async fn post_nothing<T: DeserializeOwned>(&self, path: &str) -> ClientResult<T> {
        self.call(self.request(Method::POST, path), path).await
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder, path: &str) -> ClientResult<T> {
        self.call_within(request, path, self.patience).await
    }

    async fn call_within<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        path: &str,
        patience: Option<Duration>,
    ) -> ClientResult<T> {
        let request = match patience {
            Some(patience) => request.timeout(patience),
            None => request,
        };
        let body = self.send(request).await?.bytes().await.map_err(|source| self.failure(source))?;
        serde_json::from_slice(&body).map_err(|source| ClientError::Answer { path: path.to_owned(), source })
    }

    /// What the HTTP client's error means; where nobody takes the connection, whether the node's process is gone.
    fn failure(&self, source: reqwest::Error) -> ClientError {
        match (error::failure(&self.base, source), &self.process) {
            (ClientError::Unreachable { .. }, Some((home, pid))) if is_gone(*pid) => {
                ClientError::Gone { home: home.clone(), pid: *pid }
            }
            (error, _) => error,
        }
    }
}

/// Whether no process has this id. Another's process may have it by now: then it is not known.
fn is_gone(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
    pid.is_none_or(|pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_without_a_node_says_how_to_start_one() {
        let home = tempfile::tempdir().unwrap();
        let error = Client::of(&Home::new(home.path())).unwrap_err();
        assert!(matches!(error, ClientError::NotRunning { .. }) && error.to_string().contains("`datanet start`"));
    }

    #[test]
    fn an_empty_or_cut_run_file_and_a_missing_token_are_told_with_the_fix() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        for (text, says) in [("", "it is empty"), ("{\"pid\": 1", "it is cut short")] {
            std::fs::write(home.run_file(), text).unwrap();
            let told = Client::of(&home).unwrap_err().to_string();
            assert!(told.contains("run.json") && told.contains(says) && told.contains("`datanet start`"), "{told}");
        }
        std::fs::write(home.run_file(), run_file(1, "http://127.0.0.1:9")).unwrap();
        let told = Client::of(&home).unwrap_err().to_string();
        assert!(told.contains("api-token is missing; `datanet init` writes a new one"), "{told}");
    }

    fn run_file(pid: u32, api: &str) -> String {
        let run = RunFile {
            pid,
            api: api.to_owned(),
            name: "owl".to_owned(),
            node_key: datanet_types::NodeKey([7; 32]),
            p2p: Vec::new(),
            comet_rpc: None,
            comet_p2p: None,
            join: None,
            comet_pid: None,
            public: None,
        };
        serde_json::to_string(&run).unwrap()
    }

    /// What is said when whoever listens at an address does `answer` with the first connection.
    async fn said(answer: impl AsyncFnOnce(tokio::net::TcpStream)) -> ClientError {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()), "t").unwrap();
        let client = client.with_patience(Duration::from_millis(500));
        let serve = async { answer(listener.accept().await.unwrap().0).await };
        let (called, ()) = tokio::join!(client.get::<serde_json::Value>("/v1/status"), serve);
        called.unwrap_err()
    }

    #[tokio::test]
    async fn why_there_is_no_answer_is_told_apart() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let broke = said(async |stream| drop(stream)).await;
        assert!(matches!(broke, ClientError::BrokeOff { .. }), "{broke:?}");
        let foreign = said(async |mut stream| stream.write_all(b"SSH-2.0-owl\r\n\r\n").await.unwrap()).await;
        assert!(matches!(foreign, ClientError::BrokeOff { .. }), "{foreign:?}");
        let slow = said(async |mut stream| while stream.read(&mut [0; 99]).await.is_ok_and(|read| read > 0) {}).await;
        assert!(matches!(slow, ClientError::TimedOut { .. }), "{slow:?}");
        let no_address = Client::new("not an address", "t").unwrap().get::<serde_json::Value>("/").await.unwrap_err();
        assert!(matches!(no_address, ClientError::Unsendable { .. }), "{no_address:?}");
    }

    #[tokio::test]
    async fn a_killed_nodes_process_is_told_from_one_that_does_not_answer() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        std::fs::write(home.api_token(), "t").unwrap();
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let called = async |pid: u32| {
            std::fs::write(home.run_file(), run_file(pid, &format!("http://{port}"))).unwrap();
            Client::of(&home).unwrap().get::<serde_json::Value>("/").await.unwrap_err()
        };
        assert!(matches!(called(std::process::id()).await, ClientError::Unreachable { .. }));
        let gone = called(u32::MAX >> 1).await;
        assert!(gone.to_string().contains("any more: its process 2147483647 is gone"), "{gone}");
    }

    #[test]
    fn a_clients_token_is_not_shown() {
        let client = Client::new("http://127.0.0.1:1/", "secret\n").unwrap();
        assert_eq!((client.base(), client.token.as_str()), ("http://127.0.0.1:1", "secret"));
        assert!(!format!("{client:?}").contains("secret"));
    }
}
