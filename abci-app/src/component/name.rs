//! The ledger's components by name.

/// Makes the enumeration, the list and the names from one table.
macro_rules! components {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A component, or what stands before all of them: what a [code](crate::code) is about, and what a
        /// [breaker](crate::component::breaker) stops.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Component {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Component {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name: a codespace of ABCI's, and part of keys.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

components! {
    /// The ledger as a whole: whether it runs, and has room.
    Ledger = "ledger",
    /// Questions to it.
    Query = "query",
    /// Its first state, parameters included.
    Genesis = "genesis",
    /// See [`crate::component::admission`].
    Admission = "admission",
    /// See [`crate::component::authority`].
    Authority = "authority",
    /// See [`crate::component::accounts`].
    Accounts = "accounts",
    /// See [`crate::component::nodes`].
    Nodes = "nodes",
    /// See [`crate::component::datanets`].
    Datanets = "datanets",
    /// See [`crate::component::contributions`].
    Contributions = "contributions",
    /// See [`crate::component::validation`].
    Validation = "validation",
    /// See [`crate::component::models`].
    Models = "models",
    /// See [`crate::component::channels`].
    Channels = "channels",
    /// See [`crate::component::settlement`].
    Settlement = "settlement",
    /// See [`crate::component::audits`].
    Audits = "audits",
    /// See [`crate::component::staking`].
    Staking = "staking",
    /// See [`crate::component::beacon`].
    Beacon = "beacon",
    /// See [`crate::component::params`].
    Params = "params",
    /// See [`crate::component::treasury`].
    Treasury = "treasury",
    /// See [`crate::component::breaker`].
    Breaker = "breaker",
    /// See [`crate::component::governance`].
    Governance = "governance",
    /// See [`crate::component::shares`].
    Shares = "shares",
    /// See [`crate::component::pools`].
    Pools = "pools",
    /// See [`crate::component::agents`].
    Agents = "agents",
    /// See [`crate::component::ratings`].
    Ratings = "ratings",
}

impl Component {
    /// The component called `name`.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|component| component.name() == name)
    }
}

impl std::str::FromStr for Component {
    type Err = NoComponent;

    fn from_str(text: &str) -> Result<Self, NoComponent> {
        Self::of_name(text).ok_or_else(|| NoComponent(text.to_owned()))
    }
}

/// A text that names no component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no component of the ledger")]
pub struct NoComponent(String);

impl std::fmt::Display for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
