//! Requests in OpenAI's shapes, as clients of dynamic languages write them: what is read, what is refused, in which
//! words.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::kit::{Api, MAX_BODY, plain_node, read, refused};

fn post(node: &Api, path: &str, body: &Value) -> RequestBuilder {
    node.raw(Method::POST, path).json(body)
}

/// A refusal that names `param` in both places.
async fn names(request: RequestBuilder, status: u16, param: &str, says: &str) {
    let response = request.send().await.unwrap();
    let (got, problem): (u16, Value) = (response.status().as_u16(), response.json().await.unwrap());
    assert_eq!((got, problem["error"]["param"].as_str()), (status, Some(param)), "{problem:#}");
    let message = problem["error"]["message"].as_str().unwrap();
    assert!(message.contains(param) && message.contains(says), "{problem:#}");
}

#[tokio::test]
async fn null_is_absent_wherever_a_field_may_be_left_out() {
    let node = plain_node().await;
    let chat = json!({
        "model": "none-such", "messages": [{ "role": "user", "content": "hi", "name": null, "tool_calls": null }],
        "stream": null, "stream_options": { "include_usage": null }, "stop": null, "n": null, "tools": null,
        "response_format": null, "max_tokens": 4.0, "top_k": null, "voucher": null,
    });
    refused("a chat", post(&node, "/v1/chat/completions", &chat), 404, "unknown-model", "none-such").await;
    let text = json!({ "model": "none-such", "prompt": "hi", "stream": null, "echo": null, "logprobs": null });
    refused("a text", post(&node, "/v1/completions", &text), 404, "unknown-model", "none-such").await;
    let passage = json!({ "model": "none-such", "input": "hi", "explain": null, "counterfactual": null });
    refused("a passage", post(&node, "/v1/classify", &passage), 404, "unknown-model", "none-such").await;
    let embed = json!({ "input": ["hi"], "encoding_format": null, "dimensions": null, "user": null });
    refused("a vector", post(&node, "/v1/embeddings", &embed), 503, "no-model", "datanet setup").await;
    let key = json!({ "name": null });
    refused("what may not be left out", post(&node, "/v1/keys", &key), 422, "bad-field", "\"name\" is missing").await;
}

#[tokio::test]
async fn a_field_at_fault_is_named_by_its_path() {
    let node = plain_node().await;
    let before = node.world().await;
    let said = json!([{ "role": "user", "content": "hi" }]);
    for (field, value, status, param, says) in [
        ("max_tokens", json!(1.5), 422, "max_tokens", "a whole number"),
        ("max_tokens", json!(0), 400, "max_tokens", "from 1"),
        ("max_completion_tokens", json!(-1), 400, "max_completion_tokens", "from 1"),
        ("temperature", json!("0.7"), 422, "temperature", "a number"),
        ("stream", json!("true"), 422, "stream", "true or false"),
        ("stream_options", json!({ "include_usage": "yes" }), 422, "stream_options.include_usage", "true or false"),
        (
            "messages",
            json!([{ "role": "user", "content": "a" }, { "content": "b" }]),
            422,
            "messages[1].role",
            "missing",
        ),
        ("messages", json!([{ "role": "robot", "content": "a" }]), 400, "messages[0].role", "assistant"),
        ("functions", json!([{ "name": "look" }]), 400, "functions", "leave it out"),
        ("top_k", json!(5), 400, "top_k", "leave it out"),
        ("temprature", json!(1), 400, "temprature", "did you mean \"temperature\"?"),
    ] {
        let mut body = json!({ "model": "none-such", "messages": said });
        body[field] = value;
        names(post(&node, "/v1/chat/completions", &body), status, param, says).await;
    }
    for input in [json!([17, 4]), json!([[17, 4], [2]])] {
        let ids = post(&node, "/v1/embeddings", &json!({ "input": input }));
        names(ids, 400, "input", "check_embedding_ctx_length=False").await;
    }
    let job =
        json!({ "model": "m", "training_file": "topics", "job": { "task": "classify", "lora": { "rank": "4" } } });
    names(post(&node, "/v1/fine_tuning/jobs", &job), 422, "job.lora.rank", "a whole number").await;
    let transfer = json!({ "from": "node", "to": "dn1bad", "amount": 1 });
    names(post(&node, "/v1/transfers", &transfer), 422, "to", "not a datanet address").await;
    assert_eq!(node.world().await, before);
}

#[tokio::test]
async fn a_query_may_have_empty_parameters_and_switches_of_either_kind() {
    let node = plain_node().await;
    for query in ["limit=", "limit=&after=&stream=", "limit=5&", "stream=0", "stream=False"] {
        let path = format!("/v1/fine_tuning/jobs?{query}");
        assert_eq!(read(&path, node.raw(Method::GET, &path)).await["object"], "list");
    }
    for (query, param, says) in [
        ("limit=many", "limit", "a whole number"),
        ("limit=-1", "limit", "a whole number"),
        ("stream=maybe", "stream", "true or false"),
        ("limits=5", "limits", "there are: after, limit, stream"),
    ] {
        names(node.raw(Method::GET, &format!("/v1/fine_tuning/jobs?{query}")), 400, param, says).await;
    }
    names(node.raw(Method::GET, "/v1/search?q="), 400, "q", "missing").await;
}

#[tokio::test]
async fn a_body_that_is_too_large_says_by_how_much_and_which_key_raises_the_limit() {
    let node = plain_node().await;
    let length = usize::try_from(MAX_BODY).unwrap() + 7;
    for path in ["/v1/embeddings", "/v1/keys", "/v1/tx"] {
        let body = || node.raw(Method::POST, path).header("content-type", "application/json").body(vec![b' '; length]);
        refused(path, body(), 413, "body-too-large", "api.max_body_bytes").await;
        refused(path, body(), 413, "body-too-large", &length.to_string()).await;
        refused(path, body(), 413, "body-too-large", &MAX_BODY.to_string()).await;
    }
}
