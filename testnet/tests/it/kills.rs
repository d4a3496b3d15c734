//! Fifty deaths at random moments, of a node's application, its CometBFT or both, while people move money and give data: no fork,
//! nothing that was committed is lost or done twice, and the money is what it was.

mod checks;
mod load;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use datanet_ledger::component::Params;
use datanet_testnet::network::Network;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use self::load::Load;
use crate::crash::kill_process;
use crate::stage::play_apart;

const DEATHS: usize = 50;
/// The seed of what is not said otherwise here.
const SEED: &str = "DATANET_TEST_SEED";
/// The longest that it may take: it is three minutes on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(1_200);
/// How long a node may take to end once half of it is gone.
const END: Duration = Duration::from_secs(60);
/// Longest pause before a death.
const PAUSE_MS: u64 = 800;
/// Longest time that a node which starts is left alone where it is to die before it is ready.
const START_MS: u64 = 1_500;
/// Deaths between two looks at whether all nodes have the same state.
const BETWEEN_LOOKS: usize = 10;

/// What is killed.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The process with the application; its CometBFT notices.
    Application,
    /// CometBFT; its node notices.
    CometBft,
    /// Both at once, as in a power cut.
    Both,
    /// Both, and once more while they start.
    Starting,
}

#[test]
fn fifty_random_deaths_fork_nothing_lose_nothing_and_do_nothing_twice() -> Result<()> {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().with_context(|| format!("{SEED} is no number"))?,
        Err(_) => rand::random::<u32>().into(),
    };
    println!("the dice of these deaths: {SEED}={seed}");
    // Deadlines pass in the middle of it.
    let params = |params| Params { commit_seconds: 4, reveal_seconds: 4, ..params };
    play_apart(params, PATIENCE, async |network| {
        die_again_and_again(network, seed).await.with_context(|| format!("with {SEED}={seed}"))
    })
}

async fn die_again_and_again(network: &mut Network, seed: u64) -> Result<()> {
    let mut dice = StdRng::seed_from_u64(seed);
    let load = Load::begin(network, seed).await?;
    let began = std::time::Instant::now();
    let mut deaths = [0; 4];
    for death in 1..=DEATHS {
        let victim = dice.random_range(0..network.nodes().len());
        let part = match dice.random_range(0..10) {
            0..=3 => Part::Application,
            4..=6 => Part::CometBft,
            7..=8 => Part::Both,
            _ => Part::Starting,
        };
        let pause = Duration::from_millis(dice.random_range(0..PAUSE_MS));
        let start = Duration::from_millis(dice.random_range(0..START_MS));
        tokio::time::sleep(pause).await;
        die(network, victim, part, start)
            .await
            .with_context(|| format!("death {death} of {DEATHS}: {part:?} of node {victim}"))?;
        deaths[part as usize] += 1;
        if death % BETWEEN_LOOKS == 0 {
            let agreed = network.agreement().await.with_context(|| format!("after death {death}"))?;
            println!("{death} deaths in {} s, all agree at height {}", began.elapsed().as_secs(), agreed.height);
        }
    }
    let done = load.end(network).await?;
    let agreed = network.agreement().await.context("when all was over")?;
    let committed = checks::one_chain(network, agreed.height).await?;
    done.is_in(&committed)?;
    network.down().await?;
    done.is_paid(network)?;
    let [application, cometbft, both, starting] = deaths;
    println!(
        "{application} applications, {cometbft} CometBFTs, {both} nodes and {starting} starting ones died in {} s; {} blocks, {} transactions, {} of them sent again in vain",
        began.elapsed().as_secs(),
        agreed.height,
        committed.len(),
        done.repeated()
    );
    ensure!(committed.len() > 2 * DEATHS, "there was hardly any load: {} transactions", committed.len());
    Ok(())
}

/// One death, and the return.
async fn die(network: &mut Network, victim: usize, part: Part, start: Duration) -> Result<()> {
    match part {
        Part::Application => {
            kill_process(network, victim, "pid")?;
            network.wait_ended(victim, END).await?;
        }
        Part::CometBft => {
            kill_process(network, victim, "comet_pid")?;
            network.wait_ended(victim, END).await?;
        }
        Part::Both => network.kill(victim).await?,
        Part::Starting => {
            network.kill(victim).await?;
            // Ready or not.
            let _ = tokio::time::timeout(start, network.restart(victim)).await;
            network.kill(victim).await?;
        }
    }
    network.restart(victim).await
}
