//! What the node signs in others' words, x402's and A2A's: JWS (RFC 7515), EdDSA (RFC 8037), by the node's key.
//!
//! Three lines over the signature that the node makes everywhere else: a library for JOSE brings a second implementation of ed25519, RSA and
//! ciphers, of which nothing is used. Whoever verifies needs no document from here: the key's name (`did:jwk`) holds the key, and is the node's on
//! the ledger. What is signed begins with `eyJ`, and everything else that this key signs is a hash of 32 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datanet_types::{NodeKey, SigningKey};
use serde_json::{Value, json};

/// The key's name, which holds it.
pub(crate) fn key_id(node: &NodeKey) -> String {
    // Written out: these bytes are the name.
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(node.0));
    format!("did:jwk:{}#0", URL_SAFE_NO_PAD.encode(jwk))
}

/// `payload`, signed, in compact form.
pub(crate) fn sign(payload: &Value, key: &SigningKey) -> String {
    let header = json!({ "alg": "EdDSA", "kid": key_id(&key.node_key()) });
    let payload = payload.to_string();
    let Detached { protected, signature } = over(&header, payload.as_bytes(), key);
    format!("{protected}.{}.{signature}", URL_SAFE_NO_PAD.encode(payload))
}

/// A signature beside what it is over.
pub(crate) struct Detached {
    /// The header, in base64url.
    pub(crate) protected: String,
    /// The signature, in base64url.
    pub(crate) signature: String,
}

/// The signature of `payload`, which its reader has.
pub(crate) fn detached(payload: &[u8], key: &SigningKey) -> Detached {
    over(&json!({ "alg": "EdDSA", "kid": key_id(&key.node_key()), "typ": "JOSE" }), payload, key)
}

fn over(header: &Value, payload: &[u8], key: &SigningKey) -> Detached {
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let signed = format!("{protected}.{}", URL_SAFE_NO_PAD.encode(payload));
    Detached { protected, signature: URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).0) }
}

#[cfg(test)]
mod tests {
    use datanet_types::Signature;

    use super::*;

    /// RFC 8037, appendix A.4, whose header and payload these are not, but whose key is.
    #[test]
    fn what_is_signed_is_verified_by_what_its_name_holds() {
        let secret = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::from_bytes(&secret.try_into().unwrap());
        let signed = sign(&json!({ "version": 1, "amount": "5" }), &key);
        let [header, payload, signature]: [&str; 3] = signed.split('.').collect::<Vec<_>>().try_into().unwrap();
        let read = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        assert_eq!(read(payload), json!({ "version": 1, "amount": "5" }));
        assert_eq!(read(header)["alg"], "EdDSA");
        let kid = read(header)["kid"].as_str().unwrap().to_owned();
        let jwk = read(kid.strip_prefix("did:jwk:").unwrap().strip_suffix("#0").unwrap());
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "the public key of the same appendix");
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        assert!(key.public_key().verify(format!("{header}.{payload}").as_bytes(), &signature).is_ok());
        assert!(key.public_key().verify(format!("{header}.{payload}x").as_bytes(), &signature).is_err());
    }
}
