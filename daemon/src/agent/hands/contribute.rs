//! Giving records to a datanet, and waiting for their verdict.

use anyhow::Context;
use datanet_api::ClientError;
use datanet_api::contributions::{Accepted, ContributeParams, ContributionView, ListParams};
use datanet_types::amount::BPS;
use datanet_types::record::Format;
use datanet_types::{Amount, ContributionId, Digest};
use futures::StreamExt;
use serde_json::json;

use super::{Act, Hands, Try, failed, refused};
use crate::agent::journal::{Deed, Outcome};
use crate::agent::node::Node;
use crate::agent::purse::Done;

impl Hands {
    pub(super) async fn contribute(&self, node: &Node, tried: Try<'_>) -> Act {
        let Deed::Contribute { datanet, file, blob, bond, .. } = &tried.intention.deed else {
            return Act::Done(refused("no-contribution", "it is no contribution"));
        };
        let bytes = match self.staged(file, blob) {
            Ok(bytes) => bytes,
            Err(error) => return Act::Done(refused("not-staged", &format!("{error:#}"))),
        };
        let params = ContributeParams { account: Some(self.account.clone()), bond: Some(*bond), ..Default::default() };
        let key = &tried.intention.key;
        let given = node.client.contribute(datanet, &params, Format::Jsonl.media_type(), key, bytes).await;
        crate::failpoint::reached("agent-contributed");
        let id = match given {
            Ok(Accepted { id, .. }) => id,
            Err(error) if error.problem().is_some_and(|problem| problem.code == "already-contributed") => {
                match given_before(node, datanet, blob).await {
                    Ok(Some(id)) => id,
                    Ok(None) => {
                        let why = "the node says that it was given before, and does not show it".to_owned();
                        return Act::NotNow { why, doubtful: true };
                    }
                    Err(error) => return failed(&error, tried),
                }
            }
            Err(error) => return failed(&error, tried),
        };
        match verdict(node, &id, tried).await {
            Some(view) => Act::Done(judged(node, &view, *bond).await),
            None => Act::UnderWay,
        }
    }

    /// The bytes of a batch as they were set aside.
    fn staged(&self, file: &std::path::Path, blob: &Digest) -> anyhow::Result<Vec<u8>> {
        let path = self.state.join(file.file_name().context("a batch has a name")?);
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::ensure!(blake3::hash(&bytes).as_bytes() == &blob.0, "{} is not what was set aside", path.display());
        Ok(bytes)
    }
}

/// A contribution of these bytes by the agent's account.
async fn given_before(node: &Node, datanet: &str, blob: &Digest) -> Result<Option<ContributionId>, ClientError> {
    let mut params = ListParams { limit: Some(1_000), ..ListParams::default() };
    loop {
        let page = node.client.contributions(datanet, &params).await?;
        let ours = |view: &&ContributionView| view.blob.0 == blob.0 && view.contributor == node.address;
        // Refused ones may be given again: the last is what stands.
        if let Some(found) = page.contributions.iter().rfind(ours) {
            return Ok(Some(found.id));
        }
        match page.next {
            Some(next) => params.after = Some(next),
            None => return Ok(None),
        }
    }
}

/// The contribution once it is settled; none if the agent is asked to stop, or the node goes away, before.
async fn verdict(node: &Node, id: &ContributionId, tried: Try<'_>) -> Option<ContributionView> {
    let events = node.client.contribution_events(id).await.ok()?;
    let mut events = std::pin::pin!(events);
    loop {
        tokio::select! {
            () = tried.stop.cancelled() => return None,
            event = events.next() => match event {
                Some(Ok(view)) if view.is_settled() => return Some(view),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            },
        }
    }
}

/// What a verdict cost: the fees, and of the bond what is lost. What the chain takes is asked of the node; where it does not say, all counts.
async fn judged(node: &Node, view: &ContributionView, bond: Amount) -> Done {
    let fees = node.client.status().await.map(|status| status.fees);
    let lost = |share: u64| bond.saturating_mul(share) / BPS;
    let accepted = view.state == "final";
    let captured = match &fees {
        Ok(fees) => cost(fees, view.size).saturating_add(if accepted { 0 } else { lost(fees.bond_penalty_bps.into()) }),
        Err(_) => bond,
    };
    let detail = json!({
        "contribution": view.id, "state": view.state, "combined": view.combined, "why": crate::quoted::clean(&view.reason, 300),
    });
    // Also a contribution that was refused was given: it is not given again.
    Done { outcome: Outcome::Done, captured, detail }
}

/// What giving so many bytes takes, beside the bond: the review, and twice the least that a transaction costs, for its
/// bytes and gas.
pub(in crate::agent) fn cost(fees: &datanet_api::status::Fees, bytes: u64) -> Amount {
    let more = bytes.div_ceil(1 << 20).saturating_sub(1).saturating_mul(fees.review_per_mib);
    fees.review.saturating_add(more).saturating_add(fees.transaction.saturating_mul(2))
}
