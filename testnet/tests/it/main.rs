//! Networks of real nodes with real CometBFT, from outside: processes, HTTP, signals.
//!
//! Most tests share one network of four nodes (see [`stage`]), which each finds running and leaves running: so they take
//! turns. What they need beyond that, such as a datanet of their own, they make.

mod crash;
mod examples;
mod factory;
mod kills;
mod late;
mod lone;
mod machines;
mod repair;
mod stage;
mod strangers;
mod tour;
mod upgrading;
mod whole_path;

use datanet_testnet::scene;
use datanet_testnet::scene::passages;
