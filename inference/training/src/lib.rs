//! Fine-tuning on ONNX graphs, and the influence of every contribution on the result.
//!
//! ```text
//!  job + records ──► network ──► run ──► release, transcript ──► verify
//!                      ▲          │
//!   recipe, optimiser ─┘          ├──► attribution       whose records moved the adapter
//!                                 └──► evaluate          what it knows, beside its base
//! ```
//!
//! - [`job`] is what a person writes; [`data`] are the records, checked and as tokens.
//! - [`network`] compiles a base model and a job to differentiated graphs; [`tokenizer`] learns a new decoder's tokens.
//! - [`run`] trains: seeded, with checkpoints that any end survives; [`recipe`], [`optimiser`] and [`random`] say how.
//! - [`evaluate`] asks the held-out records; [`transcript`] records the run, and [`verify`] repeats it.
//! - [`attribution`] says whose records helped, and how far to believe it; [`span`] finds verbatim quotes.
//!
//! Nothing here knows the network or the ledger.
//!
//! ```
//! use datanet_training::job::{Job, Task};
//!
//! let mut job = Job::new("minilm-l6", Task::Classify);
//! (job.recipe.batch, job.recipe.epochs) = (16, 3);
//! job.check().unwrap();
//! assert_eq!(job.recipe.steps(100), 18, "what is left of an epoch waits for the next one");
//! job.recipe.batch = 0;
//! assert!(job.check().unwrap_err().to_string().contains("recipe.batch"));
//! ```
#![deny(unreachable_pub)]

pub mod attribution;
pub mod data;
pub mod evaluate;
pub mod job;
pub mod network;
pub mod optimiser;
pub mod random;
pub mod recipe;
pub mod run;
pub mod span;
pub mod steps;
#[cfg(test)]
mod testing;
pub mod tokenizer;
pub mod transcript;
pub mod verify;
