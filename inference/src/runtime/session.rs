//! One graph, ready to run.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use ort::ep;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{OutputSelector, RunOptions, SessionInputValue};
use prost::Message;

use super::{Device, Provider, Runtime, RuntimeError, Tensor};
use crate::onnx::ModelProto;

/// How a graph is run.
#[derive(Clone, Debug, Default)]
pub struct SessionConfig {
    /// Where.
    pub device: Device,
    /// Threads inside an operator; 0 takes the processor's cores, at most 2, so that a node leaves room for others.
    pub threads: usize,
    /// The folder of the files that external weights lie in ([`crate::graph::build::Storage::Mapped`]).
    pub weights: Option<PathBuf>,
}

/// A graph that is loaded, optimised and ready.
#[derive(Debug)]
pub struct Session {
    session: ort::session::Session,
    provider: Provider,
}

impl Session {
    /// Loads a graph. A GPU that cannot be used falls back to the processor, visibly in [`Session::provider`].
    ///
    /// # Errors
    /// [`RuntimeError::Refused`].
    pub fn load(runtime: &Runtime, model: &ModelProto, config: &SessionConfig) -> Result<Self, RuntimeError> {
        let bytes = model.encode_to_vec();
        let mut provider = Provider { requested: config.device, running: config.device, fallback: None };
        if let Device::Cuda { id } = config.device {
            match commit_on_cuda(runtime, config, &bytes, id) {
                Ok(session) => return Ok(Self { session, provider }),
                Err(RuntimeError::Refused(reason)) => {
                    tracing::warn!(%reason, "no CUDA: the model runs on the processor");
                    provider.running = Device::Cpu;
                    provider.fallback = Some(reason);
                }
                Err(error) => return Err(error),
            }
        }
        let session = builder(runtime, config)?.commit_from_memory(&bytes).map_err(refused)?;
        Ok(Self { session, provider })
    }

    /// Where the graph runs.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Names of the graph's inputs.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.session.inputs().iter().map(|input| input.name())
    }

    /// Names of the graph's outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.session.outputs().iter().map(|output| output.name())
    }

    /// Runs the graph; gives the named outputs in their order. Only what they need is computed where the graph has
    /// been split so, and all of it otherwise.
    ///
    /// # Errors
    /// [`RuntimeError::Run`], or [`RuntimeError::Lost`] where the session cannot be used again.
    pub fn run(&mut self, inputs: &[(&str, &Tensor)], outputs: &[&str]) -> Result<Vec<Tensor>, RuntimeError> {
        let mut selector = OutputSelector::no_default();
        for name in outputs {
            selector = selector.with(*name);
        }
        let options = RunOptions::new().map_err(failed)?.with_outputs(selector);
        let inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> =
            inputs.iter().map(|(name, tensor)| (Cow::Borrowed(*name), tensor.value().into())).collect();
        let mut results = self.session.run_with_options(inputs, &options).map_err(failed)?;
        let take = |name: &&str| {
            let value = results.remove(name).ok_or_else(|| RuntimeError::Run(format!("no output {name}")))?;
            Ok(Tensor::of(value))
        };
        outputs.iter().map(take).collect()
    }
}

fn commit_on_cuda(
    runtime: &Runtime,
    config: &SessionConfig,
    graph: &[u8],
    id: u32,
) -> Result<ort::session::Session, RuntimeError> {
    let id = i32::try_from(id).map_err(|_| RuntimeError::Refused(format!("there is no GPU {id}")))?;
    let cuda = ep::CUDA::default().with_device_id(id).build().error_on_failure();
    let builder = builder(runtime, config)?.with_execution_providers([cuda]).map_err(refused)?;
    { builder }.commit_from_memory(graph).map_err(refused)
}

fn builder(runtime: &Runtime, config: &SessionConfig) -> Result<SessionBuilder, RuntimeError> {
    let builder = SessionBuilder::new(runtime.environment())
        .map_err(refused)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(refused)?
        .with_intra_threads(config.intra_threads())
        .map_err(refused)?
        .with_inter_threads(1)
        .map_err(refused)?
        // Spinning burns a core while idle, and halves the speed where nodes share cores.
        .with_intra_op_spinning(false)
        .map_err(refused)?
        .with_inter_op_spinning(false)
        .map_err(refused)?
        // Receipts and transcripts are recomputed: the same input must give the same bytes.
        .with_deterministic_compute(true)
        .map_err(refused)?
        // A plan of memory for each shape is no faster, and takes a second arena beside the first: 0.3 GiB in training.
        .with_memory_pattern(false)
        .map_err(refused)?;
    let Some(folder) = &config.weights else { return Ok(builder) };
    let folder = utf8(folder)?;
    builder.with_config_entry("session.model_external_initializers_file_folder_path", folder).map_err(refused)
}

fn utf8(folder: &Path) -> Result<&str, RuntimeError> {
    folder.to_str().ok_or_else(|| {
        RuntimeError::Refused(format!(
            "{} is not UTF-8; move the model to a folder with a plain name",
            folder.display()
        ))
    })
}

impl SessionConfig {
    /// Threads that an operator gets: what was asked for, or what 0 stands for on this machine.
    pub fn intra_threads(&self) -> usize {
        if self.threads > 0 {
            return self.threads;
        }
        std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2))
    }
}

fn refused<R>(error: ort::Error<R>) -> RuntimeError {
    RuntimeError::Refused(error.message().to_owned())
}

fn failed<R>(error: ort::Error<R>) -> RuntimeError {
    let message = error.message().to_owned();
    let lost = ["CUDA failure", "CUDA error", "Failed to allocate memory", "out of memory", "bad_alloc"];
    if lost.iter().any(|sign| message.contains(sign)) {
        RuntimeError::Lost(message)
    } else {
        RuntimeError::Run(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::onnx::{DataType, Dim};
    use crate::runtime::Locations;

    fn doubled() -> ModelProto {
        let mut graph = GraphBuilder::new("double", 20);
        let x = graph.input("x", DataType::Float, &[Dim::Symbol("n")]);
        let two = graph.scalar(2.0);
        let y = graph.mul(&x, &two);
        graph.output(&y, "y", DataType::Float, &[Dim::Symbol("n")]);
        graph.finish()
    }

    #[test]
    fn an_output_is_an_input_of_the_next_run_and_empty_tensors_pass() {
        let runtime = Runtime::init(&Locations::from_env().unwrap().dylib).unwrap();
        let mut session = Session::load(&runtime, &doubled(), &SessionConfig::default()).unwrap();
        let x = Tensor::new(&[2], vec![1.0f32, -3.0]).unwrap();
        let once = session.run(&[("x", &x)], &["y"]).unwrap();
        let twice = session.run(&[("x", &once[0])], &["y"]).unwrap();
        assert_eq!((twice[0].floats().unwrap(), twice[0].shape()), (&[4.0, -12.0][..], vec![2]));
        let empty = Tensor::new(&[0], Vec::<f32>::new()).unwrap();
        assert_eq!(session.run(&[("x", &empty)], &["y"]).unwrap()[0].shape(), [0]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(Tensor::new(&[2, 2], vec![1.0f32; 3]).is_err());
        assert!(Tensor::new(&[usize::MAX, 2], vec![1.0f32; 3]).is_err());
        let runtime = Runtime::init(&Locations::from_env().unwrap().dylib).unwrap();
        let mut session = Session::load(&runtime, &doubled(), &SessionConfig::default()).unwrap();
        let wrong = Tensor::new(&[1], vec![1i64]).unwrap();
        assert!(matches!(session.run(&[("x", &wrong)], &["y"]), Err(RuntimeError::Run(_))));
        assert!(matches!(session.run(&[("x", &wrong)], &["z"]), Err(RuntimeError::Run(_))));
    }
}
