//! The gossip message that says: this contribution exists and I hold its bytes.

use prost::Message;

use crate::codec::{CodecError, decode_canonical};
use crate::key::{BadSignature, Signature, SigningKey, sign_bytes};
use crate::{BlobHash, ContributionId, DatanetId, NodeKey};

/// Longest announcement in bytes.
pub const MAX_ANNOUNCEMENT_BYTES: usize = 1024;

/// The gossip topic of a datanet.
pub fn topic(chain_id: &str, datanet: &DatanetId) -> String {
    format!("datanet/{chain_id}/{datanet}/1")
}

/// What a holder announces.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Announcement {
    /// The chain.
    #[prost(string, tag = "1")]
    pub chain_id: String,
    /// The datanet, whose topic carries the message.
    #[prost(message, required, tag = "2")]
    pub datanet: DatanetId,
    /// The contribution.
    #[prost(message, required, tag = "3")]
    pub contribution: ContributionId,
    /// Its bytes.
    #[prost(message, required, tag = "4")]
    pub blob: BlobHash,
    /// How many.
    #[prost(uint64, tag = "5")]
    pub size: u64,
    /// A node that holds them: the signer.
    #[prost(message, required, tag = "6")]
    pub provider: NodeKey,
    /// The provider's signature over all of the above.
    #[prost(message, required, tag = "7")]
    pub signature: Signature,
}

/// Why an announcement is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// Not canonical, or too long.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Not signed by the provider.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// Of another chain, or sent on another datanet's topic.
    #[error("announcement does not belong to this topic")]
    WrongTopic,
}

impl Announcement {
    fn sign_bytes(&self) -> [u8; 32] {
        let unsigned = Self { signature: Signature::ZERO, ..self.clone() };
        sign_bytes("datanet/announcement/v1", &[&unsigned.encode_to_vec()])
    }

    /// Fills in provider and signature.
    pub fn sign(mut self, key: &SigningKey) -> Self {
        self.provider = key.node_key();
        self.signature = key.sign(&self.sign_bytes());
        self
    }

    /// Decodes what came on `topic` of `chain_id` and checks it.
    ///
    /// # Errors
    /// When the bytes are not a canonical announcement of at most [`MAX_ANNOUNCEMENT_BYTES`], it belongs to another
    /// chain or topic, or its provider did not sign it.
    pub fn verify(bytes: &[u8], chain_id: &str, on_topic: &str) -> Result<Self, AnnouncementError> {
        let announcement: Self = decode_canonical(bytes, MAX_ANNOUNCEMENT_BYTES)?;
        if announcement.chain_id != chain_id || topic(chain_id, &announcement.datanet) != on_topic {
            return Err(AnnouncementError::WrongTopic);
        }
        announcement.provider.verify(&announcement.sign_bytes(), &announcement.signature)?;
        Ok(announcement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_announcement_is_good_on_its_own_topic_only() {
        let datanet = DatanetId([1; 32]);
        let key = SigningKey::from_bytes(&[3; 32]);
        let bytes = Announcement { chain_id: "c".into(), datanet, size: 9, ..Announcement::default() }
            .sign(&key)
            .encode_to_vec();
        assert!(Announcement::verify(&bytes, "c", &topic("c", &datanet)).is_ok());
        let other = topic("c", &DatanetId([2; 32]));
        assert_eq!(Announcement::verify(&bytes, "c", &other), Err(AnnouncementError::WrongTopic));
    }

    proptest! {
        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Announcement::verify(&bytes, "c", "datanet/c/x/1").is_err());
        }
    }
}
