//! The records behind a data snapshot: what a model is trained on, with consent and licence respected.

use std::collections::BTreeSet;

use datanet_data::corpus::Record;
use datanet_ledger::component::contributions::{self, Contribution, Status};
use datanet_ledger::component::datanets::Datanet;
use datanet_ledger::component::datanets::history;
use datanet_p2p::Share;
use datanet_types::release::DataSnapshot;
use datanet_types::{Address, ContributionId, DatanetId};

use super::licence::permits_training;
use super::{ReadOptions, Records};
use crate::error::{Code, ServiceError, ServiceResult};

/// A record to train on.
#[derive(Debug, Clone)]
pub struct TrainingRecord {
    /// Its contribution.
    pub contribution: ContributionId,
    /// Who gave it.
    pub contributor: Address,
    /// Its position in the contribution, from 0.
    pub index: u64,
    /// Passage, label and all other fields.
    pub record: Record,
}

/// What a snapshot holds.
#[derive(Debug, Clone)]
pub struct TrainingData {
    /// The place in the datanet's history.
    pub snapshot: DataSnapshot,
    /// The datanet: schema, labels, licence, held-out set.
    pub datanet: Datanet,
    /// The contributions read, in the order in which they became final.
    pub contributions: Vec<Contribution>,
    /// Contributions of the snapshot that were revoked since: nothing of them is here.
    pub revoked: Vec<ContributionId>,
    /// Their records, in that order.
    pub records: Vec<TrainingRecord>,
    /// Records that the snapshot holds, those beyond the limit included.
    pub total: u64,
}

impl Records {
    /// A datanet's history when it had `count` entries, or now: what a model is registered with.
    ///
    /// # Errors
    /// When it never had so many ([`Code::UnknownSnapshot`]), or the ledger has no block yet or cannot be read.
    pub fn data_snapshot(&self, datanet: &DatanetId, count: Option<u64>) -> ServiceResult<DataSnapshot> {
        let reader = self.chain.reader()?;
        let latest = history::latest(&reader, datanet)?;
        let snapshot = match count {
            None => Some(latest),
            Some(count) => history::at(&reader, datanet, count)?,
        };
        snapshot.ok_or_else(|| {
            ServiceError::new(
                Code::UnknownSnapshot,
                format!("the history of datanet {datanet} has {} entries; name one of them", latest.count),
            )
        })
    }

    /// A datanet's history as it was after the block at `height`.
    ///
    /// # Errors
    /// When that height is not reached ([`Code::UnknownSnapshot`]), or the ledger has no block yet or cannot be read.
    pub fn data_snapshot_at(&self, datanet: &DatanetId, height: u64) -> ServiceResult<DataSnapshot> {
        let reader = self.chain.reader()?;
        // Of the view that is read: a block in between would be left out of it.
        let now = reader.height();
        if height > now {
            let detail = format!("height {height} is not reached, this node is at {now}; name an earlier data.height");
            return Err(ServiceError::new(Code::UnknownSnapshot, detail));
        }
        Ok(history::at_height(&reader, datanet, height)?)
    }

    /// The records behind `snapshot`, the first `limit` of them: the same on every node. Bytes that are not here are
    /// fetched. What was revoked since is left out.
    ///
    /// # Errors
    /// When there is no such datanet or place in its history ([`Code::UnknownDatanet`], [`Code::UnknownSnapshot`]), its
    /// licence allows no training ([`Code::LicenceForbids`]), nobody gives a contribution's bytes
    /// ([`Code::BlobUnavailable`]), or they are no records ([`Code::BadRecords`]).
    pub async fn training_records(&self, snapshot: &DataSnapshot, limit: u64) -> ServiceResult<TrainingData> {
        self.training_records_telling(snapshot, limit, &BTreeSet::new(), &mut || {}).await
    }

    /// Like [`Records::training_records`]; `read` hears of each contribution that was read. Of those that are left `out` the first `limit` records
    /// are read beside: they take nobody's place, and however many they are, no more memory than that.
    ///
    /// # Errors
    /// The same.
    pub async fn training_records_telling(
        &self,
        snapshot: &DataSnapshot,
        limit: u64,
        out: &BTreeSet<ContributionId>,
        read: &mut (dyn FnMut() + Send),
    ) -> ServiceResult<TrainingData> {
        let datanet = self.licensed(&snapshot.datanet)?;
        let (contributions, revoked) = self.members(snapshot)?;
        let total = contributions.iter().map(|contribution| contribution.records).fold(0, u64::saturating_add);
        let mut records: Vec<TrainingRecord> = Vec::new();
        let (mut room, mut room_for_out) = (limit, limit);
        for contribution in &contributions {
            if room == 0 {
                break;
            }
            let left = if out.contains(&contribution.id) { &mut room_for_out } else { &mut room };
            if *left == 0 {
                continue;
            }
            let from = self.providers_of(contribution)?;
            // Held until read, so that the collector leaves it alone.
            let share = Share::new(contribution.datanet.0, contribution.contributor.0);
            let size = contribution.size;
            let _held = self.blobs.bring_for(share, &contribution.blob, Some(size), size, &from).await?;
            let page = ReadOptions::Page { offset: 0, limit: *left };
            let batch = self.read(contribution, &datanet, page).await?;
            *left = left.saturating_sub(batch.records.len() as u64);
            records.extend(batch.records.into_iter().map(|(index, record)| TrainingRecord {
                contribution: contribution.id,
                contributor: contribution.contributor,
                index,
                record,
            }));
            read();
        }
        Ok(TrainingData { snapshot: *snapshot, datanet, contributions, revoked, records, total })
    }

    /// The datanet, if its licence lets models be trained on it.
    fn licensed(&self, id: &DatanetId) -> ServiceResult<Datanet> {
        let datanet = self.chain.datanet(id)?;
        match permits_training(&datanet.licence) {
            Ok(()) => Ok(datanet),
            Err(reason) => Err(ServiceError::new(Code::LicenceForbids, reason)),
        }
    }

    /// The contributions of a snapshot, and those of it that were revoked since.
    pub(crate) fn members(&self, snapshot: &DataSnapshot) -> ServiceResult<(Vec<Contribution>, Vec<ContributionId>)> {
        let reader = self.chain.reader()?;
        if history::at(&reader, &snapshot.datanet, snapshot.count)? != Some(*snapshot) {
            return Err(ServiceError::new(
                Code::UnknownSnapshot,
                format!("the history of datanet {} had no such entry {}", snapshot.datanet, snapshot.count),
            ));
        }
        let (mut kept, mut revoked) = (Vec::new(), Vec::new());
        for id in history::members(&reader, &snapshot.datanet, snapshot.count)?.unwrap_or_default() {
            match contributions::get(&reader, &id)? {
                Some(contribution) if contribution.status() != Status::Revoked => kept.push(contribution),
                _ => revoked.push(id),
            }
        }
        Ok((kept, revoked))
    }
}
