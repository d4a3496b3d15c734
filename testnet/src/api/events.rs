//! Events of a node, decoded.

use datanet_api::server_sent::{self, EventError};
use futures::{Stream, StreamExt as _};
use reqwest::Response;
use serde::de::DeserializeOwned;

use super::{ApiError, ApiResult};

/// The events in `response`.
pub(super) fn events<T: DeserializeOwned>(response: Response, path: String) -> impl Stream<Item = ApiResult<T>> {
    let base = response.url().to_string();
    server_sent::events(response).map(move |event| {
        let misunderstood = |detail: String| ApiError::Answer { path: path.clone(), detail };
        match event {
            Ok(data) => serde_json::from_str(&data).map_err(|error| misunderstood(error.to_string())),
            Err(error @ EventError::TooLong) => Err(misunderstood(error.to_string())),
            Err(EventError::Broken(source)) => Err(ApiError::Transport { base: base.clone(), source }),
        }
    })
}
