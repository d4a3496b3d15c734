//! How much is served at once, and for how long: so that callers neither overrun the node nor keep it from stopping.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Guards;
use crate::error::{Code, ServiceError, ServiceResult};

/// How long a body may stand still before its request is given up.
pub(super) const BODY_STALL: Duration = Duration::from_secs(60);

/// How long requests may go on once the node is to stop: enough for a block.
const GRACE: Duration = Duration::from_secs(3);

/// How long connections may take to end then, with what is left to send.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

/// A request's place among those served at once, free again when all clones are gone.
#[derive(Clone)]
pub(super) struct Place {
    #[expect(dead_code, reason = "held, not read")]
    held: Arc<OwnedSemaphorePermit>,
    /// Where streams have places of their own.
    streams: Option<Arc<Semaphore>>,
}

impl Place {
    /// One among `places`, if one is free; a stream takes one of `streams` instead, where they are counted apart.
    pub(super) fn take(places: &Arc<Semaphore>, streams: Option<Arc<Semaphore>>) -> Option<Self> {
        let held = Arc::new(places.clone().try_acquire_owned().ok()?);
        Some(Self { held, streams })
    }

    /// The place of what goes on after its request: to be taken before anything is done, or paid, for it.
    ///
    /// # Errors
    /// When all are taken ([`Code::TooManyStreams`]).
    pub(super) fn for_stream(self) -> ServiceResult<Self> {
        let Some(streams) = &self.streams else { return Ok(self) };
        Self::take(streams, None).ok_or_else(|| {
            let detail = "the node sends as many streams as public.max_streams allows; try again in a moment, or ask without \"stream\"";
            ServiceError::new(Code::TooManyStreams, detail)
        })
    }
}

/// Refuses requests beyond `api.max_requests`.
pub(super) async fn count_in(State(guards): State<Guards>, mut request: Request, next: Next) -> Response {
    let Some(place) = Place::take(&guards.places, None) else {
        let detail = "the node serves as many requests as api.max_requests allows; try again in a moment";
        return ServiceError::new(Code::TooManyRequests, detail).into_response();
    };
    request.extensions_mut().insert(place.clone());
    let response = next.run(request).await;
    drop(place);
    response
}

/// Gives a request up that is still under way a while after the node was to stop.
pub(super) async fn end_with_the_node(State(guards): State<Guards>, request: Request, next: Next) -> Response {
    let stopped = async {
        guards.shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        response = next.run(request) => response,
        () = stopped => ServiceError::new(Code::ShuttingDown, "the node is shutting down").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_places_of_their_own_where_they_are_counted_apart() {
        let (places, streams) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(1)));
        let take = || Place::take(&places, Some(streams.clone()));
        let stream = take().unwrap().for_stream().unwrap();
        let requests = [take().unwrap(), take().unwrap()];
        assert!(take().is_none(), "a stream takes none of the requests' places");
        let [one, other] = requests;
        assert_eq!(one.for_stream().err().map(|error| error.code), Some(Code::TooManyStreams));
        drop(stream);
        other.for_stream().expect("one that has ended is free again");
        let alone = Place::take(&places, None).unwrap();
        alone.for_stream().expect("on the operator's face a stream is a request");
    }
}
