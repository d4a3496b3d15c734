//! The commands of the documentation, run as pasted: every block of README and docs that a shell reads is run here on a
//! `datanet dev` node, page by page, or says above it why not: `<!-- not run: why -->`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::corpus;
use crate::crash::Process;
use crate::kit;

/// Pages with blocks that are run, and files of the reader's own that they ask for.
const PAGES: [(&str, &[&str]); 3] = [
    ("README.md", &[]),
    ("docs/models.md", &["passages.jsonl", "holdout.jsonl"]),
    ("docs/payments.md", &["passages.jsonl", "holdout.jsonl"]),
];

/// A block that a shell reads.
struct Block {
    line: usize,
    text: String,
    /// Why it is not run.
    why_not: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut above) = (Vec::new(), None::<Block>, "");
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    for (number, line) in text.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => block.text.extend([line, "\n"]),
            None if line == "```sh" => {
                let why_not = above.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
                open = Some(Block { line: number + 1, text: String::new(), why_not: why_not.map(str::to_owned) });
            }
            None => {}
        }
        if !line.trim().is_empty() {
            above = line;
        }
    }
    blocks
}

#[test]
fn every_block_is_run_or_says_why_not() {
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in std::fs::read_dir(root().join("docs")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        pages.extend(Some(format!("docs/{name}")).filter(|name| name.ends_with(".md")));
    }
    let (mut run, mut left) = (0, 0);
    for page in pages {
        let listed = PAGES.iter().any(|(known, _)| *known == page);
        for block in blocks(&page) {
            match block.why_not {
                Some(why) => {
                    assert!(why.len() > 10, "{page}:{}: {why:?} is no reason", block.line);
                    left += 1;
                }
                None => {
                    assert!(listed, "{page}:{}: neither run nor marked `<!-- not run: why -->`", block.line);
                    run += 1;
                }
            }
        }
    }
    assert!(run >= 3 && left > 0, "{run} are run, {left} are not: the marks are not read");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_run_works_as_pasted() {
    if kit::tools_with_model().await.is_none() {
        return;
    }
    for (page, files) in PAGES {
        let user = tempfile::tempdir().unwrap();
        // The home that the pages name.
        let home = user.path().join(".datanet-dev");
        let _node = Process::start(&home).await;
        let here = user.path().join("here");
        std::fs::create_dir(&here).unwrap();
        for (at, file) in files.iter().enumerate() {
            std::fs::write(here.join(file), corpus::jsonl(&corpus::samples(at * 300, 45))).unwrap();
        }
        let script: String = blocks(page)
            .into_iter()
            .filter(|block| block.why_not.is_none())
            .map(|block| format!("echo '{page}:{}' >&2\n{}", block.line, block.text))
            .collect();
        let datanet = Path::new(env!("CARGO_BIN_EXE_datanet")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let ran = Command::new("bash")
            .args(["-e", "-o", "pipefail", "-c", &script])
            .current_dir(&here)
            .env("HOME", user.path())
            .env("PATH", format!("{}:{path}", datanet.display()))
            .env_remove("DATANET_HOME")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (out, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{page} does not work as pasted:\n{errors}\n{out}");
    }
}
