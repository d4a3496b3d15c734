//! What an ONNX file takes and gives.

use crate::build::decoder::LOGITS;
use crate::build::encoder::{POOLED, SENTENCE_EMBEDDING};
use crate::build::{ATTENTION_MASK, BuildError, INPUT_IDS, LAST_HIDDEN_STATE};
use crate::onnx::{DataType, GraphProto, ModelProto, NodeProto};
use crate::shape::{Shapes, Size, ValueType};

/// Name of the input with the kinds of tokens; always 0 here.
pub(super) const TOKEN_TYPES: &str = "token_type_ids";
/// Another name for one vector a token.
const TOKEN_EMBEDDINGS: &str = "token_embeddings";

/// What is read off the graph, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// `[batch, classes]`: the model is a classifier.
    Logits(String),
    /// `[batch, hidden]`: a vector a text.
    Vector(String),
    /// `[batch, seq, hidden]`: a vector a token, of which the mean is taken.
    Tokens(String),
}

impl Reading {
    pub(super) fn output(&self) -> &str {
        match self {
            Self::Logits(name) | Self::Vector(name) | Self::Tokens(name) => name,
        }
    }

    fn axes(&self) -> usize {
        if matches!(self, Self::Tokens(_)) { 3 } else { 2 }
    }
}

/// An input that the caller fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub name: &'static str,
    /// Int64 or int32.
    pub element: DataType,
    /// The symbols of its two sizes, where it has them.
    pub symbols: [Option<String>; 2],
}

/// What is fed and what is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// `input_ids`, `attention_mask`, and `token_type_ids` where the model wants them.
    pub inputs: Vec<Input>,
    pub reading: Reading,
    /// The output with one vector a token, whether or not it is what is read.
    pub tokens: Option<String>,
}

impl Signature {
    pub(super) fn of(model: &ModelProto, shapes: &Shapes) -> Result<Self, BuildError> {
        let graph = model.graph.as_ref().ok_or(crate::GraphError::NoGraph)?;
        let inputs = inputs(graph, shapes)?;
        if let Some(node) = graph.node.iter().find(|node| is_random(node, shapes)) {
            let what = format!("its node {} drops numbers at random; export it in evaluation mode", node.label());
            return Err(unusable(what));
        }
        let has = |name: &str| graph.output.iter().any(|output| output.name == name);
        type Make = fn(String) -> Reading;
        let known: [(&str, Make); 5] = [
            (LOGITS, Reading::Logits),
            (POOLED, Reading::Vector),
            (SENTENCE_EMBEDDING, Reading::Vector),
            (LAST_HIDDEN_STATE, Reading::Tokens),
            (TOKEN_EMBEDDINGS, Reading::Tokens),
        ];
        let found = known.iter().find(|(name, _)| has(name)).map(|(name, make)| make((*name).to_owned()));
        let reading = found.ok_or_else(|| {
            let names: Vec<&str> = graph.output.iter().take(8).map(|output| output.name.as_str()).collect();
            unusable(format!(
                "it has none of the outputs logits, pooled, sentence_embedding, last_hidden_state and token_embeddings, but {}; export it with one of these",
                names.join(", ")
            ))
        })?;
        check_output(shapes, reading.output(), reading.axes())?;
        let tokens = [LAST_HIDDEN_STATE, TOKEN_EMBEDDINGS].into_iter().find(|name| has(name)).map(str::to_owned);
        let tokens = tokens.filter(|name| check_output(shapes, name, 3).is_ok());
        Ok(Self { inputs, reading, tokens })
    }
}

pub(super) fn unusable(what: String) -> BuildError {
    BuildError::Export(what)
}

fn inputs(graph: &GraphProto, shapes: &Shapes) -> Result<Vec<Input>, BuildError> {
    let constant = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let names: Vec<&str> = graph.input.iter().map(|input| input.name.as_str()).filter(|name| !constant(name)).collect();
    let known = [INPUT_IDS, ATTENTION_MASK, TOKEN_TYPES];
    if let Some(missing) = known[..2].iter().find(|name| !names.contains(name)) {
        return Err(unusable(format!("it has no input {missing}; export it with that name")));
    }
    if let Some(other) = names.iter().find(|name| !known.contains(name)) {
        return Err(unusable(format!("it wants an input {other}, which nobody gives; export it without")));
    }
    known.into_iter().filter(|name| names.contains(name)).map(|name| input(name, shapes.get(name))).collect()
}

fn input(name: &'static str, declared: Option<&ValueType>) -> Result<Input, BuildError> {
    let element = declared.map_or(DataType::Int64, |declared| declared.element);
    if ![DataType::Int64, DataType::Int32].contains(&element) {
        return Err(unusable(format!("its input {name} holds {element:?}; export it with integers")));
    }
    let Some(sizes) = declared.and_then(|declared| declared.shape.as_ref()) else {
        return Ok(Input { name, element, symbols: [None, None] });
    };
    let [first, second] = sizes.as_slice() else {
        return Err(unusable(format!("its input {name} has {} axes; export it with [batch, sequence]", sizes.len())));
    };
    if [first, second].into_iter().any(|size| matches!(size, Size::Known(_))) {
        let what = format!("its input {name} has the fixed size [{first}, {second}]; export it with dynamic axes");
        return Err(unusable(what));
    }
    let symbol = |size: &Size| match size {
        // Those with a question mark are the inference's own, for what has no name.
        Size::Symbol(symbol) if !symbol.contains('?') => Some(symbol.to_string()),
        _ => None,
    };
    Ok(Input { name, element, symbols: [symbol(first), symbol(second)] })
}

/// Whether a node drops numbers as in training: then no answer would be given twice.
fn is_random(node: &NodeProto, shapes: &Shapes) -> bool {
    let training = node.input.get(2).filter(|name| node.op_type == "Dropout" && !name.is_empty());
    training.is_some_and(|name| shapes.integers(name) != Some(&[0]))
}

fn check_output(shapes: &Shapes, name: &str, axes: usize) -> Result<(), BuildError> {
    let Some(known) = shapes.get(name) else { return Ok(()) };
    if let Some(sizes) = known.shape.as_ref().filter(|sizes| sizes.len() != axes) {
        let sizes = sizes.iter().map(Size::to_string).collect::<Vec<_>>().join(", ");
        return Err(unusable(format!("its output {name} has the shape [{sizes}], where {axes} axes are read")));
    }
    match known.element {
        DataType::Float | DataType::Float16 | DataType::Bfloat16 | DataType::Double => Ok(()),
        other => Err(unusable(format!("its output {name} holds {other:?}, where numbers are read"))),
    }
}
