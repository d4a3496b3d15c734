//! Datanet's configuration: one typed, versioned TOML file a node, overridden by the environment, overridden by
//! flags; where everything lies in a node's home; and what a new network starts from.
//!
//! - [`NodeConfig`] and its sections: what an operator can choose. `config/datanet.toml` is the shipped sample, in
//!   which every key is explained; a test keeps it equal to the defaults.
//! - [`load`], [`Overrides`]: flag > environment > file > default, and one error that names key, value, source and
//!   what is allowed.
//! - [`Home`]: the paths in a node's folder, in one place; [`read_text`] reads its files, [`expand`] knows `~`.
//! - [`Host`], [`Authority`], [`Origin`]: who may call a node, as parts that are compared.
//! - [`GenesisConfig`]: a new network's chain id, accounts and application state.
//!
//! ```
//! use datanet_config::{Overrides, load};
//!
//! let from_environment = [("DATANET_NODE_NAME".into(), "owl".into())];
//! let config = load(None, from_environment, &Overrides::new())?;
//! assert_eq!(config.node.name, "owl");
//! let refused = load(None, [], &Overrides::new().set("node.nmae", "owl")).unwrap_err();
//! assert!(refused.to_string().contains("node.nmae"));
//! # Ok::<_, datanet_config::ConfigError>(())
//! ```

#![deny(unreachable_pub)]

mod authority;
mod error;
mod file;
mod genesis;
mod home;
mod load;
mod node;
mod tilde;
mod validate;
mod variables;

pub use authority::{Authority, Host, NotAHost, Origin};
pub use error::ConfigError;
pub use file::{Denied, FileError, holds_something, read_text, user_name};
pub use genesis::{GenesisAccount, GenesisConfig};
pub use home::Home;
pub use load::{Overrides, env_name, load};
pub use node::{
    ApiConfig, ConsensusConfig, DatanetsConfig, Engine, HealthConfig, InferenceConfig, JudgingConfig, LedgerConfig,
    LogConfig, LogFormat, ModelsConfig, NodeConfig, NodeSection, P2pConfig, Profile, PublicConfig, Role, ServingConfig,
    Subscription, TrainingConfig, VERSION,
};
pub use tilde::{PathError, expand};
pub use variables::{check_variables, unknown_variables};

/// The shipped sample with a comment for every key: the defaults, written out.
pub const SAMPLE: &str = include_str!("../datanet.toml");
