//! What can be done about models.

mod register_model;
