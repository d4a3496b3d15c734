//! Reverse-mode automatic differentiation, from ONNX to ONNX.
//!
//! [`differentiate`] appends to a graph the nodes that compute the gradient of one value with respect to others, so
//! that one run gives both. It walks from the objective back to what it is differentiated by, and asks for each node
//! on that way the rule of its operator (`rules`). Nothing else is touched: frozen weights get no gradient, and a
//! frozen beginning of a network is not walked through.
//!
//! ```text
//!  forward ─► path ─► rules ─► accumulate          what is known; which nodes matter; one rule a node; sums
//!                       └────► broadcast           sums over the axes along which an operand was repeated
//! ```
//!
//! Where shapes are known, symbols included, the gradient is as lean as one written by hand; where they are not,
//! the graph itself works out at run time over which axes to sum.

mod accumulate;
mod broadcast;
mod error;
mod forward;
mod path;
mod rules;
mod step;
#[cfg(test)]
mod tests;

use accumulate::Gradients;
pub use error::DifferentiateError;
use forward::Forward;
use path::Path;
use step::Step;

use crate::model::{GraphError, prune};
use crate::onnx::{DataType, ModelProto};
use crate::shape::Size;
use crate::{GraphBuilder, Value};

/// The first version of the standard operators that gradients can be written in (`ScatterElements` that adds).
pub const FIRST_OPSET: i64 = 16;

/// The name of the output that holds the gradient with respect to the value `wrt`.
pub fn gradient_name(wrt: &str) -> String {
    format!("grad.{wrt}")
}

/// Adds to the graph, as outputs named by [`gradient_name`], the gradients of `objective` with respect to each of
/// `wrt`; each has the shape of its value.
///
/// `objective` is any float value of the graph; if it has more than one element it stands for their sum. So where its
/// elements are the losses of the samples of a batch, the gradient by a value that has one row for each sample is the
/// gradient of each sample's loss. `wrt` are inputs, initialisers or outputs of nodes; a value on the way to another
/// is no obstacle. Nodes that no output needs are dropped.
///
/// # Errors
/// [`DifferentiateError`]: an unsound graph, names that are no float values, a value that the objective does not
/// depend on, and an operator on the way that has no rule, or none for this use of it.
pub fn differentiate(model: &ModelProto, objective: &str, wrt: &[&str]) -> Result<ModelProto, DifferentiateError> {
    let mut graph = GraphBuilder::from_model(model.clone())?;
    let forward = Forward::new(model)?;
    let found = graph.opset("").unwrap_or(1);
    if found < FIRST_OPSET {
        return Err(DifferentiateError::Opset { found, needed: FIRST_OPSET });
    }
    for &name in wrt.iter().chain([&objective]) {
        if graph.value(name).is_none() {
            return Err(DifferentiateError::NoValue(name.to_owned()));
        }
        if !forward.may_be_float(name) {
            return Err(DifferentiateError::NotFloat(name.to_owned()));
        }
    }
    let path = Path::between(&forward, wrt, objective);
    let gradients = graph.scoped("gradient", |graph| walk_back(graph, &forward, &path, objective))?;
    finish(graph, &forward, gradients, objective, wrt)
}

/// Runs the rules of the path's nodes, last node first.
fn walk_back(
    graph: &mut GraphBuilder,
    forward: &Forward<'_>,
    path: &Path,
    objective: &str,
) -> Result<Gradients, DifferentiateError> {
    let mut gradients = Gradients::default();
    let seed = seed(graph, forward, objective)?;
    gradients.add(objective, seed);
    for &position in path.nodes() {
        let node = forward.nodes()[position];
        let incoming: Vec<_> = node.output.iter().map(|output| gradients.total(graph, output)).collect();
        if incoming.iter().all(Option::is_none) {
            continue;
        }
        let rule = rules::find(&node.domain, &node.op_type).ok_or_else(|| DifferentiateError::NoRule {
            node: step::name(node).to_owned(),
            operator: step::operator(node),
        })?;
        rule(&mut Step { graph, forward, node, path, incoming, gradients: &mut gradients })?;
    }
    Ok(gradients)
}

/// Ones in the shape of the objective.
fn seed(graph: &mut GraphBuilder, forward: &Forward<'_>, objective: &str) -> Result<Value, DifferentiateError> {
    let value = graph.value(objective).ok_or_else(|| DifferentiateError::NoValue(objective.to_owned()))?;
    let one = graph.scalar(1.0);
    let one = match forward.element(objective) {
        None | Some(DataType::Float) => one,
        Some(other) => graph.cast(&one, other),
    };
    if forward.shape(objective).is_some_and(<[Size]>::is_empty) {
        return Ok(one);
    }
    let shape = graph.op("Shape", &[&value], Vec::new());
    Ok(graph.op("Expand", &[&one, &shape], Vec::new()))
}

/// Names the gradients and drops what is not needed.
fn finish(
    mut graph: GraphBuilder,
    forward: &Forward<'_>,
    mut gradients: Gradients,
    objective: &str,
    wrt: &[&str],
) -> Result<ModelProto, DifferentiateError> {
    let mut outputs = Vec::with_capacity(wrt.len());
    for &of in wrt {
        let total = graph.scoped("gradient", |graph| gradients.total(graph, of));
        let total = total
            .ok_or_else(|| DifferentiateError::NotConnected { objective: objective.to_owned(), wrt: of.to_owned() })?;
        let name = gradient_name(of);
        if graph.named(&total, &name).name() != name {
            return Err(GraphError::Duplicate(name).into());
        }
        outputs.push(forward.declare(&name, of));
    }
    let mut model = graph.finish();
    if let Some(graph) = model.graph.as_mut() {
        graph.output.extend(outputs);
    }
    prune(&mut model);
    Ok(model)
}
