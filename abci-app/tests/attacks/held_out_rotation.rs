//! A creator changes what contributions in flight are judged with, and a contributor fits its records to the part of the set that he hopes will be asked.

use datanet_ledger::code;
use datanet_ledger::component::{contributions, datanets};
use datanet_types::action::RotateHoldout;
use datanet_types::amount::display;
use datanet_types::sample::sample;
use datanet_types::{Action, BlobHash, DatanetId, Digest, Scores};

use super::judging::{ACCOMPLICE, CREATOR, Judging};
use crate::support::{CHAIN, address};

/// Records of the set, of which so many are asked.
const RECORDS: u64 = 2_000;
const ASKED: u64 = 200;

#[test]
fn what_is_in_flight_is_judged_with_the_set_that_it_was_given_under_whatever_its_creator_sends() {
    let mut judging = Judging::new(2);
    let datanet = DatanetId::derive(CHAIN, &address(CREATOR), "docs");
    let before = judging.balance(address(CREATOR));
    let victim = judging.give([7; 32]);
    let mut announced = 0;
    for blob in 20..30 {
        let rotate = RotateHoldout { datanet, holdout: BlobHash([blob; 32]), holdout_size: 100 };
        judging.done(CREATOR, Action::RotateHoldout(rotate));
        announced += 1;
    }
    // Time passes, and what was announced last holds: for what is given from now on.
    judging.idle += 7_200;
    judging.block(&[]);
    let later = judging.give([8; 32]);
    let sets = [victim, later].map(|id| judging.contribution(&id).holdout);
    println!(
        "rotating under what is in flight: {announced} announcements cost the creator {}; the contribution before them is judged with set {}, the one after with set {}",
        display(before - judging.balance(address(CREATOR))),
        sets[0],
        sets[1],
    );
    assert_eq!(sets, [0, 1]);
    let reader = judging.ledger.reader();
    let record = datanets::get(&reader, &datanet).unwrap().unwrap();
    assert_eq!(record.rotations, 1, "what did not hold was replaced");
    assert_eq!(datanets::expect_held_out(&reader, &record, 0).unwrap().blob, record.holdout);
    let foreign = RotateHoldout { datanet, holdout: BlobHash([31; 32]), holdout_size: 100 };
    assert_eq!(judging.send(ACCOMPLICE, Action::RotateHoldout(foreign)).0, code::DATANET_FOREIGN);
    judging.block(&[]);
    judging.judge(&victim, |_| Some(Some(Scores::from_array([9_000; 4]))));
    let judged = contributions::get(&judging.ledger.reader(), &victim).unwrap().unwrap();
    assert!(judged.scores.is_some() && judged.holdout == 0, "{judged:?}");
    assert!(judging.balance(address(CREATOR)) < before, "it gained by it");
}

#[test]
fn whoever_fits_records_to_a_tenth_of_the_set_meets_a_tenth_of_it_in_each_draw() {
    // As many as are asked, fitted to before the seed is known.
    let fitted = |place: u64| place < ASKED;
    let met: Vec<usize> = (0..100u8)
        .map(|seed| {
            let asked = sample("datanet/held-out-sample/v1", &Digest([seed; 32]), RECORDS, ASKED);
            asked.into_iter().filter(|place| fitted(*place)).count()
        })
        .collect();
    let (most, mean) = (met.iter().max().unwrap(), met.iter().sum::<usize>() as f64 / met.len() as f64);
    println!(
        "fitting to {ASKED} of {RECORDS} held-out records: {mean:.1} of {ASKED} that are asked on the average, {most} at best in 100 draws"
    );
    assert!((15.0..25.0).contains(&mean) && *most < 50, "{met:?}");
}
