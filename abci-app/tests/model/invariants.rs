//! What holds of the state itself, whatever led to it: money is where records say that it is, and each index names what is there and
//! nothing else. No model is asked.

use std::collections::{BTreeMap, BTreeSet};

use datanet_ledger::LedgerReader;
use datanet_ledger::component::accounts::{self, Balance, state_key as money_key};
use datanet_ledger::component::contributions::{
    self, Attestation, Contribution, Keeper, Status, bond_account, review_account, state_key as given_key,
};
use datanet_ledger::component::datanets::{self, Datanet};
use datanet_ledger::component::nodes::{Node, Unbonding, stake_account, unbonding_account};
use datanet_ledger::component::settlement::{self, Epoch, Status as EpochStatus, bond, escrow};
use datanet_ledger::component::validation::{self, Phase, Round};
use datanet_ledger::component::{
    agents, audits, channels, governance, nodes, params, pools, ratings, shares, staking, treasury,
};
use datanet_ledger::state::StateRead;
use datanet_types::action::{Choice, role};
use datanet_types::{Amount, ChannelId, ContributionId, DatanetId, ModuleAddress, NodeKey};
use prost::Message;

use super::compare::records;

/// Everything that indices are about.
struct Records {
    given: Vec<Contribution>,
    rounds: Vec<(String, Round)>,
    channels: Vec<channels::Channel>,
    epochs: Vec<Epoch>,
    audits: Vec<audits::Audit>,
    nodes: Vec<Node>,
    datanets: Vec<Datanet>,
}

/// Panics where something does not hold.
pub fn hold(reader: &LedgerReader) {
    fn all<M: Message + Default>(reader: &LedgerReader, prefix: &str) -> Vec<M> {
        records(reader, prefix).into_iter().map(|(_, record)| record).collect()
    }
    let records = Records {
        given: all(reader, "contributions/record/"),
        rounds: records(reader, "validation/round/"),
        channels: all(reader, "channels/record/"),
        epochs: all(reader, "settlement/epoch/"),
        audits: all(reader, "audits/epoch/"),
        nodes: all(reader, "nodes/record/"),
        datanets: all(reader, "datanets/record/"),
    };
    assert_eq!(keys(reader, "breaker/"), BTreeSet::new(), "nothing has tripped");
    money(reader, &records);
    agenda(reader, &records);
    judging(reader, &records);
    serving(reader, &records);
    stakes(reader, &records);
    votes(reader);
    of_agents(reader);
}

fn keys(reader: &LedgerReader, prefix: &str) -> BTreeSet<String> {
    reader.scan(prefix, None, usize::MAX).unwrap().into_iter().map(|(key, _)| key).collect()
}

/// What lies under `prefix` is exactly what records say, with the value that each key stands for.
fn index<V: Message>(reader: &LedgerReader, prefix: &str, wanted: impl IntoIterator<Item = (String, V)>) {
    let found: BTreeMap<String, Vec<u8>> = reader.scan(prefix, None, usize::MAX).unwrap().into_iter().collect();
    let wanted: BTreeMap<String, Vec<u8>> =
        wanted.into_iter().map(|(key, value)| (key, value.encode_to_vec())).collect();
    let (there, wanted_keys): (Vec<_>, Vec<_>) = (found.keys().collect(), wanted.keys().collect());
    assert_eq!(there, wanted_keys, "under {prefix}");
    assert!(found == wanted, "values under {prefix}");
}

/// The supply, and each class of it: what is bonded, on its way home and in escrow follows from records; what is left in modules is the
/// treasury's.
fn money(reader: &LedgerReader, records: &Records) {
    let supply = u128::from(accounts::supply(reader).unwrap());
    assert_eq!(accounts::count_supply(reader).unwrap(), supply, "what there is, and what was made");
    let mut owed: BTreeMap<ModuleAddress, Amount> = BTreeMap::new();
    let mut owe = |account: ModuleAddress, amount: Amount| *owed.entry(account).or_default() += amount;
    for given in &records.given {
        let held = given.is_before_judges() || given.is_disputable();
        owe(bond_account(&given.id), if held { given.bond } else { 0 });
        owe(review_account(&given.id), if held { given.review_fee } else { 0 });
        let challenge = validation::challenge(reader, &given.id).unwrap().filter(|_| given.challenged);
        owe(validation::challenge_account(&given.id), challenge.map_or(0, |challenge| challenge.deposit));
    }
    records.datanets.iter().for_each(|one| owe(datanets::deposit_account(&one.id), one.deposit));
    records.nodes.iter().for_each(|node| owe(stake_account(&node.account), node.stake));
    for (_, Unbonding { account, amount }) in self::records::<Unbonding>(reader, "nodes/unbonding/") {
        owe(unbonding_account(&account), amount);
    }
    for channel in records.channels.iter().filter(|channel| channel.is_open()) {
        owe(channels::deposit_account(&channel.id), channel.left());
    }
    for epoch in &records.epochs {
        let left = escrow::open(reader, &epoch.node, epoch.epoch).unwrap().map_or(0, |open| open.left);
        assert!(left <= epoch.totals.claimable(), "more is left of an epoch than could be claimed");
        let held = if is_unpaid(epoch) { epoch.totals.fees } else { left };
        owe(escrow::account(&epoch.node, epoch.epoch), held);
        let fee = params::at(reader, epoch.height).unwrap().statement_fee;
        let put_up = if is_unpaid(epoch) { fee * u64::from(epoch.quorum) } else { 0 };
        owe(settlement::keeping::fees_account(&epoch.node, epoch.epoch), put_up);
    }
    for audit in records.audits.iter().filter(|audit| audit.due != 0) {
        owe(audits::deposit_account(&audit.node, audit.epoch), audit.deposit);
    }
    for validator in staking::list(reader, None, usize::MAX).unwrap() {
        owe(staking::bonded_account(&validator.address()), validator.tokens);
    }
    for person in accounts::list(reader, None, usize::MAX).unwrap() {
        for leaving in staking::unbonding(reader, &person.0, usize::MAX).unwrap() {
            let batch = [leaving.validator.0.as_slice(), &leaving.arrives.to_le_bytes()];
            owe(ModuleAddress::of("leaving", &batch), leaving.amount);
        }
    }
    for one in governance::list(reader, None, usize::MAX).unwrap() {
        let held = if one.status() == governance::Status::Voting { one.deposit } else { 0 };
        owe(governance::deposit_account(one.number), held);
    }
    market(reader, &mut owe);
    treasury::spends(reader).unwrap().iter().for_each(|one| owe(treasury::spend_account(one.number), one.amount));
    owe(accounts::treasury(), accounts::balance(reader, accounts::treasury()).unwrap());
    owed.retain(|_, amount| *amount > 0);
    let wanted = owed.iter().map(|(account, amount)| (money_key::balance(account), Balance { amount: *amount }));
    index(reader, &money_key::modules(), wanted);
}

/// There are as many shares as were issued, and units as their pool counts; their accounts hold what is owed and what is still to be divided, to
/// the last part of a base unit; a pool holds what its record says.
fn market(reader: &LedgerReader, owe: &mut impl FnMut(ModuleAddress, Amount)) {
    let parts = |held: &shares::Holding| (u128::from(held.owed) << 64) + u128::from(held.rest());
    let whole = |sum: u128| {
        assert_eq!(sum as u64, 0, "a part of a base unit is lost");
        (sum >> 64) as Amount
    };
    for one in shares::list(reader, None, usize::MAX).unwrap() {
        let asset = one.asset.expect("what they are of");
        let all = shares::holdings(reader, &asset, None, usize::MAX).unwrap();
        assert_eq!(all.iter().map(|(_, held)| held.units).sum::<u64>(), one.supply, "shares of {asset}");
        let divided: u128 = all.iter().map(|(_, held)| parts(&one.counted(*held))).sum();
        let income = divided + one.accumulator.undivided() + (u128::from(one.stream.left) << 64);
        owe(asset.income_account(), whole(income));
        owe(shares::deposit_account(&asset), all.iter().map(|(_, held)| held.deposit).sum());
        let (mut of, mut wanted) = (BTreeSet::new(), BTreeSet::new());
        for (who, _) in &all {
            of.extend(
                shares::of_holder(reader, who, None, usize::MAX).unwrap().into_iter().filter(|one| *one == asset),
            );
            wanted.insert(asset);
        }
        assert_eq!(of, wanted, "who holds shares is listed");
    }
    for one in pools::list(reader, None, usize::MAX).unwrap() {
        let asset = one.asset.expect("what it is of");
        let all = pools::positions(reader, &asset, None, usize::MAX).unwrap();
        assert_eq!(all.iter().map(|(_, held)| held.units).sum::<u64>(), one.owned(), "units of the pool of {asset}");
        let divided: u128 = all.iter().map(|(_, held)| parts(&one.counted(*held))).sum();
        owe(pools::income_account(&asset), whole(divided + one.accumulator.undivided()));
        owe(shares::deposit_account(&asset), all.iter().map(|(_, held)| held.deposit).sum());
        owe(pools::account(&asset), one.amount);
        assert_eq!(shares::holding(reader, &asset, pools::account(&asset)).unwrap().units, one.shares);
        let product = u128::from(one.shares) * u128::from(one.amount);
        assert!(product.isqrt() >= u128::from(one.units), "a unit stands for less than when the pool was opened");
    }
    let holders = keys(reader, "shares/holding/").len();
    assert_eq!(keys(reader, "derived/shares/of/").len(), holders, "and nobody else");
}

fn is_unpaid(epoch: &Epoch) -> bool {
    matches!(epoch.status(), EpochStatus::Open | EpochStatus::Audited)
}

/// Everything that waits is on the agenda once, at its time, and nothing else is.
fn agenda(reader: &LedgerReader, records: &Records) {
    let now = reader.block_seconds();
    let mut due: BTreeSet<String> = BTreeSet::new();
    let mut at = |kind: &str, when: u64, what: &dyn std::fmt::Display| {
        assert!(due.insert(format!("derived/agenda/{kind}/{when:020}/{what}")), "{kind} of {what} twice");
    };
    for (_, round) in records.rounds.iter().filter(|(_, round)| round.due != 0) {
        let kind = if round.phase() == Phase::Draw { "draw-round" } else { "close-round" };
        at(kind, round.due, &round.contribution);
    }
    for given in records.given.iter().filter(|given| given.status() == Status::Storing) {
        at("refuse-unstored", given.store_by, &given.id);
    }
    for given in records.given.iter().filter(|given| given.challenge_until != 0) {
        at("settle-verdict", given.challenge_until, &given.id);
    }
    for audit in records.audits.iter().filter(|audit| audit.due != 0) {
        let kind = if audit.phase() == audits::Phase::Draw { "draw-audit" } else { "close-audit" };
        at(kind, audit.due, &format!("{}/{:020}", audit.node, audit.epoch));
    }
    for epoch in &records.epochs {
        let place = format!("{}/{:020}", epoch.node, epoch.epoch);
        match epoch.status() {
            EpochStatus::Open if epoch.is_kept() => at("finalise-epoch", epoch.final_at, &place),
            EpochStatus::Open => at("finalise-epoch", epoch.attest_by, &place),
            EpochStatus::Final | EpochStatus::Void if epoch.lapses_at > now => {
                at("forget-epoch", epoch.lapses_at, &place)
            }
            EpochStatus::Audited | EpochStatus::Final | EpochStatus::Void => {}
        }
    }
    for channel in records.channels.iter().filter(|channel| channel.is_open()) {
        at("close-channel", channel.ends_at, &channel.id);
        if channel.is_closing() && channel.closing_at != channel.ends_at {
            at("close-channel", channel.closing_at, &channel.id);
        }
    }
    for key in keys(reader, "nodes/unbonding/") {
        let [account, when] = parts(&key, "nodes/unbonding/");
        at("release-stake", when.parse().unwrap(), &account);
    }
    for key in keys(reader, "staking/unbonding/") {
        let [delegator, when, validator] = parts(&key, "staking/unbonding/");
        at("release-delegation", when.parse().unwrap(), &format!("{validator}/{delegator}"));
    }
    for key in keys(reader, "staking/moved/") {
        let [from, when, delegator, to] = parts(&key, "staking/moved/");
        at("free-moved", when.parse().unwrap(), &format!("{from}/{delegator}/{to}"));
    }
    for spend in treasury::spends(reader).unwrap() {
        at("pay-spend", spend.due, &format!("{:020}", spend.number));
    }
    for (account, trader) in self::records::<ratings::Trader>(reader, "ratings/trader/") {
        let halvings = trader.halvings + ratings::LAPSE_HALVINGS;
        at("forget-trader", halvings * ratings::HALVING_SECONDS, &account);
    }
    for (place, rights) in self::records::<ratings::Rights>(reader, "ratings/open/") {
        assert!(!rights.payers.is_empty(), "nobody may rate {place}");
        at("lapse-ratings", rights.until, &place);
    }
    for one in governance::list(reader, None, usize::MAX).unwrap() {
        at("proposal", one.due, &format!("{:020}", one.number));
    }
    let lapsing = |key: &String| key.contains("/forget-round/") || key.contains("/forget-channel/");
    let (lapsing, others): (Vec<String>, Vec<String>) = keys(reader, "derived/agenda/").into_iter().partition(lapsing);
    assert_eq!(others.into_iter().collect::<BTreeSet<_>>(), due, "what is due");
    forgetting(reader, records, &lapsing);
}

fn parts<const N: usize>(key: &str, prefix: &str) -> [String; N] {
    let parts: Vec<String> = key[prefix.len()..].split('/').map(str::to_owned).collect();
    parts.try_into().expect("so many parts")
}

/// When a round or a channel lapses stands on the agenda alone: it is there as long as there is something to forget.
fn forgetting(reader: &LedgerReader, records: &Records, lapsing: &[String]) {
    let named = |kind: &str| -> Vec<String> {
        let of = lapsing.iter().filter(|key| key.contains(kind));
        of.map(|key| key.rsplit('/').next().expect("a last part").to_owned()).collect()
    };
    let closed = records.channels.iter().filter(|channel| !channel.is_open()).map(|channel| channel.id.to_string());
    let (mut channels, wanted) = (named("/forget-channel/"), closed.collect::<Vec<_>>());
    channels.sort_unstable();
    assert_eq!(channels, wanted, "closed channels are forgotten once each");
    let rounds: BTreeSet<String> = named("/forget-round/").into_iter().collect();
    for given in &records.given {
        let over = given.verdict_height > 0 && !given.is_disputable();
        let name = given.id.to_string();
        assert!(over || !rounds.contains(&name), "{name} is judged, and forgotten");
        let reveals = format!("validation/reveal/{name}/");
        let commitments = format!("validation/commitment/{name}/");
        let something = !keys(reader, &reveals).is_empty() || !keys(reader, &commitments).is_empty();
        assert!(!over || !something || rounds.contains(&name), "what led to the verdict on {name} is never forgotten");
        let kept = keys(reader, &given_key::attestations(&given.id));
        let is_open = given.is_wanted() || given.is_disputable();
        assert!(is_open || kept.is_empty() || rounds.contains(&name), "who kept {name} is never forgotten");
        assert!(!given.is_wanted() || kept.len() as u64 == u64::from(given.attestations), "attestations of {name}");
    }
}

fn judging(reader: &LedgerReader, records: &Records) {
    let given = &records.given;
    let of = |wanted: fn(&Contribution) -> bool| given.iter().filter(move |given| wanted(given));
    let open = of(Contribution::is_open).map(|one| (given_key::open(one.submitted_height, &one.id), one.id));
    index(reader, &given_key::all_open(), open);
    let all = given.iter().map(|one| (given_key::in_datanet(&one.datanet, one.seq), one.id));
    index(reader, "derived/contributions/in_datanet/", all);
    let is_final = of(|one| one.status() == Status::Final);
    let finals = is_final.map(|one| (given_key::final_in(&one.datanet, one.final_height, one.seq), one.id));
    index(reader, "derived/contributions/final/", finals);
    let revoked = of(|one| one.revoked_position > 0);
    let revoked = revoked.map(|one| (given_key::revoked_in(&one.datanet, one.revoked_position), one.id));
    index(reader, "derived/contributions/revoked/", revoked);
    for one in given.iter().filter(|one| one.is_open()) {
        let round = validation::current_round(reader, one).unwrap();
        let waits = round.is_some_and(|round| round.due != 0);
        assert_eq!(one.status() == Status::Judging, waits, "{}: judged, and waiting", one.id);
    }
    keepers(reader, records);
    for one in given.iter().filter(|one| one.challenged) {
        let round = validation::judging_round(reader, one).unwrap().expect("a round of what is challenged");
        assert!(round.due != 0 && one.challenge_until == 0, "{}: challenged, and waiting", one.id);
    }
    for (_, round) in &records.rounds {
        let of =
            |kind: &str| keys(reader, &format!("validation/{kind}/{}/{:010}/", round.contribution, round.number)).len();
        let counts = (of("commitment") as u32, of("reveal") as u32);
        assert!(counts == (round.committed, round.revealed) || (counts == (0, 0) && round.due == 0), "{round:?}");
    }
    for datanet in &records.datanets {
        counts(reader, &datanet.id, given);
    }
    let names = records.datanets.iter().map(|one| (datanets::state_key::by_name(&one.name), one.id));
    index(reader, "derived/datanets/by_name/", names);
}

/// Those who had a contribution judged are named by their place, as long as their words are there.
fn keepers(reader: &LedgerReader, records: &Records) {
    let quorum = |given: &Contribution| {
        let datanet = records.datanets.iter().find(|datanet| datanet.id == given.datanet);
        // A datanet that is closed had nothing that earns; what is told of it is as many as are named.
        let named = || contributions::keepers(reader, &given.id).unwrap().len() as u32;
        datanet.map_or_else(named, |datanet| datanet.storage_quorum)
    };
    let account = |key: &NodeKey| records.nodes.iter().find(|node| node.node == *key).expect("its node").account;
    let all = records.given.iter().flat_map(|given| {
        let words = contributions::attestations(reader, &given.id, None, usize::MAX).unwrap();
        let first = words.into_iter().filter(|word| word.place < quorum(given));
        let mut named: Vec<(u32, NodeKey)> = first.map(|Attestation { node, place, .. }| (place, node)).collect();
        if given.final_height > 0 {
            // They have earned by it, whatever became of their words.
            let there = contributions::keepers(reader, &given.id).unwrap();
            assert_eq!(there.len() as u64, u64::from(quorum(given)), "keepers of {}", given.id);
            named = (0..).zip(there.iter().map(|keeper| keeper.node)).collect();
        }
        named
            .into_iter()
            .map(|(place, node)| (given_key::keeper(&given.id, place), Keeper { node, account: account(&node) }))
            .collect::<Vec<_>>()
    });
    index(reader, "derived/contributions/keeper/", all);
}

fn counts(reader: &LedgerReader, datanet: &DatanetId, given: &[Contribution]) {
    let of = |wanted: &dyn Fn(&Contribution) -> bool| -> Vec<&Contribution> {
        given.iter().filter(|given| given.datanet == *datanet && wanted(given)).collect()
    };
    let (counts, finals) = (datanets::counts(reader, datanet).unwrap(), of(&|one| one.status() == Status::Final));
    let ended = (of(&|one| one.status() == Status::Refused).len(), of(&|one| one.status() == Status::Revoked).len());
    let sums = (finals.iter().map(|one| one.records).sum::<u64>(), finals.iter().map(|one| one.size).sum::<u64>());
    assert_eq!((counts.contributions, counts.final_contributions), (of(&|_| true).len() as u64, finals.len() as u64));
    assert_eq!((counts.refused, counts.revoked), (ended.0 as u64, ended.1 as u64));
    assert_eq!(counts.disputable, of(&|one| one.is_disputable()).len() as u64);
    assert_eq!((counts.records, counts.bytes), sums);
    let members = datanets::history::members(reader, datanet, counts.history).unwrap().expect("its own history");
    let members: BTreeSet<ContributionId> = members.into_iter().collect();
    assert_eq!(members, finals.iter().map(|one| one.id).collect(), "the history's members are the final ones");
}

fn serving(reader: &LedgerReader, records: &Records) {
    let open = || records.channels.iter().filter(|channel| channel.is_open());
    let by_node = open().map(|one| (channels::state_key::of_node(&one.node, &one.id), one.id));
    index::<ChannelId>(reader, "derived/channels/by_node/", by_node);
    let by_payer = open().map(|one| (channels::state_key::of_payer(&one.payer, &one.id), one.id));
    index::<ChannelId>(reader, "derived/channels/by_payer/", by_payer);
    for channel in &records.channels {
        assert!(channel.charged <= channel.deposit, "more is charged than was there: {channel:?}");
    }
    let unpaid: BTreeSet<(NodeKey, u64)> =
        records.epochs.iter().filter(|one| is_unpaid(one)).map(|one| (one.node, one.epoch)).collect();
    let key = |(node, number): &(NodeKey, u64)| settlement::state_key::payments(node, *number);
    assert_eq!(keys(reader, "settlement/paid/"), unpaid.iter().map(key).collect(), "who paid for what is not final");
    let with_money: BTreeSet<String> = records
        .epochs
        .iter()
        .filter(|one| {
            one.status() == EpochStatus::Final
                && accounts::balance(reader, escrow::account(&one.node, one.epoch)).unwrap() > 0
        })
        .map(|one| settlement::state_key::open(&one.node, one.epoch))
        .collect();
    assert_eq!(keys(reader, "settlement/open/"), with_money, "epochs with money left");
    for key in keys(reader, "settlement/claimed/") {
        let [node, number, _] = parts(&key, "settlement/claimed/");
        assert!(
            with_money.contains(&format!("settlement/open/{node}/{number}")),
            "claims of what is paid whole: {key}"
        );
    }
    let kept = records.epochs.iter().filter(|one| one.attestations > 0);
    let kept = kept.map(|one| settlement::state_key::kept(&one.node, one.epoch)).collect();
    assert_eq!(keys(reader, "settlement/kept/"), kept, "who keeps statements is known as long as their epochs are");
    for epoch in &records.epochs {
        let keepers = settlement::keepers(reader, &epoch.node, epoch.epoch).unwrap();
        assert!(keepers.len() as u32 == epoch.attestations && epoch.attestations <= epoch.quorum, "{epoch:?}");
        assert!(epoch.status() != EpochStatus::Final || epoch.is_kept(), "it is paid and too few keep it: {epoch:?}");
    }
    for (node, number) in &unpaid {
        let paid = settlement::payments(reader, node, *number).unwrap();
        let fees = settlement::epoch(reader, node, *number).unwrap().expect("it is there").totals.fees;
        assert_eq!(paid.iter().map(|one| one.amount).sum::<Amount>(), fees, "all of an epoch was paid by somebody");
    }
    for node in &records.nodes {
        let open = records.epochs.iter().filter(|one| one.node == node.node && is_unpaid(one));
        let (mut fees, mut answers_for) = (0, 0);
        for epoch in open {
            fees += epoch.totals.fees;
            answers_for += bond::of(epoch.totals.fees, &params::at(reader, epoch.height).unwrap());
        }
        assert_eq!(bond::at_risk(reader, &node.node).unwrap(), fees);
        assert_eq!(bond::locked(reader, &node.node).unwrap(), answers_for);
    }
    for audit in &records.audits {
        let epoch = settlement::epoch(reader, &audit.node, audit.epoch).unwrap().expect("an audit's epoch");
        assert_eq!(epoch.status() == EpochStatus::Audited, audit.due != 0, "{epoch:?} and {audit:?}");
    }
}

fn stakes(reader: &LedgerReader, records: &Records) {
    let by_account = records.nodes.iter().map(|node| (nodes::state_key::by_account(&node.account), node.node));
    index(reader, "derived/nodes/by_account/", by_account);
    let judges = keys(reader, "derived/nodes/validator/");
    for node in &records.nodes {
        let named = judges.contains(&nodes::state_key::validator(&node.node));
        assert!(named || !node.has(role::VALIDATOR), "{node:?} judges and is not named");
    }
    let known: BTreeSet<String> = records.nodes.iter().map(|node| nodes::state_key::validator(&node.node)).collect();
    assert!(judges.is_subset(&known), "somebody is named who is not there");
    let mut shares: BTreeMap<_, u64> = BTreeMap::new();
    for (place, held) in self::records::<staking::Delegation>(reader, "staking/delegation/") {
        let validator = place.split('/').nth(1).expect("delegator and validator").to_owned();
        *shares.entry(validator).or_default() += held.shares;
        assert!(held.moved <= held.shares && held.shares > 0, "{place}");
    }
    let validators = staking::list(reader, None, usize::MAX).unwrap();
    let wanted = validators.iter().filter(|one| one.shares > 0).map(|one| (one.address().to_string(), one.shares));
    assert_eq!(shares, wanted.collect(), "shares of each validator");
    let operators = validators.iter().map(|one| (staking::state_key::of_operator(&one.operator), one.address()));
    index(reader, "derived/staking/operator/", operators);
}

/// Agents are found by account, and by owner as long as they run; sub-keys have spent no more than what they have together.
fn of_agents(reader: &LedgerReader) {
    let all = agents::list(reader, None, usize::MAX).unwrap();
    let by_account = all.iter().map(|one| (agents::state_key::by_account(&one.account), one.id));
    index(reader, "derived/agents/account/", by_account);
    let active = all.iter().filter(|one| one.is_active());
    index(reader, "derived/agents/of/", active.map(|one| (agents::state_key::of(&one.owner, &one.id), one.id)));
    for agent in &all {
        assert_eq!(agents::of_account(reader, &agent.account).unwrap().as_ref(), Some(agent));
        let purse = datanet_ledger::component::authority::purse(reader, &agent.account).unwrap().expect("it has one");
        assert!(purse.spent <= purse.budget, "over budget: {purse:?}");
        let release = agents::release(reader, &agent.id, agent.release).unwrap().expect("its latest");
        assert!(release.payees.iter().map(|one| u64::from(one.ppm)).sum::<u64>() <= 1_000_000, "{release:?}");
        assert!(agents::release(reader, &agent.id, agent.release + 1).unwrap().is_none());
    }
    for (who, one) in ratings::traders(reader, None, usize::MAX, reader.block_seconds()).unwrap() {
        assert!(one.good <= one.counted && one.own + one.circular + one.counted == one.rated, "{who}: {one:?}");
    }
}

/// The stake that votes, counted one by one: the ledger counts it as it moves.
fn votes(reader: &LedgerReader) {
    let live =
        |one: &governance::Proposal| matches!(one.status(), governance::Status::Voting | governance::Status::Passed);
    let all = governance::list(reader, None, usize::MAX).unwrap();
    let numbers: Vec<u64> = all.iter().filter(|one| live(one)).map(|one| one.number).collect();
    assert_eq!(governance::live(reader).unwrap(), numbers, "what stake counts for");
    let stakes = self::records::<staking::Delegation>(reader, "staking/delegation/");
    for number in numbers {
        let mut wanted: BTreeMap<String, [u64; 4]> = BTreeMap::new();
        for (place, held) in &stakes {
            let (delegator, validator) = place.split_once('/').expect("delegator and validator");
            if let Some(vote) = governance::vote(reader, number, &delegator.parse().unwrap()).unwrap() {
                wanted.entry(validator.to_owned()).or_default()[vote.own() as usize] += held.shares;
            }
        }
        let counted = self::records::<governance::VotingStake>(reader, &governance::state_key::stakes(number));
        let shares = |one: governance::VotingStake| Choice::ALL.map(|choice| one.of(choice));
        let counted: BTreeMap<String, [u64; 4]> = counted.into_iter().map(|(key, one)| (key, shares(one))).collect();
        assert_eq!(counted, wanted, "stake that votes on {number}");
    }
}
