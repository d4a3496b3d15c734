//! Folders as people and strangers make them.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn config(dir: &tempfile::TempDir, name: Option<&str>) -> HubResult<Config> {
    Folder::open(dir.path())?.config(name)
}

fn splits(dir: &tempfile::TempDir, name: Option<&str>) -> Vec<(String, Vec<String>)> {
    let all = config(dir, name).unwrap().splits.into_iter();
    all.map(|split| (split.name, split.files.into_iter().map(|file| file.name).collect())).collect()
}

fn named(split: &str, files: &[&str]) -> (String, Vec<String>) {
    (split.to_owned(), files.iter().map(|file| (*file).to_owned()).collect())
}

const CARD: &str = r#"---
license: cc-by-sa-4.0
pretty_name: Trees
configs:
- config_name: bark
  data_files:
  - split: train
    path: bark/tr*
  - split: test
    path: [bark/held.csv, "bark/more.csv"]
- config_name: leaves
  data_dir: leaves
dataset_info:
- config_name: bark
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': ash
          '1': oak
  - name: pixels
    sequence: int8
  - name: seen
    dtype: date32
- config_name: leaves
  features: []
---

# Trees

![badge](x)

What the bark of trees looks like,
told by foresters.

More.
"#;

#[test]
fn a_card_says_licence_splits_classes_and_what_it_is_about() {
    let dir = folder(&[
        ("README.md", CARD),
        ("bark/train.csv", ""),
        ("bark/held.csv", ""),
        ("bark/more.csv", ""),
        ("leaves/a.jsonl", ""),
    ]);
    let opened = Folder::open(dir.path()).unwrap();
    let card = opened.card();
    assert_eq!((card.licence.as_deref(), card.pretty_name.as_deref()), (Some("CC-BY-SA-4.0"), Some("Trees")));
    assert_eq!(card.description.as_deref(), Some("What the bark of trees looks like, told by foresters."));
    assert_eq!(
        splits(&dir, Some("bark")),
        [named("train", &["bark/train.csv"]), named("test", &["bark/held.csv", "bark/more.csv"])]
    );
    assert_eq!(splits(&dir, Some("leaves")), [named("train", &["leaves/a.jsonl"])]);
    let features = config(&dir, Some("bark")).unwrap().features;
    assert_eq!(features[1].kind, FeatureKind::Classes(vec!["ash".into(), "oak".into()]));
    assert_eq!(features[2].kind, FeatureKind::Other("a sequence".into()));
    assert_eq!(features[3].kind, FeatureKind::Other("date32".into()));
    let said = config(&dir, None).unwrap_err().to_string();
    assert!(said.contains("\"bark\", \"leaves\"; choose one with --config"), "{said}");
    let said = config(&dir, Some("roots")).unwrap_err().to_string();
    assert!(said.contains("no configuration \"roots\"; it has \"bark\", \"leaves\""), "{said}");
    let said = config(&dir, Some("bark")).unwrap().split("dev").unwrap_err().to_string();
    assert!(said.contains("no split \"dev\"; it has \"train\", \"test\""), "{said}");
}

#[test]
fn without_a_card_splits_are_told_as_the_library_tells_them() {
    let sharded = folder(&[
        ("data/test-00000-of-00001.parquet", ""),
        ("data/train-00001-of-00002.parquet", ""),
        ("data/train-00000-of-00002.parquet", ""),
        ("data/extra-00000-of-00001-abc.parquet", ""),
        ("LICENSE.txt", ""),
    ]);
    assert_eq!(
        splits(&sharded, None),
        [
            named("train", &["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]),
            named("test", &["data/test-00000-of-00001.parquet"]),
            named("extra", &["data/extra-00000-of-00001-abc.parquet"]),
        ]
    );
    let folders = folder(&[("en/training/test.csv", ""), ("en/dev_set/x.csv", ""), ("other/y.csv", "")]);
    assert_eq!(
        splits(&folders, None),
        [named("train", &["en/training/test.csv"]), named("validation", &["en/dev_set/x.csv"])]
    );
    let names = folder(&[("my-train-1.jsonl.gz", ""), ("eval.json", ""), ("constraint.json", ""), ("state.json", "")]);
    assert_eq!(splits(&names, None), [named("train", &["my-train-1.jsonl.gz"]), named("test", &["eval.json"])]);
    let plain = folder(&[("a.csv", ""), ("notes.txt", ""), (".hidden.csv", ""), ("README.md", "no YAML here")]);
    assert_eq!(splits(&plain, None), [named("train", &["a.csv"])]);
    let text = folder(&[("a.txt", ""), ("README.md", "---\n---\n")]);
    assert_eq!(splits(&text, None), [named("train", &["a.txt"])]);
}

#[test]
fn every_way_of_writing_data_files_is_read() {
    for (yaml, expected) in [
        ("data_files: a.csv", vec![named("train", &["a.csv"])]),
        ("data_files: ['*.csv', b.csv]", vec![named("train", &["a.csv", "b.csv"])]),
        ("data_files: {test: b.csv}", vec![named("test", &["b.csv"])]),
        ("default: true", vec![named("train", &["a.csv", "b.csv"])]),
    ] {
        let card = format!("---\nconfigs:\n- config_name: x\n  {yaml}\n---\n");
        let dir = folder(&[("README.md", &card), ("a.csv", ""), ("b.csv", "")]);
        assert_eq!(splits(&dir, None), expected, "{yaml}");
    }
}

fn refusal(card: &str, more: &[(&str, &str)]) -> String {
    let mut files = vec![("README.md", card), ("a.csv", "text\nx\n")];
    files.extend(more);
    config(&folder(&files), None).unwrap_err().to_string()
}

#[test]
fn what_a_card_names_elsewhere_is_refused_by_name_and_nothing_is_read() {
    let card =
        |path: &str| format!("---\nconfigs:\n- config_name: x\n  data_files: {}\n---\n", serde_json::json!(path));
    for (path, says) in [
        ("https://example.org/train.csv", "elsewhere"),
        ("../../secret.csv", "leads out of the folder"),
        ("/etc/passwd", "no path in the folder"),
        ("missing-*.csv", "no such file is in the folder"),
        ("data.arrow", "no such file"),
    ] {
        let said = refusal(&card(path), &[]);
        assert!(said.contains(says) && said.contains(path), "{said}");
    }
    assert!(refusal(&card("a.arrow"), &[("a.arrow", "")]).contains("to_parquet"));
    assert!(refusal(&card("a*"), &[("a.jsonl", "")]).contains("several formats"));
    let dir = "---\nconfigs:\n- {config_name: x, data_dir: ../x}\n---\n";
    assert!(refusal(dir, &[]).contains("leads out"));
}

#[test]
fn links_are_followed_inside_the_folder_and_into_the_cache_of_the_library_alone() {
    let secret = folder(&[("id.csv", "text\nsecret\n")]);
    let dir = folder(&[("real/b.csv", "")]);
    symlink(secret.path().join("id.csv"), dir.path().join("train.csv")).unwrap();
    let said = config(&dir, None).unwrap_err().to_string();
    assert!(said.contains("train.csv is a link to") && said.contains("outside of the folder"), "{said}");
    fs::remove_file(dir.path().join("train.csv")).unwrap();
    symlink("real/b.csv", dir.path().join("train.csv")).unwrap();
    symlink("..", dir.path().join("circle")).unwrap();
    assert_eq!(splits(&dir, None), [named("train", &["train.csv"])]);

    let cache = folder(&[("blobs/0a1b", "text\nx\n"), ("snapshots/abc/x.md", "")]);
    let snapshot = cache.path().join("snapshots/abc");
    symlink("../../blobs/0a1b", snapshot.join("train.csv")).unwrap();
    let opened = Folder::open(&snapshot).unwrap().config(None).unwrap();
    assert_eq!(opened.splits[0].files[0].path, cache.path().canonicalize().unwrap().join("blobs/0a1b"));
}

#[test]
fn a_pipe_is_not_waited_for() {
    let dir = folder(&[]);
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("train.csv")).status().unwrap();
    assert!(made.success());
    assert!(config(&dir, None).unwrap_err().to_string().contains("no plain file"));
}

#[test]
fn a_card_that_is_none_is_told_why() {
    for (card, says) in [
        ("---\nlicense: mit\n", "no second line"),
        ("---\na: [1\n---\n", "cannot be read"),
        ("---\n- just\n- a list\n---\n", "no list of keys"),
        ("---\nconfigs:\n- config_name: x\n  data_files: 7\n---\n", "neither paths nor a list"),
        (
            "---\ndataset_info:\n  features:\n  - name: l\n    dtype: {class_label: {names: {'0': a, '2': b}}}\n---\n",
            "without a gap",
        ),
    ] {
        let said = refusal(card, &[]);
        assert!(said.starts_with("the card README.md") && said.contains(says), "{said}");
    }
    let bomb: String = (0..40).fold("---\na0: &a0 [x, x]\n".to_owned(), |yaml, n| {
        format!("{yaml}a{}: &a{} [*a{n}, *a{n}, *a{n}]\n", n + 1, n + 1)
    });
    assert!(refusal(&format!("{bomb}---\n"), &[]).contains("cannot be read"));
    let deep = format!("---\na: {}{}\n---\n", "[".repeat(50_000), "]".repeat(50_000));
    assert!(refusal(&deep, &[]).contains("cannot be read"));
}

proptest::proptest! {
    #[test]
    fn no_card_breaks_the_reader(yaml in r"(license|configs|dataset_info|features|data_files|- |  |: |\n|\[|\{|\}|\]|'|&a|\*a|x|---){0,30}") {
        let _ = Card::read(&format!("---\n{yaml}\n---\nText."));
    }
}

#[test]
fn licences_that_say_nothing_are_kept_as_they_are_written() {
    for (yaml, spdx, written) in [
        ("license: apache-2.0", Some("Apache-2.0"), "apache-2.0"),
        ("license: [mit]", Some("MIT"), "mit"),
        ("license: [mit, apache-2.0]", None, "mit, apache-2.0"),
        ("license: unknown", None, "unknown"),
        ("license: other\nlicense_name: MIT OR Apache-2.0", Some("MIT OR Apache-2.0"), "other"),
    ] {
        let dir = folder(&[("README.md", &format!("---\n{yaml}\n---\n")), ("a.csv", "")]);
        let opened = Folder::open(dir.path()).unwrap();
        let card = opened.card();
        assert_eq!((card.licence.as_deref(), card.licence_as_written.as_deref()), (spdx, Some(written)));
    }
}

#[test]
fn a_folder_without_data_says_what_to_do() {
    for (file, says) in
        [("a.arrow", "save_to_disk"), ("load.py", "to_parquet"), ("a.zip", "unpack"), ("x.bin", ".jsonl")]
    {
        let said = config(&folder(&[(file, "")]), None).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
}
