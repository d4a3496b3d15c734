//! Addresses of accounts: 20 bytes for a user's, written as bech32m with the prefix `dn`, and 32 for a module's, with `dnmod`.

use crate::id::{IdError, fixed_bytes, tagged_hash};
use crate::key::PublicKey;

const PREFIX: bech32::Hrp = bech32::Hrp::parse_unchecked("dn");
const MODULE_PREFIX: bech32::Hrp = bech32::Hrp::parse_unchecked("dnmod");

fixed_bytes!(
    /// An account: the first 20 bytes of a tagged BLAKE3 hash of its public key. Text form: bech32m, `dn1…`,
    /// whose checksum catches any four wrong characters.
    Address,
    20
);

fixed_bytes!(
    /// An account that no key controls, such as an escrow of the ledger: a whole tagged BLAKE3 hash of what it is for. No hash of a
    /// key is so long, so that nobody looks for a key that fits; and no field that names a user holds it, so that nobody sends it
    /// anything either. Text form: bech32m, `dnmod1…`.
    ModuleAddress,
    32
);

impl Address {
    /// The address of `key`.
    pub fn of(key: &PublicKey) -> Self {
        let mut address = [0; 20];
        address.copy_from_slice(&tagged_hash("datanet/address/v1", &[&key.0])[..20]);
        Self(address)
    }

    /// The address of the account of `agent`, which no key was made for.
    pub(crate) fn of_agent(agent: &crate::AgentId) -> Self {
        let mut address = [0; 20];
        address.copy_from_slice(&tagged_hash("datanet/agent-address/v1", &[&agent.0])[..20]);
        Self(address)
    }
}

impl ModuleAddress {
    /// The account that is for `name`, of the thing that `parts` identify.
    pub fn of(name: &str, parts: &[&[u8]]) -> Self {
        let mut all = vec![name.as_bytes()];
        all.extend_from_slice(parts);
        Self(tagged_hash("datanet/module-address/v2", &all))
    }
}

/// A user's account, which keys speak for, or a module's, which the ledger's rules alone move. Users come first in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Of 20 bytes: the hash of a key.
    User(Address),
    /// Of 32 bytes: no key's.
    Module(ModuleAddress),
}

impl Account {
    /// Its bytes: of a length that tells which of the two it is.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::User(address) => &address.0,
            Self::Module(address) => &address.0,
        }
    }

    /// The user, if it is one's.
    pub fn user(&self) -> Option<Address> {
        match self {
            Self::User(address) => Some(*address),
            Self::Module(_) => None,
        }
    }
}

impl From<Address> for Account {
    fn from(address: Address) -> Self {
        Self::User(address)
    }
}

impl From<ModuleAddress> for Account {
    fn from(address: ModuleAddress) -> Self {
        Self::Module(address)
    }
}

impl From<&Address> for Account {
    fn from(address: &Address) -> Self {
        Self::User(*address)
    }
}

impl From<&ModuleAddress> for Account {
    fn from(address: &ModuleAddress) -> Self {
        Self::Module(*address)
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(address) => address.fmt(f),
            Self::Module(address) => address.fmt(f),
        }
    }
}

impl std::str::FromStr for Account {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.starts_with("dnmod1") { text.parse().map(Self::Module) } else { text.parse().map(Self::User) }
    }
}

impl serde::Serialize for Account {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Account {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The bytes that `text` writes, which must be with `prefix`.
fn decode(text: &str, prefix: bech32::Hrp) -> Result<Vec<u8>, IdError> {
    let refused = |found| if prefix == MODULE_PREFIX { IdError::ModuleAddress(found) } else { IdError::Address(found) };
    let checked = bech32::primitives::decode::CheckedHrpstring::new::<bech32::Bech32m>(text)
        .map_err(|error| refused(error.to_string()))?;
    let found = checked.hrp();
    if found == prefix {
        Ok(checked.byte_iter().collect())
    } else if found == MODULE_PREFIX {
        Err(refused("this is a module's account, which no key controls and nobody pays".to_owned()))
    } else {
        Err(refused(format!("wrong prefix {:?}", found.as_str())))
    }
}

/// Adds bech32m `Display`, `FromStr` and serde to an address.
macro_rules! bech32_text {
    ($name:ident, $prefix:expr) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                bech32::encode_to_fmt::<bech32::Bech32m, _>(f, $prefix, &self.0).map_err(|_| std::fmt::Error)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{self}")
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::from_slice(&decode(text, $prefix)?)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

bech32_text!(Address, PREFIX);
bech32_text!(ModuleAddress, MODULE_PREFIX);

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

    #[test]
    fn the_account_of_a_module_is_no_users_in_text_or_bytes() {
        let module = ModuleAddress::of("treasury", &[]);
        let text = module.to_string();
        assert!(text.starts_with("dnmod1"), "{text}");
        assert_eq!(text.parse::<ModuleAddress>().unwrap(), module);
        let refused = text.parse::<Address>().unwrap_err().to_string();
        assert!(refused.contains("no key controls") && refused.contains("starts with \"dn1\""), "{refused}");
        assert!(serde_json::from_value::<Address>(serde_json::json!(text)).is_err());
        assert!(Address([9; 20]).to_string().parse::<ModuleAddress>().is_err());
        // Under the other's prefix neither has the right length.
        let disguised = bech32::encode::<bech32::Bech32m>(PREFIX, &module.0).unwrap();
        assert!(matches!(disguised.parse::<Address>(), Err(IdError::Length { .. })));
        let bytes = prost::Message::encode_to_vec(&module);
        assert!(<Address as prost::Message>::decode(&bytes[..]).is_err());
        for account in [Account::from(module), Account::from(Address([9; 20]))] {
            assert_eq!(account.to_string().parse(), Ok(account));
            let json = serde_json::to_value(account).unwrap();
            assert_eq!(serde_json::from_value::<Account>(json).unwrap(), account);
        }
    }
}
