"""PyTorch's figures on this GPU, under the names that GpuBench gives its own: a JSON object on standard output.

TFLOP/s of matrix products and attention, tokens a second of DNABERT-2's shape. fp32 is true fp32: TF32 is off.
"""
import json
import math
import sys

import torch
import torch.nn.functional as F

HIDDEN, LAYERS, HEADS, INTERMEDIATE, VOCAB = 768, 12, 12, 3072, 4096
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
PRODUCTS = [(4096, 768, 768), (4096, 2304, 768), (4096, 6144, 768), (4096, 768, 3072), (16384, 2304, 768), (16384, 768, 3072), (8192, 8192, 8192)]
PRODUCTS += [(rows, columns, depth) for columns, depth in [(2304, 768), (768, 768), (6144, 768), (768, 3072)] for rows in [8192, 16384, 32768, 65536]]
ATTENTIONS = [(32, 128), (32, 512), (8, 2048)]
BATCHES = [(32, 128), (8, 512), (64, 512)]


def milliseconds(work, calls=10):
    """The median of five runs of so many calls, after two that warm up."""
    work()
    work()
    times = []
    for _ in range(5):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(calls):
            work()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / calls)
    return sorted(times)[2]


def alibi(tokens, dtype):
    """[1, heads, tokens, tokens], as DNABERT-2 has it."""
    def slopes(n):
        return [2.0 ** (-8.0 * (i + 1) / n) for i in range(n)]
    c = 2 ** int(math.log2(HEADS))
    all_slopes = slopes(c) + slopes(2 * c)[0::2][:HEADS - c]
    position = torch.arange(tokens, device="cuda", dtype=torch.float32)
    distance = (position[:, None] - position[None, :]).abs()
    return (-torch.tensor(all_slopes, device="cuda")[:, None, None] * distance)[None].to(dtype)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = torch.nn.Linear(HIDDEN, 3 * HIDDEN), torch.nn.Linear(HIDDEN, HIDDEN)
        self.gated, self.wo = torch.nn.Linear(HIDDEN, 2 * INTERMEDIATE, bias=False), torch.nn.Linear(INTERMEDIATE, HIDDEN)
        self.norm1, self.norm2 = torch.nn.LayerNorm(HIDDEN, 1e-12), torch.nn.LayerNorm(HIDDEN, 1e-12)

    def forward(self, x, bias):
        batch, tokens, _ = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(batch, tokens, HIDDEN)
        x = self.norm1(x + self.out(context))
        gate, value = self.gated(x).chunk(2, dim=-1)
        return self.norm2(x + self.wo(F.gelu(gate) * value))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.word, self.types = torch.nn.Embedding(VOCAB, HIDDEN), torch.nn.Embedding(2, HIDDEN)
        self.norm, self.layers = torch.nn.LayerNorm(HIDDEN, 1e-12), torch.nn.ModuleList(Layer() for _ in range(LAYERS))
        self.dense, self.head_norm, self.decoder = torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.LayerNorm(HIDDEN, 1e-12), torch.nn.Linear(HIDDEN, VOCAB)
        self.decoder.weight = self.word.weight

    def encode(self, ids, bias):
        x = self.norm(self.word(ids) + self.types.weight[0])
        for layer in self.layers:
            x = layer(x, bias)
        return x

    def loss(self, ids, bias, masked):
        x = self.encode(ids, bias).reshape(-1, HIDDEN)[masked]
        return F.cross_entropy(self.decoder(self.head_norm(F.gelu(self.dense(x)))).float(), ids.reshape(-1)[masked])


def products(figures):
    for rows, columns, depth in PRODUCTS:
        for name, dtype in TYPES.items():
            x, w = torch.randn(rows, depth, device="cuda", dtype=dtype), torch.randn(columns, depth, device="cuda", dtype=dtype)
            dy, work, shape = torch.randn(rows, columns, device="cuda", dtype=dtype), 2 * rows * columns * depth / 1e9, f"{rows}×{columns}×{depth}"
            figures[f"linear {name} {shape}"] = work / milliseconds(lambda: F.linear(x, w))
            figures[f"linear input gradient {name} {shape}"] = work / milliseconds(lambda: dy @ w)
            # In the type of the operands, where the engine leaves fp32.
            figures[f"linear weight gradient {name} {shape}"] = work / milliseconds(lambda: dy.T @ x)


def attentions(figures):
    for batch, tokens in ATTENTIONS:
        for name, dtype in TYPES.items():
            shape = (batch, HEADS, tokens, HIDDEN // HEADS)
            q, k, v = (torch.randn(shape, device="cuda", dtype=dtype, requires_grad=True) for _ in range(3))
            bias, flops = alibi(tokens, dtype), 4 * batch * tokens * tokens * HIDDEN
            with torch.no_grad():
                forward = milliseconds(lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=bias))
            figures[f"attention {name} {batch}×{tokens}"] = flops / forward / 1e9
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
            dy = torch.randn_like(y)
            backward = milliseconds(lambda: torch.autograd.grad(y, (q, k, v), dy, retain_graph=True))
            figures[f"attention gradient {name} {batch}×{tokens}"] = 2.5 * flops / backward / 1e9


def models(figures):
    model = Model().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    for batch, tokens in BATCHES:
        ids = torch.randint(5, VOCAB, (batch, tokens), device="cuda")
        masked = torch.arange(0, batch * tokens * 15 // 100, device="cuda") * 6
        for name, dtype in TYPES.items():
            bias = alibi(tokens, dtype)

            def run(work):
                with torch.autocast("cuda", torch.bfloat16, enabled=dtype == torch.bfloat16):
                    return work()

            def infer():
                with torch.no_grad():
                    run(lambda: model.encode(ids, bias))

            def step():
                optimizer.zero_grad()
                run(lambda: model.loss(ids, bias, masked)).backward()
                optimizer.step()

            figures[f"inference {name} {batch}×{tokens}"] = batch * tokens / milliseconds(infer) * 1e3
            figures[f"training step {name} {batch}×{tokens}"] = batch * tokens / milliseconds(step, 3) * 1e3


def main():
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    figures = {"torch": torch.__version__}
    for part in (products, attentions, models):
        try:
            part(figures)
        except Exception as fault:  # one part that fails, for want of memory perhaps, does not hide the others
            print(f"{part.__name__}: {fault}", file=sys.stderr)
    json.dump(figures, sys.stdout, indent=1, ensure_ascii=False)


main()
