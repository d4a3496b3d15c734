//! How much is served at once, and for how long: so that callers neither overrun the node nor keep it from stopping.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;

use super::Guards;
use crate::error::{Code, ServiceError};

/// How long a body may stand still before its request is given up.
pub(super) const BODY_STALL: Duration = Duration::from_secs(60);

/// How long requests may go on once the node is to stop: enough for a block.
const GRACE: Duration = Duration::from_secs(3);

/// How long connections may take to end then, with what is left to send.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

/// A request's place among those served at once, free again when all clones are gone.
#[derive(Clone)]
pub(super) struct Place(#[expect(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

/// Refuses requests beyond `api.max_requests`.
pub(super) async fn count_in(State(guards): State<Guards>, mut request: Request, next: Next) -> Response {
    let Ok(place) = guards.places.clone().try_acquire_owned() else {
        let detail = "the node serves as many requests as api.max_requests allows; try again in a moment";
        return ServiceError::new(Code::TooManyRequests, detail).into_response();
    };
    let place = Place(Arc::new(place));
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
