//! What is walked through and what is not, and the errors.

use super::{Shapes, graph};
use crate::differentiate::{DifferentiateError, differentiate, gradient_name};
use crate::onnx::{AttributeProto, DataType, Dim, ModelProto, OperatorSetIdProto, TensorProto};
use crate::{GraphBuilder, Value};

fn operators(model: &ModelProto) -> Vec<&str> {
    model.graph.as_ref().unwrap().node.iter().map(|node| node.op_type.as_str()).collect()
}

#[test]
fn a_missing_rule_is_an_error_that_names_node_and_operator() {
    let model = graph(&[&[2, 2]], Shapes::Known, &|graph, x| graph.op("Det", &[&x[0]], Vec::new()));
    let error = differentiate(&model, "y", &["x0"]).unwrap_err();
    assert!(matches!(&error, DifferentiateError::NoRule { node, operator } if node == "Det.node" && operator == "Det"));
    let error = error.to_string();
    assert!(error.contains("Det.node") && error.contains("simpler operators"), "{error}");
    let foreign =
        graph(&[&[2]], Shapes::Known, &|graph, x| graph.op_in("org.example", "Mul", &[&x[0], &x[0]], Vec::new()));
    assert!(
        matches!(differentiate(&foreign, "y", &["x0"]), Err(DifferentiateError::NoRule { operator, .. }) if operator == "org.example.Mul")
    );
}

#[test]
fn an_operator_without_a_rule_that_is_not_on_the_way_does_not_matter() {
    let model = graph(&[&[2, 2], &[2, 2]], Shapes::Known, &|graph, x| {
        let frozen = graph.op("Det", &[&x[1]], Vec::new());
        let y = graph.mul(&x[0], &frozen);
        graph.op("Det", &[&y], Vec::new());
        y
    });
    differentiate(&model, "y", &["x0"]).unwrap();
}

#[test]
fn what_the_objective_does_not_depend_on_is_an_error_that_names_it() {
    let model = graph(&[&[2], &[2], &[2]], Shapes::Known, &|graph, x| {
        // The one way from x2 leads through integers.
        let shape = graph.op("Shape", &[&x[2]], Vec::new());
        let size = graph.cast(&shape, DataType::Float);
        graph.mul(&x[0], &size)
    });
    for name in ["x1", "x2"] {
        let error = differentiate(&model, "y", &["x0", name]).unwrap_err();
        assert!(matches!(&error, DifferentiateError::NotConnected { wrt, .. } if wrt == name), "{error}");
        assert!(error.to_string().contains(name));
    }
    differentiate(&model, "y", &["x0"]).unwrap();
}

#[test]
fn integers_and_truth_values_carry_no_gradient() {
    let model = graph(&[&[4]], Shapes::Known, &|graph, x| {
        let number = graph.cast(&x[0], DataType::Int64);
        let back = graph.cast(&number, DataType::Float);
        let zero = graph.scalar(0.0);
        let positive = graph.op("Greater", &[&x[0], &zero], Vec::new());
        let positive = graph.cast(&positive, DataType::Float);
        let rounded = graph.op("Round", &[&x[0]], Vec::new());
        let sum = graph.op("Sum", &[&back, &positive, &rounded], Vec::new());
        graph.mul(&x[0], &sum)
    });
    let gradient = differentiate(&model, "Mul", &["x0"]).unwrap();
    let data = vec![vec![-1.6, 0.3, 1.4, 2.7]];
    let (_, found) = super::evaluate(&mut super::served(&gradient, 1), &[&[4]], &data, "grad.x0");
    assert_eq!(found, [-3.0, 1.0, 3.0, 6.0]);
    assert!(
        matches!(differentiate(&model, "Cast", &["x0"]), Err(DifferentiateError::NotFloat(name)) if name == "Cast")
    );
}

#[test]
fn unknown_names_old_operator_sets_and_taken_names_are_errors() {
    let model = graph(&[&[2]], Shapes::Known, &|graph, x| graph.mul(&x[0], &x[0]));
    assert!(matches!(differentiate(&model, "z", &["x0"]), Err(DifferentiateError::NoValue(name)) if name == "z"));
    assert!(matches!(differentiate(&model, "y", &["w"]), Err(DifferentiateError::NoValue(name)) if name == "w"));
    let old =
        ModelProto { opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }], ..model.clone() };
    assert!(matches!(differentiate(&old, "y", &["x0"]), Err(DifferentiateError::Opset { found: 13, .. })));
    let once = differentiate(&model, "y", &["x0"]).unwrap();
    assert!(matches!(differentiate(&once, "y", &["x0"]), Err(DifferentiateError::Graph(_))));
    assert!(differentiate(&ModelProto::default(), "y", &["x0"]).is_err());
}

#[test]
fn frozen_parts_get_no_gradient_and_outputs_stay() {
    let weight = |graph: &mut GraphBuilder| {
        graph.initializer(TensorProto::from_f32("w", &[3, 3], &super::numbers(1, 9, -1.0, 1.0)))
    };
    let model = graph(&[&[2, 3], &[3, 3]], Shapes::Symbols, &|graph, x| {
        let weight = weight(graph);
        let frozen = graph.op("Tanh", &[&x[0]], Vec::new());
        let frozen = graph.matmul(&frozen, &weight);
        let low = graph.matmul(&frozen, &x[1]);
        graph.matmul(&low, &weight)
    });
    let gradient = differentiate(&model, "y", &["x1"]).unwrap();
    let operators = operators(&gradient);
    // One product back through the last weight; the frozen beginning is not walked through.
    assert_eq!(operators.iter().filter(|op| op.ends_with("MatMul")).count(), 3 + 2);
    assert_eq!(operators.iter().filter(|&&op| op == "Tanh").count(), 1);

    let outputs: Vec<&str> =
        gradient.graph.as_ref().unwrap().output.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(outputs, ["y", "grad.x1"]);
}

#[test]
fn values_on_the_way_weights_and_the_objective_itself_have_gradients() {
    let model = graph(&[&[2, 3]], Shapes::Known, &|graph, x| {
        let weight = graph.initializer(TensorProto::from_f32("w", &[3], &[1.0, 2.0, 3.0]));
        let product = graph.mul(&x[0], &weight);
        let named = graph.named(&product, "middle");
        graph.mul(&named, &named)
    });
    let names = ["x0", "w", "middle", "Mul.1"];
    let mut session = super::served(&differentiate(&model, "Mul.1", &names).unwrap(), 1);
    let data = vec![vec![1.0, 1.0, 1.0, 2.0, 2.0, 2.0]];
    let mut of = |name: &str| super::evaluate(&mut session, &[&[2, 3]], &data, &gradient_name(name)).1;
    assert_eq!(of("Mul.1"), [1.0; 6]);
    assert_eq!(of("middle"), [2.0, 4.0, 6.0, 4.0, 8.0, 12.0]);
    assert_eq!(of("x0"), [2.0, 8.0, 18.0, 4.0, 16.0, 36.0]);
    assert_eq!(of("w"), [10.0, 20.0, 30.0]);
}

#[test]
fn a_subgraph_on_the_way_is_an_error_and_elsewhere_it_is_not() {
    let mut inner = GraphBuilder::new("then", 20);
    let doubled: Value = inner.input("x0", DataType::Float, &[]);
    let doubled = inner.add(&doubled, &doubled);
    inner.output(&doubled, "inner", DataType::Float, &[]);
    let mut branch = inner.finish().graph.unwrap();
    branch.input.clear();
    let build = |on_the_way: bool| {
        graph(&[&[2], &[2]], Shapes::Known, &|graph, x| {
            let condition = graph.initializer(TensorProto::from_raw("c", DataType::Bool, &[], vec![1].into()));
            let branches = ["then_branch", "else_branch"].map(|name| AttributeProto {
                name: name.to_owned(),
                r#type: crate::onnx::AttributeType::Graph.into(),
                g: Some(branch.clone()),
                ..AttributeProto::default()
            });
            let chosen = graph.op("If", &[&condition], branches.to_vec());
            let product = graph.mul(&x[1], &x[1]);
            if on_the_way { graph.mul(&chosen, &product) } else { product }
        })
    };
    assert!(
        matches!(differentiate(&build(true), "y", &["x0"]), Err(DifferentiateError::NoRule { operator, .. }) if operator == "If")
    );
    differentiate(&build(true), "y", &["x1"]).unwrap();
    differentiate(&build(false), "y", &["x1"]).unwrap();
}

#[test]
fn dropout_that_may_drop_is_refused() {
    let mut builder = GraphBuilder::new("g", 20);
    let x = builder.input("x", DataType::Float, &[Dim::Size(2)]);
    let training = builder.input("training", DataType::Bool, &[]);
    let ratio = builder.scalar(0.5);
    let y = builder.op("Dropout", &[&x, &ratio, &training], Vec::new());
    builder.output(&y, "y", DataType::Float, &[Dim::Size(2)]);
    let error = differentiate(&builder.finish(), "y", &["x"]).unwrap_err();
    assert!(matches!(error, DifferentiateError::Unsupported { .. }));
}
