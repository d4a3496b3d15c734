//! Adapters side by side in stacked tensors, so that one batch can mix them.
//!
//! A [`Bank`] has one shelf for each bucket of ranks. A shelf holds, for every module with slots, `A [slots, in, rank]`
//! and `B [slots, rank, out]`; slot 0 is all zeros, the base model. The tensors are handed to the runtime as they lie:
//! a slot is written when an adapter takes it, and nothing is copied for a batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ServeError;
use crate::graph::adapt::LoraSlot;
use crate::graph::adapter::Adapter;
use crate::runtime::{RuntimeError, Tensor};

/// Ranks are zero-padded to one of these.
pub const RANK_BUCKETS: [usize; 3] = [8, 16, 64];

/// Slots of a new shelf; it doubles when they are taken.
const FIRST_SLOTS: usize = 8;

/// The slot of the base model.
const BASE: usize = 0;

/// The smallest bucket that holds a rank.
pub(crate) fn bucket(rank: usize) -> Result<usize, ServeError> {
    let fits = RANK_BUCKETS.into_iter().find(|&bucket| rank <= bucket);
    fits.ok_or(ServeError::Rank { rank, limit: RANK_BUCKETS[RANK_BUCKETS.len() - 1] })
}

/// An adapter that can take a slot. Every one made is told apart from all others, whatever its name.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) adapter: Arc<Adapter>,
    pub(crate) bucket: usize,
    identity: u64,
}

impl Loaded {
    pub(crate) fn new(adapter: Arc<Adapter>) -> Result<Self, ServeError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let bucket = bucket(adapter.rank)?;
        Ok(Self { adapter, bucket, identity: NEXT.fetch_add(1, Ordering::Relaxed) })
    }
}

/// The stacked adapters of one graph.
#[derive(Debug)]
pub(crate) struct Bank {
    modules: Vec<LoraSlot>,
    /// Adapters on one shelf at most.
    capacity: usize,
    shelves: BTreeMap<usize, Shelf>,
    clock: u64,
}

#[derive(Debug)]
struct Shelf {
    stacks: Vec<Stack>,
    /// Slot 0 is the base model's and has no seat: seat `i` is slot `i + 1`.
    seats: Vec<Option<Seat>>,
}

/// The stacked matrices of one module.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) a: Tensor,
    pub(crate) b: Tensor,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    identity: u64,
    used: u64,
}

impl Bank {
    /// An empty bank for the slots of a graph, for up to `capacity` adapters of a bucket at once.
    pub(crate) fn new(modules: Vec<LoraSlot>, capacity: usize) -> Self {
        Self { modules, capacity, shelves: BTreeMap::new(), clock: 0 }
    }

    /// The modules with slots.
    pub(crate) fn modules(&self) -> &[LoraSlot] {
        &self.modules
    }

    /// Checks an adapter by itself, and against the slots; only one that has passed may be put in.
    pub(crate) fn check(&self, adapter: &Adapter) -> Result<(), ServeError> {
        bucket(adapter.rank)?;
        adapter.check()?;
        Ok(adapter.fits(&self.modules)?)
    }

    /// Different adapters that one batch can mix.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The slot of each row's adapter on the shelf of `bucket`, in which adapters that are not there yet take the
    /// places of those used longest ago; never of one that another row wants.
    pub(crate) fn seat(&mut self, bucket: usize, rows: &[Option<&Loaded>]) -> Result<Vec<i64>, ServeError> {
        self.clock += 1;
        let clock = self.clock;
        if !self.shelves.contains_key(&bucket) {
            let shelf = Shelf::new(&self.modules, bucket, FIRST_SLOTS.min(self.capacity))?;
            self.shelves.insert(bucket, shelf);
        }
        let Some(shelf) = self.shelves.get_mut(&bucket) else { return Err(ServeError::Stopped) };
        // First those that are there, so that none of them is evicted for a newcomer.
        for loaded in rows.iter().flatten() {
            if let Some(seat) = shelf.seats.iter_mut().flatten().find(|seat| seat.identity == loaded.identity) {
                seat.used = clock;
            }
        }
        let slot = |row: &Option<&Loaded>| match row {
            None => Ok(BASE as i64),
            Some(loaded) => shelf.place(&self.modules, bucket, self.capacity, loaded, clock),
        };
        rows.iter().map(slot).collect()
    }

    /// The stacks of a shelf that [`Bank::seat`] has filled, module by module.
    pub(crate) fn stacks(&self, bucket: usize) -> &[Stack] {
        self.shelves.get(&bucket).map_or(&[], |shelf| &shelf.stacks)
    }
}

impl Shelf {
    fn new(modules: &[LoraSlot], rank: usize, seats: usize) -> Result<Self, ServeError> {
        Ok(Self { stacks: empty_stacks(modules, rank, seats + 1)?, seats: vec![None; seats] })
    }

    fn place(
        &mut self,
        modules: &[LoraSlot],
        rank: usize,
        capacity: usize,
        loaded: &Loaded,
        clock: u64,
    ) -> Result<i64, ServeError> {
        let held = |seat: &Option<Seat>| seat.is_some_and(|seat| seat.identity == loaded.identity);
        if let Some(index) = self.seats.iter().position(held) {
            return Ok((index + 1) as i64);
        }
        let index = self.vacate(modules, rank, capacity, clock)?;
        write_slot(&mut self.stacks, modules, rank, index + 1, &loaded.adapter)?;
        self.seats[index] = Some(Seat { identity: loaded.identity, used: clock });
        Ok((index + 1) as i64)
    }

    /// A free seat: one never taken, a new one while there may be more, or that of the adapter used longest ago.
    fn vacate(&mut self, modules: &[LoraSlot], rank: usize, capacity: usize, clock: u64) -> Result<usize, ServeError> {
        if let Some(free) = self.seats.iter().position(Option::is_none) {
            return Ok(free);
        }
        let taken = self.seats.len();
        if taken < capacity {
            self.grow(modules, rank, (2 * taken).min(capacity))?;
            return Ok(taken);
        }
        let unused = self.seats.iter().enumerate().filter_map(|(index, seat)| seat.map(|seat| (seat.used, index)));
        let oldest = unused.filter(|(used, _)| *used < clock).min();
        let (_, index) = oldest.ok_or(ServeError::AdaptersInUse { limit: capacity })?;
        self.seats[index] = None;
        Ok(index)
    }

    fn grow(&mut self, modules: &[LoraSlot], rank: usize, seats: usize) -> Result<(), ServeError> {
        let mut larger = empty_stacks(modules, rank, seats + 1)?;
        for (new, old) in larger.iter_mut().zip(&self.stacks) {
            for (new, old) in [(&mut new.a, &old.a), (&mut new.b, &old.b)] {
                let old = old.floats()?;
                new.data_mut::<f32>()?[..old.len()].copy_from_slice(old);
            }
        }
        self.stacks = larger;
        self.seats.resize(seats, None);
        Ok(())
    }
}

fn empty_stacks(modules: &[LoraSlot], rank: usize, slots: usize) -> Result<Vec<Stack>, RuntimeError> {
    let zeros = |shape: [usize; 3]| Tensor::new(&shape, vec![0.0f32; shape.iter().product()]);
    let stack = |module: &LoraSlot| {
        Ok(Stack { a: zeros([slots, module.in_features, rank])?, b: zeros([slots, rank, module.out_features])? })
    };
    modules.iter().map(stack).collect()
}

/// Writes an adapter into a slot of every stack.
fn write_slot(
    stacks: &mut [Stack],
    modules: &[LoraSlot],
    rank: usize,
    slot: usize,
    adapter: &Adapter,
) -> Result<(), ServeError> {
    for (stack, module) in stacks.iter_mut().zip(modules) {
        let (a_size, b_size) = (module.in_features * rank, rank * module.out_features);
        let a = &mut stack.a.data_mut::<f32>()?[slot * a_size..][..a_size];
        let b = &mut stack.b.data_mut::<f32>()?[slot * b_size..][..b_size];
        a.fill(0.0);
        b.fill(0.0);
        let Some(pair) = adapter.modules.get(&module.module) else { continue };
        write_transposed(a, &pair.a, [adapter.rank, module.in_features], rank, 1.0);
        // `b` is [out, rank] in the file and [rank, out] in the stack, whose further rows stay zero.
        write_transposed(b, &pair.b, [module.out_features, adapter.rank], module.out_features, adapter.scale());
    }
    Ok(())
}

/// `from [rows, columns]` transposed and scaled, into rows of `stride` numbers each.
fn write_transposed(to: &mut [f32], from: &[f32], [rows, columns]: [usize; 2], stride: usize, scale: f32) {
    for row in 0..rows {
        for column in 0..columns {
            to[column * stride + row] = from[row * columns + column] * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::adapter;
    use super::*;
    use crate::runtime::Locations;
    use crate::runtime::Runtime;

    fn module() -> LoraSlot {
        LoraSlot {
            module: "m".to_owned(),
            a: "lora.m.A".to_owned(),
            b: "lora.m.B".to_owned(),
            in_features: 3,
            out_features: 2,
        }
    }

    fn bank(capacity: usize) -> Bank {
        Runtime::init(&Locations::from_env().unwrap().dylib).unwrap();
        Bank::new(vec![module()], capacity)
    }

    fn loaded(seed: u64) -> Loaded {
        Loaded::new(Arc::new(adapter(&[module()], 2, seed))).unwrap()
    }

    #[test]
    fn a_slot_holds_the_transposed_padded_and_scaled_adapter() {
        let mut bank = bank(4);
        let one = loaded(1);
        assert_eq!(bank.seat(8, &[None, Some(&one), Some(&one)]).unwrap(), [0, 1, 1]);
        let stack = &bank.stacks(8)[0];
        let (a, b) = (stack.a.floats().unwrap(), stack.b.floats().unwrap());
        assert_eq!((stack.a.shape(), stack.b.shape()), (vec![5, 3, 8], vec![5, 8, 2]));
        assert!(a[..24].iter().chain(&b[..16]).all(|number| *number == 0.0), "the base is all zeros");
        let pair = &one.adapter.modules["m"];
        let scale = one.adapter.alpha / 2.0;
        for rank in 0..8 {
            for input in 0..3 {
                let expected = if rank < 2 { pair.a[rank * 3 + input] } else { 0.0 };
                assert_eq!(a[24 + input * 8 + rank], expected);
            }
            for output in 0..2 {
                let expected = if rank < 2 { pair.b[output * 2 + rank] * scale } else { 0.0 };
                assert_eq!(b[16 + rank * 2 + output], expected);
            }
        }
    }

    #[test]
    fn the_adapter_used_longest_ago_leaves_and_one_in_use_never_does() {
        let mut bank = bank(2);
        let (one, two, three) = (loaded(1), loaded(2), loaded(3));
        assert_eq!(bank.seat(8, &[Some(&one), Some(&two)]).unwrap(), [1, 2]);
        assert_eq!(bank.seat(8, &[Some(&one)]).unwrap(), [1]);
        assert_eq!(bank.seat(8, &[Some(&three), Some(&one)]).unwrap(), [2, 1]);
        assert_eq!(bank.seat(8, &[Some(&one)]).unwrap(), [1]);
        assert_eq!(bank.seat(8, &[Some(&two)]).unwrap(), [2]);
        let full = bank.seat(8, &[Some(&one), Some(&two), Some(&three)]);
        assert!(matches!(full, Err(ServeError::AdaptersInUse { limit: 2 })));
    }

    #[test]
    fn a_shelf_grows_and_keeps_what_it_holds() {
        let mut bank = bank(40);
        let many: Vec<Loaded> = (0..40).map(loaded).collect();
        let before = |bank: &Bank| bank.stacks(8)[0].b.floats().unwrap()[16..32].to_vec();
        bank.seat(8, &[Some(&many[0])]).unwrap();
        let first = before(&bank);
        let rows: Vec<Option<&Loaded>> = many.iter().map(Some).collect();
        assert_eq!(bank.seat(8, &rows).unwrap(), (1..=40).collect::<Vec<i64>>());
        assert_eq!(before(&bank), first);
        assert_eq!(bank.stacks(8)[0].a.shape(), [41, 3, 8]);
    }

    #[test]
    fn an_adapter_of_another_model_or_of_a_great_rank_is_refused() {
        let bank = bank(2);
        bank.check(&adapter(&[module()], 2, 1)).unwrap();
        let wide = LoraSlot { in_features: 4, ..module() };
        assert!(matches!(bank.check(&adapter(&[wide], 2, 1)), Err(ServeError::Adapter(_))));
        let mut broken = adapter(&[module()], 2, 1);
        broken.modules.values_mut().for_each(|pair| pair.a[0] = f32::NAN);
        assert!(matches!(bank.check(&broken), Err(ServeError::Adapter(_))));
        let great = Loaded::new(Arc::new(adapter(&[module()], 65, 1)));
        assert!(matches!(great, Err(ServeError::Rank { rank: 65, limit: 64 })));
    }
}
