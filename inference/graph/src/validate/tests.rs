//! Hostile models, one hiding place at a time, and real ones with their bytes changed.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::GraphBuilder;
use crate::onnx::{
    AttributeProto, DataType, Dim, FunctionProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
    StringStringEntryProto, TensorProto, TrainingInfoProto, ValueInfoProto,
};
use crate::testing;

/// `y = x + c`, valid.
fn model() -> ModelProto {
    let mut graph = GraphBuilder::new("g", 20);
    let x = graph.input("x", DataType::Float, &[Dim::Symbol("n"), Dim::Size(2)]);
    let c = graph.initializer(TensorProto::from_f32("c", &[2], &[1.0, 2.0]));
    let y = graph.add(&x, &c);
    graph.output(&y, "y", DataType::Float, &[Dim::Symbol("n"), Dim::Size(2)]);
    graph.finish()
}

fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

fn verdict(model: &ModelProto) -> Result<ModelProto, ValidateError> {
    validate(&model.encode_to_vec(), &Limits::default())
}

fn refused(change: impl Fn(&mut ModelProto)) -> String {
    let mut changed = model();
    change(&mut changed);
    verdict(&changed).unwrap_err().to_string()
}

/// A tensor that would be read from another file, in each of the ways to say so.
fn external() -> [TensorProto; 3] {
    let whole = TensorProto::external("secret", DataType::Float, &[2], "/etc/passwd", 0, 8);
    let only_location = TensorProto { external_data: Vec::new(), ..whole.clone() };
    let raw = whole.clone();
    let entry = StringStringEntryProto { key: "location".into(), value: "../../x".into() };
    let only_data =
        TensorProto { external_data: vec![entry], data_location: 0, raw_data: Some(vec![0; 8].into()), ..raw };
    [whole, only_location, only_data]
}

fn attribute(name: &str) -> AttributeProto {
    AttributeProto { name: name.into(), ..AttributeProto::default() }
}

fn constant(attribute: AttributeProto) -> NodeProto {
    NodeProto { op_type: "Constant".into(), output: vec!["k".into()], attribute: vec![attribute], ..Default::default() }
}

/// A branch that gives its constant `hidden`.
fn branch(tensor: TensorProto) -> GraphProto {
    let name = tensor.name.clone();
    let output = vec![ValueInfoProto { name, ..ValueInfoProto::default() }];
    GraphProto { initializer: vec![tensor], output, ..GraphProto::default() }
}

fn choice(then: GraphProto) -> NodeProto {
    let other = branch(TensorProto::from_f32("fine", &[2], &[0.0; 2]));
    let part = |name: &str, graph| AttributeProto { g: Some(graph), ..attribute(name) };
    NodeProto {
        op_type: "If".into(),
        input: vec!["yes".into()],
        output: vec!["z".into()],
        attribute: vec![part("then_branch", then), part("else_branch", other)],
        ..NodeProto::default()
    }
}

fn with_choice(model: &mut ModelProto, then: GraphProto) {
    let yes = TensorProto::from_raw("yes", DataType::Bool, &[], vec![1u8].into());
    graph(model).initializer.push(yes);
    graph(model).node.push(choice(then));
}

fn sparse(values: TensorProto, indices: TensorProto) -> SparseTensorProto {
    SparseTensorProto { values: Some(values), indices: Some(indices), dims: vec![4] }
}

fn positions(at: &[i64]) -> TensorProto {
    TensorProto::from_i64("at", &[at.len() as i64], at)
}

fn function(node: NodeProto) -> FunctionProto {
    FunctionProto {
        name: "F".into(),
        domain: "mine".into(),
        output: vec![node.output[0].clone()],
        node: vec![node],
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 20 }],
        ..FunctionProto::default()
    }
}

#[test]
fn real_models_pass() {
    assert_eq!(verdict(&model()).unwrap(), model());
    let mut nested = model();
    with_choice(&mut nested, branch(TensorProto::from_f32("hidden", &[2], &[1.0; 2])));
    verdict(&nested).unwrap();
    let minilm = testing::minilm();
    verdict(&minilm).unwrap();
    let smaller = crate::quantise::quantise(&minilm, crate::quantise::Scheme::Nf4 { block: 64 }, |_| true).unwrap();
    verdict(&smaller.model).unwrap();
}

/// Puts something into a model.
type Hide<'a> = Box<dyn Fn(&mut ModelProto) + 'a>;

#[test]
fn data_in_other_files_are_refused_wherever_they_hide() {
    for secret in external() {
        let dense = || secret.clone();
        let two = || TensorProto::from_f32("v", &[2], &[1.0; 2]);
        let places: Vec<(&str, Hide<'_>)> = vec![
            ("initialiser", Box::new(|model| graph(model).initializer.push(dense()))),
            (
                "sparse values",
                Box::new(|model| graph(model).sparse_initializer.push(sparse(dense(), positions(&[0, 1])))),
            ),
            ("sparse indices", Box::new(|model| graph(model).sparse_initializer.push(sparse(two(), dense())))),
            (
                "constant",
                Box::new(|model| {
                    graph(model).node.push(constant(AttributeProto { t: Some(dense()), ..attribute("value") }));
                }),
            ),
            (
                "list of tensors",
                Box::new(|model| {
                    graph(model)
                        .node
                        .push(constant(AttributeProto { tensors: vec![two(), dense()], ..attribute("values") }));
                }),
            ),
            (
                "sparse constant",
                Box::new(|model| {
                    let hidden = sparse(dense(), positions(&[0, 1]));
                    let hidden = AttributeProto { sparse_tensor: Some(hidden), ..attribute("sparse_value") };
                    graph(model).node.push(constant(hidden));
                }),
            ),
            (
                "list of sparse tensors",
                Box::new(|model| {
                    let hidden = AttributeProto { sparse_tensors: vec![sparse(two(), dense())], ..attribute("lists") };
                    graph(model).node.push(constant(hidden));
                }),
            ),
            (
                "attribute of another declared type",
                Box::new(|model| {
                    let hidden = AttributeProto { t: Some(dense()), ..AttributeProto::int("value_int", 1) };
                    graph(model).node.push(constant(hidden));
                }),
            ),
            ("subgraph", Box::new(|model| with_choice(model, branch(dense())))),
            (
                "subgraph of a subgraph",
                Box::new(|model| {
                    let mut outer = branch(TensorProto::from_f32("hidden", &[2], &[0.0; 2]));
                    outer.node.push(choice(branch(dense())));
                    with_choice(model, outer);
                }),
            ),
            (
                "function",
                Box::new(|model| {
                    let body = constant(AttributeProto { t: Some(dense()), ..attribute("value") });
                    model.functions.push(function(body));
                }),
            ),
            (
                "default of a function",
                Box::new(|model| {
                    let mut hiding = function(constant(AttributeProto::int("value_int", 1)));
                    hiding.attribute_proto.push(AttributeProto { t: Some(dense()), ..attribute("value") });
                    model.functions.push(hiding);
                }),
            ),
        ];
        for (place, hide) in places {
            let mut changed = model();
            hide(&mut changed);
            let verdict = verdict(&changed);
            assert!(matches!(verdict, Err(ValidateError::External(_))), "{place}: {verdict:?}");
        }
    }
}

#[test]
fn tensors_hold_what_they_declare() {
    let with = |tensor: TensorProto| refused(|model| graph(model).initializer.push(tensor.clone()));
    let float = |dims: &[i64], bytes: usize| TensorProto::from_raw("t", DataType::Float, dims, vec![0; bytes].into());
    assert!(with(float(&[3], 8)).contains("initialiser \"t\" declares"));
    assert!(with(float(&[-1], 8)).contains("axis of -1"));
    assert!(with(float(&[i64::MAX, i64::MAX], 8)).contains("impossible shape"));
    assert!(with(float(&[1 << 31], 8)).contains("limit"));
    assert!(with(float(&[1; 40], 4)).contains("40 axes"));
    assert!(with(TensorProto { float_data: vec![1.0, 2.0], ..float(&[2], 8) }).contains("raw_data and"));
    assert!(with(TensorProto { raw_data: None, int64_data: vec![1], ..float(&[1], 0) }).contains("int64_data"));
    assert!(with(TensorProto { data_type: 77, ..float(&[1], 4) }).contains("element type 77"));
    let text = |length: usize| TensorProto {
        name: "t".into(),
        dims: vec![1],
        data_type: DataType::String.into(),
        string_data: vec![vec![b'a'; length].into()],
        ..TensorProto::default()
    };
    assert!(with(text(5000)).contains("longest text"));
    assert!(with(TensorProto { dims: vec![2], ..text(3) }).contains("declares"));
    let nibbles = TensorProto::from_raw("t", DataType::Uint4, &[3], vec![0u8; 2].into());
    let mut fine = model();
    graph(&mut fine).initializer.push(nibbles);
    verdict(&fine).unwrap();
}

#[test]
fn sparse_positions_lie_inside() {
    let two = || TensorProto::from_f32("v", &[2], &[1.0; 2]);
    let with = |tensor: SparseTensorProto| refused(|model| graph(model).sparse_initializer.push(tensor.clone()));
    assert!(with(sparse(two(), positions(&[0, 4]))).contains("outside"));
    assert!(with(sparse(two(), positions(&[0, -1]))).contains("outside"));
    assert!(with(sparse(two(), positions(&[0]))).contains("do not fit"));
    let pairs = TensorProto::from_i64("at", &[2, 1], &[0, 9]);
    assert!(with(sparse(two(), pairs)).contains("outside"));
    assert!(with(SparseTensorProto { values: None, ..sparse(two(), positions(&[0, 1])) }).contains("lacks"));
}

#[test]
fn names_are_defined_once_and_before_they_are_read() {
    assert!(refused(|model| graph(model).node[1].output.push("Add".into())).contains("defined twice"));
    assert!(refused(|model| graph(model).node[0].input[0] = "nobody".into()).contains("nobody"));
    assert!(refused(|model| graph(model).node[0].input[0] = "y".into()).contains("own output"));
    assert!(refused(|model| graph(model).output[0].name = "z".into()).contains("no value \"z\""));
    assert!(refused(|model| graph(model).output.clear()).contains("no output"));
    let shadow = branch(TensorProto::from_f32("c", &[2], &[0.0; 2]));
    assert!(refused(|model| with_choice(model, shadow.clone())).contains("\"c\" is defined twice"));
    let mut lost = branch(TensorProto::from_f32("hidden", &[2], &[0.0; 2]));
    lost.node.push(NodeProto {
        op_type: "Relu".into(),
        input: vec!["later".into()],
        output: vec!["r".into()],
        ..NodeProto::default()
    });
    assert!(refused(|model| with_choice(model, lost.clone())).contains("later"));
}

#[test]
fn only_operators_on_the_list_run() {
    for (domain, operator) in
        [("", "Loop"), ("", "Nothing"), ("com.microsoft", "EPContext"), ("ai.onnx.contrib", "Add")]
    {
        let message = refused(|model| {
            graph(model).node[0].domain = domain.into();
            graph(model).node[0].op_type = operator.into();
        });
        assert!(message.contains(operator) && message.contains("not allowed"), "{message}");
    }
    let bad = refused(|model| {
        let node = &mut graph(model).node[0];
        (node.domain, node.op_type) = ("com.microsoft".into(), "MatMulBnb4".into());
        node.attribute = vec![AttributeProto::int("transB", 0)];
    });
    assert!(bad.contains("not transposed"), "{bad}");
    assert!(refused(|model| model.opset_import[0].version = 99).contains("version 99"));
    assert!(refused(|model| model.opset_import.clear()).contains("none"));
    assert!(refused(|model| model.training_info.push(TrainingInfoProto::default())).contains("training graph"));
    let twice = [AttributeProto::int("axis", 0), AttributeProto::int("axis", 1)];
    assert!(refused(|model| graph(model).node[0].attribute = twice.to_vec()).contains("twice"));
}

#[test]
fn functions_neither_call_themselves_nor_grow_without_end() {
    let call = |name: &str, output: &str| NodeProto {
        op_type: name.into(),
        domain: "mine".into(),
        output: vec![output.into()],
        ..NodeProto::default()
    };
    let used = refused(|model| {
        model.functions.push(function(call("F", "o")));
        graph(model).node.push(call("F", "unused"));
    });
    assert!(used.contains("calls itself"), "{used}");
    let bomb = refused(|model| {
        for level in 0..40 {
            let below = format!("F{level}");
            let mut next = function(call(&below, "o"));
            next.node.push(call(&below, "p"));
            next.name = format!("F{}", level + 1);
            model.functions.push(next);
        }
        let mut first = function(constant(AttributeProto::int("value_int", 1)));
        first.name = "F0".into();
        model.functions.push(first);
        graph(model).node.push(call("F40", "unused"));
    });
    assert!(bomb.contains("written out"), "{bomb}");
    let shadow = refused(|model| {
        let mut own = function(constant(AttributeProto::int("value_int", 1)));
        own.domain = String::new();
        model.functions.push(own);
    });
    assert!(shadow.contains("runtime's own"), "{shadow}");
}

#[test]
fn limits_are_kept_and_say_what_they_limit() {
    let bytes = model().encode_to_vec();
    let with = |limits: Limits| validate(&bytes, &limits).unwrap_err().to_string();
    let default = Limits::default;
    assert!(with(Limits { bytes: 10, ..default() }).contains("size of the model"));
    assert!(with(Limits { parts: 3, ..default() }).contains("parts"));
    assert!(with(Limits { nodes: 1, ..default() }).contains("number of nodes"));
    assert!(with(Limits { initialisers: 0, ..default() }).contains("initialisers"));
    assert!(with(Limits { elements: 1, ..default() }).contains("elements"));
    assert!(with(Limits { name_bytes: 2, ..default() }).contains("name"));
    let deep = refused(|model| {
        let mut inner = branch(TensorProto::from_f32("h", &[2], &[0.0; 2]));
        for level in 0..6 {
            let mut outer = branch(TensorProto::from_f32(&format!("h{level}"), &[2], &[0.0; 2]));
            outer.node.push(choice(inner));
            inner = outer;
        }
        with_choice(model, inner);
    });
    assert!(deep.contains("nested"), "{deep}");
    let long = refused(|model| graph(model).node[0].name = "n".repeat(4000));
    assert!(long.contains("length of the name"), "{long}");
}

/// A constant of a terabyte takes a few bytes in the file; the runtime would fill it when it loads the graph.
#[test]
fn values_of_absurd_size_are_refused() {
    let mut graph = GraphBuilder::new("g", 20);
    let shape = graph.int_list(&[1 << 20, 1 << 20]);
    let y = graph.op("ConstantOfShape", &[&shape], Vec::new());
    graph.output(&y, "y", DataType::Float, &[]);
    let mut huge = graph.finish();
    huge.graph.as_mut().unwrap().output[0].r#type = None;
    assert!(verdict(&huge).unwrap_err().to_string().contains("elements of value"));
}

/// Two bytes a node: decoded, they would take thousands of times as much.
#[test]
fn a_small_file_cannot_fill_the_memory() {
    let nodes = [0x0a, 0x00].repeat(3_000_000);
    let mut bytes = vec![0x3a];
    prost::encoding::encode_varint(nodes.len() as u64, &mut bytes);
    bytes.extend(nodes);
    assert!(validate(&bytes, &Limits::default()).unwrap_err().to_string().contains("parts"));
}

/// A real encoder without most of its layers: small enough to be changed a thousand times.
fn encoder() -> &'static Vec<u8> {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let model = testing::minilm();
        let mut part = crate::model::extract(&model, &["hidden.0", "attention_mask"], &["hidden.1"]).unwrap();
        for tensor in graph(&mut part).initializer.iter_mut().filter(|tensor| tensor.dims.len() == 2) {
            *tensor = TensorProto::from_f32(&tensor.name, &[1, 1], &[0.5]);
        }
        part.encode_to_vec()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn garbage_is_refused_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(validate(&bytes, &Limits::default()).is_err());
    }

    #[test]
    fn a_changed_model_is_read_or_refused_but_never_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = encoder().clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = validate(&bytes, &Limits::default());
    }

    #[test]
    fn numbers_of_a_model_may_be_anything(at in 0usize..30, numbers in proptest::collection::vec(any::<i64>(), 0..5)) {
        let mut model = ModelProto::decode(encoder().as_slice()).unwrap();
        let graph = graph(&mut model);
        let count = graph.node.len();
        for attribute in &mut graph.node[at % count].attribute {
            attribute.i = numbers.first().copied().or(attribute.i);
            attribute.ints.clone_from(&numbers);
        }
        for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.data_type == 7) {
            *tensor = TensorProto::from_i64(&tensor.name, &[numbers.len() as i64], &numbers);
        }
        let _ = verdict(&model);
    }
}
