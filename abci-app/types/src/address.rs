//! Account addresses: 20 bytes, written as bech32m with the prefix `dn`.

use crate::id::{IdError, fixed_bytes, tagged_hash};
use crate::key::PublicKey;

const PREFIX: bech32::Hrp = bech32::Hrp::parse_unchecked("dn");

fixed_bytes!(
    /// An account: the first 20 bytes of a tagged BLAKE3 hash of its public key. Text form: bech32m, `dn1…`,
    /// whose checksum catches any four wrong characters.
    Address,
    20
);

impl Address {
    /// The address of `key`.
    pub fn of(key: &PublicKey) -> Self {
        Self::derive("datanet/address/v1", &[&key.0])
    }

    /// The address of an account that no key controls, such as an escrow of the ledger.
    pub fn module(name: &str, parts: &[&[u8]]) -> Self {
        let mut all = vec![name.as_bytes()];
        all.extend_from_slice(parts);
        Self::derive("datanet/module-address/v1", &all)
    }

    fn derive(domain: &str, parts: &[&[u8]]) -> Self {
        let mut address = [0; 20];
        address.copy_from_slice(&tagged_hash(domain, parts)[..20]);
        Self(address)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        bech32::encode_to_fmt::<bech32::Bech32m, _>(f, PREFIX, &self.0).map_err(|_| std::fmt::Error)
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Address {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<bech32::Bech32m>(text)
            .map_err(|error| IdError::Address(error.to_string()))?;
        if checked.hrp() != PREFIX {
            return Err(IdError::Address(format!("wrong prefix {:?}", checked.hrp().as_str())));
        }
        Self::from_slice(&checked.byte_iter().collect::<Vec<_>>())
    }
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_address_is_refused() {
        let text = Address([9; 20]).to_string();
        assert!(text.starts_with("dn1"));
        assert_eq!(text.parse::<Address>().unwrap(), Address([9; 20]));
        let last = if text.ends_with('q') { 'p' } else { 'q' };
        let typo = format!("{}{last}", &text[..text.len() - 1]);
        assert!(typo.parse::<Address>().is_err());
    }
}
