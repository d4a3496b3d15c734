import torch
from transformers import AutoModelForCausalLM
# TOKENS

model = AutoModelForCausalLM.from_pretrained(".").eval()
with torch.no_grad():
    print(tokenizer.decode(model.generate(input_ids=torch.tensor(ids), max_new_tokens=20, do_sample=False)[0].tolist()))
