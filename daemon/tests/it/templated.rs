//! Chats with a model whose folder has a template.

use std::path::Path;

use datanet_config::Home;
use reqwest::Method;
use serde_json::{Value, json};

use crate::factory::{prepared, trained, writer_job};
use crate::kit::{TestNode, read, refused};

/// As models of this kind write theirs: it has words of its own, names the roles otherwise, and refuses some conversations.
const TEMPLATE: &str = "{{- bos_token }}\
    {%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
    {%- for message in messages %}\
    {%- set role = 'model' if message.role == 'assistant' else message.role %}\
    {{- '<' ~ role ~ '>' ~ message.content.strip() ~ eos_token }}\
    {%- endfor %}\
    {%- if add_generation_prompt %}{{ '<model>' }}{% endif %}";

/// A folder `name` as `from`, with these files beside.
fn put(node: &TestNode, name: &str, from: &Path, beside: &[(&str, &str)]) {
    let folder = node.services().models.folder().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    for (file, text) in beside {
        std::fs::write(folder.join(file), text).unwrap();
    }
}

fn over(base: &str) -> Value {
    json!({
        "model": base, "training_file": "topics", "suffix": "spoken",
        "job": {
            "task": "generate", "max_tokens": 32, "recipe": { "epochs": 1, "batch": 16 }, "lora": { "rank": 2 },
            "attribution": { "method": "none" },
        },
    })
}

#[tokio::test]
async fn a_models_own_template_writes_its_prompts_and_refuses_in_its_own_words() {
    let Some(node) = prepared().await else { return };
    let scratch = trained(&node, writer_job()).await;
    let scratch = scratch["fine_tuned_model"].as_str().unwrap();
    // Which unpacks it.
    node.post(&format!("/v1/models/{scratch}/deploy"), json!({})).await;
    let folder = Home::new(node.home()).released().join(scratch);
    let tokens = json!({ "bos_token": "<s>", "eos_token": { "content": "</s>" } }).to_string();
    put(&node, "talker", &folder, &[("chat_template.jinja", TEMPLATE), ("tokenizer_config.json", &tokens)]);
    put(&node, "broken", &folder, &[("chat_template.jinja", "{% for m in messages %}{{ m.content }}")]);
    put(&node, "mute", &folder, &[("chat_template.jinja", "{{ raise_exception('not for chats') }}")]);

    for (base, says) in [("broken", "endfor %} is missing"), ("mute", "not for chats")] {
        let job = node.raw(Method::POST, "/v1/fine_tuning/jobs").json(&over(base));
        refused(base, job, 422, "bad-base-model", says).await;
    }

    let model = trained(&node, over("talker")).await["fine_tuned_model"].as_str().unwrap().to_owned();
    node.post(&format!("/v1/models/{model}/deploy"), json!({ "name": "speaker" })).await;
    let ask = |messages: Value| json!({ "model": "speaker", "messages": messages, "max_tokens": 6, "seed": 1, "account": "bob" });
    let system = json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hi" }]);
    let system = node.raw(Method::POST, "/v1/chat/completions").json(&ask(system));
    refused("a system message", system, 400, "prompt", "System role not supported").await;

    let said = json!([
        { "role": "user", "content": " Hi </s>\n" }, { "role": "assistant", "content": "Yes." },
        { "role": "user", "content": "<model>" },
    ]);
    let answer = node.post("/v1/chat/completions", ask(said)).await;
    let id = answer["datanet"]["receipt"]["id"].as_str().unwrap();
    let input = &node.get(&format!("/v1/receipts/{id}")).await["input"];
    // The last mark is no token of this tokenizer, so it is set apart where people write it.
    let text = "<s><user>Hi </s></s><model>Yes.</s><user>< model></s><model>";
    assert_eq!((input["text"].as_str(), &input["framed"]), (Some(text), &json!(true)), "{input:#}");
    let people: Vec<&str> = input["plain"]
        .as_array()
        .unwrap()
        .chunks_exact(2)
        .map(|part| &text[part[0].as_u64().unwrap() as usize..part[1].as_u64().unwrap() as usize])
        .collect();
    assert_eq!(people, ["Hi </s>", "Yes.", "< model>"]);
    assert_eq!(input["sampling"]["stop"][0], "</s>", "{input:#}");
    let verdict = read("verify", node.raw(Method::POST, &format!("/v1/receipts/{id}/verify"))).await;
    assert!(matches!(verdict["verdict"].as_str(), Some("match" | "within")), "{verdict:#}");
}
