//! What attribution is worth: every method held against real retraining, and attempts to be paid more for the same data.
//! Benches use it; no node does.
//!
//! ```text
//!  points ──► digits (small, network) ──┐
//!                                       ├──► compare ──► Report       forward replay, gauss_newton, baselines,
//!  a Dataset ──► text (a transformer) ──┘       │                     similarity: who agrees with retraining?
//!                                               └ convex              where influence is the truth
//!
//!  attacked, attacked_text ──► attacks ──► Gain                       split, copy, steal, distort: what does it bring?
//!    └ clusters                                                       near-duplicates count once
//! ```
//!
//! What is measured here is the training and the pay that nodes use: [`datanet_training::run::Course`] takes every step,
//! [`datanet_training::attribution`] values and pays.

pub mod attacked;
pub mod attacked_text;
pub mod attacks;
pub mod baselines;
pub mod clusters;
mod compare;
pub mod convex;
pub mod digits;
pub mod gauss_newton;
pub mod network;
pub mod points;
pub mod similarity;
pub mod small;
pub mod text;

#[cfg(test)]
mod names_tests;
#[cfg(test)]
#[path = "../../training/src/testing.rs"]
mod testing;

pub use compare::{MethodScores, Report, Study, StudyError, Vectors, losses, replay_name, run};
pub use digits::DigitsTask;
pub use network::{Classifier, Plain};
pub use points::Points;
pub use small::{Logistic, TanhLora};
pub use text::{TextPlan, TextTask};

/// Where the shared test data looks for them.
#[cfg(test)]
use datanet_training::{data, random};
