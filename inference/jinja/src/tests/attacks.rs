//! Templates that are written to harm the node that runs them.

use std::time::{Duration, Instant};

use super::{render, rendered};
use crate::TemplateError;

/// Far above what any of them takes, also in a build that is not optimised on a busy machine.
const LONG: Duration = Duration::from_secs(20);

fn attack(source: &str) -> Result<usize, TemplateError> {
    let begun = Instant::now();
    let done = render(source, &[("user", "What?"), ("assistant", "That."), ("user", "So?")], true);
    assert!(begun.elapsed() < LONG, "{} took {:?}", &source[..source.len().min(200)], begun.elapsed());
    done.map(|text| text.as_str().len())
}

fn in_a_loop(before: &str, body: &str, after: &str) -> String {
    format!("{{% set ns = namespace(x='ab', l=[1, 2]) %}}{before}{{% for i in range(60) %}}{body}{{% endfor %}}{after}")
}

#[test]
fn what_grows_without_end_is_stopped() {
    for body in [
        "{% set ns.x = ns.x ~ ns.x %}",
        "{% set ns.x = ns.x + ns.x %}",
        "{% set ns.x = ns.x * 2 %}",
        "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}",
        "{% set ns.x = [ns.x, ns.x] | join %}",
        "{% set ns.x = ns.x.replace('a', 'aaa') %}",
        "{% set ns.x = ns.x | replace('b', ns.x) %}",
        "{% set ns.x = ns.x.join([ns.x, ns.x]) %}",
        "{% set ns.x = [ns.x, ns.x] | string %}",
        "{% set ns.x = [ns.x, ns.x] | tojson %}",
        "{% set ns.x = {'a': ns.x, 'b': ns.x} | tojson(indent=9) %}",
        "{% set ns.x = (ns.x ~ '\\nb') | indent(1000, true) %}",
        "{% set ns.x = ns.x | list | join(ns.x) %}",
        "{% set ns.l = ns.l + ns.l %}",
        "{% set ns.l = ns.l * 2 %}",
        "{% set ns.l = [ns.l, ns.l] %}",
        "{% set ns.l = {'a': ns.l, 'b': ns.l} %}",
        "{% set ns.l = [ns.l] %}",
        "{% set ns.x = ns.x.split('a') | join('aaa') %}",
        "{% filter replace('a', 'aa') %}{{ ns.x }}{% endfilter %}{% set ns.x = ns.x ~ ns.x %}",
        "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{% set ns.x = m(ns.x) %}",
    ] {
        let error = attack(&in_a_loop("", body, "")).expect_err(body);
        let nest = matches!(&error, TemplateError::Failed { what, .. } if what.contains("lie within each other"));
        assert!(nest || matches!(error, TemplateError::Bound { .. }), "{body}: {error}");
    }
    for source in [
        "{{ 'x' * 1000000000 }}",
        "{{ 1000000000000 * 'x' }}",
        "{{ [1] * 1000000000 }}",
        "{{ [] * 9000000000000000000 }}",
        "{{ '' * 9000000000000000000 }}",
        "{{ range(1000000000) }}",
        "{{ 'a' | indent(4000000000, true) }}",
        "{{ [1] | tojson(indent=' ' * 7000000) | length + ([1] | tojson(indent=' ' * 7000000) | length) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% set x = 'ab' * 1000000 %}{% for a in range(99999) %}{{ x | length }}{% endfor %}",
        "{% set x = 'ab' * 1000000 %}{% for a in range(99999) %}{% if 'c' in x %}{% endif %}{% endfor %}",
        "{% set x = 'ab' * 1000000 %}{% for a in range(99999) %}{% if x == x ~ '' %}{% endif %}{% endfor %}",
        "{% set x = range(90000) | list %}{% for a in x %}{% if x == x %}{% endif %}{% endfor %}",
        "{% set x = range(90000) | list %}{{ x | unique | list | length }}",
        "{% set x = range(90000) | list %}{% for a in x %}{% if -1 in x %}{% endif %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}",
        "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}",
        "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% set ns = namespace() %}{% set ns.l = 1 %}{% for i in range(9999) %}{% for j in [ns.l] %}{% set ns.l = loop %}{% endfor %}{% endfor %}",
    ] {
        assert!(attack(source).is_err(), "{source}");
    }
}

#[test]
fn shared_lists_cost_what_they_are_when_written_out() {
    let grow = "{% set ns = namespace(l=[1]) %}{% for i in range(28) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}";
    assert_eq!(attack(grow), Ok(0));
    for write in
        ["{{ ns.l }}", "{{ ns.l | tojson }}", "{{ ns.l == [ns.l[0], ns.l[1]] }}", "{{ ns.l | string | length }}"]
    {
        let error = attack(&format!("{grow}{write}")).unwrap_err();
        assert!(matches!(error, TemplateError::Bound { .. }), "{write}: {error}");
    }
}

#[test]
fn a_namespace_that_holds_itself_is_let_go_of() {
    let source = "{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.l = [ns] %}{{ ns.me.me.l[0].me is defined }}";
    assert_eq!(rendered(source, &[]), "True");
}

#[test]
fn a_source_that_nests_is_refused_and_one_that_is_long_is_read() {
    let fill = |open: &str, middle: &str, close: &str| {
        let count = (60 << 10) / (open.len() + close.len());
        format!("{}{middle}{}", open.repeat(count), close.repeat(count))
    };
    let within = |inner: String| format!("{{{{ {inner} }}}}");
    for source in [
        within(fill("(", "1", ")")),
        within(fill("[", "1", "]")),
        within(fill("{1:", "1", "}")),
        within(fill("a[", "1", "]")),
        within(fill("a(", "1", ")")),
        within(fill("a|f(", "1", ")")),
        within(fill("a is f(", "1", ")")),
        within(fill("-", "1", "")),
        within(fill("+", "1", "")),
        within(fill("(", "1", "")),
        within(fill("1 if (", "1", ") else 2")),
        fill("{% if a %}", "", "{% endif %}"),
        fill("{% for a in b %}", "", "{% endfor %}"),
        fill("{% set a %}", "", "{% endset %}"),
        fill("{% macro a() %}", "", "{% endmacro %}"),
        fill("{% call a() %}", "", "{% endcall %}"),
        fill("{% filter f %}", "", "{% endfilter %}"),
        fill("{% with %}", "", "{% endwith %}"),
        fill("{% generation %}", "", "{% endgeneration %}"),
        fill("{% if a %}", "", ""),
        fill("{% set (", "a", ""),
        fill("{% for ((", "a", ""),
        "{{".repeat(30_000),
        "{%".repeat(30_000),
        "{% raw ".repeat(9_000),
        "{% raw %}".repeat(7_000),
        "{#".repeat(30_000),
        "{{ '".repeat(15_000),
        "x".repeat((64 << 10) + 1),
    ] {
        let error = attack(&source).unwrap_err();
        assert!(matches!(error, TemplateError::Source { .. }), "{}: {error}", &source[..40]);
    }
    for (source, length) in [
        (within(fill("not ", "1", "")), 4),
        (within(fill("1+", "1", "")), 5),
        (within(fill("''~", "1", "")), 1),
        (within(fill("1<", "2", "")), 5),
        (within(fill("0 or ", "1", "")), 1),
        (within(fill("1 and ", "1", "")), 1),
        (within(fill("1 if 0 else ", "2", "")), 1),
        (within(fill("", "'x'", "|trim")), 1),
        (within(fill("", "'x'", ".strip()")), 1),
        (within(fill("", "x", " is defined")), 4),
        (within(fill("", "'x'", "[0]")), 1),
        (within(fill("'x' ", "'y'", "")), 15_361),
        (format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(5_000)), 0),
        (within(format!("[{}]|length", "1,".repeat(30_000))), 5),
        ("{".repeat(60_000).replace("{{", "{ "), 60_000),
        ("{{ 1 }}".repeat(8_000), 8_000),
        ("{#a#}".repeat(12_000), 0),
    ] {
        assert_eq!(attack(&source), Ok(length), "{}", &source[..40]);
    }
}

#[test]
fn garbage_is_an_error_or_text_and_never_a_panic() {
    use proptest::prelude::*;
    let words = [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "if", "else", "elif", "endif", "for", "in", "endfor", "set", "=",
        "x", "1", "'a'", "(", ")", "[", "]", "{", "}", "|", "trim", "is", "not", "~", ".", ",", ":", "macro",
        "endmacro", "raw", "endraw", "messages", "content", "\n", " ", "é", "\\", "'", "\"", "loop", "9", "*", "**",
        "//", "%", "<", "call", "endcall", "join",
    ];
    let sources = prop::collection::vec(prop::sample::select(words.to_vec()), 0..40);
    proptest!(ProptestConfig::with_cases(2_000), |(parts in sources, spaces in any::<bool>())| {
        let source = parts.join(if spaces { " " } else { "" });
        let _ = render(&source, &[("user", "a é")], true);
        let _ = render(&format!("{{{{ {source} }}}}"), &[("user", "a é")], true);
        let _ = render(&format!("{{% {source} %}}"), &[("user", "a é")], true);
    });
}

#[test]
fn a_long_conversation_is_within_the_bounds_of_every_template() {
    let long = "word ".repeat(400);
    let mut turns = vec![("system", long.as_str())];
    turns.extend((0..1_000).flat_map(|_| [("user", long.as_str()), ("assistant", long.as_str())]));
    turns.push(("user", long.as_str()));
    for (name, source) in super::TEMPLATES {
        match render(source, &turns, true) {
            Ok(text) => assert!(text.as_str().len() > 1_000 * long.len(), "{name}"),
            Err(error) => assert!(name == "gemma-2" && matches!(error, TemplateError::Refused(_)), "{name}: {error}"),
        }
    }
}
