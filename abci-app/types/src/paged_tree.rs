//! A Merkle sum tree cut into pages, each a full subtree of it: a page's root follows from the page alone, and the tree's from those.
//!
//! ```text
//!              root                        of all leaves, as [`crate::sum_tree`] makes it
//!            /      \
//!         ( )        \                     the tree over the pages' roots
//!        /   \        \
//!     page 0  page 1  page 2               each over [`PAGE_LEAVES`] leaves, the last over what is left
//! ```
//!
//! A left-complete tree splits at powers of two, and so at every page: whoever has one page and the other pages' roots proves each leaf of it.

use crate::sum_tree::{SumNode, SumOverflow, SumProof};
use crate::tree;

/// Leaves of a page: so many that a list of pages and one page of the largest epoch are of about the same length. A power of two.
pub const PAGE_LEAVES: u64 = 1 << 10;

/// Pages of so many leaves.
pub const fn pages(leaves: u64) -> u64 {
    leaves.div_ceil(PAGE_LEAVES)
}

/// Leaves on a page, of `total` in all; 0 if there is no such page.
pub const fn leaves_on(page: u64, total: u64) -> u64 {
    let left = total.saturating_sub(page.saturating_mul(PAGE_LEAVES));
    if left < PAGE_LEAVES { left } else { PAGE_LEAVES }
}

/// Proves the leaf at `at` of a page whose leaves these are, by the `roots` of all pages of `total` leaves; `None` if there is no such leaf or page.
///
/// # Errors
/// When the amounts overflow.
pub fn prove(
    (page, at): (usize, usize),
    leaves: &[SumNode],
    roots: &[SumNode],
    total: u64,
) -> Result<Option<SumProof>, SumOverflow> {
    let (Some(within), Some(above)) = (tree::siblings(leaves, at)?, tree::siblings(roots, page)?) else {
        return Ok(None);
    };
    let index = (page as u64).saturating_mul(PAGE_LEAVES).saturating_add(at as u64);
    Ok(Some(SumProof { index, total, siblings: [within, above].concat() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::sum_tree::{prove as prove_whole, root};
    use proptest::prelude::*;

    fn leaves(count: usize) -> Vec<SumNode> {
        (0..count)
            .map(|at| SumNode { digest: Digest(*blake3::hash(&at.to_le_bytes()).as_bytes()), sum: at as u64 % 97 })
            .collect()
    }

    fn roots(leaves: &[SumNode]) -> Vec<SumNode> {
        leaves.chunks(PAGE_LEAVES as usize).map(|page| root(page).unwrap()).collect()
    }

    #[test]
    fn the_largest_trees_have_as_many_pages_as_an_index_names() {
        assert!(PAGE_LEAVES.is_power_of_two());
        assert_eq!((pages(0), pages(1), pages(PAGE_LEAVES), pages(PAGE_LEAVES + 1)), (0, 1, 1, 2));
        assert_eq!(pages(crate::epoch::MAX_ACCOUNTS), 256);
        assert_eq!(pages(crate::settled_receipt::MAX_ANSWERS), 64);
        assert_eq!([0, 1, 2, 3].map(|page| leaves_on(page, 2 * PAGE_LEAVES + 5)), [PAGE_LEAVES, PAGE_LEAVES, 5, 0]);
        assert_eq!(leaves_on(u64::MAX, u64::MAX), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn pages_give_the_same_root_and_the_same_proofs_as_the_whole_tree(
            count in prop_oneof![1usize..40, 1_000usize..1_050, 2_040usize..2_060, 1usize..9_000],
            pick: prop::sample::Index,
        ) {
            let (all, index) = (leaves(count), pick.index(count));
            let roots = roots(&all);
            prop_assert_eq!(roots.len() as u64, pages(count as u64));
            prop_assert_eq!(root(&roots), root(&all));
            let size = PAGE_LEAVES as usize;
            let (page, at) = (index / size, index % size);
            let own = &all[page * size..count.min((page + 1) * size)];
            prop_assert_eq!(own.len() as u64, leaves_on(page as u64, count as u64));
            let proof = prove((page, at), own, &roots, count as u64).unwrap().unwrap();
            prop_assert!(proof.verify(all[index], &root(&all).unwrap()));
            prop_assert_eq!(Some(proof), prove_whole(&all, index).unwrap());
            prop_assert_eq!(prove((page, own.len()), own, &roots, count as u64).unwrap(), None);
            prop_assert_eq!(prove((roots.len(), 0), own, &roots, count as u64).unwrap(), None);
        }
    }
}
