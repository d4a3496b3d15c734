//! Random compositions of operators.

use proptest::prelude::*;

use super::{ANY, check_at, numbers};
use crate::{GraphBuilder, Value};

/// One step of a composition; the number picks the operands.
#[derive(Clone, Copy, Debug)]
enum Move {
    Add,
    Sub,
    Mul,
    Tanh,
    Sigmoid,
    Gelu,
    Softmax,
    Norm,
    Square,
    Mean,
    Turn,
    Product,
    Fold,
    Repeat,
}

const MOVES: [Move; 14] = [
    Move::Add,
    Move::Sub,
    Move::Mul,
    Move::Tanh,
    Move::Sigmoid,
    Move::Gelu,
    Move::Softmax,
    Move::Norm,
    Move::Square,
    Move::Mean,
    Move::Turn,
    Move::Product,
    Move::Fold,
    Move::Repeat,
];

/// All values stay `[3, 3]`, but for what a move does in between.
fn apply(graph: &mut GraphBuilder, kind: Move, a: &Value, b: &Value) -> Value {
    match kind {
        Move::Add => graph.add(a, b),
        Move::Sub => graph.sub(a, b),
        Move::Mul => graph.mul(a, b),
        Move::Tanh => graph.op("Tanh", &[a], Vec::new()),
        Move::Sigmoid => graph.op("Sigmoid", &[a], Vec::new()),
        Move::Gelu => graph.gelu(a),
        Move::Softmax => graph.softmax(a, 0),
        Move::Norm => {
            let square = graph.mul(a, a);
            let one = graph.scalar(1.0);
            let sum = graph.reduce_sum(&square, &[1], true);
            let sum = graph.add(&sum, &one);
            let root = graph.op("Sqrt", &[&sum], Vec::new());
            graph.div(a, &root)
        }
        Move::Square => {
            let half = graph.scalar(0.5);
            let square = graph.mul(a, a);
            graph.mul(&square, &half)
        }
        Move::Mean => {
            let axes = graph.int_list(&[0]);
            let mean = graph.op("ReduceMean", &[b, &axes], Vec::new());
            graph.sub(a, &mean)
        }
        Move::Turn => graph.transpose(a, &[1, 0]),
        Move::Product => {
            let product = graph.matmul(a, b);
            graph.op("Tanh", &[&product], Vec::new())
        }
        Move::Fold => {
            let flat = graph.reshape(a, &[9]);
            let sizes = graph.int_list(&[3, 6]);
            let [head, tail] = graph.op_n("Split", &[&flat, &sizes], vec![crate::onnx::AttributeProto::int("axis", 0)]);
            let axis = vec![crate::onnx::AttributeProto::int("axis", 0)];
            let flat = graph.op("Concat", &[&tail, &head], axis);
            graph.reshape(&flat, &[3, 3])
        }
        Move::Repeat => {
            let row = graph.int_scalar(1);
            let row = graph.gather(a, &row, 0);
            graph.add(b, &row)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_composition_has_the_gradient_that_differences_show(
        moves in proptest::collection::vec((0..MOVES.len(), any::<usize>(), any::<usize>()), 1..10),
        known in 0..3usize,
        seed in 0usize..1000,
    ) {
        let shapes: [&[usize]; 2] = [&[3, 3], &[3, 3]];
        let data: Vec<Vec<f32>> = (0..2).map(|at| numbers(seed + at, 9, -1.0, 1.0)).collect();
        check_at(&data, &shapes, ANY[known], &|graph, x| {
            let mut values = x.to_vec();
            for &(kind, a, b) in &moves {
                let (a, b) = (values[a % values.len()].clone(), values[b % values.len()].clone());
                values.push(apply(graph, MOVES[kind], &a, &b));
            }
            // Everything counts, so that both inputs do.
            let last = values.split_off(1);
            last.iter().fold(values[0].clone(), |sum, value| graph.add(&sum, value))
        });
    }
}
