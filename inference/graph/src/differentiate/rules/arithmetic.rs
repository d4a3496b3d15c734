//! Element-wise arithmetic. Operands may be broadcast, so each gradient is summed back to its operand's shape.

use crate::Value;

use crate::differentiate::step::{Outcome, Step};

pub(super) fn add(step: &mut Step<'_>) -> Outcome {
    sum(step)
}

/// Any number of operands.
pub(super) fn sum(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    for at in 0..step.node.input.len() {
        step.give_summed(at, &dy);
    }
    Ok(())
}

pub(super) fn mean(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    let count = step.node.input.len();
    let share = step.scale(&dy, 1.0 / count as f32);
    for at in 0..count {
        step.give_summed(at, &share);
    }
    Ok(())
}

pub(super) fn sub(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    step.give_summed(0, &dy);
    if step.wants(1) {
        let minus = step.op("Neg", &[&dy]);
        step.give_summed(1, &minus);
    }
    Ok(())
}

pub(super) fn mul(step: &mut Step<'_>) -> Outcome {
    let (dy, a, b) = (step.dy()?, step.x(0)?, step.x(1)?);
    if a == b {
        let twice = step.scale(&dy, 2.0);
        let gradient = step.mul(&twice, &a);
        step.give(0, gradient);
        return Ok(());
    }
    for (at, other) in [(0, &b), (1, &a)] {
        if step.wants(at) {
            let gradient = step.mul(&dy, other);
            step.give_summed(at, &gradient);
        }
    }
    Ok(())
}

pub(super) fn div(step: &mut Step<'_>) -> Outcome {
    let (dy, b) = (step.dy()?, step.x(1)?);
    let share = step.graph.div(&dy, &b);
    step.give_summed(0, &share);
    if step.wants(1) {
        let y = step.y(0)?;
        let product = step.mul(&share, &y);
        let minus = step.op("Neg", &[&product]);
        step.give_summed(1, &minus);
    }
    Ok(())
}

/// `a^b`: `b a^(b-1)` and `y ln a`, the latter 0 where `a` is not positive.
pub(super) fn pow(step: &mut Step<'_>) -> Outcome {
    let (dy, a, b, y) = (step.dy()?, step.x(0)?, step.x(1)?, step.y(0)?);
    if step.wants(0) {
        let slope = slope_of_power(step, &a, &b, &y);
        let gradient = step.mul(&dy, &slope);
        step.give_summed(0, &gradient);
    }
    if step.wants(1) {
        let zero = step.number(0.0);
        let positive = step.op("Greater", &[&a, &zero]);
        let one = step.number(1.0);
        // The logarithm of what is not positive would be NaN, which no later choice removes from a product.
        let base = step.choose(&positive, &a, &one);
        let log = step.op("Log", &[&base]);
        let slope = step.mul(&y, &log);
        let gradient = step.mul(&dy, &slope);
        step.give_summed(1, &gradient);
    }
    Ok(())
}

fn slope_of_power(step: &mut Step<'_>, a: &Value, b: &Value, y: &Value) -> Value {
    match step.forward.number(b.name()) {
        Some(2.0) => step.scale(a, 2.0),
        Some(3.0) => {
            let square = step.mul(a, a);
            step.scale(&square, 3.0)
        }
        Some(0.5) => {
            let half = step.number(0.5);
            step.graph.div(&half, y)
        }
        Some(number) => {
            let lower = step.number(number - 1.0);
            let power = step.op("Pow", &[a, &lower]);
            step.scale(&power, number)
        }
        None => {
            let element = step.element();
            let b = step.graph.cast(b, element);
            let lower = step.shift(&b, -1.0);
            let power = step.op("Pow", &[a, &lower]);
            step.mul(&b, &power)
        }
    }
}

pub(super) fn neg(step: &mut Step<'_>) -> Outcome {
    let dy = step.dy()?;
    let gradient = step.op("Neg", &[&dy]);
    step.give(0, gradient);
    Ok(())
}

pub(super) fn abs(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    let sign = step.op("Sign", &[&x]);
    let gradient = step.mul(&dy, &sign);
    step.give(0, gradient);
    Ok(())
}

/// `-dy y²`.
pub(super) fn reciprocal(step: &mut Step<'_>) -> Outcome {
    let (dy, y) = (step.dy()?, step.y(0)?);
    let square = step.mul(&y, &y);
    let product = step.mul(&dy, &square);
    let gradient = step.op("Neg", &[&product]);
    step.give(0, gradient);
    Ok(())
}

/// `dy / 2y`.
pub(super) fn sqrt(step: &mut Step<'_>) -> Outcome {
    let (dy, y) = (step.dy()?, step.y(0)?);
    let twice = step.scale(&y, 2.0);
    let gradient = step.graph.div(&dy, &twice);
    step.give(0, gradient);
    Ok(())
}

pub(super) fn exp(step: &mut Step<'_>) -> Outcome {
    let (dy, y) = (step.dy()?, step.y(0)?);
    let gradient = step.mul(&dy, &y);
    step.give(0, gradient);
    Ok(())
}

pub(super) fn log(step: &mut Step<'_>) -> Outcome {
    let (dy, x) = (step.dy()?, step.x(0)?);
    let gradient = step.graph.div(&dy, &x);
    step.give(0, gradient);
    Ok(())
}

/// Largest or smallest of several operands: the first that is equal to the result gets the gradient.
pub(super) fn extreme(step: &mut Step<'_>) -> Outcome {
    let (mut rest, y) = (step.dy()?, step.y(0)?);
    let count = step.node.input.len();
    for at in 0..count {
        let x = step.x(at)?;
        let hit = step.op("Equal", &[&x, &y]);
        if step.wants(at) {
            let gradient = step.only(&hit, &rest);
            step.give_summed(at, &gradient);
        }
        if at + 1 < count {
            let zero = step.number(0.0);
            rest = step.choose(&hit, &zero, &rest);
        }
    }
    Ok(())
}

/// Passed where the value was not changed; a bound gets what it cut.
pub(super) fn clip(step: &mut Step<'_>) -> Outcome {
    let (dy, x, y) = (step.dy()?, step.x(0)?, step.y(0)?);
    if step.wants(0) {
        let kept = step.op("Equal", &[&x, &y]);
        let gradient = step.only(&kept, &dy);
        step.give(0, gradient);
    }
    for (at, beyond) in [(1, "Less"), (2, "Greater")] {
        if step.wants(at) {
            let bound = step.x(at)?;
            let cut = step.op(beyond, &[&x, &bound]);
            let gradient = step.only(&cut, &dy);
            step.give_summed(at, &gradient);
        }
    }
    Ok(())
}

/// `Where`.
pub(super) fn choose(step: &mut Step<'_>) -> Outcome {
    let (dy, condition) = (step.dy()?, step.x(0)?);
    if step.wants(1) {
        let gradient = step.only(&condition, &dy);
        step.give_summed(1, &gradient);
    }
    if step.wants(2) {
        let zero = step.number(0.0);
        let gradient = step.choose(&condition, &zero, &dy);
        step.give_summed(2, &gradient);
    }
    Ok(())
}
