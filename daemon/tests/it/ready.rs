//! When a node is ready, and what it says when it is not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use datanet::init::{init_home, own_genesis, own_params, write_genesis};

use datanet::{NodeHandle, NodeOptions, Tools};
use datanet_config::{Engine, Home, NodeConfig, Profile, Role};
use datanet_ledger::component::GenesisAccount;
use datanet_ledger::component::staking::GenesisValidator;
use datanet_setup::{Part, SetupOptions, SilentProgress, ensure_part};
use reqwest::Method;
use serde_json::Value;

use crate::kit::{self, Api, TestNode, is_problem, until};

/// A node whose role needs no model.
fn config() -> NodeConfig {
    let mut config = kit::config();
    config.node.roles = vec![Role::Storage];
    config
}

/// Status and body of `/health/ready`.
async fn ready(api: &Api) -> (u16, Value) {
    let response = api.bare(Method::GET, "/health/ready").send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The checks that are not good, by name.
fn bad(answer: &Value) -> Vec<&str> {
    let checks = answer["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["ok"] == false).map(|check| check["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_node_that_is_ready_says_why_part_by_part() {
    let node = TestNode::spawn_with(kit::tools_without_model(), config()).await;
    let (status, answer) = ready(&node).await;
    assert_eq!((status, &answer["status"]), (200, &Value::from("ok")), "{answer:#}");
    let checks = answer["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["consensus", "peers", "index", "model", "disk", "tasks"]);
    assert!(checks.iter().all(|check| check["ok"] == true && !check["reason"].as_str().unwrap().is_empty()));
    assert_eq!(gauges(&node).await, (1, 6));
}

#[tokio::test]
async fn a_node_whose_disk_is_nearly_full_is_not_ready_and_says_so_in_a_problem() {
    let mut config = config();
    config.health.min_free_mb = 16_777_216;
    let node = TestNode::spawn_with(kit::tools_without_model(), config).await;
    let (status, answer) = ready(&node).await;
    assert_eq!((status, bad(&answer)), (503, vec!["disk"]), "{answer:#}");
    is_problem("not ready", &answer.to_string(), 503, "not-ready", "health.min_free_mb");
    assert_eq!(gauges(&node).await, (0, 5));
}

/// Whether `/metrics` says ready, and how many checks it says are good.
async fn gauges(node: &Api) -> (u64, usize) {
    let text = node.bare(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let ready = text.lines().find_map(|line| line.strip_prefix("datanet_ready ")).unwrap().parse().unwrap();
    let good = text.lines().filter(|line| line.starts_with("datanet_ready_check{") && line.ends_with(" 1")).count();
    (ready, good)
}

/// The real program, or `None` with a loud word. In CI its absence is a failure.
async fn cometbft() -> Option<PathBuf> {
    let options = SetupOptions::from_env().unwrap();
    match ensure_part(Part::Cometbft, &options, Arc::new(SilentProgress)).await {
        Ok(program) => Some(program),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "in CI CometBFT is required: {error}");
            eprintln!("SKIPPED, because there is no CometBFT: {error}");
            None
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn config_with_cometbft() -> NodeConfig {
    let mut config = config();
    (config.consensus.engine, config.consensus.profile) = (Engine::Cometbft, Profile::Local);
    config.consensus.block_interval_ms = 0;
    config.consensus.p2p_listen.set_port(0);
    config
}

/// One of two validators, which makes no block without the other.
async fn start(home: &Home, config: NodeConfig, cometbft: PathBuf) -> NodeHandle {
    let tools = Tools { cometbft: Ok(cometbft), ..kit::tools_without_model() };
    datanet::spawn(NodeOptions { home: home.clone(), config, tools, rules: Default::default() }).await.unwrap()
}

#[tokio::test]
async fn a_node_whose_chain_stands_still_and_that_has_no_peer_is_not_ready() {
    let Some(program) = cometbft().await else { return };
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let homes = dirs.each_ref().map(|dir| Home::new(dir.path()));
    let mut config = config_with_cometbft();
    let outcomes = homes.each_ref().map(|home| init_home(home, &config).unwrap());
    let mut genesis = own_genesis(kit::CHAIN, &outcomes[0], "it", own_params(), now());
    let first = genesis.app_state.validators[0].clone();
    let account = GenesisAccount { address: outcomes[1].account, balance: first.stake, name: None };
    genesis.app_state.accounts.push(account);
    let (key, beacon_key, operator) = (outcomes[1].validator, outcomes[1].beacon_key, outcomes[1].account);
    genesis.app_state.validators.push(GenesisValidator { key, beacon_key, operator, name: "other".into(), ..first });
    for home in &homes {
        write_genesis(home, &genesis).unwrap();
    }

    let first = start(&homes[0], config.clone(), program.clone()).await;
    let api = Api::new(first.api_url(), first.token().to_owned());
    let (status, answer) = ready(&api).await;
    assert_eq!((status, bad(&answer).first()), (503, Some(&"consensus")), "no block yet: {answer:#}");
    let run: Value = serde_json::from_slice(&std::fs::read(homes[0].run_file()).unwrap()).unwrap();
    config.p2p.bootstrap = first.services().network.listen_addrs();
    config.consensus.persistent_peers = vec![run["comet_p2p"].as_str().unwrap().to_owned()];
    let second = start(&homes[1], config, program).await;
    until("both are ready", async || (ready(&api).await.0 == 200).then_some(())).await;

    second.stop().await.unwrap();
    let answer = until("the one that is left is not", async || {
        let (status, answer) = ready(&api).await;
        (status == 503 && bad(&answer) == ["consensus", "peers"]).then_some(answer)
    })
    .await;
    let detail = answer["detail"].as_str().unwrap();
    assert!(
        detail.contains("two thirds of the validators") && detail.contains("no peer of the data network"),
        "{detail}"
    );
    first.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_waits_for_the_time_of_its_genesis_and_goes_on_by_itself() {
    let Some(program) = cometbft().await else { return };
    waits_for_its_genesis(config_with_cometbft(), program).await;
}

#[tokio::test]
async fn a_node_without_cometbft_waits_for_its_genesis_too() {
    waits_for_its_genesis(kit::config(), PathBuf::new()).await;
}

async fn waits_for_its_genesis(config: NodeConfig, program: PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path());
    let outcome = init_home(&home, &config).unwrap();
    // Far enough ahead that a busy machine asks before.
    let genesis = own_genesis(kit::CHAIN, &outcome, "it", own_params(), now() + 20);
    write_genesis(&home, &genesis).unwrap();

    let node = start(&home, config, program).await;
    let api = Api::new(node.api_url(), node.token().to_owned());
    let live = api.bare(Method::GET, "/health/live").send().await.unwrap();
    let (status, answer) = ready(&api).await;
    assert_eq!((live.status().as_u16(), status), (200, 503), "{answer:#}");
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("the network begins at 20") && detail.contains("goes on by itself"), "{detail}");
    let early = api.raw(Method::GET, "/v1/status").send().await.unwrap().text().await.unwrap();
    assert!(early.contains("the network begins at"), "{early}");
    until("it makes blocks", async || {
        let status: Value = api.raw(Method::GET, "/v1/status").send().await.ok()?.json().await.ok()?;
        (status["height"].as_u64()? > 0).then_some(())
    })
    .await;
    node.stop().await.unwrap();
}
