//! Quotes: what an answer costs, in this node's signed word.

use axum::Json;
use axum::extract::State;
use datanet_api::quotes::{QuoteRequest, Quoted};

use super::extract::Body;
use super::{ask, classify, generate};
use crate::answers::Answers;
use crate::answers::quote::Priced;
use crate::billing::Billing;
use crate::billing::reservation::Kind;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::sales::Sales;

/// What a request for a quote names.
const ONE: &str = "send exactly one of datanet, model, agent, ask, classify, completion and chat";

/// Says what an answer costs: a price that is signed and kept to for five minutes. Asking for it costs nothing and buys nothing.
#[utoipa::path(post, operation_id = "quote", path = "/v1/quotes", tag = "answers", request_body = QuoteRequest, responses((status = 200, body = Quoted), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn quote(
    State(chain): State<Chain>,
    State(billing): State<Billing>,
    State(answers): State<Answers>,
    State(sales): State<Sales>,
    Body(request): Body<QuoteRequest>,
) -> ServiceResult<Json<Quoted>> {
    let datanet = |name: &str| chain.datanet_in_view(name).map(|(_, datanet)| Box::new(datanet));
    let QuoteRequest { datanet: of_datanet, model, agent, ask, classify, completion, chat } = request;
    if let Some(id) = agent {
        let alone = of_datanet.is_none() && model.is_none() && ask.is_none() && classify.is_none();
        if !alone || completion.is_some() || chat.is_some() {
            return Err(ServiceError::new(Code::WhatToAsk, ONE));
        }
        let price = sales.terms(&id)?.price;
        return Ok(Json(Quoted { quote: billing.quote(Kind::Agent, id.0, price.into(), None) }));
    }
    let priced = match (of_datanet, model, ask, classify, completion, chat) {
        (Some(name), None, None, None, None, None) => Priced::Datanet(datanet(&name)?),
        (None, Some(name), None, None, None, None) => Priced::Model(name),
        (None, None, Some(ask), None, None, None) => Priced::Ask(datanet(&ask.datanet)?, ask::input(&ask)?),
        (None, None, None, Some(request), None, None) => {
            let text = classify::one_text(request.input.into_vec())?;
            Priced::Classify(request.model, text)
        }
        (None, None, None, None, Some(request), None) => {
            Priced::Complete(Box::new(generate::completion_asked(request, &billing)?))
        }
        (None, None, None, None, None, Some(request)) => {
            Priced::Complete(Box::new(generate::chat_asked(request, &billing)?))
        }
        _ => return Err(ServiceError::new(Code::WhatToAsk, ONE)),
    };
    Ok(Json(Quoted { quote: answers.price_quote(priced).await? }))
}
