//! Records that their contributor took back are given again by somebody who has kept the bytes.

use datanet_ledger::code;
use datanet_ledger::component::contributions::Status;
use datanet_types::action::{Contribute, Revoke};
use datanet_types::record::record_root;
use datanet_types::{Action, ContributionId, Digest};

use super::judging::{ACCOMPLICE, ATTACKER, BOND, HONEST, Judging, contribute, keep};
use super::serving::verdict;
use crate::support::{CHAIN, FEE, address};

const VICTIM: u8 = 7;

fn plain() -> Digest {
    Digest([77; 32])
}

/// `who`, who has the bytes, gives them once more, and everybody judges honestly.
fn give(chain: &mut Judging, who: u8, attempt: u32) -> ContributionId {
    let record_root = record_root(&address(who), &plain());
    let action = Contribute { record_root, attempt, ..contribute([7; 32]) };
    let id = action.id(CHAIN, &address(who), attempt);
    chain.done(who, Action::Contribute(action));
    // Whoever has the bytes says so; a node of the attacker's would say anything.
    let keeper = if who == ACCOMPLICE { ATTACKER } else { HONEST[0] };
    chain.done(keeper, keep(keeper, &id));
    chain.block(&[]);
    chain.block(&[]);
    let honest = chain.honest(&id, &plain());
    chain.judge(&id, |_| Some(Some(honest)));
    id
}

#[test]
fn what_was_taken_back_is_refused_to_everybody_but_its_contributor() {
    let mut chain = Judging::new(1);
    let his = give(&mut chain, VICTIM, 0);
    assert_eq!(chain.contribution(&his).status(), Status::Final);
    let revoke = |records| Action::Revoke(Revoke { contribution: his, records });
    // A root that is not of these records would keep others out with what was never given.
    let (code, log) = chain.send(VICTIM, revoke(Some(Digest([78; 32]))));
    assert_eq!(code, code::CONTRIBUTION_INVALID, "{log}");
    chain.done(VICTIM, revoke(Some(plain())));

    let (before, had) = (chain.loot(), chain.balance(address(VICTIM)));
    let theirs = give(&mut chain, ACCOMPLICE, 0);
    let theirs = chain.contribution(&theirs);
    assert_eq!(theirs.status(), Status::Refused, "{}", theirs.reason());
    let lost = had - chain.balance(address(VICTIM));
    verdict("withdrawn data", before.into(), chain.loot().into(), lost.into());
    assert!(lost == 0 && before - chain.loot() >= BOND / 2 + FEE);

    let again = give(&mut chain, VICTIM, 1);
    assert_eq!(chain.contribution(&again).status(), Status::Final);
}
