//! The ledger's name among networks.

/// CAIP-2: a namespace, and what tells its chains apart, of 32 characters at most. A chain whose id is no such word goes by the hash of it.
pub(super) fn of(chain_id: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=32).contains(&chain_id.len()) && chain_id.chars().all(is_word) {
        return format!("datanet:{chain_id}");
    }
    let hash = blake3::hash(chain_id.as_bytes()).to_hex();
    format!("datanet:{}", hash.get(..32).unwrap_or_default())
}

/// The money: the ledger's own.
pub(super) const ASSET: &str = "native";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_has_a_name_that_is_one_and_its_own() {
        assert_eq!(of("datanet-1"), "datanet:datanet-1");
        let (dotted, long) = (of("my.chain"), of(&"a".repeat(33)));
        for name in [&dotted, &long] {
            assert_eq!(name.len(), "datanet:".len() + 32, "{name}");
            assert!(name.chars().skip(8).all(|c| c.is_ascii_hexdigit()), "{name}");
        }
        assert_ne!(dotted, long);
    }
}
