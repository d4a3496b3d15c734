//! One of CometBFT's connections: requests in, answers out, in the same order.

use std::io;

use tendermint::v0_38::abci::{Request, Response};
use tokio::io::{AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixStream;

use super::frame;
use super::service::AbciService;

/// Serves until the other side closes, sends what is no ABCI, or the ledger fails.
pub(super) async fn serve(stream: UnixStream, service: AbciService) {
    match run(stream, &service).await {
        Ok(()) => tracing::debug!("an abci connection was closed"),
        // A killed CometBFT looks like this; whoever supervises it says so louder.
        Err(error) => tracing::warn!(%error, "an abci connection ended"),
    }
}

async fn run(stream: UnixStream, service: &AbciService) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let (mut reader, mut writer) = (BufReader::new(reader), BufWriter::new(writer));
    while let Some(request) = frame::read(&mut reader).await? {
        let request = Request::try_from(request).map_err(io::Error::other)?;
        let flush = matches!(request, Request::Flush);
        let Some(response) = service.answer(request) else { return Ok(()) };
        frame::write(&mut writer, &Response::into(response)).await?;
        if flush {
            writer.flush().await?;
        }
    }
    Ok(())
}
