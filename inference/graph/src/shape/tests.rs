//! What is inferred against what the runtime computes.

use std::collections::HashMap;

use ort::session::SessionInputValue;
use ort::value::{DynValue, TensorElementType};
use proptest::prelude::*;

use super::*;
use crate::GraphBuilder;
use crate::Value;
use crate::onnx::{AttributeProto, Dim, TensorProto};
use crate::testing;

/// Runs the model with every value of known type as an output, and compares shapes and element types.
fn compare(model: &ModelProto, inputs: Vec<(&str, DynValue)>, symbols: &[(&str, i64)]) -> usize {
    let shapes = infer(model).unwrap();
    let mut observed = model.clone();
    let graph = observed.graph.as_mut().unwrap();
    let produced: Vec<String> = graph.node.iter().flat_map(|node| node.output.clone()).collect();
    let names: Vec<&String> = produced.iter().filter(|name| shapes.get(name).is_some()).collect();
    // The runtime finds the types itself, so that what was inferred does not influence what is compared with it.
    graph.output = names.iter().map(|name| ValueInfoProto { name: name.to_string(), ..Default::default() }).collect();
    let mut session = testing::session(&observed).unwrap();
    let inputs: Vec<(&str, SessionInputValue<'_>)> = inputs.iter().map(|(name, value)| (*name, value.into())).collect();
    let outputs = session.run(inputs).unwrap();
    let mut bound: HashMap<String, i64> = symbols.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
    for name in &names {
        let inferred = shapes.get(name).unwrap();
        let element = outputs[name.as_str()].dtype().tensor_type().unwrap();
        assert_eq!(format!("{:?}", inferred.element), element_name(element), "{name}");
        let shape = inferred.shape.as_ref().unwrap_or_else(|| panic!("no shape for {name}"));
        let real: Vec<i64> = outputs[name.as_str()].shape().to_vec();
        assert_eq!(real.len(), shape.len(), "{name}: {real:?} against {shape:?}");
        for (size, real) in shape.iter().zip(&real) {
            let expected = match size {
                Size::Known(number) => *number,
                Size::Symbol(symbol) => evaluate(symbol, &mut bound, *real),
                Size::Unknown => *real,
            };
            assert_eq!(expected, *real, "{name}: {shape:?}");
        }
    }
    names.len()
}

/// Our name of the runtime's element type.
fn element_name(element: TensorElementType) -> &'static str {
    match element {
        TensorElementType::Float32 => "Float",
        TensorElementType::Int64 => "Int64",
        TensorElementType::Bool => "Bool",
        TensorElementType::Uint8 => "Uint8",
        other => panic!("{other:?}"),
    }
}

/// The number that a symbolic size stands for; a symbol not seen before takes the real size, and keeps it.
fn evaluate(symbol: &str, bound: &mut HashMap<String, i64>, real: i64) -> i64 {
    if symbol.starts_with('?') && !symbol.contains(['+', '*', '-']) {
        return *bound.entry(symbol.to_owned()).or_insert(real);
    }
    let term = |term: &str| {
        let (sign, term) = term.strip_prefix('-').map_or((1, term), |rest| (-1, rest));
        sign * term.split('*').map(|factor| factor.parse().unwrap_or_else(|_| bound[factor])).product::<i64>()
    };
    symbol.replace('-', "+-").split('+').filter(|part| !part.is_empty()).map(term).sum()
}

#[test]
fn every_value_of_minilm_has_the_shape_inferred() {
    let model = testing::minilm();
    for (batch, seq) in [(1, 1), (2, 7), (3, 512)] {
        let tokens = vec![1i64; batch * seq];
        let inputs = ["input_ids", "attention_mask"].map(|name| (name, testing::ints(&[batch, seq], &tokens)));
        let compared = compare(&model, inputs.into(), &[("batch", batch as i64), ("seq", seq as i64)]);
        assert_eq!(compared, model.graph.as_ref().unwrap().node.iter().map(|node| node.output.len()).sum::<usize>());
        if batch > 1 {
            break;
        }
    }
    let shapes = infer(&model).unwrap();
    let hidden = shapes.get("last_hidden_state").unwrap();
    assert_eq!(hidden.shape.as_ref().unwrap().iter().map(Size::to_string).collect::<Vec<_>>(), ["batch", "seq", "384"]);
}

/// The way exporters compute a reshape's target: sizes picked from a shape, and put together again.
#[test]
fn a_computed_reshape_target_is_known() {
    let mut graph = GraphBuilder::new("g", 20);
    let x = graph.input("x", DataType::Float, &[Dim::Symbol("batch"), Dim::Symbol("seq"), Dim::Size(12)]);
    let shape = graph.op("Shape", &[&x], Vec::new());
    let [zero, one] = [0, 1].map(|index| graph.int_scalar(index));
    let [batch, seq] = [zero, one].map(|index| graph.gather(&shape, &index, 0));
    let rows = graph.mul(&batch, &seq);
    let rows = graph.unsqueeze(&rows, &[0]);
    let minus = graph.int_list(&[-1]);
    let target = graph.op("Concat", &[&rows, &minus], vec![AttributeProto::int("axis", 0)]);
    let flat = graph.op("Reshape", &[&x, &target], Vec::new());
    let heads = graph.int_list(&[3, 4]);
    let list = [batch, seq].map(|size| graph.unsqueeze(&size, &[0]));
    let target = graph.op("Concat", &[&list[0], &list[1], &heads], vec![AttributeProto::int("axis", 0)]);
    let back = graph.op("Reshape", &[&flat, &target], Vec::new());
    graph.output(&back, "y", DataType::Float, &[]);
    let mut model = graph.finish();
    model.graph.as_mut().unwrap().output[0].r#type = None;
    let shapes = infer(&model).unwrap();
    let text =
        |name: &str| shapes.get(name).unwrap().shape.as_ref().unwrap().iter().map(Size::to_string).collect::<Vec<_>>();
    assert_eq!(text(flat.name()), ["batch*seq", "12"]);
    assert_eq!(text("y"), ["batch", "seq", "3", "4"]);
    compare(&model, vec![("x", testing::floats(&[2, 5, 12], &[0.5; 120]))], &[("batch", 2), ("seq", 5)]);
}

#[test]
fn what_declares_another_size_than_it_has_is_refused() {
    let mut graph = GraphBuilder::new("g", 20);
    let x = graph.input("x", DataType::Float, &[Dim::Symbol("n"), Dim::Size(3)]);
    let weight = graph.initializer(TensorProto::from_f32("w", &[4, 2], &[0.0; 8]));
    let y = graph.matmul(&x, &weight);
    graph.output(&y, "y", DataType::Float, &[Dim::Symbol("n"), Dim::Size(2)]);
    let error = infer(&graph.finish()).unwrap_err().to_string();
    assert!(error.contains("MatMul") && error.contains("3 and 4"), "{error}");
}

#[test]
fn an_unknown_operator_has_unknown_outputs_unless_declared() {
    let mut graph = GraphBuilder::new("g", 20);
    let x = graph.input("x", DataType::Float, &[Dim::Symbol("n")]);
    let lost = graph.op_in("somewhere", "Else", &[&x], Vec::new());
    let found = graph.op_in("somewhere", "Else", &[&x], Vec::new());
    let y = graph.add(&found, &x);
    graph.output(&y, "y", DataType::Float, &[Dim::Symbol("n")]);
    let mut model = graph.finish();
    let declared = ValueInfoProto::tensor(found.name(), DataType::Float, &[Dim::Symbol("n")]);
    model.graph.as_mut().unwrap().value_info.push(declared);
    let shapes = infer(&model).unwrap();
    assert_eq!(shapes.get(lost.name()), None);
    assert_eq!(shapes.get(y.name()).unwrap().shape, Some(vec![Size::Symbol("n".into())]));
}

/// One operator more on a graph over floats `[.., .., ..]`; each keeps the values small and finite.
fn extend(graph: &mut GraphBuilder, x: &Value, rank: usize, choice: u8) -> (Value, usize) {
    let last = rank as i64 - 1;
    let one = graph.int_list(&[1]);
    let (zero, far) = (graph.int_list(&[0]), graph.int_list(&[i64::MAX]));
    let attribute = |name: &str, value| vec![AttributeProto::int(name, value)];
    match choice {
        0 => (graph.op("Transpose", &[x], Vec::new()), rank),
        1 => (graph.unsqueeze(x, &[0]), rank + 1),
        2 if rank > 1 => (graph.reduce_sum(x, &[0], false), rank - 1),
        3 => (graph.op("ReduceMean", &[x, &zero], attribute("keepdims", 1)), rank),
        4 => (graph.op("Concat", &[x, x], attribute("axis", last)), rank),
        5 => (graph.op("Slice", &[x, &one, &far, &zero], Vec::new()), rank),
        6 => (graph.op("Flatten", &[x], attribute("axis", 1)), 2),
        7 => {
            let flat = graph.reshape(x, &[-1]);
            (flat, 1)
        }
        8 => {
            let shape = graph.op("Shape", &[x], Vec::new());
            let zeros = graph.op("ConstantOfShape", &[&shape], Vec::new());
            (graph.add(x, &zeros), rank)
        }
        9 => {
            let top = graph.op("ReduceMax", &[x], attribute("keepdims", 1));
            (graph.sub(x, &top), rank)
        }
        10 => (graph.softmax(x, -1), rank),
        11 => (graph.gather(x, &zero, last), rank),
        12 => {
            let shape = graph.op("Shape", &[x], Vec::new());
            let reduced = graph.op("ReduceMax", &[x, &zero], attribute("keepdims", 1));
            (graph.op("Expand", &[&reduced, &shape], Vec::new()), rank)
        }
        13 => {
            let best = graph.op("ArgMax", &[x], [attribute("axis", last), attribute("keepdims", 1)].concat());
            (graph.op("GatherElements", &[x, &best], attribute("axis", last)), rank)
        }
        14 => {
            let zeros = graph.sub(x, x);
            let mask = graph.op("Greater", &[x, &zeros], Vec::new());
            (graph.op("Where", &[&mask, x, &zeros], Vec::new()), rank)
        }
        15 if rank == 2 => {
            let turned = graph.transpose(x, &[1, 0]);
            (graph.matmul(x, &turned), 2)
        }
        16 => {
            let repeats = graph.int_list(&vec![2; rank]);
            (graph.op("Tile", &[x, &repeats], Vec::new()), rank)
        }
        17 => {
            let length = graph.axis_size(x, 0);
            let [start, step] = [0, 1].map(|number| graph.int_scalar(number));
            let length = graph.op("Squeeze", &[&length], Vec::new());
            let range = graph.op("Range", &[&start, &length, &step], Vec::new());
            (graph.gather(x, &range, 0), rank)
        }
        18 => {
            let [bytes, scale, zero] = graph.op_n("DynamicQuantizeLinear", &[x], Vec::new());
            (graph.op("DequantizeLinear", &[&bytes, &scale, &zero], Vec::new()), rank)
        }
        19 => {
            let pads = graph.int_list(&vec![1; 2 * rank]);
            (graph.op("Pad", &[x, &pads], Vec::new()), rank)
        }
        20 => {
            let [values, _] = graph.op_n("TopK", &[x, &one], attribute("axis", last));
            (values, rank)
        }
        _ => (graph.op("Tanh", &[x], Vec::new()), rank),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn random_graphs_have_the_shapes_inferred(
        choices in proptest::collection::vec(0u8..22, 1..8),
        sizes in (2usize..4, 2usize..5),
    ) {
        let mut graph = GraphBuilder::new("g", 20);
        let mut x = graph.input("x", DataType::Float, &[Dim::Symbol("a"), Dim::Symbol("b"), Dim::Size(3)]);
        let mut rank = 3;
        for choice in choices {
            (x, rank) = extend(&mut graph, &x, rank, choice);
            if rank > 6 {
                break;
            }
        }
        graph.output(&x, "y", DataType::Float, &[]);
        let mut model = graph.finish();
        model.graph.as_mut().unwrap().output[0].r#type = None;
        let (a, b) = sizes;
        let data: Vec<f32> = (0..a * b * 3).map(|at| (at as f32).sin()).collect();
        // Ranges may leave nothing, of which the runtime takes no maximum.
        let whole = testing::session(&model);
        prop_assume!(whole.is_ok_and(|mut it| it.run(ort::inputs!["x" => testing::floats(&[a, b, 3], &data)]).is_ok()));
        compare(&model, vec![("x", testing::floats(&[a, b, 3], &data))], &[("a", a as i64), ("b", b as i64)]);
    }
}
