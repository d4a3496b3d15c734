//! From the bytes of a message to what is asked.
//!
//! Strangers choose some of these bytes: CometBFT passes the path, data and height of a query, and the bytes of a
//! transaction, on as they came to its RPC. A connection that is closed ends CometBFT and with it the node, so what
//! cannot be decoded is refused in an answer of the kind that CometBFT waits for.

use bytes::Bytes;
use prost_ics23::Message;
use prost_ics23::encoding::decode_key;
use tendermint::abci::response;
use tendermint::v0_38::abci::Response;
use tendermint_proto::v0_38::abci::{Request, request::Value};

use super::convert;
use crate::code;

/// Field numbers of the requests that strangers shape, in the message that holds one of all.
const QUERY: u32 = 6;
const CHECK_TX: u32 = 8;

/// The request in `message`, or the answer that refuses it.
pub(super) fn decode(message: Bytes) -> Result<Value, Box<Response>> {
    let kind = decode_key(&mut message.clone()).map(|(field, _)| field).ok();
    match Request::decode(message) {
        Ok(Request { value: Some(value) }) => Ok(value),
        Ok(Request { value: None }) => {
            Err(Box::new(refuse(kind, "the message holds no request that this version knows")))
        }
        Err(error) => Err(Box::new(refuse(kind, &format!("the request cannot be decoded: {error}")))),
    }
}

fn refuse(kind: Option<u32>, log: &str) -> Response {
    tracing::warn!(?kind, log, "refused an abci request");
    let log = log.to_owned();
    match kind {
        Some(QUERY) => {
            let (code, codespace) = convert::coded(code::QUERY);
            Response::Query(response::Query { code, log, codespace, ..Default::default() })
        }
        Some(CHECK_TX) => {
            let (code, codespace) = convert::coded(code::CODEC);
            Response::CheckTx(response::CheckTx { code, log, codespace, ..Default::default() })
        }
        // CometBFT writes all others itself. It stops at this answer, and says why.
        _ => Response::Exception(response::Exception { error: log }),
    }
}
