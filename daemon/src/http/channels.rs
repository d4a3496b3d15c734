//! Channels: deposits from which answers are paid by vouchers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_api::channels::{
    ChannelParams, ChannelRecord, ChannelView, Channels, ClosedChannel, NewChannel, OpenedChannel,
};
use datanet_ledger::component::channels::{self, Channel};
use datanet_types::action::{CloseChannel, OpenChannel};
use datanet_types::{Action, Address, ChannelId};

use super::extract::{Body, Query, Segment};
use crate::billing::Billing;
use crate::billing::payment::SETTLE_MARGIN;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Identity;
use crate::keyring::Keyring;

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
                Err(_) => keyring.get(&account)?.address(),
            };
            channels::of_payer(&reader, &address, None, usize::MAX)?
        }
        None => channels::of_node(&reader, &identity.node_key(), None, usize::MAX)?,
    };
    let view =
        |channel: Channel| Ok(ChannelView { promised: billing.last_amount(&channel.id)?, channel: recorded(channel) });
    let views: ServiceResult<Vec<_>> = found.into_iter().map(view).collect();
    Ok(Json(Channels { channels: views? }))
}

fn recorded(channel: Channel) -> ChannelRecord {
    let Channel { id, payer, payer_key, node, deposit, charged, expiry, opened_height, closed_height } = channel;
    ChannelRecord { id, payer, payer_key, node, deposit, charged, expiry, opened_height, closed_height }
}

/// Locks a deposit from which a serving node is paid; answers once it is on the ledger.
#[utoipa::path(post, operation_id = "open_channel", path = "/v1/channels", tag = "answers", request_body = NewChannel, responses((status = 201, body = OpenedChannel), (status = 402, response = super::problem::Refusal)))]
pub(super) async fn open(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(identity): State<Identity>,
    Body(new): Body<NewChannel>,
) -> ServiceResult<(StatusCode, Json<OpenedChannel>)> {
    let least = chain.params()?.channel_min_blocks.max(SETTLE_MARGIN.saturating_mul(2));
    let blocks = new.blocks.unwrap_or(least.saturating_mul(10));
    if blocks < least {
        return Err(ServiceError::new(Code::ChannelTooShort, format!("a channel lasts at least {least} blocks")));
    }
    // A few blocks more than asked for, since the transaction lands a little later.
    let expiry = chain.height().saturating_add(blocks).saturating_add(10);
    let node = new.node.unwrap_or_else(|| identity.node_key());
    let action = OpenChannel { node, deposit: new.deposit, expiry };
    let committed = chain.execute(&keyring.get(&new.account)?, Action::OpenChannel(action)).await?;
    Ok((StatusCode::CREATED, Json(OpenedChannel { channel: ChannelId(committed.id), tx: committed.hash })))
}

/// Takes back what is left in an expired channel; the payer's key must be on this node.
#[utoipa::path(delete, operation_id = "close_channel", path = "/v1/channels/{id}", tag = "answers", params(("id" = String, Path)), responses((status = 200, body = ClosedChannel), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn close(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    Segment(id): Segment<ChannelId>,
) -> ServiceResult<Json<ClosedChannel>> {
    let channel = channels::get(&chain.reader()?, &id)?
        .ok_or_else(|| ServiceError::new(Code::UnknownChannel, format!("there is no channel {id}")))?;
    let key = keyring.by_address(&channel.payer).ok_or_else(|| {
        ServiceError::new(Code::NotYourChannel, format!("the key of its payer {} is not on this node", channel.payer))
    })?;
    let committed = chain.execute(&key, Action::CloseChannel(CloseChannel { channel: id })).await?;
    Ok(Json(ClosedChannel { tx: committed.hash }))
}
