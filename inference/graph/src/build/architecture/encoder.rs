//! The graph of a BERT-family encoder with its pooling.
//!
//! Inputs: `input_ids` and `attention_mask`, both int64 `[batch, seq]` (1 is a real token, 0 is padding, which follows
//! the tokens). Token types are all 0, so their one row is added inside the graph. Outputs: `last_hidden_state`
//! `[batch, seq, hidden]`, and `sentence_embedding` `[batch, hidden]`: the hidden states of the real tokens pooled, which
//! is the value `pooled`, at unit length. What the mask does to attention depends on `attention_mask` alone, so
//! that the part from `hidden.k` on is a graph of its own.

use super::parameters::Parameters;
use super::{Architecture, EncoderConfig, names};
use crate::build::{
    ATTENTION_MASK, BuildError, INPUT_IDS, LAST_HIDDEN_STATE, OPSET, Pooling, Storage, Weights, hidden,
};
use crate::onnx::{DataType, Dim, ModelProto};
use crate::{GraphBuilder, Value};

/// Name of the output with one vector a text, of unit length.
pub const SENTENCE_EMBEDDING: &str = "sentence_embedding";
/// Name of the value with the pooled vector of each text, `[batch, hidden]`.
pub const POOLED: &str = "pooled";

/// Builds the encoder's graph; tensors may carry the architecture's prefix (`bert.`) or none.
///
/// # Errors
/// If a tensor is missing, has another shape than `config` calls for, or an element type that cannot be used.
pub fn build(
    config: &EncoderConfig,
    weights: &Weights,
    storage: Storage,
    pooling: Pooling,
) -> Result<ModelProto, BuildError> {
    let parameters = Parameters::File { weights, storage, prefix: config.architecture.prefix() };
    let graph = GraphBuilder::new(config.architecture.name(), OPSET);
    let mut encoder = Encoder { config, parameters, pooling, graph };
    encoder.encode()?;
    let mut model = encoder.graph.finish();
    model.graph.iter_mut().for_each(names::absorb_identities);
    Ok(model)
}

/// Where a layer's modules are, which differs from one architecture to the other.
struct Modules {
    /// Query, key and value.
    inputs: [String; 3],
    mixed: String,
    middle_norm: String,
    wide: String,
    narrow: String,
    norm: String,
}

impl Modules {
    fn of(architecture: Architecture, layer: usize) -> Self {
        if architecture == Architecture::DistilBert {
            let at = |name: &str| format!("transformer.layer.{layer}.{name}");
            return Self {
                inputs: ["attention.q_lin", "attention.k_lin", "attention.v_lin"].map(at),
                mixed: at("attention.out_lin"),
                middle_norm: at("sa_layer_norm"),
                wide: at("ffn.lin1"),
                narrow: at("ffn.lin2"),
                norm: at("output_layer_norm"),
            };
        }
        let at = |name: &str| format!("encoder.layer.{layer}.{name}");
        Self {
            inputs: ["attention.self.query", "attention.self.key", "attention.self.value"].map(at),
            mixed: at("attention.output.dense"),
            middle_norm: at("attention.output.LayerNorm"),
            wide: at("intermediate.dense"),
            narrow: at("output.dense"),
            norm: at("output.LayerNorm"),
        }
    }
}

struct Encoder<'a> {
    config: &'a EncoderConfig,
    parameters: Parameters<'a>,
    pooling: Pooling,
    graph: GraphBuilder,
}

impl Encoder<'_> {
    fn encode(&mut self) -> Result<(), BuildError> {
        let tokens = [Dim::Symbol("batch"), Dim::Symbol("seq")];
        let ids = self.graph.input(INPUT_IDS, DataType::Int64, &tokens);
        let mask = self.graph.input(ATTENTION_MASK, DataType::Int64, &tokens);
        let mask = self.graph.cast(&mask, DataType::Float);
        let bias = self.padding_bias(&mask);
        let embedded = self.embed(&ids)?;
        let mut state = self.graph.named(&embedded, &hidden(0));
        for layer in 0..self.config.num_hidden_layers {
            let next = self.layer(layer, &state, &bias)?;
            state = self.graph.named(&next, &hidden(layer + 1));
        }
        let pooled = self.pooling.write(&mut self.graph, &state, &mask);
        let pooled = self.graph.named(&pooled, POOLED);
        let unit = self.unit_length(&pooled);
        let width = Dim::Size(self.config.hidden_size as i64);
        let [batch, seq] = tokens;
        self.graph.output(&state, LAST_HIDDEN_STATE, DataType::Float, &[batch.clone(), seq, width.clone()]);
        self.graph.output(&unit, SENTENCE_EMBEDDING, DataType::Float, &[batch, width]);
        Ok(())
    }

    fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Value, BuildError> {
        self.parameters.value(&mut self.graph, name, shape)
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
        let mut sum = self.graph.gather(&words, ids, 0);
        if config.type_vocab_size > 0 {
            let types = self.weight("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, width])?;
            let first = self.graph.int_scalar(0);
            let kind = self.graph.gather(&types, &first, 0);
            sum = self.graph.add(&sum, &kind);
        }
        let length = self.graph.axis_size(ids, 1);
        let positions = self.positions(&positions, &length);
        let sum = self.graph.add(&sum, &positions);
        self.layer_norm(&sum, "embeddings.LayerNorm")
    }

    /// The rows of the position table for `length` tokens.
    fn positions(&mut self, table: &Value, length: &Value) -> Value {
        let first = self.config.first_position as i64;
        if first == 0 {
            return self.graph.first_rows(table, length);
        }
        let (start, axis) = (self.graph.int_list(&[first]), self.graph.int_list(&[0]));
        let end = self.graph.add(length, &start);
        self.graph.op("Slice", &[table, &start, &end, &axis], Vec::new())
    }

    fn layer(&mut self, index: usize, hidden: &Value, bias: &Value) -> Result<Value, BuildError> {
        let modules = Modules::of(self.config.architecture, index);
        let (width, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let attended = self.attention(&modules.inputs, hidden, bias)?;
        let attended = self.linear(&attended, &modules.mixed, width, width)?;
        let sum = self.graph.add(&attended, hidden);
        let middle = self.layer_norm(&sum, &modules.middle_norm)?;
        let wide = self.linear(&middle, &modules.wide, width, inner)?;
        let wide = self.graph.activate(&wide, self.config.activation);
        let narrow = self.linear(&wide, &modules.narrow, inner, width)?;
        let sum = self.graph.add(&narrow, &middle);
        self.layer_norm(&sum, &modules.norm)
    }

    /// Multi-head self-attention, before its output projection.
    fn attention(&mut self, modules: &[String; 3], hidden: &Value, bias: &Value) -> Result<Value, BuildError> {
        let width = self.config.hidden_size;
        let per_head = width / self.config.num_attention_heads;
        let [query, key, value] = modules.each_ref().map(|module| self.linear(hidden, module, width, width));
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

    fn unit_length(&mut self, mean: &Value) -> Value {
        self.graph.scoped("pool", |graph| {
            let tiny = graph.scalar(1e-9);
            let norm = graph.reduce_l2(mean, &[-1], true);
            let norm = graph.max(&norm, &tiny);
            graph.div(mean, &norm)
        })
    }
}
