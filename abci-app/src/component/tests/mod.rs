//! Tests of the rules through the same calls that the application makes, on state in memory.

mod agenda;
mod changing_params;
mod closing_channels;
mod forgetting;
mod given_again;
mod harness;
mod keeping_statements;
mod keys;
mod life_of_a_challenge;
mod life_of_a_channel;
mod life_of_a_contribution;
mod life_of_a_datanet;
mod life_of_a_model;
mod life_of_a_proposal;
mod life_of_a_validator;
mod life_of_an_agent;
mod life_of_an_epoch;
mod life_of_shares;
mod rated_sellers;
mod refused_contributions;
mod refused_keys;
mod refused_money;
mod refused_nodes_and_pools;
mod refused_proposals;
mod revoking;
mod staking_invariants;
mod stopped_components;
mod storing;
mod supply;
mod treasury;
mod turns;
mod voted_changes;

use harness::Chain;
