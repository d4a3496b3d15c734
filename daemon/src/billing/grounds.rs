//! What a receipt claims of the ledger, held against the ledger: the same for whoever looks, and whenever.

use datanet_ledger::component::{channels, contributions, datanets, models};
use datanet_ledger::state::StateRead;
use datanet_types::amount::display;
use datanet_types::receipt::{AnswerRecord, Method, Receipt};
use datanet_types::release::DataSnapshot;
use datanet_types::{Amount, ContributionId, DatanetId};

use super::sale;
use super::terms::terms;
use super::training;
use crate::error::ServiceResult;

/// Blocks by which what a node has indexed may be behind: more than it waits for bytes that are missing.
const LAG: u64 = 1_000;

/// Why a receipt that was settled at `settled_height` cannot be right; none if nothing on the ledger contradicts it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn contradiction<S: StateRead>(
    state: &S,
    record: &AnswerRecord,
    settled_height: u64,
) -> ServiceResult<Option<String>> {
    let receipt = &record.receipt;
    if receipt.height > settled_height {
        return Ok(Some(format!("it is of height {}, and was settled at {settled_height}", receipt.height)));
    }
    match receipt.method() {
        Method::Retrieval => of_retrieval(state, receipt),
        Method::Influence | Method::Span => of_model(state, record),
        Method::Composed => sale::of_sale(state, receipt),
        Method::Training => training::of_training(state, record),
    }
}

fn of_retrieval<S: StateRead>(state: &S, receipt: &Receipt) -> ServiceResult<Option<String>> {
    let Some(datanet) = datanets::get(state, &receipt.datanet)? else {
        return Ok(Some(format!("there is no datanet {}", receipt.datanet)));
    };
    if receipt.fee != datanet.price {
        return Ok(Some(other_price(receipt.fee, datanet.price)));
    }
    // Whoever trained a model has no part in what was found without it.
    if models::get(state, &receipt.model)?.is_some_and(|model| model.release) {
        return Ok(Some(format!("model {} is a release, and embeds no datanet", receipt.model)));
    }
    // What was searched is what there was when it was asked, which was not before there was a channel to pay by.
    if let Some(why) = before_its_channel(state, receipt)? {
        return Ok(Some(why));
    }
    let named = receipt.credits.iter().map(|credit| &credit.contribution).chain(&receipt.missing);
    for id in named {
        let known = contributions::get(state, id)?;
        if !known.is_some_and(|known| known.datanet == datanet.id && known.was_final_at(receipt.height)) {
            let height = receipt.height;
            return Ok(Some(format!("contribution {id} was not final in datanet {} at height {height}", datanet.name)));
        }
    }
    Ok(None)
}

/// Whether it is said to be of long before there was a channel to pay it by.
pub(super) fn before_its_channel<S: StateRead>(state: &S, receipt: &Receipt) -> ServiceResult<Option<String>> {
    let channel = receipt.channel.map(|id| channels::get(state, &id)).transpose()?.flatten();
    let opened = channel.map_or(0, |channel| channel.opened_height);
    let height = receipt.height;
    Ok((height.saturating_add(LAG) < opened)
        .then(|| format!("it is of height {height}, long before its channel was opened at {opened}")))
}

fn of_model<S: StateRead>(state: &S, record: &AnswerRecord) -> ServiceResult<Option<String>> {
    let receipt = &record.receipt;
    let Some(model) = models::get(state, &receipt.model)?.filter(|model| model.release) else {
        return Ok(Some(format!("model {} is no release on the ledger", receipt.model)));
    };
    if receipt.height != model.registered_height || receipt.snapshot != DataSnapshot::digest_of(&model.snapshots) {
        return Ok(Some("height and snapshot are not those of the model on the ledger".to_owned()));
    }
    let terms = terms(state, &model)?;
    let datanet = terms.datanet.as_ref().map_or(DatanetId::ZERO, |datanet| datanet.id);
    if receipt.datanet != datanet {
        return Ok(Some(format!("model {} is paid through datanet {datanet}", model.name)));
    }
    if let Some(why) = terms.wrong_fee(record) {
        return Ok(Some(why));
    }
    // Whoever has harmed is named as well: debts are of those behind the model.
    let moved = record.output.influence.iter().map(|one| &one.contribution);
    for id in receipt.credits.iter().map(|credit| &credit.contribution).chain(moved) {
        let is_behind = |known: &contributions::Contribution| {
            known.was_final_at(model.registered_height)
                && model.snapshots.iter().any(|snapshot| snapshot.datanet == known.datanet)
        };
        if !contributions::get(state, id)?.is_some_and(|known| is_behind(&known)) {
            return Ok(Some(not_behind(id, &model.name)));
        }
    }
    Ok(None)
}

fn other_price(charged: Amount, price: Amount) -> String {
    format!("{} were charged, the price is {}", display(charged), display(price))
}

fn not_behind(id: &ContributionId, model: &str) -> String {
    format!("contribution {id} is not behind model {model}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_ledger::component::channels::Channel;
    use datanet_ledger::component::contributions::{Contribution, Status};
    use datanet_ledger::component::datanets::Datanet;
    use datanet_ledger::component::models::Model;
    use datanet_ledger::state::{MemoryState, StateWrite};
    use datanet_types::receipt::Credit;
    use datanet_types::{ChannelId, ModelId, Ppm};

    const DATANET: DatanetId = DatanetId([1; 32]);
    const PRICE: Amount = 500;
    const CHANNEL: ChannelId = ChannelId([3; 32]);

    /// A datanet with a contribution that was final at 100 and revoked at 200, one that is refused, a channel of height 5,000, a release of
    /// height 150 and a model that is none.
    fn ledger() -> MemoryState {
        let mut state = MemoryState::default();
        let datanet = Datanet { id: DATANET, price: PRICE, name: "birds".into(), ..Datanet::default() };
        state.put(datanets::state_key::datanet(&DATANET), &datanet);
        for (n, status, final_height, revoked_height) in
            [(1, Status::Revoked, 100, 200), (2, Status::Refused, 0, 0), (3, Status::Final, 120, 0)]
        {
            let id = ContributionId([n; 32]);
            let mut given =
                Contribution { id, datanet: DATANET, final_height, revoked_height, ..Contribution::default() };
            given.set_status(status);
            state.put(contributions::state_key::contribution(&id), &given);
        }
        state.put(
            channels::state_key::channel(&CHANNEL),
            &Channel { id: CHANNEL, opened_height: 5_000, ..Channel::default() },
        );
        for (n, release) in [(7, true), (8, false)] {
            let snapshots = vec![behind()];
            let (id, registered_height) = (ModelId([n; 32]), 150);
            let model = Model { id, registered_height, snapshots, release, ..Model::default() };
            state.put(models::state_key::model(&id), &model);
        }
        state
    }

    /// What the models are trained on.
    fn behind() -> DataSnapshot {
        DataSnapshot::start(DATANET).then(&ContributionId([1; 32]), false)
    }

    fn credits(contributions: &[u8]) -> Vec<Credit> {
        let one = |n: &u8| Credit { contribution: ContributionId([*n; 32]), weight: Ppm(1), ..Credit::default() };
        contributions.iter().map(one).collect()
    }

    fn retrieval(height: u64, credited: &[u8]) -> Receipt {
        Receipt { datanet: DATANET, height, fee: PRICE, credits: credits(credited), ..Receipt::default() }
    }

    fn of_release(model: u8, credited: &[u8]) -> Receipt {
        let snapshot = DataSnapshot::digest_of(&[behind()]);
        let method = Method::Influence as i32;
        Receipt { model: ModelId([model; 32]), snapshot, method, ..retrieval(150, credited) }
    }

    /// Why not, for each receipt settled at height 9,000.
    fn why(receipt: &Receipt) -> Option<String> {
        let record = AnswerRecord { receipt: receipt.clone(), ..AnswerRecord::default() };
        contradiction(&ledger(), &record, 9_000).unwrap()
    }

    #[test]
    fn what_was_so_when_it_was_asked_is_right_whatever_came_later() {
        assert_eq!(why(&retrieval(150, &[1, 3])), None);
        assert_eq!(why(&of_release(7, &[1, 3])), None);
        assert_eq!(why(&Receipt { model: ModelId([8; 32]), ..retrieval(150, &[3]) }), None);
        let paid = Receipt { channel: Some(CHANNEL), ..retrieval(4_500, &[3]) };
        assert_eq!(why(&paid), None, "an index may be a little behind");
    }

    #[test]
    fn what_never_was_so_is_named() {
        let wrong = [
            (retrieval(9_001, &[3]), "was settled at 9000"),
            (retrieval(u64::MAX, &[3]), "was settled at 9000"),
            (retrieval(250, &[1]), "was not final"),
            (retrieval(110, &[3]), "was not final"),
            (retrieval(150, &[2]), "was not final"),
            (retrieval(150, &[9]), "was not final"),
            (Receipt { missing: vec![ContributionId([2; 32])], ..retrieval(150, &[3]) }, "was not final"),
            (Receipt { fee: 501, ..retrieval(150, &[3]) }, "the price is"),
            (Receipt { datanet: DatanetId([9; 32]), ..retrieval(150, &[3]) }, "no datanet"),
            (Receipt { channel: Some(CHANNEL), ..retrieval(3_999, &[3]) }, "long before its channel"),
            (Receipt { model: ModelId([7; 32]), ..retrieval(150, &[3]) }, "embeds no datanet"),
            (of_release(8, &[3]), "is no release"),
            (of_release(9, &[3]), "is no release"),
            (Receipt { height: 149, ..of_release(7, &[3]) }, "height and snapshot"),
            (Receipt { snapshot: Default::default(), ..of_release(7, &[3]) }, "height and snapshot"),
            (Receipt { fee: 1, ..of_release(7, &[3]) }, "the price is"),
            (Receipt { datanet: DatanetId([9; 32]), ..of_release(7, &[3]) }, "is paid through"),
            (of_release(7, &[2]), "is not behind model"),
        ];
        for (receipt, words) in wrong {
            let found = why(&receipt).unwrap_or_else(|| panic!("nothing is wrong with {receipt:?}"));
            assert!(found.contains(words), "{found}");
        }
    }
}
