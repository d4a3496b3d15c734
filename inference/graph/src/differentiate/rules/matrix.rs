//! Matrix products: `dA = dY Bᵀ`, `dB = Aᵀ dY`, in the cheapest form that the ranks allow.

use crate::Value;
use crate::differentiate::DifferentiateError;
use crate::differentiate::step::{Outcome, Step};
use crate::onnx::AttributeProto;
use crate::shape::Size;

/// `MatMul`, with batch axes that broadcast and vectors on either side.
pub(super) fn matmul(step: &mut Step<'_>) -> Outcome {
    let (a_rank, b_rank) = (step.rank(0)?, step.rank(1)?);
    let (mut a, mut b, mut dy) = (step.x(0)?, step.x(1)?, step.dy()?);
    // A vector is a matrix of one row on the left, of one column on the right.
    let lacking: &[i64] = match (a_rank, b_rank) {
        (1, 1) => &[0, 1],
        (1, _) => &[-2],
        (_, 1) => &[-1],
        _ => &[],
    };
    if !lacking.is_empty() {
        dy = step.graph.unsqueeze(&dy, lacking);
    }
    if a_rank == 1 {
        a = step.graph.unsqueeze(&a, &[0]);
    }
    if b_rank == 1 {
        b = step.graph.unsqueeze(&b, &[1]);
    }
    if step.wants(0) {
        let turned = turn(step, &b, b_rank.max(2))?;
        let gradient = step.graph.matmul(&dy, &turned);
        give_left(step, &gradient, a_rank, b_rank);
    }
    if step.wants(1) {
        if b_rank <= 2 {
            let gradient = shared_weight(step, &a, a_rank.max(2), &dy);
            give_like(step, 1, gradient, b_rank == 1);
        } else {
            let turned = turn(step, &a, a_rank.max(2))?;
            let gradient = step.graph.matmul(&turned, &dy);
            give_batched(step, 1, &gradient);
        }
    }
    Ok(())
}

/// Contributes the left operand's gradient `[.., m, k]`.
fn give_left(step: &mut Step<'_>, gradient: &Value, a_rank: usize, b_rank: usize) {
    if b_rank > 2 {
        give_batched(step, 0, gradient);
    } else {
        give_like(step, 0, gradient.clone(), a_rank == 1);
    }
}

/// Contributes a gradient that differs from its operand at most by an axis of size 1.
fn give_like(step: &mut Step<'_>, at: usize, gradient: Value, flat: bool) {
    let gradient = if flat { step.graph.reshape(&gradient, &[-1]) } else { gradient };
    step.give(at, gradient);
}

/// Contributes a gradient whose batch axes are those of the product.
fn give_batched(step: &mut Step<'_>, at: usize, gradient: &Value) {
    let from = step.shape(0).zip(step.shape(1)).zip(step.shape_of_output(0)).map(|((a, b), y)| {
        let own = if at == 0 { &a } else { &b };
        let batch = y.len() + 2 - usize::from(a.len() > 1) - usize::from(b.len() > 1);
        let batch = batch.saturating_sub(2);
        let mut shape = y[..batch].to_vec();
        match own.as_slice() {
            [one] if at == 0 => shape.extend([Size::Known(1), one.clone()]),
            [one] => shape.extend([one.clone(), Size::Known(1)]),
            own => shape.extend_from_slice(&own[own.len() - 2..]),
        }
        shape
    });
    step.give_reduced(at, gradient, from.as_deref());
}

/// The gradient of a weight that all rows of all batches share: one product over all rows.
fn shared_weight(step: &mut Step<'_>, a: &Value, a_rank: usize, dy: &Value) -> Value {
    let (a, dy) = (rows(step, a, a_rank), rows(step, dy, a_rank));
    step.graph.op("Gemm", &[&a, &dy], vec![AttributeProto::int("transA", 1)])
}

/// `x` as one matrix: all axes but the last are rows.
fn rows(step: &mut Step<'_>, x: &Value, rank: usize) -> Value {
    if rank == 2 {
        return x.clone();
    }
    step.graph.op("Flatten", &[x], vec![AttributeProto::int("axis", rank as i64 - 1)])
}

/// `x` with its last two axes exchanged. What is itself such an exchange is undone: weights lie there turned already.
fn turn(step: &mut Step<'_>, x: &Value, rank: usize) -> Result<Value, DifferentiateError> {
    let mut axes: Vec<i64> = (0..rank as i64).collect();
    axes.swap(rank - 2, rank - 1);
    let undone = step.forward.producer(x.name()).filter(|node| node.op_type == "Transpose").and_then(|node| {
        let perm = node.attribute("perm").map(|perm| perm.ints.clone());
        let turns = perm.map_or(rank == 2, |perm| perm == axes);
        if turns { node.input.first() } else { None }
    });
    if let Some(value) = undone.and_then(|name| step.graph.value(name)) {
        return Ok(value);
    }
    // The runtime folds this into the product, or into the constant.
    Ok(step.graph.transpose(x, &axes))
}

/// `com.microsoft.FusedMatMul`: `alpha A' B'`, where `'` may turn a matrix.
pub(super) fn fused(step: &mut Step<'_>) -> Outcome {
    if ["transBatchA", "transBatchB"].iter().any(|name| step.int(name).unwrap_or(0) != 0) {
        return Err(step.unsupported("it turns batch axes; turn them by a Transpose of its own"));
    }
    let ranks = [step.rank(0)?, step.rank(1)?];
    if ranks.iter().any(|&rank| rank < 2) {
        return Err(step.unsupported("an operand is a vector; use MatMul"));
    }
    let turned = [step.int("transA").unwrap_or(0) != 0, step.int("transB").unwrap_or(0) != 0];
    let dy = step.dy()?;
    let dy = step.scale(&dy, step.float("alpha", 1.0));
    for at in [0, 1] {
        if !step.wants(at) {
            continue;
        }
        let other = step.x(1 - at)?;
        // The other operand goes in turned, so one that is turned already goes in as it lies.
        let other = if turned[1 - at] { other } else { turn(step, &other, ranks[1 - at])? };
        let gradient = if at == 0 { step.graph.matmul(&dy, &other) } else { step.graph.matmul(&other, &dy) };
        let rank = ranks[0].max(ranks[1]);
        let gradient = if turned[at] { turn(step, &gradient, rank)? } else { gradient };
        give_batched(step, at, &gradient);
    }
    Ok(())
}

/// `alpha A' B' + beta C`.
pub(super) fn gemm(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    let (a_turned, b_turned) = (step.int("transA").unwrap_or(0) != 0, step.int("transB").unwrap_or(0) != 0);
    let alpha = step.float("alpha", 1.0);
    let product = |step: &mut Step<'_>, at: usize, left: (&Value, bool), right: (&Value, bool)| {
        let attributes = vec![
            AttributeProto::float("alpha", alpha),
            AttributeProto::int("transA", i64::from(left.1)),
            AttributeProto::int("transB", i64::from(right.1)),
        ];
        let gradient = step.graph.op("Gemm", &[left.0, right.0], attributes);
        step.give(at, gradient);
    };
    if step.wants(0) {
        let b = step.x(1)?;
        match a_turned {
            false => product(step, 0, (&dy, false), (&b, !b_turned)),
            true => product(step, 0, (&b, b_turned), (&dy, true)),
        }
    }
    if step.wants(1) {
        let a = step.x(0)?;
        match b_turned {
            false => product(step, 1, (&a, !a_turned), (&dy, false)),
            true => product(step, 1, (&dy, true), (&a, a_turned)),
        }
    }
    if step.wants(2) {
        let gradient = step.scale(&dy, step.float("beta", 1.0));
        step.give_summed(2, &gradient);
    }
    Ok(())
}
