//! An auditor that does not look: it copies what others commit to, waits to be the last, or shows only what suits it.

use datanet_ledger::code;
use datanet_ledger::component::audits::{self, Audit, Phase, Said};
use datanet_ledger::component::{nodes, settlement};
use datanet_types::action::{ChallengeEpoch, CommitFinding, Finding, RevealFinding};
use datanet_types::{Action, Digest};

use super::serving::{AUDITORS, FEES, PAYER, STRANGER, Serving, VICTIMS, claimable, node, verdict};
use crate::support::address;

/// Does not look.
const LAZY: u8 = AUDITORS[2];

fn audit(serving: &Serving, epoch: u64) -> Audit {
    audits::get(&serving.chain.ledger.reader(), &node(), epoch).unwrap().unwrap()
}

/// A good epoch that is challenged, whose committee seats all three, the lazy one with a minority; and the honest.
fn challenged() -> (Serving, u64, Vec<u8>) {
    for wait in 0..40 {
        let mut serving = Serving::audited(60);
        (0..wait).for_each(|_| drop(serving.chain.run(&[])));
        let epoch = serving.settle(PAYER, FEES, &[(VICTIMS[0], claimable(FEES))]);
        let challenge = ChallengeEpoch { node: node(), epoch, suspects: Vec::new() };
        serving.done(STRANGER, Action::ChallengeEpoch(challenge));
        while audit(&serving, epoch).phase() == Phase::Draw {
            serving.chain.run(&[]);
        }
        let committee = audit(&serving, epoch).committee;
        let lazy = committee.iter().find(|one| one.account == address(LAZY)).map_or(0, |one| one.seats);
        if committee.len() == AUDITORS.len() && lazy * 2 < audit(&serving, epoch).seats {
            return (serving, epoch, AUDITORS[..2].to_vec());
        }
    }
    panic!("no such draw in 40");
}

fn wealth(serving: &Serving) -> i128 {
    i128::from(serving.chain.balance(LAZY))
}

fn bps(serving: &Serving) -> u32 {
    nodes::reputation(&serving.chain.ledger.reader(), &address(LAZY)).unwrap().unwrap().bps
}

#[test]
fn who_copies_a_commitment_can_never_show_what_is_behind_it() {
    let (mut serving, epoch, honest) = challenged();
    let (before, reputation) = (wealth(&serving), bps(&serving));
    honest.iter().for_each(|auditor| serving.commit_finding(*auditor, epoch, Finding::Correct));
    let seen = audit(&serving, epoch);
    assert!(seen.committee.iter().all(|one| one.said() == Said::Nothing), "nothing to repeat yet");
    let commitment = seen.committee.iter().find_map(|one| one.commitment).unwrap();
    serving.done(LAZY, Action::CommitFinding(CommitFinding { node: node(), epoch, commitment }));
    // Now it learns finding and salt, and has no use for them.
    honest.iter().for_each(|auditor| serving.reveal_finding(*auditor, epoch, Finding::Correct));
    for salt in AUDITORS {
        let (finding, salt) = (Finding::Correct as i32, Digest([salt; 32]));
        let reveal = Action::RevealFinding(RevealFinding { node: node(), epoch, finding, salt });
        assert_eq!(serving.send(LAZY, reveal).code, code::FINDING);
    }
    let late = CommitFinding { node: node(), epoch, commitment: Digest([9; 32]) };
    assert_eq!(serving.send(LAZY, Action::CommitFinding(late)).code, code::AUDIT_SEAT);
    serving.chain.pass(60);
    assert_eq!(audit(&serving, epoch).phase(), Phase::Upheld);
    println!("a copied finding: reputation {reputation} before, {} after; the honest had the deposit", bps(&serving));
    assert!(bps(&serving) < reputation);
    verdict("a copied finding", before, wealth(&serving), 0);
}

#[test]
fn who_sees_the_others_and_shows_nothing_is_nobody() {
    let (mut serving, epoch, honest) = challenged();
    let (before, reputation) = (wealth(&serving), bps(&serving));
    serving.commit_finding(LAZY, epoch, Finding::False);
    honest.iter().for_each(|auditor| serving.commit_finding(*auditor, epoch, Finding::Correct));
    honest.iter().for_each(|auditor| serving.reveal_finding(*auditor, epoch, Finding::Correct));
    assert_eq!(audit(&serving, epoch).phase(), Phase::Reveal);
    serving.chain.pass(60);
    let audit = audit(&serving, epoch);
    assert_eq!((audit.phase(), audit.round), (Phase::Upheld, 0));
    // Time to appeal.
    serving.chain.pass(60);
    let epoch = settlement::epoch(&serving.chain.ledger.reader(), &node(), epoch).unwrap().unwrap();
    assert_eq!(epoch.status(), settlement::Status::Final, "nothing was held up but by a window");
    println!("withheld: reputation {reputation} before, {} after", bps(&serving));
    assert!(bps(&serving) < reputation);
    verdict("a withheld finding", before, wealth(&serving), 0);
}
