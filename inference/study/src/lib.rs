//! What attribution is worth: every method held against real retraining, and attempts to be paid more for the same data.
//! Benches use it; no node does.
//!
//! ```text
//!  points ──► digits (small, network) ──┐
//!                                       ├──► compare (qld) ──► Report forward replay, gauss_newton, baselines,
//!  a Dataset ──► text (a transformer) ──┘       │                     similarity, peers: who agrees with retraining?
//!                                               └ convex              where influence is the truth
//!
//!  points ──► semivalues (tanh)                                      what pays, against Shapley values by retraining; names
//!  a Dataset ──► text ──► paid                                       the same of texts
//!
//!  attacked, attacked_text ──► attacks ──► Gain                       split, copy, steal, distort: what does it bring?
//!    └ clusters                                                       near-duplicates count once
//! ```
//!
//! What is measured here is the training and the pay that nodes use: [`datanet_training::run::Course`] takes every step,
//! [`datanet_training::attribution`] values and pays.
//!
//! ```
//! use datanet_study::Points;
//! use datanet_study::attacked::PointCorpus;
//! use datanet_study::attacks::{Attack, mount};
//!
//! let corpus = PointCorpus::new(Points::blobs(90, 6, 3, 2.0, 5), (0..90).map(|record| record % 3).collect());
//! let attacked = mount(&corpus, 0, 1, Attack::Copy { times: 2 }, 7);
//! assert_eq!(attacked.names, [0, 3, 4]);
//! let distinct = |corpus: &PointCorpus| corpus.clusters().representatives().len();
//! assert_eq!(distinct(&attacked.corpus), distinct(&corpus), "copies are near-duplicates of what they copy");
//! ```
#![deny(unreachable_pub)]

pub mod attacked;
pub mod attacked_text;
pub mod attacks;
pub mod baselines;
pub mod clusters;
mod compare;
pub mod convex;
pub mod digits;
pub mod gauss_newton;
mod halves;
pub mod network;
pub mod peers;
pub mod points;
pub mod qld;
pub mod semivalues;
pub mod similarity;
pub mod small;
pub mod tanh;
pub mod text;

#[cfg(test)]
#[expect(dead_code, reason = "the tests of datanet-training use more of it")]
#[path = "../../training/src/testing.rs"]
mod testing;

pub use compare::{
    Correlation, Foretold, MethodScores, Others, Report, Study, StudyError, Vectors, correlation, foretold, losses,
    replay_name, run,
};
pub use digits::DigitsTask;
pub use network::{Classifier, Plain};
pub use peers::{Checkpoint, PeerValues, Peers};
pub use points::Points;
pub use small::{Logistic, TanhLora};
pub use text::{Paid, TextPlan, TextTask, Truth, Worth};

/// Where the shared test data looks for them.
#[cfg(test)]
use datanet_training::{data, random};
