//! What there is, who pays for what, and what happens in a block, in order.

use std::collections::{BTreeMap, BTreeSet};

use datanet_ledger::component::Params;
use datanet_ledger::component::accounts::Account;
use datanet_types::tx::VerifiedTx;
use datanet_types::{Action, Address, Amount, ModuleAddress};

use super::agents::Agents;
use super::authority::Authority;
use super::committee::Drawn;
use super::governance::Governance;
use super::judging::Judging;
use super::market::Market;
use super::nodes::Nodes;
use super::ratings::Ratings;
use super::rules::Rules;
use super::serving::Serving;
use super::staking::Staking;
use super::treasury::Treasury;

/// Why something is refused, for who reads a failure.
pub type Refusal = &'static str;
/// What an action comes to.
pub type Done = Result<(), Refusal>;

/// Refuses where something is not so.
pub fn ensure(good: bool, why: Refusal) -> Done {
    if good { Ok(()) } else { Err(why) }
}

/// Most blocks that a transaction may be signed ahead.
const MOST_BLOCKS_AHEAD: u64 = 1_000;

/// The whole of it: records of whose things there are, and one map of money.
#[derive(Debug, Clone)]
pub struct Model {
    pub chain: String,
    pub height: u64,
    /// Time of the block, in seconds since 1970.
    pub now: u64,
    pub rules: Rules,
    /// Everybody's money and that of every escrow; nothing is at zero.
    pub money: BTreeMap<Account, Amount>,
    /// Transactions that were executed.
    pub seen: BTreeSet<[u8; 32]>,
    pub nodes: Nodes,
    pub judging: Judging,
    pub serving: Serving,
    pub staking: Staking,
    pub authority: Authority,
    pub treasury: Treasury,
    pub governance: Governance,
    pub market: Market,
    pub agents: Agents,
    pub ratings: Ratings,
}

/// The escrow of this name, as the ledger's page names them.
pub fn escrow(name: &str, parts: &[&[u8]]) -> Account {
    Account::Module(ModuleAddress::of(name, parts))
}

impl Model {
    pub fn new(chain: &str, params: Params) -> Self {
        Self {
            chain: chain.to_owned(),
            height: 0,
            now: 0,
            rules: Rules::new(params),
            money: BTreeMap::new(),
            seen: BTreeSet::new(),
            nodes: Nodes::default(),
            judging: Judging::default(),
            serving: Serving::default(),
            staking: Staking::default(),
            authority: Authority::default(),
            treasury: Treasury::default(),
            governance: Governance::default(),
            market: Market::default(),
            agents: Agents::default(),
            ratings: Ratings::default(),
        }
    }

    pub fn owned(&self, account: Account) -> Amount {
        self.money.get(&account).copied().unwrap_or(0)
    }

    /// Moves money; refused where there is too little.
    pub fn pay(&mut self, from: Account, to: Account, amount: Amount) -> Done {
        let left = self.owned(from).checked_sub(amount).ok_or("too little money")?;
        self.money.insert(from, left);
        *self.money.entry(to).or_default() += amount;
        self.money.retain(|_, amount| *amount > 0);
        Ok(())
    }

    /// Moves money that must be there.
    pub fn release(&mut self, from: Account, to: Account, amount: Amount) {
        self.pay(from, to, amount).unwrap_or_else(|_| panic!("{from} has not {amount} for {to}"));
    }

    pub fn fees() -> Account {
        escrow("fees", &[])
    }

    pub fn treasury() -> Account {
        escrow("treasury", &[])
    }

    /// A block begins: other rules hold, and the committees that are due are those that the chain drew.
    pub fn begin(&mut self, height: u64, now: u64, drawn: &Drawn<'_>) {
        (self.height, self.now) = (height, now);
        self.rules.begin(height, now);
        self.draw_rounds(drawn);
        self.draw_audits(drawn);
    }

    /// Executes a transaction; a refused one has paid its fee, if it was worth looking at, and changed nothing else.
    pub fn execute(&mut self, tx: &VerifiedTx) -> Done {
        self.check_form(tx)?;
        let before = self.clone();
        if let Err(why) = self.charge(tx) {
            *self = before;
            return Err(why);
        }
        let charged = self.clone();
        if let Err(why) = self.metered(tx, |model| model.act(tx)) {
            *self = charged;
            return Err(why);
        }
        Ok(())
    }

    fn charge(&mut self, tx: &VerifiedTx) -> Done {
        ensure(tx.body.expiry >= self.height && tx.body.expiry <= self.height + MOST_BLOCKS_AHEAD, "expired")?;
        ensure(!self.seen.contains(&tx.id), "executed before")?;
        self.authorise(tx)?;
        let rules = self.rules.now();
        let price = rules.min_fee.max(tx.size * rules.byte_fee) + tx.body.tip;
        ensure(tx.body.fee >= price, "the fee is too small")?;
        self.metered(tx, |model| model.pay(Account::User(tx.signer), Self::fees(), price))?;
        self.seen.insert(tx.id);
        Ok(())
    }

    fn act(&mut self, tx: &VerifiedTx) -> Done {
        let who = tx.signer;
        match &tx.action {
            Action::Transfer(action) => self.pay(Account::User(who), Account::User(action.to), action.amount),
            Action::RegisterNode(action) => self.register_node(who, action),
            Action::CreateDatanet(action) => self.create_datanet(who, action),
            Action::CloseDatanet(action) => self.close_datanet(who, &action.datanet),
            Action::RotateHoldout(action) => self.rotate(who, action),
            Action::Contribute(action) => self.contribute(who, action),
            Action::AttestStorage(action) => self.attest(who, action),
            Action::CommitScores(action) => self.commit(who, action),
            Action::RevealScores(action) => self.reveal(who, action),
            Action::RegisterModel(action) => self.register_model(who, action, self.height),
            Action::OpenChannel(action) => self.open_channel(tx, action),
            Action::CloseChannel(action) => self.close_channel(who, action),
            Action::TopUpChannel(action) => self.top_up(who, action),
            Action::SettleEpoch(action) => self.settle(who, action),
            Action::AttestStatement(action) => self.attest_statement(who, action),
            Action::RegisterAgent(action) => self.register_agent(who, action),
            Action::UpdateAgent(action) => self.update_agent(who, action),
            Action::RetireAgent(action) => self.retire_agent(who, action),
            Action::RateSeller(action) => self.rate(who, action),
            Action::Claim(action) => self.claim(action),
            Action::Revoke(action) => self.revoke(who, action),
            Action::ChallengeEpoch(action) => self.challenge(who, action),
            Action::ChallengeVerdict(action) => self.challenge_verdict(who, action),
            Action::CommitFinding(action) => self.commit_finding(who, action),
            Action::RevealFinding(action) => self.reveal_finding(who, action),
            Action::ProveForgery(action) => self.prove_forgery(who, action),
            Action::CreateValidator(action) => self.create_validator(who, action.key.address(), action.amount),
            Action::Delegate(action) => self.delegate(who, action.validator, action.amount),
            Action::Undelegate(action) => self.undelegate(who, action.validator, action.amount),
            Action::Redelegate(action) => self.redelegate(who, (action.from, action.to), action.amount),
            Action::WithdrawRewards(action) => self.withdraw(&action.validators),
            Action::Unjail(_) => Err("nobody is in jail"),
            Action::SetKeys(action) => self.set_keys(who, action),
            Action::RecoverKeys(action) => self.recover_keys(who, action),
            Action::CancelRecovery(_) => self.cancel_recovery(who),
            Action::GrantKey(action) => self.grant_key(who, action),
            Action::RevokeKey(action) => self.revoke_key(who, action.key),
            Action::SpendTreasury(action) => self.spend(who, action),
            Action::CancelSpend(action) => self.cancel_spend(who, action.spend),
            Action::SetParams(action) => self.set_params(who, &action.changes),
            Action::CancelParams(_) => self.cancel_params(who),
            Action::ResetComponent(_) => ensure(false, "it runs"),
            Action::SubmitProposal(action) => self.submit_proposal(who, action),
            Action::VoteProposal(action) => self.vote_proposal(who, action),
            Action::RetireAuthority(_) => {
                ensure(self.rules.authority == Some(who), "not the authority")?;
                self.retire();
                Ok(())
            }
            Action::IssueShares(action) => self.issue(who, action),
            Action::TransferShares(action) => self.transfer_shares(who, action),
            Action::WithdrawIncome(action) => self.withdraw_income(who, action.asset),
            Action::ClaimIncome(action) => self.claim_income(action),
            Action::PayIncome(action) => self.pay_income(who, action.asset, action.amount),
            Action::CreatePool(action) => self.create_pool(who, action),
            Action::AddLiquidity(action) => self.add_liquidity(who, action),
            Action::RemoveLiquidity(action) => self.remove_liquidity(who, action),
            Action::BuyShares(action) => self.buy_shares(who, action),
            Action::SellShares(action) => self.sell_shares(who, action),
        }
    }

    /// The block ends: nobody known proposes, so the treasury has all fees; then what is due is done, kind by kind.
    pub fn end(&mut self) {
        self.release(Self::fees(), Self::treasury(), self.owned(Self::fees()));
        self.refuse_unstored();
        self.close_rounds();
        self.close_audits();
        self.settle_verdicts();
        self.finalise_epochs();
        self.release_stakes();
        self.release_delegations();
        self.free_moved();
        self.pay_spends();
        self.close_channels();
        self.forget_rounds();
        self.forget_epochs();
        self.forget_channels();
        self.lapse_ratings();
        self.step_proposals();
        self.remember_stakes();
    }
}

/// A user's account.
pub fn user(address: &Address) -> Account {
    Account::User(*address)
}
