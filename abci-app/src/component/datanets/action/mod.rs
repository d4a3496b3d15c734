//! What can be done about datanets.

mod close_datanet;
mod create_datanet;
mod rotate_holdout;

use create_datanet::check_holdout_size;
