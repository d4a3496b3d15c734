//! no_model
