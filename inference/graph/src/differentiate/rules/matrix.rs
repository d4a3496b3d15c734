//! Matrix products: `dA = dY Bᵀ`, `dB = Aᵀ dY`, in the cheapest form that the ranks allow.

use crate::Value;
use crate::differentiate::step::{Outcome, Step};
use crate::onnx::{AttributeProto, DataType, NodeProto};
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
        let gradient = product(step, Operand::plain(&dy), Operand::turned(&b, b_rank.max(2)));
        give_left(step, &gradient, a_rank, b_rank);
    }
    if step.wants(1) {
        if b_rank <= 2 {
            let gradient = shared_weight(step, &a, a_rank.max(2), &dy);
            give_like(step, 1, gradient, b_rank == 1);
        } else {
            let gradient = batched_weight(step, (&a, a_rank.max(2)), (&dy, a_rank.max(b_rank)));
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

/// The gradient of a weight `[k, n]` that all rows of all batches share: one product over all rows.
fn shared_weight(step: &mut Step<'_>, a: &Value, a_rank: usize, dy: &Value) -> Value {
    let narrow = is_narrow(step.shape(1).as_deref());
    let (a, dy) = (rows(step, a, a_rank), rows(step, dy, a_rank));
    if narrow {
        let gradient = product(step, Operand::turned(&dy, 2), Operand::plain(&a));
        return exchange(step, &gradient, 2);
    }
    product(step, Operand::turned(&a, 2), Operand::plain(&dy))
}

/// The gradient `Aᵀ dY` of the right operand, where that has batch axes.
///
/// A left operand that is turned within a product is turned slowly, so the small one of the two goes there; and where
/// one is the result of a `Transpose`, which the runtime merges with another, it is turned by one.
fn batched_weight(step: &mut Step<'_>, (a, a_rank): (&Value, usize), (dy, rank): (&Value, usize)) -> Value {
    if transposed(step, a) {
        let turned = exchange(step, a, a_rank);
        return step.graph.matmul(&turned, dy);
    }
    if is_narrow(step.shape(1).as_deref()) {
        let gradient = product(step, Operand::turned(dy, rank), Operand::plain(a));
        return exchange(step, &gradient, rank);
    }
    if transposed(step, dy) {
        let turned = exchange(step, dy, rank);
        let gradient = step.graph.matmul(&turned, a);
        return exchange(step, &gradient, rank);
    }
    product(step, Operand::turned(a, a_rank), Operand::plain(dy))
}

/// Whether a `Transpose` writes the value.
fn transposed(step: &Step<'_>, value: &Value) -> bool {
    let writes = |node: &&NodeProto| node.output.iter().any(|output| output == value.name());
    step.graph.graph().node.iter().rev().find(writes).is_some_and(|node| node.op_type == "Transpose")
}

/// Whether a weight has far fewer columns than rows. A symbol beside a large number is taken for an adapter's rank.
fn is_narrow(weight: Option<&[Size]>) -> bool {
    match weight {
        Some([.., Size::Known(rows), Size::Known(columns)]) => columns * 4 <= *rows,
        Some([.., Size::Known(rows), Size::Symbol(_)]) => *rows >= 256,
        _ => false,
    }
}

/// `x` as one matrix: all axes but the last are rows.
fn rows(step: &mut Step<'_>, x: &Value, rank: usize) -> Value {
    if rank == 2 {
        return x.clone();
    }
    step.graph.op("Flatten", &[x], vec![AttributeProto::int("axis", rank as i64 - 1)])
}

/// One side of a product.
struct Operand<'a> {
    value: &'a Value,
    /// The rank, where the last two axes are to be exchanged.
    turned: Option<usize>,
}

impl<'a> Operand<'a> {
    fn plain(value: &'a Value) -> Self {
        Self { value, turned: None }
    }

    fn turned(value: &'a Value, rank: usize) -> Self {
        Self { value, turned: Some(rank) }
    }
}

/// The product of two operands, turned within it where the runtime can: as nodes of their own, turns of what the
/// forward graph turns already would be merged with those, and be copies.
fn product(step: &mut Step<'_>, a: Operand<'_>, b: Operand<'_>) -> Value {
    let (a, turn_a) = straight(step, a);
    let (b, turn_b) = straight(step, b);
    if turn_a.is_none() && turn_b.is_none() {
        return step.graph.matmul(&a, &b);
    }
    if step.element() == DataType::Float {
        let turns = [("transA", turn_a), ("transB", turn_b)];
        let attributes = turns.map(|(name, turn)| AttributeProto::int(name, turn.is_some().into()));
        return step.graph.op_in("com.microsoft", "FusedMatMul", &[&a, &b], attributes.to_vec());
    }
    let a = turn_a.map_or(a.clone(), |rank| exchange(step, &a, rank));
    let b = turn_b.map_or(b.clone(), |rank| exchange(step, &b, rank));
    step.graph.matmul(&a, &b)
}

/// The operand, with a turn undone that the forward graph made: frozen weights lie there turned already.
fn straight(step: &Step<'_>, operand: Operand<'_>) -> (Value, Option<usize>) {
    let Some(rank) = operand.turned else { return (operand.value.clone(), None) };
    let turns = |node: &&NodeProto| {
        let perm = node.attribute("perm").map(|perm| perm.ints.clone());
        node.op_type == "Transpose" && perm.map_or(rank == 2, |perm| perm == exchanged(rank))
    };
    let source = step.forward.producer(operand.value.name()).filter(turns).and_then(|node| node.input.first());
    match source.and_then(|name| step.graph.value(name)) {
        Some(source) => (source, None),
        None => (operand.value.clone(), Some(rank)),
    }
}

fn exchange(step: &mut Step<'_>, x: &Value, rank: usize) -> Value {
    step.graph.transpose(x, &exchanged(rank))
}

/// The axes of a value of this rank with the last two exchanged.
fn exchanged(rank: usize) -> Vec<i64> {
    let mut axes: Vec<i64> = (0..rank as i64).collect();
    if rank >= 2 {
        axes.swap(rank - 2, rank - 1);
    }
    axes
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
        let other = if turned[1 - at] { Operand::plain(&other) } else { Operand::turned(&other, ranks[1 - at]) };
        let gradient =
            if at == 0 { product(step, Operand::plain(&dy), other) } else { product(step, other, Operand::plain(&dy)) };
        let gradient = if turned[at] { exchange(step, &gradient, ranks[0].max(ranks[1])) } else { gradient };
        give_batched(step, at, &gradient);
    }
    Ok(())
}

/// `alpha A' B' + beta C`.
pub(super) fn gemm(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    let (a_turned, b_turned) = (step.int("transA").unwrap_or(0) != 0, step.int("transB").unwrap_or(0) != 0);
    let alpha = step.float("alpha", 1.0);
    let give_product = |step: &mut Step<'_>, at: usize, left: (&Value, bool), right: (&Value, bool)| {
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
            false => give_product(step, 0, (&dy, false), (&b, !b_turned)),
            true => give_product(step, 0, (&b, b_turned), (&dy, true)),
        }
    }
    if step.wants(1) {
        let a = step.x(0)?;
        match b_turned {
            false => give_product(step, 1, (&a, !a_turned), (&dy, false)),
            true => give_product(step, 1, (&dy, true), (&a, a_turned)),
        }
    }
    if step.wants(2) {
        let gradient = step.scale(&dy, step.float("beta", 1.0));
        step.give_summed(2, &gradient);
    }
    Ok(())
}
