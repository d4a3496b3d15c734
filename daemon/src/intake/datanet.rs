//! From a proposal to a datanet on the ledger, its held-out set kept here for others to fetch.

use datanet_data::corpus::{Limits, StreamChecker};
use datanet_ledger::component::datanets::{self, Datanet, HeldOut};
use datanet_p2p::HeldBlob;
use datanet_types::action::{CloseDatanet, CreateDatanet, RotateHoldout};
use datanet_types::record::Format;
use datanet_types::schema::Schema;
use datanet_types::{Action, Amount, BlobHash, DatanetId, TxHash};

use super::Intake;
use crate::blobs::holdout_tag;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;
use crate::records::{check_licence, named_held_out};

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
    /// Base units that a model made of it takes at least for a thousand tokens of text, beside that.
    pub token_price: Amount,
    /// Base units that a node takes at least for each step of a training on it, beside that.
    pub step_price: Amount,
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
    /// Base units that it locks.
    pub deposit: Amount,
    /// The transaction that opened it.
    pub tx: TxHash,
}

/// A held-out set announced.
#[derive(Debug, Clone)]
pub struct AnnouncedHoldout {
    /// Its number among the datanet's.
    pub number: u32,
    /// The set.
    pub set: HeldOut,
    /// The transaction that announced it.
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
        check_holdout(&new.schema, &new.holdout)?;
        let id = DatanetId::derive(self.chain.id(), &key.address(), &new.name);
        let holdout_size = new.holdout.len() as u64;
        // Said before anything is kept: a name that is taken must not touch its datanet's held-out set.
        if datanets::by_name(&self.chain.reader()?, &new.name)?.is_some() {
            return Err(ServiceError::new(
                Code::NameTaken,
                format!("a datanet named {:?} exists; choose another", new.name),
            ));
        }
        let (holdout, _held) = self.keep_holdout(new.holdout).await?;
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
            token_price: new.token_price,
            step_price: new.step_price,
        };
        match self.chain.execute(key, Action::CreateDatanet(action)).await {
            Ok(committed) => {
                let deposit = self.chain.datanet(&id)?.deposit;
                Ok(OpenedDatanet { id, name: new.name, deposit, tx: committed.hash })
            }
            Err(error) => Err(self.let_go_of_holdout(&holdout, error).await?),
        }
    }

    /// Closes a datanet that `key` owns; answers once that is on the ledger, with the transaction.
    ///
    /// # Errors
    /// When the ledger refuses the transaction or it is in no block in time, or the ledger fails.
    pub async fn close_datanet(&self, key: &AccountKey, datanet: &Datanet) -> ServiceResult<TxHash> {
        let close = CloseDatanet { datanet: datanet.id };
        Ok(self.chain.execute(key, Action::CloseDatanet(close)).await?.hash)
    }

    /// Announces the next held-out set of a datanet that `key` owns, kept here for others to fetch; answers once it is on the ledger.
    ///
    /// # Errors
    /// When the set is not good ([`Code::BadHoldout`]), the ledger refuses the transaction or it is in no block in time, or the ledger or the blob store
    /// fails.
    pub async fn rotate_holdout(
        &self,
        key: &AccountKey,
        datanet: &Datanet,
        holdout: String,
    ) -> ServiceResult<AnnouncedHoldout> {
        check_holdout(&datanet.schema, &holdout)?;
        let holdout_size = holdout.len() as u64;
        let (holdout, _held) = self.keep_holdout(holdout).await?;
        let action = RotateHoldout { datanet: datanet.id, holdout, holdout_size };
        match self.chain.execute(key, Action::RotateHoldout(action)).await {
            Ok(committed) => {
                let reader = self.chain.reader()?;
                let number = self.chain.datanet(&datanet.id)?.rotations;
                let set = datanets::expect_held_out(&reader, datanet, number)?;
                Ok(AnnouncedHoldout { number, set, tx: committed.hash })
            }
            Err(error) => Err(self.let_go_of_holdout(&holdout, error).await?),
        }
    }

    /// Keeps a held-out set for others to fetch.
    async fn keep_holdout(&self, holdout: String) -> ServiceResult<(BlobHash, HeldBlob)> {
        let held = self.blobs.add_bytes(holdout.into_bytes()).await?;
        let holdout = BlobHash(held.hash());
        self.blobs.keep(&holdout_tag(&holdout), &holdout).await?;
        Ok((holdout, held))
    }

    /// Lets go of a set that the ledger did not take, unless it names it elsewhere; gives the error back.
    async fn let_go_of_holdout(&self, holdout: &BlobHash, error: ServiceError) -> ServiceResult<ServiceError> {
        if error.is_ledgers_verdict() && !named_held_out(&self.chain.reader()?)?.contains(holdout) {
            self.blobs.release(&holdout_tag(holdout)).await?;
        }
        Ok(error)
    }
}

fn check_holdout(schema: &Schema, holdout: &str) -> ServiceResult<()> {
    let bad = |error: &dyn std::fmt::Display| ServiceError::new(Code::BadHoldout, format!("held-out set: {error}"));
    let mut checker = StreamChecker::new(Format::Jsonl, schema, Limits::default()).map_err(|error| bad(&error))?;
    checker.push(holdout.as_bytes()).map_err(|error| bad(&error))?;
    checker.finish().map(|_| ()).map_err(|error| bad(&error))
}
