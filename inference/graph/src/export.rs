//! A model as one ONNX file for those who have no node: its base, what its adapter adds, and the head behind it.
//!
//! What the file computes is what a node computes. The adapter stays a sum beside each product, in floats: so it is the
//! same over a base in 8 bits, and nothing is rounded into the base's weights.

use crate::adapt::{AdaptError, AdaptSpec, Binding, LoraSlot, adapt};
use crate::adapter::{Adapter, AdapterError, DenseTensor};
use crate::build::decoder::LOGITS;
use crate::build::encoder::POOLED;
use crate::build::{Architecture, BuildError, DecoderForm, ModelFolder, Storage};
use crate::model::prune;
use crate::onnx::{DataType, Dim, ModelProto, TensorProto};
use crate::quantise::{Precision, QuantiseError, eight_bit};
use crate::{GraphBuilder, GraphError};

/// Names under which an adapter carries its head.
const HEAD: [&str; 2] = ["classifier.weight", "classifier.bias"];

/// Where the adapter's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// In the file.
    Inside,
    /// Inputs of the graph, as [`crate::adapter::onnx_adapter`] fills them.
    Beside,
}

/// Why a model cannot be written as one file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The base's folder.
    #[error(transparent)]
    Base(#[from] BuildError),
    /// The adapter over it.
    #[error(transparent)]
    Adapt(#[from] AdaptError),
    /// The adapter itself.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The base in 8 bits.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
    /// The base's graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The head does not fit.
    #[error("the head {0}; the adapter was made for another base")]
    Head(String),
}

/// The graph of `base` under `adapter`, or of the base alone, computed in `precision`. An encoder with a head has the
/// one output `logits` `[batch, classes]`; another has those of [`crate::build::encoder`], a decoder those of the full
/// form of [`crate::build::decoder`].
///
/// # Errors
/// [`ExportError`], for files that are damaged or do not fit together, and for more than one ONNX file holds.
pub fn whole(
    base: &ModelFolder,
    adapter: Option<&Adapter>,
    numbers: Numbers,
    precision: Precision,
) -> Result<ModelProto, ExportError> {
    let mut model = match base.architecture() {
        Architecture::Llama => base.decoder(Storage::Inline, DecoderForm::Full)?,
        _ => base.encoder(Storage::Inline)?,
    };
    let mut slots = Vec::new();
    if let Some(adapter) = adapter.filter(|adapter| !adapter.modules.is_empty()) {
        let targets = adapter.modules.keys().cloned().collect();
        let spec = AdaptSpec { targets, layers: None, binding: Binding::Shared, scale: 1.0 };
        let adapted = adapt(&model, &spec)?;
        adapter.fits(&adapted.slots)?;
        (model, slots) = (adapted.model, adapted.slots);
    }
    if !precision.is_float() {
        model = eight_bit::<ExportError>(&model, None)?.model;
    }
    let Some(adapter) = adapter else { return Ok(model) };
    if numbers == Numbers::Inside {
        fill(&mut model, adapter, &slots);
    }
    match adapter.saved.get(HEAD[0]) {
        Some(weight) => with_head(model, weight, adapter.saved.get(HEAD[1])),
        None => Ok(model),
    }
}

/// Makes the slots' inputs constants.
fn fill(model: &mut ModelProto, adapter: &Adapter, slots: &[LoraSlot]) {
    let Some(graph) = model.graph.as_mut() else { return };
    for slot in slots {
        let Some(pair) = adapter.modules.get(&slot.module) else { continue };
        let rank = adapter.rank as i64;
        let (rows, columns) = (slot.in_features as i64, slot.out_features as i64);
        graph.input.retain(|input| input.name != slot.a && input.name != slot.b);
        graph.initializer.push(TensorProto::from_f32(&slot.a, &[rows, rank], &pair.graph_a()));
        graph.initializer.push(TensorProto::from_f32(&slot.b, &[rank, columns], &pair.graph_b(adapter.scale())));
    }
}

/// Puts the head behind the pooled vector, and nothing else out.
fn with_head(model: ModelProto, weight: &DenseTensor, bias: Option<&DenseTensor>) -> Result<ModelProto, ExportError> {
    let &[classes, hidden] = weight.shape.as_slice() else {
        return Err(ExportError::Head(format!("has the shape {:?}, not two axes", weight.shape)));
    };
    let none = vec![0.0; classes];
    let bias = bias.map_or(none.as_slice(), |bias| bias.data.as_slice());
    if bias.len() != classes || weight.data.len() != classes * hidden {
        return Err(ExportError::Head(format!("has {} biases for {classes} classes", bias.len())));
    }
    let mut graph = GraphBuilder::from_model(model)?;
    let pooled = graph.value(POOLED).ok_or_else(|| GraphError::NoValue(POOLED.to_owned()))?;
    let (rows, columns) = (classes as i64, hidden as i64);
    let weight = graph.initializer(TensorProto::from_f32(HEAD[0], &[rows, columns], &weight.data));
    let bias = graph.initializer(TensorProto::from_f32(HEAD[1], &[rows], bias));
    let logits = graph.scoped("classifier", |graph| graph.linear(&pooled, &weight, &bias));
    graph.output(&logits, LOGITS, DataType::Float, &[Dim::Symbol("batch"), Dim::Size(rows)]);
    let mut model = graph.finish();
    model.graph.iter_mut().for_each(|graph| graph.output.retain(|output| output.name == LOGITS));
    prune(&mut model);
    Ok(model)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use prost::Message;

    use super::*;
    use crate::adapter::peft;
    use crate::build::{ATTENTION_MASK, Export, INPUT_IDS, LAST_HIDDEN_STATE};
    use crate::testing::{floats, ints, run, session};

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
    }

    fn answer(model: &ModelProto, more: Vec<(&str, ort::value::DynValue)>, output: &str) -> Vec<f32> {
        let (ids, mask) = ([5, 6, 7, 8, 9, 1], [1, 1, 1, 1, 1, 0]);
        let mut inputs = vec![(INPUT_IDS, ints(&[2, 3], &ids)), (ATTENTION_MASK, ints(&[2, 3], &mask))];
        inputs.extend(more);
        run(&mut session(model).unwrap(), &inputs, output).1
    }

    #[test]
    fn a_classifier_in_one_file_says_what_base_adapter_and_head_say_apart() {
        let base = ModelFolder::open(&data("distilbert")).unwrap();
        let adapter = peft::read(&data("distilbert-written")).unwrap();
        let one = whole(&base, Some(&adapter), Numbers::Inside, Precision::Float).unwrap();
        let logits = answer(&one, Vec::new(), LOGITS);
        assert_eq!(one.graph.as_ref().unwrap().input.len(), 2);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, one.encode_to_vec()).unwrap();
        assert!(Export::read(&path).unwrap().is_classifier(), "a node takes it back");

        let beside = whole(&base, Some(&adapter), Numbers::Beside, Precision::Float).unwrap();
        let mut more = Vec::new();
        let names: Vec<[String; 2]> = adapter.modules.keys().map(|name| crate::adapt::input_names(name)).collect();
        for (pair, [a, b]) in adapter.modules.values().zip(&names) {
            more.push((a.as_str(), floats(&[pair.in_features, adapter.rank], &pair.graph_a())));
            let scaled = pair.graph_b(adapter.scale());
            more.push((b.as_str(), floats(&[adapter.rank, pair.out_features], &scaled)));
        }
        assert_eq!(answer(&beside, more, LOGITS), logits, "to the bit");

        let mut bare = adapter.clone();
        bare.saved.clear();
        let encoder = whole(&base, Some(&bare), Numbers::Inside, Precision::Float).unwrap();
        let states = answer(&encoder, Vec::new(), LAST_HIDDEN_STATE);
        let [weight, bias] = HEAD.map(|name| &adapter.saved[name].data);
        let width = base.hidden_size();
        let first: Vec<f32> =
            (0..width).map(|i| (0..3).map(|token| states[token * width + i]).sum::<f32>() / 3.0).collect();
        for (class, logit) in logits[..bias.len()].iter().enumerate() {
            let row = &weight[class * width..(class + 1) * width];
            let said = row.iter().zip(&first).map(|(a, b)| a * b).sum::<f32>() + bias[class];
            assert!((said - logit).abs() < 1e-4, "{said} {logit}");
        }
    }

    #[test]
    fn a_decoder_and_a_base_in_eight_bits_are_written_too() {
        let base = ModelFolder::open(&data("llama")).unwrap();
        let adapter = peft::read(&data("llama-written")).unwrap();
        let with = whole(&base, Some(&adapter), Numbers::Inside, Precision::Float).unwrap();
        let without = whole(&base, None, Numbers::Inside, Precision::Float).unwrap();
        let [with, without] = [with, without].map(|model| answer(&model, Vec::new(), LOGITS));
        assert!(with.len() == without.len() && with != without);

        let base = ModelFolder::open(&data("distilbert")).unwrap();
        let adapter = peft::read(&data("distilbert-written")).unwrap();
        let [float, small] = [Precision::Float, Precision::Int8].map(|precision| {
            let model = whole(&base, Some(&adapter), Numbers::Inside, precision).unwrap();
            (model.encoded_len(), answer(&model, Vec::new(), LOGITS))
        });
        assert!(small.0 < float.0 && small.1 != float.1, "{} {}", small.0, float.0);
        for (a, b) in float.1.iter().zip(&small.1) {
            assert!((a - b).abs() < 0.3, "{a} {b}");
        }
    }

    #[test]
    fn an_adapter_of_another_base_is_refused() {
        let base = ModelFolder::open(&data("roberta")).unwrap();
        let adapter = peft::read(&data("distilbert-written")).unwrap();
        assert!(whole(&base, Some(&adapter), Numbers::Inside, Precision::Float).is_err());
        let base = ModelFolder::open(&data("distilbert")).unwrap();
        let mut odd = adapter;
        odd.saved.insert(HEAD[1].to_owned(), DenseTensor { shape: vec![1], data: vec![0.0] });
        let refused = whole(&base, Some(&odd), Numbers::Inside, Precision::Float);
        assert!(matches!(refused, Err(ExportError::Head(_))));
    }
}
