//! Whom a request comes from, for as long as it is answered: what of this node's accounts it may use, and for how much.
//!
//! It rides with the task, and the keyring looks at it: a handler that asks for a key gets one only for whom it is meant, and a key that
//! counts what it signs. So no route can forget to ask. Where nobody is named, it is the node itself: its workers. A task that a handler
//! starts is the node's too, unless it is started by [`spawn`]: what acts for the caller there takes its keys before, or is started so.

mod denied;
mod rate;

use std::net::IpAddr;
use std::sync::Arc;

use datanet_api::tokens::Scope;
use datanet_types::{Address, ContributionId};

pub use denied::DenyList;
pub use rate::{Rate, RateLimiter};

use crate::billing::exchange::Exchange;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;
use crate::tokens::Spender;

tokio::task_local! {
    static CALLER: Caller;
}

/// Whom a request comes from.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Whoever has the node's own token: everything.
    Operator,
    /// A program with a token of its own.
    Token(Spender),
    /// A stranger, on the public face: no key of this node's signs for one.
    Stranger(Arc<Stranger>),
}

/// What a stranger is measured by.
#[derive(Debug, Clone)]
pub struct Stranger {
    /// Where he is.
    pub address: IpAddr,
    /// What is kept from strangers.
    pub denied: Arc<DenyList>,
    /// How much each payer may ask for.
    pub payers: Arc<RateLimiter<Address>>,
    /// What his request pays with, where that does not stand in its body.
    pub exchange: Option<Arc<Exchange>>,
}

/// Who pays for an answer where the caller names nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payer {
    /// Whom the configuration names.
    Configured,
    /// The one account of the caller's token.
    Account(Address),
    /// Nobody: the caller brings a voucher, or is told the price.
    Nobody,
}

/// Whose receipts a caller may see: what others have asked is theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payers {
    /// Everybody's.
    All,
    /// Those of all accounts whose keys are on this node.
    OfThisNode,
    /// Those of these accounts.
    Accounts(Vec<Address>),
}

/// Runs `work` for `caller`.
pub async fn scope<F: Future>(caller: Caller, work: F) -> F::Output {
    CALLER.scope(caller, work).await
}

/// Who is answered now; nobody where the node acts by itself.
pub fn current() -> Option<Caller> {
    CALLER.try_with(Clone::clone).ok()
}

/// Starts a task that is its starter's caller's.
pub fn spawn<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match current() {
        Some(caller) => tokio::spawn(scope(caller, work)),
        None => tokio::spawn(work),
    }
}

fn stranger() -> Option<Arc<Stranger>> {
    match current() {
        Some(Caller::Stranger(stranger)) => Some(stranger),
        _ => None,
    }
}

/// What the present request pays with beside its body; nothing where no stranger is answered.
pub fn exchange() -> Option<Arc<Exchange>> {
    stranger()?.exchange.clone()
}

/// Runs `work` for the present caller, if that is a stranger, who pays as `exchange` says.
pub async fn in_exchange<F: Future>(exchange: Arc<Exchange>, work: F) -> F::Output {
    match stranger() {
        Some(stranger) => {
            let stranger = Stranger { exchange: Some(exchange), ..Stranger::clone(&stranger) };
            scope(Caller::Stranger(Arc::new(stranger)), work).await
        }
        None => work.await,
    }
}

/// Whether a stranger is answered.
pub fn is_stranger() -> bool {
    stranger().is_some()
}

/// The key as the caller may use it.
///
/// # Errors
/// For a stranger ([`Code::NotOnThePublicFace`]), and for a token that does not act in the name of its account
/// ([`Code::ForeignAccount`]).
pub fn lend(key: AccountKey) -> ServiceResult<AccountKey> {
    match current() {
        None | Some(Caller::Operator) => Ok(key),
        Some(Caller::Token(spender)) => {
            acts_in(&spender, &key.address())?;
            Ok(key.spent_by(spender))
        }
        Some(Caller::Stranger(_)) => refuse_strangers().map(|()| key),
    }
}

/// Says to a stranger that there is no key here for him: before it is looked for, since which accounts are here is nobody's business.
///
/// # Errors
/// For a stranger ([`Code::NotOnThePublicFace`]).
pub fn refuse_strangers() -> ServiceResult<()> {
    if !is_stranger() {
        return Ok(());
    }
    Err(ServiceError::new(
        Code::NotOnThePublicFace,
        "here no account of this node pays or signs for you; pay by a voucher on a channel of your own, or sign the transaction yourself and send it to /v1/tx",
    ))
}

/// Whether the caller may act in the name of `account`.
///
/// # Errors
/// When its token does not ([`Code::ForeignAccount`]).
pub fn acts_for(account: &Address) -> ServiceResult<()> {
    match current() {
        Some(Caller::Token(spender)) => acts_in(&spender, account),
        _ => Ok(()),
    }
}

fn acts_in(spender: &Spender, account: &Address) -> ServiceResult<()> {
    let token = spender.token();
    if token.accounts.is_empty() || token.accounts.contains(account) {
        return Ok(());
    }
    spender.tokens().refused(Some(token), &format!("acting for account {account}"));
    let own: Vec<String> = token.accounts.iter().map(ToString::to_string).collect();
    Err(ServiceError::new(
        Code::ForeignAccount,
        format!(
            "the token {:?} acts for {} and not for {account}; name one of those (\"account\", or \"from\"), or have a token made for the other (`datanet token create --account`)",
            token.name,
            own.join(", ")
        ),
    ))
}

/// Who pays where the caller names nobody.
pub fn payer() -> Payer {
    match current() {
        Some(Caller::Stranger(_)) => Payer::Nobody,
        Some(Caller::Token(spender)) => match spender.token().accounts.as_slice() {
            [account] => Payer::Account(*account),
            _ => Payer::Configured,
        },
        _ => Payer::Configured,
    }
}

/// Whose receipts the caller may see.
pub fn payers() -> Payers {
    match current() {
        None | Some(Caller::Operator) => Payers::All,
        Some(Caller::Stranger(_)) => Payers::Accounts(Vec::new()),
        Some(Caller::Token(spender)) => match spender.token() {
            token if token.scopes.contains(&Scope::Admin) => Payers::All,
            token if token.accounts.is_empty() => Payers::OfThisNode,
            token => Payers::Accounts(token.accounts.clone()),
        },
    }
}

/// Counts a question of a payer whose voucher is good.
///
/// # Errors
/// When a stranger asks, and that payer has asked too often ([`Code::RateLimited`]).
pub fn count_payer(payer: &Address) -> ServiceResult<()> {
    let Some(stranger) = stranger() else { return Ok(()) };
    stranger.payers.take(payer, 1).map_err(|seconds| {
        ServiceError::new(
            Code::RateLimited,
            format!("account {payer} asks more often than public.answers_per_minute; ask again in {seconds} s"),
        )
        .again_in(seconds)
    })
}

/// Whether something with this hash is kept from whoever is answered now: a blob, contribution, datanet or model.
pub fn is_denied(hash: &[u8; 32]) -> bool {
    stranger().is_some_and(|stranger| stranger.denied.has(hash))
}

/// Refuses what is kept from whoever is answered now.
///
/// # Errors
/// When one of `hashes` is on the operator's list ([`Code::Denied`]).
pub fn refuse_denied<'a>(hashes: impl IntoIterator<Item = &'a [u8; 32]>) -> ServiceResult<()> {
    if hashes.into_iter().any(is_denied) {
        let detail = "the operator of this node does not give this out; other nodes of the network may";
        return Err(ServiceError::new(Code::Denied, detail));
    }
    Ok(())
}

/// Whether a contribution, or its bytes, is kept from whoever is answered now. Asked of many: nothing is looked up for who is no stranger.
pub fn is_contribution_denied(id: &ContributionId, blob_of: impl FnOnce(&ContributionId) -> Option<[u8; 32]>) -> bool {
    let Some(stranger) = stranger() else { return false };
    if stranger.denied.is_empty() {
        return false;
    }
    stranger.denied.has(&id.0) || blob_of(id).is_some_and(|blob| stranger.denied.has(&blob))
}
