//! What strangers with money and bad intent have tried, one file an attack. Each says what it cost the attacker and what
//! it cost everybody else.

mod claim_griefing;
mod committee_grinding;
mod double_claim;
mod false_epoch;
mod forged_epoch;
mod free_computing;
mod front_run_contribution;
mod inflated_leaf;
mod judging;
mod large_for_nothing;
mod omitted_leaf;
mod serving;
mod stake_in_flight;
mod unfetchable_data;
mod unpaid_places;
mod validators;
mod withdrawn_data_again;
