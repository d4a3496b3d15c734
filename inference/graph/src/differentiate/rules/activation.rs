//! Activation functions, each with as few passes over memory as it takes: they run over the widest tensors.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use crate::Value;
use crate::differentiate::step::{Outcome, Step};
use crate::onnx::AttributeProto;

/// Contributes `dy * slope`.
fn give_times(step: &mut Step<'_>, slope: &Value) -> Outcome {
    let dy = step.dy()?;
    let gradient = step.mul(&dy, slope);
    step.give(0, gradient);
    Ok(())
}

/// `2/√π exp(-x²)`.
pub(super) fn erf(step: &mut Step<'_>) -> Outcome {
    let x = step.x(0)?;
    let slope = bell(step, &x, 2.0 / PI.sqrt());
    give_times(step, &slope)
}

/// `height exp(-z²)`, the height put into the exponent.
fn bell(step: &mut Step<'_>, z: &Value, height: f32) -> Value {
    let square = step.mul(z, z);
    let log = step.number(height.ln());
    let exponent = step.graph.sub(&log, &square);
    step.op("Exp", &[&exponent])
}

/// `1 - y²`.
pub(super) fn tanh(step: &mut Step<'_>) -> Outcome {
    let y = step.y(0)?;
    let slope = one_less_square(step, &y);
    give_times(step, &slope)
}

fn one_less_square(step: &mut Step<'_>, y: &Value) -> Value {
    let square = step.mul(y, y);
    let one = step.number(1.0);
    step.graph.sub(&one, &square)
}

/// `y (1 - y)`.
pub(super) fn sigmoid(step: &mut Step<'_>) -> Outcome {
    let y = step.y(0)?;
    let one = step.number(1.0);
    let rest = step.graph.sub(&one, &y);
    let slope = step.mul(&y, &rest);
    give_times(step, &slope)
}

pub(super) fn relu(step: &mut Step<'_>) -> Outcome {
    let (dy, y) = (step.dy()?, step.y(0)?);
    let zero = step.number(0.0);
    let positive = step.op("Greater", &[&y, &zero]);
    let gradient = step.only(&positive, &dy);
    step.give(0, gradient);
    Ok(())
}

pub(super) fn leaky_relu(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    let alpha = step.float("alpha", 0.01);
    let below = step.scale(&dy, alpha);
    give_by_sign(step, &x, &dy, &below)
}

/// `above` where `x` is positive, `below` elsewhere.
fn give_by_sign(step: &mut Step<'_>, x: &Value, above: &Value, below: &Value) -> Outcome {
    let zero = step.number(0.0);
    let positive = step.op("Greater", &[x, &zero]);
    let gradient = step.choose(&positive, above, below);
    step.give(0, gradient);
    Ok(())
}

/// `alpha eˣ = y + alpha` below 0.
pub(super) fn elu(step: &mut Step<'_>) -> Outcome {
    let (dy, x, y) = (step.dy()?, step.x(0)?, step.y(0)?);
    let alpha = step.float("alpha", 1.0);
    let slope = step.shift(&y, alpha);
    let below = step.mul(&dy, &slope);
    give_by_sign(step, &x, &dy, &below)
}

pub(super) fn softplus(step: &mut Step<'_>) -> Outcome {
    let x = step.x(0)?;
    let slope = step.op("Sigmoid", &[&x]);
    give_times(step, &slope)
}

pub(super) fn sin(step: &mut Step<'_>) -> Outcome {
    let x = step.x(0)?;
    let slope = step.op("Cos", &[&x]);
    give_times(step, &slope)
}

pub(super) fn cos(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    let sin = step.op("Sin", &[&x]);
    let product = step.mul(&dy, &sin);
    let gradient = step.op("Neg", &[&product]);
    step.give(0, gradient);
    Ok(())
}

pub(super) fn gelu(step: &mut Step<'_>) -> Outcome {
    let slope = match step.text("approximate") {
        Some("tanh") => gelu_tanh_slope(step)?,
        _ => gelu_slope(step)?,
    };
    give_times(step, &slope)
}

/// The tanh approximation, with an optional bias along the last axis.
pub(super) fn fast_gelu(step: &mut Step<'_>) -> Outcome {
    if step.has(1) {
        return Err(step.unsupported("it carries a bias; add the bias by a node of its own"));
    }
    let slope = gelu_tanh_slope(step)?;
    give_times(step, &slope)
}

/// `Φ(x) + x φ(x)`, the distribution function and the density of the normal distribution.
fn gelu_slope(step: &mut Step<'_>) -> Result<Value, crate::differentiate::DifferentiateError> {
    let x = step.x(0)?;
    let z = step.scale(&x, FRAC_1_SQRT_2);
    let erf = step.op("Erf", &[&z]);
    // (erf + 1) / 2 in one pass: nothing is cut off, for erf lies within -1 and 1.
    let halves = vec![AttributeProto::float("alpha", 0.5), AttributeProto::float("beta", 0.5)];
    let below = step.graph.op("HardSigmoid", &[&erf], halves);
    // x φ(x) = z exp(-z²) / √π
    let bell = bell(step, &z, 1.0 / PI.sqrt());
    let density = step.mul(&z, &bell);
    Ok(step.graph.add(&below, &density))
}

/// `y = x (1 + t) / 2` with `t = tanh(u)`, `u = √(2/π) (x + 0.044715 x³)`: `(1 + t) / 2 + x (1 - t²) u' / 2`.
fn gelu_tanh_slope(step: &mut Step<'_>) -> Result<Value, crate::differentiate::DifferentiateError> {
    const CUBIC: f32 = 0.044715;
    let root = (2.0 / PI).sqrt();
    let x = step.x(0)?;
    let square = step.mul(&x, &x);
    let inner = step.scale(&square, root * CUBIC);
    let inner = step.shift(&inner, root);
    let inner = step.mul(&inner, &x);
    let t = step.op("Tanh", &[&inner]);
    let halves = vec![AttributeProto::float("alpha", 0.5), AttributeProto::float("beta", 0.5)];
    let below = step.graph.op("HardSigmoid", &[&t], halves);
    let slope = step.scale(&square, 1.5 * root * CUBIC);
    let slope = step.shift(&slope, 0.5 * root);
    let slope = step.mul(&slope, &x);
    let rest = one_less_square(step, &t);
    let second = step.mul(&slope, &rest);
    Ok(step.graph.add(&below, &second))
}

pub(super) fn quick_gelu(step: &mut Step<'_>) -> Outcome {
    let alpha = step.float("alpha", 1.702);
    gated(step, alpha)
}

pub(super) fn swish(step: &mut Step<'_>) -> Outcome {
    let alpha = step.float("alpha", 1.0);
    gated(step, alpha)
}

/// `y = x s` with `s = sigmoid(alpha x)`: `s + alpha y (1 - s)`.
fn gated(step: &mut Step<'_>, alpha: f32) -> Outcome {
    let (x, y) = (step.x(0)?, step.y(0)?);
    let inner = step.scale(&x, alpha);
    let s = step.op("Sigmoid", &[&inner]);
    let one = step.number(1.0);
    let rest = step.graph.sub(&one, &s);
    let scaled = step.scale(&y, alpha);
    let second = step.mul(&scaled, &rest);
    let slope = step.graph.add(&s, &second);
    give_times(step, &slope)
}
