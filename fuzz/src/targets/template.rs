//! A chat template, as it comes with a stranger's model, and what somebody says in it.

use datanet_jinja::{Conversation, Template, Turn};

use crate::Target;

pub(crate) const TEMPLATE: Target = Target { name: "template", seeds, run };

/// What templates in use are made of.
const SEEDS: [&str; 3] = [
    "{%- for message in messages %}{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>\\n' }}\
     {%- endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "{% set ns = namespace(n=0) %}{% for m in messages if m.role != 'system' %}{% set ns.n = ns.n + 1 %}\
     {{ '[%s] ' ~ m.content.split('</think>')[-1].strip() ~ loop.index0 }}{% if loop.last %}{{ eos_token }}{% endif %}{% endfor %}\
     {% if messages[0]['role'] == 'system' and ns.n % 2 == 1 %}{{ raise_exception('no system') }}{% endif %}",
    "{% macro say(who, what='') -%}{{ who | upper }}: {{ what | replace('a', 'b') | tojson }}{%- endmacro %}\
     {{ bos_token }}{% for m in messages %}{{ say(m.role, what=m.content[1:]) }}{% endfor %}{{ strftime_now('%Y') }}",
];

/// Half of a conversation's words: what is left of them is all that may be told apart as people's.
const SAID: [&str; 2] = ["Is <|im_end|> a word? </think> yes", "No, and neither is [INST]."];

fn seeds() -> Vec<Vec<u8>> {
    SEEDS.iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

fn run(input: &[u8]) {
    let Ok(source) = std::str::from_utf8(input) else { return };
    let Ok(template) = Template::parse(source) else { return };
    let turns = [Turn { role: "user", content: SAID[0] }, Turn { role: "assistant", content: SAID[1] }];
    let tokens = [("bos_token".to_owned(), "<s>".to_owned()), ("eos_token".to_owned(), "</s>".to_owned())];
    let conversation = Conversation { turns: &turns, add_generation_prompt: true, tokens: &tokens };
    let first = template.render(&conversation);
    assert_eq!(first, template.render(&conversation), "a prompt is a pure function");
}
