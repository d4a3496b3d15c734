//! What is minimised, appended to an adapted graph.
//!
//! Every objective is a sum over graph inputs that the host chooses, so that one graph serves many gradients:
//!
//! - classification: `weights` and `signs` `[batch, classes]` give sum weights * log p + sum signs * 2 sqrt(p).
//!   As the gradient of 2 sqrt(p) is sqrt(p) grad log p, ones in `signs` are Gauss-Newton rows and random signs are
//!   their random combinations, with no pass of their own for p.
//! - sentence embeddings: `weights` `[batch, batch]` on the log-probabilities that a text finds its own pair among those
//!   that `apart` `[batch, batch]` leaves in the running.
//! - language models: `labels` and `weights` `[batch, seq]` pick the log-probability of each next token; for curvature,
//!   `signs` (int8 `[batch, seq, vocabulary]`) as above.

use datanet_inference::graph::{GraphBuilder, Value};
use datanet_inference::onnx::{AttributeProto, DataType, Dim, ModelProto};

use super::NetworkError;
use super::layout::{HEAD_BIAS, HEAD_WEIGHT};

/// Name of the scalar field whose gradient is taken.
pub(super) const OBJECTIVE: &str = "objective";
/// Input: factors of log-probabilities.
pub(super) const WEIGHTS: &str = "objective.weights";
/// Input: factors of 2 sqrt(p).
pub(super) const SIGNS: &str = "objective.signs";
/// Input: what is added to the scores of pairs.
pub(super) const APART: &str = "objective.apart";
/// Input: next tokens.
pub(super) const LABELS: &str = "objective.labels";
/// Output: log-probabilities; `[batch, classes]`, `[batch, batch]`, or `[batch, seq]` of the next tokens.
pub(super) const LOG_PROBABILITIES: &str = "log_probabilities";
/// Output: the mean hidden state, `[batch, hidden]`.
pub(super) const POOLED: &str = "pooled_output";

/// Appends a classification head and its objective to a graph with the value `pooled`.
pub(super) fn classify(
    model: ModelProto,
    hidden: usize,
    classes: usize,
    per_row: bool,
) -> Result<ModelProto, NetworkError> {
    let mut graph = GraphBuilder::from_model(model)?;
    let pooled = value(&graph, "pooled")?;
    let [hidden_size, class_count] = [hidden, classes].map(|size| Dim::Size(size as i64));
    let batch = || Dim::Symbol("batch");
    let lead = |rest: &[Dim]| if per_row { [&[batch()], rest].concat() } else { rest.to_vec() };
    let weight = graph.input(HEAD_WEIGHT, DataType::Float, &lead(&[hidden_size.clone(), class_count.clone()]));
    let bias = graph.input(HEAD_BIAS, DataType::Float, &lead(std::slice::from_ref(&class_count)));
    let product = if per_row {
        let row = graph.unsqueeze(&pooled, &[1]);
        let product = graph.matmul(&row, &weight);
        graph.reshape(&product, &[0, -1])
    } else {
        graph.matmul(&pooled, &weight)
    };
    let logits = graph.add(&product, &bias);
    let logs = graph.op("LogSoftmax", &[&logits], vec![AttributeProto::int("axis", -1)]);
    let weights = graph.input(WEIGHTS, DataType::Float, &[batch(), class_count.clone()]);
    let signs = graph.input(SIGNS, DataType::Float, &[batch(), class_count.clone()]);
    let weighted = graph.mul(&weights, &logs);
    let rooted = double_root(&mut graph, &logs);
    let signed = graph.mul(&signs, &rooted);
    let objective = graph.add(&weighted, &signed);
    graph.output(&objective, OBJECTIVE, DataType::Float, &[batch(), class_count.clone()]);
    graph.output(&logs, LOG_PROBABILITIES, DataType::Float, &[batch(), class_count]);
    graph.output(&pooled, POOLED, DataType::Float, &[batch(), hidden_size]);
    Ok(graph.finish())
}

/// Appends the contrast between texts and their pairs to a graph with the output `sentence_embedding`: rows are the
/// texts of a batch and then, in the same order, their pairs.
pub(super) fn contrast(model: ModelProto, hidden: usize, temperature: f32) -> Result<ModelProto, NetworkError> {
    let mut graph = GraphBuilder::from_model(model)?;
    let pooled = value(&graph, "pooled")?;
    let units = value(&graph, "sentence_embedding")?;
    let halves = graph.reshape(&units, &[2, -1, hidden as i64]);
    let [first, second] = [0, 1].map(|half| {
        let half = graph.int_scalar(half);
        graph.gather(&halves, &half, 0)
    });
    let second = graph.transpose(&second, &[1, 0]);
    let cosines = graph.matmul(&first, &second);
    let sharpness = graph.scalar(1.0 / temperature);
    let scores = graph.mul(&cosines, &sharpness);
    let square = [Dim::Symbol("pairs"), Dim::Symbol("pairs")];
    let apart = graph.input(APART, DataType::Float, &square);
    let scores = graph.add(&scores, &apart);
    let logs = graph.op("LogSoftmax", &[&scores], vec![AttributeProto::int("axis", -1)]);
    let weights = graph.input(WEIGHTS, DataType::Float, &square);
    let objective = graph.mul(&weights, &logs);
    graph.output(&objective, OBJECTIVE, DataType::Float, &square);
    graph.output(&logs, LOG_PROBABILITIES, DataType::Float, &square);
    graph.output(&pooled, POOLED, DataType::Float, &[Dim::Symbol("batch"), Dim::Size(hidden as i64)]);
    Ok(graph.finish())
}

/// Appends the log-likelihood of the next tokens to a graph with the value `logits`.
pub(super) fn next_token(model: ModelProto) -> Result<ModelProto, NetworkError> {
    let mut graph = GraphBuilder::from_model(model)?;
    let logits = value(&graph, "logits")?;
    let tokens = [Dim::Symbol("batch"), Dim::Symbol("seq")];
    let labels = graph.input(LABELS, DataType::Int64, &tokens);
    let weights = graph.input(WEIGHTS, DataType::Float, &tokens);
    let logs = graph.op("LogSoftmax", &[&logits], vec![AttributeProto::int("axis", -1)]);
    let places = graph.unsqueeze(&labels, &[-1]);
    let picked = graph.op("GatherElements", &[&logs, &places], vec![AttributeProto::int("axis", -1)]);
    let last = graph.int_list(&[-1]);
    let picked = graph.op("Squeeze", &[&picked, &last], Vec::new());
    let objective = graph.mul(&weights, &picked);
    graph.output(&objective, OBJECTIVE, DataType::Float, &tokens);
    graph.output(&picked, LOG_PROBABILITIES, DataType::Float, &tokens);
    Ok(graph.finish())
}

/// Appends the random combinations of a language model's curvature to a graph with the value `logits`.
pub(super) fn token_signs(model: ModelProto, vocabulary: usize) -> Result<ModelProto, NetworkError> {
    let mut graph = GraphBuilder::from_model(model)?;
    let logits = value(&graph, "logits")?;
    let shape = [Dim::Symbol("batch"), Dim::Symbol("seq"), Dim::Size(vocabulary as i64)];
    let signs = graph.input(SIGNS, DataType::Int8, &shape);
    let signs = graph.cast(&signs, DataType::Float);
    let logs = graph.op("LogSoftmax", &[&logits], vec![AttributeProto::int("axis", -1)]);
    let rooted = double_root(&mut graph, &logs);
    let objective = graph.mul(&signs, &rooted);
    graph.output(&objective, OBJECTIVE, DataType::Float, &shape);
    Ok(graph.finish())
}

/// 2 sqrt(p) from log p.
fn double_root(graph: &mut GraphBuilder, logs: &Value) -> Value {
    let (half, two) = (graph.scalar(0.5), graph.scalar(2.0));
    let halved = graph.mul(logs, &half);
    let root = graph.op("Exp", &[&halved], Vec::new());
    graph.mul(&root, &two)
}

fn value(graph: &GraphBuilder, name: &str) -> Result<Value, NetworkError> {
    graph.value(name).ok_or_else(|| NetworkError::Graph(format!("the base has no value {name}")))
}
