//! How often each model was asked here, and for how much, in epochs that were settled: whether what a contribution owes by it says something.

use datanet_types::netting::Nets;
use datanet_types::{Amount, ModelId};
use redb::WriteTransaction;

use super::{LocalStore, table};
use crate::error::ServiceResult;

const TABLE: table::Table = redb::TableDefinition::new("asked-models");

/// Answers of a model that were netted in settled epochs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// How many.
    pub answers: u64,
    /// What of their fees follows worth, in base units.
    pub pots: Amount,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, TABLE)
}

/// Counts what a settlement netted.
pub(super) fn add(tx: &WriteTransaction, nets: &Nets) -> ServiceResult<()> {
    for (model, pot) in nets.pots() {
        let before: Asked = table::get_in(tx, TABLE, &model.0)?.unwrap_or_default();
        let answers = before.answers.saturating_add(pot.answers);
        let pots = before.pots.saturating_add(pot.sum());
        table::put(tx, TABLE, &model.0, &Asked { answers, pots })?;
    }
    Ok(())
}

impl LocalStore {
    /// What of a model's answers was netted in settled epochs of this node; nothing where it was not asked.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn asked(&self, model: &ModelId) -> ServiceResult<Asked> {
        Ok(self.read(|tx| table::get(tx, TABLE, &model.0))?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use datanet_types::epoch::FeeShares;
    use datanet_types::receipt::{Influence, Method, Receipt};
    use datanet_types::{ContributionId, DatanetId};

    use super::*;

    fn nets(model: u8, datanet: u8, fee: Amount) -> Nets {
        let (model, datanet) = (ModelId([model; 32]), DatanetId([datanet; 32]));
        let (method, split) = (Method::Influence as i32, FeeShares::STANDARD.split(fee));
        let receipt = Receipt { model, datanet, method, fee, split, ..Receipt::default() };
        Nets::of(&receipt, &[Influence { contribution: ContributionId([1; 32]), value: 0, worth: -1 }])
    }

    #[test]
    fn answers_add_up_by_model_whichever_datanet_they_were_paid_through() {
        let (_dir, store) = crate::db::accruals::tests::store();
        for (model, datanet) in [(1, 1), (1, 2), (2, 1)] {
            store.write(|tx| add(tx, &nets(model, datanet, 1_000))).unwrap();
        }
        let asked = |n: u8| store.asked(&ModelId([n; 32])).unwrap();
        assert_eq!(asked(1), Asked { answers: 2, pots: 2 * 700 });
        assert_eq!((asked(2).answers, asked(3)), (1, Asked::default()));
    }
}
