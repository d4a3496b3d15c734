//! The commands about proposals and votes.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::args::{ProposalCommand, SubmitCommand, VoteArg, WordsArgs};
use super::client::Client;
use super::confirm::confirm;
use super::output::{Output, excerpt, fields, money, percent, table, text, until};

pub(super) async fn run(client: &Client, command: ProposalCommand, output: Output) -> Result<()> {
    match command {
        ProposalCommand::Submit(command) => submit(client, command, output).await,
        ProposalCommand::List => {
            let value = client.get("/v1/proposals").await?;
            output.show(&value, |value| {
                table(
                    &value["proposals"],
                    &[
                        ("proposal", &|one| text(&one["number"])),
                        ("what", &|one| text(&one["change"]["kind"])),
                        ("title", &|one| excerpt(&one["title"], 40)),
                        ("is", &status),
                        ("yes", &|one| share(one, "yes")),
                        ("no", &|one| share(one, "no")),
                        ("veto", &|one| share(one, "veto")),
                        ("ends", &|one| until(&one["ends"])),
                    ],
                );
            });
            Ok(())
        }
        ProposalCommand::Show { number } => {
            let value = client.get(&format!("/v1/proposals/{number}")).await?;
            output.show(&value, print);
            Ok(())
        }
        ProposalCommand::Vote { number, choice, account } => {
            let account = account.as_deref().map(|name| client.leave(name));
            let body = json!({ "account": account, "choice": word(choice) });
            sent(&client.post(&format!("/v1/proposals/{number}/vote"), &body).await?, output);
            Ok(())
        }
        ProposalCommand::Deposit => {
            let value = client.get("/v1/proposals").await?;
            let value = json!({ "deposit": value["deposit"] });
            output.show(&value, |value| say!("{} are locked until the vote is over", money(&value["deposit"])));
            Ok(())
        }
    }
}

async fn submit(client: &Client, command: SubmitCommand, output: Output) -> Result<()> {
    let (change, words) = match command {
        SubmitCommand::Text { words } => (json!({ "kind": "text" }), words),
        SubmitCommand::RetireAuthority { words } => (json!({ "kind": "retire_authority" }), words),
        SubmitCommand::Reset { component, words } => (json!({ "kind": "reset", "component": component.name() }), words),
        SubmitCommand::Params { changes, words } => {
            let numbers = changes.iter().map(|typed| number(typed)).collect::<Result<Map<_, _>>>()?;
            (json!({ "kind": "params", "numbers": numbers }), words)
        }
        SubmitCommand::Spend { to, amount, words } => {
            (json!({ "kind": "spend", "to": client.address(&to).await?, "amount": amount }), words)
        }
        SubmitCommand::Upgrade { rules, height, binary, words } => {
            let binaries = binary.iter().map(|typed| checksum(typed)).collect::<Result<Map<_, _>>>()?;
            (json!({ "kind": "upgrade", "version": rules, "height": height, "binaries": binaries }), words)
        }
    };
    let deposit = client.get("/v1/proposals").await?["deposit"].clone();
    let WordsArgs { title, reason, account, yes } = words;
    let asked = format!("{change} is to be put to the vote; {} are locked until that is over.", money(&deposit));
    confirm(yes, &asked).await?;
    let account = account.as_deref().map(|name| client.leave(name));
    let body = json!({ "account": account, "title": title, "reason": reason, "deposit": deposit, "change": change });
    sent(&client.post("/v1/proposals", &body).await?, output);
    Ok(())
}

/// `NAME=NUMBER`.
fn number(typed: &str) -> Result<(String, Value)> {
    match typed.split_once('=').map(|(name, value)| (name.trim(), value.trim().parse::<u64>())) {
        Some((name, Ok(value))) => Ok((name.to_owned(), value.into())),
        _ => bail!(
            "{typed:?} is no change of a parameter; write NAME=NUMBER, such as min_fee=2000 or fee_shares.node=1400"
        ),
    }
}

/// `PLATFORM=SHA256`.
fn checksum(typed: &str) -> Result<(String, Value)> {
    match typed.split_once('=') {
        Some((platform, sha256)) if sha256.parse::<datanet_types::Digest>().is_ok() => {
            Ok((platform.to_owned(), sha256.into()))
        }
        _ => bail!("{typed:?} is no program; write PLATFORM=SHA256, such as x86_64-linux= and 64 hexadecimal digits"),
    }
}

fn word(choice: VoteArg) -> &'static str {
    match choice {
        VoteArg::Yes => "yes",
        VoteArg::No => "no",
        VoteArg::Abstain => "abstain",
        VoteArg::Veto => "veto",
    }
}

fn status(one: &Value) -> String {
    match (one["status"].as_str(), one["passes"].as_bool()) {
        (Some("voting"), Some(true)) => "voting, would pass".to_owned(),
        (Some("passed"), _) => format!("passed, done {}", until(&one["due"])),
        _ => text(&one["status"]),
    }
}

/// Of all stake.
fn share(one: &Value, choice: &str) -> String {
    let (part, whole) = (one["tally"][choice].as_f64(), one["tally"]["bonded"].as_f64());
    match (part, whole) {
        (Some(part), Some(whole)) if whole > 0.0 => percent(&json!(part / whole * 1_000_000.0)),
        _ => percent(&json!(0.0)),
    }
}

fn print(one: &Value) {
    say!("{}: {}", text(&one["number"]), text(&one["title"]));
    say!("{}\n", text(&one["reason"]));
    say!("{}", text(&one["change"]));
    say!("{}; the vote ends {}", status(one), until(&one["ends"]));
    for choice in ["yes", "no", "veto", "abstain"] {
        say!("{choice:>8}  {}  {}", share(one, choice), money(&one["tally"][choice]));
    }
    fields(one, &["proposer", "deposit", "height"]);
}

fn sent(value: &Value, output: Output) {
    output.show(value, |value| fields(value, &["tx", "height"]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_a_number_or_a_checksum_or_the_error_says_how_one_is_written() {
        assert_eq!(number("fee_shares.node=1400").unwrap(), ("fee_shares.node".to_owned(), json!(1_400)));
        let sha256 = "5e".repeat(32);
        assert_eq!(checksum(&format!("x86_64-linux={sha256}")).unwrap(), ("x86_64-linux".to_owned(), json!(sha256)));
        for typed in ["min_fee", "min_fee=", "min_fee=2 DNT", "min_fee=-1"] {
            assert!(number(typed).unwrap_err().to_string().contains("write NAME=NUMBER"));
        }
        for typed in ["x86_64-linux", "x86_64-linux=5e"] {
            assert!(checksum(typed).unwrap_err().to_string().contains("write PLATFORM=SHA256"));
        }
    }
}
