//! Events of a node, decoded.

use futures::{Stream, StreamExt as _};
use reqwest::Response;
use serde::de::DeserializeOwned;

use super::{ClientError, ClientResult};
use crate::server_sent::{self, EventError, MAX_EVENT};

/// The events in `response`.
pub(super) fn events<T: DeserializeOwned>(response: Response, path: String) -> impl Stream<Item = ClientResult<T>> {
    let base = response.url().to_string();
    server_sent::events(response).map(move |event| match event {
        Ok(data) => serde_json::from_str(&data).map_err(|source| ClientError::Answer { path: path.clone(), source }),
        Err(EventError::TooLong) => Err(ClientError::LongEvent { path: path.clone(), limit: MAX_EVENT }),
        Err(EventError::Broken(source)) => Err(ClientError::BrokeOff { base: base.clone(), source }),
    })
}
