//! Who earns what: from one answer, and from what of an epoch is netted.

use std::collections::BTreeMap;

use datanet_ledger::component::params::versions;
use datanet_ledger::component::{Params, contributions, datanets, models, params, validation};
use datanet_ledger::state::StateRead;
use datanet_types::epoch::{EpochTotals, FeeSplit};
use datanet_types::netting::{self, Netted, Pot, Share, Shared};
use datanet_types::receipt::{Credit, Receipt};
use datanet_types::split::split;
use datanet_types::{Account, Address, Amount, Asset, ContributionId, DatanetId, Ppm};

use crate::db::accruals::{self, Earning, EarningKey, EarningLine, EarningRole};
use crate::error::ServiceResult;

/// The account of what nobody is there to earn. The ledger pays that to the treasury, which is no user's, at once and without a claim.
const NOBODY: Address = Address::ZERO;

/// Divides one fee among contributors, the owners of the model and of those it was made from, and the judges and keepers of the
/// contributions. What of it is netted with its epoch is left out ([`netted`]). The lines sum to the rest of the claimable parts of the fee exactly;
/// what has no taker goes to the treasury.
///
/// They follow from the receipt and from what of the ledger never changes, so that whoever audits an epoch later finds the
/// same: a contribution that is revoked after the answer has earned by it, and a model that somebody registers later has not. What a model or a
/// datanet earns is its income account's, whoever owns it: shares that are issued between the answer and an audit change nothing here.
///
/// # Errors
/// When the ledger cannot be read.
pub fn lines<S: StateRead>(state: &S, receipt: &Receipt) -> ServiceResult<Vec<EarningLine>> {
    let Receipt { datanet, credits, split: fee, .. } = receipt;
    let mut lines = Lines { datanet: *datanet, sums: BTreeMap::new() };
    if let Some(sale) = &receipt.sale {
        // Those behind it were paid for what the agent bought of them; what they have of this beside are the floors of its release, which the ledger
        // divides when this is claimed.
        lines.add(Asset::Agent(sale.agent).income_account(), EarningRole::Owner, None, fee.claimable());
        return Ok(lines.finish());
    }
    let mut to_give = fee.claimable();
    if netting::is_netted(receipt) {
        to_give = to_give.saturating_sub(pot(fee).sum());
    } else {
        let part =
            |credit: &Credit| Part { weight: credit.weight.0, shown: credit.weight, ..Part::of(credit.contribution) };
        let parts: Vec<Part> = credits.iter().map(part).collect();
        add_pot(state, &mut lines, &parts, &pot(fee))?;
    }
    add_owners(state, &mut lines, receipt)?;
    let given = lines.sum();
    lines.add(NOBODY, EarningRole::Treasury, None, to_give.saturating_sub(given));
    Ok(lines.finish())
}

/// Divides what of an epoch is netted. The lines sum to all of its pots; where nothing is left above zero, or nobody is there to earn, they are the
/// treasury's.
///
/// # Errors
/// When the ledger cannot be read.
pub fn netted<S: StateRead>(state: &S, netted: &Netted) -> ServiceResult<Vec<EarningLine>> {
    let mut sums: BTreeMap<EarningKey, Earning> = BTreeMap::new();
    for Shared { datanet, pot, shares, .. } in &netted.shared {
        let mut lines = Lines { datanet: *datanet, sums: BTreeMap::new() };
        let weights: Vec<u64> = shares.iter().map(|share| share.weight).collect();
        let part = |(share, shown): (&Share, Ppm)| Part {
            contribution: share.contribution,
            weight: share.weight,
            shown,
            answers: share.answers,
            net: u64::try_from(share.left.unsigned_abs() / 1_000).unwrap_or(u64::MAX),
        };
        let parts: Vec<Part> = shares.iter().zip(Ppm::split(&weights)).map(part).collect();
        add_pot(state, &mut lines, &parts, pot)?;
        let given = lines.sum();
        lines.add(NOBODY, EarningRole::Treasury, None, pot.sum().saturating_sub(given));
        for (key, earning) in lines.finish() {
            accruals::add_line(sums.entry(key).or_default(), &earning);
        }
    }
    Ok(sums.into_iter().collect())
}

fn pot(fee: &FeeSplit) -> Pot {
    Pot { answers: 1, contributors: fee.contributors, validators: fee.validators, storage: fee.storage }
}

/// A contribution's part of what follows worth.
#[derive(Debug, Clone, Copy)]
struct Part {
    contribution: ContributionId,
    weight: u64,
    /// The weight as people read it.
    shown: Ppm,
    answers: u64,
    net: u64,
}

impl Part {
    fn of(contribution: ContributionId) -> Self {
        Self { contribution, weight: 0, shown: Ppm::ZERO, answers: 1, net: 0 }
    }
}

/// What contributors, judges and keepers have.
fn add_pot<S: StateRead>(state: &S, lines: &mut Lines, parts: &[Part], pot: &Pot) -> ServiceResult<()> {
    let weights: Vec<u64> = parts.iter().map(|part| part.weight).collect();
    for (part, amount) in parts.iter().zip(split(pot.contributors, &weights)) {
        // Whose it is the ledger says, whatever the receipt does.
        if let Some(contribution) = contributions::get(state, &part.contribution)? {
            lines.add(contribution.contributor, EarningRole::Contributor, Some(part), amount);
        }
    }
    add_validators(state, lines, parts, pot.validators)?;
    add_keepers(state, lines, parts, pot.storage)
}

/// What lines leave to the treasury.
pub fn unearned(lines: &[EarningLine]) -> Amount {
    let unearned = lines.iter().filter(|(key, _)| key.role == EarningRole::Treasury);
    unearned.map(|(_, earning)| earning.amount).fold(0, Amount::saturating_add)
}

/// The sums of one answer, without what is netted of it. Free ones are not counted: the ledger wants a fee for each.
pub fn totals(receipt: &Receipt, lines: &[EarningLine]) -> EpochTotals {
    let unearned = unearned(lines);
    EpochTotals { answers: u64::from(receipt.fee > 0), fees: receipt.fee, split: receipt.split, unearned }
}

/// The model, the models behind it, and the datanets that these were trained on. Where nobody had registered it at the receipt's height, the datanet that was asked has the owner's part
/// of an answer that rests on its records, which are there for good, and so is the datanet.
fn add_owners<S: StateRead>(state: &S, lines: &mut Lines, receipt: &Receipt) -> ServiceResult<()> {
    let fee = &receipt.split;
    let model = models::get(state, &receipt.model)?.filter(|model| model.registered_height <= receipt.height);
    let Some(model) = model else {
        let datanet = Asset::Datanet(receipt.datanet);
        if !receipt.credits.is_empty() && datanets::get(state, &receipt.datanet)?.is_some() {
            lines.add(datanet.income_account(), EarningRole::Owner, None, fee.owner);
        }
        return Ok(());
    };
    lines.add(Asset::Model(model.id).income_account(), EarningRole::Owner, None, fee.owner);
    let floor = params_of(state, receipt)?.lineage_floor_bps;
    for share in models::lineage_shares(state, &model, fee.lineage, floor)? {
        let own = share.asset == Asset::Model(model.id);
        let role = if own { EarningRole::Owner } else { EarningRole::Lineage };
        lines.add(share.asset.income_account(), role, None, share.amount);
    }
    Ok(())
}

/// The parameters that an answer was given under; where they are forgotten, its epoch is long over, and the present ones will do.
fn params_of<S: StateRead>(state: &S, receipt: &Receipt) -> ServiceResult<Params> {
    match versions::version(state, receipt.params)? {
        Some((version, _)) => Ok(version.params),
        None => Ok(params::get(state)?),
    }
}

/// The judges of a contribution share its weight equally.
fn add_validators<S: StateRead>(state: &S, lines: &mut Lines, parts: &[Part], amount: Amount) -> ServiceResult<()> {
    let mut judges: Vec<(Address, &Part, u64)> = Vec::new();
    for credit in parts {
        let Some(contribution) = contributions::get(state, &credit.contribution)? else { continue };
        // Whoever gave scores was measured; that stays when what they were is forgotten.
        let round = validation::current_round(state, &contribution)?.unwrap_or_default();
        let scored = round.committee.iter().filter(|member| member.accuracy_bps.is_some());
        let revealed: Vec<Address> = scored.map(|member| member.account).collect();
        let share = credit.weight.checked_div(revealed.len() as u64).unwrap_or(0);
        judges.extend(revealed.into_iter().map(|judge| (judge, credit, share)));
    }
    let weights: Vec<u64> = judges.iter().map(|(_, _, share)| *share).collect();
    for ((judge, credit, _), amount) in judges.into_iter().zip(split(amount, &weights)) {
        lines.add(judge, EarningRole::Validator, Some(credit), amount);
    }
    Ok(())
}

/// What falls to a contribution's weight is shared by the accounts of the nodes whose words had it judged: they are as many as its datanet's
/// quorum, and the same for good, so that nobody dilutes them later.
fn add_keepers<S: StateRead>(state: &S, lines: &mut Lines, parts: &[Part], amount: Amount) -> ServiceResult<()> {
    let weights: Vec<u64> = parts.iter().map(|part| part.weight).collect();
    for (credit, part) in parts.iter().zip(split(amount, &weights)) {
        let keepers = contributions::keepers(state, &credit.contribution)?;
        for (keeper, amount) in keepers.iter().zip(split(part, &vec![1; keepers.len()])) {
            lines.add(keeper.account, EarningRole::Storage, Some(credit), amount);
        }
    }
    Ok(())
}

struct Lines {
    datanet: DatanetId,
    sums: BTreeMap<EarningKey, Earning>,
}

impl Lines {
    fn add(&mut self, account: impl Into<Account>, role: EarningRole, part: Option<&Part>, amount: Amount) {
        if amount == 0 {
            return;
        }
        let account = account.into();
        let contribution = part.map(|part| part.contribution);
        let key = EarningKey { account, role, datanet: self.datanet, contribution };
        let answers = part.map_or(1, |part| part.answers);
        let sum = self.sums.entry(key).or_insert(Earning { answers, ..Earning::default() });
        sum.amount = sum.amount.saturating_add(amount);
        sum.weight = sum.weight.saturating_add(part.map_or(Ppm::ZERO, |part| part.shown));
        sum.net = sum.net.saturating_add(part.map_or(0, |part| part.net));
    }

    fn sum(&self) -> Amount {
        self.sums.values().map(|earning| earning.amount).fold(0, Amount::saturating_add)
    }

    fn finish(self) -> Vec<EarningLine> {
        self.sums.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_ledger::component::contributions::{Contribution, Keeper};
    use datanet_ledger::component::models::Model;
    use datanet_ledger::component::validation::{Member, Round};
    use datanet_ledger::component::{Genesis, init_genesis};
    use datanet_ledger::state::{MemoryState, StateWrite};
    use datanet_types::epoch::FeeShares;
    use datanet_types::release::DataSnapshot;
    use datanet_types::{ContributionId, ModelId, NodeKey};
    use proptest::prelude::*;

    const DATANET: DatanetId = DatanetId([1; 32]);

    /// Four models, each made from all before it, the fourth after the answers; and four contributions with a judge each, the last
    /// one revoked since.
    fn ledger() -> MemoryState {
        let mut state = MemoryState::default();
        init_genesis(&mut state, &Genesis::default(), "test").unwrap();
        for n in 1..=4u8 {
            let parents = (1..n).map(|parent| ModelId([parent; 32])).collect();
            let registered_height = if n == 4 { 9 } else { 1 };
            let (id, owner) = (ModelId([n; 32]), Address([n; 20]));
            let model = Model { id, owner, parents, registered_height, ..Model::default() };
            state.put(models::state_key::model(&model.id), &model);
            let mut contribution = Contribution {
                id: ContributionId([n; 32]),
                datanet: DATANET,
                contributor: Address([n + 100; 20]),
                ..Contribution::default()
            };
            contribution.set_status(if n == 4 { contributions::Status::Revoked } else { contributions::Status::Final });
            state.put(contributions::state_key::contribution(&contribution.id), &contribution);
            let member = Member { account: Address([n + 50; 20]), accuracy_bps: Some(9_000), ..Member::default() };
            let round = Round { contribution: contribution.id, committee: vec![member], ..Round::default() };
            state.put(validation::state_key::round(&contribution.id, 0), &round);
            for place in 0..2 {
                let account = Address([n + 150 + 50 * place; 20]);
                let keeper = Keeper { node: NodeKey([n; 32]), account };
                state.put(contributions::state_key::keeper(&contribution.id, place.into()), &keeper);
            }
        }
        state
    }

    fn credits(weights: &[u64]) -> Vec<Credit> {
        let parts = Ppm::split(weights);
        let credit =
            |(n, weight)| Credit { contribution: ContributionId([n; 32]), contributor: Address([99; 20]), weight };
        (1..).zip(parts).map(credit).filter(|credit| credit.weight > Ppm::ZERO).collect()
    }

    fn earned(lines: &[EarningLine], account: impl Into<Account>, role: EarningRole) -> Amount {
        let account = account.into();
        let of = lines.iter().filter(|(key, _)| key.account == account && key.role == role);
        of.map(|(_, earning)| earning.amount).sum()
    }

    fn of_model(n: u8) -> datanet_types::ModuleAddress {
        Asset::Model(ModelId([n; 32])).income_account()
    }

    fn receipt(model: u8, fee: Amount, weights: &[u64]) -> Receipt {
        let (model, credits, split) = (ModelId([model; 32]), credits(weights), FeeShares::STANDARD.split(fee));
        Receipt { datanet: DATANET, model, height: 8, credits, fee, split, ..Receipt::default() }
    }

    #[test]
    fn owners_behind_a_model_earn_by_link_and_what_is_revoked_later_has_earned() {
        let state = ledger();
        let found = lines(&state, &receipt(3, 100_000, &[1, 1, 1, 1])).unwrap();
        // Three links behind model 3: two to model 1, one to model 2, a quarter of 5,000 each.
        assert_eq!(earned(&found, of_model(1), EarningRole::Lineage), 2_500);
        assert_eq!(earned(&found, of_model(2), EarningRole::Lineage), 1_250);
        assert_eq!(earned(&found, of_model(3), EarningRole::Owner), 5_000 + 1_250);
        assert_eq!(earned(&found, Address([103; 20]), EarningRole::Contributor), 15_000);
        assert_eq!(earned(&found, Address([104; 20]), EarningRole::Contributor), 15_000);
        assert_eq!(earned(&found, Address([54; 20]), EarningRole::Validator), 1_250);
        assert_eq!(earned(&found, Address([154; 20]), EarningRole::Storage), 625);
        assert_eq!(earned(&found, NOBODY, EarningRole::Treasury), 0);
    }

    #[test]
    fn what_models_were_trained_on_earns_with_them() {
        let mut state = ledger();
        let snapshot = |n: u8| DataSnapshot { count: 1, ..DataSnapshot::start(DatanetId([n; 32])) };
        for (n, of) in [(1u8, vec![7]), (3, vec![7, 8])] {
            let model = models::get(&state, &ModelId([n; 32])).unwrap().unwrap();
            let model = Model { snapshots: of.into_iter().map(snapshot).collect(), ..model };
            state.put(models::state_key::model(&model.id), &model);
        }
        let found = lines(&state, &receipt(3, 100_000, &[1])).unwrap();
        let of = |n: u8| earned(&found, Asset::Datanet(DatanetId([n; 32])).income_account(), EarningRole::Lineage);
        // Of 5,000 a quarter for each of its two datanets; the other half for four links: two to model 1, one to model 2, one from model 1 to datanet 7.
        assert_eq!((of(7), of(8)), (1_250 + 625, 1_250));
        assert_eq!(earned(&found, of_model(1), EarningRole::Lineage), 1_250);
        assert_eq!(earned(&found, of_model(2), EarningRole::Lineage), 625);
        assert_eq!(earned(&found, of_model(3), EarningRole::Owner), 5_000);
    }

    #[test]
    fn those_who_had_a_contribution_judged_share_what_falls_to_it_and_the_first_has_the_unit_that_is_left() {
        let found = lines(&ledger(), &receipt(3, 1_020, &[2, 1])).unwrap();
        // 51 of 1,020: 34 by the first, 17 by the second.
        let kept = [151, 201, 152, 202].map(|n| earned(&found, Address([n; 20]), EarningRole::Storage));
        assert_eq!(kept, [17, 17, 9, 8]);
    }

    #[test]
    fn what_nobody_is_known_to_keep_is_the_treasurys() {
        let mut state = ledger();
        for place in 0..2 {
            state.delete(contributions::state_key::keeper(&ContributionId([1; 32]), place));
        }
        let found = lines(&state, &receipt(3, 100_000, &[1])).unwrap();
        assert_eq!(earned(&found, NOBODY, EarningRole::Treasury), 5_000);
    }

    #[test]
    fn a_model_that_is_registered_after_the_answer_has_not_earned_by_it() {
        let found = lines(&ledger(), &receipt(4, 100_000, &[1])).unwrap();
        assert_eq!(earned(&found, of_model(4), EarningRole::Owner), 0);
        assert_eq!(earned(&found, NOBODY, EarningRole::Treasury), 10_000);
    }

    #[test]
    fn where_nobody_owns_the_model_the_datanet_has_the_owners_part_of_what_rests_on_it() {
        let mut state = ledger();
        let datanet = Asset::Datanet(DATANET).income_account();
        let found = |state: &MemoryState, weights: &[u64]| lines(state, &receipt(9, 100_000, weights)).unwrap();
        assert_eq!(earned(&found(&state, &[1]), datanet, EarningRole::Owner), 0, "there is no such datanet");
        let record = datanets::Datanet { id: DATANET, ..datanets::Datanet::default() };
        state.put(datanets::state_key::datanet(&DATANET), &record);
        assert_eq!(earned(&found(&state, &[1]), datanet, EarningRole::Owner), 5_000);
        assert_eq!(
            earned(&found(&state, &[]), datanet, EarningRole::Owner),
            0,
            "nothing was found, and it may be closed"
        );
    }

    #[test]
    fn shares_issued_after_an_answer_change_nothing_of_what_it_owes() {
        use datanet_ledger::component::shares::{Shares, state_key};
        let (mut state, receipt) = (ledger(), receipt(3, 100_000, &[1, 1]));
        let before = lines(&state, &receipt).unwrap();
        let asset = Asset::Model(ModelId([3; 32]));
        state.put(state_key::shares(&asset), &Shares { asset: Some(asset), supply: 100, ..Shares::default() });
        assert_eq!(lines(&state, &receipt).unwrap(), before);
    }

    proptest! {
        #[test]
        fn every_fee_is_divided_to_the_last_unit(
            fee in 0u64..1 << 50,
            model in 0u8..6,
            weights in prop::collection::vec(0u64..1_000, 0..5),
        ) {
            let receipt = receipt(model, fee, &weights);
            let found = lines(&ledger(), &receipt).unwrap();
            let sum: Amount = found.iter().map(|(_, earning)| earning.amount).sum();
            prop_assert_eq!(sum, receipt.split.claimable());
            let totals = totals(&receipt, &found);
            prop_assert_eq!((totals.fees, totals.split), (fee, receipt.split));
        }
    }
}
