//! The examples, as somebody would run them.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::scene::PATIENCE;
use crate::stage::play_alone;

#[test]
fn the_examples_do_what_they_say() -> Result<()> {
    play_alone(async |network| {
        let node = &network.nodes()[0];
        let (url, token) = (node.api()?, node.token()?);
        for (program, script) in [("sh", "contribute.sh"), ("python3", "contribute.py"), ("node", "contribute.mjs")] {
            let mut command = Command::new(program);
            command.arg(examples().join(script));
            finds_the_owl(&mut command, script, &url, &token).await?;
        }
        let built = Path::new(env!("CARGO_BIN_EXE_testnet")).with_file_name("examples").join("contribute");
        ensure!(built.exists(), "build the examples: cargo build --package datanet-testnet --examples");
        finds_the_owl(&mut Command::new(built), "contribute.rs", &url, &token).await
    })
}

fn examples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Runs an example with a datanet of its own; what it prints last is what it found.
async fn finds_the_owl(command: &mut Command, example: &str, url: &str, token: &str) -> Result<()> {
    let name = format!("birds-{}", example.replace('.', "-"));
    let running = command
        .arg(&name)
        .envs([("DATANET_URL", url), ("DATANET_TOKEN", token)])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output =
        tokio::time::timeout(PATIENCE, running).await.with_context(|| format!("{example} takes too long"))??;
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{example} failed: {said}{complained}");
    ensure!(said.to_lowercase().contains("final"), "{example} says no verdict: {said}");
    ensure!(said.contains("The tawny owl calls through the forest"), "{example} finds nothing: {said}{complained}");
    Ok(())
}
