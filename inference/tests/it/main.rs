//! The encoder together with what nodes do with its vectors.

mod judging;
