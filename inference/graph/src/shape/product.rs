//! Matrix products, float and quantised.

use std::collections::BTreeMap;

use super::extent::Extent;
use super::fact::{Call, Fact, Outcome, broadcast};
use crate::onnx::DataType;

/// `MatMul` and its kin; inputs `a` and `b` are the factors, `element` the result's type if not that of `a`.
pub(super) fn matmul(call: &Call<'_>, a: usize, b: usize, element: Option<DataType>) -> Outcome {
    let element = element.or_else(|| call.element(a));
    let (Some(left), Some(right)) = (call.shape(a), call.shape(b)) else { return Ok(vec![Fact::new(element, None)]) };
    Ok(vec![Fact::new(element, Some(multiplied(call, left, right)?))])
}

/// `com.microsoft.FusedMatMul`: each factor may be transposed in its last two axes.
pub(super) fn fused_matmul(call: &Call<'_>) -> Outcome {
    let element = call.element(0);
    let turned = |input: usize, flag: &str| {
        let mut shape = call.shape(input)?.to_vec();
        let rank = shape.len();
        if call.int(flag, 0) != 0 && rank >= 2 {
            shape.swap(rank - 1, rank - 2);
        }
        Some(shape)
    };
    let plain = call.int("transBatchA", 0) == 0 && call.int("transBatchB", 0) == 0;
    let (Some(left), Some(right), true) = (turned(0, "transA"), turned(1, "transB"), plain) else {
        return Ok(vec![Fact::new(element, None)]);
    };
    Ok(vec![Fact::new(element, Some(multiplied(call, &left, &right)?))])
}

fn multiplied(call: &Call<'_>, left: &[Extent], right: &[Extent]) -> Result<Vec<Extent>, String> {
    let (Some(inner), Some(other)) = (left.last(), right.get(right.len().saturating_sub(2))) else {
        return Err("a scalar cannot be a factor of a matrix product".to_owned());
    };
    same(inner, other)?;
    let batch = |shape: &[Extent]| shape[..shape.len().saturating_sub(2)].to_vec();
    let mut shape = broadcast(&[&batch(left), &batch(right)], |axis| call.fresh(0, axis))?;
    shape.extend(left.len().checked_sub(2).map(|rows| left[rows].clone()));
    shape.extend((right.len() > 1).then(|| right[right.len() - 1].clone()));
    Ok(shape)
}

/// Refuses two sizes that are known and differ.
fn same(a: &Extent, b: &Extent) -> Result<(), String> {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) if a != b => Err(format!("the inner sizes {a} and {b} of the product differ")),
        _ => Ok(()),
    }
}

/// `Gemm`.
pub(super) fn gemm(call: &Call<'_>) -> Outcome {
    let side = |input: usize, flag: &str| match call.shape(input) {
        Some([a, b]) if call.int(flag, 0) != 0 => Some((b, a)),
        Some([a, b]) => Some((a, b)),
        _ => None,
    };
    let shape = match (side(0, "transA"), side(1, "transB")) {
        (Some((rows, inner)), Some((other, columns))) => {
            same(inner, other)?;
            Some(vec![rows.clone(), columns.clone()])
        }
        _ => None,
    };
    Ok(vec![Fact::new(call.element(0), shape)])
}

/// `MatMulNBits` and `MatMulBnb4`: the packed weight's real shape is in the attributes `K` and `N`.
pub(super) fn packed(call: &Call<'_>) -> Outcome {
    let (Some(rows), Some(columns)) = (call.node.int("K"), call.node.int("N")) else {
        return Err("attributes K and N are missing".to_owned());
    };
    // With `transB = 0` MatMulBnb4 multiplies by the transposed weight: from N to K features.
    let backward = call.node.op_type == "MatMulBnb4" && call.int("transB", 1) == 0;
    let (rows, columns) = if backward { (columns, rows) } else { (rows, columns) };
    let Some((last, batch)) = call.shape(0).and_then(<[Extent]>::split_last) else {
        return Ok(vec![Fact::new(call.element(0), None)]);
    };
    same(last, &Extent::known(rows))?;
    let shape = batch.iter().cloned().chain([Extent::known(columns)]).collect();
    Ok(vec![Fact::new(call.element(0), Some(shape))])
}

/// `Einsum`, without ellipsis.
pub(super) fn einsum(call: &Call<'_>) -> Outcome {
    let unknown = Ok(vec![Fact::new(call.element(0), None)]);
    let equation: String = call.node.text("equation").unwrap_or_default().chars().filter(|c| *c != ' ').collect();
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs.to_owned(), Some(output.to_owned())),
        None => (equation, None),
    };
    if inputs.contains('.') {
        return unknown;
    }
    let mut extents: BTreeMap<char, (Extent, usize)> = BTreeMap::new();
    for (input, labels) in inputs.split(',').enumerate() {
        let Some(shape) = call.shape(input) else { return unknown };
        if labels.chars().count() != shape.len() {
            return Err(format!("einsum labels {labels:?} do not fit a tensor with {} axes", shape.len()));
        }
        for (label, extent) in labels.chars().zip(shape) {
            let entry = extents.entry(label).or_insert_with(|| (extent.clone(), 0));
            entry.1 += 1;
            if entry.0.number().is_none() {
                entry.0 = extent.clone();
            }
        }
    }
    // Without an arrow the labels that occur once are the result's, in alphabetical order.
    let once = || extents.iter().filter(|(_, (_, count))| *count == 1).map(|(label, _)| *label).collect();
    let output = output.unwrap_or_else(once);
    let shape: Option<Vec<Extent>> =
        output.chars().map(|label| extents.get(&label).map(|(extent, _)| extent.clone())).collect();
    Ok(vec![Fact::new(call.element(0), shape)])
}
