//! Whether a tensor holds what it declares, and holds it itself.

use super::{Limits, ValidateError};
use crate::onnx::{DataType, SparseTensorProto, TensorProto};

/// Axes of a tensor; real models have at most 6.
const MAX_AXES: usize = 32;

/// Checks a dense tensor; `place` names it in errors.
pub(super) fn dense(tensor: &TensorProto, place: &str, limits: &Limits) -> Result<(), ValidateError> {
    if tensor.is_external() {
        return Err(ValidateError::External(place.to_owned()));
    }
    let fail = |reason: String| ValidateError::Tensor { place: place.to_owned(), reason };
    if tensor.segment.is_some() {
        return Err(fail("is a part of a larger tensor".to_owned()));
    }
    let element = DataType::try_from(tensor.data_type)
        .ok()
        .filter(|element| *element != DataType::Undefined)
        .ok_or_else(|| fail(format!("has the unknown element type {}", tensor.data_type)))?;
    let elements = elements(&tensor.dims, place, limits)?;
    if let Some((held, expected)) = mismatch(tensor, element, elements).map_err(fail)? {
        return Err(ValidateError::Tensor {
            place: place.to_owned(),
            reason: format!("declares {:?} and {elements} elements, {expected} entries, but holds {held}", tensor.dims),
        });
    }
    let longest = tensor.string_data.iter().map(|text| text.len() as u64).max().unwrap_or(0);
    limits.check(longest, limits.name_bytes, || format!("the longest text in {place}"))
}

/// Elements of a shape, checked.
pub(super) fn elements(dims: &[i64], place: &str, limits: &Limits) -> Result<u64, ValidateError> {
    let fail = |reason: String| ValidateError::Tensor { place: place.to_owned(), reason };
    if dims.len() > MAX_AXES {
        return Err(fail(format!("has {} axes where {MAX_AXES} are allowed", dims.len())));
    }
    let mut product = 1u64;
    for &dim in dims {
        let size = u64::try_from(dim).map_err(|_| fail(format!("has an axis of {dim} elements")))?;
        product = product.checked_mul(size).ok_or_else(|| fail(format!("has the impossible shape {dims:?}")))?;
    }
    limits.check(product, limits.elements, || format!("the number of elements of {place}"))?;
    Ok(product)
}

/// Entries held and expected, if they differ; an error if the data lie in a field that is not the element type's, or
/// in two.
fn mismatch(tensor: &TensorProto, element: DataType, elements: u64) -> Result<Option<(u64, u64)>, String> {
    let lists = [
        ("float_data", tensor.float_data.len()),
        ("int32_data", tensor.int32_data.len()),
        ("string_data", tensor.string_data.len()),
        ("int64_data", tensor.int64_data.len()),
        ("double_data", tensor.double_data.len()),
        ("uint64_data", tensor.uint64_data.len()),
    ];
    let (field, per_entry) = field(element);
    if let Some((other, _)) = lists.iter().find(|(name, length)| *length > 0 && *name != field) {
        return Err(format!("keeps {element:?} elements in {other}"));
    }
    let listed = lists.iter().find(|(name, _)| *name == field).map_or(0, |(_, length)| *length as u64);
    if let Some(raw) = &tensor.raw_data {
        if listed > 0 {
            return Err(format!("keeps elements in raw_data and in {field}"));
        }
        let Some(bits) = element.bits() else { return Err("keeps texts in raw_data".to_owned()) };
        let expected = elements.checked_mul(bits).map_or(u64::MAX, |bits| bits.div_ceil(8));
        let held = raw.len() as u64;
        return Ok((held != expected).then_some((held, expected)));
    }
    let expected = match per_entry {
        Entries::PerElement(entries) => elements.saturating_mul(entries),
        Entries::Packed(elements_each) => elements.div_ceil(elements_each),
    };
    Ok((listed != expected).then_some((listed, expected)))
}

/// How many entries of a list hold how many elements.
enum Entries {
    PerElement(u64),
    Packed(u64),
}

/// The list that holds the elements of a type where they are not raw bytes.
fn field(element: DataType) -> (&'static str, Entries) {
    match element {
        DataType::Float => ("float_data", Entries::PerElement(1)),
        DataType::Complex64 => ("float_data", Entries::PerElement(2)),
        DataType::Double => ("double_data", Entries::PerElement(1)),
        DataType::Complex128 => ("double_data", Entries::PerElement(2)),
        DataType::Int64 => ("int64_data", Entries::PerElement(1)),
        DataType::Uint32 | DataType::Uint64 => ("uint64_data", Entries::PerElement(1)),
        DataType::String => ("string_data", Entries::PerElement(1)),
        DataType::Uint4 | DataType::Int4 | DataType::Float4e2m1 => ("int32_data", Entries::Packed(2)),
        DataType::Uint2 | DataType::Int2 => ("int32_data", Entries::Packed(4)),
        _ => ("int32_data", Entries::PerElement(1)),
    }
}

/// Checks a sparse tensor: both of its tensors, that they fit each other, and that every position lies inside.
pub(super) fn sparse(sparse: &SparseTensorProto, place: &str, limits: &Limits) -> Result<(), ValidateError> {
    let fail = |reason: &str| ValidateError::Tensor { place: place.to_owned(), reason: reason.to_owned() };
    let (Some(values), Some(indices)) = (&sparse.values, &sparse.indices) else {
        return Err(fail("lacks its values or its indices"));
    };
    dense(values, &format!("the values of {place}"), limits)?;
    dense(indices, &format!("the indices of {place}"), limits)?;
    let whole = elements(&sparse.dims, place, limits)?;
    let positions = indices.to_i64().filter(|_| indices.data_type == i32::from(DataType::Int64));
    let Some(positions) = positions else { return Err(fail("has indices that are not 64-bit integers")) };
    let ([count], Ok(axes)) = (values.dims.as_slice(), i64::try_from(sparse.dims.len())) else {
        return Err(fail("has values that are no list"));
    };
    let inside = if indices.dims == [*count] {
        positions.iter().all(|&position| u64::try_from(position).is_ok_and(|position| position < whole))
    } else if indices.dims == [*count, axes] && axes > 0 {
        let coordinates = |row: &[i64]| row.iter().zip(&sparse.dims).all(|(at, size)| (0..*size).contains(at));
        positions.chunks(sparse.dims.len()).all(coordinates)
    } else {
        return Err(fail("has indices that do not fit its values"));
    };
    if inside { Ok(()) } else { Err(fail("has indices outside its shape")) }
}
