//! x402, version 2: payments beside a request, in the words of that protocol. Its headers hold these types as JSON in base64.

use datanet_types::{ChannelId, Signature};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The protocol's version.
pub const VERSION: u32 = 2;
/// What a 402 carries: [`PaymentRequired`].
pub const REQUIRED_HEADER: &str = "payment-required";
/// What a request carries: [`PaymentPayload`].
pub const SIGNATURE_HEADER: &str = "payment-signature";
/// What an answer carries: [`SettleResponse`].
pub const RESPONSE_HEADER: &str = "payment-response";
/// The scheme that pays by vouchers on a channel.
pub const BATCH_SETTLEMENT: &str = "batch-settlement";
/// The scheme that pays by a transfer.
pub const EXACT: &str = "exact";
/// The extension by which a client names what it pays for.
pub const PAYMENT_IDENTIFIER: &str = "payment-identifier";
/// The extension by which prices and payments are signed for.
pub const OFFER_RECEIPT: &str = "offer-receipt";

/// What is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Where it is. Nobody fetches it.
    pub url: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// One way to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirements {
    /// `batch-settlement` or `exact`.
    pub scheme: String,
    /// `datanet:` and the chain's id.
    pub network: String,
    /// Base units.
    pub amount: String,
    /// `native`: the ledger's own.
    pub asset: String,
    /// The node whose channels pay, or the account that a transfer goes to.
    pub pay_to: String,
    /// For how many seconds this holds.
    pub max_timeout_seconds: u64,
    /// What the scheme needs beside: docs/payments.md.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub extra: Value,
}

/// What is asked for: the header `PAYMENT-REQUIRED`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// 2.
    pub x402_version: u32,
    /// Why it is not paid yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is paid for.
    pub resource: Resource,
    /// The ways to pay, the best first.
    pub accepts: Vec<Requirements>,
    /// By name.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub extensions: Value,
}

/// What is paid: the header `PAYMENT-SIGNATURE`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// 2.
    pub x402_version: u32,
    /// What is paid for, as it was said; may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// The way that was chosen, as it was said.
    pub accepted: Requirements,
    /// Of `batch-settlement` a [`ChannelPayload`], of `exact` an [`ExactPayload`].
    #[schema(value_type = Object)]
    pub payload: Value,
    /// By name.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub extensions: Value,
}

/// A voucher in the words of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelVoucher {
    /// The channel.
    #[schema(value_type = String)]
    pub channel_id: ChannelId,
    /// Base units promised on it in all, this answer included.
    pub max_claimable_amount: String,
    /// Of the channel's key.
    #[schema(value_type = String)]
    pub signature: Signature,
}

/// What pays by a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum ChannelPayload {
    /// A voucher on a channel that is there.
    Voucher {
        /// Which.
        voucher: ChannelVoucher,
    },
    /// A voucher on a channel that is opened, or added to, first.
    Deposit {
        /// The signed transaction, in base64.
        transaction: String,
        /// On the channel that it opens, whose id is the transaction's.
        voucher: ChannelVoucher,
    },
}

/// What pays by a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExactPayload {
    /// The signed transaction, in base64.
    pub transaction: String,
}

/// A payment, and what it is to be held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FacilitatorRequest {
    /// 2.
    pub x402_version: u32,
    /// The payment.
    pub payment_payload: PaymentPayload,
    /// What was asked for.
    pub payment_requirements: Requirements,
}

/// Whether a payment would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResponse {
    /// It would, if it came now.
    pub is_valid: bool,
    /// Why not, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_reason: Option<String>,
    /// Why not, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_message: Option<String>,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
}

/// What became of a payment: the header `PAYMENT-RESPONSE`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettleResponse {
    /// It is taken.
    pub success: bool,
    /// Why not, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// Why not, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Who has paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// Of `batch-settlement` the answer's receipt, by which the voucher is settled; of `exact` and of a deposit the transaction's hash. Empty where
    /// nothing was taken.
    pub transaction: String,
    /// `datanet:` and the chain's id.
    pub network: String,
    /// Base units that were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// By name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub extensions: Option<Value>,
    /// The receipt, and how the channel stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub extra: Option<Value>,
}

/// A way to pay that there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupportedKind {
    /// 2.
    pub x402_version: u32,
    /// `batch-settlement` or `exact`.
    pub scheme: String,
    /// `datanet:` and the chain's id.
    pub network: String,
    /// What the scheme needs beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub extra: Option<Value>,
}

/// All ways to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Supported {
    /// By scheme.
    pub kinds: Vec<SupportedKind>,
    /// Names of extensions.
    pub extensions: Vec<String>,
    /// Who signs, by network.
    #[schema(value_type = Object)]
    pub signers: Value,
}

/// Which part of what is sold is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiscoveryParams {
    /// How many at most, up to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Behind how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// `http`: what else there might be is not sold here.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only what is paid by this scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Only what is paid on this network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// Something that is sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovered {
    /// Where: an address, or of the manifest a [`Resource`].
    #[schema(value_type = Object)]
    pub resource: Value,
    /// `http`.
    #[serde(rename = "type")]
    pub kind: String,
    /// 2.
    pub x402_version: u32,
    /// How it is paid; what a 402 says counts.
    pub accepts: Vec<Requirements>,
    /// When this was said, in seconds since 1970.
    pub last_updated: u64,
    /// How it is asked for.
    #[schema(value_type = Object)]
    pub input: Value,
}

/// Where in the list a part of it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pagination {
    /// How many at most.
    pub limit: usize,
    /// Behind how many.
    pub offset: usize,
    /// How many there are.
    pub total: usize,
}

/// What is sold here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// 2.
    pub x402_version: u32,
    /// When this was said, in seconds since 1970.
    pub last_updated: u64,
    /// Datanets, then models.
    pub items: Vec<Discovered>,
    /// Which part.
    pub pagination: Pagination,
}
