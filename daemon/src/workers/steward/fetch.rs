//! Getting a contribution's bytes from whoever has them, and checking that they are what the ledger says.

use datanet_ledger::component::contributions::{self, Contribution};
use datanet_p2p::{FetchError, FetchRequest, HeldBlob, Share, Tag};
use datanet_types::{BlobHash, NodeKey};

use super::datanet_of;
use crate::error::{ServiceError, ServiceResult};
use crate::intake::{blob_error, contribution_tag, holdout_tag};
use crate::library::{Batch, ReadOptions};
use crate::node::Core;

/// Providers tried at most.
const MAX_PROVIDERS: usize = 32;

/// Fetches, checks and keeps. A contribution whose bytes are bad is kept too: its judges must be able to say why.
pub async fn fetch(core: &Core, contribution: &Contribution) -> ServiceResult<()> {
    let providers = providers(core, contribution)?;
    let share = Share::new(contribution.datanet.0, contribution.contributor.0);
    let (blob, size) = (&contribution.blob, contribution.size);
    let _held = core.bring_blob_for(share, blob, Some(size), size, &providers).await?;
    keep(core, &contribution_tag(&contribution.id), &contribution.blob).await?;
    let datanet = datanet_of(&core.chain.reader()?, contribution)?;
    let (blob, size) = (&datanet.holdout, datanet.holdout_size);
    let _held = core.bring_blob_for(share, blob, Some(size), size, &providers).await?;
    keep(core, &holdout_tag(&datanet.holdout), &datanet.holdout).await
}

/// Keeps a blob, unless it was kept before: that waits for the disk, and after a start all contributions come by here.
async fn keep(core: &Core, tag: &Tag, blob: &BlobHash) -> ServiceResult<()> {
    if core.blobs().tags().get(tag).await.map_err(|error| blob_error(&error))? == Some(blob.0) {
        return Ok(());
    }
    core.keep_blob(tag, blob).await
}

/// Who may have it: whoever announced it, the origin, whoever attested it.
pub fn providers(core: &Core, contribution: &Contribution) -> ServiceResult<Vec<NodeKey>> {
    let reader = core.chain.reader()?;
    let mut providers = core.providers.of(&contribution.id);
    providers.push(contribution.origin);
    let attesters = contributions::attestations(&reader, &contribution.id, None, MAX_PROVIDERS)?;
    providers.extend(attesters.iter().map(|attestation| attestation.node));
    let mut seen = std::collections::BTreeSet::new();
    providers.retain(|node| *node != core.node_key() && seen.insert(*node));
    providers.truncate(MAX_PROVIDERS);
    Ok(providers)
}

/// Whether the local bytes are what the ledger says: records, count and root.
pub async fn verify(core: &Core, contribution: &Contribution) -> ServiceResult<Result<(), String>> {
    let datanet = datanet_of(&core.chain.reader()?, contribution)?;
    match core.read_contribution(contribution, &datanet, ReadOptions::Check).await {
        Ok(batch) => Ok(compare(contribution, &batch)),
        Err(crate::library::ReadError::Content(error)) => Ok(Err(error.to_string())),
        Err(crate::library::ReadError::Node(error)) => Err(error),
    }
}

/// Whether what was read is what the ledger says.
pub fn compare(contribution: &Contribution, batch: &Batch) -> Result<(), String> {
    if batch.total == contribution.records && batch.root == contribution.record_root {
        return Ok(());
    }
    Err(format!(
        "the bytes hold {} records with root {}, the ledger says {} with root {}",
        batch.total, batch.root, contribution.records, contribution.record_root
    ))
}

impl Core {
    /// Has a blob here: at once if it is, else from the first of `providers`, or of the peers connected now, that gives
    /// it. `size` is refused if it is known and differs; more than `limit` bytes are never taken. As long as the result
    /// lives, the collector leaves the blob alone.
    pub async fn bring_blob(
        &self,
        blob: &BlobHash,
        size: Option<u64>,
        limit: u64,
        providers: &[NodeKey],
    ) -> ServiceResult<HeldBlob> {
        self.bring_blob_for(Share::OWN, blob, size, limit, providers).await
    }

    /// The same on behalf of somebody with whom others share what can be fetched at a time.
    pub async fn bring_blob_for(
        &self,
        share: Share,
        blob: &BlobHash,
        size: Option<u64>,
        limit: u64,
        providers: &[NodeKey],
    ) -> ServiceResult<HeldBlob> {
        let blobs = self.blobs();
        if blobs.has(blob.0).await.map_err(|error| blob_error(&error))? {
            return blobs.hold(blob.0).await.map_err(|error| blob_error(&error));
        }
        let peers: Vec<[u8; 32]> = self.network.peers().iter().map(|peer| peer.node_key).collect();
        let mut from: Vec<[u8; 32]> = providers.iter().map(|node| node.0).collect();
        // Those that are there first: each that is not costs a timeout.
        from.sort_by_key(|key| !peers.contains(key));
        let others: Vec<[u8; 32]> = peers.into_iter().filter(|key| !from.contains(key)).collect();
        from.extend(others);
        let mut request = FetchRequest::new(blob.0, limit, &from, share);
        request.expected_size = size;
        blobs.fetch(request).await.map_err(|error| {
            let detail = match error {
                FetchError::NoProviders => format!("blob {blob} is not here, and no other node is known to hold it"),
                error => format!("blob {blob} could not be fetched from {} nodes: {error}", from.len()),
            };
            ServiceError::unavailable("blob-unavailable", detail)
        })
    }

    /// All bytes of a local blob, up to `limit`.
    pub async fn read_bytes(&self, blob: &BlobHash, limit: u64) -> ServiceResult<Vec<u8>> {
        Ok(self.blobs().read_all(blob.0, limit).await.map_err(|error| blob_error(&error))?.to_vec())
    }
}
