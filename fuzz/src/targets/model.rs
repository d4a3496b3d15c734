//! An ONNX file, as it stands in a stranger's release.

use datanet_graph::GraphBuilder;
use datanet_graph::model::{Index, topological_sort};
use datanet_graph::onnx::{DataType, Dim, ModelProto, TensorProto};
use datanet_graph::shape;
use datanet_graph::validate::{Limits, check, validate};
use prost::Message as _;

use crate::Target;

pub(crate) const MODEL: Target = Target { name: "model", seeds, run };

/// A linear layer with its bias, and one that reads a constant through a reshape.
fn seeds() -> Vec<Vec<u8>> {
    let rows = [Dim::Symbol("n"), Dim::Size(2)];
    let mut linear = GraphBuilder::new("linear", 20);
    let x = linear.input("x", DataType::Float, &rows);
    let weight = linear.initializer(TensorProto::from_f32("w", &[2, 2], &[1.0, 0.5, -1.0, 2.0]));
    let bias = linear.initializer(TensorProto::from_f32("b", &[2], &[0.1, 0.2]));
    let product = linear.op("MatMul", &[&x, &weight], Vec::new());
    let sum = linear.op("Add", &[&product, &bias], Vec::new());
    let relu = linear.op("Relu", &[&sum], Vec::new());
    linear.output(&relu, "y", DataType::Float, &rows);

    let mut reshape = GraphBuilder::new("reshape", 20);
    let x = reshape.input("x", DataType::Float, &rows);
    let shape = reshape.int_list(&[-1, 1, 2]);
    let wide = reshape.op("Reshape", &[&x, &shape], Vec::new());
    let both = reshape.op("Concat", &[&wide, &wide], vec![datanet_graph::onnx::AttributeProto::int("axis", 1)]);
    reshape.output(&both, "y", DataType::Float, &[Dim::Symbol("n"), Dim::Size(2), Dim::Size(2)]);
    vec![linear.finish().encode_to_vec(), reshape.finish().encode_to_vec()]
}

fn run(input: &[u8]) {
    let limits = Limits { bytes: 1 << 20, parts: 10_000, elements: 1 << 20, ..Limits::default() };
    let Ok(mut model) = validate(input, &limits) else { return };
    assert!(!has_external_data(&model), "data of another file got past");
    // What preparing it for the runtime does.
    let _ = shape::infer(&model);
    if let Some(graph) = &model.graph {
        let _ = Index::new(graph);
    }
    if topological_sort(&mut model).is_ok() {
        assert!(check(&model, &limits).is_ok(), "what was put in order is refused");
    }
}

fn has_external_data(model: &ModelProto) -> bool {
    let constants = model.graph.iter().flat_map(|graph| &graph.initializer);
    constants.into_iter().any(|tensor| !tensor.external_data.is_empty())
}
