//! Operators that work on each element by itself, broadcast where they take several inputs.

use super::extent::Extent;
use super::fact::{Call, Fact, MAX_ENTRIES, Outcome, broadcast, sources};
use crate::onnx::DataType;

/// One input, same shape; the element type changes only where `element` says so.
pub(super) fn unary(call: &Call<'_>, element: Option<DataType>) -> Outcome {
    let Some(x) = call.fact(0) else { return Ok(Vec::new()) };
    let mut fact = Fact::new(element.or(x.element), x.shape.clone());
    if let (Some(entries), "Neg") = (&x.entries, call.node.op_type.as_str()) {
        fact = fact.with(Some(entries.iter().map(|entry| entry.as_ref()?.neg()).collect()));
    }
    Ok(vec![fact])
}

/// The value itself.
pub(super) fn identity(call: &Call<'_>) -> Outcome {
    Ok(call.fact(0).cloned().into_iter().collect())
}

/// `Cast`: integers and truth values keep their entries, except where they may be cut off.
pub(super) fn cast(call: &Call<'_>) -> Outcome {
    let target = i32::try_from(call.int("to", 0)).ok().and_then(|to| DataType::try_from(to).ok());
    Ok(vec![converted(call, target.filter(|target| *target != DataType::Undefined))])
}

/// `CastLike`.
pub(super) fn cast_like(call: &Call<'_>) -> Outcome {
    Ok(vec![converted(call, call.element(1))])
}

fn converted(call: &Call<'_>, target: Option<DataType>) -> Fact {
    let Some(x) = call.fact(0) else { return Fact::new(target, None) };
    let wide = matches!(target, Some(DataType::Int64 | DataType::Int32)) || target == x.element;
    let fact = Fact::new(target, x.shape.clone());
    fact.with(x.entries.as_ref().filter(|_| wide).map(|entries| entries.to_vec()))
}

/// Several inputs, broadcast; the element type is that of input `like`, or `element`.
pub(super) fn nary(call: &Call<'_>, like: usize, element: Option<DataType>) -> Outcome {
    let element = element.or_else(|| call.element(like));
    let shapes: Option<Vec<&[Extent]>> = (0..call.inputs.len()).map(|input| call.shape(input)).collect();
    let shape = shapes.map(|shapes| broadcast(&shapes, |axis| call.fresh(0, axis))).transpose()?;
    let fact = Fact::new(element, shape);
    let entries = entries(call, &fact);
    Ok(vec![fact.with(entries)])
}

/// The entries of the result, where those of all inputs are followed.
fn entries(call: &Call<'_>, result: &Fact) -> Option<Vec<Option<Extent>>> {
    let operation = operation(&call.node.op_type)?;
    let shape = result.sizes().filter(|sizes| sizes.iter().product::<usize>() <= MAX_ENTRIES)?;
    let inputs: Option<Vec<_>> = (0..call.inputs.len())
        .map(|input| Some((call.entries(input)?, sources(&call.fact(input)?.sizes()?, &shape))))
        .collect();
    let inputs = inputs?;
    let at = |position: usize| {
        let arguments: Vec<Option<&Extent>> =
            inputs.iter().map(|(entries, from)| entries.get(*from.get(position)?)?.as_ref()).collect();
        operation(&arguments)
    };
    Some((0..shape.iter().product()).map(at).collect())
}

/// An operation on integers that may not all be known.
type Operation = fn(&[Option<&Extent>]) -> Option<Extent>;

fn operation(name: &str) -> Option<Operation> {
    Some(match name {
        "Add" => |x| binary(x, Extent::add),
        "Sub" => |x| binary(x, Extent::sub),
        "Mul" => |x| binary(x, Extent::mul),
        "Div" => |x| binary(x, |a, b| a.div(b).or_else(|| numbers(a, b, i64::checked_div))),
        "Mod" => |x| binary(x, |a, b| numbers(a, b, floored_modulo)),
        "Max" => |x| extreme(x, i64::max),
        "Min" => |x| extreme(x, i64::min),
        "Equal" => |x| binary(x, |a, b| a.equals(b).map(truth)),
        "Greater" => |x| binary(x, |a, b| numbers(a, b, |a, b| Some(i64::from(a > b)))),
        "Less" => |x| binary(x, |a, b| numbers(a, b, |a, b| Some(i64::from(a < b)))),
        "GreaterOrEqual" => |x| binary(x, |a, b| numbers(a, b, |a, b| Some(i64::from(a >= b)))),
        "LessOrEqual" => |x| binary(x, |a, b| numbers(a, b, |a, b| Some(i64::from(a <= b)))),
        "And" => |x| binary(x, |a, b| numbers(a, b, |a, b| Some(a & b))),
        "Or" => |x| binary(x, |a, b| numbers(a, b, |a, b| Some(a | b))),
        "Where" => |x| match x {
            [Some(condition), yes, no] => (if condition.number()? != 0 { *yes } else { *no }).cloned(),
            _ => None,
        },
        _ => return None,
    })
}

fn binary(x: &[Option<&Extent>], apply: impl Fn(&Extent, &Extent) -> Option<Extent>) -> Option<Extent> {
    match x {
        [Some(a), Some(b)] => apply(a, b),
        _ => None,
    }
}

fn numbers(a: &Extent, b: &Extent, apply: impl Fn(i64, i64) -> Option<i64>) -> Option<Extent> {
    apply(a.number()?, b.number()?).map(Extent::known)
}

/// The sign of ONNX's integer `Mod` is the divisor's.
fn floored_modulo(a: i64, b: i64) -> Option<i64> {
    let rest = a.checked_rem(b)?;
    Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
}

fn extreme(x: &[Option<&Extent>], choose: fn(i64, i64) -> i64) -> Option<Extent> {
    let all: Option<Vec<&Extent>> = x.iter().copied().collect();
    let all = all?;
    if all.windows(2).all(|pair| pair[0] == pair[1]) {
        return all.first().copied().cloned();
    }
    let numbers: Option<Vec<i64>> = all.iter().map(|extent| extent.number()).collect();
    numbers?.into_iter().reduce(choose).map(Extent::known)
}

fn truth(value: bool) -> Extent {
    Extent::known(i64::from(value))
}
