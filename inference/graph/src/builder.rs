//! Names, constants and nodes of a graph under construction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::GraphError;
use crate::onnx::{
    AttributeProto, DataType, Dim, GraphProto, IR_VERSION, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto,
};

/// A value of the graph under construction: its name, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Value(Arc<str>);

impl Value {
    /// The name under which the value is known in the graph.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Builds one graph, node by node, in topological order.
///
/// Names are made from the operator and the current scope and never repeat; equal small constants are written once.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: GraphProto,
    /// Everything of the model but its graph.
    model: ModelProto,
    scope: Vec<String>,
    used: HashSet<Arc<str>>,
    constants: HashMap<Constant, Value>,
}

/// A small constant's element type, shape and bytes.
type Constant = (DataType, Vec<i64>, Vec<u8>);

impl GraphBuilder {
    /// An empty graph of this name, over the standard operators of version `opset`.
    pub fn new(name: &str, opset: i64) -> Self {
        let graph = GraphProto { name: name.to_owned(), ..GraphProto::default() };
        let model = ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
            producer_name: "datanet".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..ModelProto::default()
        };
        Self { graph, model, scope: Vec::new(), used: HashSet::new(), constants: HashMap::new() }
    }

    /// Continues an existing model: its names are taken, its operator sets and everything else stay as they are.
    /// Nodes are put in an order in which they can run, so that new ones can be appended.
    ///
    /// # Errors
    /// [`GraphError`] if the model holds no graph, or one that is not sound (see [`crate::model::Index::new`]).
    pub fn from_model(mut model: ModelProto) -> Result<Self, GraphError> {
        crate::model::topological_sort(&mut model)?;
        let graph = model.graph.take().ok_or(GraphError::NoGraph)?;
        let mut used = HashSet::new();
        claim_all(&graph, &mut used);
        Ok(Self { graph, model, scope: Vec::new(), used, constants: HashMap::new() })
    }

    /// The value of this name, if something in the graph defines it.
    pub fn value(&self, name: &str) -> Option<Value> {
        // Names inside subgraphs are claimed too, but are no values of this graph.
        let defined = self.graph.input.iter().any(|input| input.name == name)
            || self.graph.initializer.iter().any(|tensor| tensor.name == name)
            || self.graph.node.iter().any(|node| node.output.iter().any(|output| output == name));
        if defined { self.used.get(name).cloned().map(Value) } else { None }
    }

    /// An optional input left out.
    pub fn absent() -> Value {
        Value("".into())
    }

    /// The version of an operator set that the model imports; the empty domain is the standard one.
    pub fn opset(&self, domain: &str) -> Option<i64> {
        let same = |import: &&OperatorSetIdProto| canonical(&import.domain) == canonical(domain);
        self.model.opset_import.iter().find(same).map(|import| import.version)
    }

    /// The graph as it is now.
    pub fn graph(&self) -> &GraphProto {
        &self.graph
    }

    /// The nodes, to be rewired; names of outputs that are given up stay taken.
    pub fn nodes_mut(&mut self) -> &mut Vec<NodeProto> {
        &mut self.graph.node
    }

    /// Runs `body` with `name` put before the names it makes: `layer.0/MatMul`.
    pub fn scoped<T>(&mut self, name: impl Into<String>, body: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push(name.into());
        let result = body(self);
        self.scope.pop();
        result
    }

    /// Declares an input of the graph.
    pub fn input(&mut self, name: &str, element: DataType, shape: &[Dim]) -> Value {
        let value = self.claim(name);
        self.graph.input.push(ValueInfoProto::tensor(value.name(), element, shape));
        value
    }

    /// Declares `value` an output of the graph under `name`.
    pub fn output(&mut self, value: &Value, name: &str, element: DataType, shape: &[Dim]) {
        let output = self.claim(name);
        self.graph.output.push(ValueInfoProto::tensor(output.name(), element, shape));
        self.push("Identity", &[value], vec![output], Vec::new());
    }

    /// Adds a constant under its own name, or one like it where that is taken.
    pub fn initializer(&mut self, mut tensor: TensorProto) -> Value {
        let value = self.claim(&tensor.name);
        tensor.name = value.name().to_owned();
        self.graph.initializer.push(tensor);
        value
    }

    /// A float scalar.
    pub fn scalar(&mut self, number: f32) -> Value {
        self.constant(DataType::Float, Vec::new(), number.to_le_bytes().to_vec())
    }

    /// A list of integers, `[numbers.len()]`.
    pub fn int_list(&mut self, numbers: &[i64]) -> Value {
        let length = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
        self.constant(DataType::Int64, vec![length], numbers.iter().flat_map(|n| n.to_le_bytes()).collect())
    }

    /// An integer scalar.
    pub fn int_scalar(&mut self, number: i64) -> Value {
        self.constant(DataType::Int64, Vec::new(), number.to_le_bytes().to_vec())
    }

    /// Adds a node with one output.
    pub fn op(&mut self, op_type: &str, inputs: &[&Value], attributes: Vec<AttributeProto>) -> Value {
        let output = self.fresh(op_type);
        self.push(op_type, inputs, vec![output.clone()], attributes);
        output
    }

    /// Adds a node with one output of another operator set, such as `com.microsoft`, which is imported if need be.
    pub fn op_in(&mut self, domain: &str, op_type: &str, inputs: &[&Value], attributes: Vec<AttributeProto>) -> Value {
        if self.opset(domain).is_none() {
            let import = OperatorSetIdProto { domain: domain.to_owned(), version: 1 };
            self.model.opset_import.push(import);
        }
        let output = self.op(op_type, inputs, attributes);
        if let Some(node) = self.graph.node.last_mut() {
            node.domain = domain.to_owned();
        }
        output
    }

    /// `value` under another name, or one like it where that is taken: a place that can be found again.
    pub fn named(&mut self, value: &Value, name: &str) -> Value {
        let named = self.claim(name);
        self.push("Identity", &[value], vec![named.clone()], Vec::new());
        named
    }

    /// Adds a node with `N` outputs.
    pub fn op_n<const N: usize>(
        &mut self,
        op_type: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
    ) -> [Value; N] {
        let outputs: [Value; N] = std::array::from_fn(|_| self.fresh(op_type));
        self.push(op_type, inputs, outputs.to_vec(), attributes);
        outputs
    }

    /// The finished model.
    pub fn finish(mut self) -> ModelProto {
        self.model.graph = Some(self.graph);
        self.model
    }

    fn push(&mut self, op_type: &str, inputs: &[&Value], outputs: Vec<Value>, attribute: Vec<AttributeProto>) {
        let name = outputs.first().map(|output| format!("{}.node", output.name())).unwrap_or_default();
        self.graph.node.push(NodeProto {
            name,
            op_type: op_type.to_owned(),
            input: inputs.iter().map(|value| value.name().to_owned()).collect(),
            output: outputs.iter().map(|value| value.name().to_owned()).collect(),
            attribute,
            ..NodeProto::default()
        });
    }

    fn constant(&mut self, element: DataType, dims: Vec<i64>, raw: Vec<u8>) -> Value {
        let key = (element, dims, raw);
        if let Some(known) = self.constants.get(&key) {
            return known.clone();
        }
        let name = format!("const.{}", self.constants.len());
        let value = self.initializer(TensorProto::from_raw(&name, element, &key.1, key.2.clone().into()));
        self.constants.insert(key, value.clone());
        value
    }

    fn fresh(&mut self, op_type: &str) -> Value {
        let mut name = self.scope.join("/");
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(op_type);
        self.claim(&name)
    }

    /// The name itself, or the first of `name.1`, `name.2`, ... that is free.
    fn claim(&mut self, name: &str) -> Value {
        let mut candidate: Arc<str> = name.into();
        let mut suffix = 0usize;
        while !self.used.insert(candidate.clone()) {
            suffix += 1;
            candidate = format!("{name}.{suffix}").into();
        }
        Value(candidate)
    }
}

/// Both names of the standard operator set as one.
fn canonical(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// Names of the graph and of the subgraphs in it: a new value must hide none of them.
fn claim_all(graph: &GraphProto, used: &mut HashSet<Arc<str>>) {
    let values = graph.input.iter().chain(&graph.output).chain(&graph.value_info).map(|value| &value.name);
    let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
    let constants = graph.initializer.iter().chain(sparse).map(|tensor| &tensor.name);
    used.extend(values.chain(constants).map(|name| Arc::from(name.as_str())));
    for node in &graph.node {
        used.extend(node.output.iter().map(|name| Arc::from(name.as_str())));
        for body in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
            claim_all(body, used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_repeat_and_small_constants_are_shared() {
        let mut builder = GraphBuilder::new("g", 20);
        let x = builder.input("x", DataType::Float, &[Dim::Symbol("n")]);
        let (one, again) = (builder.scalar(1.0), builder.scalar(1.0));
        assert_eq!(one, again);
        let (a, b) = builder.scoped("s", |builder| (builder.add(&x, &one), builder.add(&x, &one)));
        assert_eq!((a.name(), b.name()), ("s/Add", "s/Add.1"));
        builder.output(&b, "y", DataType::Float, &[Dim::Symbol("n")]);
        let graph = builder.finish().graph.unwrap();
        assert_eq!(graph.initializer.len(), 1);
        assert_eq!(graph.node.last().unwrap().output, ["y"]);
    }
    #[test]
    fn a_model_is_continued_without_touching_what_is_there() {
        let mut builder = GraphBuilder::new("g", 20);
        let x = builder.input("x", DataType::Float, &[Dim::Symbol("n")]);
        let y = builder.relu(&x);
        builder.output(&y, "y", DataType::Float, &[Dim::Symbol("n")]);
        let before = builder.finish();
        let mut builder = GraphBuilder::from_model(before.clone()).unwrap();
        let known = builder.value("Relu").unwrap();
        assert_eq!((builder.value("z"), builder.opset("ai.onnx")), (None, Some(20)));
        let more = builder.relu(&known);
        assert_eq!(more.name(), "Relu.1");
        let dropped = builder.op_in("com.microsoft", "FastGelu", &[&more, &GraphBuilder::absent()], Vec::new());
        assert_eq!(builder.opset("com.microsoft"), Some(1));
        builder.named(&dropped, "marked");
        let after = builder.finish();
        let nodes = &after.graph.as_ref().unwrap().node;
        assert_eq!(nodes[..2], before.graph.unwrap().node[..]);
        assert_eq!((nodes[3].domain.as_str(), nodes[4].output[0].as_str()), ("com.microsoft", "marked"));
    }
}
