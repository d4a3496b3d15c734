//! Softmax and the losses built on it.

use crate::Value;
use crate::differentiate::DifferentiateError;
use crate::differentiate::step::{Outcome, Step};
use crate::onnx::{AttributeProto, DataType};

/// `y (dy - Σ dy y)`.
pub(super) fn softmax(step: &mut Step<'_>) -> Outcome {
    let (dy, y) = (step.dy()?, step.y(0)?);
    let axis = step.int("axis").unwrap_or(-1);
    let total = match attention(step, axis) {
        // Σ dy y over the shares is Σ do o over what they mixed, which is smaller.
        Some((mixed, gradient)) => {
            let product = step.mul(&gradient, &mixed);
            step.sum(&product, &[-1])
        }
        None => {
            let product = step.mul(&dy, &y);
            step.sum(&product, &[axis])
        }
    };
    let rest = step.graph.sub(&dy, &total);
    let gradient = step.mul(&rest, &y);
    step.give(0, gradient);
    Ok(())
}

/// Where the shares are used once, to mix the rows of a matrix (`o = y v`): `o` and its gradient.
fn attention(step: &mut Step<'_>, axis: i64) -> Option<(Value, Value)> {
    let (shares, shape) = (step.node.output.first()?, step.shape_of_output(0)?);
    let rank = shape.len();
    if rank < 2 || (axis != -1 && axis != rank as i64 - 1) || step.gradients.count(shares) != 1 {
        return None;
    }
    let mut readers =
        step.forward.consumers(shares).filter(|node| node.output.iter().any(|output| step.path.contains(output)));
    let (reader, None) = (readers.next()?, readers.next()) else { return None };
    let [left, right] = reader.input.as_slice() else { return None };
    let mixed = reader.output.first()?;
    let known = (step.forward.shape(right)?.len() >= 2, step.forward.shape(mixed)?);
    let same_rows = known.1.len() == rank && known.1[..rank - 1] == shape[..rank - 1];
    if reader.op_type != "MatMul" || left != shares || right == shares || !known.0 || !same_rows {
        return None;
    }
    let gradient = step.gradients.total(step.graph, mixed)?;
    Some((step.graph.value(mixed)?, gradient))
}

/// `dy - exp(y) Σ dy`.
pub(super) fn log_softmax(step: &mut Step<'_>) -> Outcome {
    let (dy, y) = (step.dy()?, step.y(0)?);
    let gradient = through_log_softmax(step, &dy, &y, step.int("axis").unwrap_or(-1));
    step.give(0, gradient);
    Ok(())
}

fn through_log_softmax(step: &mut Step<'_>, dy: &Value, y: &Value, axis: i64) -> Value {
    let share = step.op("Exp", &[y]);
    let total = step.sum(dy, &[axis]);
    let part = step.mul(&share, &total);
    step.graph.sub(dy, &part)
}

/// `SoftmaxCrossEntropyLoss`: scores `[n, classes, ..]`, labels `[n, ..]`, perhaps a weight for each class.
pub(super) fn cross_entropy(step: &mut Step<'_>) -> Outcome {
    if step.wants(2) {
        return Err(step.unsupported("its class weights depend on what is differentiated by; they must be fixed"));
    }
    let scores = step.x(0)?;
    let mut parts = Vec::new();
    if let Some(dy) = step.incoming.first().cloned().flatten() {
        let (labels, share) = shares(step, &dy)?;
        let share = step.graph.unsqueeze(&share, &[1]);
        let guess = step.graph.softmax(&scores, 1);
        let guess = step.mul(&guess, &share);
        let minus = step.op("Neg", &[&share]);
        parts.push(add_at(step, &guess, &labels, &minus));
    }
    if let Some(dy) = step.incoming.get(1).cloned().flatten() {
        let log = step.y(1)?;
        parts.push(through_log_softmax(step, &dy, &log, 1));
    }
    for part in parts {
        step.give(0, part);
    }
    Ok(())
}

/// `NegativeLogLikelihoodLoss`: log probabilities in the place of scores.
pub(super) fn negative_log_likelihood(step: &mut Step<'_>) -> Outcome {
    if step.wants(2) {
        return Err(step.unsupported("its class weights depend on what is differentiated by; they must be fixed"));
    }
    let (dy, logs) = (step.dy()?, step.x(0)?);
    let (labels, share) = shares(step, &dy)?;
    let share = step.graph.unsqueeze(&share, &[1]);
    let minus = step.op("Neg", &[&share]);
    let zeros = step.zeros_like(&logs);
    let gradient = add_at(step, &zeros, &labels, &minus);
    step.give(0, gradient);
    Ok(())
}

/// `to` with `updates` `[n, 1, ..]` added at the class that each label names.
fn add_at(step: &mut Step<'_>, to: &Value, labels: &Value, updates: &Value) -> Value {
    let labels = step.graph.unsqueeze(labels, &[1]);
    let attributes = vec![AttributeProto::int("axis", 1), AttributeProto::string("reduction", "add")];
    step.graph.op("ScatterElements", &[to, &labels, updates], attributes)
}

/// Labels that all name a class, and each label's share in the gradient: its weight, 0 where it is to be ignored,
/// divided by the sum of all weights where the loss is their mean.
fn shares(step: &mut Step<'_>, dy: &Value) -> Result<(Value, Value), DifferentiateError> {
    let element = step.element();
    let labels = step.x(1)?;
    let labels = step.graph.cast(&labels, DataType::Int64);
    let (labels, kept) = match step.int("ignore_index") {
        None => (labels, None),
        Some(ignored) => {
            let (ignored, zero) = (step.graph.int_scalar(ignored), step.graph.int_scalar(0));
            let dropped = step.op("Equal", &[&labels, &ignored]);
            let safe = step.choose(&dropped, &zero, &labels);
            let kept = step.op("Not", &[&dropped]);
            (safe, Some(step.graph.cast(&kept, element)))
        }
    };
    let weight = if step.has(2) {
        let weights = step.x(2)?;
        let weight = step.graph.gather(&weights, &labels, 0);
        Some(match kept {
            Some(kept) => step.mul(&weight, &kept),
            None => weight,
        })
    } else {
        kept
    };
    let weight = match weight {
        Some(weight) => weight,
        None => {
            let (one, shape) = (step.number(1.0), step.shape_of(&labels));
            step.op("Expand", &[&one, &shape])
        }
    };
    let share = step.mul(&weight, dy);
    if step.text("reduction").unwrap_or("mean") != "mean" {
        return Ok((labels, share));
    }
    let total = step.graph.op("ReduceSum", &[&weight], vec![AttributeProto::int("keepdims", 0)]);
    let share = step.graph.div(&share, &total);
    Ok((labels, share))
}
