//! From a contribution to pay, each step on another node than the one before.

use anyhow::{Context as _, Result, ensure};
use datanet::init::node_secret;
use datanet_config::Home;
use datanet_testnet::api::{Answer, Client, State};
use datanet_testnet::network::Network;
use datanet_types::receipt::AnswerRecord;

use crate::passages::{passages, upload};
use crate::scene::{
    PRICE, account, becomes_final, contribute, has, node, open_datanet, register_base, search, settled, until,
};
use crate::stage::{NODES, play};

/// Questions asked.
const QUESTIONS: usize = 3;

#[test]
fn what_is_contributed_is_judged_kept_found_asked_proven_and_paid() -> Result<()> {
    play(async |network| {
        let clients = network.clients()?;
        let supply = clients[0].supply().await?;
        let passages = passages();
        let datanet = open_datanet(&clients[0], "whole-path", &passages, 3, NODES).await?;
        register_base(&clients[0]).await?;

        // An honest contribution through node 1, and its copy through node 2.
        let honest = account(&clients[1], "honest").await?;
        account(&clients[2], "copycat").await?;
        let given = upload(&passages.given);
        let original = contribute(&clients[1], &datanet, "honest", given.clone()).await?;
        becomes_final(&clients[1], &original).await?;
        every_node_has(&clients, &original, &given).await?;
        a_copy_is_refused(&clients, &datanet, &given, &original).await?;
        network.agreement().await.context("after the verdicts")?;

        // Found and asked on node 3, where nobody contributed.
        let words = "queen lays eggs hive";
        let hits = search(&clients[3], &datanet, words).await?;
        ensure!(hits.iter().all(|hit| hit["contribution"] == original.as_str()), "hits of something refused: {hits:?}");
        ensure!(search(&clients[0], &datanet, words).await? == hits, "node 0 finds something else than node 3");
        let answers = ask(&clients[3], &datanet, &passages.asked[..QUESTIONS]).await?;
        let credited = answers.iter().all(|answer| answer.passages.iter().all(|p| p.contribution == original));
        ensure!(credited, "an answer rests on something refused");

        // Proven on node 0, where lies are found out.
        let receipt = &answers[0].receipt.id;
        let verdict = clients[0].verify_receipt(receipt).await?;
        ensure!(verdict.stands(), "a true receipt does not stand: {}", verdict.details);
        lies_are_found_out(network, receipt).await?;

        // Settled by the node that served, claimed on the node of the contributor.
        clients[3].settle().await?.context("there is nothing to settle after paid answers")?;
        is_paid(&clients[1], &honest.address, &original).await?;
        let agreed = network.agreement().await.context("after the pay")?;
        ensure!(agreed.height > 0 && clients[2].supply().await? == supply, "the supply has changed");
        Ok(())
    })
}

/// The very records that were uploaded, and every node has said so.
async fn every_node_has(clients: &[Client], contribution: &str, uploaded: &str) -> Result<()> {
    for client in clients {
        has(client, contribution, uploaded).await?;
    }
    let stands = clients[0].contribution(contribution).await?;
    ensure!(stands.attestations == clients.len(), "{} nodes have attested", stands.attestations);
    Ok(())
}

async fn a_copy_is_refused(clients: &[Client], datanet: &str, copied: &str, original: &str) -> Result<()> {
    let copy = contribute(&clients[2], datanet, "copycat", copied.to_owned()).await?;
    let refused = settled(&clients[2], &copy).await?;
    let reason = refused.reason.unwrap_or_default();
    ensure!(refused.state == State::Refused, "a copy was accepted: {reason}");
    ensure!(reason.contains("uniqueness") && reason.contains(&original[..8]), "the reason does not name it: {reason}");
    ensure!(refused.scores.is_some_and(|s| s.uniqueness == 0), "a copy was found unique: {:?}", refused.scores);
    Ok(())
}

/// Asks for labels, paid through a channel.
async fn ask(client: &Client, datanet: &str, questions: &[datanet_testnet::data::Record]) -> Result<Vec<Answer>> {
    account(client, "caller").await?;
    let unpaid = client.ask(datanet, &questions[0].text, "caller").await;
    ensure!(unpaid.is_err_and(|e| e.status() == Some(402)), "an answer was given without pay");
    client.open_channel("caller", None, PRICE * questions.len() as u64).await?;
    let mut answers = Vec::new();
    for question in questions {
        let answer = client.ask(datanet, &question.text, "caller").await?;
        ensure!(answer.label == question.label && answer.fee == PRICE, "wrong answer to {question:?}: {answer:?}");
        answers.push(answer);
    }
    let beyond = client.ask(datanet, &questions[0].text, "caller").await;
    ensure!(beyond.is_err_and(|e| e.status() == Some(402)), "an answer was given beyond the deposit");
    Ok(answers)
}

/// A record changed by a stranger fails by its signature; one that its own node signs wrongly, by recomputing.
async fn lies_are_found_out(network: &Network, receipt: &str) -> Result<()> {
    let (serving, checking) = (node(network, 3)?, node(network, 0)?);
    let shown = serving.receipt(receipt).await?;
    let bytes = hex::decode(shown["record"].as_str().context("a receipt without its record")?)?;
    let mut record = AnswerRecord::verify(&bytes, network.chain_id())?;
    record.output.label = Some("bread and butter".to_owned());
    let forged = checking.check_record(record.to_bytes()).await?;
    ensure!(forged.verdict == "mismatch", "a forged record stands: {}", forged.verdict);

    let secret = node_secret(&Home::new(network.nodes()[3].home()))?;
    let signed = AnswerRecord::sign(record.receipt, record.input, record.output, &secret);
    let lied = checking.check_record(signed.to_bytes()).await?;
    ensure!(lied.verdict == "mismatch", "a lie of the serving node stands: {}", lied.verdict);
    ensure!(lied.details.as_str().is_some_and(|d| d.contains("label")), "found for the wrong reason: {}", lied.details);
    Ok(())
}

/// The contributor sees why it earned, claims all of it, and has it.
async fn is_paid(client: &Client, address: &str, contribution: &str) -> Result<()> {
    let earnings = until("the settlement is seen where the contributor is", async || {
        Ok(Some(client.earnings(address).await?).filter(|earnings| earnings.claimable > 0))
    })
    .await?;
    let for_data = earnings.lines.iter().find(|line| line.role == "contributor").context("no line for data")?;
    ensure!(for_data.contribution.as_deref() == Some(contribution), "paid for another contribution: {for_data:?}");
    ensure!(for_data.answers == QUESTIONS as u64, "paid for {} answers", for_data.answers);
    // The bond comes home with the verdict, and is no earning.
    until("the verdict is final", async || {
        Ok(Some(client.contribution(contribution).await?).filter(|given| given.challenge_until.is_none()))
    })
    .await?;
    let before = client.balance(address).await?;
    let claimed = client.claim(address).await?;
    ensure!(claimed.total == earnings.claimable, "{} of {} was paid", claimed.total, earnings.claimable);
    let gained = client.balance(address).await?.saturating_sub(before);
    ensure!(gained > 0 && gained <= claimed.total, "the account gained {gained} by a claim of {}", claimed.total);
    let after = client.earnings(address).await?;
    ensure!(after.claimable == 0 && after.claimed == claimed.total, "it could be claimed twice: {after:?}");
    Ok(())
}
