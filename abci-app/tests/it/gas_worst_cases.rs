//! What each action takes at its heaviest, in time and in gas: docs/performance.md, "What a unit of gas is". `--nocapture` prints the table:
//!
//! ```sh
//! cargo test -p datanet-ledger --test it gas_worst_cases -- --nocapture
//! ```

mod judging;
mod money;
mod serving;
mod world;

use std::time::Duration;

use bytes::Bytes;
use datanet_ledger::code::{self, Code};
use datanet_types::action::ActionKind;

use judging::Judging;
use money::Money;
use serving::Serving;
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
}

impl Heaviest {
    fn set_up() -> Self {
        let mut world = World::new();
        let money = Money::set_up(&mut world);
        let judging = Judging::set_up(&mut world);
        let serving = Serving::set_up(&mut world);
        // Over the end of the first window, at which who was away is jailed; meanwhile everybody else has proposed and earned.
        world.pass_window();
        Self { world, judging, serving, money }
    }

    /// Every kind has its own.
    fn cases(&self, kind: ActionKind) -> Vec<Case> {
        let Self { world, judging, serving, money } = self;
        match kind {
            ActionKind::Transfer => money.transfer(world),
            ActionKind::RegisterNode => judging.register_node(world),
            ActionKind::CreateDatanet => judging.create_datanet(world),
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
            ActionKind::Claim => serving.claim(world),
            ActionKind::ChallengeEpoch => serving.challenge_epoch(world),
            ActionKind::AuditEpoch => serving.audit_epoch(world),
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

#[test]
fn micro_temp() {
    use datanet_types::{Action, BeaconSecret, beacon::BeaconInput, Digest, sum_tree::{SumNode, root}};
    use datanet_ledger::state::{ChangeLog, StateRead};
    let mut heaviest = Heaviest::set_up();
    let time = |n: u32, f: &mut dyn FnMut(u32)| {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begin = world::Work::begin();
            for k in 0..n { f(k) }
            best = best.min(begin.done() / n);
        }
        best
    };
    let key = world::person(1);
    let sig = key.sign(b"x");
    println!("signature {:?}", time(300, &mut |_| assert!(key.public_key().verify(b"x", &sig).is_ok())));
    println!("point {:?}", time(300, &mut |_| assert!(key.public_key().is_sound())));
    let b = BeaconSecret::from_bytes(&[1; 32]);
    let input = BeaconInput::of_block("t", 1, &Digest([1; 32]));
    let proof = b.prove(&input);
    println!("vrf {:?}", time(300, &mut |_| assert!(b.key().verify(&input, &proof).is_some())));
    let n = SumNode { digest: Digest([1; 32]), sum: 1 };
    println!("hash {:?}", time(3000, &mut |_| assert!(root(&[n, n]).unwrap().sum == 2)));
    let reader = heaviest.world.ledger().reader();
    let keys: Vec<String> = reader.scan("", None, usize::MAX).unwrap().into_iter().map(|(k, _)| k).collect();
    println!("keys {}", keys.len());
    let small: Vec<&String> = keys.iter().filter(|k| k.starts_with("accounts/balance")).collect();
    println!("read {:?}", { let mut best = Duration::MAX; for _ in 0..5 { let log = ChangeLog::new(&reader); let t = world::Work::begin(); for k in 0..3000 { log.get_raw(small[(k * 7919) % small.len()]).unwrap(); } best = best.min(t.done() / 3000); } best });
    for (what, prefix) in [("datanet", "datanets/"), ("model", "models/"), ("", "nodes/"), ("", "settlement/epoch"), ("", "validation/"), ("", "audits/"), ("","authority/")] {
        let of: Vec<&String> = keys.iter().filter(|k| k.starts_with(prefix)).collect();
        let log = ChangeLog::new(&reader);
        let bytes: usize = of.iter().map(|k| reader.get_raw(k).unwrap().unwrap().len()).sum();
        let t = world::Work::begin();
        for k in &of { log.get_raw(k).unwrap(); }
        println!("{what} {prefix}: {} of {} B: {:?} each", of.len(), bytes / of.len().max(1), t.done() / of.len().max(1) as u32);
    }
    println!("scan1 {:?}", { let mut best = Duration::MAX; for _ in 0..5 { let log = ChangeLog::new(&reader); let t = world::Work::begin(); for k in 0..1000 { log.scan(small[(k * 7919) % small.len()], None, 1).unwrap(); } best = best.min(t.done() / 1000); } best });
    println!("scan1000 {:?}", { let mut best = Duration::MAX; for _ in 0..5 { let log = ChangeLog::new(&reader); let t = world::Work::begin(); log.scan("accounts/balance", None, 1000).unwrap(); best = best.min(t.done()); } best });
    let tx = |from: u32, to: u32| heaviest.world.sign(from, Action::Transfer(datanet_types::action::Transfer { to: world::address_of(to), amount: 1 }));
    let mut sets: Vec<(&str, Vec<Bytes>)> = vec![
        ("same", (0..400).map(|_| tx(1000, 2000)).collect()),
        ("fan out", (0..400).map(|n| tx(1000, 2000 + n)).collect()),
        ("distinct", (0..400).map(|n| tx(1000 + n, 2000 + n)).collect()),
        ("distinct 100", (0..100).map(|n| tx(1000 + n, 2000 + n)).collect()),
    ];
    sets.push(("settle", heaviest.serving.settle_epoch(&heaviest.world).remove(0).txs));
    heaviest.world.close();
    let empty = (0..6).map(|_| heaviest.world.measure(&[]).1).min().unwrap();
    println!("empty {empty:?}");
    for (what, txs) in &sets {
        let best = (0..6).map(|_| heaviest.world.measure(txs).1).min().unwrap();
        println!("{what}: {:?} each", (best - empty) / txs.len() as u32);
    }
}
