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
//!  halves ──► pay                                         the mean over random halves of the records, and what it pays
//!  audit (beside), bootstrap ──► gate                     values against real retraining, beyond chance; the fallback
//!  first_order                                           what a run tells of that by itself, without retraining
//!  gradients, curvature, cholesky                         what else values could come from (run)
//!  lots                                                   which records share a column, where there are many
//!  clip                                                   why outliers do not pay
//! ```
//!
//! What it is worth against other methods and against attacks is measured in `datanet-study`.

pub mod answer;
pub mod audit;
pub mod beside;
pub mod bootstrap;
pub mod cholesky;
pub mod clip;
pub mod curvature;
pub mod first_order;
pub mod gate;
pub mod gradients;
pub mod halves;
mod lots;
pub mod model;
pub mod pay;
pub mod rank;
pub mod replay;
pub mod table;

pub use audit::{AuditPlan, Belonging, Faithfulness, Ground, Retrainings};
pub use beside::{Crew, Heard, Retrainer, beside};
pub use bootstrap::{Interval, Predicted};
pub use first_order::FirstOrder;
pub use gate::{Choice, Compared, Finding, GAUSS_NEWTON, Gate, GateVerdict, REPLAY, Thresholds, title, why};
pub use model::{Curvature, Model, ModelError, Rows};
pub use replay::{Replay, ReplayStep};
pub use table::Table;
