//! What can be done about nodes.

mod register_node;
