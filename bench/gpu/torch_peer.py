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
# The layers' products, and one large enough to reach the peak.
PRODUCTS = [(rows, columns, depth) for columns, depth in [(2304, 768), (768, 768), (6144, 768), (768, 3072)] for rows in [8192, 16384, 32768, 65536]]
PRODUCTS += [(8192, 8192, 8192)]
ATTENTIONS = [(32, 128), (32, 512), (16, 1024), (8, 2048), (4, 4096), (2, 8192), (1, 16384)]
WINDOW, CAP, RADIUS = 256, 30.0, 128
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


def slopes():
    def of(n):
        return [2.0 ** (-8.0 * (i + 1) / n) for i in range(n)]
    c = 2 ** int(math.log2(HEADS))
    return torch.tensor(of(c) + of(2 * c)[0::2][:HEADS - c], device="cuda")


def alibi(tokens, dtype):
    """[1, heads, tokens, tokens], as DNABERT-2 has it."""
    position = torch.arange(tokens, device="cuda", dtype=torch.float32)
    distance = (position[:, None] - position[None, :]).abs()
    return (-slopes()[:, None, None] * distance)[None].to(dtype)


class Absence(Exception):
    """A form that this PyTorch does not have."""


def flex():
    """FlexAttention, compiled, and its masks."""
    try:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    except ImportError as fault:
        raise Absence(f"no FlexAttention in PyTorch {torch.__version__}") from fault
    if not hasattr(flex, "compiled"):
        flex.compiled = torch.compile(flex_attention, dynamic=False)
    return flex.compiled, create_block_mask


def attempt(figures, name, form, measure):
    """Keeps a figure under its name and form, and the best form under the name alone; what cannot be measured is said."""
    try:
        figure = measure()
    except Exception as fault:  # for want of memory or of a feature: the other forms go on
        reason = f"{type(fault).__name__}: {fault}".splitlines()[0][:200]
        figures["absent"][f"{name}, {form}"] = reason
        print(f"{name}, {form}: not measured: {reason}", file=sys.stderr)
        torch.cuda.empty_cache()
        return
    figures[f"{name}, {form}"] = figure
    figures[name] = max(figures.get(name, 0), figure)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = torch.nn.Linear(HIDDEN, 3 * HIDDEN), torch.nn.Linear(HIDDEN, HIDDEN)
        self.gated, self.wo = torch.nn.Linear(HIDDEN, 2 * INTERMEDIATE, bias=False), torch.nn.Linear(INTERMEDIATE, HIDDEN)
        self.norm1, self.norm2 = torch.nn.LayerNorm(HIDDEN, 1e-12), torch.nn.LayerNorm(HIDDEN, 1e-12)

    def forward(self, x, attend):
        batch, tokens, _ = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        context = attend(q, k, v).transpose(1, 2).reshape(batch, tokens, HIDDEN)
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

    def encode(self, ids, attend):
        x = self.norm(self.word(ids) + self.types.weight[0])
        for layer in self.layers:
            x = layer(x, attend)
        return x

    def loss(self, ids, attend, masked):
        x = self.encode(ids, attend).reshape(-1, HIDDEN)[masked]
        return F.cross_entropy(self.decoder(self.head_norm(F.gelu(self.dense(x)))).float(), ids.reshape(-1)[masked])


def padded(ids, dtype):
    """One row a sequence, the bias as a tensor."""
    bias = alibi(ids.shape[1], dtype)
    return ids, lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))


def packed(ids, _):
    """All sequences in one row, FlexAttention with the bias computed and other sequences masked."""
    attention, block_mask = flex()
    batch, tokens = ids.shape
    slope, sequence = slopes(), torch.arange(batch * tokens, device="cuda") // tokens
    mask = block_mask(lambda b, h, i, j: sequence[i] == sequence[j], None, None, batch * tokens, batch * tokens, device="cuda")

    def biased(score, b, h, i, j):
        return score - slope[h] * (i - j).abs()

    return ids.reshape(1, -1), lambda q, k, v: attention(q, k, v, score_mod=biased, block_mask=mask)


def products(figures):
    for rows, columns, depth in PRODUCTS:
        for name, dtype in TYPES.items():
            x, w = torch.randn(rows, depth, device="cuda", dtype=dtype), torch.randn(columns, depth, device="cuda", dtype=dtype)
            dy, work, shape = torch.randn(rows, columns, device="cuda", dtype=dtype), 2 * rows * columns * depth / 1e9, f"{rows}×{columns}×{depth}"
            figures[f"linear {name} {shape}"] = work / milliseconds(lambda: F.linear(x, w))
            figures[f"linear input gradient {name} {shape}"] = work / milliseconds(lambda: dy @ w)
            # In the type of the operands, where the engine leaves fp32.
            figures[f"linear weight gradient {name} {shape}"] = work / milliseconds(lambda: dy.T @ x)


def attention_forms(variant, batch, tokens, dtype):
    """What computes a variant: a name, and a function of q, k and v."""
    def sdpa(**options):
        return lambda: (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options))

    def flexed(score=None, sees=None):
        def make():
            attention, block_mask = flex()
            mask = block_mask(sees, None, None, tokens, tokens, device="cuda") if sees else None
            return lambda q, k, v: attention(q, k, v, score_mod=score, block_mask=mask)
        return make

    def with_bias():
        bias = alibi(tokens, dtype)
        return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=bias)

    slope = slopes()
    table = torch.randn(HEADS, 2 * RADIUS + 1, device="cuda")
    return {
        "alibi": [("SDPA with a bias", with_bias), ("FlexAttention", flexed(lambda s, b, h, i, j: s - slope[h] * (i - j).abs()))],
        "none": [("SDPA", sdpa()), ("FlexAttention", flexed())],
        "causal": [("SDPA", sdpa(is_causal=True)), ("FlexAttention", flexed(sees=lambda b, h, i, j: i >= j))],
        "window": [("FlexAttention", flexed(sees=lambda b, h, i, j: (i - j).abs() <= WINDOW))],
        "softcap": [("FlexAttention", flexed(lambda s, b, h, i, j: CAP * torch.tanh(s / CAP)))],
        "relative": [("FlexAttention", flexed(lambda s, b, h, i, j: s + table[h, (j - i).clamp(-RADIUS, RADIUS) + RADIUS]))],
    }[variant]


def pairs(variant, tokens):
    """Pairs of a query and a key that see each other."""
    if variant == "causal":
        return tokens * (tokens + 1) // 2
    if variant == "window":
        return sum(min(tokens, i + WINDOW + 1) - max(0, i - WINDOW) for i in range(tokens))
    return tokens * tokens


def attentions(figures):
    for batch, tokens in ATTENTIONS:
        for name, dtype in TYPES.items():
            for variant in ("alibi", "none", "causal", "window", "softcap", "relative"):
                # The engine's names: ALiBi goes without saying, and the others are measured in bf16.
                if variant != "alibi" and name != "bf16":
                    continue
                what = "" if variant == "alibi" else variant + " "
                flops = 4 * batch * pairs(variant, tokens) * HIDDEN
                q, k, v = (torch.randn((batch, HEADS, tokens, HIDDEN // HEADS), device="cuda", dtype=dtype, requires_grad=True) for _ in range(3))
                for form, make in attention_forms(variant, batch, tokens, dtype):
                    def forward():
                        attend = make()
                        with torch.no_grad():
                            return flops / milliseconds(lambda: attend(q, k, v)) / 1e9

                    def backward():
                        y = make()(q, k, v)
                        dy = torch.randn_like(y)
                        return 2.5 * flops / milliseconds(lambda: torch.autograd.grad(y, (q, k, v), dy, retain_graph=True)) / 1e9

                    attempt(figures, f"attention {what}{name} {batch}×{tokens}", form, forward)
                    attempt(figures, f"attention {what}gradient {name} {batch}×{tokens}", form, backward)


def models(figures):
    model = Model().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    for batch, tokens in BATCHES:
        all_ids = torch.randint(5, VOCAB, (batch, tokens), device="cuda")
        masked = torch.arange(0, batch * tokens * 15 // 100, device="cuda") * 6
        for name, dtype in TYPES.items():
            for layout in (padded, packed):
                for compiled in (False, True):
                    def prepare():
                        ids, attend = layout(all_ids, dtype)
                        encode, loss = model.encode, model.loss
                        if compiled:
                            encode, loss = torch.compile(encode, dynamic=False), torch.compile(loss, dynamic=False)
                        return ids, attend, encode, loss

                    def autocast():
                        return torch.autocast("cuda", torch.bfloat16, enabled=dtype == torch.bfloat16)

                    def infer():
                        ids, attend, encode, _ = prepare()

                        def work():
                            with torch.no_grad(), autocast():
                                encode(ids, attend)
                        return batch * tokens / milliseconds(work) * 1e3

                    def train():
                        ids, attend, _, loss = prepare()

                        def work():
                            optimizer.zero_grad()
                            with autocast():
                                result = loss(ids, attend, masked)
                            result.backward()
                            optimizer.step()
                        return batch * tokens / milliseconds(work, 3) * 1e3

                    form = f"{layout.__name__}, {'compiled' if compiled else 'eager'}"
                    attempt(figures, f"inference {name} {batch}×{tokens}", form, infer)
                    attempt(figures, f"training step {name} {batch}×{tokens}", form, train)


def main():
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    figures = {"torch": torch.__version__, "absent": {}}
    for part in (products, attentions, models):
        try:
            part(figures)
        except Exception as fault:  # one part that fails, for want of memory perhaps, does not hide the others
            figures["absent"][part.__name__] = f"{type(fault).__name__}: {fault}".splitlines()[0][:200]
            print(f"{part.__name__}: {fault}", file=sys.stderr)
    json.dump(figures, sys.stdout, indent=1, ensure_ascii=False)


main()
