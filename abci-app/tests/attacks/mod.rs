//! What strangers with money and bad intent have tried, one file an attack. Each says what it cost the attacker and what
//! it cost everybody else.

mod free_computing;
mod unpaid_places;
