//! What a chain's people vote, and a node that the rules leave behind: it stops before their height, and goes on as the program that was voted.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use datanet::init::own_params;
use datanet::upgrade::EXIT_UPGRADE;
use datanet_config::Home;
use datanet_ledger::component::Params;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::cli::{fails, json, said};
use crate::kit::{TestNode, config, is_problem, prepare_on, tools_without_model, until};

/// Seconds of a vote.
const VOTING: u64 = 4;

fn submit<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let words = ["--title", "a title", "--reason", "because", "--yes"];
    [&["proposal", "submit"][..], args, &words[..]].concat()
}

fn params() -> Params {
    Params { voting_seconds: VOTING, timelock_seconds: 1, treasury_period_bps: 10_000, ..own_params() }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_voted_on_the_command_line_and_the_authority_steps_back() {
    let node = TestNode::spawn_on(tools_without_model(), config(), params()).await;
    let home = node.home().to_owned();
    fails(&home, &submit(&["params", "min_fees=1"]), "no parameter \"min_fees\"");
    fails(&home, &submit(&["params", "min_fee"]), "write NAME=NUMBER");
    fails(&home, &submit(&["spend", "authority-of-nobody", "1DNT"]), "authority-of-nobody");
    fails(&home, &submit(&["upgrade", "7", "100000"]), "2 comes next");
    fails(&home, &["proposal", "vote", "1", "yes"], "no proposal 1");
    fails(&home, &["proposal", "show", "1"], "no proposal 1");
    json(&home, &submit(&["params", "min_fee=1500", "fee_shares.node=1400", "fee_shares.treasury=600"]));
    let shown = json(&home, &["proposal", "show", "1"]);
    let numbers = json!({ "min_fee": 1_500, "fee_shares.node": 1_400, "fee_shares.treasury": 600 });
    assert_eq!(
        (&shown["status"], &shown["passes"], &shown["change"]["numbers"]),
        (&json!("voting"), &json!(false), &numbers)
    );
    json(&home, &["proposal", "vote", "1", "yes"]);
    let shown = json(&home, &["proposal", "show", "1"]);
    assert_eq!((&shown["passes"], &shown["tally"]["yes"]), (&json!(true), &shown["tally"]["bonded"]));
    assert!(said(&home, &["proposal", "list"]).contains("voting, would pass"));
    assert!(said(&home, &["proposal", "show", "1"]).contains("100.0 %"));
    assert!(said(&home, &["proposal", "deposit"]).contains("500 DNT"));
    let silent = node.raw(reqwest::Method::POST, "/v1/proposals");
    let wrong = json!({ "title": "t", "reason": "r", "change": { "kind": "text", "amount": 5 } });
    let answer = silent.json(&wrong).send().await.unwrap();
    let status = answer.status().as_u16();
    assert_eq!(status, 422);
    is_problem("an amount in words", &answer.text().await.unwrap(), 422, "bad-field", "does not belong");
    until("they hold", async || (node.get("/v1/params").await["version"] == 1).then_some(())).await;
    let held = node.get("/v1/params").await;
    assert_eq!((&held["params"]["min_fee"], &held["params"]["fee_shares"]["node"]), (&json!(1_500), &json!(1_400)));
    assert_eq!(node.get("/v1/proposals/1").await["status"], "done");

    json(&home, &["treasury", "retire", "--yes"]);
    assert_eq!(node.get("/v1/treasury").await["authority"], Value::Null);
    fails(&home, &["params", "set", "min_fee=2", "--yes"], "put it to the vote");
    assert!(said(&home, &["treasury", "show"]).contains("votes alone"));
    fails(&home, &["upgrade", "stage", "/nowhere"], "no upgrade is planned");
    assert!(said(&home, &["upgrade", "show"]).contains("no other is planned"));
}

/// A node in a process of its own, as `datanet dev` runs one.
fn process(home: &Path, sets: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datanet"));
    command.arg("--home").arg(home).args(["dev", "--set", "api.listen=127.0.0.1:0"]);
    let quick = ["consensus.block_interval_ms=20", "consensus.empty_block_interval_ms=20", "inference.threads=1"];
    command.args(quick.iter().chain(sets).flat_map(|set| ["--set", set]));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a node runs in the home; what it says of the rules.
async fn runs(home: &Path) -> Value {
    let file = Home::new(home).run_file();
    until("the node runs", async || file.exists().then_some(())).await;
    until("it has a block", async || {
        let output = crate::cli::fed(home, &["upgrade", "show", "--json"], Stdio::null());
        output.status.success().then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stops_before_rules_that_it_does_not_know_and_goes_on_as_the_program_that_was_voted() {
    let dir = TestNode::new_home();
    let home = dir.path();
    prepare_on(home, &config(), params());
    // The newer program: this one, told to know more.
    let newer = dir.path().join("newer");
    let script = format!("#!/bin/sh\nexec {} \"$@\" --set ledger.rehearse=2\n", env!("CARGO_BIN_EXE_datanet"));
    std::fs::write(&newer, &script).unwrap();
    std::fs::set_permissions(&newer, std::fs::Permissions::from_mode(0o700)).unwrap();
    let sha256 = hex::encode(sha2::Sha256::digest(script.as_bytes()));

    let mut node = process(home, &[]);
    let rules = runs(home).await;
    assert_eq!((&rules["version"], &rules["knows"], &rules["planned"]), (&json!(1), &json!(1), &json!(null)));
    let now = json(home, &["status"])["height"].as_u64().unwrap();
    let height = now + 500;
    let binary = format!("x86_64-linux={sha256}");
    json(home, &submit(&["upgrade", "2", &height.to_string(), "--binary", &binary]));
    json(home, &["proposal", "vote", "1", "yes"]);
    until("it is planned", async || {
        let planned = json(home, &["upgrade", "show"])["planned"]["height"].as_u64();
        (planned == Some(height)).then_some(())
    })
    .await;
    let other = dir.path().join("other");
    std::fs::write(&other, "#!/bin/sh\n").unwrap();
    fails(home, &["upgrade", "stage", other.to_str().unwrap()], "none of those that were voted");

    // With nothing staged it ends, with a status of its own, and again when it is started again.
    let ended = tokio::task::spawn_blocking(move || node.wait_with_output().unwrap()).await.unwrap();
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(EXIT_UPGRADE.into()), "{error}");
    assert!(error.contains(&format!("from height {height} on")) && error.contains("version 2"), "{error}");
    node = process(home, &[]);
    let ended = tokio::task::spawn_blocking(move || node.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(ended.status.code(), Some(EXIT_UPGRADE.into()));

    // What `datanet upgrade stage` would have kept, had it been asked in time.
    let wanted = std::collections::BTreeMap::from([("x86_64-linux".to_owned(), sha256.parse().unwrap())]);
    let staged = datanet::upgrade::stage(home, 2, &wanted, &newer).unwrap();
    assert!(staged.program.starts_with(home.join("upgrade/2")));
    let mut node = process(home, &[]);
    let pid = node.id();
    let rules = runs(home).await;
    assert_eq!((&rules["version"], &rules["knows"], &rules["planned"]), (&json!(2), &json!(2), &json!(null)));
    let run: Value = serde_json::from_slice(&std::fs::read(Home::new(home).run_file()).unwrap()).unwrap();
    assert_eq!(run["pid"], pid, "in the same process");
    assert!(home.join("upgrade/2/ledger.redb.before").metadata().unwrap().len() > 0);
    let params = json(home, &["params", "show"]);
    assert_eq!((&params["params"]["app_version"], &params["from"]), (&json!(2), &json!(height)));
    Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap();
    let stopped = tokio::task::spawn_blocking(move || node.wait().unwrap()).await.unwrap();
    assert!(stopped.success(), "{stopped}");
}
