//! Whose records made the model answer as it does.

pub mod model;
pub mod replay;
pub mod table;

pub use model::{Curvature, Model, ModelError, Rows};
