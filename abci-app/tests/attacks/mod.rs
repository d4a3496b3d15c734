//! What strangers with money and bad intent have tried, one file an attack. Each says what it cost the attacker and what
//! it cost everybody else.

mod agenda_stuffing;
mod authority;
mod beacon_grinding;
mod claim_griefing;
mod closing_races;
mod closing_statement;
mod committee_grinding;
mod crowding;
mod derived_divergence;
mod derived_stuffing;
mod double_claim;
mod false_epoch;
mod forged_epoch;
mod forgotten;
mod free_computing;
mod front_run_contribution;
mod inflated_leaf;
pub mod judging;
mod keys;
mod large_for_nothing;
mod old_keys;
mod omitted_leaf;
mod params_between;
mod payments_to_modules;
pub mod serving;
mod signatures;
mod stake_in_flight;
mod stolen_sub_key;
mod time_run_fast;
mod unfetchable_data;
mod unpaid_places;
mod validators;
mod voucher_again;
mod withdrawn_data_again;
