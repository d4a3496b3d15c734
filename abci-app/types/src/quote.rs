//! What a serving node signs before it is paid: what an answer costs, at most, for how long, and of what.

use crate::key::{BadSignature, NodeKey, Signature, SigningKey, sign_bytes};
use crate::rate::Rate;
use crate::{Amount, Digest};

/// A serving node's word on a price: whoever asks with it before it expires pays no more. It is no payment and no promise to pay, so that
/// it may be shown to anybody.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedQuote {
    /// The node that answers.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// What is done: `ask`, `classify` or `complete`.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// The id of the datanet that is asked, or of the model that answers.
    #[prost(message, required, tag = "3")]
    pub subject: Digest,
    /// Base units that one answer costs at most.
    #[prost(uint64, tag = "4")]
    pub price: Amount,
    /// Hash of the one question that it is for; none if it is for any.
    #[prost(message, optional, tag = "5")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Digest>,
    /// When it expires, in seconds since 1970 by the node's clock.
    #[prost(uint64, tag = "6")]
    pub expires_at: u64,
    /// The node key's signature over [`SignedQuote::sign_bytes`].
    #[prost(message, required, tag = "7")]
    pub signature: Signature,
    /// The prices of written text that `price` is the most by; none if that is the price.
    #[prost(message, optional, tag = "8")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

impl SignedQuote {
    /// What the node signs: everything but the signature, for one chain.
    pub fn sign_bytes(&self, chain_id: &str) -> [u8; 32] {
        let payload: &[u8] = self.payload.as_ref().map_or(&[], |payload| &payload.0);
        let rate = self.rate.map_or_else(Vec::new, |rate| rate.to_bytes());
        let parts: [&[u8]; 8] = [
            chain_id.as_bytes(),
            &self.node.0,
            self.kind.as_bytes(),
            &self.subject.0,
            &self.price.to_le_bytes(),
            payload,
            &self.expires_at.to_le_bytes(),
            &rate,
        ];
        sign_bytes("datanet/quote/v2", &parts)
    }

    /// The same, signed by `key`, whose node it names from then on.
    #[must_use]
    pub fn signed(mut self, chain_id: &str, key: &SigningKey) -> Self {
        self.node = key.node_key();
        self.signature = key.sign(&self.sign_bytes(chain_id));
        self
    }

    /// Checks the signature of the node that it names.
    ///
    /// # Errors
    /// When the signature is not that node's over this chain and everything that the quote says.
    pub fn verify(&self, chain_id: &str) -> Result<(), BadSignature> {
        self.node.verify(&self.sign_bytes(chain_id), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_for_one_chain_and_for_what_it_says_to_the_last_field() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let quote = SignedQuote {
            kind: "ask".into(),
            subject: Digest([2; 32]),
            price: 500,
            payload: Some(Digest([3; 32])),
            expires_at: 9,
            ..SignedQuote::default()
        };
        let quote = quote.signed("c", &key);
        assert_eq!(quote.node, key.node_key());
        assert!(quote.verify("c").is_ok());
        assert!(quote.verify("d").is_err());
        let other = SigningKey::from_bytes(&[4; 32]).node_key();
        for changed in [
            SignedQuote { node: other, ..quote.clone() },
            SignedQuote { kind: "classify".into(), ..quote.clone() },
            SignedQuote { subject: Digest([9; 32]), ..quote.clone() },
            SignedQuote { price: 1, ..quote.clone() },
            SignedQuote { payload: None, ..quote.clone() },
            SignedQuote { payload: Some(Digest([4; 32])), ..quote.clone() },
            SignedQuote { expires_at: 10, ..quote.clone() },
            SignedQuote { rate: Some(Rate::default()), ..quote.clone() },
        ] {
            assert!(changed.verify("c").is_err(), "{changed:?}");
        }
    }

    #[test]
    fn a_quote_reads_as_it_was_written() {
        let quote = SignedQuote { kind: "ask".into(), ..SignedQuote::default() };
        let quote = quote.signed("c", &SigningKey::from_bytes(&[1; 32]));
        let text = serde_json::to_string(&quote).unwrap();
        assert!(!text.contains("payload"), "{text}");
        assert_eq!(serde_json::from_str::<SignedQuote>(&text).unwrap(), quote);
    }
}
