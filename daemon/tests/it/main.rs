//! A node from outside: everything here goes through the HTTP interface or the command line, as a user's program would.
//!
//! - [`kit`]: nodes to test, and how to talk to them; [`corpus`]: records to give them; [`payer`]: who pays for answers.
//! - `bad_*`: what a node refuses, in which words, and that a refusal changes nothing.
//! - `callers`: who may call; `tokens`: programs with tokens of their own; `public_face`: strangers. `shapes`: requests as OpenAI's clients write them.
//! - `ready`: when it is ready. `search`: over all datanets. `settling`: what it settles by itself.
//! - `again`, `life`, `formats`, `revoked`, `released`, `factory`, `several`, `templated`, `exports`, `imported`, `holes`: what a node is for. These need the model; without it they say so and pass, except in CI.
//! - `exchange`: records taken out and given again, and data as others lay it out.
//! - `services`: each built from handles, without a node.
//! - `audits`: epochs that are false, and what becomes of them.
//! - `claims`: pay beside strangers who made up what they settle; `one_payment`, `payments`: one payment, one answer, whatever happens.
//! - `x402`: payments beside a request, by strangers. `mcp`: the node as agents use it. `runner`: those that `datanet agent` runs, `service`: one that sells; `agents`: their accounts on the ledger.
//! - `treasury`: parameters, payments, and a ledger that moves. `governance`: votes and upgrades.
//! - `concurrent`: callers who do not wait for one another; `crash`: killed and started again; `docs`: the documentation's commands as pasted; `no_model`: what goes on without one; `surroundings`: paths, users, limits, signals; `cli`, `interface`: the rest.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as their assertions do: by panicking"
)]

mod again;
mod agent_card;
mod agents;
mod audits;
mod bad_payments;
mod bad_requests;
mod bad_transactions;
mod bad_uploads;
mod by_token;
mod callers;
mod claims;
mod cli;
mod concurrent;
mod corpus;
mod crash;
mod docs;
mod exchange;
mod exports;
mod factory;
mod formats;
mod governance;
mod holes;
mod imported;
mod interface;
mod kept;
mod kit;
mod life;
mod mcp;
mod no_model;
mod one_payment;
mod pages;
mod paid_training;
mod payer;
mod payments;
mod possession;
mod public_face;
mod ready;
mod released;
mod revoked;
mod runner;
mod search;
mod service;
mod services;
mod settling;
mod several;
mod shapes;
mod shares;
mod spelled;
mod sub_keys;
mod surroundings;
mod templated;
mod tokens;
mod treasury;
mod x402;
