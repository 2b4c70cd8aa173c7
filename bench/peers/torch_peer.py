"""DNABERT-2 in PyTorch, dense batches. One command, one JSON line.

  infer --dtype f32|bf16 --mode MODE --shape BxS      one timing sample
  train --dtype f32|bf16 --mode MODE --shape BxS [--dropout P]   MLM loss, forward, backward, AdamW
  dump  --dtype f32|bf16 --mode MODE --ids FILE --out FILE   hidden states of lines of ids, as raw float32
  golden --file full117m.json                         MLM loss, logits and gradient norms beside the reference

Modes of inference: eager; frozen (traced, frozen and optimised for inference by TorchScript, so that casts of weights are
folded); compiled (torch.compile, max-autotune, weights frozen). In bf16 they mean autocast, and converted a model whose
weights are bf16 throughout, compiled-converted that one compiled. Training: eager or compiled.
"""
import argparse
import json
import os
import resource

import numpy as np
import torch
import torch.nn.functional as F

import model117m as m
from sampling import sample


class Norm(torch.nn.LayerNorm):
    """As the reference has it: under autocast input, weight and bias are cast and normalised in that type."""

    def __init__(self):
        super().__init__(m.HIDDEN, m.EPSILON)

    def forward(self, x):
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        to = torch.bfloat16
        return F.layer_norm(x.to(to), self.normalized_shape, self.weight.to(to), self.bias.to(to), self.eps)


class Layer(torch.nn.Module):
    def __init__(self, tensors, prefix, dropout):
        super().__init__()
        self.dropout = dropout

        def linear(name, bias=True):
            weight = tensors[prefix + name + ".weight"]
            module = torch.nn.Linear(weight.shape[1], weight.shape[0], bias, device="meta")
            return adopt(module, tensors, prefix + name)

        def norm(name):
            return adopt(Norm(), tensors, prefix + name)

        self.qkv, self.dense = linear("attention.self.Wqkv"), linear("attention.output.dense")
        self.attention_norm = norm("attention.output.LayerNorm")
        self.gated, self.wo = linear("mlp.gated_layers", bias=False), linear("mlp.wo")
        self.mlp_norm = norm("mlp.layernorm")

    def forward(self, x, bias):
        """x [batch, length, hidden]; bias [batch, heads, length, length], in the type of the products."""
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, m.HEADS, m.HEAD_SIZE).permute(2, 0, 3, 1, 4).unbind(0)
        context = F.scaled_dot_product_attention(q, k, v, bias)
        context = context.transpose(1, 2).reshape(batch, length, m.HIDDEN)
        x = self.attention_norm(self.drop(self.dense(context)) + x)
        gate, value = self.gated(x).split(m.INTERMEDIATE, -1)
        return self.mlp_norm(self.wo(self.drop(F.gelu(gate) * value)) + x)

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class Model(torch.nn.Module):
    def __init__(self, tensors, dropout=0.0, head=False):
        super().__init__()
        self.dropout = dropout
        name = "bert.embeddings."
        self.words = torch.nn.Parameter(tensors[name + "word_embeddings.weight"])
        self.types = torch.nn.Parameter(tensors[name + "token_type_embeddings.weight"])
        self.norm = adopt(Norm(), tensors, name + "LayerNorm")
        self.layers = torch.nn.ModuleList(
            Layer(tensors, f"bert.encoder.layer.{n}.", dropout) for n in range(m.LAYERS))
        if head:
            name = "cls.predictions."
            self.transform = adopt(torch.nn.Linear(m.HIDDEN, m.HIDDEN), tensors, name + "transform.dense")
            self.transform_norm = adopt(Norm(), tensors, name + "transform.LayerNorm")
            self.decoder_bias = torch.nn.Parameter(tensors[name + "decoder.bias"])

    def forward(self, ids, bias):
        x = self.norm(F.embedding(ids, self.words) + self.types[0])
        if self.dropout:
            x = F.dropout(x, self.dropout, self.training)
        for layer in self.layers:
            x = layer(x, bias)
        return x

    def logits(self, hidden):
        return F.linear(self.transform_norm(F.gelu(self.transform(hidden))), self.words, self.decoder_bias)

    def mlm_loss(self, ids, bias, positions, targets):
        """Mean cross-entropy at `positions` (indices of flattened tokens): the head runs on these alone."""
        hidden = self(ids, bias).view(-1, m.HIDDEN).index_select(0, positions)
        return F.cross_entropy(self.logits(hidden).float(), targets)


def adopt(module, tensors, prefix):
    module.weight = torch.nn.Parameter(tensors[prefix + ".weight"])
    if module.bias is not None:
        module.bias = torch.nn.Parameter(tensors[prefix + ".bias"])
    return module


def load(arguments, **options):
    arrays = m.read_safetensors(os.path.join(arguments.work, "model", "model.safetensors"))
    # copied out of the mapping, as every loader of PyTorch does: the weights become trainable memory
    return Model({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, **options)


def attention_bias(batch, length, lengths=None):
    """[batch, heads, length, length]; one in memory for all rows where none is padded."""
    bias = torch.from_numpy(m.alibi(length)).expand(batch, -1, -1, -1)
    if lengths:
        bias = bias.clone()
        for row, valid in enumerate(lengths):
            bias[row, :, :, valid:] = -1e30
    return bias


def autocast(dtype):
    return torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16")


def compile_(function, training=False):
    import torch._inductor.config
    torch._inductor.config.freezing = not training
    return torch.compile(function, mode="max-autotune-no-cudagraphs")


def prepared(model, dtype, mode, ids, bias):
    """A function ids, bias -> hidden in the mode asked for, and the bias in the type it wants."""
    if dtype == "bf16":
        bias = bias.bfloat16()
    if "converted" in mode:
        model, dtype = model.bfloat16(), "f32"  # nothing is left to cast
    if mode == "frozen":
        torch._C._jit_set_autocast_mode(False)  # the casts are in the trace already
        with autocast(dtype):
            return torch.jit.optimize_for_inference(torch.jit.trace(model, (ids, bias), check_trace=False)), bias

    def run(ids, bias):
        with autocast(dtype):
            return model(ids, bias)
    return compile_(run) if mode.startswith("compiled") else run, bias


def report(arguments, **fields):
    name = f"torch-{arguments.dtype}" + ("" if arguments.mode == "eager" else f"-{arguments.mode}")
    print(json.dumps({"peer": name, "what": arguments.command, **fields}), flush=True)


def peak_rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def infer(arguments):
    batch, length = map(int, arguments.shape.split("x"))
    ids, bias = torch.from_numpy(m.token_ids(batch, length)), attention_bias(batch, length)
    result = []
    with torch.inference_mode(arguments.mode != "frozen"), torch.no_grad():  # TorchScript does not freeze in the former
        run, bias = prepared(load(arguments).eval(), arguments.dtype, arguments.mode, ids, bias)
        timing = sample(lambda: result.__setitem__(slice(None), [run(ids, bias)]), seconds=arguments.seconds,
                        warmup=4 if arguments.mode == "frozen" else 2)
    report(arguments, shape=arguments.shape, **timing,
           gflops=round(m.forward_flops(batch, length) / timing["ms"] / 1e6, 1),
           checksum=round(m.checksum(result[0].float().numpy()), 5), peak_rss_mb=peak_rss_mb())


def optimizer_of(model):
    """AdamW as the pre-training recipe has it, decay everywhere: the arithmetic is the same with two groups."""
    return torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=1e-5, fused=True)


def train(arguments):
    batch, length = map(int, arguments.shape.split("x"))
    torch.manual_seed(1)
    ids = torch.from_numpy(m.token_ids(batch, length))
    # every seventh token is masked (14.3 %, near enough to 15), [CLS] and [SEP] never
    positions = torch.tensor([i for i in range(batch * length) if i % 7 == 3 and 0 < i % length < length - 1])
    targets = ids.view(-1)[positions].clone()
    ids.view(-1)[positions] = 4
    bias = attention_bias(batch, length)
    if arguments.dtype == "bf16":
        bias = bias.bfloat16()
    model = load(arguments, dropout=arguments.dropout, head=True).train()
    optimizer, losses = optimizer_of(model), []
    loss_of = compile_(model.mlm_loss, training=True) if arguments.mode == "compiled" else model.mlm_loss

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast(arguments.dtype):
            loss = loss_of(ids, bias, positions, targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    timing = sample(step, seconds=arguments.seconds)
    report(arguments, shape=arguments.shape, **timing, dropout=arguments.dropout, masked=len(positions),
           gflops=round(m.training_flops(batch, length, len(positions)) / timing["ms"] / 1e6, 1),
           checksum=[round(loss, 5) for loss in losses[:3]], peak_rss_mb=peak_rss_mb())


def padded(rows):
    length = max(map(len, rows))
    return torch.tensor([row + [3] * (length - len(row)) for row in rows]), [len(row) for row in rows]


def dump(arguments):
    with open(arguments.ids) as file:
        ids, lengths = padded([list(map(int, line.split())) for line in file])
    with torch.no_grad():
        run, bias = prepared(load(arguments).eval(), arguments.dtype, arguments.mode,
                             ids, attention_bias(*ids.shape, lengths))
        for _ in range(4):  # a traced graph is optimised after it has seen a run or two
            hidden = run(ids, bias).float()
    hidden.numpy().tofile(arguments.out)
    report(arguments, dims=list(hidden.shape))


def golden(arguments):
    with open(arguments.file) as file:
        reference = json.load(file)
    ids, mask = torch.tensor(reference["input_ids"]), torch.tensor(reference["attention_mask"])
    labels = torch.tensor(reference["mlm_labels"]).view(-1)
    positions = (labels > 0).nonzero().view(-1)
    model = load(arguments, head=True).train()
    loss = model.mlm_loss(ids, attention_bias(*ids.shape, mask.sum(1).tolist()), positions, labels[positions])
    loss.backward()
    gradients = {"bert.embeddings.word_embeddings.weight": model.words,
                 "bert.encoder.layer.0.attention.self.Wqkv.weight": model.layers[0].qkv.weight,
                 "bert.encoder.layer.11.mlp.wo.weight": model.layers[11].wo.weight}
    report(arguments, mlm_loss=loss.item(), mlm_loss_reference=reference["mlm_loss"], gradient_norms={
        name: [parameter.grad.double().norm().item(), reference["grad_mlm_l2"][name]]
        for name, parameter in gradients.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["infer", "train", "dump", "golden"])
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--mode", choices=["eager", "frozen", "compiled", "converted", "compiled-converted"], default="eager")
    parser.add_argument("--shape", default="8x128")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--ids")
    parser.add_argument("--out")
    parser.add_argument("--file")
    parser.add_argument("--work", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".work"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    globals()[arguments.command](arguments)


if __name__ == "__main__":
    main()
