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

use crate::db::accruals::{EarnedBy, Earning, EarningKey, EarningLine, EarningRole};
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
    let mut lines = Lines { datanet: *datanet, by: EarnedBy::Answers, answers: 1, sums: BTreeMap::new() };
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
        let parts: Vec<Part> = credits.iter().map(Part::of_answer).collect();
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
    let mut all = Vec::new();
    for Shared { model, datanet, pot, shares } in &netted.shared {
        let by = EarnedBy::Netted(Some(*model));
        let mut lines = Lines { datanet: *datanet, by, answers: pot.answers, sums: BTreeMap::new() };
        let weights: Vec<u64> = shares.iter().map(|share| share.weight).collect();
        let of_model = Ppm::split(&weights);
        let parts: Vec<Part> = shares.iter().zip(of_model).map(|(share, ppm)| Part::of_epoch(share, ppm)).collect();
        add_pot(state, &mut lines, &parts, pot)?;
        let given = lines.sum();
        lines.add(NOBODY, EarningRole::Treasury, None, pot.sum().saturating_sub(given));
        all.extend(lines.finish());
    }
    Ok(all)
}

fn pot(fee: &FeeSplit) -> Pot {
    Pot { answers: 1, contributors: fee.contributors, validators: fee.validators, storage: fee.storage }
}

/// A contribution's part of what follows worth.
#[derive(Debug, Clone, Copy)]
struct Part {
    contribution: ContributionId,
    weight: u64,
    /// What a line by it says beside its amount.
    shown: Earning,
}

impl Part {
    /// Of an answer that pays by itself.
    fn of_answer(credit: &Credit) -> Self {
        let shown = Earning { answers: 1, weights: credit.weight, ..Earning::default() };
        Self { contribution: credit.contribution, weight: credit.weight.0, shown }
    }

    /// Of all answers of a model in an epoch; `ppm` is its weight as people read it.
    fn of_epoch(share: &Share, ppm: Ppm) -> Self {
        let left = u64::try_from(share.left.unsigned_abs() / 1_000).unwrap_or(u64::MAX);
        let shown = Earning { answers: share.answers, share: ppm, left, ..Earning::default() };
        Self { contribution: share.contribution, weight: share.weight, shown }
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
    by: EarnedBy,
    /// Answers behind what is no contribution's.
    answers: u64,
    sums: BTreeMap<EarningKey, Earning>,
}

impl Lines {
    fn add(&mut self, account: impl Into<Account>, role: EarningRole, part: Option<&Part>, amount: Amount) {
        if amount == 0 {
            return;
        }
        let account = account.into();
        let contribution = part.map(|part| part.contribution);
        let key = EarningKey { account, role, datanet: self.datanet, contribution, by: self.by };
        let whole = Earning { answers: self.answers, ..Earning::default() };
        // Whoever earns twice by one contribution, as the account of two of its keepers, does so by the same share of it.
        let sum = self.sums.entry(key).or_insert(part.map_or(whole, |part| part.shown));
        sum.amount = sum.amount.saturating_add(amount);
    }

    fn sum(&self) -> Amount {
        self.sums.values().map(|earning| earning.amount).fold(0, Amount::saturating_add)
    }

    fn finish(self) -> Vec<EarningLine> {
        self.sums.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
