//! Layer normalisation, with and without the mean.

use crate::Value;
use crate::differentiate::DifferentiateError;
use crate::differentiate::step::{Outcome, Step};
use crate::shape::Size;

/// `y = n scale + bias` with `n = (x - mean) r`, `r = 1 / deviation`. With `g = dy scale`, and means over the
/// normalised axes: `dx = r (g - mean(g) - n mean(g n))`.
pub(super) fn layer(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    if step.wants(2) {
        step.give_summed(2, &dy);
    }
    if !step.wants(0) && !step.wants(1) {
        return Ok(());
    }
    let axes = Axes::of(step)?;
    let [mean, inverse] = statistics(step)?;
    let centred = step.graph.sub(&x, &mean);
    let normal = step.mul(&centred, &inverse);
    scale_gradient(step, &dy, &normal);
    if step.wants(0) {
        let scale = step.x(1)?;
        let g = step.mul(&dy, &scale);
        let along = along_mean(step, &axes, &g, &normal);
        let level = axes.mean(step, &g);
        let rest = step.graph.sub(&g, &level);
        let part = step.mul(&normal, &along);
        let rest = step.graph.sub(&rest, &part);
        let gradient = step.mul(&rest, &inverse);
        step.give(0, gradient);
    }
    Ok(())
}

/// `y = n scale` with `n = x r`, `r = 1 / √(mean(x²) + epsilon)`: `dx = r (g - n mean(g n))`.
pub(super) fn root_mean_square(step: &mut Step<'_>) -> Outcome {
    let (dy, x, scale) = (step.dy()?, step.x(0)?, step.x(1)?);
    let axes = Axes::of(step)?;
    let square = step.mul(&x, &x);
    let power = axes.mean(step, &square);
    let power = step.shift(&power, step.float("epsilon", 1e-5));
    let root = step.op("Sqrt", &[&power]);
    let inverse = step.op("Reciprocal", &[&root]);
    let normal = step.mul(&x, &inverse);
    scale_gradient(step, &dy, &normal);
    if step.wants(0) {
        let g = step.mul(&dy, &scale);
        let along = along_mean(step, &axes, &g, &normal);
        let part = step.mul(&normal, &along);
        let rest = step.graph.sub(&g, &part);
        let gradient = step.mul(&rest, &inverse);
        step.give(0, gradient);
    }
    Ok(())
}

fn scale_gradient(step: &mut Step<'_>, dy: &Value, normal: &Value) {
    if step.wants(1) {
        let gradient = step.mul(dy, normal);
        step.give_summed(1, &gradient);
    }
}

/// `mean(g n)`.
fn along_mean(step: &mut Step<'_>, axes: &Axes, g: &Value, normal: &Value) -> Value {
    let product = step.mul(g, normal);
    axes.mean(step, &product)
}

/// The node's outputs for the mean and the inverse deviation, which it computes anyway; they are named if they are not
/// yet.
fn statistics(step: &mut Step<'_>) -> Result<[Value; 2], DifferentiateError> {
    let first = step.node.output.first().cloned().unwrap_or_default();
    let missing = step.unsupported("its node is not in the graph");
    let fresh = [step.fresh("LayerNormalization"), step.fresh("LayerNormalization")];
    let node = step.graph.nodes_mut().iter_mut().find(|node| node.output.first() == Some(&first)).ok_or(missing)?;
    node.output.resize(3, String::new());
    for (name, fresh) in node.output[1..].iter_mut().zip(&fresh) {
        if name.is_empty() {
            *name = fresh.name().to_owned();
        }
    }
    let names = [node.output[1].clone(), node.output[2].clone()];
    let [mean, inverse] = names.map(|name| step.graph.value(&name));
    mean.zip(inverse)
        .map(|(mean, inverse)| [mean, inverse])
        .ok_or_else(|| step.unsupported("its statistics have no name"))
}

/// The normalised axes, and how many elements they hold if that is known.
struct Axes {
    axes: Vec<i64>,
    count: Option<i64>,
}

impl Axes {
    fn of(step: &Step<'_>) -> Result<Self, DifferentiateError> {
        let axis = step.int("axis").unwrap_or(-1);
        let shape = step.shape(0);
        let axes: Vec<i64> = match axis {
            ..0 => (axis..0).collect(),
            _ => (axis - step.rank(0)? as i64..0).collect(),
        };
        let count = shape.and_then(|shape| {
            let normalised = shape.len().checked_sub(axes.len())?;
            shape[normalised..].iter().try_fold(1, |count: i64, size| match size {
                Size::Known(size) => count.checked_mul(*size),
                _ => None,
            })
        });
        Ok(Self { axes, count })
    }

    /// The mean over the axes, which stay as size 1.
    fn mean(&self, step: &mut Step<'_>, x: &Value) -> Value {
        let sum = step.sum(x, &self.axes);
        match self.count {
            Some(count) => step.scale(&sum, 1.0 / count as f32),
            None => {
                let (all, rows) = (step.op("Size", &[x]), step.op("Size", &[&sum]));
                let count = step.graph.div(&all, &rows);
                let element = step.element();
                let count = step.graph.cast(&count, element);
                step.graph.div(&sum, &count)
            }
        }
    }
}
