//! Nothing is paid that its caller has not agreed to.
//!
//! A call that costs money carries the most that it may cost (`max_price`), or is answered with its price. Clients of
//! revision 2026-07-28 that can show a form get one, with a state that the node has signed: it holds the price, is bound to
//! the caller, the tool and every argument, lasts some minutes, and is good once. All others call again with `max_price`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use datanet_types::Amount;
use datanet_types::amount::display;
use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest,
    InputRequiredResult, InputResponses, RequestStateCodec, RequestStateError, SealOptions,
};
use serde::{Deserialize, Serialize};

use super::call::{Call, Stop};
use super::refusal::Refusal;

/// How long a price may be thought about.
const GOOD_FOR: Duration = Duration::from_secs(600);
/// Most confirmations that are remembered as used; more in ten minutes are refused.
const MOST_USED: usize = 16_384;
/// The form's name among what is asked, and its one field.
const FORM: &str = "price";
const CONFIRM: &str = "confirm";

/// Prices that callers think about.
pub(super) struct Prices {
    codec: RequestStateCodec,
    used: Mutex<HashMap<[u8; 16], Instant>>,
}

/// What a signed state says.
#[derive(Serialize, Deserialize)]
struct Offer {
    units: Amount,
    nonce: [u8; 16],
}

/// What something costs.
pub(super) struct Price {
    /// Base units that are gone, and those that are locked.
    pub(super) units: Amount,
    /// For people: what it is for.
    pub(super) why: String,
}

impl Prices {
    /// With a key that lives as long as this process: what is not confirmed by then is asked anew.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { codec: RequestStateCodec::new_unchecked(key), used: Mutex::default() })
    }

    /// Goes on if `call` agrees to `price`.
    ///
    /// # Errors
    /// [`Stop::Input`] with the price, where its caller can be asked; else a refusal that says the price and how to agree.
    pub(super) fn agree(&self, call: &Call, price: &Price, max_price: Option<Amount>) -> Result<(), Stop> {
        if price.units == 0 && call.state.is_none() {
            return Ok(());
        }
        if let Some(most) = max_price {
            return within(price, most);
        }
        if call.server.serves_strangers() {
            // Whoever pays by x402 has agreed to what he signed.
            return Ok(());
        }
        match &call.state {
            Some(state) => self.confirmed(call, price, state),
            None if call.takes_forms() => Err(self.ask(call, price)),
            None => Err(unasked(price).into()),
        }
    }

    /// The form, with a state that brings the price back.
    fn ask(&self, call: &Call, price: &Price) -> Stop {
        let mut nonce = [0; 16];
        if getrandom::fill(&mut nonce).is_err() {
            return Refusal::failed("the system gives no randomness").into();
        }
        let context = context(call);
        let options = SealOptions::new().associated_data(&context).ttl(GOOD_FOR);
        let Ok(state) = self.codec.seal_json_with(&Offer { units: price.units, nonce }, &options) else {
            return Refusal::failed("the price could not be written").into();
        };
        let form = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: format!("{} costs {}: {}. It cannot be undone.", call.tool, display(price.units), price.why),
            requested_schema: ElicitationSchema::builder().required_bool(CONFIRM).build_unchecked(),
        };
        let form = InputRequest::Elicitation(ElicitRequest::new(form));
        Stop::Input(Box::new(InputRequiredResult::new(Some(BTreeMap::from([(FORM.to_owned(), form)])), Some(state))))
    }

    /// Goes on if `state` was given for this call, at this price or more, its caller says yes, and it was not used before.
    fn confirmed(&self, call: &Call, price: &Price, state: &str) -> Result<(), Stop> {
        let offer: Offer = self.codec.open_json_with(state, &context(call)).map_err(|error| unsound(&error))?;
        if offer.units < price.units {
            // It has become dearer: whoever was asked, was asked something else.
            return Err(if call.takes_forms() { self.ask(call, price) } else { unasked(price).into() });
        }
        match answer(call.answers.as_ref()) {
            Some(true) => self.use_once(offer.nonce).map_err(Stop::from),
            Some(false) => Err(Refusal::new("not-confirmed", "the price was not confirmed; nothing was paid").into()),
            None => Err(self.ask(call, price)),
        }
    }

    fn use_once(&self, nonce: [u8; 16]) -> Result<(), Refusal> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, since| since.elapsed() < GOOD_FOR);
        if used.contains_key(&nonce) {
            return Err(Refusal::new(
                "confirmation-spent",
                "this confirmation was used before, and may have paid; look at `receipts`, and call again without it",
            ));
        }
        if used.len() >= MOST_USED {
            return Err(Refusal::new("busy", "too many confirmations at once; send max_price in their place"));
        }
        used.insert(nonce, Instant::now());
        Ok(())
    }
}

/// Whom and what a state is bound to.
fn context(call: &Call) -> Vec<u8> {
    [call.caller.principal(), call.digest].concat()
}

/// What the form came back with; nothing if it did not, or not as a form does.
fn answer(answers: Option<&InputResponses>) -> Option<bool> {
    let result: ElicitResult = serde_json::from_value(answers?.get(FORM)?.clone()).ok()?;
    match result.action {
        ElicitationAction::Accept => result.content?.get(CONFIRM)?.as_bool(),
        _ => Some(false),
    }
}

fn within(price: &Price, most: Amount) -> Result<(), Stop> {
    if price.units <= most {
        return Ok(());
    }
    let (units, shown) = (price.units, display(price.units));
    let detail = format!(
        "it costs {shown} ({units} base units: {}), more than max_price, which is {most}; nothing was paid",
        price.why
    );
    Err(Refusal::new("too-dear", detail).into())
}

fn unasked(price: &Price) -> Refusal {
    let (units, shown) = (price.units, display(price.units));
    let detail =
        format!("it costs {shown} ({}); nothing was paid. To agree, call again with \"max_price\": {units}", price.why);
    Refusal::new("price-not-agreed", detail)
}

fn unsound(error: &RequestStateError) -> Stop {
    let why = match error {
        RequestStateError::Expired => "is too old",
        _ => "was not given for this call",
    };
    Refusal::new(
        "bad-confirmation",
        format!("the requestState {why}; call again without it, to be told the price anew"),
    )
    .into()
}
