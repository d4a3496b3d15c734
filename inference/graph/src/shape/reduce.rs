//! Reductions, normalisations and losses.

use super::extent::Extent;
use super::fact::{Call, Fact, Outcome};
use crate::onnx::DataType;

/// `ReduceSum` and its kin.
pub(super) fn reduce(call: &Call<'_>) -> Outcome {
    let Some(shape) = call.shape(0) else { return Ok(vec![Fact::new(call.element(0), None)]) };
    let keep = call.int("keepdims", 1) != 0;
    let Some(axes) = call.numbers(1, "axes") else {
        // How many axes go says the rank at least.
        let gone = call.fact(1).and_then(Fact::count).filter(|gone| *gone > 0);
        let rank = if keep { Some(shape.len()) } else { gone.and_then(|gone| shape.len().checked_sub(gone)) };
        return Ok(vec![Fact::new(call.element(0), rank.map(|rank| call.fresh_shape(0, rank)))]);
    };
    let axes = axes.filter(|axes| !axes.is_empty());
    if axes.is_none() && call.int("noop_with_empty_axes", 0) != 0 {
        return Ok(vec![Fact::new(call.element(0), Some(shape.to_vec()))]);
    }
    let axes = axes.unwrap_or_else(|| (0..shape.len() as i64).collect());
    let gone: Vec<usize> = axes.iter().map(|&axis| Call::axis(axis, shape.len())).collect::<Result<_, _>>()?;
    let fact = Fact::new(call.element(0), Some(without(shape, &gone, keep)));
    let product = (call.node.op_type == "ReduceProd" && shape.len() == 1).then(|| call.entries(0)).flatten();
    let product = product.and_then(|entries| entries.iter().map(Option::as_ref).collect::<Option<Vec<_>>>());
    Ok(vec![fact.with(product.map(|entries| vec![Extent::product(entries)]))])
}

/// `ArgMax` and `ArgMin`.
pub(super) fn arg(call: &Call<'_>) -> Outcome {
    let Some(shape) = call.shape(0) else { return Ok(vec![Fact::new(Some(DataType::Int64), None)]) };
    let axis = Call::axis(call.int("axis", 0), shape.len())?;
    Ok(vec![Fact::of(DataType::Int64, without(shape, &[axis], call.int("keepdims", 1) != 0))])
}

fn without(shape: &[Extent], gone: &[usize], keep: bool) -> Vec<Extent> {
    let axes = shape.iter().enumerate();
    if keep {
        return axes.map(|(at, extent)| if gone.contains(&at) { Extent::known(1) } else { extent.clone() }).collect();
    }
    axes.filter(|(at, _)| !gone.contains(at)).map(|(_, extent)| extent.clone()).collect()
}

/// `LayerNormalization` and its simplified forms; statistics have size 1 in the normalised axes.
pub(super) fn normalisation(call: &Call<'_>) -> Outcome {
    let x = Fact::new(call.element(0), call.shape(0).map(<[_]>::to_vec));
    let Some(shape) = call.shape(0) else { return Ok(vec![x]) };
    let first = Call::axis(call.int("axis", -1), shape.len())?;
    let gone: Vec<usize> = (first..shape.len()).collect();
    let statistic = Fact::of(DataType::Float, without(shape, &gone, true));
    let outputs = call.node.output.len();
    Ok([x].into_iter().chain(std::iter::repeat_n(statistic, outputs.saturating_sub(1))).collect())
}

/// `com.microsoft.SkipLayerNormalization` and its simplified form: outputs 0 and 3 have the input's shape.
pub(super) fn skip_normalisation(call: &Call<'_>) -> Outcome {
    let x = Fact::new(call.element(0), call.shape(0).map(<[_]>::to_vec));
    let statistic = Fact::new(Some(DataType::Float), None);
    Ok(vec![x.clone(), statistic.clone(), statistic, x])
}

/// `SoftmaxCrossEntropyLoss` and `NegativeLogLikelihoodLoss`.
pub(super) fn loss(call: &Call<'_>) -> Outcome {
    let each = call.node.text("reduction") == Some("none");
    let shape = if each { call.shape(1).map(<[_]>::to_vec) } else { Some(Vec::new()) };
    let log_probabilities = Fact::new(call.element(0), call.shape(0).map(<[_]>::to_vec));
    Ok(vec![Fact::new(call.element(0), shape), log_probabilities])
}
