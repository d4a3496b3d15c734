//! Which component an action is one of.

use datanet_types::Action;

use crate::component::Component;

/// The component that does `action`, and stands still after a contradiction in it.
pub(super) fn owner(action: &Action) -> Component {
    match action {
        Action::Transfer(_) => Component::Accounts,
        Action::SetKeys(_)
        | Action::RecoverKeys(_)
        | Action::CancelRecovery(_)
        | Action::GrantKey(_)
        | Action::RevokeKey(_) => Component::Authority,
        Action::RegisterNode(_) => Component::Nodes,
        Action::CreateDatanet(_) | Action::CloseDatanet(_) | Action::RotateHoldout(_) => Component::Datanets,
        Action::Contribute(_) | Action::AttestStorage(_) | Action::Revoke(_) => Component::Contributions,
        Action::CommitScores(_) | Action::RevealScores(_) | Action::ChallengeVerdict(_) => Component::Validation,
        Action::RegisterModel(_) => Component::Models,
        Action::OpenChannel(_) | Action::TopUpChannel(_) | Action::CloseChannel(_) => Component::Channels,
        Action::SettleEpoch(_) | Action::AttestStatement(_) | Action::Claim(_) | Action::ClaimIncome(_) => {
            Component::Settlement
        }
        Action::ChallengeEpoch(_) | Action::CommitFinding(_) | Action::RevealFinding(_) | Action::ProveForgery(_) => {
            Component::Audits
        }
        Action::CreateValidator(_)
        | Action::Delegate(_)
        | Action::Undelegate(_)
        | Action::Redelegate(_)
        | Action::WithdrawRewards(_)
        | Action::Unjail(_) => Component::Staking,
        Action::SpendTreasury(_) | Action::CancelSpend(_) => Component::Treasury,
        Action::RetireAuthority(_) => Component::Treasury,
        Action::SetParams(_) | Action::CancelParams(_) => Component::Params,
        Action::SubmitProposal(_) | Action::VoteProposal(_) => Component::Governance,
        Action::ResetComponent(_) => Component::Breaker,
        Action::IssueShares(_) | Action::TransferShares(_) | Action::WithdrawIncome(_) | Action::PayIncome(_) => {
            Component::Shares
        }
        Action::RegisterAgent(_) | Action::UpdateAgent(_) | Action::RetireAgent(_) => Component::Agents,
        Action::RateSeller(_) => Component::Ratings,
        Action::CreatePool(_)
        | Action::AddLiquidity(_)
        | Action::RemoveLiquidity(_)
        | Action::BuyShares(_)
        | Action::SellShares(_) => Component::Pools,
    }
}
