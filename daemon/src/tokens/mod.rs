//! API keys: programs that act on this node within limits, and the log of what they did.
//!
//! A token has scopes (which routes it opens, `http::scopes`), accounts (in whose name it acts, [`crate::caller`]), a limit (what it may spend,
//! [`spending`]) and an end. Its secret is shown once, when it is made; a hash of it is kept. What stands in the node's api-token file is the
//! operator's, has no limit, and is no entry here.

mod spending;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use datanet_api::tokens::{LogEntry, NewToken, Scope, TokenInfo};
use datanet_types::{Address, Digest};

pub use crate::db::tokens::TokenRecord;
pub use spending::{Hold, Spender};

use crate::db::LocalStore;
use crate::db::tokens::Ended;
use crate::error::{Code, ServiceError, ServiceResult};

/// What every secret begins with, so that people and scanners of leaked secrets know one when they see it.
pub const PREFIX: &str = "dnt_";
/// The id of the operator's token.
pub const OPERATOR: &str = "operator";
/// Tokens that are kept, those that have ended among them.
const MOST: usize = 10_000;
/// Seconds in which the same refusal is written down once.
const REFUSALS: u64 = 60;
/// Refusals told apart at most; what is more waits for the next minute.
const TOLD_APART: usize = 1_000;

/// All tokens of a node; clones share them.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    db: LocalStore,
    known: RwLock<BTreeMap<String, Arc<TokenRecord>>>,
    /// Held while one is made or ended.
    changing: Mutex<()>,
    /// The latest time that was seen: a clock that is put back makes no token live again.
    latest: AtomicU64,
    clock: fn() -> u64,
    refusals: Mutex<BTreeMap<(String, String), Told>>,
}

/// When a refusal was written down last, and how often it was since.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    at: u64,
    times: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Those in the node's private store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(db: LocalStore) -> ServiceResult<Self> {
        Self::with_clock(db, crate::db::now)
    }

    fn with_clock(db: LocalStore, clock: fn() -> u64) -> ServiceResult<Self> {
        let known = db.tokens()?.into_iter().map(|record| (record.id.clone(), Arc::new(record))).collect();
        let latest = AtomicU64::new(db.latest_time()?);
        let inner = Inner {
            db,
            known: RwLock::new(known),
            changing: Mutex::default(),
            latest,
            clock,
            refusals: Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Seconds since 1970, never less than before.
    fn now(&self) -> u64 {
        let now = (self.0.clock)();
        self.0.latest.fetch_max(now, Ordering::Relaxed).max(now)
    }

    fn get(&self, id: &str) -> Option<Arc<TokenRecord>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All tokens, in the order in which they were made.
    pub fn list(&self) -> Vec<Arc<TokenRecord>> {
        let mut all: Vec<_> = self.0.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by_key(|record| record.number);
        all
    }

    /// Makes a token for `accounts`; its secret is known to nobody but whoever gets it from here.
    ///
    /// # Errors
    /// When what is asked for contradicts itself ([`Code::BadField`], [`Code::BadName`]), the name is taken ([`Code::TokenExists`]), or the
    /// private store fails.
    pub fn create(&self, new: &NewToken, accounts: Vec<Address>) -> ServiceResult<(Arc<TokenRecord>, String)> {
        check(new)?;
        let _one_at_a_time = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.list();
        if all.iter().any(|record| record.name == new.name && record.ended.is_none()) || new.name == OPERATOR {
            let detail = format!("a token called {:?} is there already; choose another name, or revoke it", new.name);
            return Err(ServiceError::new(Code::TokenExists, detail).about("name"));
        }
        if all.len() >= MOST {
            let detail = format!("this node has {MOST} tokens and keeps no more; let programs share one");
            return Err(ServiceError::new(Code::TokenExists, detail));
        }
        let (id, secret) = fresh()?;
        let now = self.now();
        let record = TokenRecord {
            hash: hash(&secret),
            id,
            name: new.name.clone(),
            scopes: new.scopes.clone(),
            accounts,
            limit: new.limit,
            number: all.last().map_or(1, |last| last.number.saturating_add(1)),
            created_at: now,
            expires_at: new.lasts_seconds.map(|seconds| now.saturating_add(seconds)),
            ended: None,
        };
        let scopes: Vec<&str> = record.scopes.iter().map(|scope| scope.name()).collect();
        self.keep(record, "created", format!("for {}", scopes.join(", "))).map(|record| (record, secret))
    }

    fn keep(&self, record: TokenRecord, event: &str, detail: String) -> ServiceResult<Arc<TokenRecord>> {
        self.0.db.put_token(&record, self.entry(&record, event, detail))?;
        let record = Arc::new(record);
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(record.id.clone(), record.clone());
        Ok(record)
    }

    /// Ends the token of this id or name, at once and for good.
    ///
    /// # Errors
    /// When there is none ([`Code::UnknownToken`]), or the private store fails.
    pub fn revoke(&self, id_or_name: &str) -> ServiceResult<Arc<TokenRecord>> {
        let _one_at_a_time = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let named = || self.list().into_iter().rev().find(|record| record.name == id_or_name);
        let Some(record) = self.get(id_or_name).or_else(named) else {
            let detail = if id_or_name == OPERATOR {
                "the operator's token is the one in the node's api-token file; to replace it, stop the node, remove that file and type `datanet init`".to_owned()
            } else {
                format!("there is no token {:?}; `datanet token list` shows them", id_or_name)
            };
            return Err(ServiceError::new(Code::UnknownToken, detail));
        };
        match record.ended {
            Some(Ended { revoked: true, .. }) => Ok(record),
            _ => self.end(&record, true, "by the operator"),
        }
    }

    fn end(&self, record: &TokenRecord, revoked: bool, why: &str) -> ServiceResult<Arc<TokenRecord>> {
        let ended = Some(Ended { at: self.now(), revoked });
        let event = if revoked { "revoked" } else { "expired" };
        self.keep(TokenRecord { ended, ..record.clone() }, event, why.to_owned())
    }

    /// The token whose secret is `given`, if it has not ended.
    ///
    /// # Errors
    /// When it is no token's ([`Code::Token`]) or that of one that has ended ([`Code::TokenEnded`]).
    pub fn known(&self, given: &str) -> ServiceResult<Arc<TokenRecord>> {
        let id = given.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).map_or("", |(id, _)| id);
        let found = self.get(id);
        // Hashes are compared, in a time that says nothing of where they differ; also where there is nothing to compare with.
        let expected = found.as_ref().map_or([0; 32], |record| record.hash.0);
        let same = blake3::Hash::from_bytes(hash(given).0) == blake3::Hash::from_bytes(expected);
        let Some(record) = found.filter(|_| same) else {
            self.refused(None, "a token that is none");
            let detail = "the token is wrong: no token of this node has that secret; `datanet token create` makes one, and the operator's is in the node's api-token file";
            return Err(ServiceError::new(Code::Token, detail));
        };
        self.live(&record.id)
    }

    /// The token of this id, if it has not ended.
    fn live(&self, id: &str) -> ServiceResult<Arc<TokenRecord>> {
        let unknown = || ServiceError::new(Code::Token, format!("there is no token {id}"));
        let record = self.get(id).ok_or_else(unknown)?;
        let how = match (record.ended, record.expires_at) {
            (Some(Ended { revoked: true, .. }), _) => "was revoked",
            (Some(_), _) => "has expired",
            (None, Some(expires)) if self.now() >= expires => {
                let _one_at_a_time = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
                if self.get(id).is_some_and(|record| record.ended.is_none()) {
                    self.end(&record, false, "its time is over")?;
                }
                "has expired"
            }
            _ => return Ok(record),
        };
        let detail = format!("the token {:?} {how}; make another with `datanet token create`", record.name);
        Err(ServiceError::new(Code::TokenEnded, detail))
    }

    /// Writes down that something was refused to a token, or to whoever sent one that is none: the same once a minute at most, with how often
    /// it was, so that nobody fills the log by guessing.
    pub fn refused(&self, token: Option<&TokenRecord>, what: &str) {
        let (id, name) = token.map_or_else(Default::default, |token| (token.id.clone(), token.name.clone()));
        let now = self.now();
        let mut told = self.0.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_APART {
            told.retain(|_, told| now < told.at.saturating_add(REFUSALS));
            if told.len() >= TOLD_APART {
                return;
            }
        }
        let told_before = told.entry((id.clone(), what.to_owned())).or_default();
        told_before.times = told_before.times.saturating_add(1);
        if told_before.at > 0 && now < told_before.at.saturating_add(REFUSALS) {
            return;
        }
        let times = std::mem::take(&mut told_before.times);
        told_before.at = now;
        drop(told);
        let entry = LogEntry { times, ..blank(now, id, name, "refused", what.to_owned()) };
        if let Err(error) = self.0.db.log_token(entry) {
            tracing::warn!(%error, "a refusal is not in the tokens' log");
        }
    }

    /// The latest of what was done with tokens, the latest first.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn log(&self, before: Option<u64>, limit: usize) -> ServiceResult<Vec<LogEntry>> {
        self.0.db.token_log(before, limit)
    }

    fn entry(&self, record: &TokenRecord, event: &str, detail: String) -> LogEntry {
        blank(self.now(), record.id.clone(), record.name.clone(), event, detail)
    }

    /// What can be told of a token.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn info(&self, record: &TokenRecord) -> ServiceResult<TokenInfo> {
        let now = self.now();
        let (left, renews_at) = match record.limit {
            Some(limit) => {
                let spent = self.0.db.spending(&record.id)?.in_window(spending::window(limit.period, now));
                let next = |seconds: u64| spent.window.saturating_add(1).saturating_mul(seconds);
                (Some(limit.amount.saturating_sub(spent.taken)), limit.period.seconds().map(next))
            }
            None => (None, None),
        };
        let expired = record.expires_at.is_some_and(|expires| now >= expires);
        let state = match record.ended {
            Some(Ended { revoked: true, .. }) => "revoked",
            Some(_) => "expired",
            None if expired => "expired",
            None => "active",
        };
        Ok(TokenInfo {
            id: record.id.clone(),
            name: record.name.clone(),
            scopes: record.scopes.clone(),
            accounts: record.accounts.clone(),
            limit: record.limit,
            left,
            renews_at,
            created_at: Some(record.created_at),
            expires_at: record.expires_at,
            ended_at: record.ended.map(|ended| ended.at),
            state: state.to_owned(),
        })
    }

    /// What can be told of the operator's token.
    pub fn operators() -> TokenInfo {
        TokenInfo {
            id: OPERATOR.to_owned(),
            name: OPERATOR.to_owned(),
            scopes: [Scope::Admin].into(),
            accounts: Vec::new(),
            limit: None,
            left: None,
            renews_at: None,
            created_at: None,
            expires_at: None,
            ended_at: None,
            state: "active".to_owned(),
        }
    }
}

fn blank(at: u64, token: String, name: String, event: &str, detail: String) -> LogEntry {
    LogEntry { number: 0, at, token, name, event: event.to_owned(), detail, account: None, amount: None, times: 1 }
}

/// Whether a token can be as it is asked for.
fn check(new: &NewToken) -> ServiceResult<()> {
    let bad = |field: &'static str, detail: &str| Err(ServiceError::new(Code::BadField, detail).about(field));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !(1..=64).contains(&new.name.len()) || !new.name.chars().all(plain) {
        let detail = "a token's name is 1 to 64 letters, digits, hyphens, underscores or dots";
        return Err(ServiceError::new(Code::BadName, detail).about("name"));
    }
    if new.scopes.is_empty() {
        let names = Scope::ALL.map(Scope::name).join(", ");
        return bad("scopes", &format!("a token without a scope is good for nothing; give it some of {names}"));
    }
    if new.scopes.contains(&Scope::Admin) && (!new.accounts.is_empty() || new.limit.is_some()) {
        return bad(
            "scopes",
            "who has the scope admin makes keys and tokens as he likes, so that accounts and a limit would bind nobody; leave out one or the other",
        );
    }
    if new.limit.is_some_and(|limit| limit.amount == 0) {
        return bad(
            "limit",
            "a limit of nothing is no limit to spend by; leave out the scopes that cost money instead",
        );
    }
    if new.lasts_seconds == Some(0) {
        return bad("lasts_seconds", "the token would end as it begins; write a number of seconds, or leave it out");
    }
    Ok(())
}

/// The hash by which a secret is known. It is as random as the hash is long, so that nothing slower makes guessing harder.
fn hash(secret: &str) -> Digest {
    Digest(blake3::derive_key("datanet api token v1", secret.as_bytes()))
}

/// An id and the secret that it is part of.
fn fresh() -> ServiceResult<(String, String)> {
    let mut bytes = [0; 40];
    getrandom::fill(&mut bytes)
        .map_err(|error| ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}")))?;
    let (id, secret) = bytes.split_at(8);
    let id = hex::encode(id);
    let secret = format!("{PREFIX}{id}_{}", hex::encode(secret));
    Ok((id, secret))
}
