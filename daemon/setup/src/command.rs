//! Runs the ecosystem's own clients and passes on what they print.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

/// How many of its last lines are kept for an error.
const KEPT_LINES: usize = 12;
/// How much of one line is kept.
const LINE_CHARS: usize = 400;

/// How a command ended.
pub(super) struct Outcome {
    pub status: ExitStatus,
    /// The last lines it printed, on both streams.
    pub tail: String,
}

/// A command of the pinned tools: killed if we stop waiting for it, deaf, and run in `dir` so that no project
/// file of wherever we were started from changes what it does.
pub(super) fn tool(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs `command` to its end and hands every line it prints to `on_line`.
pub(super) async fn run(command: &mut Command, mut on_line: impl FnMut(&str)) -> std::io::Result<Outcome> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (sender, mut lines) = mpsc::channel(64);
    let readers = [
        child.stdout.take().map(|stream| tokio::spawn(forward(stream, sender.clone()))),
        child.stderr.take().map(|stream| tokio::spawn(forward(stream, sender))),
    ];
    let mut tail = VecDeque::new();
    while let Some(line) = lines.recv().await {
        on_line(&line);
        if tail.len() == KEPT_LINES {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    drop(readers);
    let status = child.wait().await?;
    Ok(Outcome { status, tail: Vec::from(tail).join(" | ") })
}

async fn forward(stream: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) {
    let mut stream = BufReader::new(stream);
    let mut bytes = Vec::new();
    while let Ok(1..) = stream.read_until(b'\n', &mut bytes).await {
        let line: String = String::from_utf8_lossy(&bytes).trim_end().chars().take(LINE_CHARS).collect();
        bytes.clear();
        if !line.is_empty() && lines.send(line).await.is_err() {
            return;
        }
    }
}

/// The command as one would type it.
pub(super) fn typed(command: &Command) -> String {
    let command = command.as_std();
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if word.contains([' ', '*', ':']) && !word.starts_with("--") {
                format!("'{word}'")
            } else {
                word.into_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
