//! `.onnx_adapter`: the file that ONNX Runtime takes the inputs of an adapted graph from.
//!
//! A FlatBuffers table `Adapter { format_version, adapter_version, model_version: int; parameters: [Parameter] }` with
//! the identifier `TORT`, and `Parameter { name: string; dims: [int64]; data_type: int32; raw_data: [uint8] }`, the data
//! little-endian at a multiple of 8 bytes. Parameters are called and shaped as the inputs of a graph adapted with
//! [`Binding::Shared`](crate::adapt::Binding::Shared) and scale 1: the adapter's factor is in `B` already. Tensors saved
//! as a whole, such as a classification head, have no input and are not in the file.

use std::collections::BTreeMap;

use super::flat::{Table, Writer};
use super::numbers::{Float, little_endian};
use super::{Adapter, AdapterError, LoraPair, MAX_BYTES, MAX_FEATURES, MAX_MODULES};
use crate::adapt::input_names;
use crate::onnx::DataType;

const IDENTIFIER: [u8; 4] = *b"TORT";
const FORMAT_VERSION: i32 = 1;
/// Letters of a parameter's name at most.
const MAX_NAME: usize = 1_024;

/// The file of an adapter.
///
/// # Errors
/// As [`Adapter::check`], and [`AdapterError::TooLarge`].
pub fn write(adapter: &Adapter) -> Result<Vec<u8>, AdapterError> {
    adapter.check()?;
    let numbers: u64 = adapter.modules.values().map(|pair| (pair.a.len() + pair.b.len()) as u64).sum();
    if numbers * 4 > MAX_BYTES {
        return Err(AdapterError::TooLarge(format!("{numbers} numbers")));
    }
    let mut writer = Writer::new(IDENTIFIER);
    let offsets = writer.offsets(4);
    let root = writer.table(offsets);
    writer.link(0, root);
    for version in [FORMAT_VERSION, 1, 1] {
        writer.number(version);
    }
    writer.number(0);
    let count = 2 * adapter.modules.len();
    let list = writer.vector(count, &vec![0; 4 * count], 4);
    writer.link(root + 16, list);
    let offsets = writer.offsets(4);
    for (index, (module, pair)) in adapter.modules.iter().enumerate() {
        let [a, b] = input_names(module);
        let dims = [[pair.in_features, adapter.rank], [adapter.rank, pair.out_features]];
        let data = [pair.graph_a(), pair.graph_b(adapter.scale())];
        for (part, name) in [a, b].iter().enumerate() {
            let place = parameter(&mut writer, offsets, name, dims[part], &data[part]);
            writer.link(list + 4 + 4 * (2 * index + part), place);
        }
    }
    Ok(writer.finish())
}

fn parameter(writer: &mut Writer, offsets: usize, name: &str, dims: [usize; 2], data: &[f32]) -> usize {
    let place = writer.table(offsets);
    for field in [0, 0, i32::from(DataType::Float), 0] {
        writer.number(field);
    }
    // Texts end with a zero that does not count.
    let text = writer.vector(name.len(), &[name.as_bytes(), &[0]].concat(), 4);
    let dims: Vec<u8> = dims.iter().flat_map(|&size| (size as u64).to_le_bytes()).collect();
    let sizes = writer.vector(2, &dims, 8);
    let bytes = little_endian(data);
    let raw = writer.vector(bytes.len(), &bytes, 8);
    for (field, target) in [(0, text), (1, sizes), (3, raw)] {
        writer.link(place + 4 + 4 * field, target);
    }
    place
}

/// An adapter from the bytes of its file: its factor is 1, `alpha = rank`; its base and saved tensors are not known.
///
/// # Errors
/// [`AdapterError`] for anything but a sound adapter: the identifier, the version, every name known and there once, the
/// product of sizes the length of the data, floats only, all finite.
pub fn read(bytes: &[u8]) -> Result<Adapter, AdapterError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(AdapterError::TooLarge(format!("{} bytes", bytes.len())));
    }
    let damaged = |what: &str| AdapterError::Damaged(what.to_owned());
    let root = Table::root(bytes, IDENTIFIER).ok_or_else(|| damaged("it is no ONNX Runtime adapter"))?;
    if root.int(0) != Some(FORMAT_VERSION) {
        return Err(damaged("its format has another version than 1"));
    }
    let parameters = root.tables(3, 2 * MAX_MODULES).ok_or_else(|| damaged("its list of parameters"))?;
    let mut factors = BTreeMap::new();
    let mut total = 0;
    for table in parameters {
        let (name, factor) = factor(table)?;
        // Parameters that share their bytes would make a small file large.
        total += factor.bytes;
        if total > bytes.len() {
            return Err(damaged("its parameters overlap"));
        }
        if factors.insert(name.clone(), factor).is_some() {
            return Err(AdapterError::Duplicate(name));
        }
    }
    assemble(factors)
}

struct Factor {
    dims: [usize; 2],
    data: Vec<f32>,
    bytes: usize,
}

fn factor(table: Table<'_>) -> Result<(String, Factor), AdapterError> {
    let damaged = |what: &str| AdapterError::Damaged(what.to_owned());
    let name = table.slice(0).filter(|name| (1..=MAX_NAME).contains(&name.len()));
    let name = name.and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(|| damaged("a parameter's name"))?;
    let shape = || AdapterError::Shape { name: name.to_owned() };
    let float = match table.int(2).and_then(|code| DataType::try_from(code).ok()) {
        Some(DataType::Float) => Float::Single,
        Some(DataType::Float16) => Float::Half,
        Some(DataType::Bfloat16) => Float::Brain,
        _ => return Err(AdapterError::Unsupported(format!("the element type of {name}"))),
    };
    let dims = table.longs(1, 2).ok_or_else(shape)?;
    let sizes: Option<Vec<usize>> = dims.iter().map(|&size| usize::try_from(size).ok()).collect();
    let dims: [usize; 2] = sizes.and_then(|sizes| sizes.try_into().ok()).ok_or_else(shape)?;
    if dims.iter().any(|size| !(1..=MAX_FEATURES).contains(size)) {
        return Err(shape());
    }
    let raw = table.slice(3).ok_or_else(|| damaged("a parameter's data"))?;
    if dims[0].checked_mul(dims[1]).and_then(|count| count.checked_mul(float.bytes())) != Some(raw.len()) {
        return Err(shape());
    }
    Ok((name.to_owned(), Factor { dims, data: float.read(raw), bytes: raw.len() }))
}

fn assemble(mut factors: BTreeMap<String, Factor>) -> Result<Adapter, AdapterError> {
    let mut adapter = Adapter::default();
    while let Some((name, a)) = factors.pop_first() {
        let module = name.strip_prefix("lora.").and_then(|name| name.strip_suffix(".A").or(name.strip_suffix(".B")));
        let module = module.filter(|module| !module.is_empty()).ok_or(AdapterError::UnknownName(name.clone()))?;
        // `A` sorts before `B`.
        let [first, second] = input_names(module);
        let b = (name == first).then(|| factors.remove(&second)).flatten();
        let b = b.ok_or_else(|| AdapterError::Unpaired(module.to_owned()))?;
        let ([in_features, rank], [other, out_features]) = (a.dims, b.dims);
        if adapter.modules.is_empty() {
            adapter.rank = rank;
        }
        if [rank, other] != [adapter.rank; 2] {
            return Err(AdapterError::Shape { name: module.to_owned() });
        }
        let pair = LoraPair::from_graph(&a.data, &b.data, in_features, out_features);
        adapter.modules.insert(module.to_owned(), pair);
    }
    if adapter.modules.is_empty() {
        return Err(AdapterError::Empty);
    }
    adapter.alpha = adapter.rank as f32;
    adapter.targets = adapter.modules.keys().cloned().collect();
    adapter.check()?;
    Ok(adapter)
}
