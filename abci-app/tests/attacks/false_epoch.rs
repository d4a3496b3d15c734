//! A node that settles what its receipts do not give: whoever looks takes the loot from it, and more.

use datanet_ledger::code;
use datanet_ledger::component::settlement::Status;
use datanet_types::action::{Finding, ProveForgery, RegisterNode, role};
use datanet_types::receipt::ReceiptHead;
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::sum_tree::{prove, root};
use datanet_types::{Action, Amount, ChannelId, Digest, ReceiptId, SignedTx};

use super::serving::{
    ACCOMPLICE, ATTACKER, AUDITORS, FEES, PAYER, STAKE, STRANGER, Serving, VICTIMS, claimable, good_claim, node,
    verdict,
};
use crate::support::{CHAIN, FEE, address, key};

/// What a challenge locks, as it is by default.
const AUDIT: Amount = 5_000_000;

#[test]
fn a_node_that_names_itself_in_anothers_place_loses_more_than_it_took() {
    let mut serving = Serving::audited(60);
    let (earned, all) = (30_000, claimable(FEES));
    let (before, payer) = (serving.wealth(), serving.chain.balance(PAYER));
    let stolen = [(ACCOMPLICE, earned), (VICTIMS[1], all - earned)];
    let epoch = serving.settle(PAYER, FEES, &stolen);
    serving.refused(ACCOMPLICE, good_claim(epoch, &stolen, 0), code::CLAIM_EPOCH);
    let challenger = serving.chain.balance(STRANGER);
    serving.audit(STRANGER, epoch, |_| Finding::False);
    assert_eq!(serving.status(epoch), Status::Void);
    serving.refused(ACCOMPLICE, good_claim(epoch, &stolen, 0), code::CLAIM_EPOCH);
    assert_eq!(serving.chain.balance(PAYER), payer - FEE, "but for opening the channel it has all of it back");
    assert!(serving.chain.balance(STRANGER) > challenger, "who found out is better off");
    verdict("a leaf of its own", before, serving.wealth(), 0);
}

/// Its own money goes round: half of the fine comes back to an accomplice who accuses it, and the other half does not.
#[test]
fn a_node_that_accuses_itself_loses_half_the_fine_and_gains_nothing() {
    let mut serving = Serving::audited(60);
    let before = serving.wealth();
    let epoch = serving.settle(PAYER, FEES, &[(ACCOMPLICE, claimable(FEES))]);
    serving.audit(ACCOMPLICE, epoch, |_| Finding::False);
    let lost = before - serving.wealth();
    verdict("an accomplice's accusation", before, serving.wealth(), 0);
    assert!(lost >= i128::from(AUDIT / 2), "{lost}");
}

/// One of three auditors is in the plot: most seats decide, and where luck gave it most of them, an appeal draws twice as many.
#[test]
fn an_auditor_in_the_plot_is_outvoted_in_the_end_and_judges_badly() {
    let few = AUDITORS[0];
    let (mut won, mut lost) = (0, 0);
    for salt in 0..24 {
        let mut serving = Serving::audited(60);
        for _ in 0..salt {
            serving.chain.run(&[]);
        }
        let before = serving.wealth();
        let epoch = serving.settle(PAYER, FEES, &[(ACCOMPLICE, claimable(FEES))]);
        let mut challenges = 0;
        while serving.status(epoch) == Status::Open && challenges < 4 {
            challenges += 1;
            serving.audit(STRANGER, epoch, |who| if who == few { Finding::Correct } else { Finding::False });
        }
        if challenges > 1 {
            won += 1;
            println!("with a third of the stake it won a draw, and lost after {challenges} challenges");
        }
        lost += u32::from(serving.status(epoch) == Status::Void);
        assert!(serving.wealth() < before, "{} before, {} after", before, serving.wealth());
    }
    println!(
        "of 24 false epochs {won} stood a first audit with a third of all seats in the plot, and {} stood",
        24 - lost
    );
    assert_eq!(lost, 24);
    assert!(won < 12);
}

/// Doubting everything holds up pay by an audit each, and costs the deposit each time.
#[test]
fn challenging_good_epochs_costs_a_deposit_each_and_stops_nothing() {
    let mut serving = Serving::audited(60);
    let before = serving.chain.balance(STRANGER);
    let mut epochs = Vec::new();
    for _ in 0..5 {
        let earned = [(VICTIMS[0], claimable(FEES))];
        let epoch = serving.settle(PAYER, FEES, &earned);
        serving.audit(STRANGER, epoch, |_| Finding::Correct);
        epochs.push((epoch, earned));
    }
    for _ in 0..70 {
        serving.chain.run(&[]);
    }
    let after = serving.chain.balance(STRANGER);
    let fees = 5 * FEE;
    assert_eq!(before - after, 5 * AUDIT + fees);
    println!("challenging five good epochs: the attacker had {before} and has {after}, others were paid in full");
    for (epoch, earned) in &epochs {
        assert_eq!(serving.status(*epoch), Status::Final);
        serving.all_claim(*epoch, earned);
    }
}

/// The loot is never more than what answers for it, and that stays as long as it can be challenged.
#[test]
fn no_more_can_be_settled_than_the_stake_covers_and_the_stake_cannot_leave_first() {
    let mut serving = Serving::audited(60);
    let register = |stake| {
        let proof = key(100).sign(&RegisterNode::sign_bytes(CHAIN, &address(ATTACKER), &node()));
        let (roles, name) = (role::SERVING, "n".to_owned());
        Action::RegisterNode(RegisterNode { node: node(), proof, roles, stake, name })
    };
    serving.settle(PAYER, STAKE / 2, &[(ACCOMPLICE, claimable(STAKE / 2))]);
    assert_eq!(serving.send(ATTACKER, register(STAKE - 1)).code, code::NODE_STAKE);
    let outcome = serving.try_settle(PAYER, 1_000, &[(ACCOMPLICE, claimable(1_000))]);
    assert_eq!(outcome.code, code::EPOCH_BOND, "{}", outcome.log);
    println!("refused: {}", outcome.log);
    let before = serving.wealth();
    serving.audit(STRANGER, 1, |_| Finding::False);
    assert_eq!(serving.stake(), 0);
    verdict("as much as the stake covers", before, serving.wealth(), 0);
}

/// A question of its own making, answered and signed for the money of an honest one: all that is settled follows from receipts, and no
/// auditor could tell. Whoever was given the honest receipt can.
#[test]
fn a_receipt_that_was_settled_as_another_convicts_its_node_without_a_committee() {
    let mut serving = Serving::audited(60);
    let head = |channel, digest| ReceiptHead { channel: Some(channel), cumulative: FEES, fee: FEES, digest };
    // The channel's id follows from the transaction that opens it.
    let open = serving.next_channel(PAYER, FEES);
    let channel: ChannelId = SignedTx::verify(&open, CHAIN).unwrap().channel_id();
    let given = head(channel, Digest([1; 32]));
    let settled =
        SettledReceipt { channel, cumulative: FEES, fee: FEES, receipt: ReceiptId([2; 32]), digest: Digest([2; 32]) };
    let tree = [settled.node(CHAIN, &node(), 1)];
    serving.receipts = root(&tree).unwrap().digest;
    let before = serving.wealth();
    let payer = serving.chain.balance(PAYER);
    let epoch = serving.settle(PAYER, FEES, &[(ACCOMPLICE, claimable(FEES))]);
    let signature = key(100).sign(&given.sign_bytes(CHAIN));
    let proof = prove(&tree, 0).unwrap().unwrap();
    let action = ProveForgery { node: node(), epoch, given, signature, settled, proof };
    // Whoever sees it in the mempool may copy it: then he has the reward. The epoch is void all the same.
    serving.done(PAYER, Action::ProveForgery(action));
    assert_eq!(serving.status(epoch), Status::Void);
    assert_eq!(serving.chain.balance(PAYER), payer + FEES - 2 * FEE, "all of it back, and half of twice the fees");
    verdict("another receipt for the same money", before, serving.wealth(), 0);
}
