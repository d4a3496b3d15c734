//! Keys of models.

use datanet_types::ModelId;

/// Prefix of all models. Example: `models/record/`
pub fn models() -> String {
    "models/record/".to_owned()
}

/// A model. Example: `models/record/0505050505050505050505050505050505050505050505050505050505050505`
pub fn model(id: &ModelId) -> String {
    format!("{}{id}", models())
}
