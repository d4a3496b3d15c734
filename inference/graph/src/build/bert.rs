//! The graph of a BERT encoder with mean pooling.
//!
//! Inputs: `input_ids` and `attention_mask`, both int64 `[batch, seq]` (1 is a real token, 0 is padding). Token types
//! are all 0, so their one row is added inside the graph. Outputs: `last_hidden_state` `[batch, seq, hidden]`, and
//! `sentence_embedding` `[batch, hidden]`: the mean of the hidden states of the real tokens, of unit length.

use super::{Activation, BertConfig, BuildError, Storage, Weights};
use crate::onnx::{DataType, Dim, ModelProto};
use crate::{GraphBuilder, Value};

/// The operator set that the graph is written in: the first with `Gelu`.
pub const OPSET: i64 = 20;

/// Name of the input that holds the token ids.
pub const INPUT_IDS: &str = "input_ids";
/// Name of the input that tells tokens from padding.
pub const ATTENTION_MASK: &str = "attention_mask";
/// Name of the output with one vector a token.
pub const LAST_HIDDEN_STATE: &str = "last_hidden_state";
/// Name of the output with one vector a text.
pub const SENTENCE_EMBEDDING: &str = "sentence_embedding";

/// Builds the encoder's graph; tensors may carry the prefix `bert.` or none.
///
/// # Errors
/// If a tensor is missing, has another shape than `config` calls for, or an element type that cannot be used.
pub fn build(config: &BertConfig, weights: &Weights, storage: Storage) -> Result<ModelProto, BuildError> {
    let prefix = if weights.contains("bert.embeddings.word_embeddings.weight") { "bert." } else { "" };
    let mut bert = Bert { config, weights, storage, prefix, graph: GraphBuilder::new("bert", OPSET) };
    bert.encode()?;
    Ok(bert.graph.finish())
}

struct Bert<'a> {
    config: &'a BertConfig,
    weights: &'a Weights,
    storage: Storage,
    prefix: &'static str,
    graph: GraphBuilder,
}

impl Bert<'_> {
    fn encode(&mut self) -> Result<(), BuildError> {
        let tokens = [Dim::Symbol("batch"), Dim::Symbol("seq")];
        let ids = self.graph.input(INPUT_IDS, DataType::Int64, &tokens);
        let mask = self.graph.input(ATTENTION_MASK, DataType::Int64, &tokens);
        let mask = self.graph.cast(&mask, DataType::Float);
        let bias = self.padding_bias(&mask);
        let mut hidden = self.embed(&ids)?;
        for layer in 0..self.config.num_hidden_layers {
            hidden = self.layer(layer, &hidden, &bias)?;
        }
        let pooled = self.pool(&hidden, &mask);
        let width = Dim::Size(self.config.hidden_size as i64);
        let [batch, seq] = tokens;
        self.graph.output(&hidden, LAST_HIDDEN_STATE, DataType::Float, &[batch.clone(), seq, width.clone()]);
        self.graph.output(&pooled, SENTENCE_EMBEDDING, DataType::Float, &[batch, width]);
        Ok(())
    }

    /// A weight as float32, whatever it is stored as.
    fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Value, BuildError> {
        let tensor = self.weights.tensor(&format!("{}{name}", self.prefix), shape, self.storage)?;
        let stored = tensor.data_type;
        let value = self.graph.initializer(tensor);
        if stored == i32::from(DataType::Float) {
            return Ok(value);
        }
        Ok(self.graph.cast(&value, DataType::Float))
    }

    /// `[batch, 1, 1, seq]`: 0 at tokens and the lowest float at padding, to be added to attention scores.
    fn padding_bias(&mut self, mask: &Value) -> Value {
        let (one, lowest) = (self.graph.scalar(1.0), self.graph.scalar(f32::MIN));
        let padding = self.graph.sub(&one, mask);
        let bias = self.graph.mul(&padding, &lowest);
        self.graph.unsqueeze(&bias, &[1, 2])
    }

    /// Sum of word, position and token type embeddings, normalised.
    fn embed(&mut self, ids: &Value) -> Result<Value, BuildError> {
        let config = self.config;
        let width = config.hidden_size;
        let words = self.weight("embeddings.word_embeddings.weight", &[config.vocab_size, width])?;
        let positions =
            self.weight("embeddings.position_embeddings.weight", &[config.max_position_embeddings, width])?;
        let types = self.weight("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, width])?;
        let length = self.graph.axis_size(ids, 1);
        let first = self.graph.int_scalar(0);
        let words = self.graph.gather(&words, ids, 0);
        let kind = self.graph.gather(&types, &first, 0);
        let positions = self.graph.first_rows(&positions, &length);
        let sum = self.graph.add(&words, &kind);
        let sum = self.graph.add(&sum, &positions);
        self.layer_norm(&sum, "embeddings.LayerNorm")
    }

    fn layer(&mut self, index: usize, hidden: &Value, bias: &Value) -> Result<Value, BuildError> {
        let prefix = format!("encoder.layer.{index}");
        let (width, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let attended = self.attention(&prefix, hidden, bias)?;
        let attended = self.linear(&attended, &format!("{prefix}.attention.output.dense"), width, width)?;
        let sum = self.graph.add(&attended, hidden);
        let middle = self.layer_norm(&sum, &format!("{prefix}.attention.output.LayerNorm"))?;
        let wide = self.linear(&middle, &format!("{prefix}.intermediate.dense"), width, inner)?;
        let wide = match self.config.activation {
            Activation::Gelu => self.graph.gelu(&wide),
            Activation::GeluTanh => self.graph.gelu_tanh(&wide),
            Activation::Relu => self.graph.relu(&wide),
        };
        let narrow = self.linear(&wide, &format!("{prefix}.output.dense"), inner, width)?;
        let sum = self.graph.add(&narrow, &middle);
        self.layer_norm(&sum, &format!("{prefix}.output.LayerNorm"))
    }

    /// Multi-head self-attention, before its output projection.
    fn attention(&mut self, prefix: &str, hidden: &Value, bias: &Value) -> Result<Value, BuildError> {
        let width = self.config.hidden_size;
        let per_head = width / self.config.num_attention_heads;
        let [query, key, value] = ["query", "key", "value"]
            .map(|part| self.linear(hidden, &format!("{prefix}.attention.self.{part}"), width, width));
        let query = self.heads(&query?, &[0, 2, 1, 3]);
        // Keys transposed, so that the scores are one matrix product.
        let key = self.heads(&key?, &[0, 2, 3, 1]);
        let value = self.heads(&value?, &[0, 2, 1, 3]);
        let scale = self.graph.scalar((per_head as f32).sqrt());
        let scores = self.graph.matmul(&query, &key);
        let scores = self.graph.div(&scores, &scale);
        let scores = self.graph.add(&scores, bias);
        let shares = self.graph.softmax(&scores, -1);
        let mixed = self.graph.matmul(&shares, &value);
        let mixed = self.graph.transpose(&mixed, &[0, 2, 1, 3]);
        Ok(self.graph.reshape(&mixed, &[0, 0, width as i64]))
    }

    /// `[batch, seq, hidden]` split into heads `[batch, seq, heads, per_head]`, then its axes in the order `axes`.
    fn heads(&mut self, x: &Value, axes: &[i64]) -> Value {
        let heads = self.config.num_attention_heads;
        let per_head = self.config.hidden_size / heads;
        let split = self.graph.reshape(x, &[0, 0, heads as i64, per_head as i64]);
        self.graph.transpose(&split, axes)
    }

    fn linear(&mut self, x: &Value, name: &str, input: usize, output: usize) -> Result<Value, BuildError> {
        let weight = self.weight(&format!("{name}.weight"), &[output, input])?;
        let bias = self.weight(&format!("{name}.bias"), &[output])?;
        Ok(self.graph.scoped(name, |graph| graph.linear(x, &weight, &bias)))
    }

    fn layer_norm(&mut self, x: &Value, name: &str) -> Result<Value, BuildError> {
        let width = [self.config.hidden_size];
        let scale = self.weight(&format!("{name}.weight"), &width)?;
        let bias = self.weight(&format!("{name}.bias"), &width)?;
        let epsilon = self.config.layer_norm_eps;
        Ok(self.graph.scoped(name, |graph| graph.layer_norm(x, &scale, &bias, epsilon)))
    }

    /// The mean over real tokens, scaled to unit length.
    fn pool(&mut self, hidden: &Value, mask: &Value) -> Value {
        self.graph.scoped("pool", |graph| {
            let tiny = graph.scalar(1e-9);
            let real = graph.unsqueeze(mask, &[-1]);
            let masked = graph.mul(hidden, &real);
            let sum = graph.reduce_sum(&masked, &[1], false);
            let count = graph.reduce_sum(mask, &[1], true);
            let count = graph.max(&count, &tiny);
            let mean = graph.div(&sum, &count);
            let norm = graph.reduce_l2(&mean, &[-1], true);
            let norm = graph.max(&norm, &tiny);
            graph.div(&mean, &norm)
        })
    }
}
