//! Operators that make values: constants, shapes, ranges, and quantisation.

use super::extent::Extent;
use super::fact::{Call, Fact, MAX_ENTRIES, Outcome, size};
use crate::onnx::DataType;

/// `Constant`.
pub(super) fn constant(call: &Call<'_>) -> Outcome {
    let node = call.node;
    let known = |number: i64| Some(Extent::known(number));
    let fact = if let Some(tensor) = node.attribute("value").and_then(|attribute| attribute.t.as_ref()) {
        Fact::constant(tensor)
    } else if let Some(number) = node.int("value_int") {
        Fact::of(DataType::Int64, Vec::new()).with(Some(vec![known(number)]))
    } else if let Some(numbers) = node.ints("value_ints") {
        Fact::list(numbers.iter().map(|&number| known(number)).collect())
    } else if node.float("value_float").is_some() {
        Fact::of(DataType::Float, Vec::new())
    } else if let Some(attribute) = node.attribute("value_floats") {
        Fact::of(DataType::Float, vec![size(attribute.floats.len())])
    } else {
        return Ok(Vec::new());
    };
    Ok(vec![fact])
}

/// `ConstantOfShape`.
pub(super) fn constant_of_shape(call: &Call<'_>) -> Outcome {
    let value = call.node.attribute("value").and_then(|attribute| attribute.t.as_ref());
    let element = value.map_or(Some(DataType::Float), |value| DataType::try_from(value.data_type).ok());
    let Some(entries) = call.entries(0) else {
        let rank = call.fact(0).and_then(Fact::count);
        return Ok(vec![Fact::new(element, rank.map(|rank| call.fresh_shape(0, rank)))]);
    };
    let extent = |(axis, entry): (usize, &Option<Extent>)| entry.clone().unwrap_or_else(|| call.fresh(0, axis));
    let fact = Fact::new(element, Some(entries.iter().enumerate().map(extent).collect()));
    let number = value.and_then(|value| value.to_i64()?.first().copied());
    let count = fact.count().filter(|&count| count <= MAX_ENTRIES);
    let filled = number.zip(count).map(|(number, count)| vec![Some(Extent::known(number)); count]);
    Ok(vec![fact.with(filled)])
}

/// `Shape`.
pub(super) fn shape(call: &Call<'_>) -> Outcome {
    let Some(shape) = call.shape(0) else {
        return Ok(vec![Fact::of(DataType::Int64, vec![call.fresh(0, 0)])]);
    };
    let rank = i64::try_from(shape.len()).unwrap_or(i64::MAX);
    let position = |at: i64| if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank);
    let (start, end) = (position(call.int("start", 0)), position(call.int("end", rank)));
    let range = start as usize..end.max(start) as usize;
    Ok(vec![Fact::list(shape[range].iter().cloned().map(Some).collect())])
}

/// `Size`.
pub(super) fn elements(call: &Call<'_>) -> Outcome {
    let product = call.shape(0).and_then(Extent::product);
    Ok(vec![Fact::of(DataType::Int64, Vec::new()).with(Some(vec![product]))])
}

/// `Range`.
pub(super) fn range(call: &Call<'_>) -> Outcome {
    let scalar = |input: usize| call.entries(input)?.first()?.as_ref();
    let bounds = scalar(0).zip(scalar(1)).zip(scalar(2));
    let numbers = bounds.and_then(|((start, limit), step)| Some((start.number()?, limit.number()?, step.number()?)));
    let length = match (numbers, bounds) {
        (Some((start, limit, step)), _) => counted(start, limit, step).map(Extent::known),
        // From a smaller symbol to a larger one in steps of 1.
        (None, Some(((start, limit), step))) if step.number() == Some(1) => limit.sub(start).filter(Extent::is_size),
        _ => None,
    };
    let fact = Fact::new(call.element(0), Some(vec![length.unwrap_or_else(|| call.fresh(0, 0))]));
    let count = fact.count().filter(|&count| count <= MAX_ENTRIES);
    let entries = numbers.zip(count).map(|((start, _, step), count)| {
        let at = |position: i64| position.checked_mul(step)?.checked_add(start).map(Extent::known);
        (0..count as i64).map(at).collect()
    });
    Ok(vec![fact.with(entries)])
}

fn counted(start: i64, limit: i64, step: i64) -> Option<i64> {
    let forward = step > 0;
    let span = if forward { limit.checked_sub(start)? } else { start.checked_sub(limit)? };
    if step == 0 {
        return None;
    }
    i64::try_from(u64::try_from(span).unwrap_or(0).div_ceil(step.unsigned_abs())).ok()
}

/// The shape of input 0 with an element type that the attribute `dtype` may change.
pub(super) fn like(call: &Call<'_>) -> Outcome {
    let named = call.node.int("dtype").and_then(|code| DataType::try_from(i32::try_from(code).ok()?).ok());
    Ok(vec![Fact::new(named.or_else(|| call.element(0)), call.shape(0).map(<[_]>::to_vec))])
}

/// `QuantizeLinear`: the type of the zero point, of `output_dtype`, or unsigned bytes.
pub(super) fn quantize(call: &Call<'_>) -> Outcome {
    let element = output_type(call).or_else(|| call.element(2)).or((!call.has(2)).then_some(DataType::Uint8));
    Ok(vec![Fact::new(element, call.shape(0).map(<[_]>::to_vec))])
}

/// `DequantizeLinear`: the type of the scale, unless `output_dtype` says another.
pub(super) fn dequantize(call: &Call<'_>) -> Outcome {
    let element = output_type(call).or_else(|| call.element(1));
    Ok(vec![Fact::new(element, call.shape(0).map(<[_]>::to_vec))])
}

fn output_type(call: &Call<'_>) -> Option<DataType> {
    let code = call.node.int("output_dtype").filter(|&code| code != 0)?;
    DataType::try_from(i32::try_from(code).ok()?).ok()
}

/// `DynamicQuantizeLinear`: bytes, their scale, their zero point.
pub(super) fn dynamic_quantize(call: &Call<'_>) -> Outcome {
    let bytes = Fact::new(Some(DataType::Uint8), call.shape(0).map(<[_]>::to_vec));
    Ok(vec![bytes, Fact::of(DataType::Float, Vec::new()), Fact::of(DataType::Uint8, Vec::new())])
}
