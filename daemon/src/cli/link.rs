//! The node at the other end while something is followed: noticed within seconds when it is gone, and waited for, since it
//! may only be starting again.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use datanet_api::ClientError;
use futures::{Stream, StreamExt};
use serde_json::Value;

use super::client::Client;

/// How long a node that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same where its process is gone: whoever restarts it does so at once.
const GONE: Duration = Duration::from_secs(10);

/// How long one sign of life may take.
const SIGN: Duration = Duration::from_secs(5);

/// How often is looked whether it still lives, if it says nothing.
pub(super) const QUIET: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Link<'a> {
    client: &'a Client,
    /// The node as it was found last: after a start it may be somewhere else.
    pub node: datanet_api::Client,
    /// What becomes of the thing that is followed, and how it is taken up again.
    back: String,
    lost: Option<Instant>,
}

/// What comes next in a stream of events.
pub(super) enum Next<T> {
    /// An event.
    Event(T),
    /// Nothing for a while, and the node lives.
    Quiet,
    /// The stream is over, or the node does not answer any more.
    Over,
}

impl<'a> Link<'a> {
    /// To the node of `client`; `back` says how what is followed is taken up again.
    pub(super) fn new(client: &'a Client, back: String) -> Self {
        Self { node: client.node.clone(), client, back, lost: None }
    }

    /// Calls the node, which must answer soon.
    ///
    /// # Errors
    /// Its refusal, and what is not understood of its answer. `None` where it cannot be reached now, or is only starting.
    pub(super) async fn open<T>(
        &mut self,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<Option<T>, ClientError> {
        match tokio::time::timeout(SIGN, call).await {
            Ok(Ok(opened)) => {
                if self.lost.take().is_some() {
                    note!("the node is back");
                }
                Ok(Some(opened))
            }
            Ok(Err(error)) if !is_away(&error) => Err(error),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// What comes next.
    ///
    /// # Errors
    /// Where an event makes no sense.
    pub(super) async fn next<T>(
        &self,
        events: &mut (impl Stream<Item = Result<T, ClientError>> + Unpin),
    ) -> Result<Next<T>, ClientError> {
        match tokio::time::timeout(QUIET, events.next()).await {
            Ok(Some(Ok(event))) => Ok(Next::Event(event)),
            Ok(Some(Err(error @ (ClientError::Answer { .. } | ClientError::LongEvent { .. })))) => Err(error),
            Ok(Some(Err(_)) | None) => Ok(Next::Over),
            Err(_) => {
                let alive = tokio::time::timeout(SIGN, self.node.get::<Value>("/v1/status")).await;
                Ok(if matches!(alive, Ok(Ok(_))) { Next::Quiet } else { Next::Over })
            }
        }
    }

    /// Waits a moment for the node, and looks where it is now. Says so the first time.
    ///
    /// # Errors
    /// When it has been away for too long.
    pub(super) async fn wait(&mut self) -> Result<()> {
        let since = match self.lost {
            Some(since) => since,
            None => {
                note!("connection lost: the node does not answer; trying again");
                *self.lost.insert(Instant::now())
            }
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        let patience = match datanet_api::Client::of(&self.client.home) {
            Ok(node) => {
                self.node = node;
                PATIENCE
            }
            Err(_) => GONE,
        };
        if since.elapsed() > patience {
            bail!("connection lost: the node is gone; {}", self.back);
        }
        Ok(())
    }
}

/// Whether the node may be there again in a moment.
fn is_away(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::TimedOut { .. } | ClientError::BrokeOff { .. } => true,
        ClientError::NotRunning { .. } | ClientError::Gone { .. } | ClientError::DamagedRunFile { .. } => true,
        ClientError::Refused(problem) => matches!(problem.status, 429 | 503),
        _ => false,
    }
}
