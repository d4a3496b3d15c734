//! The Model Context Protocol at `/mcp`, by `rmcp`: what an agent does here, as tools, resources and prompts.
//!
//! ```text
//!   POST /mcp ── guard (Host, Origin, token, places) ── rmcp ── server ── tools ── face ── the node's own /v1 routes
//! ```
//! A tool is a client of the node's own interface, in this process and with its caller's own token ([`face`]): what a
//! token may not do at `/v1`, it cannot do here, and a refusal has the same words. Nothing is implemented a second time.
//!
//! Two revisions on one endpoint, 2025-11-25 and 2026-07-28 (and those between which clients still speak): every
//! request stands for itself, so there are no sessions to fix, to count or to leave behind.
//! - [`server`]: what `rmcp` asks; [`route`]: one tool's way from arguments to result; [`scope`]: what a tool needs.
//! - [`tools`]: the tools, one file a subject; [`price`]: nothing is paid that was not agreed to; [`tasks`]: long work.
//! - [`paid`]: x402, for callers who have nothing here but money.
//! - [`resources`], [`prompts`], [`app`]: the rest of what is served. Words of strangers are [`crate::quoted`].

mod app;
mod call;
mod face;
mod money;
mod paid;
mod price;
mod prompts;
mod refusal;
mod resources;
mod route;
mod scope;
mod server;
mod tasks;
mod tools;

use std::sync::Arc;

use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;

pub use face::Face;
pub use scope::of_tool as scope_of_tool;
pub use server::Server;

/// The path of the endpoint.
pub const PATH: &str = "/mcp";

/// The endpoint over `face`, which takes bodies of up to `max_body_bytes` and ends with `shutdown`.
///
/// Whoever mounts it has checked `Host`, `Origin` and the token before.
///
/// # Errors
/// When the system gives no randomness.
pub fn service(
    face: Face,
    max_body_bytes: usize,
    shutdown: CancellationToken,
) -> Result<StreamableHttpService<Server, NeverSessionManager>, getrandom::Error> {
    Ok(over(Server::new(face)?, max_body_bytes, shutdown))
}

/// The same for callers without a token: the tools that read what everybody may, and those that sell answers, paid by x402. `face` answers them as
/// strangers.
///
/// # Errors
/// When the system gives no randomness.
pub fn service_for_strangers(
    face: Face,
    max_body_bytes: usize,
    shutdown: CancellationToken,
) -> Result<StreamableHttpService<Server, NeverSessionManager>, getrandom::Error> {
    Ok(over(Server::for_strangers(face)?, max_body_bytes, shutdown))
}

fn over(
    server: Server,
    max_body_bytes: usize,
    shutdown: CancellationToken,
) -> StreamableHttpService<Server, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        // Sessions would be state that strangers make: without them each request carries what it needs.
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(max_body_bytes)
        .with_cancellation_token(shutdown)
        // The guard around this has seen to both, by the node's own configuration.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config)
}
