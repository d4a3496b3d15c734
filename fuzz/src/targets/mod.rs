//! The entries, one a file.

mod abci;
mod model;
mod receipt;
mod release;
mod stream;
mod template;
mod transaction;

pub(crate) use abci::ABCI;
pub(crate) use model::MODEL;
pub(crate) use receipt::RECEIPT;
pub(crate) use release::RELEASE;
pub(crate) use stream::STREAM;
pub(crate) use template::TEMPLATE;
pub(crate) use transaction::TRANSACTION;

/// The chain of all inputs.
const CHAIN: &str = "fuzz";
