//! Whether the node lives and whether it is of use.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`; anything else is a problem.
    pub status: String,
}
