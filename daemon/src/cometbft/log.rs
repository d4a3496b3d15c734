//! CometBFT's log: copied from a pipe to a file that is rotated, so that it stays bounded while the node runs.
//!
//! The pipe has a second use: when our process dies, however it dies, CometBFT's next write ends it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

/// A full file is kept once, as `cometbft.log.1`: at most twice this many bytes on disk.
const ROTATE_BYTES: u64 = 16 * 1024 * 1024;

/// How much of the end is kept in memory, to say why CometBFT died.
const TAIL_BYTES: usize = 4 * 1024;

/// The log file and the end of what went into it in this run.
pub(super) struct CometLog {
    path: PathBuf,
    rotate_bytes: u64,
    file: Option<File>,
    size: u64,
    tail: VecDeque<u8>,
}

impl CometLog {
    /// Opens the file for appending.
    pub(super) async fn open(path: &Path) -> std::io::Result<Self> {
        let mut log = Self {
            path: path.to_path_buf(),
            rotate_bytes: ROTATE_BYTES,
            file: None,
            size: 0,
            tail: VecDeque::with_capacity(TAIL_BYTES),
        };
        log.reopen().await?;
        Ok(log)
    }

    async fn reopen(&mut self) -> std::io::Result<()> {
        let file = File::options().create(true).append(true).open(&self.path).await?;
        self.size = file.metadata().await?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Copies `pipe` to the end and returns the last lines. A log that cannot be written (a full disk) is dropped:
    /// a reader that stopped would stop CometBFT too.
    pub(super) async fn copy(mut self, mut pipe: impl AsyncRead + Unpin) -> Vec<String> {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            self.remember(&buffer[..read]);
            if let Err(error) = self.append(&buffer[..read]).await {
                tracing::debug!(%error, path = %self.path.display(), "part of cometbft's log is lost");
                self.file = None;
            }
        }
        self.last_lines()
    }

    async fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.size >= self.rotate_bytes {
            self.file = None;
            tokio::fs::rename(&self.path, self.path.with_extension("log.1")).await?;
        }
        if self.file.is_none() {
            self.reopen().await?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes).await?;
            file.flush().await?;
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn remember(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let excess = (self.tail.len() + bytes.len()).saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
        self.tail.extend(bytes);
    }

    fn last_lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(8)..].iter().map(|line| line.trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_log_is_rotated_and_its_last_lines_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cometbft.log");
        let mut log = CometLog::open(&path).await.unwrap();
        log.rotate_bytes = 100_000;
        let text: String = (0..40_000).map(|n| format!("line {n}\n")).collect();
        let last = log.copy(text.as_bytes()).await;
        assert_eq!(last.len(), 8);
        assert_eq!(last[7], "line 39999");
        let sizes = [&path, &path.with_extension("log.1")].map(|path| std::fs::metadata(path).unwrap().len());
        assert!(sizes.iter().all(|size| (1..=120_000).contains(size)), "{sizes:?}");
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("line 39999\n"));
    }
}
