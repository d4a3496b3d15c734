//! Products of 8-bit integers: weights with one scale an output, activations with one a token.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::find::{Site, Usage, Weight, load, plain_gemm};
use super::{QuantiseError, WeightReport, Work};
use crate::onnx::{AttributeProto, DataType, NodeProto, TensorProto};
use crate::{GraphBuilder, Value};

/// The largest weight. Sums of two products of an unsigned and a signed byte must fit 16 bits, which is what some
/// processors add up in: 255 x 64 x 2 does.
const LARGEST: f32 = 63.0;

/// The middle of the unsigned bytes, which stands for 0.
const MIDDLE: u8 = 128;

/// An activation quantised once for all products that read it.
#[derive(Clone)]
struct Activation {
    bytes: Value,
    scale: Value,
}

/// A weight in the graph: `[in, out]` signed bytes and `[out]` scales.
#[derive(Clone)]
struct Stored {
    bytes: Value,
    scales: Value,
}

/// Rewrites the sites; gives the positions of the nodes replaced.
pub(super) fn rewrite(work: &mut Work<'_>, sites: &[Site]) -> Result<HashSet<usize>, QuantiseError> {
    let mut replaced = HashSet::new();
    let mut activations: HashMap<String, Activation> = HashMap::new();
    let mut stored: HashMap<(&str, Usage), Option<Stored>> = HashMap::new();
    for site in sites {
        let node = work.graph.graph().node[site.position].clone();
        if site.usage == Usage::Rows {
            work.keep(site, "is a look-up table, which 8 bits do not make faster");
            continue;
        }
        if node.op_type == "Gemm" && !plain_gemm(&node) {
            work.keep(site, "is used by a Gemm with factors");
            continue;
        }
        let weight = match stored.get(&(site.weight.as_str(), site.usage)) {
            Some(weight) => weight.clone(),
            None => stored.entry((site.weight.as_str(), site.usage)).or_insert(store(work, site)?).clone(),
        };
        let (Some(weight), Some(x)) = (weight, node.input.first().and_then(|x| work.graph.value(x))) else { continue };
        let activation = activations.entry(x.name().to_owned()).or_insert_with(|| quantised(work.graph, &x)).clone();
        let product = multiplied(work.graph, &node, &activation, &weight);
        if let Some(output) = node.output.first() {
            work.deliver(&product, output);
            replaced.insert(site.position);
        }
    }
    Ok(replaced)
}

fn store(work: &mut Work<'_>, site: &Site) -> Result<Option<Stored>, QuantiseError> {
    let Some(weight) = load(work.graph.graph(), site)? else {
        work.keep(site, "has data that do not fill its shape");
        return Ok(None);
    };
    let rounded = round(&weight);
    let [inputs, outputs] = [weight.columns, weight.rows].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    let name = &site.weight;
    let bytes_after = (rounded.bytes.len() + 4 * rounded.scales.len()) as u64;
    let bytes =
        TensorProto::from_raw(&format!("{name}.quantised"), DataType::Int8, &[inputs, outputs], rounded.bytes.into());
    let scales = TensorProto::from_f32(&format!("{name}.scales"), &[outputs], &rounded.scales);
    let (bytes, scales) = (work.graph.initializer(bytes), work.graph.initializer(scales));
    let relative_error = rounded.relative_error;
    work.report.push(WeightReport { name: name.clone(), bytes_before: weight.bytes, bytes_after, relative_error });
    Ok(Some(Stored { bytes, scales }))
}

struct Rounded {
    /// `[in, out]`.
    bytes: Vec<u8>,
    scales: Vec<f32>,
    relative_error: f64,
}

fn round(weight: &Weight) -> Rounded {
    let rows: Vec<(f32, Vec<i8>, f64, f64)> = weight.values.par_chunks(weight.columns).map(round_row).collect();
    let mut bytes = vec![0u8; weight.values.len()];
    for (output, (_, numbers, ..)) in rows.iter().enumerate() {
        for (input, number) in numbers.iter().enumerate() {
            bytes[input * weight.rows + output] = number.to_le_bytes()[0];
        }
    }
    let error: f64 = rows.iter().map(|row| row.2).sum();
    let norm: f64 = rows.iter().map(|row| row.3).sum();
    let relative_error = if norm > 0.0 { (error / norm).sqrt() } else { 0.0 };
    Rounded { bytes, scales: rows.iter().map(|row| row.0).collect(), relative_error }
}

/// Scale, numbers, squared error and squared norm of one output's weights.
fn round_row(row: &[f32]) -> (f32, Vec<i8>, f64, f64) {
    let peak = row.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
    let scale = peak / LARGEST;
    let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
    let numbers: Vec<i8> = row.iter().map(|x| (x * inverse).round_ties_even().clamp(-LARGEST, LARGEST) as i8).collect();
    let squared = |x: f32| f64::from(x) * f64::from(x);
    let error = row.iter().zip(&numbers).map(|(x, number)| squared(x - f32::from(*number) * scale)).sum();
    (scale, numbers, error, row.iter().map(|&x| squared(x)).sum())
}

/// `x` as unsigned bytes around the middle, with the scale of each row of the last axis.
fn quantised(graph: &mut GraphBuilder, x: &Value) -> Activation {
    let steps = graph.scalar(127.0);
    let one = graph.scalar(1.0);
    let middle = middle(graph);
    let peak = graph.op("Abs", &[x], Vec::new());
    let peak = row_maximum(graph, &peak);
    // A row of zeros has any scale.
    let tiny = graph.scalar(1e-20);
    let peak = graph.max(&peak, &tiny);
    let factor = graph.div(&steps, &peak);
    let scaled = graph.mul(x, &factor);
    let bytes = graph.op("QuantizeLinear", &[&scaled, &one, &middle], Vec::new());
    Activation { bytes, scale: graph.div(&peak, &steps) }
}

/// The maximum along the last axis, which stays with size 1; newer operator sets take the axis as an input.
fn row_maximum(graph: &mut GraphBuilder, x: &Value) -> Value {
    let keep = AttributeProto::int("keepdims", 1);
    if graph.opset("").is_some_and(|opset| opset < 18) {
        return graph.op("ReduceMax", &[x], vec![AttributeProto::ints("axes", &[-1]), keep]);
    }
    let axes = graph.int_list(&[-1]);
    graph.op("ReduceMax", &[x, &axes], vec![keep])
}

fn middle(graph: &mut GraphBuilder) -> Value {
    let name = "quantise.middle";
    let tensor = || TensorProto::from_raw(name, DataType::Uint8, &[], vec![MIDDLE].into());
    graph.value(name).unwrap_or_else(|| graph.initializer(tensor()))
}

fn multiplied(graph: &mut GraphBuilder, node: &NodeProto, x: &Activation, weight: &Stored) -> Value {
    let middle = middle(graph);
    let sums = graph.op("MatMulInteger", &[&x.bytes, &weight.bytes, &middle], Vec::new());
    let sums = graph.cast(&sums, DataType::Float);
    let product = graph.mul(&sums, &weight.scales);
    let product = graph.mul(&product, &x.scale);
    match node.input.get(2).filter(|_| node.op_type == "Gemm").and_then(|bias| graph.value(bias)) {
        Some(bias) => graph.add(&product, &bias),
        None => product,
    }
}
