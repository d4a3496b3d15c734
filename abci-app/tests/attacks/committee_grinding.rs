//! A judge who contributes through an accomplice, and tries orders of the same records until the committee that is to be drawn
//! for them is his own.

use super::judging::{ATTACKER, Judging};

/// Orders of the records that are tried for each contribution.
const TRIES: u8 = 12;
/// Contributions.
const TRIALS: u8 = 6;

/// Draws the committee for these bytes on a chain of the attacker's own with the same history.
fn foreseen(blob: [u8; 32], salt: u8) -> u32 {
    let mut own = Judging::new(1);
    // From here on it can only guess: nobody knows the hash of a block that is not decided.
    own.salt = salt;
    let id = own.give(blob);
    own.block(&[]);
    own.block(&[]);
    own.seats(&id, ATTACKER)
}

#[test]
fn whoever_tries_ids_until_the_committee_is_his_own_gets_another_one() {
    let (mut hoped, mut got) = (0, 0);
    for trial in 0..TRIALS {
        let blobs = (0..TRIES).map(|order| *blake3::hash(&[trial, order]).as_bytes());
        let (seats, best) = blobs.map(|blob| (foreseen(blob, 2), blob)).max().unwrap();
        let mut chain = Judging::new(1);
        chain.salt = 100 + trial;
        let id = chain.give(best);
        chain.block(&[]);
        chain.block(&[]);
        hoped += seats;
        got += chain.seats(&id, ATTACKER);
    }
    println!("committee grinding: {hoped} of {} seats foreseen, {got} got, with a tenth of the stake", TRIALS * 3);
    // A tenth of 18 seats is two.
    assert!(hoped >= 4, "trying must have been worth it where the future is known: {hoped}");
    assert!(got <= u32::from(TRIALS) * 3 / 3, "{got}");
}
