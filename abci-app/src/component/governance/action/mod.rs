//! What people do with proposals.

mod submit_proposal;
mod vote_proposal;
