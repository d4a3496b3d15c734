//! What each action takes at its heaviest, in time and in gas: docs/performance.md, "What a unit of gas is". `--nocapture` prints the table:
//!
//! ```sh
//! cargo test -p datanet-ledger --test it gas_worst_cases -- --nocapture
//! ```

mod agents;
mod judging;
mod market;
mod money;
mod serving;
mod votes;
mod world;

use std::time::Duration;

use bytes::Bytes;
use datanet_ledger::code::{self, Code};
use datanet_types::action::ActionKind;

use agents::Agents;
use judging::Judging;
use market::Market;
use money::Money;
use serving::Serving;
use votes::Votes;
use world::World;

/// How much longer than a transfer an action may take for its gas. Below are what gas leaves out on purpose (what is in memory already
/// costs what the disk costs), what moves with the machine (a signature there is worth more reads than here), and the noise of a machine
/// that does other things too. Above it somebody could fill a block with what takes much longer than its gas says.
const MOST: f64 = 3.0;
/// The shortest of so many runs counts: whatever else the machine does makes it longer.
const RUNS: usize = 3;

/// Transactions that are as heavy as those of their kind can be.
pub struct Case {
    what: &'static str,
    txs: Vec<Bytes>,
    /// What becomes of all of them.
    code: Code,
}

impl Case {
    fn done(what: &'static str, txs: Vec<Bytes>) -> Self {
        Self { what, txs, code: code::OK }
    }

    fn refused(what: &'static str, txs: Vec<Bytes>, code: Code) -> Self {
        Self { what, txs, code }
    }
}

struct Heaviest {
    world: World,
    judging: Judging,
    serving: Serving,
    money: Money,
    votes: Votes,
    market: Market,
    agents: Agents,
}

impl Heaviest {
    fn set_up() -> Self {
        let mut world = World::new();
        let money = Money::set_up(&mut world);
        let judging = Judging::set_up(&mut world);
        let serving = Serving::set_up(&mut world);
        let votes = Votes::set_up(&mut world);
        let market = Market::set_up(&mut world);
        let agents = Agents::set_up(&mut world);
        // Over the end of the first window, at which who was away is jailed; meanwhile everybody else has proposed and earned.
        world.pass_window();
        Self { world, judging, serving, money, votes, market, agents }
    }

    /// Every kind has its own.
    fn cases(&self, kind: ActionKind) -> Vec<Case> {
        let Self { world, judging, serving, money, votes, market, agents } = self;
        match kind {
            ActionKind::Transfer => money.transfer(world),
            ActionKind::RegisterNode => judging.register_node(world),
            ActionKind::CreateDatanet => judging.create_datanet(world),
            ActionKind::CloseDatanet => judging.close_datanet(world),
            ActionKind::RotateHoldout => judging.rotate_holdout(world),
            ActionKind::Contribute => judging.contribute(world),
            ActionKind::AttestStorage => judging.attest_storage(world),
            ActionKind::CommitScores => judging.commit_scores(world),
            ActionKind::RevealScores => judging.reveal_scores(world),
            ActionKind::RegisterModel => judging.register_model(world),
            ActionKind::Revoke => judging.revoke(world),
            ActionKind::OpenChannel => serving.open_channel(world),
            ActionKind::TopUpChannel => serving.top_up_channel(world),
            ActionKind::CloseChannel => serving.close_channel(world),
            ActionKind::SettleEpoch => serving.settle_epoch(world),
            ActionKind::AttestStatement => serving.attest_statement(world),
            ActionKind::Claim => serving.claim(world),
            ActionKind::ChallengeEpoch => serving.challenge_epoch(world),
            ActionKind::ChallengeVerdict => judging.challenge_verdict(world),
            ActionKind::CommitFinding => serving.commit_finding(world),
            ActionKind::RevealFinding => serving.reveal_finding(world),
            ActionKind::ProveForgery => serving.prove_forgery(world),
            ActionKind::CreateValidator => money.create_validator(world),
            ActionKind::Delegate => money.delegate(world),
            ActionKind::Undelegate => money.undelegate(world),
            ActionKind::Redelegate => money.redelegate(world),
            ActionKind::WithdrawRewards => money.withdraw_rewards(world),
            ActionKind::Unjail => money.unjail(world),
            ActionKind::SetKeys => money.set_keys_case(world),
            ActionKind::RecoverKeys => money.recover_keys(world),
            ActionKind::CancelRecovery => money.cancel_recovery(world),
            ActionKind::GrantKey => money.grant_key(world),
            ActionKind::RevokeKey => money.revoke_key(world),
            ActionKind::SpendTreasury => money.spend_treasury(world),
            ActionKind::CancelSpend => money.cancel_spend(world),
            ActionKind::SetParams => money.set_params(world),
            ActionKind::CancelParams => money.cancel_params(world),
            ActionKind::ResetComponent => money.reset_component(world),
            ActionKind::SubmitProposal => votes.submit_proposal(world),
            ActionKind::VoteProposal => votes.vote_proposal(world),
            ActionKind::RetireAuthority => votes.retire_authority(world),
            ActionKind::IssueShares => market.issue_shares(world),
            ActionKind::TransferShares => market.transfer_shares(world),
            ActionKind::WithdrawIncome => market.withdraw_income(world),
            ActionKind::ClaimIncome => market.claim_income(world, Serving::income()),
            ActionKind::PayIncome => market.pay_income(world),
            ActionKind::CreatePool => market.create_pool(world),
            ActionKind::AddLiquidity => market.add_liquidity(world),
            ActionKind::RemoveLiquidity => market.remove_liquidity(world),
            ActionKind::BuyShares => market.buy_shares(world),
            ActionKind::SellShares => market.sell_shares(world),
            ActionKind::RegisterAgent => agents.register_agent(world),
            ActionKind::UpdateAgent => agents.update_agent(world),
            ActionKind::RetireAgent => agents.retire_agent(world),
            ActionKind::RateSeller => serving.rate_seller(world),
        }
    }
}

/// Gas and time of a transaction of a case, on the average.
struct Measured {
    gas: u64,
    time: Duration,
}

impl Measured {
    /// Nanoseconds for each unit of gas.
    fn rate(&self) -> f64 {
        self.time.as_nanos() as f64 / self.gas as f64
    }
}

/// The shortest of several runs, less what a block takes that is `empty`.
fn measure(world: &World, case: &Case, empty: Duration) -> Measured {
    let count = case.txs.len() as u32;
    let run = || {
        let (outcomes, time) = world.measure(&case.txs);
        let other = outcomes.iter().find(|outcome| outcome.code != case.code);
        assert!(other.is_none(), "{}: {other:?}", case.what);
        (outcomes.iter().map(|outcome| outcome.gas_used).sum::<u64>(), time)
    };
    let runs: Vec<_> = (0..RUNS).map(|_| run()).collect();
    let (gas, time) = runs.into_iter().min_by_key(|(_, time)| *time).unwrap();
    Measured { gas: gas / u64::from(count), time: time.saturating_sub(empty) / count }
}

#[test]
fn no_action_takes_much_longer_for_its_gas_than_a_transfer() {
    let mut heaviest = Heaviest::set_up();
    let cases: Vec<(ActionKind, Vec<Case>)> =
        ActionKind::ALL.iter().map(|kind| (*kind, heaviest.cases(*kind))).collect();
    let plain = heaviest.money.plain(&heaviest.world);
    heaviest.world.close();
    let world = &heaviest.world;
    let empty = (0..2 * RUNS).map(|_| world.measure(&[]).1).min().unwrap();
    let transfer = measure(world, &plain, empty).rate();
    println!("an empty block takes {empty:?}, a transfer {transfer:.2} ns for a unit of gas");
    println!("| action | at its heaviest | gas | µs | ns a unit | to a transfer |\n|---|---|---|---|---|---|");
    let mut slow = Vec::new();
    for (kind, cases) in &cases {
        assert!(!cases.is_empty());
        for case in cases {
            let mut one = measure(world, case, empty);
            if one.rate() > MOST * transfer {
                // A machine that did something else meanwhile has another chance.
                let again = measure(world, case, empty);
                one.time = one.time.min(again.time);
            }
            let (name, what, micros, ratio) = (kind.name(), case.what, one.time.as_micros(), one.rate() / transfer);
            println!("| `{name}` | {what} | {} | {micros} | {:.2} | {ratio:.2} |", one.gas, one.rate());
            if ratio > MOST {
                slow.push(format!("{name} ({what}): {ratio:.1}"));
            }
        }
    }
    assert!(slow.is_empty(), "these take more than {MOST} times as long for their gas as a transfer: {slow:?}");
}
