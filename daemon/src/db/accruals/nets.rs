//! What answers on a channel did not settle by themselves: it is netted with all of their epoch.
//!
//! A row a model, because an answer is of one and moves about all contributions that it learnt from: what other models gave is not written again.

use datanet_types::ChannelId;
use datanet_types::netting::Nets;
use redb::WriteTransaction;

use crate::db::table;
use crate::error::ServiceResult;

/// Channel, then model, to what its answers give together.
const TABLE: table::Table = redb::TableDefinition::new("channel_nets");

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, TABLE)
}

/// Adds this to what has accrued on a channel.
pub(super) fn put(tx: &WriteTransaction, channel: &ChannelId, more: &Nets) -> ServiceResult<()> {
    for (model, more) in more.by_model() {
        let key = [channel.0, model.0].concat();
        let mut sum: Nets = table::get_in(tx, TABLE, &key)?.unwrap_or_default();
        sum.merge(&more);
        table::put(tx, TABLE, &key, &sum)?;
    }
    Ok(())
}

/// Takes out what has accrued on a channel.
pub(super) fn take(tx: &WriteTransaction, channel: &[u8]) -> ServiceResult<Nets> {
    let mut sum = Nets::default();
    for (key, nets) in table::first_in::<Nets>(tx, TABLE, channel, usize::MAX)? {
        table::remove(tx, TABLE, &key)?;
        sum.merge(&nets);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use datanet_types::epoch::FeeShares;
    use datanet_types::receipt::{Influence, Method, Receipt};
    use datanet_types::{ContributionId, DatanetId, ModelId};

    use super::*;
    use crate::db::accruals::tests::store;

    /// An answer of a model, which moved contributions 1 and 2.
    fn answer(model: u8, datanet: u8, worth: [i64; 2]) -> Nets {
        let (model, datanet) = (ModelId([model; 32]), DatanetId([datanet; 32]));
        let split = FeeShares::STANDARD.split(1_000);
        let receipt =
            Receipt { model, datanet, method: Method::Influence as i32, fee: 1_000, split, ..Receipt::default() };
        let moved = |(n, worth)| Influence { contribution: ContributionId([n; 32]), value: 0, worth };
        Nets::of(&receipt, &(1..).zip(worth).map(moved).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_taken_is_what_was_put_whichever_models_answered_on_the_channel_and_once() {
        let (_dir, store) = store();
        let (one, other) = (ChannelId([1; 32]), ChannelId([2; 32]));
        let given = [answer(1, 1, [5, -3]), answer(2, 1, [1, 1]), answer(1, 2, [-2, 0]), Nets::default()];
        store.write(|tx| given.iter().try_for_each(|nets| put(tx, &one, nets))).unwrap();
        store.write(|tx| put(tx, &other, &given[0])).unwrap();
        let mut sum = Nets::default();
        given.iter().for_each(|nets| sum.merge(nets));
        let taken = |channel: &ChannelId| store.write(|tx| take(tx, &channel.0)).unwrap();
        assert_eq!(taken(&one), sum);
        assert_eq!((taken(&one), taken(&other)), (Nets::default(), given[0].clone()));
    }

    #[test]
    fn an_answer_writes_the_row_of_its_model_alone() {
        let (_dir, store) = store();
        let channel = ChannelId([1; 32]);
        let rows = || store.read(|tx| table::all::<Nets>(tx, TABLE)).unwrap();
        store.write(|tx| put(tx, &channel, &answer(1, 1, [5, -3]))).unwrap();
        let before = rows();
        store.write(|tx| put(tx, &channel, &answer(2, 1, [7, 7]))).unwrap();
        assert_eq!(rows(), [before[0].clone(), ([channel.0, [2; 32]].concat(), answer(2, 1, [7, 7]))]);
    }
}
