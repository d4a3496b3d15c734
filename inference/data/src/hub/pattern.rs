//! The patterns by which a card names files: `*` and `?` inside a name, `**` across folders, `[…]` for one of several
//! characters. All of them are looked for in the folder.

use super::{HubError, HubResult};

/// Longest pattern, in bytes.
const MAX_BYTES: usize = 1_024;

/// One thing that a pattern asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    This(char),
    /// One character of a name.
    One,
    /// One of these ranges, or none of them.
    Among {
        ranges: Vec<(char, char)>,
        none: bool,
    },
    /// Anything inside a name.
    Name,
    /// Anything, folders too.
    Path,
    /// Any folders, or none: `**/`.
    Folders,
}

/// A pattern over paths in the folder.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    /// Reads a pattern that is relative to `base`, a path in the folder that ends in a slash or is empty.
    pub(super) fn read(base: &str, text: &str) -> HubResult<Self> {
        let path = local(text)?;
        let mut parts: Vec<Part> = base.chars().map(Part::This).collect();
        let mut rest = path;
        while let Some(first) = rest.chars().next() {
            let (part, length) = if rest.starts_with("**/") {
                (Part::Folders, 3)
            } else if rest.starts_with("**") {
                (Part::Path, 2)
            } else {
                match first {
                    '*' => (Part::Name, 1),
                    '?' => (Part::One, 1),
                    '[' => among(rest).unwrap_or((Part::This('['), 1)),
                    other => (Part::This(other), other.len_utf8()),
                }
            };
            parts.push(part);
            rest = &rest[length..];
        }
        Ok(Self(parts))
    }

    /// Whether a path is meant: how far each part reaches is tried at once, so that no pattern takes long.
    pub(super) fn fits(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        let mut here = vec![false; path.len() + 1];
        here[0] = true;
        for part in &self.0 {
            here = step(part, &path, &here);
        }
        here[path.len()]
    }
}

/// The places that are reached from those in `here` by one part.
fn step(part: &Part, path: &[char], here: &[bool]) -> Vec<bool> {
    let mut next = vec![false; here.len()];
    let mut open = false;
    for at in 0..here.len() {
        let before = at.checked_sub(1).map(|before| path[before]);
        next[at] = match part {
            Part::This(wanted) => at > 0 && here[at - 1] && before == Some(*wanted),
            Part::One => at > 0 && here[at - 1] && before != Some('/'),
            Part::Among { ranges, none } => {
                let held = |c: char| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                at > 0 && here[at - 1] && before.is_some_and(|c| c != '/' && held(c) != *none)
            }
            Part::Name => {
                open = here[at] || (open && before != Some('/'));
                open
            }
            Part::Path => {
                open |= here[at];
                open
            }
            Part::Folders => {
                let reached = here[at] || (open && before == Some('/'));
                open |= here[at];
                reached
            }
        };
    }
    next
}

/// `[a-z_]` or `[!0-9]` at the start of `text`, and its length.
fn among(text: &str) -> Option<(Part, usize)> {
    // The first character inside may itself be a bracket.
    let (second, _) = text.char_indices().nth(2)?;
    let end = text[second..].find(']')? + second;
    let inner = text.get(1..end)?;
    let (none, inner) = match inner.strip_prefix(['!', '^']) {
        Some(inner) => (true, inner),
        None => (false, inner),
    };
    let (mut ranges, mut left) = (Vec::new(), inner.chars().peekable());
    while let Some(from) = left.next() {
        let mut ahead = left.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) => {
                ranges.push((from, to));
                left = ahead;
            }
            _ => ranges.push((from, from)),
        }
    }
    Some((Part::Among { ranges, none }, end + 1))
}

/// A folder that a card names, as the start of the paths in it.
pub(super) fn folder(dir: &str) -> HubResult<String> {
    let dir = local(dir)?.trim_end_matches('/');
    Ok(if dir.is_empty() || dir == "." { String::new() } else { format!("{dir}/") })
}

/// Refuses whatever leads out of the folder, by its name.
fn local(text: &str) -> HubResult<&str> {
    let refuse = |why: &str| Err(HubError::Files(format!("the card names {:?}, {why}", crate::corpus::cut(text, 200))));
    if text.len() > MAX_BYTES {
        return refuse("which is too long; name files of the folder");
    }
    if text.contains("://") || text.contains("::") {
        return refuse("which is elsewhere; nothing is fetched: download it into the folder and name it there");
    }
    let is_drive = text.as_bytes().get(1) == Some(&b':') && text.as_bytes()[0].is_ascii_alphabetic();
    if text.starts_with('/') || text.starts_with('~') || text.contains('\\') || is_drive {
        return refuse("which is no path in the folder; name it from the folder on, with slashes");
    }
    if text.split('/').any(|part| part == "..") {
        return refuse("which leads out of the folder; put the file into it");
    }
    if text.contains('\0') {
        return refuse("which no file is called; name files of the folder");
    }
    let mut path = text;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        Pattern::read("", pattern).unwrap().fits(path)
    }

    #[test]
    fn patterns_mean_what_they_mean_to_the_library() {
        for (pattern, path) in [
            ("data/train-*", "data/train-00000-of-00001.parquet"),
            ("./a.csv", "a.csv"),
            ("**/x.csv", "x.csv"),
            ("**/x.csv", "a/b/x.csv"),
            ("data/**", "data/a/b.csv"),
            ("data/**/b.csv", "data/b.csv"),
            ("t?st.csv", "test.csv"),
            ("s-[0-9][!a].csv", "s-7b.csv"),
            ("[é-ü]*.csv", "ö.csv"),
            ("a[.csv", "a[.csv"),
        ] {
            assert!(fits(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("data/*", "data/a/b.csv"),
            ("*.csv", "a/b.csv"),
            ("**/x.csv", "ax.csv"),
            ("s-[0-9].csv", "s-a.csv"),
            ("train.csv", "train.csv.gz"),
            ("a?b", "a/b"),
        ] {
            assert!(!fits(pattern, path), "{pattern} {path}");
        }
        assert!(Pattern::read("en/", "*.csv").unwrap().fits("en/a.csv"));
        assert!(!Pattern::read("e*/", "*.csv").unwrap().fits("en/a.csv"), "a folder is no pattern");
    }

    #[test]
    fn a_pattern_of_a_stranger_takes_no_long_time() {
        let pattern = "*a".repeat(500);
        assert!(!fits(&pattern, &format!("{}b", "a".repeat(1_000))));
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_breaks_the_reader(pattern in r"[\[\]!^*?/.a-cé木-]{0,12}", path in "[a-cé/.]{0,8}") {
            if let Ok(pattern) = Pattern::read("", &pattern) {
                pattern.fits(&path);
            }
        }
    }

    #[test]
    fn what_leads_out_of_the_folder_is_refused_by_name() {
        for (text, says) in [
            ("https://example.org/a.csv", "elsewhere"),
            ("hf://datasets/a/b.csv", "elsewhere"),
            ("zip://a.csv::b.zip", "elsewhere"),
            ("/etc/passwd", "no path in the folder"),
            ("~/.ssh/id", "no path in the folder"),
            ("C:/a.csv", "no path in the folder"),
            ("a\\..\\b", "no path in the folder"),
            ("../a.csv", "leads out"),
            ("data/../../a.csv", "leads out"),
            ("a\0b", "no file is called"),
        ] {
            let said = Pattern::read("", text).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
            assert!(folder(text).is_err(), "{text}");
        }
        assert_eq!(
            (folder("./en/").unwrap(), folder("").unwrap(), folder(".").unwrap()),
            ("en/".into(), "".into(), "".into())
        );
    }
}
