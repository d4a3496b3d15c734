//! Whose a key is. Every component exports and imports what lies under its own prefixes, and all of state belongs to one.

/// A component's part of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Its name, as its folder is called.
    pub name: &'static str,
    /// What its keys begin with, in order: authenticated and derived.
    pub prefixes: &'static [&'static str],
}

macro_rules! components {
    ($($name:literal: [$($prefix:literal),+],)*) => {
        /// All there are, in the order of a file.
        pub const COMPONENTS: &[Component] = &[$(Component { name: $name, prefixes: &[$($prefix),+] }),*];
    };
}

components! {
    "params": ["params"],
    "accounts": ["accounts/"],
    "admission": ["derived/admission/"],
    "authority": ["authority/"],
    "staking": ["derived/staking/", "staking/"],
    "beacon": ["derived/beacon/"],
    "nodes": ["derived/nodes/", "nodes/"],
    "datanets": ["datanets/", "derived/datanets/"],
    "contributions": ["contributions/", "derived/contributions/"],
    "validation": ["validation/"],
    "models": ["models/"],
    "channels": ["channels/", "derived/channels/"],
    "settlement": ["settlement/"],
    "audits": ["audits/"],
    "treasury": ["treasury/"],
    "governance": ["derived/governance/", "governance/"],
    "agenda": ["derived/agenda/"],
    "breaker": ["breaker/"],
    "shares": ["derived/shares/", "shares/"],
    "pools": ["pools/"],
    "agents": ["agents/", "derived/agents/"],
    "ratings": ["ratings/"],
    "derived": ["chain/derived", "derived/digest"],
}

impl Component {
    /// Whether a key is its own.
    pub fn owns(&self, key: &str) -> bool {
        self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }
}

/// Whose a key is, by its place in [`COMPONENTS`].
pub fn owner(key: &str) -> Option<usize> {
    COMPONENTS.iter().position(|component| component.owns(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefix_is_within_another_and_each_components_are_in_order() {
        let all: Vec<&str> = COMPONENTS.iter().flat_map(|component| component.prefixes).copied().collect();
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().enumerate().all(|(other, two)| other == at || !two.starts_with(one)), "{one}");
        }
        assert!(COMPONENTS.iter().all(|component| component.prefixes.is_sorted()));
    }
}
