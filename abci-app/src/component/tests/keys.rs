//! Keys are part of consensus: a changed one changes the app hash.

use datanet_types::{
    Account, Address, AgentId, Asset, ChannelId, ConsensusAddress, ContributionId, DatanetId, Digest, ModelId,
    ModuleAddress, NodeKey, PublicKey,
};

use crate::component::agenda::Kind;
use crate::component::{
    accounts, admission, agenda, agents, audits, authority, beacon, breaker, channels, contributions, datanets,
    derived, governance, models, nodes, params, pools, ratings, settlement, shares, staking, treasury, validation,
};

#[test]
fn keys_should_not_change() {
    let (address, node) = (&Address([1; 20]), &NodeKey([2; 32]));
    let (datanet, contribution) = (&DatanetId([3; 32]), &ContributionId([4; 32]));
    let (model, channel) = (&ModelId([5; 32]), &ChannelId([6; 32]));
    let asset = &Asset::Model(*model);
    let (validator, other) = (&ConsensusAddress([1; 20]), &ConsensusAddress([2; 20]));
    let keys = [
        params::state_key::params(),
        params::state_key::version(3),
        params::state_key::next(),
        beacon::state_key::value(),
        staking::state_key::turns(),
        accounts::state_key::balance(address),
        accounts::state_key::balance(ModuleAddress([1; 32])),
        accounts::state_key::name(address),
        accounts::state_key::supply(),
        admission::state_key::executed(42, &[1; 32]),
        authority::state_key::keys(address),
        authority::state_key::purse(address),
        authority::state_key::grant(address, &PublicKey([7; 32])),
        nodes::state_key::node(node),
        nodes::state_key::by_account(address),
        nodes::state_key::validator(node),
        nodes::state_key::unbonding(address, 1_700_000_000),
        nodes::state_key::reputation(address),
        nodes::state_key::keepers(),
        nodes::state_key::fined(address),
        datanets::state_key::datanet(datanet),
        datanets::state_key::by_name("rust-docs"),
        datanets::state_key::counts(datanet),
        datanets::state_key::closed(datanet),
        datanets::state_key::holdout(datanet, 7),
        datanets::state_key::history(datanet, 7),
        contributions::state_key::contribution(contribution),
        contributions::state_key::open(42, contribution),
        contributions::state_key::in_datanet(datanet, 7),
        contributions::state_key::final_in(datanet, 42, 7),
        contributions::state_key::revoked_in(datanet, 9),
        contributions::state_key::taken_back(datanet, &Digest([4; 32])),
        contributions::state_key::attestation(contribution, node),
        contributions::state_key::keeper(contribution, 1),
        validation::state_key::round(contribution, 0),
        validation::state_key::commitment(contribution, 0, address),
        validation::state_key::reveal(contribution, 0, address),
        models::state_key::model(model),
        channels::state_key::channel(channel),
        channels::state_key::of_node(node, channel),
        channels::state_key::of_payer(address, channel),
        settlement::state_key::settlement(node),
        settlement::state_key::epoch(node, 3),
        settlement::state_key::open(node, 3),
        settlement::state_key::claimed(node, 3, 1),
        settlement::state_key::kept(node, 3),
        staking::state_key::validator(validator),
        staking::state_key::of_operator(address),
        staking::state_key::ranked(42, validator),
        staking::state_key::active(validator),
        staking::state_key::changed(),
        staking::state_key::delegation(address, validator),
        staking::state_key::batch(validator, 1_700_000_000),
        staking::state_key::unbonding(address, 1_700_000_000, validator),
        staking::state_key::moved(validator, 1_700_000_000, address, other),
        staking::state_key::missed(validator),
        audits::state_key::audit(node, 3),
        treasury::state_key::authority(),
        treasury::state_key::budget(),
        treasury::state_key::last(),
        treasury::state_key::spend(3),
        breaker::state_key::tripped(crate::component::Component::Channels),
        governance::state_key::last(),
        governance::state_key::proposal(3),
        governance::state_key::vote(3, address),
        governance::state_key::upgrade(),
        governance::state_key::live(),
        governance::state_key::stake(3, validator),
        shares::state_key::shares(asset),
        shares::state_key::holding(asset, &Account::from(address)),
        shares::state_key::of(&Account::from(address), asset),
        pools::state_key::pool(asset),
        pools::state_key::position(asset, address),
        agents::state_key::agent(&AgentId([5; 32])),
        agents::state_key::release(&AgentId([5; 32]), 3),
        agents::state_key::of(address, &AgentId([5; 32])),
        agents::state_key::by_account(address),
        ratings::state_key::trader(address),
        ratings::state_key::open(&crate::component::settlement::Place { node: *node, epoch: 3 }),
        derived::state_key::digest(),
        derived::state_key::leaf(),
    ];
    let on_the_agenda =
        Kind::ALL.iter().map(|kind| agenda::state_key::due(*kind, 1_700_000_000, contribution)).collect::<Vec<_>>();
    let keys = [&keys[..], &on_the_agenda].concat();
    let lost: Vec<_> = keys.iter().filter(|key| crate::export::owner(key).is_none()).collect();
    assert!(lost.is_empty(), "no component exports {lost:?}");
    insta::assert_snapshot!(keys.join("\n"));
}
