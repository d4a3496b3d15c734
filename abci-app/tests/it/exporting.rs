//! A ledger in a file, and files that are none.

use std::io::Cursor;
use std::path::Path;

use datanet_ledger::LedgerHandle;
use datanet_ledger::component::derived;
use datanet_ledger::export::{COMPONENTS, ExportError, Header, export, import, read_header};
use datanet_ledger::state::StateRead;
use proptest::prelude::*;

use crate::support::{BALANCE, CHAIN, Chain, address, transfer};

fn file_of(ledger: &LedgerHandle) -> Vec<u8> {
    let mut file = Vec::new();
    let exported = export(&ledger.reader(), &mut file).unwrap();
    assert_eq!(exported.bytes, file.len() as u64);
    file
}

fn chain() -> Chain {
    let chain = Chain::new();
    chain.run(&[transfer(1, 2, 5, 1)]);
    chain.run(&[transfer(2, 3, 7, 2)]);
    chain
}

fn import_into(dir: &Path, file: &[u8]) -> Result<Header, ExportError> {
    import(&dir.join("ledger.redb"), Cursor::new(file))
}

fn refused(file: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let error = import_into(dir.path(), file).unwrap_err().to_string();
    let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
    assert_eq!(ledger.info().height, 0, "nothing is written: {error}");
    error
}

#[test]
fn a_ledger_made_from_an_export_is_the_same_and_goes_on_as_the_first_does() {
    let first = chain();
    let file = file_of(&first.ledger);
    let dir = tempfile::tempdir().unwrap();
    let header = import_into(dir.path(), &file).unwrap();
    assert_eq!((header.chain_id.as_str(), header.height, header.app_version), (CHAIN, 2, 1));
    assert_eq!(read_header(Cursor::new(&file)).unwrap(), header);
    let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
    assert_eq!(ledger.info(), first.ledger.info());
    let digest = |ledger: &LedgerHandle| ledger.reader().get_raw(&derived::state_key::digest()).unwrap().unwrap();
    assert_eq!(digest(&ledger), digest(&first.ledger));
    let second = Chain { dir, ledger, idle: 0 };
    for nonce in 3..9 {
        let txs = [transfer(3, 4, nonce, nonce)];
        assert_eq!(second.run(&txs).app_hash, first.run(&txs).app_hash);
    }
    // What was executed before is remembered.
    assert_eq!(second.run(&[transfer(1, 2, 5, 1)]).outcomes[0].code, datanet_ledger::code::REPLAYED);
    assert_eq!(second.balance(9), BALANCE);
    assert!(second.ledger.reader().prove("params", None).is_ok());
    let reopened = second.reopen();
    assert_eq!(reopened.ledger.info().height, 9);
}

#[test]
fn every_key_of_state_belongs_to_a_component_and_the_file_says_how_many_each_has() {
    let chain = chain();
    let mut file = Vec::new();
    let exported = export(&chain.ledger.reader(), &mut file).unwrap();
    let all = chain.ledger.reader().scan("", None, usize::MAX).unwrap();
    let parts = &exported.header.components;
    assert_eq!(parts.iter().map(|part| part.entries).sum::<u64>(), all.len() as u64);
    assert!(parts.iter().map(|part| part.name.as_str()).eq(COMPONENTS.iter().map(|component| component.name)));
    let again = chain.reopen();
    assert!(file_of(&again.ledger) == file, "a function of the state");
}

#[test]
fn what_is_no_export_or_not_all_of_one_is_refused_by_name() {
    let file = file_of(&chain().ledger);
    let header_end = 22 + file[22..].iter().position(|byte| *byte == b'\n').unwrap();
    let line = String::from_utf8(file[22..header_end].to_vec()).unwrap();
    let with_line = |line: &str| [&file[..22], line.as_bytes(), &file[header_end..]].concat();
    let app_hash = serde_json::from_str::<serde_json::Value>(&line).unwrap()["app_hash"].as_str().unwrap().to_owned();
    let flipped = |at: usize| {
        let mut file = file.clone();
        file[at] ^= 1;
        file
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "no export"),
        (b"{\"accounts\": []}".to_vec(), "no export"),
        (file[..21].to_vec(), "no export"),
        (file[..30].to_vec(), "ends within the header"),
        (file[..header_end + 3].to_vec(), "ends within component \"params\""),
        (file[..file.len() - 33].to_vec(), "ends within component \"derived\""),
        (file[..file.len() - 1].to_vec(), "ends within its checksum"),
        ([file.as_slice(), b"x"].concat(), "follows its end"),
        (flipped(file.len() - 1), "SHA-256"),
        (with_line(&line.replace("{\"format\":1", "{\"format\":2")), "format 2"),
        (with_line(&line.replace("{\"format\":1", "{\"format\": 1")), "not written as this program writes it"),
        (with_line(&line.replace("\"app_version\":1", "\"app_version\":9")), "version 9 of the ledger's rules"),
        (with_line(&line.replace("\"params\"", "\"param\"")), "its components are param,"),
        (with_line(&line.replace("\"height\":2", "\"height\":0")), "of no height"),
        (with_line("[]"), "header is none"),
        (flipped(header_end + 5), "is not its own"),
    ];
    for (file, words) in cases {
        let said = refused(&file);
        assert!(said.contains(words), "{said:?} does not say {words:?}");
    }
    // With its own checksum and another app hash, it is a forgery.
    let other = with_line(&line.replace(&app_hash, &"ab".repeat(32)));
    assert!(refused(&resealed(other)).contains("lead to app hash"), "another app hash");
    let mut richer = file.clone();
    let text = address(1).to_string();
    let at = richer.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    richer[at + text.len() + 6] ^= 1;
    assert!(refused(&resealed(richer)).contains("lead to app hash"), "another balance");
}

/// The file with a checksum that fits.
fn resealed(mut file: Vec<u8>) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    file.truncate(file.len() - 32);
    let checksum = Sha256::digest(&file);
    file.extend(checksum);
    file
}

#[test]
fn a_ledger_that_is_there_is_not_overwritten_and_none_is_not_exported() {
    let chain = chain();
    let file = file_of(&chain.ledger);
    let (dir, before) = (chain.dir.path().to_owned(), chain.ledger.info());
    let Chain { dir: kept, ledger, .. } = chain;
    drop(ledger);
    let error = import_into(&dir, &file).unwrap_err().to_string();
    assert!(error.contains("at height 2 already"), "{error}");
    assert_eq!(LedgerHandle::open(&kept.path().join("ledger.redb")).unwrap().info(), before);
    let empty = Chain::empty();
    let error = export(&empty.ledger.reader(), Vec::new()).unwrap_err().to_string();
    assert!(error.contains("no block yet"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Cut or bent anywhere, it is refused: at the latest by its checksum.
    #[test]
    fn no_bent_export_is_imported(at in 0usize..6_000, bit in 0u8..8, cut: bool) {
        thread_local! {
            static FILE: Vec<u8> = file_of(&chain().ledger);
        }
        let file = FILE.with(|file| {
            let mut file = file.clone();
            let at = at % file.len();
            if cut { file.truncate(at) } else { file[at] ^= 1 << bit }
            file
        });
        refused(&file);
    }

    #[test]
    fn garbage_is_refused_and_never_a_panic(garbage in prop::collection::vec(any::<u8>(), 0..300), header: bool) {
        let magic = if header { b"datanet-ledger-export\n".to_vec() } else { Vec::new() };
        refused(&[magic, garbage].concat());
    }
}
