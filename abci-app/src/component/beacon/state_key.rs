//! Keys of the beacon.

/// Where the last block moved the beacon. It moves in every block, and is no part of the tree: a chain on which nothing happens rests.
/// Example: `derived/beacon/value`
pub fn value() -> String {
    "derived/beacon/value".to_owned()
}
