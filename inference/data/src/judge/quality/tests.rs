//! Sentences of our own, good and bad.

use super::*;

fn mean(texts: &[&str]) -> f64 {
    let all = assess(texts);
    all.iter().map(|quality| quality.score).sum::<f64>() / all.len() as f64
}

fn of(text: &str) -> Quality {
    assess(&[text]).remove(0)
}

const GOOD: [&str; 6] = [
    "A lock-free queue for one producer and one consumer, built on a ring of cache-line sized slots.",
    "The tokenizer splits text into sub-words, so that rare terms such as HTTP/2 or utf8mb4 need no entry of their own.",
    "Returns an error if the file has been truncated; otherwise the checksum is compared before anything is written.",
    "Wie lange eine Verbindung offen bleibt, entscheidet der Server; der Client fragt nach und wartet höchstens zehn Sekunden.",
    "この関数は入力を一行ずつ読み、空行を無視して、最後に件数を返します。",
    "Rain fell on the northern valleys for nine days, and the river rose by two metres before the dam was opened.",
];

const BOILERPLATE: [&str; 5] = [
    "Licensed under either of Apache License, Version 2.0 or MIT license at your option.",
    "Unless you explicitly state otherwise, any contribution intentionally submitted for inclusion shall be dual licensed.",
    "Contributions are welcome! Please open an issue before you send a pull request, and follow the code of conduct.",
    "This website uses cookies. Click here to read our privacy policy.",
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software.",
];

#[test]
fn prose_in_any_language_is_good() {
    for text in GOOD {
        assert!(of(text).score > 0.95, "{text}: {:?}", of(text));
    }
}

#[test]
fn boilerplate_is_bad() {
    assert!(mean(&BOILERPLATE) < 0.3, "{}", mean(&BOILERPLATE));
    assert!(BOILERPLATE.iter().all(|text| of(text).flaws.first() == Some(&Flaw::Boilerplate)));
}

#[test]
fn phrases_that_the_batch_repeats_are_boilerplate() {
    let batch: Vec<String> =
        (0..6).map(|i| format!("Welcome to our wonderful shop where every day is a day of joy, visitor {i}")).collect();
    let views: Vec<&str> = batch.iter().map(String::as_str).collect();
    assert!(mean(&views) < 0.3);
    assert!(mean(&views[..2]) > 0.9);
}

#[test]
fn each_flaw_is_named() {
    for (flaw, text) in [
        (Flaw::TooShort, "ok then"),
        (Flaw::FewLetters, "12 34 56 78 90 == ++ -- 1.0 2.0 3.0 {} () ;; a"),
        (Flaw::Repetitive, "buy it now buy it now buy it now buy it now buy it now buy it now"),
        (Flaw::Shouting, "THIS IS THE BEST LIBRARY THAT ANYBODY HAS EVER WRITTEN"),
        (Flaw::Gibberish, "xkcdqwz brtplmn qwrtzpsdf lkjhgf mnbvcx plkmnjh zxcvbnm"),
        (
            Flaw::Markup,
            "[![Build](https://ci.example/badge.svg)](https://ci.example) <img src=\"x.png\"> https://example.org/a",
        ),
    ] {
        let quality = of(text);
        assert!(quality.score < 0.6 && quality.flaws.contains(&flaw), "{text}: {quality:?}");
    }
}

#[test]
fn any_text_at_all_has_a_score_between_0_and_1() {
    use proptest::prelude::*;
    proptest!(|(texts in proptest::collection::vec("\\PC{0,60}|[a-z<>! \n.]{0,60}", 0..6))| {
        let views: Vec<&str> = texts.iter().map(String::as_str).collect();
        let all = assess(&views);
        prop_assert_eq!(all.len(), views.len());
        prop_assert!(all.iter().all(|quality| (0.0..=1.0).contains(&quality.score)));
    });
}
