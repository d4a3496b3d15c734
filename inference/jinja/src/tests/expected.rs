//! Against the real jinja2: `expected.json` is what it writes, set up as transformers does (`expected.py`).

use serde_json::Value;

use super::{TEMPLATES, render};
use crate::TemplateError;

fn expected() -> Value {
    serde_json::from_str(include_str!("expected.json")).unwrap()
}

fn turns(dialogue: &Value) -> Vec<(&str, &str)> {
    let turns = dialogue.as_array().unwrap().iter();
    turns.map(|turn| (turn["role"].as_str().unwrap(), turn["content"].as_str().unwrap())).collect()
}

/// What is different, if anything.
fn difference(source: &str, dialogue: &Value, answer: bool, expected: &Value) -> Option<String> {
    let found = render(source, &turns(dialogue), answer);
    let same = match &found {
        Ok(text) => expected["text"] == text.as_str(),
        // Its own words are made one line.
        Err(TemplateError::Refused(words)) => expected["refused"] == words.as_str(),
        Err(_) => !expected["error"].is_null(),
    };
    let found = found.map(|text| text.as_str().to_owned()).map_err(|error| error.to_string());
    (!same).then(|| format!("{found:?}\nis not\n{expected}"))
}

#[test]
fn the_templates_of_models_write_what_transformers_writes() {
    let expected = expected();
    let mut wrong = Vec::new();
    for (name, source) in TEMPLATES {
        let results = expected["templates"][name].as_object().unwrap();
        assert_eq!(results.len(), 22, "{name}");
        for (dialogue, result) in results {
            let (dialogue, how) = dialogue.rsplit_once(", ").unwrap();
            let difference = difference(source, &expected["dialogues"][dialogue], how == "to be answered", result);
            wrong.extend(difference.map(|what| format!("{name}, {dialogue}, {how}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn expressions_and_tags_mean_what_they_mean_in_jinja() {
    let expected = expected();
    let mut wrong = Vec::new();
    for snippet in expected["snippets"].as_array().unwrap() {
        let source = snippet[0].as_str().unwrap();
        let difference = difference(source, &expected["dialogues"]["three turns"], true, &snippet[1]);
        wrong.extend(difference.map(|what| format!("{source}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_refused_is_named_with_its_line() {
    for (source, line, what) in [
        ("a\n{% include 'x' %}", 2, "{% include %} reads or makes other templates"),
        ("\n\n{% block x %}{% endblock %}", 3, "{% block %}"),
        ("{% for a in b recursive %}{% endfor %}", 1, "recursive"),
        ("{{ f(*a) }}", 1, "* and **"),
        ("{% do x %}", 1, "{% do %} is not known"),
        ("{% break %}", 1, "stands in no loop"),
        ("{% macro m() %}{% for a in b %}{% endfor %}{% break %}{% endmacro %}", 1, "stands in no loop"),
        ("x\n{% if a %}\ny", 3, "elif or else or endif %} is missing; is the file cut short?"),
        ("{{ a", 1, "has no end }}"),
        ("{# a", 1, "has no end #}"),
        ("{% raw %}a", 1, "has no {% endraw %}"),
        ("{{ 'a }}", 1, "a string has no end"),
        ("{{ 99999999999999999999 }}", 1, "too large"),
        ("{{ a b }}", 1, "found b where }} should be"),
        ("{% set true = 1 %}", 1, "true cannot be assigned to"),
        ("{{ ] }}", 1, "unexpected ]"),
        ("{{ ? }}", 1, "unexpected character '?'"),
    ] {
        let Err(TemplateError::Source { line: found, what: said }) = render(source, &[], false) else {
            panic!("{source} is not refused");
        };
        assert!(found == line && said.contains(what), "{source}: line {found}: {said}");
    }
    for (source, line, what) in [
        ("a\n{{ 'x' | frobnicate }}", 2, "the filter frobnicate is not known here"),
        ("{{ 'x' is frob }}", 1, "the test frob is not known here"),
        ("{{ 'x'.encode() }}", 1, "a string has no method encode here"),
        ("\n{{ messages.append(1) }}", 2, "append changes a list"),
        ("{{ x.y }}", 1, "x, which is undefined, has no y"),
        ("{{ x() }}", 1, "x, which is undefined, cannot be called"),
        ("{{ 'a' + none }}", 1, "a string + none makes no sense"),
        ("{{ strftime_now('%Q') }}", 1, "%Q"),
    ] {
        let error = render(source, &[], false).unwrap_err();
        assert!(matches!(&error, TemplateError::Failed { line: found, .. } if *found == line), "{source}: {error}");
        assert!(error.to_string().contains(what), "{source}: {error}");
    }
}

#[test]
fn a_templates_own_words_are_one_line_and_cut() {
    let long = format!("{{{{ raise_exception('a\\nb\\u0000' ~ 'x' * {}) }}}}", 5_000);
    let Err(TemplateError::Refused(words)) = render(&long, &[], false) else { panic!("it refuses") };
    assert!(words.starts_with("a b x") && words.ends_with('…') && words.chars().count() <= 301, "{words}");
}
