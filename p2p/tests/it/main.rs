//! Whole network services in one process, over real sockets on loopback. Nothing sleeps: events and watches are awaited,
//! each with a deadline.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod blobs;
mod connect;
mod fair;
mod fetch;
mod gossip;
mod hostile;
mod node;
mod provider;
mod withheld;
