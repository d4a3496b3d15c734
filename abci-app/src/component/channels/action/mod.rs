//! What can be done about channels.

mod close_channel;
mod open_channel;
mod top_up_channel;
