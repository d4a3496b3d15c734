//! Counting the parts of an encoded model before it is decoded.
//!
//! An empty message takes two bytes in a file and some hundred in memory: a small file could fill it. So the parts are
//! counted first, on the encoded bytes, without keeping anything.

/// A message that is looked into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Value,
    Type,
    Function,
    Training,
    /// Anything else: its fields are counted, and not looked into further.
    Leaf,
}

/// Which message a field of another holds; `None` for text, bytes and numbers.
fn child(kind: Kind, field: u64) -> Option<Kind> {
    Some(match (kind, field) {
        (Kind::Model, 7) | (Kind::Attribute, 6 | 11) | (Kind::Training, 1 | 2) => Kind::Graph,
        (Kind::Model, 25) => Kind::Function,
        (Kind::Model, 20) => Kind::Training,
        (Kind::Model, 8 | 14 | 26) => Kind::Leaf,
        (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
        (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) | (Kind::Sparse, 1 | 2) => Kind::Tensor,
        (Kind::Graph, 15) | (Kind::Attribute, 22 | 23) => Kind::Sparse,
        (Kind::Graph, 11..=13) | (Kind::Function, 12) => Kind::Value,
        (Kind::Node, 5) | (Kind::Function, 11) => Kind::Attribute,
        (Kind::Value, 2) | (Kind::Attribute, 14 | 15) => Kind::Type,
        (Kind::Graph, 14 | 16) | (Kind::Node, 9 | 10) | (Kind::Function, 9 | 14) | (Kind::Tensor, 13 | 16) => {
            Kind::Leaf
        }
        _ => return None,
    })
}

/// Parts of the encoded model: messages, texts and byte strings, up to `limit` and one more; `None` for bytes that
/// are no protobuf.
pub(super) fn parts(bytes: &[u8], limit: u64) -> Option<u64> {
    let mut pending = vec![(Kind::Model, bytes)];
    let mut count = 0u64;
    while let Some((kind, mut rest)) = pending.pop() {
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            match key & 7 {
                0 => {
                    varint(&mut rest)?;
                }
                1 => rest = rest.get(8..)?,
                5 => rest = rest.get(4..)?,
                2 => {
                    let length = usize::try_from(varint(&mut rest)?).ok()?;
                    let inner = rest.get(..length)?;
                    rest = rest.get(length..)?;
                    count += 1;
                    if kind == Kind::Type {
                        // Types nest in types and shapes: two bytes are a part at most.
                        count = count.saturating_add(length as u64 / 2);
                    } else if let Some(child) = child(kind, key >> 3) {
                        pending.push((child, inner));
                    }
                    if count > limit {
                        return Some(count);
                    }
                }
                // Groups are no part of ONNX; the decoder skips or refuses them.
                _ => return None,
            }
        }
    }
    Some(count)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
