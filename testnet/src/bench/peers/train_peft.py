"""The peer of `bench train`: PyTorch with PEFT, on the job that the bench wrote into a folder.

usage: train_peft.py JOB_FOLDER THREADS

JOB_FOLDER/job.json    model folder, learning rate, schedule, LoRA rank and targets, batches of token ids and labels
JOB_FOLDER/init.safetensors   the starting point: lora.<module>.A [in, r], classifier.weight, classifier.bias

Prints one JSON object: seconds of each step, seconds of a forward pass, the loss of each step, peak memory in bytes.
"""

import json
import resource
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModel

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
job = json.load(open(f"{folder}/job.json"))
init = load_file(f"{folder}/init.safetensors")

base = AutoModel.from_pretrained(job["model"], dtype=torch.float32)
config = LoraConfig(r=job["rank"], lora_alpha=job["alpha"], target_modules=job["targets"], lora_dropout=0.0)
model = get_peft_model(base, config)
model.train()
for module in model.modules():
    if isinstance(module, torch.nn.Dropout):
        module.p = 0.0
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if "lora_A" in name:
            key = name.removeprefix("base_model.model.").split(".lora_A")[0]
            parameter.copy_(init[f"lora.{key}.A"].T)
classes, width = init["classifier.weight"].shape
head = torch.nn.Linear(width, classes)
with torch.no_grad():
    head.weight.copy_(init["classifier.weight"])
    head.bias.copy_(init["classifier.bias"])

trainable = [p for p in model.parameters() if p.requires_grad] + list(head.parameters())
recipe = job["recipe"]
optimiser = torch.optim.AdamW(
    trainable,
    lr=recipe["learning_rate"],
    betas=(recipe["beta1"], recipe["beta2"]),
    eps=recipe["epsilon"],
    weight_decay=recipe["weight_decay"],
)
batches = [
    (torch.tensor(b["ids"]), torch.tensor(b["mask"]), torch.tensor(b["labels"])) for b in job["batches"]
]


def loss_of(ids, mask, labels):
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    real = mask.unsqueeze(-1).to(hidden.dtype)
    pooled = (hidden * real).sum(1) / real.sum(1)
    return torch.nn.functional.cross_entropy(head(pooled), labels)


losses, seconds = [], []
for step, (ids, mask, labels) in enumerate(batches):
    for group in optimiser.param_groups:
        group["lr"] = job["rates"][step]
    began = time.perf_counter()
    optimiser.zero_grad()
    loss = loss_of(ids, mask, labels)
    loss.backward()
    optimiser.step()
    seconds.append(time.perf_counter() - began)
    losses.append(loss.item())

forward = []
with torch.no_grad():
    for ids, mask, labels in batches[:5]:
        began = time.perf_counter()
        loss_of(ids, mask, labels)
        forward.append(time.perf_counter() - began)

peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "forward": forward, "losses": losses, "peak_bytes": peak}))
