//! Operators, items and slices, as Python has them.

use crate::ast::{Comparison, Operator};
use crate::budget::Budget;
use crate::fault::{Run, failed};
use crate::text::Text;
use crate::value::Value;

pub(crate) fn compare(one: &Value, comparison: Comparison, two: &Value, budget: &mut Budget) -> Run<bool> {
    Ok(match comparison {
        Comparison::Equal => one.equals(two, budget)?,
        Comparison::NotEqual => !one.equals(two, budget)?,
        Comparison::Less => one.order(two, budget)?.is_lt(),
        Comparison::LessOrEqual => one.order(two, budget)?.is_le(),
        Comparison::Greater => one.order(two, budget)?.is_gt(),
        Comparison::GreaterOrEqual => one.order(two, budget)?.is_ge(),
        Comparison::In => two.contains(one, budget)?,
        Comparison::NotIn => !two.contains(one, budget)?,
    })
}

pub(crate) fn operate(one: &Value, operator: Operator, two: &Value, budget: &mut Budget) -> Run<Value> {
    match (operator, one, two) {
        (Operator::Add, Value::Str(one), Value::Str(two)) => return joined(&[one, two], budget),
        (Operator::Add, Value::List(one), Value::List(two)) => {
            budget.write(size_of::<Value>() * (one.items.len() + two.items.len()))?;
            return Value::list(one.items.iter().chain(&two.items).cloned().collect(), budget);
        }
        (Operator::Multiply, Value::Str(_) | Value::List(_), count) if count.int().is_some() => {
            return repeat(one, count.int().unwrap_or(0), budget);
        }
        (Operator::Multiply, count, Value::Str(_) | Value::List(_)) if count.int().is_some() => {
            return repeat(two, count.int().unwrap_or(0), budget);
        }
        _ => {}
    }
    if let (Some(one), Some(two)) = (one.int(), two.int()) {
        return whole(one, operator, two);
    }
    match (one.float(), two.float()) {
        (Some(one), Some(two)) => real(one, operator, two),
        _ => failed(format!("{} {} {} makes no sense", one.kind(), sign(operator), two.kind())),
    }
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::DivideWhole => "//",
        Operator::Remainder => "%",
        Operator::Power => "**",
    }
}

/// Texts after each other.
pub(crate) fn joined(parts: &[&Text], budget: &mut Budget) -> Run<Value> {
    budget.write(parts.iter().map(|part| part.size()).sum())?;
    let mut text = Text::default();
    parts.iter().for_each(|part| text.push(part));
    Value::counted(text, budget)
}

fn repeat(value: &Value, count: i64, budget: &mut Budget) -> Run<Value> {
    let count = usize::try_from(count).unwrap_or(0);
    let size = match value {
        Value::Str(text) => text.size(),
        Value::List(list) => size_of::<Value>() * list.items.len(),
        _ => 0,
    };
    // Counted before anything is made; what takes no room still takes time.
    budget.write(size.saturating_mul(count))?;
    budget.steps(count)?;
    match value {
        Value::List(list) => {
            let items = (0..count).flat_map(|_| list.items.iter().cloned()).collect();
            Value::list(items, budget)
        }
        Value::Str(part) => {
            let mut text = Text::default();
            (0..count).for_each(|_| text.push(part));
            Value::counted(text, budget)
        }
        _ => failed("only strings and lists are repeated"),
    }
}

fn whole(one: i64, operator: Operator, two: i64) -> Run<Value> {
    let floor = |one: i64, two: i64| {
        let quotient = one.checked_div(two)?;
        Some(if one % two != 0 && (one < 0) != (two < 0) { quotient - 1 } else { quotient })
    };
    let result = match operator {
        Operator::Add => one.checked_add(two),
        Operator::Subtract => one.checked_sub(two),
        Operator::Multiply => one.checked_mul(two),
        Operator::DivideWhole => floor(one, two),
        Operator::Remainder => floor(one, two).and_then(|quotient| one.checked_sub(quotient.checked_mul(two)?)),
        Operator::Power if two >= 0 => u32::try_from(two).ok().and_then(|two| one.checked_pow(two)),
        Operator::Divide | Operator::Power => return real(one as f64, operator, two as f64),
    };
    match result {
        Some(number) => Ok(Value::Int(number)),
        None => failed(format!("{one} {} {two} is no number of 64 bits", sign(operator))),
    }
}

fn real(one: f64, operator: Operator, two: f64) -> Run<Value> {
    let divides = matches!(operator, Operator::Divide | Operator::DivideWhole | Operator::Remainder);
    if divides && two == 0.0 {
        return failed("division by zero");
    }
    Ok(Value::Float(match operator {
        Operator::Add => one + two,
        Operator::Subtract => one - two,
        Operator::Multiply => one * two,
        Operator::Divide => one / two,
        Operator::DivideWhole => (one / two).floor(),
        Operator::Remainder => one - two * (one / two).floor(),
        Operator::Power => one.powf(two),
    }))
}

pub(crate) fn negative(value: &Value) -> Run<Value> {
    match value {
        Value::Float(number) => Ok(Value::Float(-number)),
        other => match other.int().and_then(i64::checked_neg) {
            Some(number) => Ok(Value::Int(number)),
            None => failed(format!("{} has no negative", other.kind())),
        },
    }
}

/// `value[key]`; undefined where it is not there.
pub(crate) fn item(value: &Value, key: &Value, budget: &mut Budget) -> Run<Value> {
    let found = match value {
        Value::Undefined(_) => return failed(format!("{} has no parts", value.kind())),
        Value::Dict(dict) => dict.get(key, budget)?,
        Value::List(list) => key.int().and_then(|at| place(at, list.items.len())).map(|at| list.items[at].clone()),
        Value::Str(text) => {
            budget.read(text.len())?;
            let letters = text.as_str().chars().count();
            match key.int().and_then(|at| place(at, letters)) {
                Some(at) => {
                    let start = byte_at(text, at);
                    Some(Value::text(text.slice(start..byte_at(text, at + 1)), budget)?)
                }
                None => None,
            }
        }
        _ => None,
    };
    Ok(found.unwrap_or(Value::Undefined(None)))
}

fn place(at: i64, length: usize) -> Option<usize> {
    let at = if at < 0 { at.checked_add(i64::try_from(length).ok()?)? } else { at };
    usize::try_from(at).ok().filter(|&at| at < length)
}

fn byte_at(text: &Text, letter: usize) -> usize {
    text.as_str().char_indices().nth(letter).map_or(text.len(), |(at, _)| at)
}

/// `value[start:stop:step]`.
pub(crate) fn slice(value: &Value, parts: [Option<i64>; 3], budget: &mut Budget) -> Run<Value> {
    match value {
        Value::List(list) => {
            budget.write(size_of::<usize>() * list.items.len())?;
            let places = places(bounds(parts, list.items.len())?);
            Value::list(places.map(|at| list.items[at].clone()).collect(), budget)
        }
        Value::Str(text) => {
            budget.read(2 * text.len())?;
            let (start, end, step) = bounds(parts, text.as_str().chars().count())?;
            if step == 1 {
                let [start, end] = [start, end.max(start)].map(|at| usize::try_from(at).unwrap_or(0));
                return Value::text(text.slice(byte_at(text, start)..byte_at(text, end)), budget);
            }
            budget.write(size_of::<(char, bool)>() * text.len())?;
            let letters: Vec<(char, bool)> = text.chars().collect();
            Value::text(Text::collect(places((start, end, step)).map(|at| letters[at])), budget)
        }
        other => failed(format!("{} cannot be sliced", other.kind())),
    }
}

/// Where Python's slice of so many begins, before what it ends, and its step.
fn bounds([start, stop, step]: [Option<i64>; 3], length: usize) -> Run<(i64, i64, i64)> {
    let (length, step) = (i64::try_from(length).unwrap_or(i64::MAX), step.unwrap_or(1));
    if step == 0 {
        return failed("the step of a slice is 0");
    }
    let (least, most) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |at: Option<i64>, otherwise: i64| match at {
        None => otherwise,
        Some(at) if at < 0 => at.saturating_add(length).max(least),
        Some(at) => at.min(most),
    };
    let (first, last) = if step > 0 { (0, length) } else { (length - 1, -1) };
    Ok((bound(start, first), bound(stop, last), step))
}

fn places((start, end, step): (i64, i64, i64)) -> impl Iterator<Item = usize> {
    let within = move |at: &i64| if step > 0 { *at < end } else { *at > end };
    let places = std::iter::successors(Some(start), move |at| at.checked_add(step)).take_while(within);
    places.filter_map(|at| usize::try_from(at).ok())
}
