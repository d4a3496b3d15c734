//! Linear layers, as graphs hold them.

use std::collections::{HashMap, HashSet};

use super::{LoraSlot, bare_module, input_names};
use crate::model::Index;
use crate::onnx::{DataType, NodeProto};
use crate::shape::{Shapes, Size};

/// A product with a constant weight.
#[derive(Debug)]
pub(super) struct Linear {
    pub module: String,
    /// The weight's initialiser and the node, by which the layer is known too.
    pub aliases: [String; 2],
    /// Position of the node whose output is adapted: the product, or the addition of its bias.
    pub site: usize,
    /// The value multiplied.
    pub input: String,
    /// Its element type.
    pub element: DataType,
    pub in_features: usize,
    pub out_features: usize,
}

impl Linear {
    pub(super) fn slot(&self) -> LoraSlot {
        let [a, b] = input_names(&self.module);
        let (in_features, out_features) = (self.in_features, self.out_features);
        LoraSlot { module: self.module.clone(), a, b, in_features, out_features }
    }
}

/// All linear layers in the order of the graph.
pub(super) fn linears(index: &Index<'_>, shapes: &Shapes) -> Vec<Linear> {
    let constants = Constants::of(index);
    let mut taken = HashSet::new();
    let mut found = Vec::new();
    for &position in index.order() {
        if let Some(mut linear) = linear(index, shapes, &constants, position) {
            // Two layers may share a weight.
            let path = linear.module.clone();
            let mut count = 1;
            while !taken.insert(linear.module.clone()) {
                count += 1;
                linear.module = format!("{path}.{count}");
            }
            found.push(linear);
        }
    }
    found
}

fn linear(index: &Index<'_>, shapes: &Shapes, constants: &Constants<'_>, position: usize) -> Option<Linear> {
    let node = index.node(position);
    let (input, weight) = (node.input.first()?, node.input.get(1)?);
    let origin = constants.origin(weight)?;
    if constants.origin(input).is_some() {
        return None;
    }
    let [in_features, out_features] = features(node, shapes, weight)?;
    let known = shapes.get(input);
    if known.and_then(|known| known.rank()).is_some_and(|rank| rank < 2) {
        return None;
    }
    let element = known.or_else(|| shapes.get(weight)).map_or(DataType::Float, |known| known.element);
    let biased = biased(index, constants, node);
    let bias = biased.map_or_else(|| node.input.get(2), |(_, bias)| Some(bias));
    Some(Linear {
        module: module(index, node, origin, bias.and_then(|bias| constants.origin(bias))),
        aliases: [origin.to_owned(), node.name.clone()],
        site: biased.map_or(position, |(site, _)| site),
        input: input.clone(),
        element,
        in_features,
        out_features,
    })
}

/// `[in, out]` if the node is a product with its second input.
fn features(node: &NodeProto, shapes: &Shapes, weight: &str) -> Option<[usize; 2]> {
    let int = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name).and_then(|found| found.i);
    let stored = || {
        let sizes = shapes.get(weight)?.shape.as_ref()?;
        let [Size::Known(rows), Size::Known(columns)] = sizes.as_slice() else { return None };
        Some([usize::try_from(*rows).ok()?, usize::try_from(*columns).ok()?])
    };
    let features = match (node.domain.as_str(), node.op_type.as_str()) {
        ("" | "ai.onnx", "MatMul") => stored()?,
        ("" | "ai.onnx", "Gemm") if int("transA").unwrap_or(0) == 0 => {
            let [rows, columns] = stored()?;
            if int("transB").unwrap_or(0) == 0 { [rows, columns] } else { [columns, rows] }
        }
        ("com.microsoft", "MatMulNBits" | "MatMulBnb4") if int("transB") != Some(0) => {
            [usize::try_from(int("K")?).ok()?, usize::try_from(int("N")?).ok()?]
        }
        _ => return None,
    };
    features.iter().all(|&size| size > 0).then_some(features)
}

/// The addition of a bias, if that is all that is done with the product, and the bias.
fn biased<'a>(index: &Index<'a>, constants: &Constants<'_>, node: &NodeProto) -> Option<(usize, &'a String)> {
    let product = node.output.first()?;
    let [consumer] = *index.consumers(product) else { return None };
    let add = index.node(consumer);
    let bias = add.input.iter().find(|input| *input != product)?;
    let plain = add.op_type == "Add" && matches!(add.domain.as_str(), "" | "ai.onnx");
    (plain && !index.is_output(product) && constants.is_list(bias)).then_some((consumer, bias))
}

/// The path of the layer's module: from its weight where that has a telling name of its own, else from its bias, from its
/// node, or from what PyTorch's exporter says of the node.
fn module(index: &Index<'_>, node: &NodeProto, origin: &str, bias: Option<&str>) -> String {
    // A table that is looked up too is the embeddings', not this layer's.
    let tied = index.consumers(origin).iter().any(|&reader| index.node(reader).op_type == "Gather");
    if let Some(path) = weight_path(origin).filter(|_| !tied) {
        return bare_module(path).to_owned();
    }
    if let Some(path) = bias.and_then(|bias| bias.strip_suffix(".bias")).filter(|path| !path.is_empty()) {
        return bare_module(path).to_owned();
    }
    let path = node.name.rsplit_once('/').map(|(path, _)| path.trim_matches('/').replace('/', "."));
    if let Some(path) = path.filter(|path| !path.is_empty()) {
        return bare_module(&path).to_owned();
    }
    if let Some(path) = scope(node) {
        return bare_module(path).to_owned();
    }
    let telling = [origin, &node.name, node.output.first().map_or("", String::as_str)];
    let telling = telling.into_iter().find(|name| !name.is_empty() && !name.starts_with("onnx::"));
    telling.unwrap_or("linear").to_owned()
}

/// The module that PyTorch's exporter has noted with a node: the last but one of `['', 'encoder', 'encoder.query', 'linear']`,
/// of which the last is the operation.
fn scope(node: &NodeProto) -> Option<&str> {
    let noted = node.metadata_props.iter().find(|entry| entry.key == "pkg.torch.onnx.name_scopes")?;
    let mut scopes = noted.value.trim_matches(['[', ']']).rsplit(',').map(|scope| scope.trim().trim_matches('\''));
    scopes.nth(1).filter(|scope| !scope.is_empty())
}

/// What stands before `.weight` in a name such as `query.weight` or, quantised, `query.weight.int4`.
fn weight_path(name: &str) -> Option<&str> {
    let (path, rest) = name.rsplit_once(".weight")?;
    (!path.is_empty() && !rest.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(path)
}

/// Values that depend on no input, each with the initialiser it mainly comes from.
struct Constants<'a> {
    origins: HashMap<&'a str, &'a str>,
    lists: HashSet<&'a str>,
}

impl<'a> Constants<'a> {
    fn of(index: &Index<'a>) -> Self {
        let mut constants = Self { origins: HashMap::new(), lists: HashSet::new() };
        for tensor in &index.graph().initializer {
            constants.origins.insert(&tensor.name, &tensor.name);
            if tensor.dims.len() <= 1 {
                constants.lists.insert(&tensor.name);
            }
        }
        for &position in index.order() {
            let node = index.node(position);
            if let Some(origin) = constants.combined(index, node) {
                for output in node.output.iter().filter(|output| !output.is_empty()) {
                    constants.origins.insert(output, origin);
                    let kept = ["Cast", "Identity"].contains(&node.op_type.as_str());
                    if kept && constants.lists.contains(node.input[0].as_str()) {
                        constants.lists.insert(output);
                    }
                }
            }
        }
        constants
    }

    /// The largest of the initialisers that the node's inputs come from, if all are constant.
    fn combined(&self, index: &Index<'a>, node: &'a NodeProto) -> Option<&'a str> {
        if node.op_type == "Constant" {
            return node.output.first().map(String::as_str);
        }
        if node.input.is_empty() || node.attribute.iter().any(|attribute| attribute.g.is_some()) {
            return None;
        }
        let given = node.input.iter().filter(|input| !input.is_empty());
        let origins: Option<Vec<&str>> = given.map(|input| self.origin(input)).collect();
        let size = |name: &&str| index.initialiser(name).and_then(|tensor| tensor.declared_bytes()).unwrap_or(0);
        origins?.into_iter().rev().max_by_key(size)
    }

    fn origin(&self, value: &str) -> Option<&'a str> {
        self.origins.get(value).copied()
    }

    fn is_list(&self, value: &str) -> bool {
        self.lists.contains(value)
    }
}
