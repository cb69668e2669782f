"""PyTorch's side of the training suites: the same model, the same step, answering the same words.

With several ranks (DDP over gloo) the first one starts the others and tells them what it is told. Written for speed on processors: fused attention and a fused optimizer where this version has them,
gradients dropped instead of zeroed, one cast of weights per step under autocast.
"""

import json
import math
import os
import resource
import subprocess
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

settings = json.loads(sys.argv[1])
sizes = settings["model"]
ranks = settings.get("ranks", 1)
rank = int(os.environ.get("RANK", 0))
torch.set_num_threads(settings["threads"])
torch.manual_seed(1)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def attend(self, q, k, v, mask):
        if hasattr(F, "scaled_dot_product_attention"):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        scores = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(q.shape[-1]))
        return F.softmax(scores.masked_fill(mask, -math.inf), dim=-1) @ v

    def forward(self, x, mask):
        batch, time_, width = x.shape
        heads = (batch, time_, self.heads, width // self.heads)
        q, k, v = (part.view(heads).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(width, dim=2))
        attended = self.attend(q, k, v, mask).transpose(1, 2).reshape(batch, time_, width)
        x = x + self.out(attended)
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, layers, width, heads, vocabulary, positions):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(positions, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.token.weight
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, targets):
        time_ = ids.shape[1]
        mask = torch.ones(time_, time_, dtype=torch.bool).triu(1)
        x = self.token(ids) + self.position.weight[:time_]
        for block in self.blocks:
            x = block(x, mask)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def join(rank):
    """Makes this process a rank; the first starts the others."""
    if rank == 0:
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", str(settings["port"]))
        for other in range(1, ranks):
            environment = {**os.environ, "RANK": str(other)}
            subprocess.Popen([sys.executable, *sys.argv], env=environment, stdin=subprocess.DEVNULL)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=ranks)


if ranks > 1:
    join(rank)
model = Gpt(**sizes)
version = tuple(int(part) for part in torch.__version__.split(".")[:2])
options = {"fused": True} if version >= (2, 4) else {"foreach": True}
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, **options)
parallel = nn.parallel.DistributedDataParallel(model) if ranks > 1 else model
if settings.get("compile"):
    parallel = torch.compile(parallel)
tokens = torch.randint(sizes["vocabulary"], (settings["batch"], settings["time"] + 1))
ids, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


def step():
    began = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings["precision"] == "bf16"):
        loss = parallel(ids, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    value = loss.item()
    return {"seconds": time.perf_counter() - began, "loss": value}


WORDS = ["step", "end"]


def shared(word):
    """What the first rank was told, on every rank."""
    if ranks == 1:
        return word
    told = torch.tensor([WORDS.index(word) if rank == 0 else 0])
    torch.distributed.broadcast(told, 0)
    return WORDS[told.item()]


def answer(word):
    if word == "step":
        return step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    name = "torch.compile" if settings.get("compile") else "torch"
    return {"name": name, "version": torch.__version__, "peakBytes": peak}


word = ""
while word != "end":
    word = shared(sys.stdin.readline().strip() if rank == 0 else "")
    answered = answer(word)
    if rank == 0:
        print(json.dumps(answered), flush=True)
