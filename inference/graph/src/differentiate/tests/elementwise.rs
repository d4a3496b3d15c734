//! Arithmetic, activations and broadcasting.

use super::{ANY, check, check_between};
use crate::onnx::{AttributeProto, DataType};

#[test]
fn functions_of_one_number_have_their_slopes() {
    for op in [
        "Neg",
        "Abs",
        "Exp",
        "Erf",
        "Tanh",
        "Sigmoid",
        "Relu",
        "LeakyRelu",
        "Elu",
        "Softplus",
        "Sin",
        "Cos",
        "Identity",
    ] {
        check(&[&[2, 5]], ANY, |graph, x| graph.op(op, &[&x[0]], Vec::new()));
    }
}

#[test]
fn functions_of_positive_numbers_have_their_slopes() {
    for op in ["Log", "Sqrt", "Reciprocal"] {
        check_between((0.4, 2.0), &[&[2, 5]], ANY, |graph, x| graph.op(op, &[&x[0]], Vec::new()));
    }
}

#[test]
fn gelu_exact_by_tanh_and_by_sigmoid() {
    check(&[&[2, 9]], ANY, |graph, x| graph.gelu(&x[0]));
    check(&[&[2, 9]], ANY, |graph, x| graph.gelu_tanh(&x[0]));
    check(&[&[2, 9]], ANY, |graph, x| graph.op_in("com.microsoft", "Gelu", &[&x[0]], Vec::new()));
    check(&[&[2, 9]], ANY, |graph, x| graph.op_in("com.microsoft", "FastGelu", &[&x[0]], Vec::new()));
    check(&[&[2, 9]], ANY, |graph, x| graph.op_in("com.microsoft", "QuickGelu", &[&x[0]], Vec::new()));
}

#[test]
fn the_gelu_of_a_very_large_number_has_slope_one_or_zero() {
    let data = vec![vec![-300.0, -20.0, 0.0, 20.0, 300.0]];
    let model = super::graph(&[&[5]], super::Shapes::Known, &|graph, x| graph.gelu(&x[0]));
    let gradient = super::differentiate(&model, "Gelu", &["x0"]).unwrap();
    let (_, found) = super::evaluate(&mut super::served(&gradient, 1), &[&[5]], &data, "grad.x0");
    assert_eq!(found, [0.0, 0.0, 0.5, 1.0, 1.0]);
}

#[test]
fn operands_are_broadcast_in_both_directions() {
    for op in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"] {
        for shapes in [
            [&[2usize, 3, 4][..], &[2, 3, 4][..]],
            [&[2, 3, 4], &[4]],
            [&[3, 1], &[2, 1, 4]],
            [&[], &[2, 3]],
            [&[1, 1, 3], &[3]],
        ] {
            check_between((0.4, 2.5), &shapes, ANY, |graph, x| graph.op(op, &[&x[0], &x[1]], Vec::new()));
            check_between((0.4, 2.5), &[shapes[1], shapes[0]], ANY, |graph, x| {
                graph.op(op, &[&x[0], &x[1]], Vec::new())
            });
        }
    }
}

#[test]
fn more_than_two_operands_are_summed_and_compared() {
    for op in ["Sum", "Mean", "Max", "Min"] {
        check(&[&[2, 3], &[3], &[2, 1]], ANY, |graph, x| graph.op(op, &[&x[0], &x[1], &x[2]], Vec::new()));
    }
}

#[test]
fn powers_by_constant_and_by_value() {
    for power in [2.0, 3.0, 0.5, -1.0, 1.7] {
        check_between((0.4, 2.0), &[&[2, 3]], ANY, |graph, x| {
            let power = graph.scalar(power);
            graph.op("Pow", &[&x[0], &power], Vec::new())
        });
    }
    check_between((0.5, 2.0), &[&[2, 3], &[3]], ANY, |graph, x| graph.op("Pow", &[&x[0], &x[1]], Vec::new()));
    check_between((0.5, 2.0), &[&[2, 3]], ANY, |graph, x| {
        let power = graph.int_scalar(3);
        graph.op("Pow", &[&x[0], &power], Vec::new())
    });
}

#[test]
fn a_value_times_itself_counts_twice() {
    check(&[&[2, 3]], ANY, |graph, x| graph.mul(&x[0], &x[0]));
    check(&[&[2, 3]], ANY, |graph, x| {
        let sum = graph.add(&x[0], &x[0]);
        graph.mul(&sum, &x[0])
    });
}

#[test]
fn what_is_cut_off_has_no_gradient_and_the_bound_gets_it() {
    check(&[&[3, 4]], ANY, |graph, x| {
        let (low, high) = (graph.scalar(-0.5), graph.scalar(0.7));
        graph.op("Clip", &[&x[0], &low, &high], Vec::new())
    });
    check(&[&[3, 4], &[]], ANY, |graph, x| graph.op("Clip", &[&x[0], &x[1]], Vec::new()));
}

#[test]
fn a_choice_passes_the_gradient_to_what_was_chosen() {
    check(&[&[2, 3], &[3], &[2, 1]], ANY, |graph, x| {
        let zero = graph.scalar(0.0);
        let positive = graph.op("Greater", &[&x[0], &zero], Vec::new());
        let chosen = graph.op("Where", &[&positive, &x[1], &x[2]], Vec::new());
        // The condition itself is no way for a gradient, so its value gets one elsewhere.
        graph.add(&chosen, &x[0])
    });
}

#[test]
fn ties_share_or_choose_but_lose_nothing() {
    let model = super::graph(&[&[3], &[3]], super::Shapes::Known, &|graph, x| graph.max(&x[0], &x[1]));
    let gradient = super::differentiate(&model, "Max", &["x0", "x1"]).unwrap();
    let mut session = super::served(&gradient, 1);
    let data = vec![vec![1.0, 2.0, 3.0], vec![1.0, 0.0, 5.0]];
    let mut of = |name: &str| super::evaluate(&mut session, &[&[3], &[3]], &data, name).1;
    assert_eq!((of("grad.x0"), of("grad.x1")), (vec![1.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]));
}

#[test]
fn casts_between_floats_pass_the_gradient_on() {
    check(&[&[2, 3]], ANY, |graph, x| {
        let wide = graph.cast(&x[0], DataType::Double);
        let wide = graph.mul(&wide, &wide);
        let sine = graph.op("Sin", &[&wide], Vec::new());
        graph.cast(&sine, DataType::Float)
    });
}

#[test]
fn expanding_sums_over_what_was_repeated() {
    check(&[&[3, 1]], ANY, |graph, x| {
        let shape = graph.int_list(&[2, 1, 4]);
        graph.op("Expand", &[&x[0], &shape], Vec::new())
    });
}

#[test]
fn dropout_drops_nothing_and_gated_units_are_compositions() {
    check(&[&[2, 3]], ANY, |graph, x| graph.op("Dropout", &[&x[0]], Vec::new()));
    check(&[&[2, 6]], ANY, |graph, x| {
        let gate = graph.op("Sigmoid", &[&x[0]], Vec::new());
        graph.mul(&x[0], &gate)
    });
    check(&[&[2, 6]], ANY, |graph, x| graph.op("LeakyRelu", &[&x[0]], vec![AttributeProto::float("alpha", 0.3)]));
}
