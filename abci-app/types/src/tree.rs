//! The shape of RFC 6962 trees (left-complete), whatever their nodes hold.

use std::convert::Infallible;

/// What a node of a tree holds, and how two become one.
pub(crate) trait TreeNode: Copy {
    /// Why two cannot be joined.
    type Error;

    /// The node above `left` and `right`.
    fn join(left: &Self, right: &Self) -> Result<Self, Self::Error>;
}

/// The value of a result that cannot be an error.
pub(crate) fn sure<T>(result: Result<T, Infallible>) -> T {
    let Ok(value) = result;
    value
}

/// Roots of complete subtrees, largest first, with their heights: a root from leaves that stream by, in O(log n) memory.
#[derive(Debug, Clone)]
pub(crate) struct Peaks<N>(Vec<(u32, N)>);

impl<N> Default for Peaks<N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<N: TreeNode> Peaks<N> {
    /// Adds the next leaf.
    pub(crate) fn push(&mut self, leaf: N) -> Result<(), N::Error> {
        let (mut height, mut node) = (0u32, leaf);
        while let Some((top, left)) = self.0.last().copied() {
            if top != height {
                break;
            }
            self.0.pop();
            node = N::join(&left, &node)?;
            height = height.saturating_add(1);
        }
        self.0.push((height, node));
        Ok(())
    }

    /// The node above all leaves; `None` if there are none.
    pub(crate) fn root(&self) -> Result<Option<N>, N::Error> {
        let mut peaks = self.0.iter().rev().map(|(_, node)| *node);
        let Some(last) = peaks.next() else { return Ok(None) };
        peaks.try_fold(last, |right, left| N::join(&left, &right)).map(Some)
    }
}

/// The node above `leaves`; `None` if there are none.
pub(crate) fn root<N: TreeNode>(leaves: &[N]) -> Result<Option<N>, N::Error> {
    let mut peaks = Peaks::default();
    leaves.iter().try_for_each(|leaf| peaks.push(*leaf))?;
    peaks.root()
}

/// The largest power of two below `n` (for `n >= 2`): where RFC 6962 splits a tree.
pub(crate) fn split_point(n: usize) -> usize {
    let mut k = 1usize;
    while k.saturating_mul(2) < n {
        k = k.saturating_mul(2);
    }
    k
}

/// The siblings of the leaf at `index` of `leaves`, from its level to below the root; `None` if there is no such leaf.
pub(crate) fn siblings<N: TreeNode>(leaves: &[N], index: usize) -> Result<Option<Vec<N>>, N::Error> {
    if index >= leaves.len() {
        return Ok(None);
    }
    let mut siblings = Vec::new();
    let (mut rest, mut at) = (leaves, index);
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split_point(rest.len()));
        if at < left.len() {
            siblings.extend(root(right)?);
            rest = left;
        } else {
            siblings.extend(root(left)?);
            at = at.saturating_sub(left.len());
            rest = right;
        }
    }
    siblings.reverse();
    Ok(Some(siblings))
}

/// The root that `leaf` has at `index` of `total` leaves with these `siblings`; `None` if no tree of that size has such a
/// place or so many siblings there, or two nodes cannot be joined. RFC 9162, section 2.1.3.2: it walks up, knowing from
/// index and size on which side each sibling stands.
pub(crate) fn climb<N: TreeNode>(leaf: N, index: u64, total: u64, siblings: &[N]) -> Option<N> {
    if index >= total || siblings.len() > 64 {
        return None;
    }
    let (mut at, mut last) = (index, total.saturating_sub(1));
    let mut node = leaf;
    for sibling in siblings {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            node = N::join(sibling, &node).ok()?;
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            node = N::join(&node, sibling).ok()?;
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(node)
}
