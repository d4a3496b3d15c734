//! Products and look-up tables over 4-bit blocks.
//!
//! A weight of `[rows, columns]` becomes bytes `[rows, columns/block, block/2]` and scales `[rows, columns/block]`:
//! the layout that `MatMulNBits` wants, that `MatMulBnb4` accepts, and that rows can be gathered from.

use std::collections::{HashMap, HashSet};

use super::blocks::{Code, EVEN, NORMAL};
use super::find::{Site, Usage, load, plain_gemm};
use super::{QuantiseError, Scheme, WeightReport, Work};
use crate::onnx::{AttributeProto, DataType, NodeProto, TensorProto};
use crate::{GraphBuilder, Value};

/// A packed weight in the graph.
#[derive(Clone)]
struct Stored {
    bytes: Value,
    scales: Value,
    rows: i64,
    columns: i64,
    block: i64,
    code: Code,
}

/// Rewrites the sites; gives the positions of the nodes replaced.
pub(super) fn rewrite(work: &mut Work<'_>, sites: &[Site]) -> Result<HashSet<usize>, QuantiseError> {
    let mut replaced = HashSet::new();
    // A table that is also the last layer's weight is stored once.
    let mut stored: HashMap<(&str, bool), Option<Stored>> = HashMap::new();
    for site in sites {
        let node = work.graph.graph().node[site.position].clone();
        if node.op_type == "Gemm" && !plain_gemm(&node) {
            work.keep(site, "is used by a Gemm with factors");
            continue;
        }
        let key = (site.weight.as_str(), site.usage == Usage::Product { transposed: false });
        let weight = match stored.get(&key) {
            Some(weight) => weight.clone(),
            None => stored.entry(key).or_insert(store(work, site)?).clone(),
        };
        let Some(weight) = weight else { continue };
        let result = match site.usage {
            Usage::Rows => gathered(work.graph, &node, &weight),
            Usage::Product { .. } => multiplied(work.graph, &node, &weight),
        };
        if let (Some(result), Some(output)) = (result, node.output.first()) {
            work.deliver(&result, output);
            replaced.insert(site.position);
        }
    }
    Ok(replaced)
}

/// Packs the site's weight and adds it to the graph; `None` where its columns do not fill blocks.
fn store(work: &mut Work<'_>, site: &Site) -> Result<Option<Stored>, QuantiseError> {
    let (block, code) = match work.scheme {
        Scheme::Nf4 { block } => (block, NORMAL),
        Scheme::Int4 { block } => (block, EVEN),
        Scheme::Int8Dynamic => return Ok(None),
    };
    let Some(weight) = load(work.graph.graph(), site)? else {
        work.keep(site, "has data that do not fill its shape");
        return Ok(None);
    };
    if weight.columns % block != 0 {
        work.keep(site, &format!("has rows of {}, which blocks of {block} do not fill", weight.columns));
        return Ok(None);
    }
    let packed = code.pack(&weight.values, block);
    let relative_error = packed.relative_error();
    let [rows, columns, block] =
        [weight.rows, weight.columns, block].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    let bytes_after = (packed.bytes.len() + 4 * packed.scales.len()) as u64;
    let name = &site.weight;
    let shape = [rows, columns / block, block / 2];
    let bytes = TensorProto::from_raw(&format!("{name}.quantised"), DataType::Uint8, &shape, packed.bytes.into());
    let scales = TensorProto::from_f32(&format!("{name}.scales"), &shape[..2], &packed.scales);
    let (bytes, scales) = (work.graph.initializer(bytes), work.graph.initializer(scales));
    work.report.push(WeightReport { name: name.clone(), bytes_before: weight.bytes, bytes_after, relative_error });
    Ok(Some(Stored { bytes, scales, rows, columns, block, code }))
}

/// The product as one node of the runtime's.
fn multiplied(graph: &mut GraphBuilder, node: &NodeProto, weight: &Stored) -> Option<Value> {
    let x = graph.value(node.input.first()?)?;
    let int = AttributeProto::int;
    let mut attributes = vec![int("K", weight.columns), int("N", weight.rows), int("block_size", weight.block)];
    let inputs = [&x, &weight.bytes, &weight.scales];
    let product = if weight.code.high_first {
        attributes.push(int("quant_type", 1));
        graph.op_in("com.microsoft", "MatMulBnb4", &inputs, attributes)
    } else {
        // Level 1: activations and sums stay float, so that forward and backward use the same weight.
        attributes.extend([int("bits", 4), int("accuracy_level", 1)]);
        graph.op_in("com.microsoft", "MatMulNBits", &inputs, attributes)
    };
    match node.input.get(2).and_then(|bias| graph.value(bias)) {
        Some(bias) => Some(graph.add(&product, &bias)),
        None => Some(product),
    }
}

/// Rows gathered packed, then unpacked.
fn gathered(graph: &mut GraphBuilder, node: &NodeProto, weight: &Stored) -> Option<Value> {
    let ids = graph.value(node.input.get(1)?)?;
    let rows = graph.gather(&weight.bytes, &ids, 0);
    let scales = graph.gather(&weight.scales, &ids, 0);
    let scales = graph.unsqueeze(&scales, &[-1, -2]);
    let numbers = looked_up(graph, &rows, weight.code);
    let numbers = graph.mul(&numbers, &scales);
    let shape = graph.op("Shape", &[&ids], Vec::new());
    let width = graph.int_list(&[weight.columns]);
    let shape = graph.op("Concat", &[&shape, &width], vec![AttributeProto::int("axis", 0)]);
    Some(graph.op("Reshape", &[&numbers, &shape], Vec::new()))
}

/// The two numbers of each byte: one axis of 2 more.
fn looked_up(graph: &mut GraphBuilder, bytes: &Value, code: Code) -> Value {
    let name = if code.high_first { "quantise.nf4" } else { "quantise.int4" };
    let table = graph.value(name);
    let table = table.unwrap_or_else(|| graph.initializer(TensorProto::from_f32(name, &[256, 2], &code.table())));
    let indices = graph.cast(bytes, DataType::Int32);
    graph.gather(&table, &indices, 0)
}

/// Adds nodes that unpack the weight of a `MatMulNBits` or `MatMulBnb4` node to floats `[out, in]`, so that the
/// gradient with respect to its input is `dy W`.
///
/// They wait for `after`, the gradient that is multiplied: so the runtime neither unpacks the weight for good when it
/// loads the graph, nor unpacks all weights at the beginning of a run. One weight at a time is float.
///
/// # Errors
/// [`QuantiseError::Unpack`] for other nodes, and for forms that [`quantise`](super::quantise) does not write (zero
/// points, reordered rows, other bit widths).
pub fn unpack(graph: &mut GraphBuilder, node: &NodeProto, after: &Value) -> Result<Value, QuantiseError> {
    let refuse = |reason: &str| QuantiseError::Unpack { node: node.label(), reason: reason.to_owned() };
    let stored = stored(graph, node).map_err(refuse)?;
    let [rows, columns, block] = [stored.rows, stored.columns, stored.block];
    let nothing = {
        let size = graph.axis_size(after, 0);
        let zero = graph.int_list(&[0]);
        graph.mul(&size, &zero)
    };
    let mut reshaped = |x: &Value, shape: &[i64]| {
        let shape = graph.int_list(shape);
        let shape = graph.add(&shape, &nothing);
        graph.op("Reshape", &[x, &shape], Vec::new())
    };
    let bytes = reshaped(&stored.bytes, &[rows * columns / 2]);
    let scales = reshaped(&stored.scales, &[rows * columns / block, 1]);
    let numbers = looked_up(graph, &bytes, stored.code);
    let numbers = graph.reshape(&numbers, &[rows * columns / block, block]);
    let weight = graph.mul(&numbers, &scales);
    Ok(graph.reshape(&weight, &[rows, columns]))
}

/// The packed weight of a node.
fn stored(graph: &GraphBuilder, node: &NodeProto) -> Result<Stored, &'static str> {
    let size = |name: &str| node.int(name).filter(|&size| size > 0);
    let read = |input: usize| node.input.get(input).and_then(|name| graph.value(name));
    let (Some(columns), Some(rows), Some(block)) = (size("K"), size("N"), size("block_size")) else {
        return Err("K, N or block_size is missing");
    };
    let (Some(bytes), Some(scales)) = (read(1), read(2)) else { return Err("its weight is not in the graph") };
    if columns % block != 0 || block % 2 != 0 || rows.checked_mul(columns).is_none() {
        return Err("its blocks do not fill its rows");
    }
    let code = match (node.domain.as_str(), node.op_type.as_str()) {
        ("com.microsoft", "MatMulNBits") if node.int("bits").unwrap_or(4) == 4 => EVEN,
        ("com.microsoft", "MatMulBnb4") if node.int("quant_type") == Some(1) => NORMAL,
        ("com.microsoft", "MatMulNBits" | "MatMulBnb4") => return Err("it has another number of bits or levels"),
        _ => return Err("it is no 4-bit product"),
    };
    if code == EVEN && (read(3).is_some() || read(4).is_some()) {
        return Err("it has zero points or reordered rows");
    }
    Ok(Stored { bytes, scales, rows, columns, block, code })
}
