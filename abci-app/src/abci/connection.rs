//! One of CometBFT's connections: requests in, answers out, in the same order.

use std::io;

use tendermint::v0_38::abci::Response;
use tendermint_proto::v0_38::abci::request::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixStream;

use super::service::AbciService;
use super::{frame, request};

/// Serves until the other side closes, loses its place in the stream, or the ledger fails.
pub(super) async fn serve(stream: UnixStream, service: AbciService) {
    let (requests, answers) = stream.into_split();
    match run(requests, answers, &service).await {
        Ok(()) => tracing::debug!("an abci connection was closed"),
        // A killed CometBFT looks like this; whoever supervises it says so louder.
        Err(error) => tracing::warn!(%error, "an abci connection ended"),
    }
}

pub(super) async fn run<R, W>(requests: R, answers: W, service: &AbciService) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = (BufReader::new(requests), BufWriter::new(answers));
    while let Some(message) = frame::read(&mut reader).await? {
        let request = request::decode(message);
        let flush = matches!(request, Ok(Value::Flush(_)));
        let answer = request.map_or_else(|refusal| Some(*refusal), |request| service.answer(request));
        let Some(response) = answer else { return Ok(()) };
        frame::write(&mut writer, &Response::into(response)).await?;
        if flush {
            writer.flush().await?;
        }
    }
    Ok(())
}
