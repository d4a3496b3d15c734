//! Reductions: the gradient is spread over what was reduced.

use crate::Value;
use crate::differentiate::DifferentiateError;
use crate::differentiate::step::{Outcome, Step};
use crate::onnx::AttributeProto;
use crate::shape::Size;

/// A value of the output's shape, with the reduced axes put back as size 1, so that it broadcasts to the input.
fn spread(step: &mut Step<'_>, value: &Value) -> Result<Value, DifferentiateError> {
    let keeps = step.int("keepdims").unwrap_or(1) != 0;
    if keeps || reduces_nothing(step) {
        return Ok(value.clone());
    }
    if let Some(axes) = step.ints("axes") {
        return Ok(step.graph.unsqueeze(value, &axes));
    }
    if !step.has(1) || step.constant_ints(1).is_some_and(|axes| axes.is_empty()) {
        // All axes were reduced: what is left is a scalar.
        return Ok(value.clone());
    }
    let axes = step.x(1)?;
    Ok(step.op("Unsqueeze", &[value, &axes]))
}

fn reduces_nothing(step: &Step<'_>) -> bool {
    let no_axes = match step.constant_ints(1) {
        Some(axes) => axes.is_empty(),
        None => !step.has(1) && step.ints("axes").is_none_or(|axes| axes.is_empty()),
    };
    no_axes && step.int("noop_with_empty_axes").unwrap_or(0) != 0
}

/// Contributes `value` repeated to the input's shape.
fn give_repeated(step: &mut Step<'_>, value: &Value) -> Outcome {
    let x = step.x(0)?;
    let shape = step.shape_of(&x);
    let gradient = step.op("Expand", &[value, &shape]);
    step.give(0, gradient);
    Ok(())
}

pub(super) fn sum(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    let dy = spread(step, &dy)?;
    give_repeated(step, &dy)
}

pub(super) fn mean(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    let dy = spread(step, &dy)?;
    let share = match elements(step.shape(0)).zip(elements(step.shape_of_output(0))) {
        Some((all, left)) if left > 0 => step.scale(&dy, left as f32 / all as f32),
        _ => {
            let (x, y) = (step.x(0)?, step.y(0)?);
            let (all, left) = (step.op("Size", &[&x]), step.op("Size", &[&y]));
            let count = step.graph.div(&all, &left);
            let element = step.element();
            let count = step.graph.cast(&count, element);
            step.graph.div(&dy, &count)
        }
    };
    give_repeated(step, &share)
}

fn elements(shape: Option<Vec<Size>>) -> Option<i64> {
    shape?.iter().try_fold(1, |count: i64, size| match size {
        Size::Known(size) => count.checked_mul(*size),
        _ => None,
    })
}

/// Largest or smallest: elements that are equal to the result share the gradient.
pub(super) fn extreme(step: &mut Step<'_>) -> Outcome {
    let (dy, x, y) = (step.dy()?, step.x(0)?, step.y(0)?);
    let (dy, y) = (spread(step, &dy)?, spread(step, &y)?);
    let hit = step.op("Equal", &[&x, &y]);
    let element = step.element();
    let hit = step.graph.cast(&hit, element);
    let hits = same_reduction(step, &hit)?;
    let hits = spread(step, &hits)?;
    let share = step.graph.div(&dy, &hits);
    let gradient = step.mul(&hit, &share);
    step.give(0, gradient);
    Ok(())
}

/// The sum of `value` over the axes that the node reduces.
fn same_reduction(step: &mut Step<'_>, value: &Value) -> Result<Value, DifferentiateError> {
    let attributes =
        ["keepdims", "noop_with_empty_axes"].iter().filter_map(|name| Some(AttributeProto::int(name, step.int(name)?)));
    let attributes = attributes.collect();
    let axes = match step.ints("axes") {
        Some(axes) => Some(step.graph.int_list(&axes)),
        None if step.has(1) => Some(step.x(1)?),
        None => None,
    };
    Ok(match axes {
        Some(axes) => step.graph.op("ReduceSum", &[value, &axes], attributes),
        None => step.graph.op("ReduceSum", &[value], attributes),
    })
}

/// `sign(x)`.
pub(super) fn l1(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    let dy = spread(step, &dy)?;
    let sign = step.op("Sign", &[&x]);
    let gradient = step.mul(&sign, &dy);
    step.give(0, gradient);
    Ok(())
}

/// `x / y`, and 0 where the norm is 0.
pub(super) fn l2(step: &mut Step<'_>) -> Outcome {
    let (dy, x, y) = (step.dy()?, step.x(0)?, step.y(0)?);
    let zero = step.number(0.0);
    let none = step.op("Equal", &[&y, &zero]);
    let share = step.graph.div(&dy, &y);
    let share = step.choose(&none, &zero, &share);
    let share = spread(step, &share)?;
    let gradient = step.mul(&x, &share);
    step.give(0, gradient);
    Ok(())
}

pub(super) fn sum_square(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    let twice = step.scale(&dy, 2.0);
    let twice = spread(step, &twice)?;
    let gradient = step.mul(&x, &twice);
    step.give(0, gradient);
    Ok(())
}

/// `exp(x - y)`.
pub(super) fn log_sum_exp(step: &mut Step<'_>) -> Outcome {
    let (dy, x, y) = (step.dy()?, step.x(0)?, step.y(0)?);
    let (dy, y) = (spread(step, &dy)?, spread(step, &y)?);
    let below = step.graph.sub(&x, &y);
    let share = step.op("Exp", &[&below]);
    let gradient = step.mul(&share, &dy);
    step.give(0, gradient);
    Ok(())
}

/// `CumSum`: summed from the other end.
pub(super) fn running_sum(step: &mut Step<'_>) -> Outcome {
    let (dy, axis) = (step.dy()?, step.x(1)?);
    let attributes = vec![
        AttributeProto::int("exclusive", step.int("exclusive").unwrap_or(0)),
        AttributeProto::int("reverse", 1 - step.int("reverse").unwrap_or(0)),
    ];
    let gradient = step.graph.op("CumSum", &[&dy, &axis], attributes);
    step.give(0, gradient);
    Ok(())
}
