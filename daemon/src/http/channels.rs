//! Channels: deposits from which answers are paid by vouchers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_api::channels::{
    ChannelParams, ChannelRecord, ChannelView, Channels, ClosedChannel, Closing, NewChannel, NewVoucher, OpenedChannel,
    TopUp, ToppedUp,
};
use datanet_ledger::component::channels::{self, Channel};
use datanet_types::action::{CloseChannel, OpenChannel, TopUpChannel};
use datanet_types::closing::ClosingStatement;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Address, ChannelId};

use super::extract::{Body, Query, Segment};
use crate::billing::Billing;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::{AccountKey, Identity, Keyring};

/// Seconds that a transaction may take until it is in a block.
const LANDING_SECONDS: u64 = 30;

/// Channels of a payer, or those that pay this node.
#[utoipa::path(get, operation_id = "list_channels", path = "/v1/channels", tag = "answers", params(ChannelParams), responses((status = 200, body = Channels)))]
pub(super) async fn list(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(billing): State<Billing>,
    State(identity): State<Identity>,
    Query(params): Query<ChannelParams>,
) -> ServiceResult<Json<Channels>> {
    let reader = chain.reader()?;
    let found = match params.account {
        Some(account) => {
            let address = match account.parse::<Address>() {
                Ok(address) => address,
                Err(_) => keyring.address_of(&account)?,
            };
            channels::of_payer(&reader, &address, None, usize::MAX)?
        }
        None => channels::of_node(&reader, &identity.node_key(), None, usize::MAX)?,
    };
    let view = |channel: Channel| {
        Ok(ChannelView { promised: billing.stands(&channel.id)?.promised, channel: recorded(channel) })
    };
    let views: ServiceResult<Vec<_>> = found.into_iter().map(view).collect();
    Ok(Json(Channels { channels: views? }))
}

fn recorded(channel: Channel) -> ChannelRecord {
    let Channel { id, payer, voucher_key, node, deposit, charged, expires_at, opened_height, .. } = channel;
    let Channel { closed_height, closing_at, ends_at, .. } = channel;
    ChannelRecord {
        id,
        payer,
        voucher_key,
        node,
        deposit,
        charged,
        expires_at,
        ends_at,
        opened_height,
        closed_height,
        closing_at,
    }
}

/// Locks a deposit from which a serving node is paid; answers once it is on the ledger.
#[utoipa::path(post, operation_id = "open_channel", path = "/v1/channels", tag = "answers", request_body = NewChannel, responses((status = 201, body = OpenedChannel), (status = 402, response = super::problem::Refusal)))]
pub(super) async fn open(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(identity): State<Identity>,
    Body(new): Body<NewChannel>,
) -> ServiceResult<(StatusCode, Json<OpenedChannel>)> {
    let least = chain.params()?.channel_min_seconds;
    let seconds = new.seconds.unwrap_or(least.saturating_mul(10));
    if seconds < least {
        return Err(ServiceError::new(Code::ChannelTooShort, format!("a channel lasts at least {least} seconds")));
    }
    let expires_at = expires_in(&chain, seconds)?;
    let node = new.node.unwrap_or_else(|| identity.node_key());
    let action = OpenChannel { node, deposit: new.deposit, expires_at, voucher_key: new.voucher_key };
    let committed = chain.execute(&keyring.get(&new.account)?, Action::OpenChannel(action)).await?;
    Ok((StatusCode::CREATED, Json(OpenedChannel { channel: ChannelId(committed.id), tx: committed.hash })))
}

/// Adds to a channel's deposit, or to the time that it lasts; the payer's key must be on this node.
#[utoipa::path(post, operation_id = "top_up_channel", path = "/v1/channels/{id}/top-up", tag = "answers", params(("id" = String, Path)), request_body = TopUp, responses((status = 200, body = ToppedUp), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn top_up(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    Segment(id): Segment<ChannelId>,
    Body(more): Body<TopUp>,
) -> ServiceResult<Json<ToppedUp>> {
    let (channel, key) = of_payer_here(&chain, &keyring, &id)?;
    let expires_at = match more.seconds {
        Some(seconds) => expires_in(&chain, seconds)?.max(channel.expires_at),
        None => channel.expires_at,
    };
    let action = TopUpChannel { channel: id, amount: more.amount, expires_at };
    let committed = chain.execute(&key, Action::TopUpChannel(action)).await?;
    Ok(Json(ToppedUp { tx: committed.hash, deposit: channel.deposit.saturating_add(more.amount), expires_at }))
}

/// Takes back what is left in a channel; the payer's key must be on this node. That is done at once if the channel has expired, pays this
/// very node, or comes with a statement of the node that it pays; else that node has its time to settle, and the channel closes by itself.
#[utoipa::path(post, operation_id = "close_channel", path = "/v1/channels/{id}/close", tag = "answers", params(("id" = String, Path)), request_body = Closing, responses((status = 200, body = ClosedChannel), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn close(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(billing): State<Billing>,
    Segment(id): Segment<ChannelId>,
    Body(closing): Body<Closing>,
) -> ServiceResult<Json<ClosedChannel>> {
    let (channel, key) = of_payer_here(&chain, &keyring, &id)?;
    let committed = match closing.statement {
        None => billing.close(&channel, &key).await?,
        Some(statement) => {
            let action = CloseChannel { channel: id, statement: Some(statement) };
            chain.execute(&key, Action::CloseChannel(action)).await?
        }
    };
    let after = channels::get(&chain.reader()?, &id)?.filter(Channel::is_open);
    Ok(Json(ClosedChannel { tx: committed.hash, closes_at: after.map(|channel| channel.closing_at) }))
}

/// This node's word that nothing is owed on a channel that its payer is closing, by which the payer has the rest at once. What is owed is
/// settled before.
#[utoipa::path(post, operation_id = "closing_statement", path = "/v1/channels/{id}/statement", tag = "answers", params(("id" = String, Path)), responses((status = 200, body = Object), (status = 404, response = super::problem::Refusal), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn statement(
    State(billing): State<Billing>,
    Segment(id): Segment<ChannelId>,
) -> ServiceResult<Json<ClosingStatement>> {
    Ok(Json(billing.closing_statement(&id).await?))
}

/// Signs a voucher on a channel whose payer's key is on this node: to send to the node that the channel pays, with one question. Whoever has
/// it can spend it.
#[utoipa::path(post, operation_id = "sign_voucher", path = "/v1/channels/{id}/voucher", tag = "answers", params(("id" = String, Path)), request_body = NewVoucher, responses((status = 200, body = Object), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn voucher(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    Segment(id): Segment<ChannelId>,
    Body(NewVoucher { cumulative }): Body<NewVoucher>,
) -> ServiceResult<Json<SignedVoucher>> {
    let (channel, key) = of_payer_here(&chain, &keyring, &id)?;
    if !channel.is_open() {
        return Err(ServiceError::new(Code::ChannelExpired, format!("channel {id} is closed; open another")));
    }
    if cumulative <= channel.charged || cumulative > channel.deposit {
        let (charged, deposit) = (channel.charged, channel.deposit);
        let detail = format!(
            "{cumulative} base units are promised in all; channel {id} has {deposit}, of which {charged} are charged: sign for more than is charged and no more than there is"
        );
        return Err(ServiceError::new(Code::WrongVoucherAmount, detail).about("cumulative"));
    }
    let secret = key.secret_of(&channel.voucher_key).ok_or_else(|| {
        ServiceError::new(Code::NotYourChannel, format!("the key that signs for channel {id} is not on this node"))
    })?;
    Ok(Json(SignedVoucher::sign(chain.id(), id, cumulative, secret)))
}

/// A little later than asked for, since the transaction lands a little later; by the clock, where the last block is long ago. The ledger's latest
/// is not passed by that.
fn expires_in(chain: &Chain, seconds: u64) -> ServiceResult<u64> {
    let (now, longest) = (chain.block_seconds(), chain.params()?.channel_max_seconds);
    let asked = now.max(crate::db::now()).saturating_add(seconds).saturating_add(LANDING_SECONDS);
    Ok(if seconds <= longest { asked.min(now.saturating_add(longest)) } else { asked })
}

/// The channel and its payer's key.
fn of_payer_here(chain: &Chain, keyring: &Keyring, id: &ChannelId) -> ServiceResult<(Channel, AccountKey)> {
    let channel = channels::get(&chain.reader()?, id)?
        .ok_or_else(|| ServiceError::new(Code::UnknownChannel, format!("there is no channel {id}")))?;
    let key = keyring.by_address(&channel.payer)?.ok_or_else(|| {
        ServiceError::new(Code::NotYourChannel, format!("the key of its payer {} is not on this node", channel.payer))
    })?;
    Ok((channel, key))
}
