//! Specs to begin with: each runs as it is, once its token is made and its files are there.

use super::spec::Kind;

/// The spec of an agent of this kind and name.
pub fn sample(kind: Kind, name: &str) -> String {
    let part = match kind {
        Kind::Buyer => BUYER,
        Kind::Curator => CURATOR,
        Kind::Judge => JUDGE,
        Kind::Service => SERVICE,
    };
    let scopes = kind.scopes();
    format!("{HEAD}{part}").replace("NAME", name).replace("SCOPES", scopes)
}

const HEAD: &str = r#"# An agent of `datanet agent run`. Unknown keys are errors; paths are from this file's folder on.

# 1 to 40 of a-z 0-9 -. Its journal lies beside this file, in NAME.agent.
name = "NAME"

# Who pays and is paid: an account on the node, with as much money as may be lost.
#   datanet keys add NAME && datanet transfer NAME 5DNT
account = "NAME"

[node]
# The node's folder; or `url = "http://127.0.0.1:PORT"`.
home = "~/.datanet"
# The agent's own token, which does no more than it needs, for its account, up to a limit that the node holds it to:
#   datanet token create NAME --scope SCOPES --account NAME --limit 1DNT/day | head -1 > NAME.token
token_file = "NAME.token"

# What the agent holds itself to besides, restarts included: base units are written as "1500base".
[budget]
amount = "1DNT"
# "hour", "day", "week" (by the clock in UTC), or "total".
period = "day"
# By one decision.
each = "0.01DNT"

# Who chooses among what the agent finds. "best-value": whatever is worth most beyond its cost.
[policy]
kind = "best-value"
# Or a model, which sees words of strangers and can do no more than take a choice that it is offered:
# kind = "model"
# endpoint = "https://api.example/v1"      # any OpenAI-compatible interface; or "node": a model deployed there, paid like an answer
# model = "a-model"
# key_file = "NAME.key"
# calls = "tools"                          # "json" for models without tool calls; the node's own need it
# rounds = 4
# instructions = "Prefer sellers that quote their sources."
"#;

const BUYER: &str = r#"
[buyer]
# JSONL: {"question": …} or {"text": …}, the latter a passage to be labelled. Optional: "id", "worth" ("0.02DNT"), and
# "label", the right one where you know it: it is not sent, and tells how good a seller is. "-" is standard input.
questions = "questions.jsonl"
# JSONL, an answer a line. A question that has an answer here or in the journal is not asked again.
answers = "answers.jsonl"
# What a right answer is worth to you.
worth = "0.01DNT"
# Whether it says on the ledger how good sellers were, for the fee of a transaction each, once what it paid them is settled: "never"; "known", by the
# lines with a "label"; or "agreement", and where no label is known by what most other sellers said to the same passage.
rate = "known"

# Who may be asked: nobody else is paid. On the agent's own node an account pays from its channel:
#   datanet channel open --account NAME --deposit 1DNT
[[buyer.sellers]]
name = "topics"
datanet = "topics"

# [[buyer.sellers]]
# name = "classifier"
# model = "my-model"

# Another node, at its public face, is paid from a channel that was opened for this agent's voucher key
# (`datanet agent key SPEC.toml`), whose deposit is the most that it can have:
#   datanet channel open --account node --node KEY --deposit 1DNT --voucher-key KEY
# [[buyer.sellers]]
# name = "owl"
# url = "https://owl.example:26690"
# channel = "…"
# datanet = "topics"
"#;

const CURATOR: &str = r#"
# Where it looks: folders with JSONL, CSV, Parquet, Markdown or text, and feeds from hosts of the list.
[material]
folders = ["material"]
# Redirects lead to hosts of the list as well, and none of them to a private address.
hosts = []
# max_bytes = 16777216
# [[material.feeds]]
# url = "https://data.example/new.jsonl"

[curator]
datanet = "topics"
# The licence that you have for the material: the datanet's own.
licence = "CC0-1.0"
# Records of one contribution.
batch = 64
least = 8
# What a batch scores above the datanet's threshold, by the judges' own measure, before anything is paid.
margin_bps = 500
# What one more held-out record that is answered rightly is worth to you.
worth = "0.1DNT"
# Wait so long and look again; without it, one round.
# every = "1h"
"#;

const JUDGE: &str = r#"
[judge]
# Whose verdicts it reads.
datanets = ["topics"]
# How far below the threshold its own score is before it doubts an acceptance.
margin_bps = 1000
# How often in a hundred you expect it to be right, before it has a record of its own.
confidence = 80
# Wait so long and look again; without it, one round.
# every = "10m"
"#;

const SERVICE: &str = r#"
# What it sells, at this node's `POST /v1/agents/AGENT/ask`. The node must be the agent's or its owner's, and `account` a key that runs the agent:
#   datanet agent register NAME --card card.json --budget 1DNT --funds 5DNT --account OWNER
#   datanet keys add NAME --account ITS-ACCOUNT && datanet agent grant ITS-ID NAME --may open_channel,top_up_channel --budget 1DNT --account OWNER
#   datanet channel open --account NAME --deposit 1DNT
[service]
# Its id on the ledger, whose release says which suppliers have a floor of what it earns.
agent = "0000000000000000000000000000000000000000000000000000000000000000"
# What callers pay for an answer. If what its suppliers take and its floors leave nothing of it, it does not begin.
price = "0.01DNT"
description = "Answers questions out of topics."

# The parts of the skill, in this order; at least one. Passages out of a datanet:
datanet = "topics"
passages = 5
# A deployed model of the node: one that writes reads the question and the passages, one that labels the question alone.
# model = "my-model"
# What a model that writes is told, beside words of strangers and never among them.
# instructions = "Answer in one sentence, from the passages alone."
# The answer: {question}, {passages}, {label}, {answer}, which is the model's or the best passage.
template = "{answer}"
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::spec::Spec;

    #[test]
    fn samples_are_good_and_what_is_commented_out_in_them_too() {
        for kind in Kind::ALL {
            let text = sample(kind, "owl");
            assert_eq!(Spec::parse(&text).unwrap().kind().unwrap(), kind);
            let every = text.replace("# every = ", "every = ");
            Spec::parse(&every).unwrap();
        }
        let model = sample(Kind::Judge, "owl")
            .replace("kind = \"best-value\"\n", "")
            .replace("# kind = \"model\"", "kind = \"model\"");
        let mut text = model;
        for key in ["endpoint", "model", "key_file", "calls", "rounds", "instructions"] {
            text = text.replace(&format!("# {key} = "), &format!("{key} = "));
        }
        Spec::parse(&text).unwrap();
    }
}
