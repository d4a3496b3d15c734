"""Writes the reference models of this folder: random, tiny, with the outputs that Hugging Face transformers gives.

    pip install torch transformers peft safetensors
    python generate.py
"""

import json
from pathlib import Path

import peft
import torch
import transformers as hf

HERE = Path(__file__).parent
TOKENS = [[2, 7, 11, 23, 5, 3], [9, 31, 4], [17, 8, 29, 12]]


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 0.5 if "norm" in name.lower() else 0.25
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + ("orm.weight" in name or "layernorm.weight" in name))
    return model.eval()


def padded(left=False):
    longest = max(map(len, TOKENS))
    rows, masks = [], []
    for row in TOKENS:
        rest = longest - len(row)
        rows.append([1] * rest + row if left else row + [1] * rest)
        masks.append([0] * rest + [1] * len(row) if left else [1] * len(row) + [0] * rest)
    return torch.tensor(rows), torch.tensor(masks)


def rounded(tensor):
    return [float(f"{x:.8g}") for x in tensor.flatten().tolist()]


def save(name, model, expected, **options):
    folder = HERE / name
    model.save_pretrained(folder, **options)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "expected.json").write_text(json.dumps(expected))


def encoder(name, model, base):
    ids, mask = padded()
    with torch.no_grad():
        states = base(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    save(name, model, {
        "ids": ids.tolist(), "mask": mask.tolist(),
        "states": rounded(states.last_hidden_state), "first": rounded(states.hidden_states[1]),
    })


def decoder(name, model, **options):
    expected = {"cases": []}
    for left in (False, True):
        ids, mask = padded(left)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
        expected["cases"].append({"ids": ids.tolist(), "mask": mask.tolist(), "logits": rounded(logits)})
    save(name, model, expected, **options)


def adapted(name, base, model, answer, **options):
    """An adapter that PEFT saves, with the adapted model's answer."""
    config = peft.LoraConfig(r=4, **options)
    wrapped = peft.get_peft_model(model, config)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter_name, parameter in wrapped.named_parameters():
            if "lora_" in parameter_name or "modules_to_save" in parameter_name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    wrapped.save_pretrained(HERE / name)
    (HERE / name / "README.md").unlink(missing_ok=True)
    path = HERE / name / "adapter_config.json"
    saved = json.loads(path.read_text())
    saved |= dict(base_model_name_or_path=base, target_modules=sorted(saved["target_modules"]))
    path.write_text(json.dumps(saved, indent=2))
    expect(name, base, wrapped.eval(), answer)


def expect(name, base, model, answer):
    ids, mask = padded()
    with torch.no_grad():
        values = answer(model, dict(input_ids=ids, attention_mask=mask))
    (HERE / name / "expected.json").write_text(json.dumps({"base": base, "ids": ids.tolist(), "mask": mask.tolist(), "values": rounded(values)}))


def adapters():
    model = hf.RobertaForSequenceClassification.from_pretrained(HERE / "roberta")
    adapted("roberta-adapter", "roberta", model, lambda m, x: m.base_model.model.roberta(**x).last_hidden_state, task_type="SEQ_CLS", target_modules=["query", "value", "intermediate.dense"], lora_alpha=6)
    model = hf.LlamaForCausalLM.from_pretrained(HERE / "llama")
    adapted("llama-adapter", "llama", model, lambda m, x: m(**x).logits, task_type="CAUSAL_LM", target_modules="all-linear", lora_alpha=8, use_rslora=True)


def written():
    """What PEFT answers with the adapters that the tests wrote (`UPDATE_FIXTURES=1 cargo test`)."""
    model = hf.LlamaForCausalLM.from_pretrained(HERE / "llama")
    loaded = peft.PeftModel.from_pretrained(model, HERE / "llama-written")
    expect("llama-written", "llama", loaded.eval(), lambda m, x: m(**x).logits)
    model = hf.DistilBertModel.from_pretrained(HERE / "distilbert")
    loaded = peft.PeftModel.from_pretrained(model, HERE / "distilbert-written").eval()
    expect("distilbert-written", "distilbert", loaded, lambda m, x: m(**x).last_hidden_state)


SIZES = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, max_position_embeddings=64)


def main():
    torch.manual_seed(0)
    model = hf.DistilBertModel(hf.DistilBertConfig(vocab_size=40, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=12))
    randomise(model, 1)
    encoder("distilbert", model, model)
    sizes = SIZES | dict(max_position_embeddings=14)
    model = hf.RobertaForSequenceClassification(hf.RobertaConfig(**sizes, type_vocab_size=1, layer_norm_eps=1e-5, num_labels=2))
    randomise(model, 2)
    encoder("roberta", model, model.roberta)
    rope = dict(rope_type="llama3", rope_theta=10000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
    config = hf.LlamaConfig(**SIZES, num_key_value_heads=2, head_dim=8, rope_parameters=rope, tie_word_embeddings=False)
    decoder("llama", randomise(hf.LlamaForCausalLM(config), 3))
    config = hf.Qwen2Config(**SIZES, num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=dict(rope_type="linear", rope_theta=5000.0, factor=2.0))
    decoder("qwen2", randomise(hf.Qwen2ForCausalLM(config), 4))
    config = hf.LlamaConfig(**SIZES, num_key_value_heads=4, attention_bias=True, mlp_bias=True)
    decoder("llama-sharded", randomise(hf.LlamaForCausalLM(config), 5), max_shard_size="12KB")
    adapters()
    written()


if __name__ == "__main__":
    main()
