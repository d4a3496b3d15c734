//! Start, supervision and stop of CometBFT.
//!
//! One task owns the process. It ends it when asked (SIGTERM, ten seconds, SIGKILL), says when it has ended by
//! itself, and drags it along when the task itself is dropped. Should our process be killed, CometBFT ends when its
//! application's socket or its log pipe closes; [`super::stale`] makes sure of it at the next start.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::log::CometLog;
use super::stale::{self, PATIENCE};
use super::{CometError, CometHome, CometSettings, NodeId, RpcClient, half_made, port, template};

/// How often we ask whether it answers yet: there is no event to wait for.
const ASK: Duration = Duration::from_millis(25);

/// How often a start is tried when somebody takes a picked port between picking and binding.
const ATTEMPTS: u32 = 5;

/// What to run.
#[derive(Debug, Clone)]
pub struct CometSpec {
    /// The executable: `Toolbox::cometbft`.
    pub program: PathBuf,
    /// Its home, with a genesis in it.
    pub home: CometHome,
    /// The socket of its RPC, in a folder that nobody else may enter, and in which it runs.
    pub rpc_socket: PathBuf,
    /// What goes into `config.toml`.
    pub settings: CometSettings,
    /// How long it may take to answer. It replays blocks to the application first.
    pub start_timeout: Duration,
    /// Before the time of its genesis CometBFT sleeps, without RPC and peers: so long nobody waits for its answer.
    pub sleeps: bool,
}

/// Why and how CometBFT ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CometExit {
    /// What the system says of its end; `None` if that was lost.
    pub status: Option<ExitStatus>,
    /// Whether we asked for it.
    pub requested: bool,
    /// Whether it had to be killed.
    pub killed: bool,
    /// The last lines of its log.
    pub last_lines: Vec<String>,
    /// Where the rest of the log is.
    pub log: PathBuf,
}

impl fmt::Display for CometExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.requested, self.killed) {
            (true, false) => f.write_str("it was stopped")?,
            (true, true) => write!(f, "it did not stop within {} s and was killed", PATIENCE.as_secs())?,
            (false, _) => f.write_str("it ended by itself")?,
        }
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        if !self.requested {
            write!(f, "; the end of {}: {}", self.log.display(), self.last_lines.join(" | "))?;
        }
        Ok(())
    }
}

/// A running CometBFT. Clones are handles of the same process.
#[derive(Debug, Clone)]
pub struct CometHandle {
    rpc: RpcClient,
    p2p_addr: SocketAddr,
    node_id: NodeId,
    pid: i32,
    stop: CancellationToken,
    exit: watch::Receiver<Option<CometExit>>,
}

impl CometHandle {
    /// The client of its RPC.
    pub fn rpc(&self) -> &RpcClient {
        &self.rpc
    }

    /// Where its peers connect.
    pub fn p2p_addr(&self) -> SocketAddr {
        self.p2p_addr
    }

    /// What its peers call it.
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until it has ended, for whatever reason.
    pub async fn wait_exit(&self) -> Option<CometExit> {
        let mut exit = self.exit.clone();
        // The sender goes without a word only if the runtime drops the task: then nobody is left to care.
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone())
    }

    /// Stops it: SIGTERM, up to ten seconds, SIGKILL. Returns how it ended; a second call only waits.
    pub async fn stop(&self) -> Option<CometExit> {
        self.stop.cancel();
        self.wait_exit().await
    }
}

/// Starts CometBFT.
#[derive(Debug)]
pub struct CometBft;

impl CometBft {
    /// Clears up after an earlier run, writes `config.toml`, starts CometBFT and waits until it answers, unless it sleeps. The
    /// application must listen already. It is stopped when `shutdown` is cancelled, which a node does with a token
    /// for CometBFT alone, after its API and its network have stopped.
    ///
    /// # Errors
    /// When it cannot be run, dies first (with the end of its log), or does not answer in time.
    pub async fn start(spec: CometSpec, shutdown: CancellationToken) -> Result<CometHandle, CometError> {
        stale::end(&spec.home).await?;
        half_made::remove(&spec.home.data_path())?;
        let picks = spec.settings.p2p_listen.port() == 0;
        let mut tries = 1;
        loop {
            match attempt(&spec, &shutdown).await {
                Err(CometError::PortTaken(_)) if picks && tries < ATTEMPTS => tries += 1,
                outcome => return outcome,
            }
        }
    }
}

/// One attempt, with a port that is free now.
async fn attempt(spec: &CometSpec, shutdown: &CancellationToken) -> Result<CometHandle, CometError> {
    let address = spec.settings.p2p_listen;
    let p2p = port::pick(address).map_err(|source| match source.kind() {
        ErrorKind::AddrInUse if address.port() != 0 => CometError::PortTaken(address),
        _ => CometError::NoPort { address, source },
    })?;
    launch(spec, shutdown, p2p).await.map_err(|error| match error {
        // Not read from its log: we look at the port.
        CometError::Died(_) if port::is_taken(p2p) => CometError::PortTaken(p2p),
        error => error,
    })
}

async fn launch(spec: &CometSpec, shutdown: &CancellationToken, p2p: SocketAddr) -> Result<CometHandle, CometError> {
    let socket = &spec.rpc_socket;
    let name = socket.file_name().unwrap_or_default().to_string_lossy();
    spec.home.write_config(&template::render(&spec.settings, &name, p2p))?;
    clear(socket).map_err(CometError::io("remove", socket))?;
    let rpc = RpcClient::new(socket).map_err(CometError::Client)?;
    let (child, log) = spawn(spec).await?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
    let pid_path = spec.home.pid_path();
    std::fs::write(&pid_path, pid.to_string()).map_err(CometError::io("write", &pid_path))?;
    let (sender, exit) = watch::channel(None);
    let stop = shutdown.child_token();
    let worker = Worker { child, log, log_path: spec.home.log_path(), pid_path, stop: stop.clone() };
    tokio::spawn(async move { sender.send_replace(Some(worker.run().await)) });
    let handle = CometHandle { rpc, p2p_addr: p2p, node_id: spec.home.node_id(), pid, stop, exit };
    if spec.sleeps { Ok(handle) } else { wait_ready(spec, handle, shutdown).await }
}

/// Removes the socket that a killed CometBFT has left: another one could not bind it.
fn clear(socket: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Runs the program with both its streams in one pipe, whose reader copies to the log.
async fn spawn(spec: &CometSpec) -> Result<(Child, JoinHandle<Vec<String>>), CometError> {
    let log_path = spec.home.log_path();
    let log = CometLog::open(&log_path).await.map_err(CometError::io("open", &log_path))?;
    let failed = |source| CometError::Spawn { program: spec.program.clone(), source };
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(failed)?;
    // It runs in the folder of its socket, which it knows by name alone: so its configuration, which peers see a part of, has no
    // path of this machine, and no path is too long for a socket or in letters that its peers refuse.
    let mut command = Command::new(std::path::absolute(&spec.program).map_err(failed)?);
    command.current_dir(spec.rpc_socket.parent().unwrap_or(spec.home.root()));
    command.arg("start").arg("--home").arg(spec.home.root()).stdin(Stdio::null());
    command.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    // Ctrl-C in a terminal goes to the whole foreground group; we decide the order in which things stop.
    command.process_group(0).kill_on_drop(true);
    let child = command.spawn().map_err(failed)?;
    // Our copies of the pipe's writing end go with `command`, so that the reader sees the end of CometBFT.
    drop(command);
    Ok((child, tokio::spawn(log.copy(reader))))
}

async fn wait_ready(
    spec: &CometSpec,
    handle: CometHandle,
    shutdown: &CancellationToken,
) -> Result<CometHandle, CometError> {
    let answers = async {
        while handle.rpc.status().await.is_err() {
            tokio::time::sleep(ASK).await;
        }
    };
    let outcome = tokio::select! {
        // A process that answered and died is dead.
        biased;
        exit = handle.wait_exit() => match exit {
            Some(exit) if !exit.requested => Err(CometError::Died(exit)),
            _ => Err(CometError::ShuttingDown),
        },
        () = shutdown.cancelled() => Err(CometError::ShuttingDown),
        () = answers => Ok(()),
        () = tokio::time::sleep(spec.start_timeout) => Err(CometError::NotReady {
            seconds: spec.start_timeout.as_secs(),
            log: spec.home.log_path(),
        }),
    };
    match outcome {
        Ok(()) => Ok(handle),
        Err(error) => {
            handle.stop().await;
            Err(error)
        }
    }
}

/// Owns the process.
struct Worker {
    child: Child,
    log: JoinHandle<Vec<String>>,
    log_path: PathBuf,
    pid_path: PathBuf,
    stop: CancellationToken,
}

impl Worker {
    async fn run(mut self) -> CometExit {
        let (status, requested, killed) = tokio::select! {
            biased;
            status = self.child.wait() => (status.ok(), false, false),
            () = self.stop.cancelled() => {
                let (status, killed) = self.end().await;
                (status, true, killed)
            }
        };
        let _ = std::fs::remove_file(&self.pid_path);
        // The pipe ends with the process, unless a debugger or a child of its own holds it.
        let copied = tokio::time::timeout(Duration::from_secs(1), self.log).await;
        let last_lines = copied.ok().and_then(Result::ok).unwrap_or_default();
        CometExit { status, requested, killed, last_lines, log: self.log_path }
    }

    async fn end(&mut self) -> (Option<ExitStatus>, bool) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It has not been collected yet, so this id is still its own.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if let Ok(status) = tokio::time::timeout(PATIENCE, self.child.wait()).await {
            return (status.ok(), false);
        }
        let _ = self.child.start_kill();
        (self.child.wait().await.ok(), true)
    }
}
