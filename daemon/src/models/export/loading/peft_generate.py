import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
# TOKENS

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("BASE"), ".").eval()
with torch.no_grad():
    print(tokenizer.decode(model.generate(input_ids=torch.tensor(ids), max_new_tokens=20, do_sample=False)[0].tolist()))
