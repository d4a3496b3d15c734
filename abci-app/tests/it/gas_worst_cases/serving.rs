//! Channels, epochs and audits at their largest.

use bytes::Bytes;
use datanet_ledger::code;
use datanet_ledger::component::audits::{self, Audit, Phase};
use datanet_types::action::{
    AttestStatement, ChallengeEpoch, Claim, ClaimItem, CloseChannel, CommitFinding, Finding, OpenChannel, ProveForgery,
    RateSeller, RevealFinding, SettleEpoch, TopUpChannel,
};
use datanet_types::amount::DNT;
use datanet_types::closing::ClosingStatement;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares, MAX_ACCOUNTS};
use datanet_types::receipt::ReceiptHead;
use datanet_types::settled_receipt::{MAX_ANSWERS, SettledReceipt};
use datanet_types::sum_tree::{SumNode, SumProof, root};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Amount, BlobHash, ChannelId, Digest, ReceiptId, SignedTx};

use super::Case;
use super::judging::{JUDGES, serving};
use super::market::asset;
use super::world::{CHALLENGE_SECONDS, World, address_of, person};
use crate::support::CHAIN;

/// Serving nodes: one for each kind of thing that is done with epochs.
const CLAIMED: u32 = 0;
const CHALLENGED: u32 = 1;
const SETTLING: [u32; 2] = [2, 3];
const FORGED: u32 = 4;
const AUDITED: u32 = 5;
const RATED: u32 = 6;
/// Its epochs.
const COMMITTING: u64 = 1;
const REVEALING: u64 = 2;
/// The first of those who pay, one channel each to a node.
const PAYERS: u32 = 1_500;
const VOUCHERS: u32 = 256;
const CHANNELS: u32 = 48;
/// The first of four who earn in each epoch that is claimed.
const EARNERS: u32 = 1_800;
const EPOCHS: u64 = 64;
const CHALLENGER: u32 = 1_810;
const DEPOSIT: Amount = 1_000 * DNT;
/// What each of many vouchers adds.
const STEP: Amount = 30_000;

pub struct Serving {
    closing: Vec<ChannelId>,
    growing: Vec<ChannelId>,
    settling: [Vec<ChannelId>; 2],
    forged: Vec<ChannelId>,
}

/// A tree of `total` leaves that begins with these; the rest is one node worth `rest`, and nodes worth nothing.
struct Tree {
    leaves: [SumNode; 4],
    total: u64,
    rest: Amount,
}

impl Tree {
    fn proof(&self, index: usize) -> SumProof {
        let above =
            |level: u32| SumNode { digest: Digest([level as u8 + 1; 32]), sum: if level == 2 { self.rest } else { 0 } };
        let pair = if index < 2 { &self.leaves[2..] } else { &self.leaves[..2] };
        let mut siblings = vec![self.leaves[index ^ 1], root(pair).unwrap()];
        siblings.extend((2..self.total.ilog2()).map(above));
        SumProof { index: index as u64, total: self.total, siblings }
    }

    fn root(&self) -> SumNode {
        let first = root(&self.leaves).unwrap();
        let proof = self.proof(0);
        proof.siblings[2..].iter().fold(first, |node, sibling| root(&[node, *sibling]).unwrap())
    }
}

fn claimable(fees: Amount) -> Amount {
    FeeShares::STANDARD.split(fees).claimable()
}

/// What three people and an asset earn in an epoch whose fees are a DNT.
fn earned(epoch: u64) -> Tree {
    let account = |n: u32| match n {
        3 => asset().income_account().into(),
        _ => address_of(EARNERS + n).into(),
    };
    let leaf = |n: u32| EpochLeaf { account: account(n), amount: 1_000 };
    let leaves = [0, 1, 2, 3].map(|n| leaf(n).node(CHAIN, &serving(CLAIMED).node_key(), epoch));
    Tree { leaves, total: MAX_ACCOUNTS, rest: claimable(DNT) - 4_000 }
}

fn settled(channel: ChannelId, n: u64) -> SettledReceipt {
    let (cumulative, fee) = (100 * (n + 1), 100);
    SettledReceipt { channel, cumulative, fee, receipt: ReceiptId([3; 32]), digest: Digest([n as u8 + 1; 32]) }
}

impl Serving {
    pub fn set_up(world: &mut World) -> Self {
        let own = CHANNELS;
        let closing = Self::open(world, CLAIMED, PAYERS, own);
        let growing = Self::open(world, CLAIMED, PAYERS + own, own);
        let settling = SETTLING.map(|node| Self::open(world, node, PAYERS, VOUCHERS));
        let forged = Self::open(world, FORGED, PAYERS, VOUCHERS);
        let mut serving = Self { closing, growing, settling, forged };
        serving.claimed(world);
        serving.challenged(world);
        serving.audited(world);
        serving
    }

    fn open(world: &mut World, node: u32, first: u32, count: u32) -> Vec<ChannelId> {
        let txs: Vec<Bytes> = (first..first + count).map(|payer| Self::channel(world, node, payer)).collect();
        world.block(&txs);
        txs.iter().map(|tx| SignedTx::verify(tx, CHAIN).unwrap().channel_id()).collect()
    }

    fn channel(world: &World, node: u32, payer: u32) -> Bytes {
        let (node, expires_at) = (serving(node).node_key(), world.now() + 1_000_000);
        world.sign(payer, Action::OpenChannel(OpenChannel { node, deposit: DEPOSIT, expires_at, voucher_key: None }))
    }

    /// What settles these channels' vouchers, each of which adds as much as the others.
    fn settle(node: u32, epoch: u64, channels: &[ChannelId], cumulative: Amount, fees: Amount) -> SettleEpoch {
        let sign = |(n, channel): (usize, &ChannelId)| {
            SignedVoucher::sign(CHAIN, *channel, cumulative, &person(PAYERS + n as u32))
        };
        let mut vouchers: Vec<_> = channels.iter().enumerate().map(sign).collect();
        vouchers.sort_by_key(|voucher| voucher.channel);
        SettleEpoch {
            node: serving(node).node_key(),
            epoch,
            root: Digest([5; 32]),
            totals: EpochTotals { answers: 10, fees, split: FeeShares::STANDARD.split(fees), unearned: 0 },
            vouchers,
            statement: BlobHash([9; 32]),
            accounts: 1,
            receipts: Digest([6; 32]),
            params: 0,
            carries: None,
            taken: Vec::new(),
        }
    }

    /// Epochs that are final, and of which nobody has claimed.
    fn claimed(&mut self, world: &mut World) {
        let channel = Self::open(world, CLAIMED, PAYERS, 1);
        let settle = |epoch: u64| {
            let tree = earned(epoch);
            let settle = Self::settle(CLAIMED, epoch, &channel, epoch * DNT, DNT);
            let settle = SettleEpoch { root: tree.root().digest, accounts: tree.total, ..settle };
            world.sign(JUDGES.start + CLAIMED, Action::SettleEpoch(settle))
        };
        let txs: Vec<_> = (1..=EPOCHS).map(settle).collect();
        world.block(&txs);
        // One that many have paid for.
        let channels = Self::open(world, RATED, PAYERS, VOUCHERS);
        let rated = Self::settle(RATED, 1, &channels, STEP, STEP * Amount::from(VOUCHERS));
        let rated = world.sign(JUDGES.start + RATED, Action::SettleEpoch(rated));
        world.block(&[rated]);
        let mut txs: Vec<_> = (1..=EPOCHS).map(|epoch| Self::attest(world, CLAIMED, epoch)).collect();
        txs.push(Self::attest(world, RATED, 1));
        world.block(&txs);
        world.pass(CHALLENGE_SECONDS);
    }

    /// Epochs that can be challenged, and two of 256 payers that are.
    fn challenged(&mut self, world: &mut World) {
        let channel = Self::open(world, CHALLENGED, PAYERS, 1);
        let settle = |epoch: u64| {
            let settle = Self::settle(CHALLENGED, epoch, &channel, epoch * 10_000, 10_000);
            world.sign(JUDGES.start + CHALLENGED, Action::SettleEpoch(settle))
        };
        let txs: Vec<_> = (1..=CHANNELS.into()).map(settle).collect();
        world.block(&txs);
        let forge = |epoch: u64| {
            let fees = STEP * Amount::from(VOUCHERS);
            let settle = Self::settle(FORGED, epoch, &self.forged, epoch * STEP, fees);
            let totals = EpochTotals { answers: MAX_ANSWERS, ..settle.totals };
            let receipts = self.receipts(epoch).root().digest;
            world.sign(JUDGES.start + FORGED, Action::SettleEpoch(SettleEpoch { totals, receipts, ..settle }))
        };
        let txs = [1, 2].map(forge);
        world.block(&txs);
        let txs = [1, 2].map(|epoch| Self::challenge(world, FORGED, epoch));
        world.block(&txs);
    }

    /// Two epochs with 63 seats each: of one they are to commit to what they found, of the other all have.
    fn audited(&mut self, world: &mut World) {
        let channel = Self::open(world, AUDITED, PAYERS, 1);
        for epoch in [COMMITTING, REVEALING] {
            let settle = Self::settle(AUDITED, epoch, &channel, epoch * 10_000, 10_000);
            let settle = world.sign(JUDGES.start + AUDITED, Action::SettleEpoch(settle));
            world.block(&[settle]);
            let challenge = Self::challenge(world, AUDITED, epoch);
            world.block(&[challenge]);
        }
        world.block(&[]);
        world.block(&[]);
        let commits = Self::commits(world, REVEALING);
        world.block(&commits);
    }

    /// Each auditor's commitment to an epoch's being right.
    fn commits(world: &World, epoch: u64) -> Vec<Bytes> {
        let audit = Self::audit(world, epoch, Phase::Commit);
        let commit = |n: u32| {
            let commitment = audit.commitment(CHAIN, &address_of(n), Finding::Correct, &Digest([7; 32]));
            world.sign(n, Action::CommitFinding(CommitFinding { node: audit.node, epoch, commitment }))
        };
        Self::seated(&audit).map(commit).collect()
    }

    fn audit(world: &World, epoch: u64, phase: Phase) -> Audit {
        let audit = audits::get(&world.ledger().reader(), &serving(AUDITED).node_key(), epoch).unwrap().unwrap();
        assert_eq!(audit.phase(), phase);
        audit
    }

    fn seated(audit: &Audit) -> impl Iterator<Item = u32> {
        JUDGES.filter(|n| audit.committee.iter().any(|one| one.account == address_of(*n)))
    }

    fn challenge(world: &World, node: u32, epoch: u64) -> Bytes {
        let (node, suspects) = (serving(node).node_key(), (0..8).collect());
        world.sign(CHALLENGER, Action::ChallengeEpoch(ChallengeEpoch { node, epoch, suspects }))
    }

    fn receipts(&self, epoch: u64) -> Tree {
        let leaf = |n| settled(self.forged[0], n).node(CHAIN, &serving(FORGED).node_key(), epoch);
        Tree { leaves: [0, 1, 2, 3].map(leaf), total: MAX_ANSWERS, rest: STEP * Amount::from(VOUCHERS) - 400 }
    }

    pub fn open_channel(&self, world: &World) -> Vec<Case> {
        vec![Case::done("", (PAYERS..PAYERS + CHANNELS).map(|payer| Self::channel(world, 9, payer)).collect())]
    }

    pub fn top_up_channel(&self, world: &World) -> Vec<Case> {
        let top_up = |(payer, channel): (u32, &ChannelId)| {
            let expires_at = world.now() + 2_000_000;
            world.sign(payer, Action::TopUpChannel(TopUpChannel { channel: *channel, amount: DNT, expires_at }))
        };
        vec![Case::done("with a later expiry", (PAYERS + CHANNELS..).zip(&self.growing).map(top_up).collect())]
    }

    pub fn close_channel(&self, world: &World) -> Vec<Case> {
        let close = |(payer, channel): (u32, &ChannelId)| {
            let statement = Some(ClosingStatement::sign(CHAIN, *channel, 0, &serving(CLAIMED)));
            world.sign(payer, Action::CloseChannel(CloseChannel { channel: *channel, statement }))
        };
        vec![Case::done("with its node's word", (PAYERS..).zip(&self.closing).map(close).collect())]
    }

    pub fn settle_epoch(&self, world: &World) -> Vec<Case> {
        let settle = |n: usize, fees: Amount| {
            let settle = Self::settle(SETTLING[n], 1, &self.settling[n], STEP, fees);
            world.sign(JUDGES.start + SETTLING[n], Action::SettleEpoch(settle))
        };
        let fees = STEP * Amount::from(VOUCHERS);
        vec![
            Case::done("256 vouchers", [0, 1].map(|n| settle(n, fees)).into()),
            Case::refused(
                "256 vouchers that are not the sum",
                [0, 1].map(|n| settle(n, fees + 100)).into(),
                code::EPOCH_INVALID,
            ),
        ]
    }

    /// A node's word for what another serves, which is the only one that it takes.
    fn attest(world: &World, node: u32, epoch: u64) -> Bytes {
        let action =
            AttestStatement { node: serving(SETTLING[0]).node_key(), serving: serving(node).node_key(), epoch };
        world.sign(JUDGES.start + SETTLING[0], Action::AttestStatement(action))
    }

    pub fn attest_statement(&self, world: &World) -> Vec<Case> {
        let txs = (1..=CHANNELS.into()).map(|epoch| Self::attest(world, CHALLENGED, epoch)).collect();
        vec![Case::done("the last that is missing", txs)]
    }

    /// What the leaf at `n` says in each of many epochs.
    fn items(n: usize) -> Vec<ClaimItem> {
        let item = |epoch: u64| {
            let proof = earned(epoch).proof(n);
            ClaimItem { node: serving(CLAIMED).node_key(), epoch, amount: 1_000, proof }
        };
        (1..=EPOCHS).map(item).collect()
    }

    /// What the asset earned.
    pub fn income() -> Vec<ClaimItem> {
        Self::items(3)
    }

    pub fn claim(&self, world: &World) -> Vec<Case> {
        let claim = |n: usize| {
            let items = Self::items(n);
            Claim { account: address_of(EARNERS + n as u32), items }
        };
        let bad = |n| {
            let mut claim = claim(n);
            claim.items[EPOCHS as usize - 1].proof.siblings[17].digest = Digest::ZERO;
            claim
        };
        let sign = |claim| world.sign(CHALLENGER, Action::Claim(claim));
        vec![
            Case::done("64 epochs of 262,144 accounts", [0, 1, 2].map(|n| sign(claim(n))).into()),
            Case::refused("the last of 64 proofs is wrong", [0, 1, 2].map(|n| sign(bad(n))).into(), code::CLAIM_PROOF),
        ]
    }

    pub fn challenge_epoch(&self, world: &World) -> Vec<Case> {
        let txs = (1..=CHANNELS.into()).map(|epoch| Self::challenge(world, CHALLENGED, epoch)).collect();
        vec![Case::done("8 suspects", txs)]
    }

    pub fn commit_finding(&self, world: &World) -> Vec<Case> {
        vec![Case::done("among 63 seats", Self::commits(world, COMMITTING))]
    }

    pub fn reveal_finding(&self, world: &World) -> Vec<Case> {
        let audit = Self::audit(world, REVEALING, Phase::Reveal);
        let reveal = |n: u32| {
            let (node, epoch, finding, salt) = (audit.node, audit.epoch, Finding::Correct as i32, Digest([7; 32]));
            world.sign(n, Action::RevealFinding(RevealFinding { node, epoch, finding, salt }))
        };
        let mut txs: Vec<_> = Self::seated(&audit).map(reveal).collect();
        // The last one ends the audit, which is the agenda's work.
        txs.pop();
        vec![Case::done("among 63 seats", txs)]
    }

    /// Those who have paid say how good it was.
    pub fn rate_seller(&self, world: &World) -> Vec<Case> {
        let rate = Action::RateSeller(RateSeller { node: serving(RATED).node_key(), epoch: 1, score_bps: 9_000 });
        let txs = (PAYERS..PAYERS + CHANNELS).map(|payer| world.sign(payer, rate.clone())).collect();
        vec![Case::done("of an epoch with 256 payers", txs)]
    }

    pub fn prove_forgery(&self, world: &World) -> Vec<Case> {
        let prove = |epoch: u64| {
            let (key, settled) = (serving(FORGED), settled(self.forged[0], 1));
            let given = ReceiptHead { digest: Digest([99; 32]), ..settled.head() };
            let (signature, proof) = (key.sign(&given.sign_bytes(CHAIN)), self.receipts(epoch).proof(1));
            let prove = ProveForgery { node: key.node_key(), epoch, given, signature, settled, proof };
            world.sign(CHALLENGER, Action::ProveForgery(prove))
        };
        vec![Case::done("256 payers have their money back", [1, 2].map(prove).into())]
    }
}
