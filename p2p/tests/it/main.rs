//! Whole network services in one process, over real sockets on loopback. Nothing sleeps: events and watches are awaited,
//! each with a deadline.

mod blobs;
mod connect;
mod fetch;
mod gossip;
mod hostile;
mod node;
