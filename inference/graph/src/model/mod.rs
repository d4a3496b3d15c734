//! Graphs as a structure: who writes and reads each value, in which order nodes can run, what is dead, and the part
//! between some values and others.

mod error;
mod extract;
mod index;
mod prune;

pub use error::GraphError;
pub use extract::extract;
pub(crate) use index::reads;
pub use index::{Index, topological_sort};
pub use prune::prune;
