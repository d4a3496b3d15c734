//! Charging channels for an epoch of answers.

use datanet_types::action::{SettleEpoch, role};
use datanet_types::amount::display;
use datanet_types::epoch::{FeeShares, MAX_ACCOUNTS};
use datanet_types::settled_receipt::MAX_ANSWERS;
use datanet_types::tx::VerifiedTx;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, BlobHash, Digest};

use crate::code;
use crate::component::channels::{self, Channel, deposit_account};
use crate::component::error::{ensure, refuse};
use crate::component::settlement::{
    self, Epoch, MAX_VOUCHERS, Payment, Settlement, Status, bond, closing, escrow, keeping, state_key,
};
use crate::component::{ActionError, ActionHandler, Event, Params, TxContext, accounts, nodes, params, ratings};
use crate::gas::{self, Gas};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for SettleEpoch {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        let check = |good: bool, what: &str| ensure(good, code::EPOCH_INVALID, || what.to_owned());
        let count = self.vouchers.len();
        ensure((1..=MAX_VOUCHERS).contains(&count), code::EPOCH_INVALID, || {
            format!("an epoch takes 1 to {MAX_VOUCHERS} vouchers, not {count}; settle more often")
        })?;
        check(self.totals.answers > 0, "an epoch without answers has nothing to settle")?;
        check(self.receipts != Digest::ZERO, "receipts must be the root of the sum tree over the epoch's receipts")?;
        ensure(self.totals.answers <= MAX_ANSWERS, code::EPOCH_INVALID, || {
            format!("{} answers in one epoch, at most {MAX_ANSWERS} may be; settle more often", self.totals.answers)
        })?;
        check_tree(self)?;
        check(self.statement != BlobHash::ZERO, "statement must be the blob with the leaves")?;
        let ordered = self.vouchers.windows(2).all(|pair| matches!(pair, [a, b] if a.channel < b.channel));
        check(ordered, "vouchers must be ordered by channel, one for each")?;
        let said = self.taken.len();
        check(said == 0 || said == count, "taken must say of each voucher how much of it is charged, or of none")
    }

    fn work(&self) -> Gas {
        gas::SIGNATURE.saturating_mul(self.vouchers.len() as u64)
    }

    /// Each voucher takes a signature check; the first is looked at.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        nodes::require(state, &self.node, &ctx.tx.signer, role::SERVING)?;
        require_next(self, settlement::get(state, &self.node)?.as_ref())?;
        self.charges().take(1).try_for_each(|(voucher, taken)| {
            let channel = channels::require_open(state, &voucher.channel)?;
            check_voucher(&channel, self, (voucher, taken), &ctx.block.chain_id).map(drop)
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let node = nodes::require(state, &self.node, &ctx.tx.signer, role::SERVING)?;
        let former = settlement::get(state, &self.node)?;
        require_next(self, former.as_ref())?;
        let params = params::get(state)?;
        let (accrued, until) = accrued_under(self, state)?;
        let shares = check_totals(self, &accrued)?;
        bond::add(state, &self.node, self.totals.fees, node.stake, &params)?;
        let mut paid = Vec::with_capacity(self.vouchers.len());
        for charged in self.charges() {
            paid.push(charge(state, self, charged, ctx, until)?);
        }
        let charged = paid.iter().map(|payment| payment.amount).fold(0, Amount::saturating_add);
        ensure(charged == self.totals.fees, code::EPOCH_INVALID, || {
            format!(
                "the vouchers charge {}, the totals say {}; they must agree",
                display(charged),
                display(self.totals.fees)
            )
        })?;
        let quorum = keeping::quorum(state, &node, &params)?;
        let carries = former.as_ref().and_then(Settlement::carried);
        let epoch = Epoch { carries, ..epoch(self, ctx, (shares, quorum), &params) };
        let keepers = keeping::fees_account(&epoch.node, epoch.epoch);
        accounts::transfer(state, ctx.tx.signer, keepers, keeping::fees(&epoch, &params))?;
        ratings::traded(state, &ctx.tx.signer, &paid, ctx.block.seconds())?;
        record(state, &epoch, former);
        closing::begin(state, &epoch, paid);
        Ok(vec![settled(self, &epoch)])
    }
}

/// A tree has a root if it has leaves, and each of them is worth something.
fn check_tree(action: &SettleEpoch) -> Result<(), ActionError> {
    let (accounts, claimable) = (action.accounts, action.totals.claimable());
    ensure(accounts <= MAX_ACCOUNTS, code::EPOCH_INVALID, || {
        format!("{accounts} accounts earn in one epoch, at most {MAX_ACCOUNTS} may; settle more often")
    })?;
    ensure((accounts == 0) == (claimable == 0) && accounts <= claimable, code::EPOCH_INVALID, || {
        let claimable = display(claimable);
        format!("{accounts} accounts share {claimable}; accounts is the number of leaves, each of at least 1 base unit")
    })?;
    ensure((action.root == Digest::ZERO) == (accounts == 0), code::EPOCH_INVALID, || {
        "root must be that of the sum tree over what accounts earned in the epoch, and zeros if none did".to_owned()
    })
}

/// The parameters that the answers were given under, and the height from which others held.
fn accrued_under<S: StateRead>(action: &SettleEpoch, state: &S) -> Result<(Params, Option<u64>), ActionError> {
    match params::versions::version(state, action.params)? {
        Some((version, until)) => Ok((version.params, until)),
        None => refuse(
            code::EPOCH_PARAMS,
            format!(
                "version {} of the parameters is not there or forgotten; name the one that the receipts name",
                action.params
            ),
        ),
    }
}

/// Gives the shares that the totals follow: those of the version that the answers were given under.
fn check_totals(action: &SettleEpoch, params: &Params) -> Result<FeeShares, ActionError> {
    let (answers, fees, least) = (action.totals.answers, action.totals.fees, params.min_price);
    // The number of answers bounds how far rounding may move a share: it must not be made up.
    ensure(answers.checked_mul(least).is_some_and(|sum| sum <= fees), code::EPOCH_INVALID, || {
        format!(
            "{answers} answers for {}; each answer costs at least {}, count only paid ones",
            display(fees),
            display(least)
        )
    })?;
    let shares = params.fee_shares;
    ensure(action.totals.agree_with(&shares), code::EPOCH_INVALID, || {
        let [node, owner, contributors, validators, treasury, lineage, storage] = shares.as_array();
        format!(
            "the totals are not what the shares give; split each fee {node} / {owner} / {contributors} / {validators} / \
             {treasury} / {lineage} / {storage} basis points (node, owner, contributors, validators, treasury, lineage, storage), and call \
             no more unearned than is to be claimed"
        )
    })?;
    Ok(shares)
}

/// Refuses an epoch that does not follow the node's last one.
fn require_next(action: &SettleEpoch, former: Option<&Settlement>) -> Result<(), ActionError> {
    let next = former.map_or(0, |former| former.latest.epoch).saturating_add(1);
    ensure(action.epoch == next, code::EPOCH_ORDER, || {
        format!("epoch is {}, the node's next is {next}", action.epoch)
    })?;
    let carried = former.and_then(Settlement::carried).map_or(0, |carried| carried.epoch);
    ensure(action.carries.is_none_or(|said| said == carried), code::EPOCH_ORDER, || {
        format!(
            "the epoch begins with the debts of epoch {}, and it is those of epoch {carried} that are carried on (0 is none); make its statement again",
            action.carries.unwrap_or_default()
        )
    })
}

/// Moves what is taken of a voucher from its channel to the epoch's escrow. Returns how much that is, and whose.
fn charge<S: StateWrite>(
    state: &mut S,
    action: &SettleEpoch,
    (voucher, taken): (&SignedVoucher, Amount),
    ctx: &TxContext<'_>,
    until: Option<u64>,
) -> Result<Payment, ActionError> {
    let mut channel = channels::require_open(state, &voucher.channel)?;
    ensure(until.is_none_or(|until| channel.opened_height < until), code::EPOCH_PARAMS, || {
        format!(
            "channel {} was opened at height {}, when version {} of the parameters held no more; settle it with later answers",
            channel.id, channel.opened_height, action.params
        )
    })?;
    let delta = check_voucher(&channel, action, (voucher, taken), &ctx.block.chain_id)?;
    accounts::release(state, &deposit_account(&channel.id), escrow::account(&action.node, action.epoch), delta)?;
    channel.charged = taken;
    channel.last_epoch = action.epoch;
    channels::put(state, &channel);
    Ok(Payment { payer: channel.payer, amount: delta, channel: channel.id, cumulative: taken })
}

fn check_voucher(
    channel: &Channel,
    action: &SettleEpoch,
    (voucher, taken): (&SignedVoucher, Amount),
    chain_id: &str,
) -> Result<Amount, ActionError> {
    let id = channel.id;
    ensure(channel.node == action.node, code::CHANNEL_FOREIGN, || {
        format!("channel {id} pays node {}, not node {}; leave its voucher out", channel.node, action.node)
    })?;
    ensure(voucher.cumulative <= channel.deposit, code::VOUCHER, || {
        format!(
            "voucher of channel {id} promises {}, its deposit is {}",
            display(voucher.cumulative),
            display(channel.deposit)
        )
    })?;
    if voucher.verify(chain_id, &channel.voucher_key).is_err() {
        let key = channel.voucher_key;
        return refuse(code::VOUCHER, format!("voucher of channel {id} is not signed by its payer's key {key}"));
    }
    ensure(taken <= voucher.cumulative, code::VOUCHER, || {
        format!(
            "{} are taken of channel {id}, and its voucher promises {}",
            display(taken),
            display(voucher.cumulative)
        )
    })?;
    match taken.checked_sub(channel.charged) {
        Some(delta) if delta > 0 => Ok(delta),
        _ => refuse(
            code::VOUCHER,
            format!(
                "voucher of channel {id} promises {taken}, but {} is charged already; settle a later voucher",
                channel.charged
            ),
        ),
    }
}

fn epoch(action: &SettleEpoch, ctx: &TxContext<'_>, (shares, quorum): (FeeShares, u32), params: &Params) -> Epoch {
    let final_at = ctx.block.seconds().saturating_add(params.challenge_seconds);
    Epoch {
        node: action.node,
        epoch: action.epoch,
        root: action.root,
        statement: action.statement,
        totals: action.totals,
        height: ctx.block.height,
        accounts: action.accounts,
        shares,
        receipts: action.receipts,
        final_at,
        status: Status::Open as i32,
        challenges: 0,
        params: action.params,
        lapses_at: 0,
        quorum,
        attestations: 0,
        attest_by: if quorum > 0 { final_at.saturating_add(params.statement_seconds) } else { 0 },
        unkept: false,
        carries: None,
    }
}

fn record<S: StateWrite>(state: &mut S, epoch: &Epoch, former: Option<Settlement>) {
    let former = former.unwrap_or_default();
    state.put(state_key::epoch(&epoch.node, epoch.epoch), epoch);
    let settlement = Settlement {
        latest: epoch.clone(),
        answers: former.answers.saturating_add(epoch.totals.answers),
        fees: former.fees.saturating_add(epoch.totals.fees),
        before: None,
        ..former
    };
    settlement::put(state, &settlement);
}

fn settled(action: &SettleEpoch, epoch: &Epoch) -> Event {
    Event::new("epoch.settled")
        .with("node", action.node)
        .with("epoch", action.epoch)
        .with("root", action.root)
        .with("receipts", action.receipts)
        .with("statement", action.statement)
        .with("answers", action.totals.answers)
        .with("fees", action.totals.fees)
        .with("claimable", action.totals.claimable())
        .with("accounts", action.accounts)
        .with("final_at", epoch.final_at)
        .with("quorum", epoch.quorum)
}
