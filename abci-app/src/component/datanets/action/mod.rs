//! What can be done about datanets.

mod close_datanet;
mod create_datanet;
