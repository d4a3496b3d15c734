//! The graph of a Llama-family decoder.
//!
//! [`DecoderForm::Full`]: inputs `input_ids` and `attention_mask`, int64 `[batch, seq]` (1 is a real token; padding may
//! stand on either side); outputs `logits` `[batch, seq, vocab]` and `last_hidden_state` `[batch, seq, hidden]`, after
//! the last normalisation. Positions count real tokens and, like the causal mask, depend on `attention_mask` alone, so
//! that the part from `hidden.k` on is a graph of its own.
//!
//! [`DecoderForm::Cached`]: inputs `input_ids` `[batch, seq]`, `attention_mask` `[batch, past + seq]` over the cache and
//! the new tokens, `position_ids` `[batch, seq]`, and for each layer `i` `past.i.key` and `past.i.value`
//! `[batch, kv_heads, past, head_dim]`, where `past` may be 0; outputs `logits` `[batch, seq, vocab]` and
//! `present.i.key` and `present.i.value` `[batch, kv_heads, past + seq, head_dim]`. A new token sees every slot before
//! its own that the mask allows, so a sequence's slots may be padded anywhere.

use super::parameters::Parameters;
use super::{LlamaConfig, names};
use crate::build::{ATTENTION_MASK, BuildError, INPUT_IDS, LAST_HIDDEN_STATE, OPSET, Storage, Weights, hidden};
use crate::onnx::{AttributeProto, DataType, Dim, ModelProto};
use crate::{GraphBuilder, Value};

/// Name of the output with a score for each token of the vocabulary.
pub const LOGITS: &str = "logits";
/// Name of the input that holds the positions of the new tokens, counted from 0.
pub const POSITION_IDS: &str = "position_ids";

/// What a decoder's graph is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecoderForm {
    /// Whole texts at once, without a cache: training and scoring.
    Full,
    /// A few new tokens after a cache of keys and values: generation.
    Cached,
}

/// Names of the cache's inputs for a layer: key and value.
pub fn past(layer: usize) -> [String; 2] {
    [format!("past.{layer}.key"), format!("past.{layer}.value")]
}

/// Names of the cache's outputs for a layer: key and value.
pub fn present(layer: usize) -> [String; 2] {
    [format!("present.{layer}.key"), format!("present.{layer}.value")]
}

/// Builds the decoder's graph; tensors may carry the prefix `model.` or none.
///
/// # Errors
/// If a tensor is missing, has another shape than `config` calls for, or an element type that cannot be used.
pub fn build(
    config: &LlamaConfig,
    weights: &Weights,
    storage: Storage,
    form: DecoderForm,
) -> Result<ModelProto, BuildError> {
    Decoder::build(config, Parameters::File { weights, storage, prefix: "model." }, form)
}

impl LlamaConfig {
    /// The full form of the decoder with every parameter an input of the graph, named as in [`LlamaConfig::tensors`]:
    /// for training from nothing.
    ///
    /// # Errors
    /// [`BuildError::Config`] for a size outside its bounds.
    pub fn decoder_trainable(&self) -> Result<ModelProto, BuildError> {
        self.check()?;
        let name = |name: &str| if name.starts_with("lm_head.") { name.to_owned() } else { format!("model.{name}") };
        Decoder::build(self, Parameters::Inputs { name }, DecoderForm::Full)
    }
}

struct Decoder<'a> {
    config: &'a LlamaConfig,
    parameters: Parameters<'a>,
    form: DecoderForm,
    graph: GraphBuilder,
}

/// What all layers share.
struct Context {
    /// Added to attention scores: `[batch, 1, seq, slots]`, or `[batch, 1, 1, seq, slots]` where heads are grouped.
    bias: Value,
    /// `[batch, seq, 1, head_dim]`.
    cos: Value,
    sin: Value,
}

impl<'a> Decoder<'a> {
    fn build(config: &'a LlamaConfig, parameters: Parameters<'a>, form: DecoderForm) -> Result<ModelProto, BuildError> {
        let mut decoder = Self { config, parameters, form, graph: GraphBuilder::new("llama", OPSET) };
        decoder.decode()?;
        let mut model = decoder.graph.finish();
        model.graph.iter_mut().for_each(names::absorb_identities);
        Ok(model)
    }

    fn decode(&mut self) -> Result<(), BuildError> {
        let config = self.config;
        let (batch, seq) = (Dim::Symbol("batch"), Dim::Symbol("seq"));
        let tokens = [batch.clone(), seq.clone()];
        let ids = self.graph.input(INPUT_IDS, DataType::Int64, &tokens);
        let context = self.context(&ids);
        let table = self.weight("embed_tokens.weight", &[config.vocab_size, config.hidden_size])?;
        let embedded = self.graph.gather(&table, &ids, 0);
        let mut state = self.graph.named(&embedded, &hidden(0));
        for layer in 0..config.num_hidden_layers {
            let next = self.layer(layer, &state, &context)?;
            state = self.graph.named(&next, &hidden(layer + 1));
        }
        let last = self.norm(&state, "norm")?;
        let head = match config.tie_word_embeddings {
            true => table,
            false => self.weight("lm_head.weight", &[config.vocab_size, config.hidden_size])?,
        };
        let logits = self.graph.scoped("lm_head", |graph| graph.project(&last, &head));
        let vocabulary = Dim::Size(config.vocab_size as i64);
        self.graph.output(&logits, LOGITS, DataType::Float, &[batch.clone(), seq.clone(), vocabulary]);
        if self.form == DecoderForm::Full {
            let width = Dim::Size(config.hidden_size as i64);
            self.graph.output(&last, LAST_HIDDEN_STATE, DataType::Float, &[batch, seq, width]);
        }
        Ok(())
    }

    fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Value, BuildError> {
        self.parameters.value(&mut self.graph, name, shape)
    }

    fn context(&mut self, ids: &Value) -> Context {
        let (batch, seq) = (Dim::Symbol("batch"), Dim::Symbol("seq"));
        let cached = self.form == DecoderForm::Cached;
        let slots = if cached { Dim::Symbol("past+seq") } else { seq.clone() };
        let mask = self.graph.input(ATTENTION_MASK, DataType::Int64, &[batch.clone(), slots]);
        let positions = if cached {
            self.graph.input(POSITION_IDS, DataType::Int64, &[batch, seq])
        } else {
            // Real tokens before this one.
            self.graph.cumulated(&mask, true)
        };
        let new = cached.then_some(ids);
        let bias = self.attention_bias(&mask, new);
        let axes: &[i64] = if self.groups() == 1 { &[1] } else { &[1, 2] };
        let bias = self.graph.unsqueeze(&bias, axes);
        let (cos, sin) = self.turns(&positions);
        Context { bias, cos, sin }
    }

    /// Queries that share a key.
    fn groups(&self) -> usize {
        self.config.num_attention_heads / self.config.num_key_value_heads
    }

    /// `[batch, seq, slots]`: 0 where a token may look and the lowest float elsewhere. The tokens are those of the last
    /// slots; all slots unless `new` holds fewer.
    fn attention_bias(&mut self, mask: &Value, new: Option<&Value>) -> Value {
        self.graph.scoped("mask", |graph| {
            let (one, lowest) = (graph.scalar(1.0), graph.scalar(f32::MIN));
            let every = graph.int_scalar(1);
            let every = graph.max(mask, &every);
            let slot = graph.cumulated(&every, false);
            let own = match new {
                None => slot.clone(),
                Some(new) => {
                    let (all, fresh) = (graph.axis_size(mask, 1), graph.axis_size(new, 1));
                    let past = graph.sub(&all, &fresh);
                    let axis = graph.int_list(&[1]);
                    graph.op("Slice", &[&slot, &past, &all, &axis], Vec::new())
                }
            };
            let (own, other) = (graph.unsqueeze(&own, &[2]), graph.unsqueeze(&slot, &[1]));
            let before = graph.op("LessOrEqual", &[&other, &own], Vec::new());
            let before = graph.cast(&before, DataType::Float);
            let real = graph.cast(mask, DataType::Float);
            let real = graph.unsqueeze(&real, &[1]);
            let seen = graph.mul(&before, &real);
            let hidden = graph.sub(&one, &seen);
            graph.mul(&hidden, &lowest)
        })
    }

    /// Cosines and sines of the angles at these positions, `[batch, seq, 1, head_dim]`.
    fn turns(&mut self, positions: &Value) -> (Value, Value) {
        let frequencies = self.config.rotary.frequencies(self.config.head_dim);
        self.graph.scoped("rotary", |graph| {
            let frequencies = graph.floats("rotary.frequencies", &frequencies);
            let positions = graph.cast(positions, DataType::Float);
            let positions = graph.unsqueeze(&positions, &[2, 3]);
            let angles = graph.mul(&positions, &frequencies);
            let angles = graph.concat(&[&angles, &angles], -1);
            (graph.op("Cos", &[&angles], Vec::new()), graph.op("Sin", &[&angles], Vec::new()))
        })
    }

    fn layer(&mut self, index: usize, state: &Value, context: &Context) -> Result<Value, BuildError> {
        let config = self.config;
        let at = |name: &str| format!("layers.{index}.{name}");
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let x = self.norm(state, &at("input_layernorm"))?;
        let attended = self.attention(index, &x, context)?;
        let state = self.graph.add(state, &attended);
        let x = self.norm(&state, &at("post_attention_layernorm"))?;
        let gate = self.linear(&x, &at("mlp.gate_proj"), [inner, width], config.mlp_bias)?;
        let up = self.linear(&x, &at("mlp.up_proj"), [inner, width], config.mlp_bias)?;
        let gate = self.graph.activate(&gate, config.activation);
        let wide = self.graph.mul(&gate, &up);
        let narrow = self.linear(&wide, &at("mlp.down_proj"), [width, inner], config.mlp_bias)?;
        Ok(self.graph.add(&state, &narrow))
    }

    /// Grouped-query attention with rotary positions, and its output projection.
    fn attention(&mut self, layer: usize, x: &Value, context: &Context) -> Result<Value, BuildError> {
        let config = self.config;
        let (heads, shared, head) = (config.num_attention_heads, config.num_key_value_heads, config.head_dim);
        let [query, key, value, output] = config.projections();
        let at = |name: &str| format!("layers.{layer}.{name}");
        let query = self.linear(x, &at(query.0), query.1, query.2)?;
        let key = self.linear(x, &at(key.0), key.1, key.2)?;
        let value = self.linear(x, &at(value.0), value.1, value.2)?;
        let query = self.split(&query, heads);
        let query = self.turn(&query, context);
        let key = self.split(&key, shared);
        let key = self.turn(&key, context);
        let key = self.graph.transpose(&key, &[0, 2, 1, 3]);
        let value = self.split(&value, shared);
        let value = self.graph.transpose(&value, &[0, 2, 1, 3]);
        let (key, value) = self.remember(layer, key, value);
        let scale = self.graph.scalar((head as f32).sqrt().recip());
        let query = self.graph.mul(&query, &scale);
        let mixed = match self.groups() {
            1 => self.attend(&query, &key, &value, &context.bias),
            groups => self.attend_grouped(&query, &key, &value, &context.bias, groups),
        };
        let mixed = self.graph.reshape(&mixed, &[0, 0, (heads * head) as i64]);
        self.linear(&mixed, &at(output.0), output.1, output.2)
    }

    /// `query` `[batch, seq, heads, head]`, `key` and `value` `[batch, heads, slots, head]`; gives
    /// `[batch, seq, heads, head]`.
    fn attend(&mut self, query: &Value, key: &Value, value: &Value, bias: &Value) -> Value {
        let query = self.graph.transpose(query, &[0, 2, 1, 3]);
        let key = self.graph.transpose(key, &[0, 1, 3, 2]);
        let scores = self.graph.matmul(&query, &key);
        let scores = self.graph.add(&scores, bias);
        let shares = self.graph.softmax(&scores, -1);
        let mixed = self.graph.matmul(&shares, value);
        self.graph.transpose(&mixed, &[0, 2, 1, 3])
    }

    /// As [`Decoder::attend`], where `groups` neighbouring heads of the query share a key; gives
    /// `[batch, seq, shared, groups, head]`.
    fn attend_grouped(&mut self, query: &Value, key: &Value, value: &Value, bias: &Value, groups: usize) -> Value {
        let (shared, head) = (self.config.num_key_value_heads as i64, self.config.head_dim as i64);
        let query = self.graph.reshape(query, &[0, 0, shared, groups as i64, head]);
        let query = self.graph.transpose(&query, &[0, 2, 3, 1, 4]);
        let key = self.graph.transpose(key, &[0, 1, 3, 2]);
        let key = self.graph.unsqueeze(&key, &[2]);
        let value = self.graph.unsqueeze(value, &[2]);
        let scores = self.graph.matmul(&query, &key);
        let scores = self.graph.add(&scores, bias);
        let shares = self.graph.softmax(&scores, -1);
        let mixed = self.graph.matmul(&shares, &value);
        self.graph.transpose(&mixed, &[0, 3, 1, 2, 4])
    }

    /// Keys and values behind those of the cache, which grows by them.
    fn remember(&mut self, layer: usize, key: Value, value: Value) -> (Value, Value) {
        if self.form == DecoderForm::Full {
            return (key, value);
        }
        let shape = |slots| {
            let sizes = [self.config.num_key_value_heads, self.config.head_dim].map(|size| Dim::Size(size as i64));
            let [heads, head] = sizes;
            [Dim::Symbol("batch"), heads, Dim::Symbol(slots), head]
        };
        let (old, all) = (shape("past"), shape("past+seq"));
        let mut join = |past: &str, new: &Value, present: &str| {
            let past = self.graph.input(past, DataType::Float, &old);
            let joined = self.graph.concat(&[&past, new], 2);
            self.graph.output(&joined, present, DataType::Float, &all);
            joined
        };
        let ([old_key, old_value], [new_key, new_value]) = (past(layer), present(layer));
        (join(&old_key, &key, &new_key), join(&old_value, &value, &new_value))
    }

    /// `[batch, seq, heads * head_dim]` as `[batch, seq, heads, head_dim]`.
    fn split(&mut self, x: &Value, heads: usize) -> Value {
        self.graph.reshape(x, &[0, 0, heads as i64, self.config.head_dim as i64])
    }

    /// Turns each pair of a head's numbers, which stand half a head apart, by the angle of its position.
    fn turn(&mut self, x: &Value, context: &Context) -> Value {
        let half = (self.config.head_dim / 2) as i64;
        let first = self.graph.slice(x, -1, 0, half);
        let second = self.graph.slice(x, -1, half, 2 * half);
        let second = self.graph.op("Neg", &[&second], Vec::new());
        let quarter = self.graph.concat(&[&second, &first], -1);
        let kept = self.graph.mul(x, &context.cos);
        let turned = self.graph.mul(&quarter, &context.sin);
        self.graph.add(&kept, &turned)
    }

    fn linear(&mut self, x: &Value, name: &str, [output, input]: [usize; 2], bias: bool) -> Result<Value, BuildError> {
        let weight = self.weight(&format!("{name}.weight"), &[output, input])?;
        if !bias {
            return Ok(self.graph.scoped(name, |graph| graph.project(x, &weight)));
        }
        let bias = self.weight(&format!("{name}.bias"), &[output])?;
        Ok(self.graph.scoped(name, |graph| graph.linear(x, &weight, &bias)))
    }

    /// `x / sqrt(mean(x²) + ε) · w`, in the operators that the runtime knows as one.
    fn norm(&mut self, x: &Value, name: &str) -> Result<Value, BuildError> {
        let weight = self.weight(&format!("{name}.weight"), &[self.config.hidden_size])?;
        let epsilon = self.config.rms_norm_eps;
        Ok(self.graph.scoped(name, |graph| {
            let (two, epsilon) = (graph.scalar(2.0), graph.scalar(epsilon));
            let axes = graph.int_list(&[-1]);
            let square = graph.op("Pow", &[x, &two], Vec::new());
            let mean = graph.op("ReduceMean", &[&square, &axes], vec![AttributeProto::int("keepdims", 1)]);
            let mean = graph.add(&mean, &epsilon);
            let root = graph.op("Sqrt", &[&mean], Vec::new());
            let unit = graph.div(x, &root);
            graph.mul(&unit, &weight)
        }))
    }
}
