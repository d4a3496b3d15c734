//! One ed25519 key, three spellings: 32 raw bytes, libp2p's `PeerId`, iroh's `EndpointId`.

use libp2p::PeerId;
use libp2p::identity::{self, ed25519};

/// A node's ed25519 public key, 32 bytes.
pub type NodeKey = [u8; 32];

/// The BLAKE3 hash of a blob, 32 bytes.
pub type Hash = [u8; 32];

/// The public node key that belongs to a 32-byte ed25519 secret.
#[must_use]
pub fn node_key_of_secret(secret: &[u8; 32]) -> NodeKey {
    *iroh::SecretKey::from_bytes(secret).public().as_bytes()
}

/// The `PeerId` of a node key; `None` when the bytes are not a point of the curve.
pub(crate) fn peer_id(key: &NodeKey) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(key).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

/// The node key inside a `PeerId`; `None` for peers that do not use ed25519 and so cannot be nodes of this network.
pub(crate) fn node_key(peer: &PeerId) -> Option<NodeKey> {
    // Small keys are embedded in the id under the identity multihash (code 0), so no lookup is needed.
    let multihash = peer.as_ref();
    if multihash.code() != 0 {
        return None;
    }
    let key = identity::PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    Some(key.try_into_ed25519().ok()?.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libp2p_and_iroh_agree_on_the_key_of_a_secret() {
        let secret = [7u8; 32];
        let keypair = identity::Keypair::ed25519_from_bytes(secret).unwrap();
        let key = node_key_of_secret(&secret);
        assert_eq!(node_key(&keypair.public().to_peer_id()), Some(key));
        assert_eq!(peer_id(&key), Some(keypair.public().to_peer_id()));
    }

    #[test]
    fn a_peer_id_without_an_ed25519_key_is_no_node() {
        assert_eq!(node_key(&PeerId::random()), None);
    }
}
