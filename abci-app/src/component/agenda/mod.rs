//! The agenda: everything that is due some day, whoever's it is, in one list.
//!
//! ```text
//!   schedule(kind, height or second, what) ─► derived/agenda/KIND/DUE/WHAT ─► that block, or a later one: do it, and count what it took
//!                                                  ▲ cancel
//! ```
//!
//! A component says what is to be looked at and when; what happens then is its own. Committees are drawn before a block's transactions
//! and wait for heights, since what they are drawn from is a block's; whatever people wait for is done after the transactions, by block
//! time, which nobody can make go faster. An entry is there until its turn or until it is cancelled, and nothing is done before
//! it is due: a chain on which nothing happens for a while does it in its next block.
//!
//! A block has so much room for this ([`Params::agenda_work`]), counted in values read and written. Each kind has its part of it, and what one leaves
//! is the others' ([`run`]): whoever makes much of one kind due at once holds up that kind, and nobody else's money or deadlines. Where
//! an entry finds that the ledger contradicts itself it is taken back and stays, and its component stands still ([`super::breaker`]).

mod run;
pub mod state_key;
mod work;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::rc::Rc;

use prost::Message;

use super::nodes::{self, Validator};
use super::{BlockContext, Component, Params};
use crate::state::{StateError, StateRead, StateWrite};

pub(super) use run::{after_transactions, before_transactions};

/// What is due, where it is one of many that are numbered; also the last number given.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Number {
    #[prost(uint64, tag = "1")]
    pub(super) number: u64,
}

/// As it stands in keys.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.number)
    }
}

/// Makes the kinds, their list, their names in keys and whose work they are from one table.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal of $component:ident,)+) => {
        /// What is to be done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Kind {
            /// All kinds; within a block they have their turns in this order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in keys.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Whose work it is: while that component stands still, this waits.
            pub fn component(self) -> Component {
                match self {
                    $(Self::$variant => Component::$component,)+
                }
            }
        }
    };
}

kinds! {
    /// Draw the committee of a contribution: a height.
    DrawRound = "draw-round" of Validation,
    /// Draw the committee of an audit: a height.
    DrawAudit = "draw-audit" of Audits,
    /// Refuse what too few nodes keep.
    RefuseUnstored = "refuse-unstored" of Contributions,
    /// End a phase of judging.
    CloseRound = "close-round" of Validation,
    /// End an audit.
    CloseAudit = "close-audit" of Audits,
    /// Settle a verdict that nobody challenged.
    SettleVerdict = "settle-verdict" of Validation,
    /// Pay out an epoch, or void it where too few keep its statement.
    FinaliseEpoch = "finalise-epoch" of Settlement,
    /// Give a node's stake back.
    ReleaseStake = "release-stake" of Nodes,
    /// Give a delegator's stake back.
    ReleaseDelegation = "release-delegation" of Staking,
    /// Set stake free that was moved.
    FreeMoved = "free-moved" of Staking,
    /// Make a payment out of the treasury.
    PaySpend = "pay-spend" of Treasury,
    /// Close a channel.
    CloseChannel = "close-channel" of Channels,
    /// Forget how a verdict came about.
    ForgetRound = "forget-round" of Validation,
    /// Forget an epoch.
    ForgetEpoch = "forget-epoch" of Settlement,
    /// Forget a channel.
    ForgetChannel = "forget-channel" of Channels,
    /// End the time in which an epoch can be rated.
    LapseRatings = "lapse-ratings" of Ratings,
    /// Forget who has not traded for long.
    ForgetTrader = "forget-trader" of Ratings,
    /// Take a proposal a step on: its mark, its end, its being done, its being forgotten.
    Proposal = "proposal" of Governance,
}

impl Kind {
    /// Whether it waits for a height and is done before a block's transactions: what is drawn must be drawn before somebody who knows
    /// the beacon puts anything into the block. Everything else waits for a time and is done after them.
    pub fn is_draw(self) -> bool {
        matches!(self, Self::DrawRound | Self::DrawAudit)
    }
}

/// `what` is to be done from `due` on: a height for a draw, else a second since 1970.
pub(super) fn schedule<S: StateWrite, W: Message + Display>(state: &mut S, kind: Kind, due: u64, what: &W) {
    state.put(state_key::due(kind, due, what), what);
}

/// That is not to be done any more.
pub(super) fn cancel<S: StateWrite, W: Display>(state: &mut S, kind: Kind, due: u64, what: &W) {
    state.delete(state_key::due(kind, due, what));
}

/// Up to `limit` of what is to be done, those first that are due first.
pub(super) fn list<S: StateRead, W: Message + Default>(
    state: &S,
    kind: Kind,
    limit: usize,
) -> Result<Vec<W>, StateError> {
    let entries = state.list::<W>(&state_key::all(kind), None, limit)?;
    Ok(entries.into_iter().map(|(_, what)| what).collect())
}

/// The block that does what is due.
pub(super) struct Turn<'a> {
    /// The block.
    pub(super) block: &'a BlockContext,
    /// The chain's numbers.
    pub(super) params: &'a Params,
    validators: RefCell<BTreeMap<u64, Rc<Vec<Validator>>>>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(block: &'a BlockContext, params: &'a Params) -> Self {
        Self { block, params, validators: RefCell::default() }
    }

    /// Those who may be drawn in this block for what was begun under `params`; read once for each delay, of which there is one unless the
    /// parameters have just changed: there may be a thousand.
    pub(super) fn drawable<S: StateRead>(&self, state: &S, params: &Params) -> Result<Rc<Vec<Validator>>, StateError> {
        if let Some(known) = self.validators.borrow().get(&params.draw_delay) {
            return Ok(Rc::clone(known));
        }
        let read = Rc::new(nodes::drawable(state, self.block, params)?);
        self.validators.borrow_mut().insert(params.draw_delay, Rc::clone(&read));
        Ok(read)
    }
}
