//! Whether the node lives and whether it is of use.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;

/// How the node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`; anything else is a problem.
    pub status: String,
}

/// That the node is ready, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Always `ok`; anything else is a problem.
    pub status: String,
    /// What was looked at.
    pub checks: Vec<ReadyCheck>,
}

/// Why the node is not ready: a problem that also says what was looked at.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NotReady {
    /// The problem.
    #[serde(flatten)]
    pub problem: Problem,
    /// What was looked at, the good ones too.
    pub checks: Vec<ReadyCheck>,
}

/// One thing that must be so for a node to be of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyCheck {
    /// `consensus`, `peers`, `index`, `model`, `disk` or `tasks`.
    pub name: String,
    /// Whether it is so.
    pub ok: bool,
    /// Why, or why not and what to do.
    pub reason: String,
}
