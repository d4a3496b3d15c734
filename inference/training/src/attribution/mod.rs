//! Whose records made the model answer as it does.
//!
//! ```text
//!  model ◄── the network being trained                    losses, per-sample gradients, curvature rows
//!    │
//!  replay ──► table                                       a training (run), followed; what the release ships
//!               │
//!               ▼
//!             values of an answer, counterfactual answers (answer)
//!
//!  audit ──► gate                                         values against real retraining; the fallback
//!  gradients, gauss_newton, similarity                    what else values could come from
//!  lots                                                   what an answer pays for which records
//!  clusters, clip, attacks                                why copying, splitting and outliers do not pay
//!  study                                                  all of it on a task, as `bench attribution` shows it
//! ```

pub mod answer;
pub mod attacks;
pub mod audit;
pub mod cholesky;
pub mod clip;
pub mod clusters;
pub mod curvature;
pub mod gate;
pub mod gauss_newton;
pub mod gradients;
pub mod lots;
pub mod model;
pub mod rank;
pub mod replay;
pub mod similarity;
pub mod study;
pub mod table;

pub use audit::{AuditPlan, Belonging, Faithfulness, Ground, MethodScores};
pub use gate::{Choice, Finding, Gate, Thresholds, Verdict};
pub use lots::{Lots, Standing};
pub use model::{Curvature, Model, ModelError, Rows};
pub use replay::{Replay, ReplayStep};
pub use table::Table;
