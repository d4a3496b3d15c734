//! What is known of one value, and how rules ask for it.

use std::sync::Arc;

use super::extent::Extent;
use crate::onnx::{DataType, NodeProto, TensorProto};

/// Integer tensors up to this many elements are followed entry by entry.
pub(super) const MAX_ENTRIES: usize = 256;

/// The entries of a small integer tensor, row by row; `None` where one is not known.
pub(super) type Entries = Arc<[Option<Extent>]>;

/// What is known of one value.
#[derive(Clone, Debug, Default)]
pub(super) struct Fact {
    pub element: Option<DataType>,
    pub shape: Option<Vec<Extent>>,
    /// Its entries, where it is a small integer or boolean tensor of known shape.
    pub entries: Option<Entries>,
}

impl Fact {
    pub(super) fn new(element: Option<DataType>, shape: Option<Vec<Extent>>) -> Self {
        Self { element, shape, entries: None }
    }

    pub(super) fn of(element: DataType, shape: Vec<Extent>) -> Self {
        Self::new(Some(element), Some(shape))
    }

    /// A list of integers, `[entries.len()]`.
    pub(super) fn list(entries: Vec<Option<Extent>>) -> Self {
        let shape = vec![size(entries.len())];
        Self::of(DataType::Int64, shape).with(Some(entries))
    }

    /// The same value with these entries, if there are not too many and as many as the shape calls for.
    pub(super) fn with(mut self, entries: Option<Vec<Option<Extent>>>) -> Self {
        let fits = |entries: &Vec<_>| entries.len() <= MAX_ENTRIES && self.count() == Some(entries.len());
        self.entries = entries.filter(fits).map(Arc::from);
        self
    }

    /// A constant.
    pub(super) fn constant(tensor: &TensorProto) -> Self {
        let element = DataType::try_from(tensor.data_type).ok();
        let shape = tensor.dims.iter().map(|&dim| Extent::known(dim)).collect();
        let small = tensor.elements().is_some_and(|elements| elements <= MAX_ENTRIES as u64);
        let entries = small.then(|| tensor.to_i64()).flatten();
        let entries = entries.map(|numbers| numbers.into_iter().map(|number| Some(Extent::known(number))).collect());
        Self::new(element, Some(shape)).with(entries)
    }

    /// Number of elements, where all sizes are known.
    pub(super) fn count(&self) -> Option<usize> {
        let product = Extent::product(self.shape.as_ref()?)?;
        usize::try_from(product.number()?).ok()
    }

    /// The sizes, where all are known.
    pub(super) fn sizes(&self) -> Option<Vec<usize>> {
        self.shape.as_ref()?.iter().map(|extent| usize::try_from(extent.number()?).ok()).collect()
    }

    /// The entries as numbers, where all are known.
    pub(super) fn numbers(&self) -> Option<Vec<i64>> {
        self.entries.as_ref()?.iter().map(|entry| entry.as_ref()?.number()).collect()
    }
}

/// A known size.
pub(super) fn size(number: usize) -> Extent {
    Extent::known(i64::try_from(number).unwrap_or(i64::MAX))
}

/// One node with what is known of its inputs.
pub(super) struct Call<'a> {
    pub node: &'a NodeProto,
    pub inputs: Vec<Option<&'a Fact>>,
}

/// What a rule finds for the outputs, or why the inputs contradict each other.
pub(super) type Outcome = Result<Vec<Fact>, String>;

impl<'a> Call<'a> {
    /// What is known of an input; `None` also where it is left out.
    pub(super) fn fact(&self, input: usize) -> Option<&'a Fact> {
        self.inputs.get(input).copied().flatten()
    }

    pub(super) fn element(&self, input: usize) -> Option<DataType> {
        self.fact(input)?.element
    }

    pub(super) fn shape(&self, input: usize) -> Option<&'a [Extent]> {
        self.fact(input)?.shape.as_deref()
    }

    pub(super) fn entries(&self, input: usize) -> Option<&'a [Option<Extent>]> {
        self.fact(input)?.entries.as_deref()
    }

    /// Whether the node names an input there.
    pub(super) fn has(&self, input: usize) -> bool {
        self.node.input.get(input).is_some_and(|name| !name.is_empty())
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.node.int(name).unwrap_or(default)
    }

    /// Integers that newer operator sets take from an input and older ones from an attribute. The outer `None` says
    /// that they are given and not known, the inner one that they are not given.
    pub(super) fn numbers(&self, input: usize, attribute: &str) -> Option<Option<Vec<i64>>> {
        if self.has(input) {
            return self.fact(input)?.numbers().map(Some);
        }
        Some(self.node.ints(attribute).map(<[i64]>::to_vec))
    }

    /// The position of an axis that may count from the end.
    pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
        let signed = i64::try_from(rank).unwrap_or(i64::MAX);
        let counted = if axis < 0 { axis.saturating_add(signed) } else { axis };
        let fits = usize::try_from(counted).ok().filter(|&position| position < rank);
        fits.ok_or_else(|| format!("axis {axis} is not one of a tensor with {rank} axes"))
    }

    /// A size that nothing is known of: a symbol of its own, which whatever has the same size then shares.
    pub(super) fn fresh(&self, output: usize, axis: usize) -> Extent {
        let name = self.node.output.get(output).map_or("", String::as_str);
        fresh(name, axis)
    }

    /// A shape of which only the rank is known.
    pub(super) fn fresh_shape(&self, output: usize, rank: usize) -> Vec<Extent> {
        (0..rank).map(|axis| self.fresh(output, axis)).collect()
    }
}

/// The symbol of an axis of which nothing is known.
pub(super) fn fresh(value: &str, axis: usize) -> Extent {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '.' | '/') { c } else { '_' };
    Extent::atom(&format!("?{}:{axis}", value.chars().map(plain).collect::<String>()))
}

/// The shape that arrays of these shapes broadcast to.
pub(super) fn broadcast(shapes: &[&[Extent]], fresh: impl Fn(usize) -> Extent) -> Result<Vec<Extent>, String> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let one = Extent::known(1);
    let aligned = |shape: &&[Extent], axis: usize| {
        (axis + shape.len()).checked_sub(rank).and_then(|at| shape.get(at)).cloned().filter(|extent| *extent != one)
    };
    let joined = |axis: usize| {
        let extents: Vec<Extent> = shapes.iter().filter_map(|shape| aligned(shape, axis)).collect();
        let mut numbers = extents.iter().filter(|extent| extent.number().is_some());
        match (numbers.next(), extents.first()) {
            (Some(number), _) => match numbers.find(|other| *other != number) {
                Some(other) => Err(format!("sizes {number} and {other} cannot be broadcast together")),
                None => Ok(number.clone()),
            },
            (None, None) => Ok(one.clone()),
            (None, Some(first)) if extents.iter().all(|extent| extent == first) => Ok(first.clone()),
            (None, Some(_)) => Ok(fresh(axis)),
        }
    };
    (0..rank).map(joined).collect()
}

/// Where each element of an array of shape `to` comes from in one of shape `from` that is broadcast to it.
pub(super) fn sources(from: &[usize], to: &[usize]) -> Vec<usize> {
    let count: usize = to.iter().product();
    let offset = to.len().saturating_sub(from.len());
    (0..count)
        .map(|mut flat| {
            let (mut source, mut stride) = (0, 1);
            for axis in (0..to.len()).rev() {
                let coordinate = flat % to[axis];
                flat /= to[axis];
                if let Some(&size) = axis.checked_sub(offset).and_then(|axis| from.get(axis)) {
                    source += if size == 1 { 0 } else { coordinate * stride };
                    stride *= size;
                }
            }
            source
        })
        .collect()
}
