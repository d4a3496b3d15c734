//! A training that was bought elsewhere becomes a model of an account of this node.

use datanet_types::ModelId;
use datanet_types::receipt::{AnswerRecord, Method};

use super::Models;
use super::release::{MAX_FILE_BYTES, file_tag};
use crate::error::{Code, ServiceError, ServiceResult};

impl Models {
    /// Has what a receipt paid for here, keeps it, and puts it on the ledger for an account of this node. Whoever pays for the registration owns it: a
    /// model's id is made of owner and manifest, and who else registers the same has a model of its own.
    ///
    /// # Errors
    /// When the receipt is of no training ([`Code::NotTrained`]), nobody gives one of its files ([`Code::BlobUnavailable`]), the account has no key here
    /// ([`Code::UnknownKey`]), the ledger refuses the transaction, or a store fails.
    pub async fn register_bought(&self, record: AnswerRecord, account: &str) -> ServiceResult<(ModelId, String)> {
        let (node, id) = (record.receipt.node, record.id());
        let release = record.output.release.filter(|_| record.receipt.method == Method::Training as i32);
        let Some(release) = release else {
            let detail = format!("receipt {id} is of an answer, and no training was bought with it");
            return Err(ServiceError::new(Code::NotTrained, detail));
        };
        self.keyring.get(account)?;
        let mut held = Vec::new();
        for file in &release.files {
            held.push(self.blobs.bring(&file.blob, Some(file.size), MAX_FILE_BYTES, &[node]).await?);
            self.blobs.keep_once(&file_tag(&file.blob), &file.blob).await?;
        }
        let packed = self.keep_release(&release, account).await?;
        self.register_release_as(&release, &packed, account).await?;
        drop(held);
        Ok((packed.model, release.name))
    }
}
