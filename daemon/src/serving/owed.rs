//! Who earns what from one answer.

use std::collections::BTreeMap;

use datanet_ledger::component::contributions::Status;
use datanet_ledger::component::{accounts, contributions, models, params, validation};
use datanet_ledger::state::StateRead;
use datanet_types::epoch::FeeSplit;
use datanet_types::receipt::Credit;
use datanet_types::split::split;
use datanet_types::{Address, Amount, DatanetId, ModelId};

use crate::error::ServiceResult;
use crate::local::accruals::{Earning, EarningKey, EarningLine, EarningRole};

/// Divides one fee among contributors, the owners of the model and of those it was made from, and the judges of the
/// contributions. The lines sum to the claimable parts of `fee` exactly; what has no taker goes to the treasury, and so
/// does the part of a contribution that was revoked while the answer was computed.
pub fn lines<S: StateRead>(
    state: &S,
    datanet: &DatanetId,
    model: &ModelId,
    credits: &[Credit],
    fee: &FeeSplit,
) -> ServiceResult<Vec<EarningLine>> {
    let mut lines = Lines { datanet: *datanet, sums: BTreeMap::new() };
    let weights: Vec<u64> = credits.iter().map(|credit| credit.weight).collect();
    for (credit, amount) in credits.iter().zip(split(fee.contributors, &weights)) {
        let contribution = contributions::get(state, &credit.contribution)?;
        if contribution.is_some_and(|contribution| contribution.status() != Status::Revoked) {
            lines.add(credit.contributor, EarningRole::Contributor, Some(credit), amount);
        }
    }
    add_owners(state, &mut lines, model, fee)?;
    add_validators(state, &mut lines, credits, fee.validators)?;
    let given = lines.sum();
    lines.add(accounts::treasury(), EarningRole::Treasury, None, fee.claimable().saturating_sub(given));
    Ok(lines.finish())
}

/// The owner of the model, and the owners of the models behind it. A model that nobody registered has none.
fn add_owners<S: StateRead>(state: &S, lines: &mut Lines, model: &ModelId, fee: &FeeSplit) -> ServiceResult<()> {
    let Some(model) = models::get(state, model)? else { return Ok(()) };
    lines.add(model.owner, EarningRole::Owner, None, fee.owner);
    let floor = params::get(state)?.lineage_floor_bps;
    for share in models::lineage_shares(state, &model, fee.lineage, floor)? {
        let role = if share.model == model.id { EarningRole::Owner } else { EarningRole::Lineage };
        lines.add(share.owner, role, None, share.amount);
    }
    Ok(())
}

/// The judges of a contribution share its weight equally.
fn add_validators<S: StateRead>(state: &S, lines: &mut Lines, credits: &[Credit], amount: Amount) -> ServiceResult<()> {
    let mut judges: Vec<(Address, &Credit, u64)> = Vec::new();
    for credit in credits {
        let Some(contribution) = contributions::get(state, &credit.contribution)? else { continue };
        let reveals = validation::reveals(state, &validation::current_round(state, &contribution)?)?;
        let revealed: Vec<Address> = reveals.iter().map(|reveal| reveal.account).collect();
        let share = credit.weight.checked_div(revealed.len() as u64).unwrap_or(0);
        judges.extend(revealed.into_iter().map(|judge| (judge, credit, share)));
    }
    let weights: Vec<u64> = judges.iter().map(|(_, _, share)| *share).collect();
    for ((judge, credit, _), amount) in judges.into_iter().zip(split(amount, &weights)) {
        lines.add(judge, EarningRole::Validator, Some(credit), amount);
    }
    Ok(())
}

struct Lines {
    datanet: DatanetId,
    sums: BTreeMap<EarningKey, Earning>,
}

impl Lines {
    fn add(&mut self, account: Address, role: EarningRole, credit: Option<&Credit>, amount: Amount) {
        if amount == 0 {
            return;
        }
        let contribution = credit.map(|credit| credit.contribution);
        let key = EarningKey { account, role, datanet: self.datanet, contribution };
        let sum = self.sums.entry(key).or_insert(Earning { answers: 1, ..Earning::default() });
        sum.amount = sum.amount.saturating_add(amount);
        sum.weight = sum.weight.saturating_add(credit.map_or(0, |credit| credit.weight));
    }

    fn sum(&self) -> Amount {
        self.sums.values().map(|earning| earning.amount).fold(0, Amount::saturating_add)
    }

    fn finish(self) -> Vec<EarningLine> {
        self.sums.into_iter().collect()
    }
}
