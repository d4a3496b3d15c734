//! From a proposal to a datanet on the ledger, its held-out set kept here for others to fetch.

use datanet_data::corpus::{Limits, StreamChecker};
use datanet_ledger::component::datanets;
use datanet_types::action::CreateDatanet;
use datanet_types::record::Format;
use datanet_types::schema::Schema;
use datanet_types::{Action, Amount, BlobHash, DatanetId, TxHash};

use super::Intake;
use crate::blobs::holdout_tag;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;
use crate::records::check_licence;

/// A datanet to open.
#[derive(Debug, Clone)]
pub struct DatanetProposal {
    /// 1 to 64 of `a-z 0-9 -`.
    pub name: String,
    /// For people.
    pub description: String,
    /// What its records are.
    pub schema: Schema,
    /// SPDX expression; its form is checked.
    pub licence: String,
    /// Base units an answer costs.
    pub price: Amount,
    /// Lowest score that is accepted, in basis points.
    pub accept_threshold: u32,
    /// Validators drawn for each contribution.
    pub committee_size: u32,
    /// Storage attestations that have a contribution judged.
    pub storage_quorum: u32,
    /// Smallest bond of a contribution, in base units.
    pub min_bond: Amount,
    /// The held-out set: JSONL in this schema.
    pub holdout: String,
}

/// A datanet opened.
#[derive(Debug, Clone)]
pub struct OpenedDatanet {
    /// Its id.
    pub id: DatanetId,
    /// Its name.
    pub name: String,
    /// The transaction that opened it.
    pub tx: TxHash,
}

impl Intake {
    /// Opens a datanet that `key` owns; answers once it is on the ledger.
    ///
    /// # Errors
    /// When schema, licence or held-out set are not good ([`Code::BadSchema`], [`Code::BadLicence`],
    /// [`Code::BadHoldout`]), the name is taken ([`Code::NameTaken`]), the ledger refuses the transaction or it is in
    /// no block in time, or the ledger or the blob store fails.
    pub async fn open_datanet(&self, key: &AccountKey, new: DatanetProposal) -> ServiceResult<OpenedDatanet> {
        new.schema.validate().map_err(|error| ServiceError::caused(Code::BadSchema, error))?;
        check_licence(&new.licence)?;
        check_holdout(&new)?;
        let id = DatanetId::derive(self.chain.id(), &key.address(), &new.name);
        let holdout_size = new.holdout.len() as u64;
        // Said before anything is kept: a name that is taken must not touch its datanet's held-out set.
        if datanets::by_name(&self.chain.reader()?, &new.name)?.is_some() {
            return Err(ServiceError::new(
                Code::NameTaken,
                format!("a datanet named {:?} exists; choose another", new.name),
            ));
        }
        let held = self.blobs.add_bytes(new.holdout.into_bytes()).await?;
        let holdout = BlobHash(held.hash());
        let tag = holdout_tag(&holdout);
        self.blobs.keep(&tag, &holdout).await?;
        let action = CreateDatanet {
            name: new.name.clone(),
            description: new.description,
            schema: new.schema,
            licence: new.licence,
            price: new.price,
            accept_threshold: new.accept_threshold,
            committee_size: new.committee_size,
            storage_quorum: new.storage_quorum,
            holdout,
            holdout_size,
            min_bond: new.min_bond,
        };
        match self.chain.execute(key, Action::CreateDatanet(action)).await {
            Ok(committed) => Ok(OpenedDatanet { id, name: new.name, tx: committed.hash }),
            Err(error) => {
                let all = datanets::list(&self.chain.reader()?, None, usize::MAX)?;
                if error.is_ledgers_verdict() && all.iter().all(|datanet| datanet.holdout != holdout) {
                    self.blobs.release(&tag).await?;
                }
                Err(error)
            }
        }
    }
}

fn check_holdout(new: &DatanetProposal) -> ServiceResult<()> {
    let bad = |error: &dyn std::fmt::Display| ServiceError::new(Code::BadHoldout, format!("held-out set: {error}"));
    let mut checker = StreamChecker::new(Format::Jsonl, &new.schema, Limits::default()).map_err(|error| bad(&error))?;
    checker.push(new.holdout.as_bytes()).map_err(|error| bad(&error))?;
    checker.finish().map(|_| ()).map_err(|error| bad(&error))
}
