//! API keys of this node: who they are, what of their limits is spent, and what was done with them.

use datanet_api::tokens::{LogEntry, Scope, TokenLimit};
use datanet_types::{Address, Amount, ChannelId, Digest};
use redb::{ReadableTable, WriteTransaction};

use super::{LocalStore, failed, table};
use crate::error::ServiceResult;

/// Id to token.
const TOKENS: table::Table = redb::TableDefinition::new("tokens");
/// Id to what of its limit is spent.
const SPENT: table::Table = redb::TableDefinition::new("token_spending");
/// Id and channel to what the token has paid in and not yet asked for.
const PAID_IN: table::Table = redb::TableDefinition::new("token_channels");
/// Number to what happened.
const LOG: table::Table = redb::TableDefinition::new("token_log");
/// The latest time that was seen.
const CLOCK: table::Table = redb::TableDefinition::new("token_clock");

/// Entries of the log that are kept.
const LOG_ENTRIES: u64 = 10_000;

/// A token. Its secret is nowhere: it is known by its hash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenRecord {
    /// Hexadecimal, a part of the secret's text.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Hash of the secret's text.
    pub hash: Digest,
    /// What it is good for.
    pub scopes: std::collections::BTreeSet<Scope>,
    /// In whose name it acts; of all accounts here if there is none.
    pub accounts: Vec<Address>,
    /// The most that it may spend.
    pub limit: Option<TokenLimit>,
    /// Its place among all.
    pub number: u64,
    /// Seconds since 1970.
    pub created_at: u64,
    /// When it ends by itself, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// When and how it ended.
    pub ended: Option<Ended>,
}

/// The end of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ended {
    /// Seconds since 1970.
    pub at: u64,
    /// Whether somebody ended it, rather than the time.
    pub revoked: bool,
}

/// What of a limit is spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spending {
    /// The number of the period that it is of.
    pub window: u64,
    /// Base units.
    pub taken: Amount,
}

impl Spending {
    /// The same in the period of this number. A clock that was put back does not begin an old one anew.
    #[must_use]
    pub fn in_window(self, window: u64) -> Self {
        if window > self.window { Self { window, taken: 0 } } else { self }
    }
}

/// Something to be taken of a limit.
#[derive(Debug, Clone, Copy)]
pub struct Take<'a> {
    /// Whose.
    pub token: &'a str,
    /// The number of the period.
    pub window: u64,
    /// The most of a period, in base units.
    pub most: Amount,
    /// Base units.
    pub amount: Amount,
    /// The channel that it is paid from: what the token has paid in there was counted then.
    pub channel: Option<ChannelId>,
}

/// What was taken, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The number of the period.
    pub window: u64,
    /// Of the limit, in base units.
    pub of_limit: Amount,
    /// Of what the token has paid into the channel.
    pub of_channel: Amount,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    [TOKENS, SPENT, PAID_IN, LOG, CLOCK].into_iter().try_for_each(|name| table::create(tx, name))
}

fn place(token: &str, channel: &ChannelId) -> Vec<u8> {
    [token.as_bytes(), channel.0.as_slice()].concat()
}

/// Writes an entry behind the last, and forgets the oldest.
fn append(tx: &WriteTransaction, mut entry: LogEntry) -> ServiceResult<()> {
    let last = {
        let log = tx.open_table(LOG).map_err(failed)?;
        let last = log.last().map_err(failed)?;
        last.and_then(|(key, _)| key.value().try_into().ok().map(u64::from_be_bytes))
    };
    entry.number = last.unwrap_or(0).saturating_add(1);
    table::put(tx, LOG, &entry.number.to_be_bytes(), &entry)?;
    if let Some(oldest) = entry.number.checked_sub(LOG_ENTRIES) {
        table::remove(tx, LOG, &oldest.to_be_bytes())?;
    }
    table::put(tx, CLOCK, &[], &entry.at)
}

impl LocalStore {
    /// All tokens.
    ///
    /// # Errors
    /// When the private store cannot be read; so for all here, or written.
    pub fn tokens(&self) -> ServiceResult<Vec<TokenRecord>> {
        Ok(self.read(|tx| table::all(tx, TOKENS))?.into_iter().map(|(_, record)| record).collect())
    }

    /// The latest time that a write here has seen, in seconds since 1970.
    ///
    /// # Errors
    /// As [`LocalStore::tokens`].
    pub fn latest_time(&self) -> ServiceResult<u64> {
        Ok(self.read(|tx| table::get(tx, CLOCK, &[]))?.unwrap_or(0))
    }

    /// Keeps a token as it is now, and why.
    ///
    /// # Errors
    /// As [`LocalStore::tokens`].
    pub fn put_token(&self, record: &TokenRecord, entry: LogEntry) -> ServiceResult<()> {
        self.write(|tx| {
            table::put(tx, TOKENS, record.id.as_bytes(), record)?;
            append(tx, entry)
        })
    }

    /// Takes `take` of its token's limit, if that much is left; else says how much is, and takes nothing.
    ///
    /// # Errors
    /// As [`LocalStore::tokens`].
    pub fn take_of_limit(&self, take: Take<'_>, entry: LogEntry) -> ServiceResult<Result<Taken, Amount>> {
        self.write(|tx| {
            let spending = table::get_in::<Spending>(tx, SPENT, take.token.as_bytes())?.unwrap_or_default();
            let Spending { window, taken } = spending.in_window(take.window);
            let paid_in = match &take.channel {
                Some(channel) => table::get_in::<Amount>(tx, PAID_IN, &place(take.token, channel))?.unwrap_or(0),
                None => 0,
            };
            let of_channel = paid_in.min(take.amount);
            let of_limit = take.amount.saturating_sub(of_channel);
            let left = take.most.saturating_sub(taken);
            if of_limit > left {
                return Ok(Err(left.saturating_add(paid_in)));
            }
            let spending = Spending { window, taken: taken.saturating_add(of_limit) };
            table::put(tx, SPENT, take.token.as_bytes(), &spending)?;
            if let Some(channel) = &take.channel
                && of_channel > 0
            {
                table::put(tx, PAID_IN, &place(take.token, channel), &paid_in.saturating_sub(of_channel))?;
            }
            append(tx, entry)?;
            Ok(Ok(Taken { window, of_limit, of_channel }))
        })
    }

    /// Gives back what was taken and is not spent after all.
    ///
    /// # Errors
    /// As [`LocalStore::tokens`].
    pub fn give_back(
        &self,
        token: &str,
        taken: &Taken,
        channel: Option<&ChannelId>,
        entry: LogEntry,
    ) -> ServiceResult<()> {
        self.write(|tx| {
            let spending = table::get_in::<Spending>(tx, SPENT, token.as_bytes())?.unwrap_or_default();
            if spending.window == taken.window {
                let left = spending.taken.saturating_sub(taken.of_limit);
                table::put(tx, SPENT, token.as_bytes(), &Spending { taken: left, ..spending })?;
            }
            if let Some(channel) = channel
                && taken.of_channel > 0
            {
                pay_in(tx, token, channel, taken.of_channel)?;
            }
            append(tx, entry)
        })
    }

    /// Remembers that a token has paid so much into a channel, which was taken of its limit then.
    ///
    /// # Errors
    /// As [`LocalStore::tokens`].
    pub fn paid_into_channel(&self, token: &str, channel: &ChannelId, amount: Amount) -> ServiceResult<()> {
        self.write(|tx| pay_in(tx, token, channel, amount))
    }

    /// What of a token's limit is spent.
    ///
    /// # Errors
    /// As [`LocalStore::tokens`].
    pub fn spending(&self, token: &str) -> ServiceResult<Spending> {
        Ok(self.read(|tx| table::get(tx, SPENT, token.as_bytes()))?.unwrap_or_default())
    }

    /// Writes down what happened.
    ///
    /// # Errors
    /// As [`LocalStore::tokens`].
    pub fn log_token(&self, entry: LogEntry) -> ServiceResult<()> {
        self.write(|tx| append(tx, entry))
    }

    /// The latest entries of the log that are older than `before`, the latest first.
    ///
    /// # Errors
    /// As [`LocalStore::tokens`].
    pub fn token_log(&self, before: Option<u64>, limit: usize) -> ServiceResult<Vec<LogEntry>> {
        let last = before.unwrap_or(u64::MAX).saturating_sub(1);
        self.read(|tx| {
            let log = tx.open_table(LOG).map_err(failed)?;
            let mut entries = Vec::new();
            let (from, to) = (0_u64.to_be_bytes(), last.to_be_bytes());
            for entry in log.range(from.as_slice()..=to.as_slice()).map_err(failed)?.rev().take(limit) {
                let (_, value) = entry.map_err(failed)?;
                entries.push(serde_json::from_slice(value.value()).map_err(failed)?);
            }
            Ok(entries)
        })
    }
}

fn pay_in(tx: &WriteTransaction, token: &str, channel: &ChannelId, amount: Amount) -> ServiceResult<()> {
    let place = place(token, channel);
    let before = table::get_in::<Amount>(tx, PAID_IN, &place)?.unwrap_or(0);
    table::put(tx, PAID_IN, &place, &before.saturating_add(amount))
}
