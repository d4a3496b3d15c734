//! Messages on the socket: a varint length, then that many bytes of protobuf.

use std::io;

use bytes::Bytes;
use prost_ics23::Message;
use tendermint_proto::v0_38::abci as pb;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest message: above CometBFT's own bounds, which are 100 MiB for a block and far less for what its RPC takes. Only
/// here is a message an error: past it nobody knows where the next one begins.
const MAX_BYTES: u64 = 128 * 1024 * 1024;

/// Most messages are no longer: a transaction, a block of some.
const ORDINARY_BYTES: u64 = 64 * 1024;

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// The next message, whatever is in it; `None` when the other side has closed the connection.
pub(super) async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<Option<Bytes>> {
    let Some(length) = read_length(reader).await? else { return Ok(None) };
    if length > MAX_BYTES {
        return Err(invalid(format!("message of {length} bytes is over the limit of {MAX_BYTES}")));
    }
    // Beyond the ordinary the buffer grows with what really arrives, whatever the length claims.
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(ORDINARY_BYTES)).unwrap_or_default());
    let read = reader.take(length).read_to_end(&mut bytes).await?;
    if (read as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(bytes.into()))
}

async fn read_length<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<Option<u64>> {
    let mut length = 0u64;
    for index in 0..10u32 {
        let byte = match reader.read_u8().await {
            Err(error) if index == 0 && error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            byte => byte?,
        };
        // Of the tenth byte one bit is left.
        if index == 9 && byte > 1 {
            break;
        }
        length |= u64::from(byte & 0x7f).wrapping_shl(7 * index);
        if byte < 0x80 {
            return Ok(Some(length));
        }
    }
    Err(invalid("length of a message is over 64 bits"))
}

/// Writes a response; it may stay in the writer's buffer.
pub(super) async fn write<W: AsyncWrite + Unpin>(writer: &mut W, response: &pb::Response) -> io::Result<()> {
    writer.write_all(&response.encode_length_delimited_to_vec()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn next(bytes: &[u8]) -> io::Result<Option<Bytes>> {
        let mut reader = bytes;
        futures::executor::block_on(read(&mut reader))
    }

    #[test]
    fn a_message_survives_its_frame_and_a_cut_one_is_refused() {
        let echo = pb::request::Value::Echo(pb::RequestEcho { message: "x".repeat(300) });
        let request = pb::Request { value: Some(echo) };
        let bytes = request.encode_length_delimited_to_vec();
        assert_eq!(next(&bytes).unwrap(), Some(request.encode_to_vec().into()));
        assert_eq!(next(&[]).unwrap(), None);
        assert!(next(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn a_huge_length_is_refused_before_anything_is_read() {
        assert!(next(&[0xff, 0xff, 0xff, 0xff, 0x7f]).is_err());
        assert!(next(&[0xff; 11]).is_err());
        let wraps = [[0x80; 9].as_slice(), &[2]].concat();
        assert!(next(&wraps).unwrap_err().to_string().contains("over 64 bits"));
    }

    proptest! {
        #[test]
        fn garbage_is_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = next(&bytes);
        }
    }
}
