//! From settling to being final, or void.

use datanet_types::action::{ChallengeEpoch, CommitFinding, Finding, ProveForgery, RevealFinding, role};
use datanet_types::amount::DNT;
use datanet_types::epoch::EpochLeaf;
use datanet_types::receipt::ReceiptHead;
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::sum_tree::{SumNode, prove, root};
use datanet_types::{Address, ChannelId, Digest, ReceiptId};

use super::Chain;
use super::harness::{BALANCE, CHAIN, STAKE, address, node, node_key, register, reveal_finding};
use super::life_of_a_channel::{DEPOSIT, claim, leaves, open, settle, voucher};
use crate::code;
use crate::component::audits::{self, Audit, Phase, deposit_account};
use crate::component::nodes::{self, stake_account};
use crate::component::settlement::{self, Status, bond, escrow};
use crate::component::{Params, accounts};

const FEES: u64 = 1_000_000;
const EARNED: u64 = 750_000;

/// Four validators, the first of which serves and has settled its first epoch; person 5 paid.
struct Settled {
    chain: Chain,
    channel: ChannelId,
    leaves: Vec<EpochLeaf>,
    params: Params,
}

impl Settled {
    fn new() -> Self {
        Self::of(FEES)
    }

    fn of(fees: u64) -> Self {
        let params = Params { challenge_seconds: 60, audit_seconds: 5, audit_deposit: 2 * DNT, ..Params::default() };
        let mut chain = Chain::with(params.clone());
        chain.validators(4);
        let channel = open(&mut chain, 5);
        chain.next();
        let leaves = leaves(&[(11, fees / 4 * 3)]);
        let mut action = settle(1, fees, &leaves, vec![voucher(5, channel, fees)]);
        action.receipts = root(&receipts(channel)).unwrap().digest;
        chain.act(0, action);
        chain.next();
        Self { chain, channel, leaves, params }
    }

    fn status(&self) -> Status {
        settlement::epoch(&self.chain.state, &node(0), 1).unwrap().unwrap().status()
    }

    fn audit(&self) -> Audit {
        audits::get(&self.chain.state, &node(0), 1).unwrap().unwrap()
    }

    /// Person 9 doubts it, and the committee is drawn.
    fn challenged(&mut self) {
        self.chain.act(9, challenge());
        while self.audit().phase() == Phase::Draw {
            self.chain.next();
        }
    }

    /// Everybody with a seat finds the same.
    fn all_find(&mut self, finding: Finding) {
        self.each_finds(|_| finding);
    }

    /// Each commits to what it finds, shows it, and that is all: each phase ends with the last of them.
    fn each_finds(&mut self, found: impl Fn(u8) -> Finding) {
        for n in self.seats() {
            self.commits(n, found(n));
        }
        assert_eq!(self.audit().phase(), Phase::Reveal);
        for n in self.seats() {
            self.chain.act(n, shown(n, found(n)));
        }
        self.chain.next();
    }

    fn commits(&mut self, n: u8, finding: Finding) {
        let commit = self.chain.commit_finding(n, 1, finding);
        self.chain.act(n, commit);
    }

    /// Who has a seat.
    fn seats(&self) -> Vec<u8> {
        let audit = self.audit();
        (0..4).filter(|n| audit.committee.iter().any(|auditor| auditor.account == address(*n))).collect()
    }

    fn seats_of(&self, n: u8) -> u32 {
        let of = |auditor: &&audits::Auditor| auditor.account == address(n);
        self.audit().committee.iter().find(of).map_or(0, |auditor| auditor.seats)
    }

    fn balance(&self, n: u8) -> u64 {
        self.chain.balance(address(n))
    }

    fn stake(&self) -> u64 {
        let stake = nodes::get(&self.chain.state, &node(0)).unwrap().unwrap().stake;
        assert_eq!(self.chain.balance(stake_account(&address(0))), stake);
        stake
    }

    /// All money is back with who paid it, and the leaves are worth nothing.
    fn check_void(&mut self) {
        assert_eq!(self.status(), Status::Void);
        assert_eq!(self.chain.balance(escrow::account(&node(0), 1)), 0);
        assert_eq!(self.chain.balance(deposit_account(&node(0), 1)), 0);
        assert_eq!(bond::at_risk(&self.chain.state, &node(0)).unwrap(), 0);
        self.chain.refused(11, claim(1, &self.leaves, 0), code::CLAIM_EPOCH, "is void");
        self.chain.refused(9, challenge(), code::AUDIT_CLOSED, "void already");
        self.chain.skip_to(self.chain.block.height + 80);
        assert_eq!(self.status(), Status::Void, "for good");
    }
}

fn challenge() -> ChallengeEpoch {
    ChallengeEpoch { node: node(0), epoch: 1, suspects: Vec::new() }
}

fn shown(n: u8, finding: Finding) -> RevealFinding {
    reveal_finding(n, 1, finding)
}

/// The three answers that were settled.
fn settled_receipts(channel: ChannelId) -> Vec<SettledReceipt> {
    let one = |(n, fee): (u8, u64)| SettledReceipt {
        channel,
        cumulative: u64::from(n) * 300_000 + if n == 3 { 100_000 } else { 0 },
        fee,
        receipt: ReceiptId([n; 32]),
        digest: Digest([n; 32]),
    };
    [(1, 300_000), (2, 300_000), (3, 400_000)].map(one).to_vec()
}

fn receipts(channel: ChannelId) -> Vec<SumNode> {
    settled_receipts(channel).iter().map(|settled| settled.node(CHAIN, &node(0), 1)).collect()
}

/// The node gave another receipt for the second answer than it settled.
fn forgery(channel: ChannelId, given: u8) -> ProveForgery {
    let settled = settled_receipts(channel)[1];
    let given = ReceiptHead { digest: Digest([given; 32]), ..settled.head() };
    let signature = node_key(0).sign(&given.sign_bytes(CHAIN));
    let proof = prove(&receipts(channel), 1).unwrap().unwrap();
    ProveForgery { node: node(0), epoch: 1, given, signature, settled, proof }
}

#[test]
fn an_epoch_that_nobody_doubts_is_paid_after_its_time() {
    let mut world = Settled::new();
    let (operator, treasury) = (world.balance(0), world.chain.balance(accounts::treasury()));
    assert_eq!(bond::at_risk(&world.chain.state, &node(0)).unwrap(), FEES);
    world.chain.skip_to(world.chain.block.height + 58);
    assert_eq!((world.status(), world.balance(0)), (Status::Open, operator));
    world.chain.refused(11, claim(1, &world.leaves, 0), code::CLAIM_EPOCH, "can still be challenged");
    let treasury = treasury + 1_000;
    world.chain.next();
    world.chain.next();
    assert_eq!((world.status(), world.balance(0)), (Status::Final, operator + 150_000));
    assert_eq!(world.chain.balance(accounts::treasury()), treasury + 50_000 + 50_000);
    assert_eq!(bond::at_risk(&world.chain.state, &node(0)).unwrap(), 0);
    world.chain.act(11, claim(1, &world.leaves, 0));
    assert_eq!(world.balance(11), BALANCE + EARNED - 2_000);
    world.chain.refused(9, challenge(), code::AUDIT_CLOSED, "final and paid");
    world.chain.refused(9, forgery(world.channel, 9), code::AUDIT_CLOSED, "final and paid");
    let rest = |prefix: &str| world.chain.state.0.keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!(
        [rest("derived/agenda/finalise-epoch/"), rest("settlement/paid/"), rest("settlement/risk/")],
        [0; 3],
        "it is forgotten"
    );
}

#[test]
fn who_doubts_a_good_epoch_pays_its_auditors() {
    let mut world = Settled::new();
    let beyond = ChallengeEpoch { suspects: vec![0, 3], ..challenge() };
    world.chain.refused(8, beyond, code::AUDIT_SUSPECTS, "has 3 receipts");
    let before: Vec<u64> = (0..10).map(|n| world.balance(n)).collect();
    world.challenged();
    world.chain.refused(8, challenge(), code::AUDIT_CLOSED, "is audited already");
    for suspects in [vec![1, 1], vec![2, 1], (0..9).collect()] {
        world.chain.refused(8, ChallengeEpoch { suspects, ..challenge() }, code::AUDIT_SUSPECTS, "in order, each once");
    }
    assert!(!world.seats().contains(&0), "a node does not audit itself");
    assert_eq!(world.audit().committee.iter().map(|auditor| auditor.seats).sum::<u32>(), world.params.audit_seats);
    world.all_find(Finding::Correct);
    let drawn = world.seats();
    assert_eq!((world.status(), world.audit().phase()), (Status::Open, Phase::Upheld));
    let paid: u64 = world.audit().committee.iter().map(|auditor| auditor.reward).sum();
    assert_eq!(paid, world.params.audit_deposit);
    assert_eq!(world.balance(9), before[9] - world.params.audit_deposit - 1_000, "a fee, and the deposit");
    assert!(drawn.iter().all(|n| world.balance(*n) > before[usize::from(*n)]));
    assert_eq!(world.stake(), STAKE);
    world.chain.skip_to(world.chain.block.height + 60);
    assert_eq!(world.status(), Status::Final);
    world.chain.act(11, claim(1, &world.leaves, 0));
}

#[test]
fn what_an_auditor_found_is_hidden_until_all_have_committed() {
    let mut world = Settled::new();
    world.challenged();
    let seats = world.seats();
    let (first, others) = (seats[0], &seats[1..]);
    let commit = |world: &Settled, n: u8| world.chain.commit_finding(n, 1, Finding::Correct);
    let nothing = CommitFinding { commitment: Digest::ZERO, ..commit(&world, first) };
    world.chain.refused(first, nothing, code::FINDING, "random salt");
    world.chain.refused(9, commit(&world, 9), code::AUDIT_SEAT, "no seat");
    world.chain.refused(first, shown(first, Finding::Correct), code::AUDIT_SEAT, "while it is at \"reveal\"");
    world.commits(first, Finding::Correct);
    world.chain.refused(first, commit(&world, first), code::AUDITED_BEFORE, "can't be changed");
    let seat = world.audit().committee.iter().find(|one| one.account == address(first)).copied().unwrap();
    assert_eq!((seat.said(), seat.commitment.is_some()), (audits::Said::Nothing, true));
    // Whoever copies a commitment has nothing to show: it is hashed with an account.
    let copied = CommitFinding { commitment: seat.commitment.unwrap(), ..commit(&world, first) };
    world.chain.act(others[0], copied);
    others[1..].iter().for_each(|n| world.commits(*n, Finding::Correct));
    world.chain.refused(first, commit(&world, first), code::AUDIT_SEAT, "the audit is at \"reveal\"");
    let bad = RevealFinding { finding: 4, ..shown(first, Finding::Correct) };
    world.chain.refused(first, bad, code::FINDING, "finding is 4");
    world.chain.refused(first, shown(first, Finding::False), code::FINDING, "exactly what you committed to");
    let stolen = RevealFinding { salt: Digest([first; 32]), ..shown(others[0], Finding::Correct) };
    world.chain.refused(others[0], stolen, code::FINDING, "exactly what you committed to");
    world.chain.act(first, shown(first, Finding::Correct));
    world.chain.refused(first, shown(first, Finding::Correct), code::AUDITED_BEFORE, "can't be changed");
}

#[test]
fn who_does_not_show_what_it_committed_to_has_said_nothing() {
    let mut world = Settled::new();
    world.challenged();
    let seats = world.seats();
    let few = *seats.iter().min_by_key(|n| world.seats_of(**n)).unwrap();
    let before = nodes::reputation(&world.chain.state, &address(few)).unwrap().unwrap();
    seats.iter().for_each(|n| world.commits(*n, Finding::Correct));
    let shows = seats.iter().filter(|n| **n != few);
    shows.for_each(|n| drop(world.chain.act(*n, shown(*n, Finding::Correct))));
    world.chain.next();
    assert_eq!(world.audit().phase(), Phase::Reveal, "it has its time");
    world.chain.skip_until(world.audit().reveal_deadline + 1);
    let audit = world.audit();
    assert_eq!(audit.phase(), Phase::Upheld);
    let silent = audit.committee.iter().find(|one| one.account == address(few)).unwrap();
    assert_eq!((silent.said(), silent.reward), (audits::Said::Nothing, 0));
    assert!(nodes::reputation(&world.chain.state, &address(few)).unwrap().unwrap().bps < before.bps);
}

#[test]
fn each_further_challenge_costs_twice_as_much_and_has_twice_the_seats() {
    let mut world = Settled::new();
    let (deposit, seats) = (world.params.audit_deposit, world.params.audit_seats);
    for times in [1, 2, 4, 8] {
        world.challenged();
        let audit = world.audit();
        assert_eq!((audit.deposit, audit.seats), (deposit * times, (seats + 1) * times as u32 - 1));
        assert_eq!(audit.committee.iter().map(|auditor| auditor.seats).sum::<u32>(), audit.seats);
        world.all_find(Finding::Correct);
        let epoch = settlement::epoch(&world.chain.state, &node(0), 1).unwrap().unwrap();
        let left = epoch.final_at - world.chain.block.seconds();
        assert!(left + 1 >= world.params.appeal_seconds(), "time to appeal: {left}");
    }
    world.chain.refused(9, challenge(), code::AUDIT_CLOSED, "challenged 4 times");
    world.chain.skip_to(world.chain.block.height + 60);
    assert_eq!(world.status(), Status::Final);
}

#[test]
fn a_false_epoch_is_void_and_the_bond_pays_who_found_out() {
    let mut world = Settled::new();
    let before: Vec<u64> = (0..10).map(|n| world.balance(n)).collect();
    world.challenged();
    world.all_find(Finding::False);
    assert_eq!(world.audit().phase(), Phase::False);
    // Twice the fees are less than what an audit costs twice.
    let deposit = world.params.audit_deposit;
    assert_eq!(world.stake(), STAKE - 2 * deposit);
    assert_eq!(world.balance(5), before[5] + FEES, "who paid has it back");
    assert_eq!(world.balance(9), before[9] + deposit - 1_000, "half of the fine, less a fee");
    assert_eq!(world.audit().committee.iter().map(|auditor| auditor.reward).sum::<u64>(), deposit);
    world.check_void();
}

#[test]
fn what_finding_out_brings_is_bounded_and_the_rest_is_the_treasurys() {
    let mut world = Settled::of(DEPOSIT);
    let (deposit, fine) = (world.params.audit_deposit, 2 * DEPOSIT);
    let before = (world.balance(9), world.chain.balance(accounts::treasury()));
    world.challenged();
    let drawn = world.seats().len() as u64;
    world.all_find(Finding::False);
    assert_eq!(world.stake(), STAKE - fine);
    assert_eq!(world.balance(9), before.0 + (fine / 2).min(4 * deposit) - 1_000);
    let auditors: u64 = world.audit().committee.iter().map(|auditor| auditor.reward).sum();
    assert_eq!(auditors, (fine / 2).min(2 * deposit));
    let fees = (2 * drawn + 1) * 1_000;
    assert_eq!(
        world.chain.balance(accounts::treasury()),
        before.1 + fine - (fine / 2).min(4 * deposit) - auditors + fees
    );
}

#[test]
fn an_epoch_that_cannot_be_shown_is_void_and_costs_the_audit() {
    let mut world = Settled::new();
    let before = (world.balance(5), world.balance(9));
    world.challenged();
    world.all_find(Finding::Unavailable);
    assert_eq!(world.audit().phase(), Phase::Unavailable);
    assert_eq!(world.stake(), STAKE - 2 * world.params.audit_deposit);
    assert_eq!((world.balance(5), world.balance(9)), (before.0 + FEES, before.1 + world.params.audit_deposit - 1_000));
    world.check_void();
}

#[test]
fn a_committee_that_says_nothing_is_followed_by_others_and_then_the_epoch_stands() {
    let mut world = Settled::new();
    let before = world.balance(9);
    world.challenged();
    let mut rounds = vec![world.audit().round];
    while world.status() == Status::Audited {
        world.chain.next();
        rounds.push(world.audit().round);
    }
    rounds.dedup();
    assert_eq!((rounds, world.audit().phase()), (vec![0, 1, 2], Phase::Undecided));
    assert_eq!((world.status(), world.balance(9)), (Status::Open, before - 1_000), "the deposit is back");
    assert_eq!(world.stake(), STAKE);
}

#[test]
fn who_finds_the_opposite_of_what_is_so_judges_badly_and_who_could_not_see_it_does_not() {
    let mut world = Settled::new();
    world.challenged();
    let mut drawn = world.seats();
    drawn.sort_by_key(|n| world.seats_of(*n));
    let reputation = |world: &Settled, n: u8| nodes::reputation(&world.chain.state, &address(n)).unwrap().unwrap();
    let before = reputation(&world, 1);
    let few = drawn[0];
    assert!(world.seats_of(few) < 4, "a minority");
    world.each_finds(|n| if n == few { Finding::False } else { Finding::Correct });
    assert_eq!(world.audit().phase(), Phase::Upheld);
    assert!(reputation(&world, few).bps < before.bps);
    assert_eq!(reputation(&world, drawn[1]), before);
    let unpaid = world.audit().committee.iter().find(|auditor| auditor.account == address(few)).unwrap().reward;
    assert_eq!(unpaid, 0);
}

#[test]
fn two_receipts_for_the_same_money_need_no_committee() {
    let mut world = Settled::new();
    let before = (world.balance(5), world.balance(7), world.chain.treasury());
    let channel = world.channel;
    let refused = |world: &mut Settled, words: &str, change: &dyn Fn(&mut ProveForgery)| {
        let mut action = forgery(channel, 9);
        change(&mut action);
        world.chain.refused(7, action, code::FORGERY, words);
    };
    refused(&mut world, "differ and overlap", &|proof| proof.given = proof.settled.head());
    refused(&mut world, "not signed by node", &|proof| proof.given.fee -= 1);
    refused(&mut world, "not signed by node", &|proof| proof.signature.0[0] ^= 1);
    refused(&mut world, "root of receipts", &|proof| proof.settled.fee += 1);
    refused(&mut world, "root of receipts", &|proof| proof.proof.index = 0);
    refused(&mut world, "64", &|proof| proof.proof.siblings = vec![SumNode::default(); 65]);
    world.chain.refused(7, ProveForgery { epoch: 2, ..forgery(channel, 9) }, code::AUDIT_EPOCH, "no epoch 2");
    // Refused for their own fields before they cost anything: three, and one fee each for those that were looked up.
    let fees = before.1 - world.balance(7);
    world.chain.act(7, forgery(channel, 9));
    assert_eq!((world.balance(5), world.stake()), (before.0 + FEES, STAKE - 2 * FEES));
    assert_eq!(world.balance(7), before.1 - fees - 1_000 + FEES, "half of the fine");
    assert_eq!(world.chain.treasury(), before.2 + fees + 1_000 + FEES, "and the other half");
    world.check_void();
}

#[test]
fn what_waits_for_its_committee_is_drawn_by_the_stakes_before_a_fine() {
    let mut world = Settled::new();
    let given = world.chain.block.height;
    let judging = |world: &Settled, height| -> Vec<u64> {
        nodes::validators(&world.chain.state, height).unwrap().iter().map(|validator| validator.node.stake).collect()
    };
    world.chain.next();
    assert_eq!(judging(&world, given), [STAKE; 4]);
    world.chain.act(7, forgery(world.channel, 9));
    world.chain.next();
    assert_eq!(judging(&world, given), [STAKE; 4], "who is fined now was there then");
    let mut after = judging(&world, world.chain.block.height);
    after.sort_unstable();
    assert_eq!(after, [STAKE - 2 * FEES, STAKE, STAKE, STAKE]);
}

#[test]
fn a_proof_ends_an_audit_and_gives_its_deposit_back() {
    let mut world = Settled::new();
    let before = world.balance(9);
    world.challenged();
    world.chain.act(7, forgery(world.channel, 9));
    assert_eq!((world.audit().phase(), world.balance(9)), (Phase::False, before - 1_000));
    world.check_void();
}

#[test]
fn the_stake_covers_what_is_not_final_and_stays_as_long() {
    let params = Params { challenge_seconds: 60, channel_min_seconds: 4, ..Params::default() };
    let mut chain = Chain::with(params);
    chain.act(0, register(0, role::SERVING, 2 * DNT));
    let channel = open(&mut chain, 5);
    let earned = |fees: u64| leaves(&[(11, fees / 4 * 3)]);
    let epoch = |number, fees, sum| settle(number, fees, &earned(fees), vec![voucher(5, channel, sum)]);
    chain.refused(0, epoch(1, DNT + 100, DNT + 100), code::EPOCH_BOND, "raise the stake by 0.0002 DNT");
    chain.act(0, epoch(1, DNT, DNT));
    chain.refused(0, epoch(2, 1_000, DNT + 1_000), code::EPOCH_BOND, "or settle once earlier epochs are final");
    chain.refused(0, register(0, role::SERVING, 2 * DNT - 1), code::NODE_STAKE, "answers for epochs");
    chain.act(0, register(0, role::SERVING, 3 * DNT));
    chain.act(0, epoch(2, 1_000, DNT + 1_000));
    chain.skip_to(chain.block.height + 70);
    let account: Address = address(0);
    chain.act(0, register(0, role::SERVING, 0));
    assert_eq!(nodes::unbonding(&chain.state, &account).unwrap(), 3 * DNT);
    chain.next();
}
