//! Operators that move, repeat or drop elements without computing.

use crate::Value;
use crate::differentiate::step::{Outcome, Step};
use crate::onnx::AttributeProto;
use crate::shape::Size;

pub(super) fn identity(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    step.give(0, dy);
    Ok(())
}

/// As when it serves: nothing is dropped.
pub(super) fn dropout(step: &mut Step<'_>) -> Outcome {
    if step.has(2) && step.constant_ints(2).as_deref() != Some(&[0]) {
        return Err(step.unsupported("it may drop elements at random; set its training mode to the constant false"));
    }
    identity(step)
}

pub(super) fn cast(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    let gradient = match step.forward.element(x.name()) {
        Some(element) => step.graph.cast(&dy, element),
        _ => step.op("CastLike", &[&dy, &x]),
    };
    step.give(0, gradient);
    Ok(())
}

/// Anything that keeps the elements and their order.
pub(super) fn reshape(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    let gradient = match fixed_shape(step) {
        Some(shape) => step.graph.reshape(&dy, &shape),
        None => {
            let shape = step.shape_of(&x);
            step.graph.op("Reshape", &[&dy, &shape], vec![AttributeProto::int("allowzero", 1)])
        }
    };
    step.give(0, gradient);
    Ok(())
}

/// The input's shape as `Reshape` of the output takes it (0 keeps an axis, -1 is worked out), if that can say it.
fn fixed_shape(step: &Step<'_>) -> Option<Vec<i64>> {
    let (to, from) = (step.shape(0)?, step.shape_of_output(0)?);
    let size = |(axis, size): (usize, &Size)| match size {
        Size::Known(0) => None,
        Size::Known(size) => Some(*size),
        Size::Symbol(_) if from.get(axis) == Some(size) => Some(0),
        _ => Some(-1),
    };
    let shape: Vec<i64> = to.iter().enumerate().map(size).collect::<Option<_>>()?;
    let open = shape.iter().filter(|&&size| size == -1).count();
    // An axis of size 0 would leave what is open undecided.
    let empty = from.contains(&Size::Known(0));
    (open == 0 || (open == 1 && !empty && !shape.contains(&0))).then_some(shape)
}

pub(super) fn transpose(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    let gradient = match step.ints("perm") {
        None => step.op("Transpose", &[&dy]),
        Some(perm) => {
            let mut back = vec![0; perm.len()];
            for (axis, &source) in perm.iter().enumerate() {
                let place = usize::try_from(source).ok().and_then(|source| back.get_mut(source));
                *place.ok_or_else(|| step.unsupported("its perm is no permutation"))? = axis as i64;
            }
            step.graph.transpose(&dy, &back)
        }
    };
    step.give(0, gradient);
    Ok(())
}

pub(super) fn expand(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    step.give_summed(0, &dy);
    Ok(())
}

/// Each part gets its stretch.
pub(super) fn concat(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    let axis = step.int("axis").unwrap_or(0);
    let at = step.axis(0, axis).or_else(|_| step.axis(1, axis))?;
    let count = step.node.input.len();
    let fixed: Option<Vec<i64>> = (0..count)
        .map(|part| match step.shape(part)?.get(at)? {
            Size::Known(size) => Some(*size),
            _ => None,
        })
        .collect();
    let sizes = match fixed {
        Some(sizes) => step.graph.int_list(&sizes),
        None => {
            let mut parts: Vec<Value> = Vec::with_capacity(count);
            for part in 0..count {
                let part = step.x(part)?;
                parts.push(step.graph.axis_size(&part, at as i64));
            }
            step.joined(&parts.iter().collect::<Vec<_>>())
        }
    };
    let parts = step.split(&dy, &sizes, at as i64, count);
    for (part, gradient) in parts.into_iter().enumerate() {
        step.give(part, gradient);
    }
    Ok(())
}

/// The parts' gradients in a row; a part that the objective does not depend on has zeros.
pub(super) fn split(step: &mut Step<'_>) -> Outcome {
    let mut parts = Vec::with_capacity(step.incoming.len());
    for (at, gradient) in step.incoming.clone().into_iter().enumerate() {
        if step.node.output[at].is_empty() {
            return Err(step.unsupported("one of its outputs has no name; name it"));
        }
        parts.push(match gradient {
            Some(gradient) => gradient,
            None => {
                let part = step.y(at)?;
                step.zeros_like(&part)
            }
        });
    }
    let axis = AttributeProto::int("axis", step.int("axis").unwrap_or(0));
    let gradient = step.graph.op("Concat", &parts.iter().collect::<Vec<_>>(), vec![axis]);
    step.give(0, gradient);
    Ok(())
}

/// Cut where it was padded, and padded where it was cut; other modes than the constant one repeat elements.
pub(super) fn pad(step: &mut Step<'_>) -> Outcome {
    if step.text("mode").is_some_and(|mode| mode != "constant") {
        return super::indexing::pick(step);
    }
    let (dy, pads) = (step.dy()?, step.x(1)?);
    if step.wants(2) {
        return Err(
            step.unsupported("the number it pads with depends on what is differentiated by; pad with a constant")
        );
    }
    let back = step.op("Neg", &[&pads]);
    let gradient = if step.has(3) {
        let (zero, axes) = (step.number(0.0), step.x(3)?);
        step.op("Pad", &[&dy, &back, &zero, &axes])
    } else {
        step.op("Pad", &[&dy, &back])
    };
    step.give(0, gradient);
    Ok(())
}

/// `Trilu`: the same triangle.
pub(super) fn triangle(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    let attributes = step.attributes();
    let gradient = if step.has(1) {
        let diagonal = step.x(1)?;
        step.graph.op("Trilu", &[&dy, &diagonal], attributes)
    } else {
        step.graph.op("Trilu", &[&dy], attributes)
    };
    step.give(0, gradient);
    Ok(())
}
