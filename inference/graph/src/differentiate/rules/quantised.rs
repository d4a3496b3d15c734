//! Products with frozen quantised weights, differentiated by the activation alone.
//!
//! A weight behind `DequantizeLinear` needs no rule of its own: the product's rule reads the dequantised weight.

use crate::Value;
use crate::differentiate::DifferentiateError;
use crate::differentiate::step::{Outcome, Step};
use crate::onnx::{AttributeProto, DataType};
use crate::quantise::unpack;

/// `com.microsoft.MatMulNBits`: `y = a Wᵀ`, `W` `[n, k]` in blocks of 4-bit or 8-bit numbers; `da = dy W`.
///
/// The weight is unpacked when the graph runs and dropped again: float copies of all weights at once would cost the
/// memory that quantisation saves.
pub(super) fn matmul_nbits(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    for at in 1..step.node.input.len() {
        if at != 5 && step.wants(at) {
            return Err(step.unsupported("its weight depends on what is differentiated by; train adapters instead"));
        }
    }
    if step.has(4) {
        return Err(step.unsupported("its rows are reordered (g_idx); quantise the model without reordering"));
    }
    if step.wants(5) {
        step.give_summed(5, &dy);
    }
    if step.wants(0) {
        let weight = unpacked(step, &dy)?;
        let gradient = step.graph.matmul(&dy, &weight);
        step.give(0, gradient);
    }
    Ok(())
}

/// `com.microsoft.MatMulBnb4`: `y = a Wᵀ`, `W` `[n, k]` in blocks of 4-bit normal floats; `da = dy W`.
pub(super) fn matmul_bnb4(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    if step.wants(1) || step.wants(2) {
        return Err(step.unsupported("its weight depends on what is differentiated by; train adapters instead"));
    }
    if step.int("transB").is_some_and(|transposed| transposed != 1) {
        return Err(step.unsupported("its weight is not transposed, which the runtime computes wrongly"));
    }
    if step.wants(0) {
        let weight = unpack(step.graph, step.node, &dy).map_err(|error| step.unsupported(&error.to_string()))?;
        let gradient = step.graph.matmul(&dy, &weight);
        step.give(0, gradient);
    }
    Ok(())
}

/// How a quantised weight is laid out.
struct Layout {
    rows: i64,
    columns: i64,
    block: i64,
    blocks: i64,
    bits: i64,
}

impl Layout {
    fn of(step: &Step<'_>) -> Result<Self, DifferentiateError> {
        let size = |name: &str| step.int(name).filter(|&size| size > 0);
        let read = || {
            let (columns, block) = (size("K")?, size("block_size")?);
            let bits = step.int("bits").unwrap_or(4);
            let blocks = (columns - 1) / block + 1;
            Some(Self { rows: size("N")?, columns, block, blocks, bits })
        };
        read()
            .filter(|layout| matches!(layout.bits, 4 | 8))
            .ok_or_else(|| step.unsupported("only 4-bit and 8-bit weights with known K, N and block_size are covered"))
    }
}

/// `W` as floats `[n, k]`.
fn unpacked(step: &mut Step<'_>, dy: &Value) -> Result<Value, DifferentiateError> {
    let layout = Layout::of(step)?;
    // The usual form, two numbers a look-up; zero points, 8 bits and unfilled blocks take the longer way below.
    if let Ok(weight) = unpack(step.graph, step.node, dy) {
        return Ok(weight);
    }
    let (rows, blocks) = (layout.rows, layout.blocks);
    let element = step.element();
    let packed = step.x(1)?;
    let packed = not_folded(step, &packed, rows * blocks * layout.block * layout.bits / 8, dy);
    let scales = step.x(2)?;
    let scales = step.graph.reshape(&scales, &[rows, blocks, 1]);
    let numbers = numbers(step, &packed, layout.bits);
    let numbers = step.graph.reshape(&numbers, &[rows, blocks, layout.block]);
    let zeros = zero_points(step, &layout)?;
    let numbers = step.graph.cast(&numbers, element);
    let numbers = step.graph.sub(&numbers, &zeros);
    let weight = step.mul(&numbers, &scales);
    let weight = step.graph.reshape(&weight, &[rows, blocks * layout.block]);
    if blocks * layout.block == layout.columns {
        return Ok(weight);
    }
    // The last block is filled up beyond the row's end.
    let [start, end, axis] = [0, layout.columns, 1].map(|number| step.graph.int_list(&[number]));
    Ok(step.op("Slice", &[&weight, &start, &end, &axis]))
}

/// The middle of the range where no zero points are given; else one a block, packed as the weight is or as floats.
fn zero_points(step: &mut Step<'_>, layout: &Layout) -> Result<Value, DifferentiateError> {
    if !step.has(3) {
        return Ok(step.number(if layout.bits == 4 { 8.0 } else { 128.0 }));
    }
    let (rows, blocks) = (layout.rows, layout.blocks);
    let points = step.x(3)?;
    if step.forward.element(points.name()).is_some_and(|element| element != DataType::Uint8) {
        return Ok(step.graph.reshape(&points, &[rows, blocks, 1]));
    }
    let numbers = numbers(step, &points, layout.bits);
    let numbers = step.graph.reshape(&numbers, &[rows, -1]);
    let [start, end, axis] = [0, blocks, 1].map(|number| step.graph.int_list(&[number]));
    let numbers = step.op("Slice", &[&numbers, &start, &end, &axis]);
    let numbers = step.graph.reshape(&numbers, &[rows, blocks, 1]);
    let element = step.element();
    Ok(step.graph.cast(&numbers, element))
}

/// Bytes as numbers, the low half of a byte first where there are two in it.
fn numbers(step: &mut Step<'_>, packed: &Value, bits: i64) -> Value {
    if bits == 8 {
        return packed.clone();
    }
    let four = step.graph.int_scalar(4);
    let four = step.graph.cast(&four, DataType::Uint8);
    let shift = |direction| vec![AttributeProto::string("direction", direction)];
    let high = step.graph.op("BitShift", &[packed, &four], shift("RIGHT"));
    let kept = step.graph.op("BitShift", &[&high, &four], shift("LEFT"));
    // Uint8 has no subtraction everywhere; 32-bit integers have.
    let [low, kept, high] = [packed, &kept, &high].map(|bytes| step.graph.cast(bytes, DataType::Int32));
    let low = step.graph.sub(&low, &kept);
    let [low, high] = [low, high].map(|half| step.graph.unsqueeze(&half, &[-1]));
    step.graph.op("Concat", &[&low, &high], vec![AttributeProto::int("axis", -1)])
}

/// The `bytes` bytes of `packed` as a list, shaped by the run's input, so that the runtime does not unpack the weight
/// for good when it loads the graph.
fn not_folded(step: &mut Step<'_>, packed: &Value, bytes: i64, dy: &Value) -> Value {
    let size = step.graph.axis_size(dy, 0);
    let nothing = step.graph.sub(&size, &size);
    let length = step.graph.int_list(&[bytes]);
    let length = step.graph.add(&length, &nothing);
    step.graph.op("Reshape", &[packed, &length], Vec::new())
}
