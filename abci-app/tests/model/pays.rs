//! What people try with serving nodes: they open channels, settle, claim, doubt and convict.

use datanet_types::action::{
    AttestStatement, ChallengeEpoch, Claim, ClaimItem, CloseChannel, CommitFinding, Finding, OpenChannel, ProveForgery,
    RevealFinding, SettleEpoch, TopUpChannel, role,
};
use datanet_types::amount::DNT;
use datanet_types::closing::ClosingStatement;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::receipt::ReceiptHead;
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::sum_tree::{SumNode, prove, root};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Account, Action, Address, Amount, BlobHash, ChannelId, Digest, NodeKey, ReceiptId, SigningKey};

use super::attempts::Attempt;
use super::audits::{Auditor, Phase};
use super::epochs::{Epoch, Status};
use super::market::income;
use super::serving::Channel;
use super::world::{PEOPLE, Step, World, all_keys};
use crate::support::{CHAIN, address, key};

/// The key of a node.
fn node_key(node: &NodeKey) -> SigningKey {
    (101..=120 + PEOPLE).map(key).find(|key| key.node_key() == *node).expect("somebody's")
}

impl World {
    fn serving(&self) -> Vec<(NodeKey, Address)> {
        let nodes = self.model.nodes.all.iter().filter(|(_, node)| node.roles & role::SERVING != 0);
        nodes.map(|(key, node)| (*key, node.account)).collect()
    }

    fn open_channels(&self) -> Vec<(ChannelId, Channel)> {
        let open = self.model.serving.channels.iter().filter(|(_, channel)| channel.closed_height == 0);
        open.map(|(id, channel)| (*id, channel.clone())).collect()
    }

    pub fn open(&self, step: &Step) -> Attempt {
        let node = step.of(&self.serving())?.0;
        let wrong = step.wrong(3);
        let deposit = if wrong == Some(0) { 0 } else { 1_000 + step.part(20 * DNT) };
        let seconds = match wrong {
            Some(1) => 9,
            Some(2) => 401,
            _ => 10 + u64::from(step.pick) % 390,
        };
        let who = step.person();
        let several = self.owners_in_this_block(&who).is_some_and(|(_, threshold)| threshold > 1);
        let named = several || step.amount.is_multiple_of(4);
        let voucher_key = named.then(|| key(150 + step.who % PEOPLE).public_key());
        let expires_at = self.now + seconds;
        Some((who, Action::OpenChannel(OpenChannel { node, deposit, expires_at, voucher_key })))
    }

    pub fn top_up(&self, step: &Step) -> Attempt {
        let (channel, record) = step.of(&self.open_channels())?.clone();
        let who = if step.wrong(3) == Some(0) { step.person() } else { record.payer };
        let amount = if step.amount.is_multiple_of(3) { 0 } else { step.part(DNT) };
        let expires_at = match step.wrong(3) {
            Some(1) => record.expires_at - 1,
            Some(2) => self.now + 401,
            _ if step.amount.is_multiple_of(2) => 0,
            _ => record.expires_at + u64::from(step.pick) % 50,
        };
        Some((who, Action::TopUpChannel(TopUpChannel { channel, amount, expires_at })))
    }

    pub fn close(&self, step: &Step) -> Attempt {
        let (channel, record) = step.of(&self.open_channels())?.clone();
        let who = if step.wrong(3) == Some(0) { step.person() } else { record.payer };
        let signer = if step.wrong(3) == Some(1) { key(50) } else { node_key(&record.node) };
        let charged = record.charged + u64::from(step.wrong(3) == Some(2));
        let word = ClosingStatement::sign(CHAIN, channel, charged, &signer);
        let statement = (step.amount.is_multiple_of(2) || step.wrong(3).is_some()).then_some(word);
        Some((who, Action::CloseChannel(CloseChannel { channel, statement })))
    }

    /// Of one or two channels, for one or two who earn.
    pub fn settle(&mut self, step: &Step) -> Attempt {
        let wrong = step.wrong(10);
        let mut channels = self.open_channels();
        channels.retain(|(_, channel)| channel.charged + 1_000 < channel.deposit);
        let node = step.of(&channels)?.1.node;
        let operator = self.model.nodes.all.get(&node)?.account;
        channels.retain(|(_, channel)| channel.node == node);
        let first = usize::from(step.who) % channels.len().max(1);
        channels.rotate_left(first);
        channels.truncate(1 + usize::from(step.amount.is_multiple_of(2)));
        channels.sort_by_key(|(id, _)| *id);
        let epoch = self.model.serving.last.get(&node).copied().unwrap_or(0) + 1 + u64::from(wrong == Some(0));
        let (mut vouchers, mut receipts, mut fees) = (Vec::new(), Vec::new(), 0);
        for (channel, record) in &channels {
            let fee = 1_000 + u64::from(step.amount) % (record.deposit - record.charged - 1_000).min(2 * DNT);
            let fee = if wrong == Some(1) { record.deposit - record.charged + 1 } else { fee };
            let fee = if wrong == Some(2) { 0 } else { fee };
            let seed = if wrong == Some(3) { 1 } else { all_keys()[&record.voucher_key] };
            let cumulative = record.charged + fee;
            vouchers.push(SignedVoucher::sign(CHAIN, *channel, cumulative, &key(seed)));
            let (receipt, digest) = (ReceiptId(channel.0), Digest([4; 32]));
            receipts.push(SettledReceipt { channel: *channel, cumulative, fee, receipt, digest });
            fees += fee;
        }
        let split = FeeShares::STANDARD.split(fees);
        let unearned = if step.pick.is_multiple_of(5) { split.lineage } else { 0 };
        let answers = if wrong == Some(4) { fees / 50 } else { receipts.len() as u64 };
        let mut totals = EpochTotals { answers, fees, split, unearned };
        match wrong {
            Some(5) => totals.fees += 1,
            Some(6) => (totals.split.node, totals.split.owner) = (split.node + 900, split.owner.saturating_sub(900)),
            _ => {}
        }
        let earned = self.earned(totals.claimable(), step, wrong == Some(7));
        let leaf = |(account, amount): &(Account, Amount)| EpochLeaf { account: *account, amount: *amount };
        let nodes: Vec<SumNode> = earned.iter().map(|one| leaf(one).node(CHAIN, &node, epoch)).collect();
        let root_of = |nodes: &[SumNode]| root(nodes).map_or(Digest::ZERO, |root| root.digest);
        let settled: Vec<SumNode> = receipts.iter().map(|receipt| receipt.node(CHAIN, &node, epoch)).collect();
        let (root, receipts_root) = (root_of(&nodes), root_of(&settled));
        let accounts = earned.len() as u64;
        self.leaves.insert(root, earned);
        self.receipts.insert(receipts_root, receipts);
        let params = self.version(step);
        let carried = self.model.carried(&node) + u64::from(wrong == Some(9));
        let who = if wrong == Some(8) { step.person() } else { operator };
        let settle = SettleEpoch {
            node,
            epoch,
            root,
            totals,
            vouchers,
            statement: BlobHash([9; 32]),
            accounts,
            receipts: receipts_root,
            params,
            carries: (!step.who.is_multiple_of(4)).then_some(carried),
            taken: Vec::new(),
        };
        (settle.receipts != Digest::ZERO).then_some((who, Action::SettleEpoch(settle)))
    }

    /// Nodes that keep data and have not said so of what waits for that.
    pub fn pending_statements(&self) -> Vec<(NodeKey, u64, NodeKey, Address)> {
        let waiting = self.model.serving.epochs.iter().filter(|(_, epoch)| epoch.is_unpaid() && !epoch.is_kept());
        let nodes = || self.model.nodes.all.iter().filter(|(_, node)| node.keeps);
        let free = waiting.flat_map(|((serving, number), epoch)| {
            let new = |key: &NodeKey| epoch.keepers.iter().all(|(node, _)| node != key);
            let others = nodes().filter(move |(key, _)| *key != serving && new(key));
            others.map(|(key, node)| (*serving, *number, *key, node.account))
        });
        free.collect()
    }

    /// Mostly what waits for it, and by whom it is wanted.
    pub fn keep_statement(&self, step: &Step) -> Attempt {
        let all = self.epochs(|_| true);
        if let (Some(wrong), Some((serving, epoch))) = (step.wrong(3), step.of(&all)) {
            let nodes: Vec<_> = self.model.nodes.all.iter().map(|(key, node)| (*key, node.account)).collect();
            let (node, account) = *nodes.get(usize::from(step.who) % nodes.len())?;
            let who = if wrong == 0 { step.person() } else { account };
            let epoch = epoch + u64::from(wrong == 1);
            return Some((who, Action::AttestStatement(AttestStatement { node, serving: *serving, epoch })));
        }
        let (serving, epoch, node, who) = *step.of(&self.pending_statements())?;
        Some((who, Action::AttestStatement(AttestStatement { node, serving, epoch })))
    }

    /// The present version of the parameters, or one before, or one that is not there.
    fn version(&self, step: &Step) -> u64 {
        let last = self.model.rules.versions.len() as u64 - 1;
        match step.amount % 16 {
            0 => last.saturating_sub(1),
            1 => last + 1,
            _ => last,
        }
    }

    fn epochs(&self, wanted: impl Fn(&Epoch) -> bool) -> Vec<(NodeKey, u64)> {
        self.model.serving.epochs.iter().filter(|(_, epoch)| wanted(epoch)).map(|(key, _)| *key).collect()
    }

    fn item(&self, place: (NodeKey, u64), step: &Step) -> Option<(Account, ClaimItem)> {
        let leaves = self.leaves.get(&self.model.serving.epochs.get(&place)?.root)?;
        self.item_at(place, usize::from(step.who) % leaves.len().max(1))
    }

    fn item_at(&self, (node, epoch): (NodeKey, u64), index: usize) -> Option<(Account, ClaimItem)> {
        let leaves = self.leaves.get(&self.model.serving.epochs.get(&(node, epoch))?.root)?;
        let (account, amount) = *leaves.get(index)?;
        let leaf = |(account, amount): &(Account, Amount)| EpochLeaf { account: *account, amount: *amount };
        let nodes: Vec<SumNode> = leaves.iter().map(|one| leaf(one).node(CHAIN, &node, epoch)).collect();
        let proof = prove(&nodes, index).ok()??;
        Some((account, ClaimItem { node, epoch, amount, proof }))
    }

    pub fn claim(&self, step: &Step) -> Attempt {
        let (finals, all) = (self.epochs(|epoch| epoch.status == Status::Final), self.epochs(|_| true));
        let open: Vec<_> = self.epochs(|epoch| epoch.status == Status::Final && epoch.left > 0);
        let wrong = step.wrong(4);
        let of = if wrong == Some(0) || finals.is_empty() {
            &all
        } else if open.is_empty() {
            &finals
        } else {
            &open
        };
        let (account, mut first) = self.item(*step.of(of)?, step)?;
        match wrong {
            Some(1) => first.amount += 1,
            Some(2) => first.epoch += 1,
            _ => {}
        }
        let of_first = (first.node, first.epoch);
        let mut items = vec![first];
        for place in finals.iter().filter(|place| **place != of_first).take(3) {
            items.extend(self.item(*place, step).filter(|(other, _)| *other == account).map(|(_, item)| item));
        }
        items.sort_by_key(|item| (item.node, item.epoch));
        items.dedup_by_key(|item| (item.node, item.epoch));
        if wrong == Some(3) {
            items.reverse();
        }
        Some((step.person(), Action::Claim(Claim { account: account.user()?, items })))
    }

    /// One or two who earn so much, or a unit more than there is: the first may be what somebody owns.
    fn earned(&self, claimable: Amount, step: &Step, more: bool) -> Vec<(Account, Amount)> {
        let first = if step.pick.is_multiple_of(2) { claimable } else { step.part(claimable) };
        let second = claimable.saturating_sub(first) + u64::from(more);
        let assets = self.assets();
        let owned = step.of(&assets).filter(|_| step.amount.is_multiple_of(2));
        let who = owned.map_or(address(1 + step.who % PEOPLE).into(), |(asset, _)| income(asset));
        let all = [(who, first), (address(1 + (step.who / 16) % PEOPLE).into(), second)];
        all.into_iter().filter(|(_, amount)| *amount > 0 && claimable > 0).collect()
    }

    /// What there is to claim for some accounts, of epochs that are final.
    pub fn leaves_of(&self, wanted: impl Fn(&Account) -> bool) -> Vec<(Account, ClaimItem)> {
        let open = self.epochs(|epoch| epoch.status == Status::Final && epoch.left > 0);
        let mut found = Vec::new();
        for place in open {
            let Some(leaves) = self.leaves.get(&self.model.serving.epochs[&place].root) else { continue };
            let of_some = leaves.iter().enumerate().filter(|(_, (account, _))| wanted(account));
            found.extend(of_some.filter_map(|(index, _)| self.item_at(place, index)));
        }
        found
    }

    pub fn doubt(&self, step: &Step) -> Attempt {
        let (open, all) = (self.epochs(|epoch| epoch.status == Status::Open), self.epochs(|_| true));
        let (node, epoch) = *step.of(if step.wrong(2) == Some(0) || open.is_empty() { &all } else { &open })?;
        let suspects = if step.wrong(2) == Some(1) { vec![u64::from(step.amount % 2), 1] } else { Vec::new() };
        Some((step.person(), Action::ChallengeEpoch(ChallengeEpoch { node, epoch, suspects })))
    }

    /// Auditors who have something to commit to, or to show.
    pub fn pending_auditors(&self, phase: Phase) -> Vec<(NodeKey, u64, Address)> {
        let open = self.model.serving.audits.iter().filter(|(_, audit)| audit.phase == phase);
        let all = open.flat_map(|((node, epoch), audit)| audit.auditors.iter().map(|one| (*node, *epoch, one)));
        let waits = |one: &Auditor| match phase {
            Phase::Commit => one.committed.is_none(),
            _ => one.committed.is_some() && one.said.is_none(),
        };
        all.filter(|(.., auditor)| waits(auditor)).map(|(node, epoch, one)| (node, epoch, one.account)).collect()
    }

    /// What hides this finding; what is behind it is remembered.
    pub fn hidden_finding(&mut self, place: (NodeKey, u64), who: Address, finding: Finding) -> Option<Action> {
        let (node, epoch) = place;
        let audit = self.model.serving.audits.get(&place)?;
        let salt = Digest([who.0[0]; 32]);
        let commitment = audit.commitment(CHAIN, (&node, epoch), &who, (finding, &salt));
        self.findings.insert(commitment, (finding, salt));
        Some(Action::CommitFinding(CommitFinding { node, epoch, commitment }))
    }

    /// What is behind an auditor's commitment.
    pub fn shown_finding(&self, place: (NodeKey, u64), who: Address) -> RevealFinding {
        let audit = self.model.serving.audits.get(&place);
        let auditor = audit.and_then(|audit| audit.auditors.iter().find(|one| one.account == who));
        let committed = auditor.and_then(|one| one.committed);
        let known = committed.and_then(|digest| self.findings.get(&digest).copied());
        let (finding, salt) = known.unwrap_or((Finding::Correct, Digest([9; 32])));
        RevealFinding { node: place.0, epoch: place.1, finding: finding as i32, salt }
    }

    /// Not of an audit whose committee is drawn in this very block, and may be gone at its end.
    pub fn find(&mut self, step: &Step) -> Attempt {
        let (node, epoch, who) = self.heard(step, Phase::Commit)?;
        if step.wrong(2) == Some(1) {
            let commitment = Digest([step.who % 2; 32]);
            return Some((who, Action::CommitFinding(CommitFinding { node, epoch, commitment })));
        }
        let finding = Finding::try_from((step.amount % 4) as i32).ok()?;
        Some((who, self.hidden_finding((node, epoch), who, finding)?))
    }

    /// Sometimes something else than what was committed to.
    pub fn show_finding(&self, step: &Step) -> Attempt {
        let (node, epoch, who) = self.heard(step, Phase::Reveal)?;
        let mut reveal = self.shown_finding((node, epoch), who);
        if step.wrong(2) == Some(1) {
            reveal.finding = (reveal.finding + 1) % 5;
        }
        Some((who, Action::RevealFinding(reveal)))
    }

    /// An audit, and mostly somebody who has something to say there.
    fn heard(&self, step: &Step, phase: Phase) -> Option<(NodeKey, u64, Address)> {
        let said = |(_, audit): &(&(NodeKey, u64), &super::audits::Audit)| audit.phase != Phase::Draw;
        let all: Vec<_> = self.model.serving.audits.iter().filter(said).map(|(key, _)| *key).collect();
        match (step.of(&self.pending_auditors(phase)), step.wrong(2)) {
            (Some(one), None | Some(1)) => Some(*one),
            _ => step.of(&all).map(|(node, epoch)| (*node, *epoch, step.person())),
        }
    }

    pub fn convict(&self, step: &Step) -> Attempt {
        let (open, all) = (self.epochs(Epoch::is_unpaid), self.epochs(|_| true));
        let wrong = step.wrong(4);
        let (node, epoch) = *step.of(if wrong == Some(0) || open.is_empty() { &all } else { &open })?;
        let receipts = self.receipts.get(&self.model.serving.epochs[&(node, epoch)].receipts)?;
        let index = usize::from(step.who) % receipts.len();
        let nodes: Vec<SumNode> = receipts.iter().map(|receipt| receipt.node(CHAIN, &node, epoch)).collect();
        let mut settled = receipts[index];
        let digest = if wrong == Some(1) { settled.digest } else { Digest([8; 32]) };
        let given = ReceiptHead { digest, ..settled.head() };
        let signature = if wrong == Some(2) { key(50) } else { node_key(&node) }.sign(&given.sign_bytes(CHAIN));
        settled.fee += u64::from(wrong == Some(3));
        let proof = prove(&nodes, index).ok()??;
        let who = address(1 + step.pick.to_le_bytes()[1] % PEOPLE);
        Some((who, Action::ProveForgery(ProveForgery { node, epoch, given, signature, settled, proof })))
    }
}
