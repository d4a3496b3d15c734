//! What the testnet's benches compare with, where the library underneath is generic and so compiled wherever it is used: a
//! crate of its own, optimised as the product's crates are, or the peer would be the slower for nothing.

pub mod tree;
