//! Fine-tuning on ONNX graphs, and the influence of every contribution on the result.

pub mod attribution;
pub mod data;
pub mod job;
pub mod optimiser;
pub mod random;
pub mod recipe;
pub mod tokenizer;
