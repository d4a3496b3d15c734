//! Datanet's configuration: one typed, versioned TOML file a node, overridden by the environment, overridden by
//! flags; where everything lies in a node's home; and what a new network starts from.
//!
//! - [`NodeConfig`] and its sections: what an operator can choose. `config/datanet.toml` is the shipped sample, in
//!   which every key is explained; a test keeps it equal to the defaults.
//! - [`load`], [`Overrides`]: flag > environment > file > default, and one error that names key, value, source and
//!   what is allowed.
//! - [`Home`]: the paths in a node's folder, in one place.
//! - [`GenesisConfig`]: a new network's chain id, accounts and application state.

mod error;
mod genesis;
mod home;
mod load;
mod node;
mod validate;

pub use error::ConfigError;
pub use genesis::{GenesisAccount, GenesisConfig};
pub use home::Home;
pub use load::{Overrides, env_name, load};
pub use node::{
    ApiConfig, ConsensusConfig, DatanetsConfig, Engine, HealthConfig, InferenceConfig, JudgingConfig, LogConfig,
    LogFormat, ModelsConfig, NodeConfig, NodeSection, P2pConfig, Profile, Role, ServingConfig, Subscription,
    TrainingConfig, VERSION,
};

/// The shipped sample with a comment for every key: the defaults, written out.
pub const SAMPLE: &str = include_str!("../datanet.toml");
