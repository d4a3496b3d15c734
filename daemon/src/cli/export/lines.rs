//! Whole lines out of a stream whose pieces end anywhere.

use anyhow::Result;
use datanet_api::ClientResult;
use futures::{Stream, StreamExt};

use crate::cli::client::told;

/// Calls `each` with every line.
pub(super) async fn each_line(
    stream: impl Stream<Item = ClientResult<Vec<u8>>>,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let (mut stream, mut open) = (std::pin::pin!(stream), Vec::new());
    while let Some(piece) = stream.next().await {
        open.extend_from_slice(&piece.map_err(told)?);
        let Some(end) = open.iter().rposition(|byte| *byte == b'\n') else { continue };
        let rest = open.split_off(end.saturating_add(1));
        for line in std::str::from_utf8(&open)?.lines() {
            each(line)?;
        }
        open = rest;
    }
    if open.is_empty() { Ok(()) } else { each(std::str::from_utf8(&open)?) }
}
