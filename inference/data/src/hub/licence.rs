//! Licences as the Hub spells them, and as SPDX does.

/// Identifiers of SPDX that the Hub knows, in lower case there.
const SAME: [&str; 43] = [
    "Apache-2.0",
    "MIT",
    "AFL-3.0",
    "Artistic-2.0",
    "BSL-1.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "CC0-1.0",
    "CC-BY-2.0",
    "CC-BY-2.5",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-NC-ND-3.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-2.0",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-SA-4.0",
    "CDLA-Sharing-1.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
    "WTFPL",
    "ECL-2.0",
    "EPL-1.0",
    "EPL-2.0",
    "ISC",
    "LPPL-1.3c",
    "MS-PL",
    "MPL-2.0",
    "OFL-1.1",
    "OSL-3.0",
    "PostgreSQL",
    "NCSA",
    "Unlicense",
    "Zlib",
    "EUPL-1.1",
    "EUPL-1.2",
];

/// Those that it calls otherwise.
const OTHERWISE: [(&str, &str); 14] = [
    ("odc-by", "ODC-By-1.0"),
    ("odbl", "ODbL-1.0"),
    ("pddl", "PDDL-1.0"),
    ("c-uda", "C-UDA-1.0"),
    ("gpl-2.0", "GPL-2.0-only"),
    ("gpl-3.0", "GPL-3.0-only"),
    ("agpl-3.0", "AGPL-3.0-only"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-3.0", "LGPL-3.0-only"),
    ("gpl-2.0", "GPL-2.0-or-later"),
    ("gpl-3.0", "GPL-3.0-or-later"),
    ("agpl-3.0", "AGPL-3.0-or-later"),
    ("lgpl-2.1", "LGPL-2.1-or-later"),
    ("lgpl-3.0", "LGPL-3.0-or-later"),
];

/// The SPDX expression of a licence of the Hub; `None` where it says nothing (`unknown`, `other`, `cc`). What SPDX does
/// not list has a name of its own: `LicenseRef-openrail`.
pub fn from_hub(id: &str) -> Option<String> {
    let id = id.trim().to_ascii_lowercase();
    let known = OTHERWISE.iter().find(|(hub, _)| *hub == id).map(|(_, spdx)| *spdx);
    let known = known.or_else(|| SAME.iter().copied().find(|spdx| spdx.eq_ignore_ascii_case(&id)));
    if let Some(known) = known {
        return Some(known.to_owned());
    }
    let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    (is_plain && !matches!(id.as_str(), "unknown" | "other" | "cc" | "none")).then(|| format!("LicenseRef-{id}"))
}

/// What the Hub calls an SPDX expression; `None` if it has no name for it.
pub fn to_hub(spdx: &str) -> Option<String> {
    let otherwise = OTHERWISE.iter().find(|(_, known)| *known == spdx).map(|(hub, _)| (*hub).to_owned());
    otherwise.or_else(|| SAME.contains(&spdx).then(|| spdx.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_known_in_both_spellings() {
        for (hub, spdx) in
            [("cc-by-4.0", "CC-BY-4.0"), ("mit", "MIT"), ("odbl", "ODbL-1.0"), ("gpl-3.0", "GPL-3.0-only")]
        {
            assert_eq!(from_hub(hub).as_deref(), Some(spdx));
            assert_eq!(to_hub(spdx).as_deref(), Some(hub));
        }
        assert_eq!(to_hub("GPL-3.0-or-later").as_deref(), Some("gpl-3.0"));
        assert_eq!(from_hub("openrail++"), None);
        assert_eq!(from_hub("openrail").as_deref(), Some("LicenseRef-openrail"));
        assert_eq!((from_hub("unknown"), from_hub("other"), to_hub("MIT OR Apache-2.0")), (None, None, None));
    }
}
