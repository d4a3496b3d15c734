//! Kinds of actions, and sets of them.

use super::Action;

/// Defines the kinds once: their names, and their numbers, which are the field numbers in a transaction.
macro_rules! kinds {
    ($($variant:ident = $number:literal $name:literal,)*) => {
        /// What kind of thing an action does. Its number is the action's field number in a transaction.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ActionKind {
            $(#[doc = concat!("See [`super::", stringify!($variant), "`].")] $variant = $number,)*
        }

        impl ActionKind {
            /// All there are, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name, as in JSON and in events.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl Action {
            /// What kind it is.
            pub fn kind(&self) -> ActionKind {
                match self {
                    $(Self::$variant(_) => ActionKind::$variant,)*
                }
            }
        }

        #[cfg(test)]
        fn one_of_each() -> Vec<Action> {
            vec![$(Action::$variant(Default::default()),)*]
        }
    };
}

kinds! {
    Transfer = 10 "transfer",
    RegisterNode = 11 "register_node",
    CreateDatanet = 12 "create_datanet",
    Contribute = 13 "contribute",
    AttestStorage = 14 "attest_storage",
    CommitScores = 15 "commit_scores",
    RevealScores = 16 "reveal_scores",
    RegisterModel = 17 "register_model",
    OpenChannel = 18 "open_channel",
    CloseChannel = 19 "close_channel",
    SettleEpoch = 20 "settle_epoch",
    Claim = 21 "claim",
    Revoke = 22 "revoke",
    ChallengeEpoch = 23 "challenge_epoch",
    CommitFinding = 24 "commit_finding",
    ProveForgery = 25 "prove_forgery",
    RevealFinding = 28 "reveal_finding",
    ChallengeVerdict = 29 "challenge_verdict",
    TopUpChannel = 30 "top_up_channel",
    AttestStatement = 31 "attest_statement",
    CloseDatanet = 32 "close_datanet",
    RotateHoldout = 33 "rotate_holdout",
    CreateValidator = 40 "create_validator",
    Delegate = 41 "delegate",
    Undelegate = 42 "undelegate",
    Redelegate = 43 "redelegate",
    WithdrawRewards = 44 "withdraw_rewards",
    Unjail = 45 "unjail",
    SetKeys = 50 "set_keys",
    RecoverKeys = 51 "recover_keys",
    CancelRecovery = 52 "cancel_recovery",
    GrantKey = 53 "grant_key",
    RevokeKey = 54 "revoke_key",
    RegisterAgent = 55 "register_agent",
    UpdateAgent = 56 "update_agent",
    RetireAgent = 57 "retire_agent",
    RateSeller = 58 "rate_seller",
    SpendTreasury = 60 "spend_treasury",
    CancelSpend = 61 "cancel_spend",
    SetParams = 62 "set_params",
    CancelParams = 63 "cancel_params",
    ResetComponent = 64 "reset_component",
    SubmitProposal = 70 "submit_proposal",
    VoteProposal = 71 "vote_proposal",
    RetireAuthority = 72 "retire_authority",
    IssueShares = 80 "issue_shares",
    TransferShares = 81 "transfer_shares",
    WithdrawIncome = 82 "withdraw_income",
    ClaimIncome = 83 "claim_income",
    PayIncome = 84 "pay_income",
    CreatePool = 85 "create_pool",
    AddLiquidity = 86 "add_liquidity",
    RemoveLiquidity = 87 "remove_liquidity",
    BuyShares = 88 "buy_shares",
    SellShares = 89 "sell_shares",
}

impl ActionKind {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether only whoever was drawn by stake can send it, and once.
    pub fn is_of_who_is_drawn(self) -> bool {
        matches!(self, Self::CommitScores | Self::RevealScores | Self::CommitFinding | Self::RevealFinding)
    }

    /// Whether others lose something if it comes too late: judging, settling and evidence, which only whoever has a part in them can
    /// send.
    pub fn is_urgent(self) -> bool {
        use ActionKind::{ChallengeEpoch, ChallengeVerdict, ProveForgery, SettleEpoch};
        self.is_of_who_is_drawn() || matches!(self, SettleEpoch | ChallengeEpoch | ChallengeVerdict | ProveForgery)
    }

    /// Whether it decides who speaks for an account, for an agent, or for the chain, whose money no sub-key's budget counts, or gives away what no budget
    /// counts: never a sub-key's to do.
    pub fn is_for_owners(self) -> bool {
        let about_keys =
            matches!(self, Self::SetKeys | Self::RecoverKeys | Self::CancelRecovery | Self::GrantKey | Self::RevokeKey);
        let about_the_chain = matches!(
            self,
            Self::SpendTreasury
                | Self::CancelSpend
                | Self::SetParams
                | Self::CancelParams
                | Self::ResetComponent
                | Self::RetireAuthority
        );
        // Shares leave an account by these, and no budget counts what they are worth.
        let about_shares = matches!(
            self,
            Self::IssueShares | Self::TransferShares | Self::CreatePool | Self::AddLiquidity | Self::SellShares
        );
        // Who owns an agent speaks for its account, and says what its sub-keys may spend.
        let about_agents = matches!(self, Self::RegisterAgent | Self::UpdateAgent | Self::RetireAgent);
        about_keys || about_the_chain || about_shares || about_agents
    }

    /// Numbers from 10 to 73 are as many as a set has bits; those of shares and pools stand at places that no such number has.
    fn bit(self) -> u64 {
        let place = match self as u8 {
            number @ 80..=85 => number.saturating_sub(80 - 34),
            number @ 86..=89 => number.saturating_sub(86 - 46),
            number => number,
        };
        1u64.checked_shl(u32::from(place).saturating_sub(10)).unwrap_or(0)
    }
}

/// A set of kinds: bit 0 is the kind of number 10; 80 to 85 are where 34 to 39 would be, and 86 to 89 where 46 to 49. As JSON a list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActionSet(pub u64);

impl ActionSet {
    /// Whether it has bits that are of no kind.
    pub fn has_unknown(self) -> bool {
        self.0 & !ActionKind::ALL.iter().copied().collect::<Self>().0 != 0
    }

    /// Whether `kind` is in it.
    pub fn contains(self, kind: ActionKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// What is in it, by number.
    pub fn kinds(self) -> impl Iterator<Item = ActionKind> {
        ActionKind::ALL.iter().copied().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<ActionKind> for ActionSet {
    fn from_iter<I: IntoIterator<Item = ActionKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | kind.bit()))
    }
}

/// The bits of a set, as JSON.
pub(super) mod names {
    use super::{ActionKind, ActionSet};

    pub(crate) fn serialize<S: serde::Serializer>(bits: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ActionSet(*bits).kinds().map(ActionKind::name))
    }

    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let names = <Vec<String> as serde::Deserialize>::deserialize(deserializer)?;
        let kind = |name: &String| {
            ActionKind::named(name).ok_or_else(|| serde::de::Error::custom(format!("there is no action {name:?}")))
        };
        Ok(names.iter().map(kind).collect::<Result<ActionSet, _>>()?.0)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::TxBody;

    #[test]
    fn the_number_of_a_kind_is_its_field_number_and_a_transaction_knows_it() {
        for action in one_of_each() {
            let kind = action.kind();
            let body = TxBody { action: Some(action.clone()), ..TxBody::default() };
            let bytes = body.encode_to_vec();
            // An empty account comes first: the tag, its length, and the field in it.
            let mut rest = &bytes[2 + usize::from(bytes[1])..];
            let tag = prost::encoding::decode_varint(&mut rest).unwrap();
            assert_eq!(tag >> 3, kind as u64, "{}", kind.name());
            assert_eq!(TxBody::decode(bytes.as_slice()).unwrap().action, Some(action), "{}", kind.name());
            let json = serde_json::to_value(body.action).unwrap();
            assert_eq!(json["type"], kind.name());
            assert!(ActionSet(kind.bit()).kinds().eq([kind]) && !ActionSet(kind.bit()).has_unknown());
        }
        assert!(ActionSet(1 << 63).has_unknown());
    }
}
