//! What strangers with money and bad intent have tried, one file an attack. Each says what it cost the attacker and what
//! it cost everybody else.

mod claim_griefing;
mod double_claim;
mod forged_epoch;
mod free_computing;
mod inflated_leaf;
mod omitted_leaf;
mod serving;
mod unpaid_places;
