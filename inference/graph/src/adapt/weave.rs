//! Writing the slots into the graph.

use std::collections::{BTreeMap, HashMap};

use super::find::Linear;
use super::{ADAPTER_IDS, AdaptError, AdaptSpec, Binding, LoraSlot};
use crate::GraphError;
use crate::model::Index;
use crate::onnx::{AttributeProto, DataType, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::shape::{Shapes, Size, ValueType};

/// The model with the chosen layers adapted.
pub(super) fn weave(
    model: &ModelProto,
    index: &Index<'_>,
    shapes: &Shapes,
    chosen: &[&Linear],
    spec: &AdaptSpec,
) -> Result<ModelProto, AdaptError> {
    let batch = batch_size(index, shapes);
    let mut weaver = Weaver { spec, batch: &batch, inputs: Vec::new(), constants: BTreeMap::new(), nodes: Vec::new() };
    if spec.binding == Binding::Bank {
        weaver.inputs.push(input(ADAPTER_IDS, DataType::Int64, vec![batch.clone()]));
    }
    let mut insertions: HashMap<usize, (String, Vec<NodeProto>)> = HashMap::new();
    for linear in chosen {
        let form = Form::of(linear, shapes, spec.binding, &batch)?;
        let output = index.node(linear.site).output.first().cloned().unwrap_or_default();
        let base = weaver.slot(linear, &output, form);
        insertions.insert(linear.site, (base, std::mem::take(&mut weaver.nodes)));
    }
    for name in weaver.inputs.iter().map(|input| &input.name).chain(weaver.constants.keys()) {
        if index.contains(name) {
            return Err(AdaptError::Adapted(name.clone()));
        }
    }
    let mut model = model.clone();
    let graph = model.graph.as_mut().ok_or(GraphError::NoGraph)?;
    graph.input.append(&mut weaver.inputs);
    graph.initializer.extend(weaver.constants.into_values());
    let nodes = std::mem::take(&mut graph.node);
    for (position, mut node) in nodes.into_iter().enumerate() {
        match insertions.remove(&position) {
            None => graph.node.push(node),
            Some((base, added)) => {
                // The adapted value keeps the name: whoever reads it reads the adapted one.
                node.output[0] = base;
                graph.node.push(node);
                graph.node.extend(added);
            }
        }
    }
    Ok(model)
}

/// The size of the batch: the first axis of the model's first input that has axes.
fn batch_size(index: &Index<'_>, shapes: &Shapes) -> Size {
    let mut inputs = index.graph().input.iter().filter(|input| index.is_input(&input.name));
    let first = |input: &ValueInfoProto| shapes.get(&input.name)?.shape.as_ref()?.first().cloned();
    inputs.find_map(first).unwrap_or_else(|| symbol("batch"))
}

/// How samples lie in what a layer reads.
#[derive(Clone, Copy)]
enum Form {
    /// `[.., in]`, where no sample matters, or `[batch, n, in]`.
    Plain,
    /// `[batch, in]`.
    Row,
    /// `[batch, .., in]`.
    Any,
}

impl Form {
    fn of(linear: &Linear, shapes: &Shapes, binding: Binding, batch: &Size) -> Result<Self, AdaptError> {
        if binding == Binding::Shared {
            return Ok(Self::Plain);
        }
        let Some(shape) = shapes.get(&linear.input).and_then(|known| known.shape.as_ref()) else {
            return Ok(Self::Any);
        };
        let told = |size: &Size| match size {
            Size::Known(_) => true,
            Size::Symbol(symbol) => !symbol.contains('?'),
            Size::Unknown => false,
        };
        if let Some(found) = shape.first()
            && found != batch
            && told(found)
            && told(batch)
        {
            let (found, batch) = (found.to_string(), batch.to_string());
            return Err(AdaptError::Flattened { module: linear.module.clone(), found, batch });
        }
        Ok(match shape.len() {
            2 => Self::Row,
            3 => Self::Plain,
            _ => Self::Any,
        })
    }
}

struct Weaver<'a> {
    spec: &'a AdaptSpec,
    batch: &'a Size,
    inputs: Vec<ValueInfoProto>,
    constants: BTreeMap<String, TensorProto>,
    nodes: Vec<NodeProto>,
}

impl Weaver<'_> {
    /// Adds `scale · (x A) B` to what the layer gives; the sum is called `output`. Gives the new name of what is
    /// adapted.
    fn slot(&mut self, linear: &Linear, output: &str, form: Form) -> String {
        let slot = linear.slot();
        let scope = format!("lora.{}", slot.module);
        let at = |name: &str| format!("{scope}/{name}");
        let base = at("base");
        let [a, b] = self.declare(&slot, &scope);
        let (input, output_size) = (slot.in_features as i64, slot.out_features as i64);
        let mut x = linear.input.clone();
        if linear.element != DataType::Float {
            x = self.cast(&at("x.float"), &x, DataType::Float);
        }
        match form {
            Form::Plain => (),
            Form::Row => {
                let shape = self.ints(&format!("lora.rows.{input}"), &[-1, 1, input]);
                x = self.node("Reshape", &at("x"), &[&x, &shape]);
            }
            Form::Any => {
                let shape = self.ints(&format!("lora.samples.{input}"), &[0, -1, input]);
                x = self.node("Reshape", &at("x"), &[&x, &shape]);
            }
        }
        let mut low = self.node("MatMul", &at("xA"), &[&x, &a]);
        if self.spec.scale != 1.0 {
            let scale = self.constant(TensorProto::from_f32("lora.scale", &[], &[self.spec.scale]));
            low = self.node("Mul", &at("scaled"), &[&low, &scale]);
        }
        let mut update = self.node("MatMul", &at("xAB"), &[&low, &b]);
        match form {
            Form::Plain => (),
            Form::Row => {
                let shape = self.ints(&format!("lora.columns.{output_size}"), &[-1, output_size]);
                update = self.node("Reshape", &at("update"), &[&update, &shape]);
            }
            Form::Any => {
                let shape = self.node("Shape", &at("shape"), &[&base]);
                update = self.node("Reshape", &at("update"), &[&update, &shape]);
            }
        }
        if linear.element != DataType::Float {
            update = self.cast(&at("update.cast"), &update, linear.element);
        }
        self.node("Add", output, &[&base, &update]);
        // The adapted value has the name of another node's former output, from which that node has its own.
        if let Some(node) = self.nodes.last_mut() {
            node.name = at("Add.node");
        }
        base
    }

    /// The slot's inputs; gives the values to multiply with.
    fn declare(&mut self, slot: &LoraSlot, scope: &str) -> [String; 2] {
        let (rows, columns) = (size(slot.in_features), size(slot.out_features));
        let before = match self.spec.binding {
            Binding::Shared => None,
            Binding::PerSample => Some(self.batch.clone()),
            Binding::Bank => Some(symbol("slots")),
        };
        let shape = |axes: [Size; 2]| before.iter().cloned().chain(axes).collect::<Vec<_>>();
        self.inputs.push(input(&slot.a, DataType::Float, shape([rows, symbol("rank")])));
        self.inputs.push(input(&slot.b, DataType::Float, shape([symbol("rank"), columns])));
        if self.spec.binding != Binding::Bank {
            return [slot.a.clone(), slot.b.clone()];
        }
        let pick = |weaver: &mut Self, stack: &str, name: String| weaver.node("Gather", &name, &[stack, ADAPTER_IDS]);
        [pick(self, &slot.a, format!("{scope}/A")), pick(self, &slot.b, format!("{scope}/B"))]
    }

    fn cast(&mut self, name: &str, x: &str, to: DataType) -> String {
        let output = self.node("Cast", name, &[x]);
        if let Some(node) = self.nodes.last_mut() {
            node.attribute.push(AttributeProto::int("to", i64::from(i32::from(to))));
        }
        output
    }

    fn node(&mut self, op_type: &str, output: &str, inputs: &[&str]) -> String {
        self.nodes.push(NodeProto {
            name: format!("{output}.node"),
            op_type: op_type.to_owned(),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            ..NodeProto::default()
        });
        output.to_owned()
    }

    fn ints(&mut self, name: &str, numbers: &[i64]) -> String {
        self.constant(TensorProto::from_i64(name, &[numbers.len() as i64], numbers))
    }

    fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.constants.entry(name.clone()).or_insert(tensor);
        name
    }
}

fn size(number: usize) -> Size {
    Size::Known(i64::try_from(number).unwrap_or(i64::MAX))
}

fn symbol(name: &str) -> Size {
    Size::Symbol(name.into())
}

fn input(name: &str, element: DataType, shape: Vec<Size>) -> ValueInfoProto {
    ValueType { element, shape: Some(shape) }.declare(name)
}
