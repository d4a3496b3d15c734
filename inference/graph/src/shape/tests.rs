//! What is inferred against what the runtime computes.

use super::*;
