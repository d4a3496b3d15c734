//! What a token spends: taken of its limit before it is spent, durably and one after the other, so that neither parallel calls nor a
//! restart spend more. What turns out not to be spent is given back; where that is not known, it stays taken.

use std::sync::Arc;

use datanet_api::tokens::{LogEntry, Period};
use datanet_types::amount::display;
use datanet_types::{Address, Amount, ChannelId};

use super::{TokenRecord, Tokens};
use crate::db::tokens::{Take, Taken};
use crate::error::{Code, ServiceError, ServiceResult};

/// The number of the period that a time is in.
pub(super) fn window(period: Period, now: u64) -> u64 {
    period.seconds().and_then(|seconds| now.checked_div(seconds)).unwrap_or(0)
}

/// A token as one that spends. It rides with the keys that a caller is given, so that whatever is signed with one is counted.
#[derive(Debug, Clone)]
pub struct Spender {
    tokens: Tokens,
    token: Arc<TokenRecord>,
}

impl Spender {
    /// `token`, one of `tokens`.
    pub fn new(tokens: Tokens, token: Arc<TokenRecord>) -> Self {
        Self { tokens, token }
    }

    /// Which it is.
    pub fn token(&self) -> &TokenRecord {
        &self.token
    }

    /// All of them.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Takes `amount` base units of the limit, for `what`, which `account` pays; from `channel`, if that is how it is paid.
    ///
    /// # Errors
    /// When that much is not left ([`Code::TokenLimit`]), the token has ended meanwhile ([`Code::TokenEnded`]), or the private store fails.
    pub fn spend(
        &self,
        what: &str,
        account: Address,
        amount: Amount,
        channel: Option<ChannelId>,
    ) -> ServiceResult<Hold> {
        let token = self.tokens.live(&self.token.id)?;
        let now = self.tokens.now();
        let (period, most) = token.limit.map_or((Period::Total, Amount::MAX), |limit| (limit.period, limit.amount));
        let take = Take { token: &token.id, window: window(period, now), most, amount, channel };
        let entry = self.tokens.entry(&token, "spent", what.to_owned());
        let entry = LogEntry { account: Some(account), amount: Some(amount), ..entry };
        match self.tokens.0.db.take_of_limit(take, entry)? {
            Ok(taken) => Ok(Hold {
                spender: self.clone(),
                what: what.to_owned(),
                account,
                channel,
                taken: Some(taken),
                keeps: false,
            }),
            Err(left) => {
                self.tokens.refused(Some(&token), &format!("{what}: more than its limit"));
                Err(self.too_much(&token, what, amount, left)?)
            }
        }
    }

    fn too_much(&self, token: &TokenRecord, what: &str, amount: Amount, left: Amount) -> ServiceResult<ServiceError> {
        let info = self.tokens.info(token)?;
        let (most, per) = token.limit.map_or((0, "total"), |limit| (limit.amount, limit.period.name()));
        let when = match info.renews_at {
            Some(at) => format!("; it begins anew at {at}, in seconds since 1970"),
            None => String::new(),
        };
        let detail = format!(
            "{what} takes {} with its fee, and the token {:?} has {} left of {} ({per}){when}; ask for less, or for a token with a higher limit (`datanet token create --limit`)",
            display(amount),
            token.name,
            display(left),
            display(most),
        );
        Ok(ServiceError::new(Code::TokenLimit, detail))
    }
}

/// Base units that are taken of a limit. Dropped, they are given back, unless [`Hold::kept`] was said before.
#[derive(Debug)]
pub struct Hold {
    spender: Spender,
    what: String,
    account: Address,
    channel: Option<ChannelId>,
    taken: Option<Taken>,
    keeps: bool,
}

impl Hold {
    /// The same, which stays taken where nobody says what became of it: of a transaction that is under way.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// It is spent.
    pub fn settle(mut self) {
        self.taken = None;
    }

    /// It is spent, by paying `amount` of it into a channel: what the token pays from there is not counted again.
    pub fn settle_into(mut self, channel: &ChannelId, amount: Amount) {
        self.taken = None;
        let Spender { tokens, token } = &self.spender;
        if let Err(error) = tokens.0.db.paid_into_channel(&token.id, channel, amount) {
            tracing::warn!(%error, "what a token paid into a channel will be counted again when it is asked for");
        }
    }

    /// It is not spent.
    pub fn release(mut self) {
        self.give_back();
    }

    /// `amount` of it is spent, and no more.
    pub fn settle_at(mut self, amount: Amount) {
        if let Some(taken) = &mut self.taken {
            let of_limit = amount.saturating_sub(taken.of_channel);
            taken.of_channel = taken.of_channel.saturating_sub(amount);
            taken.of_limit = taken.of_limit.saturating_sub(of_limit);
        }
        self.give_back();
    }

    fn give_back(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        let back = taken.of_limit.saturating_add(taken.of_channel);
        if back == 0 {
            return;
        }
        let Spender { tokens, token } = &self.spender;
        let entry = tokens.entry(token, "given-back", self.what.clone());
        let entry = LogEntry { account: Some(self.account), amount: Some(back), ..entry };
        if let Err(error) = tokens.0.db.give_back(&token.id, &taken, self.channel.as_ref(), entry) {
            tracing::warn!(%error, "what a token has not spent stays taken of its limit");
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.keeps {
            self.give_back();
        }
    }
}
