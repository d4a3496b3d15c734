//! Networks over a base that comes as an ONNX file.

use std::path::Path;
use std::sync::OnceLock;

use datanet_inference::graph::adapter::peft;
use datanet_inference::graph::build::{BuildError, ModelFolder, Storage};
use datanet_inference::onnx;
use prost::Message;

use super::*;
use crate::recipe::Recipe;
use crate::run::{Control, Setup, train};
use crate::testing::{base, pairs, runtime, session, topics};

#[path = "../../../../graph/tests/support/exported.rs"]
mod support;

/// The real base as PyTorch would export it, or the folder that `DATANET_TEST_EXPORT` names.
fn exported() -> &'static Path {
    static FOLDER: OnceLock<(Option<tempfile::TempDir>, PathBuf)> = OnceLock::new();
    let (_, folder) = FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("DATANET_TEST_EXPORT") {
            return (None, folder.into());
        }
        let folder = tempfile::tempdir().unwrap();
        let graph = ModelFolder::open(&base()).unwrap().encoder(Storage::Inline).unwrap();
        std::fs::write(folder.path().join("model.onnx"), support::exported(graph).encode_to_vec()).unwrap();
        std::fs::copy(base().join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
        let path = folder.path().to_owned();
        (Some(folder), path)
    });
    folder
}

fn job(task: Task) -> Job {
    let mut job = Job::new("minilm", task);
    (job.lora.rank, job.lora.layers, job.max_tokens) = (4, Some(vec![4, 5]), 32);
    job
}

fn network(job: &Job, data: &Dataset, base: &Path) -> Network {
    let (runtime, session, cache) = (runtime(), session(), std::env::temp_dir());
    let classes = data.labels.len();
    let config = NetworkConfig { job, base, classes, cache: &cache, runtime: &runtime, session: &session };
    let mut network = Network::new(config).unwrap();
    network.load_data(data).unwrap();
    network
}

fn same_gradients(job: &Job, data: &Dataset) {
    let (mut ours, mut theirs) = (network(job, data, &base()), network(job, data, exported()));
    assert_eq!(theirs.architecture(), Architecture::Onnx);
    assert_eq!(ours.layout().parts(), theirs.layout().parts(), "modules have the same names and sizes");
    let mut stream = crate::random::Stream::new("test", 5, 0);
    let theta: Vec<f32> = ours.layout().initial(1).iter().map(|x| x + 0.02 * stream.normal()).collect();
    let samples = [0, 3, 4, 8];
    let [a, b] = [&mut ours, &mut theirs].map(|network| network.gradients_of(&theta, &samples).unwrap());
    let apart = |a: &[f32], b: &[f32]| {
        let norm = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) / norm(b)
    };
    assert!(apart(&a.0, &b.0) < 1e-4, "losses {:?} and {:?}", a.0, b.0);
    assert!(apart(&a.1.data, &b.1.data) < 2e-3, "gradients {:e} apart", apart(&a.1.data, &b.1.data));
}

#[test]
fn an_exported_base_has_the_gradients_of_the_model_it_was_made_from() {
    same_gradients(&job(Task::Classify), &topics(9, 6, false));
    same_gradients(&job(Task::Embed), &pairs(12, 4));
}

#[test]
fn an_adapter_learnt_over_an_exported_base_is_as_good() {
    let mut job = job(Task::Classify);
    job.recipe = Recipe { epochs: 3, batch: 16, warmup: 4, ..Recipe::default() };
    job.attribution.method = crate::job::Method::None;
    let data = topics(96, 36, false);
    let learn = |base: &Path| {
        let folder = tempfile::tempdir().unwrap();
        let (runtime, session) = (runtime(), session());
        let (data, folder_path) = (&data, folder.path());
        let setup =
            Setup { job: &job, data, snapshot: "root", memory: None, base, runtime, session, folder: folder_path };
        let outcome = train(&setup, &mut |_| Control::Continue).unwrap();
        let adapter = peft::read(&folder.path().join("release")).unwrap();
        (outcome.evaluation.get("accuracy").unwrap(), adapter)
    };
    let ((built, ours), (exported, theirs)) = (learn(&base()), learn(exported()));
    assert!(built > 0.8 && (built - exported).abs() < 0.06, "{built} and {exported}");
    assert!(ours.modules.keys().eq(theirs.modules.keys()), "either adapter fits either base");
}

#[test]
fn a_base_without_telling_names_or_without_vectors_says_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(base().join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let write = |change: &dyn Fn(&mut onnx::GraphProto)| {
        let graph = ModelFolder::open(&base()).unwrap().encoder(Storage::Inline).unwrap();
        let mut model = support::exported(graph);
        change(model.graph.as_mut().unwrap());
        std::fs::write(folder.path().join("model.onnx"), model.encode_to_vec()).unwrap();
        check_adapters(&job(Task::Classify), folder.path())
    };
    let error = write(&|graph| {
        let names = graph.node.iter_mut().flat_map(|node| node.input.iter_mut().chain([&mut node.name]));
        let names = names.chain(graph.initializer.iter_mut().map(|tensor| &mut tensor.name));
        names.for_each(|name| *name = name.replace("query", "first"));
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no target is named") && error.contains("attention.self.first"), "{error}");
    let logits = write(&|graph| {
        let classes = [onnx::Dim::Symbol("batch"), onnx::Dim::Size(384)];
        let first = onnx::TensorProto::from_i64("first", &[], &[0]);
        graph.initializer.push(first);
        graph.node.push(onnx::NodeProto {
            op_type: "Gather".to_owned(),
            input: vec!["last_hidden_state".to_owned(), "first".to_owned()],
            output: vec!["logits".to_owned()],
            attribute: vec![onnx::AttributeProto::int("axis", 1)],
            ..onnx::NodeProto::default()
        });
        graph.output = vec![onnx::ValueInfoProto::tensor("logits", onnx::DataType::Float, &classes)];
    });
    assert!(matches!(logits, Err(NetworkError::Build(BuildError::Classifier))), "{logits:?}");
}
