//! Operators that pick elements by index.

use super::extent::Extent;
use super::fact::{Call, Fact, Outcome};
use crate::onnx::DataType;

/// `Gather`.
pub(super) fn gather(call: &Call<'_>) -> Outcome {
    let (Some(data), Some(indices)) = (call.shape(0), call.shape(1)) else {
        return Ok(vec![Fact::new(call.element(0), None)]);
    };
    let axis = Call::axis(call.int("axis", 0), data.len())?;
    let shape = [&data[..axis], indices, &data[axis + 1..]].concat();
    let entries = call.entries(0).filter(|_| data.len() == 1).and_then(|entries| picked(call, entries));
    Ok(vec![Fact::new(call.element(0), Some(shape)).with(entries)])
}

fn picked(call: &Call<'_>, entries: &[Option<Extent>]) -> Option<Vec<Option<Extent>>> {
    let length = i64::try_from(entries.len()).ok()?;
    let at = |index: i64| entries.get(usize::try_from(if index < 0 { index + length } else { index }).ok()?).cloned();
    call.fact(1)?.numbers()?.into_iter().map(at).collect()
}

/// `GatherElements`: the shape of the indices.
pub(super) fn gather_elements(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(call.element(0), call.shape(1).map(<[_]>::to_vec))])
}

/// `GatherND`.
pub(super) fn gather_nd(call: &Call<'_>) -> Outcome {
    let batch = usize::try_from(call.int("batch_dims", 0)).unwrap_or(0);
    let shape = match (call.shape(0), call.shape(1).and_then(<[_]>::split_last)) {
        (Some(data), Some((depth, lead))) => depth
            .number()
            .and_then(|depth| data.get(batch.checked_add(usize::try_from(depth).ok()?)?..))
            .map(|rest| [lead, rest].concat()),
        _ => None,
    };
    Ok(vec![Fact::new(call.element(0), shape)])
}

/// `OneHot`.
pub(super) fn one_hot(call: &Call<'_>) -> Outcome {
    let Some(indices) = call.shape(0) else { return Ok(vec![Fact::new(call.element(2), None)]) };
    let mut shape = indices.to_vec();
    let axis = Call::axis(call.int("axis", -1), shape.len() + 1)?;
    let depth = call.entries(1).and_then(|entries| entries.first().cloned().flatten());
    shape.insert(axis, depth.unwrap_or_else(|| call.fresh(0, axis)));
    Ok(vec![Fact::new(call.element(2), Some(shape))])
}

/// `TopK`.
pub(super) fn top_k(call: &Call<'_>) -> Outcome {
    let shape = call.shape(0).map(|shape| {
        let axis = Call::axis(call.int("axis", -1), shape.len())?;
        let count = call.entries(1).and_then(|entries| entries.first().cloned().flatten());
        let count = count.or_else(|| call.node.int("k").map(Extent::known));
        let mut shape = shape.to_vec();
        shape[axis] = count.unwrap_or_else(|| call.fresh(0, axis));
        Ok::<_, String>(shape)
    });
    let shape = shape.transpose()?;
    Ok(vec![Fact::new(call.element(0), shape.clone()), Fact::new(Some(DataType::Int64), shape)])
}

/// `NonZero`: as many columns as there are non-zero elements.
pub(super) fn non_zero(call: &Call<'_>) -> Outcome {
    let shape = call.shape(0).map(|shape| vec![super::fact::size(shape.len().max(1)), call.fresh(0, 1)]);
    Ok(vec![Fact::new(Some(DataType::Int64), shape)])
}
