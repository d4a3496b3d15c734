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
    ("then send a voucher or the name of the paying account", "then name the paying account with --account NAME"),
];

/// What a problem says to whoever typed a command.
pub(super) fn in_words(problem: &Problem) -> String {
    let detail = WORDS.iter().fold(problem.detail.clone(), |detail, (node, here)| detail.replace(node, here));
    match problem.code.as_str() {
        "no-channel" | "payment-required" => {
            detail.replace("`datanet channel open`", "`datanet channel open --account NAME --deposit N`")
        }
        _ => detail,
    }
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
        let money = "an answer costs 7 base units: open a channel with node 5e (`datanet channel open`), then send a voucher or the name of the paying account";
        let money = said(ServiceError::new(Code::PaymentRequired, money));
        assert!(money.contains("`datanet channel open --account NAME --deposit N`"), "{money}");
        assert!(money.ends_with("then name the paying account with --account NAME"), "{money}");
    }
}
