//! Contributions whose bytes nobody but the attacker's own judge has, so that honest judges miss their reveals, lose their
//! reputation, and are drawn no more.

use datanet_ledger::component::contributions::Status;
use datanet_types::Scores;

use super::judging::{ATTACKER, BOND, HONEST, Judging};

const ROUNDS: u8 = 8;

fn good() -> Scores {
    Scores::from_array([9_000; 4])
}

#[test]
fn what_nobody_can_get_costs_its_giver_and_no_judge() {
    let mut chain = Judging::new(1);
    let before = chain.loot();
    let mut refused = 0;
    for round in 0..ROUNDS {
        let id = chain.give([round + 1; 32]);
        chain.block(&[]);
        chain.block(&[]);
        chain.judge(&id, |who| Some((who == ATTACKER).then(good)));
        let contribution = chain.contribution(&id);
        // All seats its own, once in a thousand: then it has judged itself, as one who knows its own data.
        refused += u64::from(contribution.unavailable);
        assert!(contribution.unavailable || chain.seats(&id, ATTACKER) > 1, "{}", contribution.reason());
    }
    for honest in HONEST {
        let reputation = chain.reputation(honest);
        assert!(reputation.bps >= 5_000 && reputation.missed == 0, "{reputation:?}");
    }
    let lost = before - chain.loot();
    println!("unfetchable data: the attacker lost {lost} base units over {ROUNDS} rounds, the judges no reputation");
    assert!(refused >= u64::from(ROUNDS) / 2 && lost >= refused * BOND);
}

#[test]
fn judges_who_are_silent_because_they_see_nothing_lose_nothing_either() {
    let mut chain = Judging::new(1);
    // With two seats of three it would have judged alone.
    let id = (7..99).find_map(|blob| {
        let id = chain.give([blob; 32]);
        chain.block(&[]);
        chain.block(&[]);
        (chain.seats(&id, ATTACKER) < 2).then_some(id)
    });
    let id = id.unwrap();
    chain.judge(&id, |who| (who == ATTACKER).then(|| Some(good())));
    while chain.contribution(&id).status() == Status::Judging {
        chain.block(&[]);
    }
    for honest in HONEST {
        assert_eq!((chain.reputation(honest).bps, chain.reputation(honest).missed), (5_000, 0));
    }
}
