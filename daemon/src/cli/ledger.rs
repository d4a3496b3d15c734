//! `datanet ledger`: all of the state in a file, and a home made from it. Neither talks to a node: a running one holds its store.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use datanet_config::{Home, NodeConfig, holds_something};
use datanet_ledger::LedgerHandle;
use datanet_ledger::export::{self, Exported, Header};
use serde_json::json;

use super::args::LedgerCommand;
use super::output::{Output, fields};
use crate::init::{self, NetworkGenesis};
use crate::node::HomeLock;

pub(super) fn run(home: &Home, command: LedgerCommand, output: Output) -> Result<()> {
    match command {
        LedgerCommand::Export { file } => {
            let Exported { header, sha256, bytes } = export_to(home, &file)?;
            let value = json!({ "file": file, "chain_id": header.chain_id, "height": header.height,
                "app_hash": hex::encode(header.app_hash), "sha256": hex::encode(sha256), "bytes": bytes,
                "components": header.components });
            output.show(&value, |value| {
                fields(value, &["file", "chain_id", "height", "app_hash", "sha256", "bytes"]);
            });
        }
        LedgerCommand::Import { file } => {
            let (header, genesis) = import_from(home, &file)?;
            let value = json!({ "home": home.root(), "chain_id": header.chain_id, "height": header.height,
                "app_hash": hex::encode(header.app_hash), "next_height": header.height.saturating_add(1),
                "validators": genesis.continues.map_or(0, |continues| continues.validators.len()),
                "genesis": home.genesis() });
            output.show(&value, |value| {
                fields(value, &["home", "chain_id", "height", "app_hash", "next_height", "validators", "genesis"]);
            });
        }
    }
    Ok(())
}

fn export_to(home: &Home, file: &Path) -> Result<Exported> {
    let ledger = home.ledger();
    ensure!(
        holds_something(&ledger),
        "{} is not there: this home has no ledger; name another --home",
        ledger.display()
    );
    let _stopped = HomeLock::take(home)?;
    let ledger = LedgerHandle::open(&ledger)?;
    let name = file.display();
    let new = File::options().write(true).create_new(true).open(file);
    let mut new = BufWriter::new(new.with_context(|| format!("cannot make {name}; name a file that is not there"))?);
    let written = export::export(&ledger.reader(), &mut new).map_err(anyhow::Error::from).and_then(|exported| {
        new.flush()?;
        new.get_ref().sync_all()?;
        Ok(exported)
    });
    if written.is_err() {
        // Half of one is of no use; that it can't be removed matters less than why it is half.
        let _ = std::fs::remove_file(file);
    }
    written.with_context(|| format!("nothing is exported to {name}"))
}

fn import_from(home: &Home, file: &Path) -> Result<(Header, NetworkGenesis)> {
    let open = || File::open(file).with_context(|| format!("cannot read {}", file.display())).map(BufReader::new);
    // Read before anything is made: a file that can't be used makes no home.
    let header = export::read_header(open()?)?;
    init::init_home(home, &NodeConfig::default())?;
    let _stopped = HomeLock::take(home)?;
    let path = home.ledger();
    let there = holds_something(&path).then(|| LedgerHandle::open(&path)).transpose()?.map(|ledger| ledger.info());
    // What was imported before something else failed is not imported again.
    let same = there.is_some_and(|info| info.height == header.height && info.app_hash == header.app_hash);
    if !same {
        ensure!(
            !holds_something(&home.genesis()),
            "{} is there: this home belongs to a network; import into a new --home",
            home.genesis().display()
        );
        export::import(&path, open()?)?;
    }
    let ledger = LedgerHandle::open(&path)?;
    let genesis = NetworkGenesis::continuing(&ledger.reader())?;
    init::write_genesis(home, &genesis)?;
    Ok((header, genesis))
}
