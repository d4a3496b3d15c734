//! Records of contributions: reading and checking them, judging them, and finding them again.
//!
//! ```text
//!  corpus ──► judge ──► scores          records in, checked; duplicates, quality, usefulness
//!    │           ▲
//!    │           │ Embedding            the vector of a text, whoever computed it
//!    │           ▼
//!    └─────► retrieval                  full text and neighbours fused, labels by vote
//! ```
//!
//! - [`corpus`] turns bytes of any format into checked, canonical records.
//! - [`judge`] scores a contribution and says why.
//! - `words` says what the words of a text are, for judging and for finding alike.
//! - [`export`] writes records out for others.
//! - [`hub`] reads folders laid out as Hugging Face lays out data sets.
//! - [`review`] says all that is wrong with an input at once, before it is given.
//! - [`retrieval`] indexes datanets and answers from them, so that another node can recompute the answer.
//!
//! Nothing here runs a model: vectors come in as [`Embedding`]s. Nothing here knows the network or the ledger; scores
//! leave this crate as integers.
//!
//! ```
//! use datanet_data::Embedding;
//! use datanet_data::corpus::Record;
//! use datanet_types::schema::Schema;
//!
//! let schema = Schema::text_and_label(&["network", "storage"]);
//! let record = Record::from_json(r#"{"text": "Peers dial each other.", "label": "network"}"#, &schema).unwrap();
//! assert_eq!((record.text(), record.label()), ("Peers dial each other.", Some("network")));
//! assert!(Record::from_json(r#"{"text": "Peers."}"#, &schema).is_err());
//!
//! let vector = Embedding::normalised(&[3.0, 4.0]).unwrap();
//! assert_eq!(vector.as_slice(), [0.6, 0.8]);
//! ```
#![deny(unreachable_pub)]

pub mod corpus;
mod embedding;
pub mod export;
pub mod hub;
pub mod judge;
pub mod retrieval;
pub mod review;
mod words;

pub use embedding::{Embedding, NotAVector, dot};
pub use words::Scripts;
