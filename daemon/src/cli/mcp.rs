//! `datanet mcp`: the running node's `/mcp` on standard input and output, for programs that start their servers themselves.
//!
//! A pump between two transports of `rmcp`: it adds the home's token, and knows nothing of what is said. On standard output
//! there is protocol and nothing else; what goes wrong before is said on standard error.

use std::collections::HashSet;
use std::pin::Pin;

use anyhow::{Context, Result, bail};
use datanet_api::loopback;
use datanet_config::{Home, read_text};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, RequestId, ServerJsonRpcMessage};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, Transport, stdio};
use rmcp::{ErrorData, RoleServer};

use crate::mcp;

/// A message on its way to the node: of a request its id, and why it did not arrive.
type Sending = Pin<Box<dyn Future<Output = Option<(RequestId, String)>> + Send>>;

/// Until standard input ends and everything that was asked is answered.
pub(super) async fn run(home: &Home) -> Result<()> {
    let base = datanet_api::Client::of(home)?.base().to_owned();
    let token = read_text(&home.api_token())?;
    let http = loopback::client_builder()?.build()?;
    // An answer may take as long as training does: how long to wait is for whoever asks to say.
    let mut config =
        StreamableHttpClientTransportConfig::with_uri(format!("{base}{}", mcp::PATH)).auth_header(token.trim());
    config.allow_stateless = true;
    let mut node = StreamableHttpClientTransport::with_client(http, config);
    let (input, output) = stdio();
    let mut host = AsyncRwTransport::<RoleServer, _, _>::new_server(input, output);

    let (mut open, mut asked) = (true, HashSet::new());
    let mut sending = FuturesUnordered::<Sending>::new();
    while open || !asked.is_empty() {
        tokio::select! {
            message = host.receive(), if open => match message {
                Some(message) => {
                    let id = note(&message, &mut asked);
                    let sent = node.send(message);
                    sending.push(Box::pin(async move {
                        let error = sent.await.err()?;
                        Some((id?, format!("{:#}", anyhow::Error::from(error))))
                    }));
                }
                None => open = false,
            },
            Some(failed) = sending.next() => if let Some((id, why)) = failed {
                asked.remove(&id);
                let words = format!("the node did not answer: {why}; if it was restarted, start this program again");
                host.send(ServerJsonRpcMessage::error(ErrorData::internal_error(words, None), Some(id))).await?;
            },
            message = node.receive() => match message {
                Some(message) => {
                    answered(&message, &mut asked);
                    host.send(message).await?;
                }
                None => return gone(host, sending, asked).await.with_context(|| format!("the node at {base} is gone")),
            },
        }
    }
    node.close().await.ok();
    Ok(())
}

/// Tells everybody who waits that there will be no answer.
async fn gone<T>(mut host: T, mut sending: FuturesUnordered<Sending>, asked: HashSet<RequestId>) -> Result<()>
where
    T: Transport<RoleServer>,
{
    let mut why = "the connection to the node ended".to_owned();
    while let Some(failed) = sending.next().await {
        why = failed.map_or(why, |(_, said)| said);
    }
    for id in asked {
        host.send(ServerJsonRpcMessage::error(ErrorData::internal_error(why.clone(), None), Some(id))).await?;
    }
    bail!("{why}; is the token in api-token that of the running node? `datanet status` tells");
}

/// Keeps in mind what waits for an answer.
fn note(message: &ClientJsonRpcMessage, asked: &mut HashSet<RequestId>) -> Option<RequestId> {
    match message {
        ClientJsonRpcMessage::Request(request) => {
            asked.insert(request.id.clone());
            return Some(request.id.clone());
        }
        ClientJsonRpcMessage::Notification(notification) => {
            if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                && let Some(id) = &cancelled.params.request_id
            {
                asked.remove(id);
            }
        }
        _ => {}
    }
    None
}

fn answered(message: &ServerJsonRpcMessage, asked: &mut HashSet<RequestId>) {
    match message {
        ServerJsonRpcMessage::Response(response) => asked.remove(&response.id),
        ServerJsonRpcMessage::Error(error) => error.id.as_ref().is_some_and(|id| asked.remove(id)),
        _ => false,
    };
}
