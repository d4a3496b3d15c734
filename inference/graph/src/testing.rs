//! Running graphs in tests and benches, on the runtime that serves them.

use std::path::PathBuf;
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{DynValue, Tensor};
use prost::Message;

use crate::build::{ModelFolder, Storage};
use crate::onnx::ModelProto;

/// The library, loaded once: what `ORT_DYLIB_PATH` names, or the one in the per-user cache that `datanet setup` fills.
pub(crate) fn environment() -> &'static Environment {
    static LOADED: OnceLock<Environment> = OnceLock::new();
    LOADED.get_or_init(|| {
        let environment = ort::init_from(dylib()).unwrap();
        environment.with_name("datanet-graph-tests").with_telemetry(false).build().unwrap()
    })
}

/// The per-user cache.
pub(crate) fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("DATANET_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("datanet")))
        .unwrap_or_else(|| set("HOME").unwrap().join(".cache/datanet"))
}

fn dylib() -> PathBuf {
    std::env::var_os("ORT_DYLIB_PATH")
        .filter(|value| !value.is_empty())
        .map_or_else(|| cache().join("onnxruntime/1.31.1/libonnxruntime.so"), PathBuf::from)
}

/// A session over `model`, or the runtime's complaint.
pub(crate) fn session(model: &ModelProto) -> Result<Session, String> {
    SessionBuilder::new(environment())
        .and_then(|builder| Ok(builder.with_optimization_level(GraphOptimizationLevel::Level1)?))
        .and_then(|builder| Ok(builder.with_intra_threads(1)?))
        .and_then(|mut builder| builder.commit_from_memory(&model.encode_to_vec()))
        .map_err(|error| error.to_string())
}

/// A session as they are served: with all of the runtime's rewriting.
pub(crate) fn served(model: &ModelProto, threads: usize) -> Session {
    SessionBuilder::new(environment())
        .unwrap()
        .with_optimization_level(GraphOptimizationLevel::All)
        .unwrap()
        .with_intra_threads(threads)
        .unwrap()
        .with_deterministic_compute(true)
        .unwrap()
        .commit_from_memory(&model.encode_to_vec())
        .map_err(|error| error.to_string())
        .unwrap()
}

/// A float input.
pub(crate) fn floats(shape: &[usize], data: &[f32]) -> DynValue {
    // Values are made by the library too, so it is loaded first.
    environment();
    Tensor::from_array((shape.to_vec(), data.to_vec())).unwrap().into_dyn()
}

/// An integer input.
pub(crate) fn ints(shape: &[usize], data: &[i64]) -> DynValue {
    environment();
    Tensor::from_array((shape.to_vec(), data.to_vec())).unwrap().into_dyn()
}

/// Runs a float output of the session: its shape and numbers.
pub(crate) fn run(session: &mut Session, inputs: &[(&str, DynValue)], output: &str) -> (Vec<i64>, Vec<f32>) {
    let inputs: Vec<(&str, ort::session::SessionInputValue<'_>)> =
        inputs.iter().map(|(name, value)| (*name, value.into())).collect();
    let outputs = session.run(inputs).unwrap();
    let (shape, data) = outputs[output].try_extract_tensor::<f32>().unwrap();
    (shape.to_vec(), data.to_vec())
}

/// The graph of the small encoder in the per-user cache, weights included.
pub(crate) fn minilm() -> ModelProto {
    let folder = ModelFolder::open(&cache().join("models/minilm-l6")).unwrap();
    folder.encoder(Storage::Inline).unwrap()
}
