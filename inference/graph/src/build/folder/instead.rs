//! What often lies where a model's file should: a page or a pointer that came in its place.

/// What `head`, the first bytes of a file, are in place of the file; `None` where they are nothing that is known.
pub(in crate::build) fn instead(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"version https://git-lfs") {
        return Some(
            "it is a pointer of Git LFS and not the file itself; run `git lfs pull` where the folder was cloned",
        );
    }
    let page = head.trim_ascii_start();
    let begins = |start: &[u8]| page.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    if begins(b"<!doctype") || begins(b"<html") || begins(b"<?xml") {
        return Some("it is a web page and not the file itself, mostly one that says why; fetch the file again");
    }
    None
}
