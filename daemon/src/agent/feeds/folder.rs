//! Folders: files below them, and nothing that a link in them leads to elsewhere.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use datanet_types::record::Format;
use datanet_types::schema::Schema;

use super::Material;

/// Folders within folders.
const DEPTH: usize = 6;
/// Files that are read.
const FILES: usize = 2_000;

/// Reads what is in `folder`.
pub(super) fn look(folder: &Path, max_bytes: u64, schema: &Schema, material: &mut Material) {
    let shown = folder.display().to_string();
    let root = match folder.canonicalize() {
        Ok(root) if root.is_dir() => root,
        Ok(_) => return material.skip(&shown, "it is no folder".to_owned()),
        Err(error) => return material.skip(&shown, error.to_string()),
    };
    let mut files = Vec::new();
    walk(&root, DEPTH, &mut files);
    files.sort();
    if files.len() > FILES {
        material.skip(&shown, format!("it has more than {FILES} files; the first are read"));
        files.truncate(FILES);
    }
    for file in files {
        read(&root, &file, max_bytes, schema, material);
    }
}

/// Files below `folder`, links left out.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let Ok(kind) = entry.file_type() else { continue };
        if hidden || files.len() > FILES {
            continue;
        }
        if kind.is_file() {
            files.push(entry.path());
        } else if kind.is_dir() && depth > 0 {
            walk(&entry.path(), depth - 1, files);
        }
    }
}

fn read(root: &Path, path: &Path, max_bytes: u64, schema: &Schema, material: &mut Material) {
    let shown = path.display().to_string();
    let Some(format) = path.extension().and_then(|end| end.to_str()).and_then(Format::from_extension) else { return };
    // A folder on the way may have become a link since it was walked.
    if !path.canonicalize().is_ok_and(|real| real.starts_with(root)) {
        return material.skip(&shown, "it leads out of its folder".to_owned());
    }
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)) {
        Err(error) => material.skip(&shown, error.to_string()),
        Ok(_) if bytes.len() as u64 > max_bytes => material.skip(&shown, format!("it has more than {max_bytes} bytes")),
        Ok(_) => material.take(&shown, format, bytes, schema),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_links_are_not_and_what_is_wrong_is_told() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let schema = Schema::text_and_label(&["a", "b"]);
        let line = r#"{"text": "A heron stands by the lake.", "label": "a"}"#;
        std::fs::create_dir(dir.path().join("below")).unwrap();
        std::fs::write(dir.path().join("below/good.jsonl"), format!("{line}\n")).unwrap();
        std::fs::write(dir.path().join("bad.jsonl"), format!("{line}\n{{\"text\": 5}}\n")).unwrap();
        std::fs::write(dir.path().join("long.jsonl"), format!("{line}\n").repeat(100)).unwrap();
        std::fs::write(dir.path().join("page.html"), "<p>").unwrap();
        std::fs::write(outside.path().join("secret.jsonl"), format!("{line}\n")).unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.jsonl"), dir.path().join("link.jsonl")).unwrap();
        let mut material = Material::default();
        look(dir.path(), 1_000, &schema, &mut material);
        let names: Vec<&str> = material.found.iter().map(|found| found.source.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["good.jsonl"]);
        let told: Vec<String> =
            material.skipped.iter().map(|skipped| format!("{}: {}", skipped.source, skipped.why)).collect();
        assert!(
            told.len() == 2 && told[0].contains("bad.jsonl") && told[1].contains("more than 1000 bytes"),
            "{told:?}"
        );
        look(&dir.path().join("none"), 1_000, &schema, &mut material);
        assert_eq!(material.skipped.len(), 3);
    }
}
