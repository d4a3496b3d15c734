//! Walking everything that a model holds: graphs in graphs, functions, attributes, tensors.

use std::collections::HashSet;

use super::{Limits, ValidateError, functions::Functions, tensors};
use crate::model::GraphError;
use crate::onnx::types::{tensor_shape, type_proto};
use crate::onnx::{AttributeProto, GraphProto, NodeProto, TypeProto, ValueInfoProto};

/// Walks one model; counts what is limited for the model as a whole.
pub(super) struct Walk<'a> {
    pub limits: &'a Limits,
    pub functions: &'a Functions<'a>,
    pub nodes: u64,
    pub initialisers: u64,
}

impl<'a> Walk<'a> {
    /// Checks a graph and all that is in it. `depth` is 0 for the model's own; `outer` are the names that it may read
    /// from around it.
    pub(super) fn graph(
        &mut self,
        graph: &'a GraphProto,
        depth: u64,
        outer: &HashSet<&'a str>,
    ) -> Result<(), ValidateError> {
        self.limits
            .check(depth, self.limits.depth, || format!("the depth at which graph {:?} is nested", graph.name))?;
        self.constants(graph)?;
        for value in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
            self.name(&value.name)?;
            declared(value, self.limits)?;
        }
        let mut visible = outer.clone();
        if depth == 0 {
            // The outermost graph was checked as a whole; its subgraphs may read all of it.
            visible.extend(graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str)));
        }
        let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
        let constants: HashSet<&str> =
            graph.initializer.iter().chain(sparse).map(|tensor| tensor.name.as_str()).collect();
        let inputs = graph.input.iter().map(|input| input.name.as_str()).filter(|name| !constants.contains(name));
        for name in inputs.chain(constants.iter().copied()) {
            self.define(name, depth, &mut visible)?;
        }
        for node in &graph.node {
            self.node(node, depth, &mut visible, false)?;
        }
        match graph.output.iter().find(|output| !visible.contains(output.name.as_str())) {
            Some(output) => Err(GraphError::NoValue(output.name.clone()).into()),
            None => Ok(()),
        }
    }

    fn define(&self, name: &'a str, depth: u64, visible: &mut HashSet<&'a str>) -> Result<(), ValidateError> {
        if !visible.insert(name) && depth > 0 {
            return Err(GraphError::Duplicate(name.to_owned()).into());
        }
        Ok(())
    }

    fn constants(&mut self, graph: &GraphProto) -> Result<(), ValidateError> {
        self.initialisers += (graph.initializer.len() + graph.sparse_initializer.len()) as u64;
        self.limits.check(self.initialisers, self.limits.initialisers, || "the number of initialisers".to_owned())?;
        for tensor in &graph.initializer {
            self.name(&tensor.name)?;
            tensors::dense(tensor, &format!("initialiser {:?}", tensor.name), self.limits)?;
        }
        for sparse in &graph.sparse_initializer {
            let name = sparse.values.as_ref().map_or("", |values| values.name.as_str());
            self.name(name)?;
            tensors::sparse(sparse, &format!("sparse initialiser {name:?}"), self.limits)?;
        }
        Ok(())
    }

    /// Checks one node, which may read what is `visible`, and makes its outputs visible. In a function (`body`) all
    /// values are checked so, in subgraphs too; in the outermost graph the order is another check's business.
    pub(super) fn node(
        &mut self,
        node: &'a NodeProto,
        depth: u64,
        visible: &mut HashSet<&'a str>,
        body: bool,
    ) -> Result<(), ValidateError> {
        self.nodes += 1;
        self.limits.check(self.nodes, self.limits.nodes, || "the number of nodes".to_owned())?;
        for name in node.input.iter().chain(&node.output).chain([&node.name, &node.op_type, &node.domain]) {
            self.name(name)?;
        }
        self.operator(node)?;
        if let Some(lost) = node.input.iter().find(|name| !name.is_empty() && !visible.contains(name.as_str())) {
            return Err(GraphError::Unproduced { node: node.label(), value: lost.clone() }.into());
        }
        let mut seen = HashSet::new();
        for attribute in &node.attribute {
            if !seen.insert(attribute.name.as_str()) {
                let reason = format!("has the attribute {:?} twice", attribute.name);
                return Err(ValidateError::Node { node: node.label(), reason });
            }
            self.attribute(node, attribute, depth, visible, body)?;
        }
        let strict = body || depth > 0;
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if !visible.insert(output) && strict {
                return Err(GraphError::Duplicate(output.clone()).into());
            }
        }
        Ok(())
    }

    fn operator(&self, node: &NodeProto) -> Result<(), ValidateError> {
        if !self.limits.allows(&node.domain, &node.op_type) && !self.functions.contains(node) {
            return Err(ValidateError::Operator {
                node: node.label(),
                domain: node.domain.clone(),
                operator: node.op_type.clone(),
            });
        }
        // The runtime's kernel ignores the flag and reads beyond its buffer.
        if node.op_type == "MatMulBnb4" && node.int("transB").is_some_and(|transposed| transposed != 1) {
            let reason = "multiplies by a weight that is not transposed, which the runtime cannot".to_owned();
            return Err(ValidateError::Node { node: node.label(), reason });
        }
        Ok(())
    }

    /// Every field is checked, whatever type the attribute says it has.
    fn attribute(
        &mut self,
        node: &NodeProto,
        attribute: &'a AttributeProto,
        depth: u64,
        visible: &HashSet<&'a str>,
        body: bool,
    ) -> Result<(), ValidateError> {
        self.name(&attribute.name)?;
        let place = format!("attribute {:?} of node {}", attribute.name, node.label());
        if !body && !attribute.ref_attr_name.is_empty() {
            let reason = format!("takes {:?} from a function that it is not in", attribute.name);
            return Err(ValidateError::Node { node: node.label(), reason });
        }
        let texts = attribute.strings.iter().chain(&attribute.s).map(|text| text.len()).sum::<usize>();
        let bytes = texts + 4 * attribute.floats.len() + 8 * attribute.ints.len();
        self.limits.check(bytes as u64, self.limits.attribute_bytes, || format!("the size of {place} in bytes"))?;
        for tensor in attribute.t.iter().chain(&attribute.tensors) {
            tensors::dense(tensor, &place, self.limits)?;
        }
        for sparse in attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors) {
            tensors::sparse(sparse, &place, self.limits)?;
        }
        for graph in attribute.g.iter().chain(&attribute.graphs) {
            self.graph(graph, depth + 1, visible)?;
        }
        for r#type in attribute.tp.iter().chain(&attribute.type_protos) {
            axes(r#type, &place, self.limits)?;
        }
        Ok(())
    }

    pub(super) fn name(&self, name: &str) -> Result<(), ValidateError> {
        let start = || name.chars().take(40).collect::<String>();
        self.limits
            .check(name.len() as u64, self.limits.name_bytes, || format!("the length of the name {:?}..", start()))
    }
}

fn declared(value: &ValueInfoProto, limits: &Limits) -> Result<(), ValidateError> {
    let place = || format!("value {:?}", value.name);
    value.r#type.as_ref().map_or(Ok(()), |r#type| axes(r#type, &place(), limits))
}

/// Checks the known sizes that a type declares.
fn axes(r#type: &TypeProto, place: &str, limits: &Limits) -> Result<(), ValidateError> {
    use type_proto::Value;
    let (Some(Value::TensorType(tensor)) | Some(Value::SparseTensorType(tensor))) = &r#type.value else {
        return Ok(());
    };
    let Some(shape) = &tensor.shape else { return Ok(()) };
    let known = |dimension: &tensor_shape::Dimension| match dimension.value {
        // Exporters write -1 for a size that they do not know.
        Some(tensor_shape::Value::DimValue(size)) if size >= 0 => size,
        _ => 1,
    };
    tensors::elements(&shape.dim.iter().map(known).collect::<Vec<_>>(), place, limits).map(|_| ())
}
