//! What can be done about datanets.

mod create_datanet;
