//! State that is not in the tree, and how the tree binds it all the same.
//!
//! Indices, lists of what is due and the memory against replay follow from the blocks, and nobody proves them to anybody. They
//! are in the store, in each block's one write and under each snapshot, but not in the tree: their keys begin with
//! [`crate::state::DERIVED`]. A digest chains what each block changed there:
//!
//! ```text
//!   digest' = SHA-256(tag, digest, then for each changed key in order: its length, it, whether it is there, its length, the value)
//! ```
//!
//! The digest is derived itself. A block that changes the tree anyway copies it into one leaf of it, so that nodes whose derived
//! state has gone apart have different app hashes from that block on. A block that changes derived state alone leaves the app
//! hash as it was: an engine that makes a block for every new app hash comes to rest.

pub mod state_key;

use sha2::{Digest, Sha256};

use crate::state::{Changes, DERIVED, StateError, StateRead, is_derived};

const TAG: &[u8] = b"datanet/derived/1";

/// Adds to a block's `changes` over `before`, which must all be changes in truth, the digest of those to derived state, and the
/// leaf that tells of it if the tree changes.
pub(crate) fn seal<S: StateRead>(before: &S, changes: &mut Changes) -> Result<(), StateError> {
    let known = before.get_raw(&state_key::digest())?;
    let digest = chain(known.as_deref(), changes).or(known);
    let Some(digest) = digest else { return Ok(()) };
    let leaf = state_key::leaf();
    let moves_tree = changes.keys().any(|key| !is_derived(key));
    if moves_tree && before.get_raw(&leaf)?.as_ref() != Some(&digest) {
        changes.insert(leaf, Some(digest.clone()));
    }
    if changes.keys().any(|key| is_derived(key)) {
        changes.insert(state_key::digest(), Some(digest));
    }
    Ok(())
}

/// The digest after `changes`, if any of them is to derived state.
fn chain(before: Option<&[u8]>, changes: &Changes) -> Option<Vec<u8>> {
    let own = state_key::digest();
    let derived = changes.range(DERIVED.to_owned()..).take_while(|(key, _)| is_derived(key));
    let mut derived = derived.filter(|(key, _)| **key != own).peekable();
    derived.peek()?;
    let mut hasher = Sha256::new();
    hasher.update(TAG);
    hasher.update(before.unwrap_or(&[0; 32]));
    for (key, value) in derived {
        let bytes = value.as_deref().unwrap_or_default();
        hasher.update((key.len() as u64).to_be_bytes());
        hasher.update(key);
        hasher.update([u8::from(value.is_some())]);
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    }
    Some(hasher.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{MemoryState, StateWrite};

    /// What sealing adds to a block over `state`, and the state after it.
    fn block(state: &mut MemoryState, changes: &[(&str, Option<&str>)]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let mut changes: Changes =
            changes.iter().map(|(key, value)| ((*key).into(), value.map(|value| value.into()))).collect();
        seal(state, &mut changes).unwrap();
        for (key, value) in &changes {
            state.set_raw(key.clone(), value.clone());
        }
        let added = |key: String| changes.get(&key).cloned().flatten();
        (added(state_key::digest()), added(state_key::leaf()))
    }

    #[test]
    fn the_leaf_follows_the_digest_only_where_the_tree_changes_anyway() {
        let mut state = MemoryState::default();
        assert_eq!(block(&mut state, &[("a", Some("1"))]), (None, None));
        let (first, leaf) = block(&mut state, &[("derived/x", Some("1"))]);
        assert!(first.is_some() && leaf.is_none());
        let (second, leaf) = block(&mut state, &[("derived/x", None)]);
        assert!(second.is_some() && second != first && leaf.is_none());
        assert_eq!(block(&mut state, &[("a", Some("2"))]), (None, second.clone()));
        assert_eq!(block(&mut state, &[("a", Some("3"))]), (None, None));
        let (third, leaf) = block(&mut state, &[("a", Some("4")), ("derived/x", Some("1"))]);
        assert!(third == leaf && third != first && third != second);
        assert_eq!(block(&mut state, &[]), (None, None));
    }

    #[test]
    fn no_two_lists_of_changes_have_one_digest() {
        let digest = |changes: &[(&str, Option<&str>)]| block(&mut MemoryState::default(), changes).0.unwrap();
        let digests = [
            digest(&[("derived/a", Some("b"))]),
            digest(&[("derived/a", Some(""))]),
            digest(&[("derived/a", None)]),
            digest(&[("derived/ab", Some(""))]),
            digest(&[("derived/a", Some("b")), ("derived/b", None)]),
            digest(&[("derived/a", Some("b")), ("derived/b", Some(""))]),
        ];
        let different: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(different.len(), digests.len());
    }
}
