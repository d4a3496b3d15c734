//! Every command that the documentation shows is one that this grammar takes, whether or not a test can run it.

use std::path::Path;

use clap::Parser;

use super::Cli;

/// The words of a line up to a comment; quotes keep blanks.
fn words(line: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => all.extend(word.take()),
            ('#', None) if word.is_none() => break,
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}

fn pages() -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().flatten().map(|entry| entry.path());
    docs.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

#[test]
fn every_command_that_the_documentation_shows_is_one() {
    let mut seen = 0;
    for page in pages() {
        let (text, mut in_block) = (std::fs::read_to_string(&page).unwrap(), false);
        for line in text.replace("\\\n", " ").lines() {
            if line.starts_with("```") {
                in_block = line == "```sh";
            }
            let typed = words(line);
            for command in typed.split(|word| word == "&&" || word == "|" || word == "--").filter(|_| in_block) {
                let name = command.first().map(String::as_str);
                // Behind `cargo run -p datanet --` the name is left out.
                let ours = name == Some("datanet") || (name == Some("dev") && line.contains("-p datanet --"));
                if !ours {
                    continue;
                }
                let given = std::iter::once("datanet")
                    .chain(command.iter().skip(usize::from(name == Some("datanet"))).map(String::as_str));
                if let Err(error) = Cli::try_parse_from(given) {
                    panic!("{}: {line}\n{error}", page.display());
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}
