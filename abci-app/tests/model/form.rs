//! What needs no look at anything else: a transaction whose form is wrong pays nothing, and does nothing.

use std::collections::BTreeSet;

use datanet_types::action::{ActionKind, ActionSet, ClaimItem, Finding, Proposed, Supplier};
use datanet_types::amount::DNT;
use datanet_types::tx::VerifiedTx;
use datanet_types::{Action, Digest, PublicKey};

use super::ledger::{Done, Model, ensure};

/// Most of what a list may hold.
const MOST_ITEMS: usize = 64;
const MOST_VOUCHERS: usize = 256;
const MOST_SUSPECTS: usize = 8;
const MOST_ANSWERS: u64 = 65_536;

fn owners(keys: &[PublicKey], threshold: u32) -> bool {
    let ordered = keys.windows(2).all(|pair| pair[0] < pair[1]);
    (1..=16).contains(&keys.len()) && ordered && (1..=keys.len()).contains(&(threshold as usize))
}

/// Whether these keys may ever be a sub-key's actions: what decides who speaks for somebody is not, nor is making a validator.
fn grantable(actions: ActionSet) -> bool {
    use ActionKind::{
        AddLiquidity, CancelParams, CancelRecovery, CancelSpend, CreatePool, CreateValidator, GrantKey, IssueShares,
        RecoverKeys, RegisterAgent, ResetComponent, RetireAgent, RetireAuthority, RevokeKey, SellShares, SetKeys,
        SetParams, SpendTreasury, TransferShares, UpdateAgent,
    };
    let never = [
        SetKeys,
        RecoverKeys,
        CancelRecovery,
        GrantKey,
        RevokeKey,
        SpendTreasury,
        CancelSpend,
        SetParams,
        CancelParams,
        ResetComponent,
        RetireAuthority,
        CreateValidator,
        IssueShares,
        TransferShares,
        CreatePool,
        AddLiquidity,
        SellShares,
        RegisterAgent,
        UpdateAgent,
        RetireAgent,
    ];
    actions.0 != 0 && !actions.has_unknown() && never.into_iter().all(|kind| !actions.contains(kind))
}

fn are_items(items: &[ClaimItem]) -> bool {
    let place = |at: usize| (items[at].node, items[at].epoch);
    let ordered = (1..items.len()).all(|at| place(at - 1) < place(at));
    (1..=MOST_ITEMS).contains(&items.len()) && ordered && items.iter().all(|item| item.amount > 0)
}

fn are_suppliers(suppliers: &[Supplier]) -> bool {
    let assets: BTreeSet<_> = suppliers.iter().map(|one| one.asset).collect();
    let floors: u32 = suppliers.iter().map(|one| one.floor_bps).sum();
    let named = suppliers.iter().all(|one| one.asset.is_some() && one.floor_bps > 0);
    suppliers.len() <= 16 && assets.len() == suppliers.len() && named && floors <= 10_000
}

impl Model {
    pub fn check_form(&self, tx: &VerifiedTx) -> Done {
        let good = match &tx.action {
            Action::Transfer(action) => action.amount > 0 && action.to != tx.signer,
            Action::RegisterNode(action) => {
                let signed = datanet_types::action::RegisterNode::sign_bytes(&self.chain, &tx.signer, &action.node);
                (1..8).contains(&action.roles) && action.node.verify(&signed, &action.proof).is_ok()
            }
            Action::CreateDatanet(action) => !action.name.is_empty() && action.committee_size > 0,
            Action::Contribute(action) => action.size > 0 && action.records > 0 && action.record_root != Digest::ZERO,
            Action::CommitScores(action) => action.commitment != Digest::ZERO,
            Action::RevealScores(action) => {
                action.scores.is_none_or(|scores| scores.as_array().into_iter().all(|score| score <= 10_000))
            }
            Action::RegisterModel(action) => {
                action.snapshots.iter().all(|snapshot| action.datanets.contains(&snapshot.datanet))
            }
            Action::OpenChannel(action) => action.deposit > 0 && (action.voucher_key.is_some() || tx.keys.len() == 1),
            Action::CloseChannel(action) => action.statement.as_ref().is_none_or(|said| said.channel == action.channel),
            Action::TopUpChannel(action) => action.amount > 0 || action.expires_at > 0,
            Action::SettleEpoch(action) => {
                let ordered = action.vouchers.windows(2).all(|pair| pair[0].channel < pair[1].channel);
                let totals = action.totals;
                let split = totals.split;
                let earned = split.owner + split.contributors + split.validators + split.lineage + split.storage;
                let claimable = earned.saturating_sub(totals.unearned);
                let tree = (action.accounts == 0) == (claimable == 0) && action.accounts <= claimable;
                ordered
                    && (1..=MOST_VOUCHERS).contains(&action.vouchers.len())
                    && (1..=MOST_ANSWERS).contains(&totals.answers)
                    && tree
            }
            Action::Claim(action) => are_items(&action.items),
            Action::ClaimIncome(action) => action.asset.is_some() && are_items(&action.items),
            Action::IssueShares(action) => {
                action.asset.is_some() && (100..=1_000_000_000_000_000).contains(&action.supply)
            }
            Action::TransferShares(action) => action.asset.is_some() && action.shares > 0 && action.to != tx.signer,
            Action::WithdrawIncome(action) => action.asset.is_some(),
            Action::PayIncome(action) => action.asset.is_some() && action.amount > 0,
            Action::CreatePool(action) => {
                let product = u128::from(action.shares) * u128::from(action.amount);
                action.asset.is_some() && product >= 4_000_000
            }
            Action::AddLiquidity(action) => action.asset.is_some() && action.max_shares > 0 && action.max_amount > 0,
            Action::RemoveLiquidity(action) => action.asset.is_some() && action.units > 0,
            Action::BuyShares(action) => action.asset.is_some() && action.amount > 0,
            Action::SellShares(action) => action.asset.is_some() && action.shares > 0,
            Action::ChallengeEpoch(action) => {
                let ordered = action.suspects.windows(2).all(|pair| pair[0] < pair[1]);
                ordered && action.suspects.len() <= MOST_SUSPECTS
            }
            Action::CommitFinding(action) => action.commitment != Digest::ZERO,
            Action::RevealFinding(action) => Finding::try_from(action.finding).is_ok(),
            Action::ProveForgery(action) => {
                let (one, other) = (action.settled.head(), action.given);
                let overlap = one.start() < other.cumulative && other.start() < one.cumulative;
                let differ = one.channel == other.channel && one.digest != other.digest;
                differ && overlap && other.verify(&self.chain, &action.node, &action.signature).is_ok()
            }
            Action::Delegate(action) => action.amount >= DNT,
            Action::Redelegate(action) => action.from != action.to,
            Action::WithdrawRewards(action) => {
                !action.validators.is_empty() && action.validators.windows(2).all(|pair| pair[0] < pair[1])
            }
            Action::SetKeys(action) => {
                let guarded = action.recovery.is_none_or(|one| one.guardian != tx.signer && one.seconds > 0);
                owners(&action.owners, action.threshold) && guarded
            }
            Action::RecoverKeys(action) => owners(&action.owners, action.threshold),
            Action::GrantKey(action) => {
                let own = datanet_types::Address::of(&action.key) == tx.signer;
                grantable(ActionSet(action.actions)) && !own && action.budget > 0 && action.period_seconds > 0
            }
            Action::SpendTreasury(action) => action.amount > 0 && action.reason != Digest::ZERO,
            Action::SubmitProposal(action) => {
                let words = (1..=128).contains(&action.title.len()) && (1..=4_096).contains(&action.reason.len());
                let done = match &action.proposed {
                    None => false,
                    Some(Proposed::Params(new)) => {
                        let ordered = new.numbers.windows(2).all(|pair| pair[0].name < pair[1].name);
                        ordered && (1..=32).contains(&new.numbers.len())
                    }
                    Some(Proposed::Spend(payment)) => payment.amount > 0,
                    Some(Proposed::Upgrade(upgrade)) => {
                        upgrade.binaries.windows(2).all(|pair| pair[0].platform < pair[1].platform)
                    }
                    Some(_) => true,
                };
                words && done
            }
            Action::VoteProposal(action) => (0..4).contains(&action.choice),
            Action::RegisterAgent(action) => {
                !action.name.is_empty()
                    && are_suppliers(&action.suppliers)
                    && action.budget > 0
                    && action.period_seconds > 0
            }
            Action::UpdateAgent(action) => {
                are_suppliers(&action.suppliers) && action.budget > 0 && action.period_seconds > 0
            }
            Action::RateSeller(action) => action.score_bps <= 10_000,
            Action::AttestStorage(_)
            | Action::AttestStatement(_)
            | Action::ChallengeVerdict(_)
            | Action::CloseDatanet(_)
            | Action::RotateHoldout(_)
            | Action::Revoke(_)
            | Action::CreateValidator(_)
            | Action::Undelegate(_)
            | Action::Unjail(_)
            | Action::CancelRecovery(_)
            | Action::RevokeKey(_)
            | Action::CancelSpend(_)
            | Action::SetParams(_)
            | Action::CancelParams(_)
            | Action::ResetComponent(_)
            | Action::RetireAuthority(_)
            | Action::RetireAgent(_) => true,
        };
        ensure(good, "its form is wrong")
    }
}
