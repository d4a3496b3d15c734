//! What a program that talks to a node relies on.

#![expect(clippy::unwrap_used, reason = "test support fails its test")]

mod round_trip;
