//! Who writes and who reads each value.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::GraphError;
use crate::onnx::{GraphProto, ModelProto, NodeProto, TensorProto};

/// A graph's values by name: the node that writes each, the nodes that read it, and an order in which all can run.
///
/// Values that a subgraph captures from outside count as read by the node that carries the subgraph.
#[derive(Debug)]
pub struct Index<'a> {
    graph: &'a GraphProto,
    producers: HashMap<&'a str, usize>,
    consumers: HashMap<&'a str, Vec<usize>>,
    initialisers: HashMap<&'a str, &'a TensorProto>,
    inputs: HashSet<&'a str>,
    outputs: HashSet<&'a str>,
    order: Vec<usize>,
}

impl<'a> Index<'a> {
    /// Indexes the graph. Its nodes may be in any order.
    ///
    /// # Errors
    /// [`GraphError::Duplicate`], [`GraphError::Unproduced`], [`GraphError::NoValue`] for an output that nothing
    /// writes, and [`GraphError::Cycle`].
    pub fn new(graph: &'a GraphProto) -> Result<Self, GraphError> {
        let mut index = Self {
            graph,
            producers: HashMap::new(),
            consumers: HashMap::new(),
            initialisers: HashMap::new(),
            inputs: HashSet::new(),
            outputs: graph.output.iter().map(|output| output.name.as_str()).collect(),
            order: Vec::new(),
        };
        index.define()?;
        index.connect()?;
        index.order = index.sort()?;
        Ok(index)
    }

    /// The graph indexed.
    pub fn graph(&self) -> &'a GraphProto {
        self.graph
    }

    /// The node at a position that [`Index::producer`], [`Index::consumers`] or [`Index::order`] gave.
    pub fn node(&self, position: usize) -> &'a NodeProto {
        &self.graph.node[position]
    }

    /// Position of the node that writes the value; `None` for inputs, initialisers and names that are not there.
    pub fn producer(&self, value: &str) -> Option<usize> {
        self.producers.get(value).copied()
    }

    /// Positions of the nodes that read the value, each once, ascending.
    pub fn consumers(&self, value: &str) -> &[usize] {
        self.consumers.get(value).map_or(&[], Vec::as_slice)
    }

    /// The constant of this name (for a sparse one, the tensor of its values).
    pub fn initialiser(&self, name: &str) -> Option<&'a TensorProto> {
        self.initialisers.get(name).copied()
    }

    /// Whether the value is fed from outside; an initialiser that may be overridden is not.
    pub fn is_input(&self, name: &str) -> bool {
        self.inputs.contains(name)
    }

    /// Whether the value is a result of the graph.
    pub fn is_output(&self, name: &str) -> bool {
        self.outputs.contains(name)
    }

    /// Whether anything defines the value.
    pub fn contains(&self, name: &str) -> bool {
        self.producers.contains_key(name) || self.initialisers.contains_key(name) || self.inputs.contains(name)
    }

    /// Positions of all nodes, each after those that it reads from; the graph's own order where that is one.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    fn define(&mut self) -> Result<(), GraphError> {
        let duplicate = |name: &str| GraphError::Duplicate(name.to_owned());
        let sparse = self.graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
        for tensor in self.graph.initializer.iter().chain(sparse) {
            if self.initialisers.insert(&tensor.name, tensor).is_some() {
                return Err(duplicate(&tensor.name));
            }
        }
        for input in &self.graph.input {
            // Old files list initialisers among the inputs: those are defaults, not second definitions.
            if !self.initialisers.contains_key(input.name.as_str()) && !self.inputs.insert(&input.name) {
                return Err(duplicate(&input.name));
            }
        }
        for (position, node) in self.graph.node.iter().enumerate() {
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                if self.contains(output) {
                    return Err(duplicate(output));
                }
                self.producers.insert(output, position);
            }
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), GraphError> {
        for (position, node) in self.graph.node.iter().enumerate() {
            for name in reads(node) {
                if !self.contains(name) {
                    return Err(GraphError::Unproduced { node: node.label(), value: name.to_owned() });
                }
                let consumers = self.consumers.entry(name).or_default();
                if consumers.last() != Some(&position) {
                    consumers.push(position);
                }
            }
        }
        match self.graph.output.iter().find(|output| !self.contains(&output.name)) {
            Some(output) => Err(GraphError::NoValue(output.name.clone())),
            None => Ok(()),
        }
    }

    /// Kahn's algorithm; of the nodes that are ready the first in the file goes first, so a sorted graph stays as it is.
    fn sort(&self) -> Result<Vec<usize>, GraphError> {
        let nodes = &self.graph.node;
        let mut missing: Vec<usize> = vec![0; nodes.len()];
        for value in self.producers.keys() {
            for &reader in self.consumers(value) {
                missing[reader] += 1;
            }
        }
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..nodes.len()).filter(|&position| missing[position] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(nodes.len());
        while let Some(Reverse(position)) = ready.pop() {
            order.push(position);
            for output in nodes[position].output.iter().filter(|output| !output.is_empty()) {
                for &reader in self.consumers(output) {
                    missing[reader] -= 1;
                    if missing[reader] == 0 {
                        ready.push(Reverse(reader));
                    }
                }
            }
        }
        match missing.iter().position(|&count| count > 0) {
            Some(stuck) => Err(GraphError::Cycle(nodes[stuck].label())),
            None => Ok(order),
        }
    }
}

/// Puts the nodes of the model's graph in an order in which they can run; one that is in order already stays the same.
///
/// # Errors
/// As [`Index::new`], and [`GraphError::NoGraph`].
pub fn topological_sort(model: &mut ModelProto) -> Result<(), GraphError> {
    let graph = model.graph.as_mut().ok_or(GraphError::NoGraph)?;
    let order = Index::new(graph)?.order;
    let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
    graph.node = order.into_iter().filter_map(|position| nodes[position].take()).collect();
    Ok(())
}

/// Names that a node reads: its inputs, and what its subgraphs capture.
pub(crate) fn reads(node: &NodeProto) -> impl Iterator<Item = &str> {
    let inputs = node.input.iter().map(String::as_str).filter(|name| !name.is_empty());
    inputs.chain(subgraphs(node).flat_map(|graph| captured(graph)))
}

/// Names that a subgraph reads and does not define itself.
fn captured(graph: &GraphProto) -> Vec<&str> {
    let defined: HashSet<&str> = (graph.input.iter().map(|input| input.name.as_str()))
        .chain(graph.initializer.iter().map(|tensor| tensor.name.as_str()))
        .chain(graph.sparse_initializer.iter().filter_map(|sparse| Some(sparse.values.as_ref()?.name.as_str())))
        .chain(graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str)))
        .collect();
    let read = graph.node.iter().flat_map(reads).chain(graph.output.iter().map(|output| output.name.as_str()));
    let mut seen = HashSet::new();
    let names: Vec<&str> = read.filter(|name| !defined.contains(name) && seen.insert(*name)).collect();
    names
}

fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::GraphBuilder;
    use crate::onnx::{AttributeProto, DataType, Dim, ValueInfoProto};

    fn chain(length: usize) -> ModelProto {
        let mut graph = GraphBuilder::new("chain", 20);
        let mut x = graph.input("x", DataType::Float, &[Dim::Symbol("n")]);
        for _ in 0..length {
            x = graph.relu(&x);
        }
        graph.output(&x, "y", DataType::Float, &[Dim::Symbol("n")]);
        graph.finish()
    }

    #[test]
    fn each_value_has_one_writer_and_its_readers() {
        let model = chain(2);
        let index = Index::new(model.graph.as_ref().unwrap()).unwrap();
        assert_eq!((index.producer("x"), index.producer("Relu"), index.consumers("Relu")), (None, Some(0), &[1][..]));
        assert!(index.is_input("x") && index.is_output("y") && !index.contains("z"));
    }

    #[test]
    fn duplicates_cycles_and_orphans_are_refused() {
        let mut twice = chain(2).graph.unwrap();
        twice.node[1].output[0] = "Relu".to_owned();
        assert!(matches!(Index::new(&twice), Err(GraphError::Duplicate(name)) if name == "Relu"));
        let mut cycle = chain(2).graph.unwrap();
        cycle.node[0].input[0] = "Relu.1".to_owned();
        assert!(matches!(Index::new(&cycle), Err(GraphError::Cycle(_))));
        let mut orphan = chain(2).graph.unwrap();
        orphan.node[0].input[0] = "nobody".to_owned();
        assert!(matches!(Index::new(&orphan), Err(GraphError::Unproduced { value, .. }) if value == "nobody"));
        let mut lost = chain(1).graph.unwrap();
        lost.output[0].name = "lost".to_owned();
        assert_eq!(Index::new(&lost).unwrap_err(), GraphError::NoValue("lost".to_owned()));
    }

    #[test]
    fn what_a_subgraph_captures_is_read_by_its_node() {
        let mut graph = chain(1).graph.unwrap();
        let inner = NodeProto { input: vec!["Relu".into()], output: vec!["inner".into()], ..NodeProto::default() };
        let output = ValueInfoProto { name: "inner".into(), ..ValueInfoProto::default() };
        let body = GraphProto { node: vec![inner], output: vec![output], ..GraphProto::default() };
        let attribute = AttributeProto { name: "then_branch".into(), g: Some(body), ..AttributeProto::default() };
        graph
            .node
            .insert(0, NodeProto { output: vec!["z".into()], attribute: vec![attribute], ..NodeProto::default() });
        let index = Index::new(&graph).unwrap();
        assert_eq!(index.consumers("Relu"), [0, 2]);
        assert_eq!(index.order(), [1, 0, 2]);
    }

    proptest! {
        #[test]
        fn any_order_of_nodes_is_sorted(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
            let sorted = chain(11);
            let mut shuffled = sorted.clone();
            let nodes = &mut shuffled.graph.as_mut().unwrap().node;
            *nodes = order.iter().map(|&at| sorted.graph.as_ref().unwrap().node[at].clone()).collect();
            topological_sort(&mut shuffled).unwrap();
            prop_assert_eq!(shuffled, sorted);
        }
    }
}
