//! The same bytes of the same account once more: what became of them decides whether they are taken.

use datanet_ledger::component::contributions::{self, Contribution, MAX_REFUSALS, Status, least_bond};
use datanet_types::amount::display;
use datanet_types::{Address, Amount, ContributionId, DatanetId, Digest};

use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};

/// How often these bytes were given before: what a transaction that gives them again has to say. The ledger has the last
/// word; this says it in the words of whoever uploads, and before a fee is paid.
pub(super) fn next_attempt(
    chain: &Chain,
    datanet: &DatanetId,
    bond: Amount,
    id_of: impl Fn(u32) -> ContributionId,
) -> ServiceResult<u32> {
    let reader = chain.reader()?;
    let (mut attempt, mut last) = (0u32, None);
    while let Some(known) = contributions::get(&reader, &id_of(attempt))? {
        last = Some(known);
        attempt = attempt.saturating_add(1);
    }
    drop(reader);
    let Some(last) = last else { return Ok(0) };
    if !matches!(last.status(), Status::Refused | Status::Revoked) || last.challenged {
        return Err(there_already(&last));
    }
    let refusals = last.refusals_so_far();
    if refusals >= MAX_REFUSALS {
        return Err(ServiceError::new(
            Code::RefusedForGood,
            format!(
                "{refusals} committees have refused these very bytes, last as contribution {}: {}; mend what their \
                 reasons name and give that",
                last.id,
                last.reason()
            ),
        ));
    }
    let least = least_bond(&chain.datanet(datanet)?, &chain.params()?, refusals);
    if bond < least {
        return Err(ServiceError::new(
            Code::BondTooSmall,
            format!(
                "these very bytes were refused before, as contribution {} ({}); mend what the reasons name, or give them \
                 again as they are with a bond of at least {}, of which a part is lost if they are refused again",
                last.id,
                last.reason(),
                display(least)
            ),
        ));
    }
    Ok(attempt)
}

/// What another account took back, nobody gives to that datanet again. Judges would refuse it; this spares its giver bond and
/// fee.
pub(super) fn refuse_taken_back(
    chain: &Chain,
    datanet: &DatanetId,
    by: &Address,
    plain_root: &Digest,
) -> ServiceResult<()> {
    match contributions::taken_back(&chain.reader()?, datanet, plain_root)? {
        Some(former) if former.contributor != *by => Err(ServiceError::new(
            Code::ForeignContribution,
            format!(
                "these records were taken back by {} at height {}, as contribution {}; only that account may give them \
                 again",
                former.contributor, former.revoked_height, former.id
            ),
        )),
        _ => Ok(()),
    }
}

fn there_already(known: &Contribution) -> ServiceError {
    let stands = match known.status() {
        Status::Storing => "it waits for nodes that keep it",
        Status::Judging => "it is being judged",
        _ => "it is final",
    };
    ServiceError::new(
        Code::AlreadyContributed,
        format!(
            "all {} records are there already: this account gave these very bytes as contribution {}, and {stands}; there \
             is nothing to do",
            known.records, known.id
        ),
    )
}
