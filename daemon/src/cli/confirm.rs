//! Asking before what can't be undone. Where nobody sits who could be asked, `--yes` says that it is meant.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result, bail, ensure};

/// Goes on only if it is meant: by `yes`, or by whoever answers at a terminal. Everything but yes is no.
pub(super) async fn confirm(yes: bool, question: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("{question} This can't be undone; add --yes if it is meant. Nothing was changed");
    }
    let _ = write!(std::io::stderr(), "{question} This can't be undone. Go on? [y/N] ");
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await?.context("cannot read the answer")?;
    ensure!(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"), "nothing was changed");
    Ok(())
}
