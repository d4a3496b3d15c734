//! Operators that move elements without changing them.

use super::extent::Extent;
use super::fact::{Call, Fact, MAX_ENTRIES, Outcome, broadcast, size, sources};

/// `Transpose`.
pub(super) fn transpose(call: &Call<'_>) -> Outcome {
    let Some(shape) = call.shape(0) else { return Ok(vec![Fact::new(call.element(0), None)]) };
    let order: Vec<usize> = match call.node.ints("perm") {
        Some(order) => order.iter().map(|&axis| Call::axis(axis, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..shape.len()) {
        return Err(format!("perm is no order of {} axes", shape.len()));
    }
    let moved: Vec<Extent> = order.iter().map(|&axis| shape[axis].clone()).collect();
    let entries = call.entries(0).filter(|_| shape.len() < 2).map(<[_]>::to_vec);
    Ok(vec![Fact::new(call.element(0), Some(moved)).with(entries)])
}

/// The input's elements in another shape.
fn reshaped(call: &Call<'_>, shape: Option<Vec<Extent>>) -> Outcome {
    let entries = call.entries(0).map(<[_]>::to_vec);
    Ok(vec![Fact::new(call.element(0), shape).with(entries)])
}

/// `Reshape`.
pub(super) fn reshape(call: &Call<'_>) -> Outcome {
    let attribute = || Some(call.node.ints("shape")?.iter().map(|&size| Some(Extent::known(size))).collect());
    let target: Option<Vec<Option<Extent>>> = call.entries(1).map(<[_]>::to_vec).or_else(attribute);
    let Some(target) = target else {
        let rank = call.fact(1).and_then(Fact::count);
        return reshaped(call, rank.map(|rank| call.fresh_shape(0, rank)));
    };
    let keep = call.int("allowzero", 0) == 0;
    let source = call.shape(0);
    let (zero, rest) = (Extent::known(0), Extent::known(-1));
    let mut shape: Vec<Option<Extent>> = Vec::with_capacity(target.len());
    let mut open = None;
    for (axis, entry) in target.into_iter().enumerate() {
        shape.push(match entry {
            Some(entry) if entry == rest => {
                open = Some(axis);
                None
            }
            Some(entry) if entry == zero && keep => source.and_then(|source| source.get(axis)).cloned(),
            entry => entry,
        });
    }
    // One size that is not known follows from the others, be it asked for with -1 or not.
    let unknown: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis].is_none()).collect();
    if let ([axis], Some(source)) = (unknown.as_slice(), source) {
        let others = Extent::product(shape.iter().flatten());
        shape[*axis] = Extent::product(source).zip(others).and_then(|(all, others)| all.div(&others));
    }
    if open.is_none() && unknown.is_empty() {
        conserve(source, &shape)?;
    }
    let fill = |(axis, extent): (usize, Option<Extent>)| extent.unwrap_or_else(|| call.fresh(0, axis));
    reshaped(call, Some(shape.into_iter().enumerate().map(fill).collect()))
}

/// Refuses a shape that certainly holds another number of elements.
fn conserve(source: Option<&[Extent]>, shape: &[Option<Extent>]) -> Result<(), String> {
    let count = |all: Option<Extent>| all.and_then(|all| all.number());
    match (source.and_then(|source| count(Extent::product(source))), count(Extent::product(shape.iter().flatten()))) {
        (Some(have), Some(want)) if have != want => Err(format!("{have} elements cannot take a shape of {want}")),
        _ => Ok(()),
    }
}

/// `Flatten`.
pub(super) fn flatten(call: &Call<'_>) -> Outcome {
    let shape = call.shape(0).map(|shape| {
        let rank = i64::try_from(shape.len()).unwrap_or(i64::MAX);
        let axis = call.int("axis", 1);
        let axis = usize::try_from(if axis < 0 { axis.saturating_add(rank) } else { axis });
        let (rows, columns) = shape.split_at(axis.unwrap_or(0).min(shape.len()));
        let joined = |part, axis| Extent::product(part).unwrap_or_else(|| call.fresh(0, axis));
        vec![joined(rows, 0), joined(columns, 1)]
    });
    reshaped(call, shape)
}

/// `Unsqueeze`.
pub(super) fn unsqueeze(call: &Call<'_>) -> Outcome {
    let (Some(shape), Some(Some(axes))) = (call.shape(0), call.numbers(1, "axes")) else {
        return Ok(vec![Fact::new(call.element(0), None)]);
    };
    let rank = shape.len() + axes.len();
    let mut result: Vec<Option<Extent>> = vec![None; rank];
    for axis in axes {
        result[Call::axis(axis, rank)?] = Some(Extent::known(1));
    }
    let mut kept = shape.iter().cloned();
    let shape: Option<Vec<Extent>> = result.into_iter().map(|extent| extent.or_else(|| kept.next())).collect();
    reshaped(call, Some(shape.ok_or("an axis is named twice")?))
}

/// `Squeeze`.
pub(super) fn squeeze(call: &Call<'_>) -> Outcome {
    let (Some(shape), Some(axes)) = (call.shape(0), call.numbers(1, "axes")) else {
        return Ok(vec![Fact::new(call.element(0), None)]);
    };
    let one = Extent::known(1);
    let Some(axes) = axes else {
        // Without axes every axis of size 1 goes: the rank is known only if every size is.
        let all = shape.iter().all(|extent| extent.number().is_some());
        return reshaped(call, all.then(|| shape.iter().filter(|extent| **extent != one).cloned().collect()));
    };
    let gone: Vec<usize> = axes.iter().map(|&axis| Call::axis(axis, shape.len())).collect::<Result<_, _>>()?;
    if let Some(wide) = gone.iter().find_map(|&axis| shape[axis].number().filter(|&size| size != 1)) {
        return Err(format!("an axis of size {wide} cannot be squeezed away"));
    }
    let kept = shape.iter().enumerate().filter(|(axis, _)| !gone.contains(axis)).map(|(_, extent)| extent.clone());
    reshaped(call, Some(kept.collect()))
}

/// `Expand`.
pub(super) fn expand(call: &Call<'_>) -> Outcome {
    let target: Option<Vec<Extent>> = call
        .entries(1)
        .map(|entries| {
            entries.iter().enumerate().map(|(axis, entry)| entry.clone().unwrap_or_else(|| call.fresh(0, axis)))
        })
        .map(Iterator::collect);
    let (Some(shape), Some(target)) = (call.shape(0), target) else {
        return Ok(vec![Fact::new(call.element(0), None)]);
    };
    let fact = Fact::new(call.element(0), Some(broadcast(&[shape, &target], |axis| call.fresh(0, axis))?));
    let entries = spread(call, &fact);
    Ok(vec![fact.with(entries)])
}

fn spread(call: &Call<'_>, result: &Fact) -> Option<Vec<Option<Extent>>> {
    let entries = call.entries(0)?;
    let to = result.sizes().filter(|sizes| sizes.iter().product::<usize>() <= MAX_ENTRIES)?;
    let from = sources(&call.fact(0)?.sizes()?, &to);
    Some(from.into_iter().map(|source| entries.get(source).cloned().flatten()).collect())
}

/// `Concat`.
pub(super) fn concat(call: &Call<'_>) -> Outcome {
    let shapes: Option<Vec<&[Extent]>> = (0..call.inputs.len()).map(|input| call.shape(input)).collect();
    let Some((shapes, first)) = shapes.and_then(|shapes| shapes.first().copied().map(|first| (shapes, first))) else {
        return Ok(vec![Fact::new(call.element(0), None)]);
    };
    let axis = Call::axis(call.int("axis", 0), first.len())?;
    if shapes.iter().any(|shape| shape.len() != first.len()) {
        return Err("tensors with different numbers of axes cannot be concatenated".to_owned());
    }
    let sum = shapes.iter().try_fold(Extent::known(0), |sum, shape| sum.add(&shape[axis]));
    let mut result = Vec::with_capacity(first.len());
    for at in 0..first.len() {
        if at == axis {
            result.push(sum.clone().unwrap_or_else(|| call.fresh(0, at)));
            continue;
        }
        let mut numbers = shapes.iter().map(|shape| &shape[at]).filter(|extent| extent.number().is_some());
        let known = numbers.next();
        if let (Some(known), Some(other)) = (known, known.and_then(|known| numbers.find(|other| *other != known))) {
            return Err(format!("sizes {known} and {other} beside the concatenated axis differ"));
        }
        result.push(known.unwrap_or(&first[at]).clone());
    }
    let lists: Option<Vec<&[Option<Extent>]>> =
        (0..call.inputs.len()).map(|input| call.entries(input).filter(|_| first.len() == 1)).collect();
    Ok(vec![Fact::new(call.element(0), Some(result)).with(lists.map(|lists| lists.concat()))])
}

/// `Split`.
pub(super) fn split(call: &Call<'_>) -> Outcome {
    let parts = call.node.output.len();
    let Some(shape) = call.shape(0) else { return Ok(vec![Fact::new(call.element(0), None); parts]) };
    let axis = Call::axis(call.int("axis", 0), shape.len())?;
    let whole = &shape[axis];
    let sizes: Vec<Option<Extent>> = match call.numbers(1, "split") {
        Some(Some(sizes)) => sizes.into_iter().map(|size| Some(Extent::known(size))).collect(),
        Some(None) => even(whole, parts),
        None => vec![None; parts],
    };
    let mut start = 0usize;
    let part = |(output, part): (usize, Option<Extent>)| {
        let mut shape = shape.to_vec();
        let length = part.as_ref().and_then(|part| usize::try_from(part.number()?).ok());
        shape[axis] = part.unwrap_or_else(|| call.fresh(output, axis));
        let end = length.map(|length| start.saturating_add(length));
        let entries = end.and_then(|end| call.entries(0).filter(|_| shape.len() == 1)?.get(start..end));
        start = end.unwrap_or(start);
        Fact::new(call.element(0), Some(shape)).with(entries.map(<[_]>::to_vec))
    };
    Ok(sizes.into_iter().enumerate().map(part).collect())
}

/// Equal parts, the last one smaller where they do not come out even.
fn even(whole: &Extent, parts: usize) -> Vec<Option<Extent>> {
    if let Some(part) = whole.div(&size(parts)) {
        return vec![Some(part); parts];
    }
    let Some(whole) = whole.number().filter(|_| parts > 0) else { return vec![None; parts] };
    let chunk = u64::try_from(whole).unwrap_or(0).div_ceil(parts as u64) as i64;
    (0..parts as i64)
        .map(|part| Some(Extent::known(whole.saturating_sub(part.saturating_mul(chunk)).clamp(0, chunk))))
        .collect()
}

/// `Tile`.
pub(super) fn tile(call: &Call<'_>) -> Outcome {
    let (Some(shape), Some(repeats)) = (call.shape(0), call.entries(1)) else {
        let rank = call.shape(0).map(|shape| call.fresh_shape(0, shape.len()));
        return Ok(vec![Fact::new(call.element(0), rank)]);
    };
    let sizes = shape.iter().zip(repeats).enumerate();
    let grown = |(axis, (extent, repeat)): (usize, (&Extent, &Option<Extent>))| {
        repeat.as_ref().and_then(|repeat| extent.mul(repeat)).unwrap_or_else(|| call.fresh(0, axis))
    };
    Ok(vec![Fact::new(call.element(0), Some(sizes.map(grown).collect()))])
}

/// `Pad`.
pub(super) fn pad(call: &Call<'_>) -> Outcome {
    let Some(shape) = call.shape(0) else { return Ok(vec![Fact::new(call.element(0), None)]) };
    let rank = shape.len();
    let mut result = call.fresh_shape(0, rank);
    let axes = call.numbers(3, "axes").map(|axes| axes.unwrap_or_else(|| (0..rank as i64).collect()));
    if let (Some(axes), Some(Some(pads))) = (axes, call.numbers(1, "pads")) {
        result = shape.to_vec();
        for (position, &axis) in axes.iter().enumerate() {
            let axis = Call::axis(axis, rank)?;
            let (Some(before), Some(after)) = (pads.get(position), pads.get(position + axes.len())) else {
                return Err(format!("{} pads do not fit {} axes", pads.len(), axes.len()));
            };
            let grown = before.checked_add(*after).and_then(|both| shape[axis].add(&Extent::known(both)));
            result[axis] = grown.unwrap_or_else(|| call.fresh(0, axis));
        }
    }
    Ok(vec![Fact::new(call.element(0), Some(result))])
}
