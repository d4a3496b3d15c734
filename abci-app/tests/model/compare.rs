//! Chain and model say the same: of each thing there is, in the same words.

use std::collections::BTreeMap;
use std::fmt::Debug;

use datanet_ledger::LedgerReader;
use datanet_ledger::component::accounts::{self, Balance};
use datanet_ledger::component::datanets::history;
use datanet_ledger::component::validation::Member;
use datanet_ledger::component::{
    agents, audits, authority, channels, contributions, datanets, governance, nodes, params, pools, ratings,
    settlement, shares, staking, treasury, validation,
};
use datanet_ledger::state::StateRead;
use datanet_types::action::Finding;
use prost::Message;

use super::ledger::Model;
use super::{audits as told_audits, epochs, judging, rounds};

/// What there is, and how it stands.
type Said = BTreeMap<String, String>;

/// All records under a prefix, by what comes behind it.
pub fn records<M: Message + Default>(reader: &LedgerReader, prefix: &str) -> Vec<(String, M)> {
    let all = reader.list::<M>(prefix, None, usize::MAX).unwrap();
    all.into_iter().map(|(key, record)| (key[prefix.len()..].to_owned(), record)).collect()
}

fn say(said: &mut Said, what: String, how: impl Debug) {
    let before = said.insert(what.clone(), format!("{how:?}"));
    assert!(before.is_none(), "{what} is there twice");
}

/// Panics where chain and model differ; tells the model the digests that it does not compute.
pub fn same(model: &mut Model, reader: &LedgerReader) {
    for (id, datanet) in &mut model.judging.datanets {
        let count = history::latest(reader, id).unwrap().count;
        assert_eq!(count, datanet.entries, "entries in the history of {id}");
        while datanet.history.len() as u64 <= count {
            let place = history::at(reader, id, datanet.history.len() as u64).unwrap().expect("it has so many");
            datanet.history.push(place.digest);
        }
    }
    let (mut chain, mut told) = (Said::new(), Said::new());
    chain_money(reader, &mut chain);
    told_money(model, &mut told);
    chain_judging(reader, &mut chain);
    told_judging(model, &mut told);
    chain_serving(reader, &mut chain);
    told_serving(model, &mut told);
    chain_others(reader, &mut chain);
    told_others(model, &mut told);
    chain_market(reader, &mut chain);
    told_market(model, &mut told);
    chain_agents(reader, &mut chain);
    told_agents(model, &mut told);
    if chain == told {
        return;
    }
    let all: std::collections::BTreeSet<&String> = chain.keys().chain(told.keys()).collect();
    for what in all.into_iter().filter(|what| chain.get(*what) != told.get(*what)) {
        println!("{what}:\n  chain {:?}\n  model {:?}", chain.get(what), told.get(what));
    }
    panic!("chain and model differ at height {}", model.height);
}

fn chain_money(reader: &LedgerReader, said: &mut Said) {
    for prefix in [accounts::state_key::balances(), accounts::state_key::modules()] {
        for (account, Balance { amount }) in records(reader, &prefix) {
            say(said, format!("money of {account}"), amount);
        }
    }
}

fn told_money(model: &Model, said: &mut Said) {
    for (account, amount) in &model.money {
        say(said, format!("money of {account}"), amount);
    }
}

fn chain_judging(reader: &LedgerReader, said: &mut Said) {
    for (id, one) in records::<datanets::Datanet>(reader, "datanets/record/") {
        say(said, format!("datanet {id}"), (one.name, one.creator, one.deposit));
    }
    for (place, set) in records::<datanets::HeldOut>(reader, "datanets/holdout/") {
        say(said, format!("held out {place}"), (set.blob, set.size, set.from));
    }
    for (id, one) in records::<datanets::Closed>(reader, "datanets/closed/") {
        say(said, format!("closed {id}"), one.height);
    }
    for (id, one) in records::<contributions::Contribution>(reader, "contributions/record/") {
        let heights =
            (one.verdict_height, one.final_height, one.final_position, one.revoked_height, one.revoked_position);
        let given = (one.bond, one.review_fee, one.attempt, one.refusals, one.submitted_height);
        let judged = (one.status(), one.round, one.attestations, one.scores, one.unavailable, one.unstored);
        let disputed = (one.challenge_until, one.challenged, one.holdout);
        let keepers = contributions::keepers(reader, &one.id).unwrap();
        let kept = keepers.into_iter().filter(|_| one.may_earn()).map(|keeper| keeper.node);
        let kept = (one.store_by, kept.collect::<Vec<_>>());
        say(said, format!("contribution {id}"), (judged, disputed, given, heights, kept));
    }
    for (place, round) in records::<validation::Round>(reader, "validation/round/") {
        let member = |one: &Member| (one.account, one.seats, one.reputation_bps, one.accuracy_bps, one.reward);
        let members: Vec<_> = round.committee.iter().map(member).collect();
        let deadlines = (round.draw_height, round.commit_deadline, round.reveal_deadline);
        say(said, format!("round {place}"), (round.phase(), deadlines, round.committed, round.revealed, members));
    }
    for (id, one) in records::<validation::Challenge>(reader, "validation/challenge/") {
        say(said, format!("challenge {id}"), (one.challenger, one.deposit, one.round, one.outcome()));
    }
    for prefix in ["validation/commitment/", "validation/reveal/"] {
        reader.scan(prefix, None, usize::MAX).unwrap().into_iter().for_each(|(key, _)| say(said, key, ()));
    }
    for (account, one) in records::<nodes::Reputation>(reader, "nodes/reputation/") {
        say(said, format!("reputation of {account}"), (one.bps, one.judged, one.missed));
    }
    for (id, given) in records::<datanet_types::ContributionId>(reader, "contributions/taken_back/") {
        say(said, format!("taken back {id}"), given);
    }
}

fn told_judging(model: &Model, said: &mut Said) {
    use contributions::Status;
    for (id, one) in &model.judging.datanets {
        say(said, format!("datanet {id}"), (&one.name, one.creator, one.deposit));
    }
    let open = model.judging.datanets.iter().map(|(id, datanet)| (id, &datanet.sets));
    for (id, sets) in open.chain(&model.judging.sets_of_closed) {
        for (number, set) in sets.iter().enumerate().skip(1) {
            say(said, format!("held out {id}/{number:010}"), set);
        }
    }
    for (id, height) in &model.judging.closed {
        say(said, format!("closed {id}"), height);
    }
    for (id, one) in &model.judging.given {
        let status = match one.status {
            judging::Status::Storing => Status::Storing,
            judging::Status::Judging => Status::Judging,
            judging::Status::Refused => Status::Refused,
            judging::Status::Final => Status::Final,
            judging::Status::Revoked => Status::Revoked,
        };
        let heights =
            (one.verdict_height, one.final_height, one.final_position, one.revoked_height, one.revoked_position);
        let given = (one.bond, one.review_fee, one.attempt, one.refusals, one.height);
        let judged = (status, one.round, one.kept_by.len(), one.scores, one.unavailable, one.unstored);
        let disputed = (one.challenge_until, one.challenged, one.set);
        let kept = (one.store_by, one.keepers.iter().copied().filter(|_| one.may_earn()).collect::<Vec<_>>());
        say(said, format!("contribution {id}"), (judged, disputed, given, heights, kept));
    }
    for (id, one) in &model.judging.challenges {
        say(said, format!("challenge {id}"), (one.challenger, one.deposit, one.round, one.outcome));
    }
    for ((id, number), round) in &model.judging.rounds {
        let phase = match round.phase {
            rounds::Phase::Draw => validation::Phase::Draw,
            rounds::Phase::Commit => validation::Phase::Commit,
            rounds::Phase::Reveal => validation::Phase::Reveal,
            rounds::Phase::Judged => validation::Phase::Judged,
            rounds::Phase::Unavailable => validation::Phase::Unavailable,
            rounds::Phase::Unjudged => validation::Phase::Unjudged,
        };
        let judge = |one: &rounds::Judge| (one.account, one.seats, one.bps, one.accuracy, one.reward);
        let judges: Vec<_> = round.judges.iter().map(judge).collect();
        let deadlines = (round.draw_height, round.commit_deadline, round.reveal_deadline);
        let counts = (round.committed(), round.revealed());
        say(said, format!("round {id}/{number:010}"), (phase, deadlines, counts.0, counts.1, judges));
        for judge in round.judges.iter().filter(|_| !round.forgotten) {
            let place = format!("{id}/{number:010}/{}", judge.account);
            judge.committed.iter().for_each(|_| say(said, format!("validation/commitment/{place}"), ()));
            judge.revealed.iter().for_each(|_| say(said, format!("validation/reveal/{place}"), ()));
        }
    }
    for (account, one) in &model.nodes.reputations {
        say(said, format!("reputation of {account}"), (one.bps, one.judged, one.missed));
    }
    for ((datanet, plain), given) in &model.judging.taken_back {
        say(said, format!("taken back {datanet}/{plain}"), given);
    }
}

fn chain_serving(reader: &LedgerReader, said: &mut Said) {
    for (id, one) in records::<channels::Channel>(reader, "channels/record/") {
        let times = (one.expires_at, one.ends_at, one.closing_at, one.opened_height, one.closed_height);
        say(
            said,
            format!("channel {id}"),
            (one.payer, one.voucher_key, one.node, one.deposit, one.charged, one.last_epoch, times),
        );
    }
    for (place, epoch) in records::<settlement::Epoch>(reader, "settlement/epoch/") {
        let left = settlement::escrow::open(reader, &epoch.node, epoch.epoch).unwrap().map_or(0, |open| open.left);
        let times = (epoch.height, epoch.final_at, epoch.lapses_at);
        let keepers = settlement::keepers(reader, &epoch.node, epoch.epoch).unwrap();
        let keepers: Vec<_> = keepers.iter().map(|keeper| (keeper.node, keeper.account)).collect();
        let kept = (epoch.quorum, epoch.attest_by, keepers);
        let carries = epoch.carries.map_or(0, |carried| carried.epoch);
        say(said, format!("epoch {place}"), (epoch.status(), epoch.challenges, times, left, kept, carries));
    }
    for (place, audit) in records::<audits::Audit>(reader, "audits/epoch/") {
        let over = !matches!(audit.phase(), audits::Phase::Draw | audits::Phase::Commit | audits::Phase::Reveal);
        let auditors: Vec<_> = audit
            .committee
            .iter()
            .map(|one| (one.account, one.seats, one.commitment, one.said(), one.reward))
            .collect();
        let basics = (audit.challenger, audit.deposit, audit.seats, audit.round);
        let times = (audit.draw_height, audit.commit_deadline, audit.reveal_deadline);
        say(said, format!("audit {place}"), (basics, over, times, auditors));
    }
}

fn told_serving(model: &Model, said: &mut Said) {
    use settlement::Status;
    for (id, one) in &model.serving.channels {
        let times = (one.expires_at, one.ends_at, one.closing_at.unwrap_or(0), one.opened_height, one.closed_height);
        say(
            said,
            format!("channel {id}"),
            (one.payer, one.voucher_key, one.node, one.deposit, one.charged, one.last_epoch, times),
        );
    }
    for ((node, number), epoch) in &model.serving.epochs {
        let status = match epoch.status {
            epochs::Status::Open => Status::Open,
            epochs::Status::Audited => Status::Audited,
            epochs::Status::Final => Status::Final,
            epochs::Status::Void => Status::Void,
        };
        let times = (epoch.height, epoch.final_at, epoch.lapses_at);
        let kept = (epoch.quorum, epoch.attest_by, epoch.keepers.clone());
        let told = (status, epoch.challenges, times, epoch.left, kept, epoch.carries);
        say(said, format!("epoch {node}/{number:020}"), told);
    }
    for ((node, number), audit) in &model.serving.audits {
        let over = audit.phase == told_audits::Phase::Over;
        let said_of = |finding: Option<Finding>| finding.map_or(audits::Said::Nothing, audits::Said::from);
        let auditors: Vec<_> = audit
            .auditors
            .iter()
            .map(|one| (one.account, one.seats, one.committed, said_of(one.said), one.reward))
            .collect();
        let basics = (audit.challenger, audit.deposit, audit.seats, audit.round);
        let times = (audit.draw_height, audit.commit_deadline, audit.reveal_deadline);
        say(said, format!("audit {node}/{number:020}"), (basics, over, times, auditors));
    }
}

fn chain_others(reader: &LedgerReader, said: &mut Said) {
    for (key, node) in records::<nodes::Node>(reader, "nodes/record/") {
        let fined = nodes::fined(reader, &node.account).unwrap();
        say(said, format!("node {key}"), (node.account, node.roles, node.stake, fined));
    }
    say(said, "nodes that keep".to_owned(), nodes::keepers(reader).unwrap());
    for (place, held) in records::<staking::Delegation>(reader, "staking/delegation/") {
        say(said, format!("stake {place}"), (held.shares, held.moved));
    }
    for (validator, record) in records::<staking::Validator>(reader, "staking/validator/") {
        say(said, format!("validator {validator}"), record.operator);
    }
    for spend in treasury::spends(reader).unwrap() {
        say(said, format!("spend {}", spend.number), (spend.to, spend.amount, spend.due));
    }
    for one in governance::list(reader, None, usize::MAX).unwrap() {
        let times = (one.height, one.mark, one.ends, one.due, one.extended);
        let tally = one.tally.map(|tally| [tally.abstain, tally.yes, tally.no, tally.veto, tally.bonded]);
        let what = (one.proposer, one.deposit, one.proposed.clone(), one.status(), tally);
        say(said, format!("proposal {}", one.number), (times, what));
    }
    for (place, vote) in records::<governance::Vote>(reader, "governance/vote/") {
        let (number, voter) = place.split_once('/').expect("a number and an account");
        say(said, format!("vote of {voter} on {}", number.parse::<u64>().unwrap()), (vote.own(), vote.for_others()));
    }
    let planned = governance::upgrade::planned(reader).unwrap().map(|planned| (planned.version, planned.height));
    say(said, "upgrade".to_owned(), planned);
    say(said, "authority".to_owned(), treasury::authority(reader).unwrap());
    let announced = params::versions::scheduled(reader).unwrap().map(|next| (next.due, next.params));
    let present = params::versions::present(reader).unwrap();
    let kept: Vec<u64> = params::versions::all(reader).unwrap().iter().map(|version| version.number).collect();
    say(said, "params".to_owned(), (present.number, present.params, announced, kept));
    let now = reader.block_seconds();
    for (account, _) in records::<authority::Keys>(reader, "authority/keys/") {
        let keys = authority::keys(reader, &account.parse().unwrap(), now).unwrap().expect("it is there");
        let next = keys.pending.map(|next| (next.owners, next.threshold, next.due));
        let guardian = keys.recovery.map(|recovery| (recovery.guardian, recovery.seconds));
        let hands = (keys.governor, keys.version);
        match keys.governor {
            None => {
                say(said, format!("owners of {account}"), (keys.version, keys.owners, keys.threshold, guardian, next))
            }
            Some(_) => say(said, format!("hands of {account}"), hands),
        }
    }
    for (place, grant) in records::<authority::Grant>(reader, "authority/grant/") {
        say(said, format!("grant {place}"), (grant.budget, grant.expires, grant.period, grant.spent));
    }
}

fn chain_agents(reader: &LedgerReader, said: &mut Said) {
    for (id, one) in records::<agents::Agent>(reader, "agents/record/") {
        say(said, format!("agent {id}"), (one.owner, one.account, one.name, one.registered_height, one.retired_height));
    }
    for (place, one) in records::<agents::Release>(reader, "agents/release/") {
        say(said, format!("release {place}"), one);
    }
    for (account, one) in records::<authority::Allowance>(reader, "authority/purse/") {
        say(said, format!("purse {account}"), (one.budget, one.period_seconds, one.since, one.period, one.spent));
    }
    for (account, one) in records::<ratings::Trader>(reader, "ratings/trader/") {
        let partners: Vec<_> = one.partners.iter().map(|one| (one.account, one.paid)).collect();
        let rated = (one.rated, one.own, one.circular, one.counted, one.good, one.ratings);
        say(said, format!("trader {account}"), (one.paid, one.earned, partners, rated));
    }
    for (place, one) in records::<ratings::Rights>(reader, "ratings/open/") {
        let payers: Vec<_> = one.payers.iter().map(|one| (one.account, one.amount)).collect();
        say(said, format!("to be rated {place}"), (one.seller, payers, one.until));
    }
}

fn told_agents(model: &Model, said: &mut Said) {
    for (id, one) in &model.agents.all {
        say(said, format!("agent {id}"), (one.owner, one.account, &one.name, one.height, one.retired));
        for number in 0..one.releases.len() {
            say(said, format!("release {id}/{number:010}"), model.release_record(id, number));
        }
    }
    for (account, (owner, ended)) in &model.agents.hands {
        say(said, format!("hands of {account}"), (Some(owner), ended));
    }
    for (account, one) in &model.agents.purses {
        let (period, spent) = one.spent;
        say(said, format!("purse {account}"), (one.budget, one.period_seconds, one.since, period, spent));
    }
    for who in model.ratings.traders() {
        let paid = model.ratings.paid.iter().filter(|((payer, _), _)| *payer == who);
        let partners: Vec<_> = paid.map(|((_, seller), amount)| (*seller, *amount)).collect();
        let one = model.ratings.rated.get(&who).copied().unwrap_or_default();
        let rated = (one.all, one.own, one.circular, one.counted, one.good, one.times);
        let sums = (model.ratings.spent(&who), model.ratings.earned(&who));
        say(said, format!("trader {who}"), (sums.0, sums.1, partners, rated));
    }
    for ((node, number), one) in &model.ratings.rights {
        let payers: Vec<_> = one.payers.iter().map(|(who, amount)| (*who, *amount)).collect();
        say(said, format!("to be rated {node}/{number:020}"), (one.seller, payers, one.until));
    }
}

fn chain_market(reader: &LedgerReader, said: &mut Said) {
    for one in shares::list(reader, None, usize::MAX).unwrap() {
        let (asset, stream) = (one.asset.expect("what they are of"), one.stream);
        let times = (stream.left, stream.since, stream.until);
        let basics = (one.supply, one.issuer, one.income, one.accumulator.undivided());
        say(said, format!("shares of {asset}"), (basics, times));
        for (holder, held) in shares::holdings(reader, &asset, None, usize::MAX).unwrap() {
            let counted = one.counted(held);
            let earned = (u128::from(counted.owed) << 64) + u128::from(counted.rest());
            say(said, format!("{holder} holds of {asset}"), (held.units, earned, held.deposit));
        }
    }
    for one in pools::list(reader, None, usize::MAX).unwrap() {
        let asset = one.asset.expect("what it is of");
        say(said, format!("pool of {asset}"), (one.shares, one.amount, one.units, one.accumulator.undivided()));
        for (who, held) in pools::positions(reader, &asset, None, usize::MAX).unwrap() {
            let counted = one.counted(held);
            let earned = (u128::from(counted.owed) << 64) + u128::from(counted.rest());
            say(said, format!("{who} provides for {asset}"), (held.units, earned, held.deposit));
        }
    }
}

fn told_market(model: &Model, said: &mut Said) {
    for (asset, one) in &model.market.shares {
        let basics = (one.supply, one.issuer, one.income, one.parts.rest);
        say(said, format!("shares of {asset}"), (basics, (one.left, one.since, one.until)));
        for (holder, part) in &one.parts.of {
            say(said, format!("{holder} holds of {asset}"), (part.units, part.earned, part.deposit));
        }
    }
    for (asset, one) in &model.market.pools {
        say(said, format!("pool of {asset}"), (one.shares, one.amount, one.units, one.parts.rest));
        for (who, part) in &one.parts.of {
            say(said, format!("{who} provides for {asset}"), (part.units, part.earned, part.deposit));
        }
    }
}

fn told_others(model: &Model, said: &mut Said) {
    for (key, node) in &model.nodes.all {
        let fined = model.nodes.fined.get(&node.account).copied().unwrap_or(0);
        say(said, format!("node {key}"), (node.account, node.roles, node.stake, fined));
    }
    say(said, "nodes that keep".to_owned(), model.nodes.all.values().filter(|node| node.keeps).count());
    for ((who, validator), stake) in &model.staking.stakes {
        say(said, format!("stake {who}/{validator}"), (stake.amount, stake.moved));
    }
    for (validator, operator) in &model.staking.operators {
        say(said, format!("validator {validator}"), operator);
    }
    for (number, spend) in &model.treasury.spends {
        say(said, format!("spend {number}"), (spend.to, spend.amount, spend.due));
    }
    for (number, one) in &model.governance.proposals {
        let times = (one.height, one.mark, one.ends, one.due, one.extended);
        let tally = one.tally.map(|tally| [tally.abstain, tally.yes, tally.no, tally.veto, tally.bonded]);
        let what = (one.proposer, one.deposit, Some(one.proposed.clone()), one.status, tally);
        say(said, format!("proposal {number}"), (times, what));
        for (voter, vote) in &one.votes {
            say(said, format!("vote of {voter} on {number}"), vote);
        }
    }
    say(said, "upgrade".to_owned(), model.governance.upgrade);
    say(said, "authority".to_owned(), model.rules.authority);
    let versions = &model.rules.versions;
    let kept: Vec<usize> = (0..versions.len()).filter(|at| !versions[*at].dropped).collect();
    say(said, "params".to_owned(), (versions.len() - 1, model.rules.now(), &model.rules.next, kept));
    for account in model.authority.owners.keys() {
        let owners = model.owners(account).expect("it is there");
        let keys: Vec<_> = owners.keys.into_iter().collect();
        let next = owners.next.map(|(keys, threshold, due)| (keys.into_iter().collect::<Vec<_>>(), threshold, due));
        say(said, format!("owners of {account}"), (owners.version, keys, owners.threshold, owners.guardian, next));
    }
    for ((account, key), grant) in &model.authority.grants {
        say(said, format!("grant {account}/{key}"), (grant.budget, grant.expires, grant.spent.0, grant.spent.1));
    }
}
