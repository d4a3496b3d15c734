import json
import os

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel
# TOKENS

model = PeftModel.from_pretrained(AutoModel.from_pretrained("BASE"), ".").eval()
with torch.no_grad():
    states = model(torch.tensor(ids)).last_hidden_state[0]
vector = POOLED
tensors = load_file("adapter_model.safetensors")
if os.path.exists("labels.json"):
    head = [tensors[f"base_model.model.classifier.{name}"] for name in ("weight", "bias")]
    chances = torch.softmax(head[0] @ vector + head[1], 0).tolist()
    print(dict(zip(json.load(open("labels.json")), chances)))
else:
    print((vector / vector.norm()).tolist())
