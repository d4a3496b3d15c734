//! What a model is asked to write: the prompt in its own form, and the call that begins an answer.

use std::ops::Range;
use std::sync::Arc;

use datanet_inference::encoder::{AdapterKey, ServeError};
use datanet_inference::generate::{
    GenerateError, GenerateHandle, GenerateRequest, GenerateStream, Message, Prompt as Given, PromptText, Role,
    SamplingParams,
};
use datanet_types::receipt::{AskInput, MAX_ANSWER_RECORD_BYTES, Sampling};
use prost::Message as _;

use super::complete::{CompletionAsk, Prompt};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::errors::generate_error;
use crate::models::served::{Engine, ServedModel};
use crate::ppm;

/// Bytes that what is asked may have in all. The rest of a receipt is the answer's: a text is read while it is written, and nobody can be charged for what
/// no receipt holds, so that whoever fills one with spaces would read for nothing.
const MAX_ASKED: usize = MAX_ANSWER_RECORD_BYTES / 2;

fn check_room(input: &AskInput) -> ServiceResult<()> {
    let bytes = input.encoded_len();
    if bytes <= MAX_ASKED {
        return Ok(());
    }
    let detail =
        format!("prompt and form have {bytes} bytes, and a receipt holds {MAX_ASKED} beside the answer; ask in fewer");
    Err(ServiceError::new(Code::PromptTooLong, detail))
}

/// What is asked for, answer by answer.
pub(super) async fn inputs(served: &Arc<ServedModel>, ask: &CompletionAsk) -> ServiceResult<Vec<AskInput>> {
    let (handle, _) = decoder(served)?;
    let (prompt, stops) = rendered(handle, ask.prompt.clone()).await?;
    let mut sampling = ask.sampling.clone();
    sampling.stop.extend(stops);
    let (plain, framed) = (bounds(&prompt.plain), prompt.framed);
    let input = |choice: u32| {
        let sampling = Sampling { seed: sampling.seed.wrapping_add(choice.into()), ..sampling.clone() };
        AskInput {
            text: prompt.text.clone(),
            sampling: Some(sampling),
            plain: plain.clone(),
            framed,
            ..AskInput::default()
        }
    };
    let inputs: Vec<AskInput> = (0..ask.choices).map(input).collect();
    inputs.iter().try_for_each(check_room)?;
    Ok(inputs)
}

fn decoder(served: &ServedModel) -> ServiceResult<(&GenerateHandle, Option<AdapterKey>)> {
    match &served.engine {
        Engine::Decoder(handle, key) => Ok((handle, *key)),
        Engine::Encoder(..) => Err(ServiceError::new(
            Code::NoDecoder,
            format!("model {} writes no text; ask it at /v1/classify or /v1/embeddings", served.release.name),
        )),
    }
}

/// The prompt as the model reads it, and the texts at which its form ends a turn.
async fn rendered(handle: &GenerateHandle, prompt: Prompt) -> ServiceResult<(PromptText, Vec<String>)> {
    let messages = match prompt {
        Prompt::Text(text) => return Ok((PromptText { text, ..PromptText::default() }, Vec::new())),
        Prompt::Chat(messages) => messages,
    };
    let role = |name: &str| match name {
        "assistant" => Role::Assistant,
        "user" => Role::User,
        _ => Role::System,
    };
    let messages: Vec<Message> =
        messages.into_iter().map(|message| Message { role: role(&message.role), content: message.content }).collect();
    let prompt = handle.render(messages).await.map_err(|error| generate_error(&error))?;
    Ok((prompt, handle.model().chat.stops().to_vec()))
}

/// Where each part begins and ends, in turn.
fn bounds(parts: &[Range<usize>]) -> Vec<u32> {
    let bound = |bound| u32::try_from(bound).unwrap_or(u32::MAX);
    parts.iter().flat_map(|part| [bound(part.start), bound(part.end)]).collect()
}

/// The parts with these bounds; a stranger's receipt may have any.
fn parts(bounds: &[u32]) -> ServiceResult<Vec<Range<usize>>> {
    let (pairs, rest) = bounds.as_chunks::<2>();
    if rest.is_empty() {
        return Ok(pairs.iter().map(|&[start, end]| start as usize..end as usize).collect());
    }
    Err(ServiceError::new(Code::Prompt, "the parts of the prompt have a start without an end"))
}

/// The prompt of a receipt.
fn prompt_of(input: &AskInput) -> ServiceResult<PromptText> {
    Ok(PromptText { text: input.text.clone(), plain: parts(&input.plain)?, framed: input.framed })
}

/// The tokens that the prompt of a receipt is read as, after which so many were `written`: a stranger's receipt may have more of them than any
/// model writes, and each takes time.
pub(super) async fn tokens(served: &Arc<ServedModel>, input: &AskInput, written: usize) -> ServiceResult<Vec<u32>> {
    let (handle, _) = decoder(served)?;
    handle.prompt_tokens(prompt_of(input)?, written).await.map_err(|error| generate_error(&error))
}

/// Has the answer to `input` begun; `claimed` are the tokens that it is said to have.
pub(super) async fn start(
    served: &Arc<ServedModel>,
    input: &AskInput,
    logprobs: Option<u32>,
    claimed: Option<Vec<u32>>,
) -> ServiceResult<GenerateStream> {
    let (handle, adapter) = decoder(served)?;
    let sampling = input.sampling.clone().unwrap_or_default();
    let params = SamplingParams {
        max_tokens: (sampling.max_tokens > 0).then_some(sampling.max_tokens as usize),
        temperature: ppm::real(sampling.temperature) as f32,
        top_p: ppm::real(sampling.top_p) as f32,
        seed: Some(sampling.seed),
        stop: sampling.stop,
        logprobs: logprobs.map(|top| top as usize),
        json_schema: sampling.json_schema,
    };
    let request = GenerateRequest { prompt: Given::Parts(prompt_of(input)?), adapter, sampling: params, claimed };
    match handle.submit(request.clone()).await {
        // The service forgets the adapters used longest ago; this one is wanted again.
        Err(GenerateError::Serve(ServeError::UnknownAdapter(_))) => {
            served.reload().await?;
            handle.submit(request).await.map_err(|error| generate_error(&error))
        }
        other => other.map_err(|error| generate_error(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_no_room_for_its_answer_in_a_receipt_is_not_written_for_nothing() {
        let input = |bytes: usize| AskInput { text: " ".repeat(bytes), ..AskInput::default() };
        check_room(&input(MAX_ASKED - 16)).unwrap();
        let error = check_room(&input(MAX_ANSWER_RECORD_BYTES - 16)).unwrap_err();
        assert_eq!(error.code, Code::PromptTooLong, "{error}");
        assert!(error.detail.contains("ask in fewer"), "{error}");
    }

    #[test]
    fn parts_of_a_prompt_survive_a_receipt_and_half_a_part_is_refused() {
        let plain = vec![3..7, 9..9, 20..41];
        assert_eq!(parts(&bounds(&plain)).unwrap(), plain);
        assert_eq!(parts(&[1, 2, 3]).unwrap_err().code, Code::Prompt);
    }
}
