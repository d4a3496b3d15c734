"""Peers of `bench attribution`: the methods of dattri, as it ships them, on the adapter, the records and the queries that
the bench wrote into a folder.

usage: attribute.py FOLDER THREADS METHOD

FOLDER/job.json           what the network is, its classes, the learning rate of each checkpoint, the queries' losses
FOLDER/task.safetensors   the frozen part of a small network or none, checkpoint.<k>.<module>.A [r, in] and .B [out, r],
                          of a transformer checkpoint.<k>.head.weight and .bias, and records and queries with labels

Writes FOLDER/<METHOD>.safetensors: `values` [records, queries], positive where the record helped. Prints one JSON
object: the seconds that the method took, and the process's peak memory in bytes.
"""

import json
import math
import os
import resource
import sys
import time

# Its bars are nobody's to see.
os.environ["TQDM_DISABLE"] = "1"

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

folder, threads, method = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(threads)
torch.manual_seed(0)
job = json.load(open(f"{folder}/job.json"))
tensors = load_file(f"{folder}/task.safetensors")
BATCH = 32


class Adapted(nn.Module):
    """A frozen layer with an adapter: W x + b + scale B A x."""

    def __init__(self, weight, bias):
        super().__init__()
        outputs, inputs = weight.shape
        self.base = nn.Linear(inputs, outputs)
        self.base.weight, self.base.bias = nn.Parameter(weight, False), nn.Parameter(bias, False)
        self.A = nn.Linear(inputs, job["rank"], bias=False)
        self.B = nn.Linear(job["rank"], outputs, bias=False)

    def forward(self, x):
        return self.base(x) + job["scale"] * self.B(self.A(x))


class Tanh(nn.Module):
    """The digits' network."""

    def __init__(self):
        super().__init__()
        layers = [(tensors[f"base.{at}.weight"], tensors[f"base.{at}.bias"]) for at in range(job["layers"])]
        self.layers = nn.ModuleList(Adapted(*layer) for layer in layers)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)

    def state(self, checkpoint):
        own = {}
        for at in range(job["layers"]):
            for part in "AB":
                own[f"layers.{at}.{part}.weight"] = tensors[f"checkpoint.{checkpoint}.{at}.{part}"]
        return own


class Transformer(nn.Module):
    """The texts' network: a base with PEFT's adapters, mean pooling, a head. The last of its inputs is the mask."""

    def __init__(self):
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModel

        super().__init__()
        # The kernels of scaled dot products have no batching rule.
        base = AutoModel.from_pretrained(job["model"], dtype=torch.float32, attn_implementation="eager")
        config = LoraConfig(
            r=job["rank"], lora_alpha=job["alpha"], target_modules=job["targets"], layers_to_transform=job["layers"]
        )
        self.base = get_peft_model(base, config)
        self.head = nn.Linear(base.config.hidden_size, job["classes"])

    def forward(self, ids, mask):
        # What transformers adds to the scores itself, without its checks, which look at the data.
        real = mask.to(torch.float32)
        added = (1.0 - real)[:, None, None, :] * torch.finfo(torch.float32).min
        hidden = self.base(input_ids=ids, attention_mask=added).last_hidden_state
        return self.head((hidden * real.unsqueeze(-1)).sum(1) / real.sum(1, keepdim=True))

    def state(self, checkpoint):
        own = {}
        for name, _ in self.named_parameters():
            if "lora_" not in name:
                continue
            module = name.removeprefix("base.base_model.model.").split(".lora_")[0]
            own[name] = tensors[f"checkpoint.{checkpoint}.{module}.{'A' if 'lora_A' in name else 'B'}"]
        for part in ("weight", "bias"):
            own[f"head.{part}"] = tensors[f"checkpoint.{checkpoint}.head.{part}"]
        return own


model = Tanh() if job["kind"] == "tanh" else Transformer()
model.eval()
inputs = ["vectors"] if job["kind"] == "tanh" else ["ids", "mask"]
records = TensorDataset(*(tensors[f"records.{name}"] for name in inputs), tensors["records.labels"])
queries = TensorDataset(*(tensors[f"queries.{name}"] for name in inputs), tensors["queries.labels"])
# Frozen weights lie in the checkpoint beside what was trained.
checkpoints = [{**model.state_dict(), **model.state(at)} for at in range(len(job["rates"]))]
model.load_state_dict(checkpoints[-1])
wanted = ("A", "B", "default", "head")
modules = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.split(".")[-1] in wanted]
assert sum(p.numel() for p in model.parameters() if p.requires_grad) == job["parameters"]


def loader(data, batch=BATCH):
    return DataLoader(data, batch_size=batch, shuffle=False)


def loss(parameters, samples):
    """Mean loss; of one sample where it comes without an axis for samples."""
    if samples[-1].dim() == 0:
        samples = [part.unsqueeze(0) for part in samples]
    *x, labels = samples
    return cross_entropy(torch.func.functional_call(model, parameters, tuple(x)), labels)


def task(target=loss, points=None):
    from dattri.task import AttributionTask

    return AttributionTask(loss_func=target, model=model, checkpoints=points or [checkpoints[-1]])


def attribute(attributor):
    # All records at once: what is done for a query is done again for each batch of them.
    return attributor.attribute(loader(records, len(records)), loader(queries))


def dattri_ekfac(damping):
    from dattri.algorithm.influence_function import IFAttributorEKFAC

    attributor = IFAttributorEKFAC(task(), module_name=modules, damping=damping)
    attributor.cache(loader(records))
    return attribute(attributor)


def dattri_datainf():
    from dattri.algorithm.influence_function import IFAttributorDataInf

    attributor = IFAttributorDataInf(task(), regularization=0.1)
    attributor.cache(loader(records))
    return attribute(attributor)


def dattri_cg():
    from dattri.algorithm.influence_function import IFAttributorCG

    attributor = IFAttributorCG(task(), max_iter=10, regularization=1e-2)
    attributor.cache(loader(records, len(records)))
    return attribute(attributor)


def dattri_tracin():
    from dattri.algorithm.tracin import TracInAttributor

    attributor = TracInAttributor(task(points=checkpoints), torch.tensor(job["rates"]), normalized_grad=False)
    # Gradients as they are, not projected.
    attributor.projector_kwargs = None
    return attribute(attributor)


def dattri_trak():
    from dattri.algorithm.trak import TRAKAttributor

    def right(parameters, sample):
        return torch.exp(-loss(parameters, sample))

    def margin(parameters, sample):
        p = right(parameters, sample)
        return torch.log(p) - torch.log1p(-p.clamp(max=1 - 1e-6))

    projector = {"proj_dim": 512, "device": "cpu"}
    attributor = TRAKAttributor(task(margin, checkpoints), right, projector, regularization=1e-6)
    attributor.cache(loader(records))
    return attributor.attribute(loader(queries))


METHODS = {
    "dattri-ekfac-1e-1": lambda: dattri_ekfac(1e-1),
    "dattri-ekfac-1e-3": lambda: dattri_ekfac(1e-3),
    "dattri-ekfac-1e-5": lambda: dattri_ekfac(1e-5),
    "dattri-cg": dattri_cg,
    "dattri-datainf": dattri_datainf,
    "dattri-tracin": dattri_tracin,
    "dattri-trak": dattri_trak,
}

with torch.no_grad():
    found = torch.cat([cross_entropy(model(*batch[:-1]), batch[-1], reduction="none") for batch in loader(queries)])
apart = (found - torch.tensor(job["losses"])).abs().max().item()
assert apart < 1e-3, f"this is another network: a loss is {apart} away"

began = time.perf_counter()
values = METHODS[method]().detach().to(torch.float32)
seconds = time.perf_counter() - began
assert values.shape == (len(records), len(queries)), values.shape
assert math.isfinite(values.sum().item()), "the values are not finite"
save_file({"values": values.contiguous()}, f"{folder}/{method}.safetensors")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak_bytes": peak}))
