//! A problem that the node reports, in the words of the command line: the node speaks to programs, of routes and
//! fields, and here sits somebody who types commands and options.

use datanet_api::Problem;

/// What the node says, and what the same is called here.
const WORDS: [(&str, &str); 8] = [
    ("`GET /v1/models` lists them", "`datanet model list` shows them"),
    ("`GET /v1/datanets` lists them", "`datanet datanet list` shows them"),
    ("ask it at /v1/classify or /v1/embeddings", "ask it with `datanet classify` or `datanet embed --model`"),
    ("ask it at /v1/classify", "ask it with `datanet classify`"),
    ("ask it at /v1/embeddings", "ask it with `datanet embed --model`"),
    ("ask it at /v1/completions", "ask it with `datanet complete` or `datanet chat`"),
    ("suffix is ", "--name is "),
    (
        "then send the paying account's name as \"account\" (OpenAI's clients: as \"user\", or in extra_body), or a voucher",
        "then name the paying account with --account NAME",
    ),
];

/// What a problem says to whoever typed a command.
pub(super) fn in_words(problem: &Problem) -> String {
    WORDS.iter().fold(problem.detail.clone(), |detail, (node, here)| detail.replace(node, here))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, ServiceError};

    #[test]
    fn routes_and_fields_are_called_by_their_commands_and_options() {
        let said = |error: ServiceError| in_words(&Problem::from(&error));
        let unknown = ServiceError::new(Code::UnknownModel, "no model \"x\"; `GET /v1/models` lists them");
        assert_eq!(said(unknown), "no model \"x\"; `datanet model list` shows them");
        let money = "open a channel, then send the paying account's name as \"account\" (OpenAI's clients: as \"user\", or in extra_body), or a voucher; more";
        let money = said(ServiceError::new(Code::PaymentRequired, money));
        assert_eq!(money, "open a channel, then name the paying account with --account NAME; more");
    }
}
