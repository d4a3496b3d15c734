//! The tree after a block, in one pass over the places that change: each node is read, hashed and written once.
//!
//! The shape is a function of the keys alone: a subtree with one key is a leaf, as high as it can be; one with more is an inner
//! node. So a root says what the state is, whichever way it came about.

use super::node::{Child, Children, Kind, Leaf, NOTHING, Stored, inner_hash, inner_row, leaves, null_row};
use super::tables::{key_hash, path_key};
use super::{Snapshot, StoreError, TreeUpdate};

/// A changed key: its hash, the key, its new value.
pub(super) type Change<'c> = ([u8; 32], &'c str, Option<&'c [u8]>);

/// The tree after `changes` to authenticated state, as `version` over `snapshot`.
pub(super) fn update<'c>(
    snapshot: &Snapshot,
    changes: impl Iterator<Item = (&'c str, Option<&'c [u8]>)>,
    version: u64,
) -> Result<TreeUpdate, StoreError> {
    of_hashes(snapshot, changes.map(|(key, value)| (key_hash(key).0, key, value)).collect(), version)
}

/// The same, where the hashes are known.
pub(super) fn of_hashes(
    snapshot: &Snapshot,
    mut changes: Vec<Change<'_>>,
    version: u64,
) -> Result<TreeUpdate, StoreError> {
    changes.sort_unstable_by_key(|(hash, ..)| *hash);
    let mut update = Update { snapshot, version, nodes: Vec::new(), stale: Vec::new() };
    let before = version.checked_sub(1);
    let top = update.apply(0, before, &changes)?;
    let root = update.root(top)?;
    let Update { mut nodes, stale, .. } = update;
    nodes.sort_unstable();
    Ok(TreeUpdate { version, nodes, stale, root })
}

/// What is at a place of the tree: a leaf is written by whoever knows that it stays there.
enum Place {
    Empty,
    Leaf(Leaf),
    Inner(Child),
}

struct Update<'a> {
    snapshot: &'a Snapshot,
    version: u64,
    nodes: Vec<(Vec<u8>, Vec<u8>)>,
    stale: Vec<u8>,
}

impl Update<'_> {
    /// Applies `changes`, of which there is one at least, to the subtree at their first `depth` nibbles, which version `before`
    /// wrote, if it is there.
    fn apply(&mut self, depth: usize, before: Option<u64>, changes: &[Change<'_>]) -> Result<Place, StoreError> {
        let Some((first, ..)) = changes.first() else { return Ok(Place::Empty) };
        let before = before.map(|version| self.take(version, first, depth)).transpose()?;
        let stays = match before {
            Some(Stored::Inner(children)) => return self.apply_inner(depth, children, changes),
            Some(Stored::Leaf(leaf)) if changes.iter().all(|(hash, ..)| *hash != leaf.key) => Some(leaf),
            _ => None,
        };
        let set = changes.iter().filter_map(|(hash, key, value)| Some(Leaf::of(*hash, key, (*value)?)));
        let mut all = set.collect::<Result<Vec<_>, _>>()?;
        all.extend(stays);
        all.sort_unstable_by_key(|leaf| leaf.key);
        self.grow(depth, all)
    }

    fn apply_inner(
        &mut self,
        depth: usize,
        mut children: Box<Children>,
        changes: &[Change<'_>],
    ) -> Result<Place, StoreError> {
        let mut new = Vec::new();
        for group in changes.chunk_by(|(one, ..), (other, ..)| nibble(one, depth) == nibble(other, depth)) {
            let at = nibble(&group[0].0, depth);
            let below = self.apply(depth + 1, children[at].map(|child| child.version), group)?;
            children[at] = self.child(below, &mut new);
        }
        let mut there = children.iter().enumerate().filter_map(|(at, child)| Some((at, (*child)?)));
        match (there.next(), there.next()) {
            (None, _) => Ok(Place::Empty),
            (Some((at, only)), None) if only.is_leaf() => match new.pop() {
                Some(leaf) => Ok(Place::Leaf(leaf)),
                None => self.rise(&changes[0].0, depth, at, only.version),
            },
            _ => self.inner(depth, &children, new, &changes[0].0),
        }
    }

    /// The only leaf that is left below an inner node takes its place.
    fn rise(&mut self, path: &[u8; 32], depth: usize, at: usize, version: u64) -> Result<Place, StoreError> {
        let mut path = *path;
        // Both are below 16.
        path[depth / 2] = if depth.is_multiple_of(2) { (at as u8) << 4 } else { path[depth / 2] & 0xf0 | at as u8 };
        match self.take(version, &path, depth + 1)? {
            Stored::Leaf(leaf) => Ok(Place::Leaf(leaf)),
            _ => Err(StoreError::Corrupt("a leaf of the tree is none".into())),
        }
    }

    /// A subtree of `leaves` in order, where nothing was or one of them.
    fn grow(&mut self, depth: usize, mut leaves: Vec<Leaf>) -> Result<Place, StoreError> {
        if leaves.len() < 2 {
            return Ok(leaves.pop().map_or(Place::Empty, Place::Leaf));
        }
        let path = leaves[0].key;
        let (mut children, mut new) = (Children::default(), Vec::new());
        while let Some(last) = leaves.last() {
            let at = nibble(&last.key, depth);
            let from = leaves.partition_point(|leaf| nibble(&leaf.key, depth) < at);
            let below = leaves.split_off(from);
            let below = self.grow(depth + 1, below)?;
            children[at] = self.child(below, &mut new);
        }
        self.inner(depth, &children, new, &path)
    }

    /// How a place stands in the inner node above it; its leaf is kept in `new` until that is sure to be there.
    fn child(&self, place: Place, new: &mut Vec<Leaf>) -> Option<Child> {
        match place {
            Place::Empty => None,
            Place::Inner(child) => Some(child),
            Place::Leaf(leaf) => {
                let child = Child { hash: leaf.hash, version: self.version, kind: Kind::Leaf };
                new.push(leaf);
                Some(child)
            }
        }
    }

    /// Writes an inner node with the new leaves below it.
    fn inner(
        &mut self,
        depth: usize,
        children: &Children,
        new: Vec<Leaf>,
        path: &[u8; 32],
    ) -> Result<Place, StoreError> {
        for leaf in new {
            self.nodes.push((path_key(self.version, &leaf.key, depth + 1), leaf.row));
        }
        self.nodes.push((path_key(self.version, path, depth), inner_row(children)?));
        let kind = Kind::Inner { leaves: leaves(children) };
        Ok(Place::Inner(Child { hash: inner_hash(children), version: self.version, kind }))
    }

    /// Writes what is not written of the top, and gives its hash.
    fn root(&mut self, top: Place) -> Result<[u8; 32], StoreError> {
        let (row, hash) = match top {
            Place::Inner(child) => return Ok(child.hash),
            Place::Leaf(leaf) => (leaf.row, leaf.hash),
            Place::Empty => (null_row(), NOTHING),
        };
        self.nodes.push((path_key(self.version, &NOTHING, 0), row));
        Ok(hash)
    }

    /// Reads a node, which this version does not have any more.
    fn take(&mut self, version: u64, path: &[u8; 32], depth: usize) -> Result<Stored, StoreError> {
        let key = path_key(version, path, depth);
        let row = self.snapshot.tables.nodes.get(key.as_slice())?;
        let row = row.ok_or_else(|| StoreError::Corrupt("a node of the tree is missing".into()))?;
        // At most 41: a version, a length, 32 bytes of path.
        self.stale.push(key.len() as u8);
        self.stale.extend(key);
        Stored::read(row.value())
    }
}

fn nibble(hash: &[u8; 32], at: usize) -> usize {
    let byte = hash[at / 2];
    usize::from(if at.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f })
}
