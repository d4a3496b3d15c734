//! Picking and moving elements.

use super::{ANY, RANKED, check};
use crate::onnx::{AttributeProto, DataType, TensorProto};
use crate::{GraphBuilder, Value};

fn integers(graph: &mut GraphBuilder, shape: &[i64], values: &[i64]) -> Value {
    graph.initializer(TensorProto::from_i64("integers", shape, values))
}

#[test]
fn gathered_rows_collect_the_gradients_of_all_their_copies() {
    for axis in [0, 1, -1] {
        check(&[&[3, 4, 2]], RANKED, |graph, x| {
            let indices = integers(graph, &[2, 3], &[1, 0, 1, -1, 1, 1]);
            graph.gather(&x[0], &indices, axis)
        });
        check(&[&[3, 4, 2]], RANKED, |graph, x| {
            let indices = integers(graph, &[4], &[1, 0, -1, 1]);
            graph.gather(&x[0], &indices, axis)
        });
        for index in [1, -1] {
            check(&[&[3, 4, 2]], RANKED, |graph, x| {
                let index = graph.int_scalar(index);
                graph.gather(&x[0], &index, axis)
            });
        }
    }
}

#[test]
fn many_equal_indices_on_several_threads_lose_nothing() {
    let model = super::graph(&[&[4, 8]], super::Shapes::Known, &|graph, x| {
        let indices: Vec<i64> = (0..20_000).map(|at| at % 2).collect();
        let indices = integers(graph, &[20_000], &indices);
        graph.gather(&x[0], &indices, 0)
    });
    let gradient = super::differentiate(&model, "Gather", &["x0"]).unwrap();
    let (_, found) = super::evaluate(&mut super::served(&gradient, 4), &[&[4, 8]], &[vec![0.5; 32]], "grad.x0");
    assert!(found.iter().enumerate().all(|(at, &sum)| sum == if at < 16 { 10_000.0 } else { 0.0 }));
}

#[test]
fn elements_and_tuples_are_gathered() {
    check(&[&[3, 4]], ANY, |graph, x| {
        let indices = integers(graph, &[3, 2], &[0, 3, 1, 1, -1, 2]);
        graph.op("GatherElements", &[&x[0], &indices], vec![AttributeProto::int("axis", 1)])
    });
    check(&[&[3, 4, 2]], ANY, |graph, x| {
        let indices = integers(graph, &[3, 2], &[0, 3, 1, 1, 1, 1]);
        graph.op("GatherND", &[&x[0], &indices], Vec::new())
    });
}

#[test]
fn the_largest_elements_are_traced_back() {
    check(&[&[3, 5]], ANY, |graph, x| {
        let count = graph.int_list(&[2]);
        let [largest, _] = graph.op_n("TopK", &[&x[0], &count], vec![AttributeProto::int("axis", 1)]);
        largest
    });
}

#[test]
fn stretches_forwards_backwards_and_with_steps() {
    for (start, end, axis, stride) in
        [(1, 3, 1, 1), (0, 99, 0, 1), (-2, 99, 1, 1), (1, -1, -1, 1), (0, 5, 1, 2), (4, -99, 1, -2), (-1, -99, 0, -1)]
    {
        check(&[&[3, 5]], ANY, |graph, x| {
            let [start, end, axis, stride] = [start, end, axis, stride].map(|number| graph.int_list(&[number]));
            graph.op("Slice", &[&x[0], &start, &end, &axis, &stride], Vec::new())
        });
    }
    check(&[&[3, 5]], ANY, |graph, x| {
        let (starts, ends) = (graph.int_list(&[1, -4]), graph.int_list(&[3, -1]));
        graph.op("Slice", &[&x[0], &starts, &ends], Vec::new())
    });
}

#[test]
fn a_stretch_whose_bounds_are_computed() {
    check(&[&[3, 5], &[2, 3]], ANY, |graph, x| {
        let length = graph.axis_size(&x[1], 0);
        let product = graph.mul(&x[1], &x[1]);
        let total = graph.op("ReduceSum", &[&product], vec![AttributeProto::int("keepdims", 0)]);
        let rows = graph.first_rows(&x[0], &length);
        graph.mul(&rows, &total)
    });
}

#[test]
fn padding_is_cut_off_again_in_every_mode() {
    for mode in ["constant", "edge", "reflect"] {
        check(&[&[3, 4]], ANY, |graph, x| {
            let pads = graph.int_list(&[1, 0, 2, 2]);
            graph.op("Pad", &[&x[0], &pads], vec![AttributeProto::string("mode", mode)])
        });
    }
    check(&[&[3, 4]], ANY, |graph, x| {
        let (pads, axes, zero) = (graph.int_list(&[-1, 2]), graph.int_list(&[1]), graph.scalar(0.0));
        graph.op("Pad", &[&x[0], &pads, &zero, &axes], Vec::new())
    });
}

#[test]
fn tiles_are_summed() {
    check(&[&[2, 3]], ANY, |graph, x| {
        let repeats = graph.int_list(&[2, 3]);
        graph.op("Tile", &[&x[0], &repeats], Vec::new())
    });
}

#[test]
fn shapes_change_and_change_back() {
    check(&[&[2, 3, 4]], ANY, |graph, x| graph.reshape(&x[0], &[0, -1]));
    check(&[&[2, 3, 4]], ANY, |graph, x| graph.reshape(&x[0], &[4, 6]));
    check(&[&[2, 3, 4]], ANY, |graph, x| graph.op("Flatten", &[&x[0]], vec![AttributeProto::int("axis", 2)]));
    check(&[&[2, 3]], ANY, |graph, x| graph.unsqueeze(&x[0], &[0, -1]));
    check(&[&[2, 1, 3]], ANY, |graph, x| {
        let axes = graph.int_list(&[1]);
        graph.op("Squeeze", &[&x[0], &axes], Vec::new())
    });
    check(&[&[2, 3, 4]], ANY, |graph, x| graph.transpose(&x[0], &[2, 0, 1]));
    check(&[&[2, 3, 4]], ANY, |graph, x| graph.op("Transpose", &[&x[0]], Vec::new()));
}

#[test]
fn heads_are_split_and_merged() {
    check(&[&[2, 3, 4]], RANKED, |graph, x| {
        let heads = graph.reshape(&x[0], &[0, 0, 2, 2]);
        let heads = graph.transpose(&heads, &[0, 2, 1, 3]);
        let squares = graph.mul(&heads, &heads);
        let merged = graph.transpose(&squares, &[0, 2, 1, 3]);
        graph.reshape(&merged, &[0, 0, 4])
    });
}

#[test]
fn parts_are_joined_and_split() {
    check(&[&[2, 3], &[2, 1], &[2, 2]], RANKED, |graph, x| {
        graph.op("Concat", &[&x[0], &x[1], &x[2]], vec![AttributeProto::int("axis", -1)])
    });
    check(&[&[3, 6]], ANY, |graph, x| {
        let sizes = graph.int_list(&[1, 3, 2]);
        let [first, _, last] = graph.op_n("Split", &[&x[0], &sizes], vec![AttributeProto::int("axis", 1)]);
        let total = graph.op("ReduceSum", &[&last], vec![AttributeProto::int("keepdims", 0)]);
        graph.mul(&first, &total)
    });
}

#[test]
fn triangles_stay_triangles() {
    for upper in [0, 1] {
        check(&[&[4, 4]], ANY, |graph, x| graph.op("Trilu", &[&x[0]], vec![AttributeProto::int("upper", upper)]));
    }
    check(&[&[4, 4]], ANY, |graph, x| {
        let diagonal = graph.int_scalar(1);
        graph.op("Trilu", &[&x[0], &diagonal], vec![AttributeProto::int("upper", 0)])
    });
}

#[test]
fn rotary_positions_are_a_composition() {
    check(&[&[1, 2, 3, 4]], RANKED, |graph, x| {
        let angles = super::numbers(4, 12, 0.0, 3.0);
        let angles = graph.initializer(TensorProto::from_f32("angles", &[3, 4], &angles));
        let (cos, sin) = (graph.op("Cos", &[&angles], Vec::new()), graph.op("Sin", &[&angles], Vec::new()));
        let [zero, half, all, last] = [0, 2, i64::MAX, -1].map(|number| graph.int_list(&[number]));
        let first = graph.op("Slice", &[&x[0], &zero, &half, &last], Vec::new());
        let second = graph.op("Slice", &[&x[0], &half, &all, &last], Vec::new());
        let second = graph.op("Neg", &[&second], Vec::new());
        let turned = graph.op("Concat", &[&second, &first], vec![AttributeProto::int("axis", -1)]);
        let (straight, turned) = (graph.mul(&x[0], &cos), graph.mul(&turned, &sin));
        graph.add(&straight, &turned)
    });
}

#[test]
fn positions_picked_by_integers_that_depend_on_nothing_trained() {
    check(&[&[4, 3]], RANKED, |graph, x| {
        let mask = integers(graph, &[4], &[1, 1, 0, 1]);
        let rows = graph.cast(&mask, DataType::Bool);
        let rows = graph.op("NonZero", &[&rows], Vec::new());
        let rows = graph.reshape(&rows, &[-1]);
        graph.gather(&x[0], &rows, 0)
    });
}
