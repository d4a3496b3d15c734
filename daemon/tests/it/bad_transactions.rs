//! Signed transactions that the ledger must not take, sent as any program could send them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datanet_types::action::{Claim, ClaimItem, Transfer};
use datanet_types::sum_tree::SumProof;
use datanet_types::tx::TxBody;
use datanet_types::{Action, Address, NodeKey, SignedTx, SigningKey};
use reqwest::Method;
use serde_json::json;

use crate::kit::{self, Api, plain_node, read, refused};

/// A key outside the node, with money.
async fn funded(api: &Api) -> SigningKey {
    let key = SigningKey::from_bytes(&kit::random());
    api.post("/v1/transfers", json!({ "from": "node", "to": key.address(), "amount": 1_000_000 })).await;
    key
}

fn transfer(amount: u64) -> Action {
    Action::Transfer(Transfer { to: Address([7; 20]), amount })
}

#[tokio::test]
async fn transactions_out_of_form_are_refused_and_change_nothing() {
    let node = plain_node().await;
    let key = funded(&node).await;
    let before = node.world().await;
    let good = node.sign(&key, transfer(5)).await;
    let bytes = |body: Vec<u8>| node.raw(Method::POST, "/v1/tx").body(body);

    let mut forged = good.clone();
    forged.signatures[0].signature.0[10] ^= 1;
    refused("a bad signature", node.send(&forged), 422, "bad-transaction", "signature").await;
    let mut stolen = good.clone();
    stolen.signatures[0].public_key = SigningKey::from_bytes(&kit::random()).public_key();
    refused("another's key", node.send(&stolen), 422, "bad-transaction", "signature").await;
    let elsewhere = TxBody { chain_id: "elsewhere".into(), ..node.body(&key, transfer(5)).await }.sign(&key);
    refused("another chain", node.send(&elsewhere), 422, "bad-transaction", "sign it for this chain").await;
    let empty = TxBody { action: None, ..node.body(&key, transfer(5)).await }.sign(&key);
    refused("no action", node.send(&empty), 422, "bad-transaction", "no action").await;
    let padded = [good.to_bytes(), vec![0x78, 0x01]].concat();
    refused("not canonical", bytes(padded), 422, "bad-transaction", "").await;
    let cut = good.to_bytes()[..20].to_vec();
    refused("cut off", bytes(cut), 422, "bad-transaction", "").await;
    refused("nothing", bytes(Vec::new()), 422, "bad-transaction", "").await;
    let no_base64 = node.raw(Method::POST, "/v1/tx").json(&json!({ "tx": "***" }));
    refused("no base64", no_base64, 422, "bad-field", "\"tx\" is no base64").await;
    let other_json = node.raw(Method::POST, "/v1/tx").json(&json!({ "transaction": "" }));
    refused("another field", other_json, 422, "bad-field", "there are: tx").await;
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn transactions_that_the_ledger_forbids_are_refused_and_change_nothing() {
    let node = plain_node().await;
    let key = funded(&node).await;
    let before = node.world().await;
    let body = node.body(&key, transfer(5)).await;
    let refuse = async |what: &str, tx: SignedTx, status: u16, says: &str| {
        let code = if status == 402 { "insufficient-funds" } else { "transaction-refused" };
        refused(what, node.send(&tx), status, code, says).await;
    };
    refuse("an expired one", TxBody { expiry: 1, ..body.clone() }.sign(&key), 422, "later expiry").await;
    refuse("one for ever", TxBody { expiry: u64::MAX, ..body.clone() }.sign(&key), 422, "latest now").await;
    refuse("no fee", TxBody { fee: 0, ..body.clone() }.sign(&key), 402, "the least for").await;
    let poor = SigningKey::from_bytes(&kit::random());
    refuse("no money for the fee", node.body(&poor, transfer(5)).await.sign(&poor), 402, "code accounts/1").await;
    refuse("in another's name", body.sign(&poor), 422, "does not speak for account").await;
    refuse("with one key too many", body.sign_with(&[&key, &poor]), 422, "do not speak together").await;
    refuse("no money to send", node.sign(&key, transfer(1_000_000)).await, 402, "code accounts/1").await;
    refuse("sending nothing", node.sign(&key, transfer(0)).await, 422, "code accounts/2").await;
    let proof = SumProof { index: 0, total: 1, siblings: Vec::new() };
    let this: NodeKey = serde_json::from_value(node.get("/v1/status").await["node_key"].clone()).unwrap();
    let items = vec![ClaimItem { node: this, epoch: 1, amount: 1_000_000, proof }];
    let claim = Claim { account: key.address(), items };
    refuse("a claim without an epoch", node.sign(&key, Action::Claim(claim)).await, 422, "code settlement/8").await;
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn a_transaction_works_once_in_either_form_and_never_again() {
    let node = plain_node().await;
    let key = funded(&node).await;
    let paid = || async { node.balance(&Address([7; 20]).to_string()).await };
    let before = paid().await;
    let tx = node.execute(&key, transfer(11)).await;
    assert_eq!(paid().await, before + 11);
    refused("the same again", node.send(&tx), 409, "transaction-replayed", "another nonce").await;

    let second = node.sign(&key, transfer(12)).await;
    let as_json = node.raw(Method::POST, "/v1/tx").json(&json!({ "tx": STANDARD.encode(second.to_bytes()) }));
    let hash = read("a transaction as JSON", as_json).await["hash"].as_str().unwrap().to_owned();
    kit::until("the second is in a block", async || {
        let response = node.raw(Method::GET, &format!("/v1/tx/{hash}")).send().await.unwrap();
        response.status().is_success().then_some(())
    })
    .await;
    assert_eq!(paid().await, before + 23);
    refused("the second again", node.send(&second), 409, "transaction-replayed", "another nonce").await;
    let supply = node.get("/v1/supply").await;
    assert_eq!((supply["supply"].as_u64(), supply["minted"].as_u64()), (Some(kit::SUPPLY), Some(kit::SUPPLY)));
}
