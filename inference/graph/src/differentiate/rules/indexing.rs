//! Operators that pick elements: each gradient is added where its element came from.

use crate::Value;
use crate::differentiate::step::{Outcome, Step};
use crate::onnx::AttributeProto;
use crate::shape::Size;

/// Adds `updates` to zeros in the shape of `like`, at `indices` along `axis`.
///
/// Not `ScatterND`: the runtime adds its updates in parallel, so equal indices race.
fn scattered(step: &mut Step<'_>, like: &Value, indices: &Value, updates: &Value, axis: i64) -> Value {
    let zeros = step.zeros_like(like);
    let attributes = vec![AttributeProto::int("axis", axis), AttributeProto::string("reduction", "add")];
    step.graph.op("ScatterElements", &[&zeros, indices, updates], attributes)
}

/// Slices of a table along one axis, at indices of any shape.
pub(super) fn gather(step: &mut Step<'_>) -> Outcome {
    let (dy, table, indices) = (step.dy()?, step.x(0)?, step.x(1)?);
    let axis = step.axis(0, step.int("axis").unwrap_or(0))?;
    let rank = step.rank(0)?;
    // One axis for the indices, in the place of the one that they pick from.
    let index_rank = step.shape(1).map(|shape| shape.len());
    let dy = match index_rank {
        Some(1) => dy,
        Some(0) => step.graph.unsqueeze(&dy, &[axis as i64]),
        _ => {
            let before = step.graph.op("Shape", &[&table], bounds(0, axis));
            let after = step.graph.op("Shape", &[&table], bounds(axis + 1, rank));
            let count = step.op("Size", &[&indices]);
            let count = step.graph.reshape(&count, &[1]);
            let shape = step.joined(&[&before, &count, &after]);
            step.graph.op("Reshape", &[&dy, &shape], vec![AttributeProto::int("allowzero", 1)])
        }
    };
    if index_rank == Some(0)
        && let Some(&[index]) = step.constant_ints(1).as_deref()
    {
        return one_slice(step, &dy, &table, axis, index);
    }
    let mut column = vec![1; rank];
    column[axis] = -1;
    let indices = step.graph.reshape(&indices, &column);
    let shape = step.shape_of(&dy);
    let indices = step.op("Expand", &[&indices, &shape]);
    let gradient = scattered(step, &table, &indices, &dy, axis as i64);
    step.give(0, gradient);
    Ok(())
}

fn bounds(start: usize, end: usize) -> Vec<AttributeProto> {
    vec![AttributeProto::int("start", start as i64), AttributeProto::int("end", end as i64)]
}

/// A single known index: the slice between zeros.
fn one_slice(step: &mut Step<'_>, dy: &Value, table: &Value, axis: usize, index: i64) -> Outcome {
    let size = step.graph.axis_size(table, axis as i64);
    let one = step.graph.int_list(&[1]);
    let index = step.graph.int_list(&[index]);
    let before = from_the_front(step, &index, &size);
    let after = step.graph.sub(&size, &before);
    let after = step.graph.sub(&after, &one);
    let axes = [(axis, before, after)];
    let gradient = between_zeros(step, dy, &axes)?;
    step.give(0, gradient);
    Ok(())
}

/// A position that counts from the end where it is negative, within the axis.
fn from_the_front(step: &mut Step<'_>, position: &Value, size: &Value) -> Value {
    let zero = step.graph.int_list(&[0]);
    let negative = step.op("Less", &[position, &zero]);
    let wrapped = step.graph.add(position, size);
    let position = step.choose(&negative, &wrapped, position);
    let position = step.op("Max", &[&position, &zero]);
    step.op("Min", &[&position, size])
}

/// `dy` with so many zeros before and after it along some axes.
fn between_zeros(
    step: &mut Step<'_>,
    dy: &Value,
    axes: &[(usize, Value, Value)],
) -> Result<Value, crate::differentiate::DifferentiateError> {
    let rank = step.rank(0)?;
    let zero = step.graph.int_list(&[0]);
    let mut parts = vec![zero; 2 * rank];
    for (axis, before, after) in axes {
        if *axis >= rank {
            return Err(step.unsupported("its axis lies outside the shape"));
        }
        parts[*axis] = before.clone();
        parts[rank + axis] = after.clone();
    }
    let pads = step.joined(&parts.iter().collect::<Vec<_>>());
    Ok(step.op("Pad", &[dy, &pads]))
}

pub(super) fn gather_elements(step: &mut Step<'_>) -> Outcome {
    let (dy, x, indices) = (step.dy()?, step.x(0)?, step.x(1)?);
    let axis = step.int("axis").unwrap_or(0);
    let gradient = scattered(step, &x, &indices, &dy, axis);
    step.give(0, gradient);
    Ok(())
}

/// `TopK`: its second output says where the elements came from.
pub(super) fn top(step: &mut Step<'_>) -> Outcome {
    let (dy, x, indices) = (step.dy()?, step.x(0)?, step.y(1)?);
    let axis = step.int("axis").unwrap_or(-1);
    let gradient = scattered(step, &x, &indices, &dy, axis);
    step.give(0, gradient);
    Ok(())
}

/// A stretch of some axes, forwards or backwards, with steps.
pub(super) fn slice(step: &mut Step<'_>) -> Outcome {
    let Some(stretches) = plain_stretches(step) else { return pick(step) };
    let dy = step.dy()?;
    let gradient = match fixed_pads(step, &stretches) {
        Some(pads) => {
            let pads = step.graph.int_list(&pads);
            step.op("Pad", &[&dy, &pads])
        }
        None => {
            let (x, y) = (step.x(0)?, step.y(0)?);
            let mut axes = Vec::with_capacity(stretches.len());
            for (axis, start) in stretches {
                let (size, left) = (step.graph.axis_size(&x, axis as i64), step.graph.axis_size(&y, axis as i64));
                let start = step.graph.int_list(&[start]);
                let before = from_the_front(step, &start, &size);
                let after = step.graph.sub(&size, &before);
                let after = step.graph.sub(&after, &left);
                axes.push((axis, before, after));
            }
            between_zeros(step, &dy, &axes)?
        }
    };
    step.give(0, gradient);
    Ok(())
}

/// The pads as one constant, if all sizes are known.
fn fixed_pads(step: &Step<'_>, stretches: &[(usize, i64)]) -> Option<Vec<i64>> {
    let (shape, cut) = (step.shape(0)?, step.shape_of_output(0)?);
    let rank = shape.len();
    let mut pads = vec![0; 2 * rank];
    for &(axis, start) in stretches {
        let (Size::Known(size), Size::Known(left)) = (shape.get(axis)?, cut.get(axis)?) else { return None };
        let before = (if start < 0 { start.saturating_add(*size) } else { start }).clamp(0, *size);
        pads[axis] = before;
        pads[rank + axis] = size - before - left;
    }
    Some(pads)
}

/// Axis and start of each stretch, if they are constants and no element is left out in between.
fn plain_stretches(step: &Step<'_>) -> Option<Vec<(usize, i64)>> {
    let starts = step.constant_ints(1)?;
    let axes = if step.has(3) { step.constant_ints(3)? } else { (0..starts.len() as i64).collect() };
    let steps = if step.has(4) { step.constant_ints(4)? } else { vec![1; starts.len()] };
    if steps.iter().any(|&step| step != 1) || axes.len() != starts.len() {
        return None;
    }
    let rank = step.shape(0)?.len() as i64;
    let axes = axes.iter().map(|&axis| usize::try_from(if axis < 0 { axis + rank } else { axis }).ok());
    axes.zip(starts).map(|(axis, start)| Some((axis?, start))).collect()
}

/// Any operator that only picks elements of its first input: it is run once more, on the elements' positions.
pub(super) fn pick(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    let (zero, one) = (step.graph.int_scalar(0), step.graph.int_scalar(1));
    let count = step.op("Size", &[&x]);
    let line = step.op("Range", &[&zero, &count, &one]);
    let shape = step.shape_of(&x);
    let allow_zero = || vec![AttributeProto::int("allowzero", 1)];
    let positions = step.graph.op("Reshape", &[&line, &shape], allow_zero());
    let mut inputs = vec![positions];
    for at in 1..step.node.input.len() {
        inputs.push(if step.has(at) { step.x(at)? } else { crate::GraphBuilder::absent() });
    }
    let (kind, attributes) = (step.node.op_type.clone(), step.attributes());
    let picked = step.graph.op(&kind, &inputs.iter().collect::<Vec<_>>(), attributes);
    let (picked, dy) = (step.graph.reshape(&picked, &[-1]), step.graph.reshape(&dy, &[-1]));
    let flat = scattered(step, &line, &picked, &dy, 0);
    let gradient = step.graph.op("Reshape", &[&flat, &shape], allow_zero());
    step.give(0, gradient);
    Ok(())
}
