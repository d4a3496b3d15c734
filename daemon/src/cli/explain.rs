//! What a receipt says, for people: whose records moved an answer, which most, and where its fee goes.

use anyhow::Result;
use datanet_types::Ppm;
use datanet_types::amount::mul_div;
use serde_json::Value;

use super::client::Client;
use super::measures::print_attribution;
use super::output::{excerpt, money, percent, short, table_if_any, text};
use super::people::People;
use crate::ppm;

/// What stands beside each other in the table of an answer.
const WHY_THEY_DIFFER: &str =
    "effect: by how much likelier the whole contribution made this answer, beside all the others; - is less likely.
worth: by how much it raised the answer's odds where only a random half of the data is there, so that who brings what others bring too is worth something.
They differ because pay follows worth, and not answer by answer: over all answers of an epoch harm is taken from help, and the share is what this one alone would give.";

/// One, in the parts per billion of an influence.
const PPB: f64 = 1e9;

/// An answer's receipt, what explains it, and who is behind it.
pub(super) struct Explained {
    /// As the node tells it, the same as for programs.
    pub attribution: Value,
    record: Value,
    people: People,
}

impl Explained {
    /// Asks for everything that is known of the answer with this receipt.
    pub(super) async fn of(client: &Client, receipt: &str) -> Result<Self> {
        let attribution = client.get(&format!("/v1/attributions/{receipt}")).await?;
        let record = client.get(&format!("/v1/receipts/{receipt}")).await?;
        let mut people = People::here(client).await;
        // A contributor without a share stands in the release alone. Where there is none, the share tells enough.
        if attribution["method"] != "retrieval"
            && let Ok(model) = client.get(&format!("/v1/models/{}", text(&record["receipt"]["model"]))).await
        {
            people.behind(&model["manifest"]);
        }
        Ok(Self { attribution, record, people })
    }

    /// Prints it all.
    pub(super) fn print(&self) {
        let said = &self.attribution;
        say!("asked     {}\nanswered  {}", excerpt(&said["input"], 200), excerpt(&said["answer"], 200));
        self.print_parts();
        fee(&self.record["receipt"]);
        warn_of_taint(said, &self.record["receipt"]["model"]);
    }

    /// Prints who and what moved the answer, and how far that is to be trusted.
    pub(super) fn print_parts(&self) {
        let said = &self.attribution;
        say!("method    {}: {}", text(&said["method"]), text(&said["proves"]));
        print_attribution(&said["gate"], ppm::WHOLE);
        let influence = |part: &Value| part.as_f64().map_or_else(|| "-".to_owned(), |v| format!("{:+.6}", v / PPB));
        // What is netted pays with all of its epoch; any other answer pays by its own shares.
        let (share, pay) =
            if said["method"] == "influence" { ("expected share", "expected pay") } else { ("share", "pay") };
        table_if_any(
            &said["contributions"],
            &[
                ("contribution", &|part| short(&part["contribution"])),
                ("contributor", &|part| self.people.giver(part)),
                ("effect", &|part| likelier(&part["value"])),
                ("worth", &|part| likelier(&part["worth"])),
                (share, &|part| percent(&part["weight"])),
                (pay, &|part| self.pay(part)),
            ],
        );
        if said["method"] == "influence" && said["contributions"].as_array().is_some_and(|all| !all.is_empty()) {
            say!("{WHY_THEY_DIFFER}");
        }
        match text(&said["method"]).as_str() {
            "span" => self.print_spans(),
            "influence" => {
                quotes("helped most", &said["helpful"], &influence);
                quotes("harmed most", &said["harmful"], &influence);
            }
            _ => {
                quotes("rests on", &said["helpful"], &percent);
                let changed =
                    |one: &Value| if one["answer_changed"] == true { "another" } else { "the same" }.to_owned();
                table_if_any(
                    &said["without"],
                    &[
                        ("asked again without", &|one| short(&one["contribution"])),
                        ("it loses", &|one| percent(&one["effect"])),
                        ("label", &|one| text(&one["label"])),
                        ("answer", &changed),
                    ],
                );
            }
        }
    }

    /// What a contribution gets of the answer's fee.
    fn pay(&self, part: &Value) -> String {
        let whole = self.record["receipt"]["split"]["contributors"].as_u64().unwrap_or_default();
        let share = part["weight"].as_u64().unwrap_or_default();
        mul_div(whole, share, Ppm::ONE.0).map_or_else(|| "-".to_owned(), |amount| money(&amount.into()))
    }

    /// The stretches of the answer that stand in a record too.
    fn print_spans(&self) {
        let output = &self.record["output"];
        if output["spans"].as_array().is_none_or(Vec::is_empty) {
            say!("there are none: no record has a stretch of this answer");
        }
        let answer = output["answer"].as_str().unwrap_or_default();
        let stretch = |span: &Value| {
            let place = |name: &str| span[name].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
            excerpt(&answer.get(place("start")..place("end")).unwrap_or_default().into(), 160)
        };
        table_if_any(
            &output["spans"],
            &[
                ("repeats word for word", &stretch),
                ("record", &|span| record(span)),
                ("share", &|span| percent(&span["weight"])),
            ],
        );
    }
}

/// Warns where an answer's model has learnt from data that was taken back since.
pub(super) fn warn_of_taint(answer: &Value, model: &Value) {
    if answer["tainted"] == true {
        let model = text(model);
        note!("tainted: data behind this model was taken back since; `datanet model show {model}` says which");
    }
}

/// A change of a logarithm, in parts per billion, as people say it: 0.1 is 10.5 % likelier.
pub(super) fn likelier(part: &Value) -> String {
    part.as_f64().map_or_else(|| "-".to_owned(), |part| format!("{:+.3} %", (part / PPB).exp_m1() * 100.0))
}

/// A record as it is called everywhere.
pub(super) fn record(value: &Value) -> String {
    format!("{} #{}", short(&value["contribution"]), text(&value["record"]))
}

fn quotes(heading: &str, quotes: &Value, value: &dyn Fn(&Value) -> String) {
    table_if_any(
        quotes,
        &[
            (heading, &|quote| excerpt(&quote["text"], 160)),
            ("value", &|quote| value(&quote["value"])),
            ("label", &|quote| text(&quote["label"])),
            ("record", &record),
        ],
    );
}

/// Prints where an answer's fee goes. A part that nobody is there to earn is the treasury's: without a credit there is
/// no contributor, and nobody who judged or keeps what was credited.
pub(super) fn fee(receipt: &Value) {
    if receipt["fee"] == 0 {
        say!("fee free");
        return;
    }
    say!("fee {}", money(&receipt["fee"]));
    let credited = receipt["credits"].as_array().is_some_and(|credits| !credits.is_empty());
    for part in ["node", "owner", "lineage", "contributors", "validators", "storage", "treasury"] {
        let amount = &receipt["split"][part];
        let nobody =
            !credited && matches!(part, "contributors" | "validators" | "storage") && amount.as_u64() > Some(0);
        let why = if nobody { "   to the treasury: no contribution has a share in this answer" } else { "" };
        say!("  {part:12} {}{why}", money(amount));
    }
}
