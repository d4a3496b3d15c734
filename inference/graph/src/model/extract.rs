//! The part of a graph between some values and others.

use super::{GraphError, Index, prune, topological_sort};
use crate::onnx::{ModelProto, ValueInfoProto};
use crate::shape::{self, Shapes};

/// The part of the model that computes `outputs` from `inputs`, both named values of its graph. All of `inputs` are
/// inputs of the part, in this order, used or not; their types are inferred.
///
/// # Errors
/// [`GraphError::NoValue`] for a name that is not there, [`GraphError::MissingInput`] if the part depends on an input
/// of the model that `inputs` does not name, [`GraphError::Untyped`], and what [`Index::new`] and [`shape::infer`]
/// find.
pub fn extract(model: &ModelProto, inputs: &[&str], outputs: &[&str]) -> Result<ModelProto, GraphError> {
    let graph = model.graph.as_ref().ok_or(GraphError::NoGraph)?;
    let index = Index::new(graph)?;
    if let Some(missing) = inputs.iter().chain(outputs).find(|name| !index.contains(name)) {
        return Err(GraphError::NoValue((*missing).to_owned()));
    }
    let shapes = shape::infer(model)?;
    let mut part = model.clone();
    let target = part.graph.get_or_insert_default();
    let kept: Vec<ValueInfoProto> = target.input.drain(..).collect();
    target.input = inputs.iter().map(|name| declare(&shapes, name)).collect::<Result<_, _>>()?;
    target.output = outputs.iter().map(|name| declare(&shapes, name)).collect::<Result<_, _>>()?;
    target.initializer.retain(|tensor| !inputs.contains(&tensor.name.as_str()));
    for node in &mut target.node {
        // A node may write other values that are still needed, so only what is fed now is unhooked.
        for output in node.output.iter_mut().filter(|output| inputs.contains(&output.as_str())) {
            *output = String::new();
        }
    }
    target.node.retain(|node| node.output.iter().any(|output| !output.is_empty()));
    // Inputs of the model stay until it is known which of them the part would miss.
    target.input.extend(kept.into_iter().filter(|input| !inputs.contains(&input.name.as_str())));
    prune(&mut part);
    let target = part.graph.get_or_insert_default();
    let part_index = Index::new(target)?;
    let needed =
        |input: &&ValueInfoProto| !part_index.consumers(&input.name).is_empty() || part_index.is_output(&input.name);
    let fed = |name: &str| part_index.initialiser(name).is_some();
    if let Some(missing) = target.input[inputs.len()..].iter().filter(|input| !fed(&input.name)).find(needed) {
        return Err(GraphError::MissingInput(missing.name.clone()));
    }
    drop(part_index);
    target.input.truncate(inputs.len());
    topological_sort(&mut part)?;
    Ok(part)
}

fn declare(shapes: &Shapes, name: &str) -> Result<ValueInfoProto, GraphError> {
    Ok(shapes.get(name).ok_or_else(|| GraphError::Untyped(name.to_owned()))?.declare(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::onnx::{DataType, Dim};
    use crate::testing;

    /// `y = relu(2 x + m)`, with a second result that needs only `m`.
    fn model() -> ModelProto {
        let mut graph = GraphBuilder::new("g", 20);
        let shape = [Dim::Symbol("n"), Dim::Size(2)];
        let x = graph.input("x", DataType::Float, &shape);
        let m = graph.input("m", DataType::Float, &shape);
        let two = graph.scalar(2.0);
        let doubled = graph.mul(&x, &two);
        let middle = graph.add(&doubled, &m);
        graph.named(&middle, "middle");
        let y = graph.relu(&middle);
        graph.output(&y, "y", DataType::Float, &shape);
        let other = graph.relu(&m);
        graph.output(&other, "other", DataType::Float, &shape);
        graph.finish()
    }

    #[test]
    fn a_part_computes_what_the_whole_computes() {
        let part = extract(&model(), &["Mul", "m"], &["y", "middle"]).unwrap();
        let mut session = testing::session(&part).unwrap();
        let inputs = [("Mul", testing::floats(&[1, 2], &[2.0, -6.0])), ("m", testing::floats(&[1, 2], &[1.0, 1.0]))];
        assert_eq!(testing::run(&mut session, &inputs, "y"), (vec![1, 2], vec![3.0, 0.0]));
        assert_eq!(testing::run(&mut session, &inputs, "middle").1, [3.0, -5.0]);
        let graph = part.graph.unwrap();
        assert!(graph.initializer.is_empty() && graph.node.len() == 4, "{:?}", graph.node);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(extract(&model(), &["Mul"], &["y"]), Err(GraphError::MissingInput("m".to_owned())));
        assert_eq!(extract(&model(), &["x", "m"], &["z"]), Err(GraphError::NoValue("z".to_owned())));
    }

    #[test]
    fn an_input_that_the_part_does_not_read_stays_an_input() {
        let part = extract(&model(), &["x", "m"], &["other"]).unwrap();
        let names: Vec<String> = part.graph.unwrap().input.into_iter().map(|input| input.name).collect();
        assert_eq!(names, ["x", "m"]);
    }
}
