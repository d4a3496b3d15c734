//! The encoder together with what nodes do with its vectors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod judging;
