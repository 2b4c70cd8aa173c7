"""DNABERT, the Nucleotide Transformer and HyenaDNA in PyTorch, dense batches, at their published shapes.

  write NAME FOLDER                              a checkpoint folder of deterministic weights, for the engine
  infer NAME --shape BxS [--mode eager|compiled] one timing sample of the encoder
  train NAME --shape BxS [--mode eager|compiled] the language model's loss, forward, backward, AdamW

NAME: dnabert6, nt500m, hyena-tiny1k, hyena-small32k, hyena-medium160k. The computations are those of the published
code, in the form that PyTorch runs fastest: scaled_dot_product_attention, real FFTs of a good size, fused AdamW.
"""
import argparse
import json
import math
import os
import resource

import numpy as np

import model117m as m

BASES = "ATCG"
# hidden, layers, heads, intermediate, positions, rows of the embedding; of HyenaDNA hidden, layers, max_seq_len
BERTS = {"dnabert6": (768, 12, 12, 3072, 512, 4101), "nt500m": (1280, 24, 20, 5120, 1002, 4105)}
HYENAS = {"hyena-tiny1k": (128, 2, 1026), "hyena-small32k": (256, 4, 32770), "hyena-medium160k": (256, 8, 160002)}
FILTER_ORDER, EMBEDDED, FIRST_FREQUENCY = 64, 5, 10.0


def bert_shapes(name):
    hidden, layers, heads, intermediate, positions, vocabulary = BERTS[name]
    esm = name == "nt500m"
    prefix = "esm." if esm else "bert."

    def linear(at, out, into):
        return [(at + ".weight", (out, into)), (at + ".bias", (out,))]

    def norm(at):
        return [(at + ".weight", (hidden,)), (at + ".bias", (hidden,))]

    shapes = [(prefix + "embeddings.word_embeddings.weight", (vocabulary, hidden)),
              (prefix + "embeddings.position_embeddings.weight", (positions, hidden))]
    if not esm:
        shapes += [(prefix + "embeddings.token_type_embeddings.weight", (2, hidden))] + norm(prefix + "embeddings.LayerNorm")
    for n in range(layers):
        layer = f"{prefix}encoder.layer.{n}."
        for part in ("query", "key", "value"):
            shapes += linear(layer + "attention.self." + part, hidden, hidden)
        shapes += linear(layer + "attention.output.dense", hidden, hidden)
        shapes += norm(layer + ("attention.LayerNorm" if esm else "attention.output.LayerNorm"))
        shapes += linear(layer + "intermediate.dense", intermediate, hidden)
        shapes += linear(layer + "output.dense", hidden, intermediate)
        shapes += norm(layer + ("LayerNorm" if esm else "output.LayerNorm"))
    if esm:
        return shapes + norm("esm.encoder.emb_layer_norm_after") + [
            ("esm.contact_head.regression.weight", (1, layers * heads)), ("esm.contact_head.regression.bias", (1,)),
            ("lm_head.bias", (vocabulary,)), *linear("lm_head.dense", hidden, hidden), *norm("lm_head.layer_norm"),
            ("lm_head.decoder.weight", (vocabulary, hidden))]
    return shapes + linear("bert.pooler.dense", hidden, hidden) + [
        ("cls.predictions.bias", (vocabulary,)), *linear("cls.predictions.transform.dense", hidden, hidden),
        *norm("cls.predictions.transform.LayerNorm")]


def hyena_shapes(name):
    hidden, layers, _ = HYENAS[name]
    shapes = [("hyena.backbone.embeddings.word_embeddings.weight", (16, hidden))]
    for n in range(layers):
        layer = f"hyena.backbone.layers.{n}."
        filters = layer + "mixer.filter_fn."
        network = filters + "implicit_filter."
        for norm in ("norm1", "norm2"):
            shapes += [(layer + norm + ".weight", (hidden,)), (layer + norm + ".bias", (hidden,))]
        for part, out, into in (("mixer.in_proj", 3 * hidden, hidden), ("mixer.out_proj", hidden, hidden),
                                ("mlp.fc1", 4 * hidden, hidden), ("mlp.fc2", hidden, 4 * hidden)):
            shapes += [(layer + part + ".weight", (out, into)), (layer + part + ".bias", (out,))]
        shapes += [(layer + "mixer.short_filter.weight", (3 * hidden, 1, 3)), (layer + "mixer.short_filter.bias", (3 * hidden,)),
                   (filters + "bias", (hidden,))]
        for at, into in (("0", EMBEDDED), ("2", FILTER_ORDER), ("4", FILTER_ORDER)):
            shapes += [(f"{network}{at}.weight", (FILTER_ORDER, into)), (f"{network}{at}.bias", (FILTER_ORDER,))]
        shapes += [(network + "6.weight", (hidden, FILTER_ORDER)), (network + "1.freq", (1, FILTER_ORDER))]
    return shapes + [("hyena.backbone.ln_f.weight", (hidden,)), ("hyena.backbone.ln_f.bias", (hidden,)),
                     ("lm_head.weight", (16, hidden))]


def generate(name):
    """All trained tensors by name, float32."""
    tensors = {}
    for index, (tensor, shape) in enumerate(hyena_shapes(name) if name in HYENAS else bert_shapes(name)):
        values = m.fill(index, math.prod(shape))
        if ("norm" in tensor.lower() or "ln_f" in tensor) and tensor.endswith(".weight"):
            values += 1.0
        if tensor.endswith("freq"):
            values += FIRST_FREQUENCY
        tensors[tensor] = values.astype(np.float32).reshape(shape)
    if name == "dnabert6":
        tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
        tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
    return tensors


def positional(length):
    """t [1, N, 1], z [1, N, 5] and nothing trained, float32, of a filter over N = max_seq_len positions."""
    t = np.linspace(0, 1, length, dtype=np.float64)
    w = 2 * math.pi * np.arange(length, dtype=np.float64) / length
    bands = (EMBEDDED - 1) // 2
    f = np.linspace(1e-4, bands - 1, bands)
    phase = w[:, None] * f
    z = np.concatenate([t[:, None], np.cos(phase), -np.sin(phase)], 1)
    return t[None, :, None].astype(np.float32), z[None].astype(np.float32)


def deltas(hidden):
    return np.linspace(math.log(0.01) / 1.5, math.log(0.01) / 0.3, hidden).astype(np.float32)[None, None]


def kmers(k=6):
    words = [""]
    for _ in range(k):
        words = [word + base for word in words for base in BASES]
    return words


def write(name, folder):
    os.makedirs(folder, exist_ok=True)
    tensors, config = generate(name), {}
    if name in HYENAS:
        hidden, layers, length = HYENAS[name]
        t, z = positional(length)
        for n in range(layers):
            at = f"hyena.backbone.layers.{n}.mixer.filter_fn."
            tensors |= {at + "pos_emb.t": t, at + "pos_emb.z": z, at + "modulation.deltas": deltas(hidden)}
        config = {"model_type": "hyenadna", "d_model": hidden, "n_layer": layers, "d_inner": 4 * hidden, "max_seq_len": length,
                  "emb_dim": EMBEDDED, "filter_order": FILTER_ORDER, "hyena_order": 2, "num_inner_mlps": 2,
                  "short_filter_order": 3, "layer_norm_epsilon": 1e-5, "vocab_size": 12, "pad_vocab_size_multiple": 8,
                  "pad_token_id": 4, "activation_freq": 10, "train_freq": True, "use_bias": True}
    else:
        hidden, layers, heads, intermediate, positions, vocabulary = BERTS[name]
        config = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "vocab_size": vocabulary,
                  "intermediate_size": intermediate, "max_position_embeddings": positions, "layer_norm_eps": 1e-12,
                  "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        if name == "nt500m":
            config |= {"model_type": "esm", "emb_layer_norm_before": False, "token_dropout": True, "pad_token_id": 1,
                       "mask_token_id": 2, "position_embedding_type": "absolute", "tie_word_embeddings": False}
            words = ["<unk>", "<pad>", "<mask>", "<cls>", *kmers(), *"ATCGN", "<eos>", "<bos>"]
        else:
            config |= {"model_type": "bert", "hidden_act": "gelu", "type_vocab_size": 2, "pad_token_id": 0}
            words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *kmers()]
        with open(os.path.join(folder, "vocab.txt"), "w") as file:
            file.write("\n".join(words) + "\n")
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file, indent=1)
    m.write_safetensors(os.path.join(folder, "model.safetensors"), tensors)


def token_ids(name, batch, length):
    """As the engine's ModelBenchmark has them: the model's frame around pseudo-random ordinary tokens."""
    before, after, first, count = {"dnabert6": ([2], [3], 5, 4096), "nt500m": ([3], [], 4, 4101)}.get(name, ([], [1], 7, 5))
    i = np.arange(batch * length, dtype=np.uint64)
    u = (i * 2654435761 + 374761393) % 2**32
    ids = (first + (u >> 8) % count).astype(np.int64).reshape(batch, length)
    if before:
        ids[:, 0] = before[0]
    if after:
        ids[:, -1] = after[0]
    return ids, len(before), len(after)


def flops(name, batch, length):
    """Two for each token and weight of a linear layer, and two products of the attention."""
    if name in HYENAS:
        hidden, layers, _ = HYENAS[name]
        return 2 * batch * length * layers * 12 * hidden * hidden
    hidden, layers, _, intermediate, _, _ = BERTS[name]
    return 2 * batch * length * layers * (4 * hidden * hidden + 2 * hidden * intermediate + 2 * length * hidden)


def good_size(n):
    """The smallest product of powers of 2, 3 and 5 that is at least n."""
    best = 1 << (n - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            two = three << max(0, (-(-n // three) - 1).bit_length())
            best = min(best, two)
            three *= 3
        five *= 5
    return best


def build(name, tensors):
    import torch
    import torch.nn.functional as F
    t = torch.nn.ParameterDict({key.replace(".", "/"): torch.nn.Parameter(value) for key, value in tensors.items()})

    def get(key):
        return t[key.replace(".", "/")]

    def linear(x, at):
        return F.linear(x, get(at + ".weight"), get(at + ".bias"))

    def norm(x, at, epsilon=1e-12):
        return F.layer_norm(x, x.shape[-1:], get(at + ".weight"), get(at + ".bias"), epsilon)

    def bert(ids):
        hidden, layers, heads, _, _, _ = BERTS[name]
        batch, length = ids.shape
        esm = name == "nt500m"
        prefix = "esm." if esm else "bert."
        x = F.embedding(ids, get(prefix + "embeddings.word_embeddings.weight"))
        places = get(prefix + "embeddings.position_embeddings.weight")
        if esm:
            masked = ids == 2
            x = x.masked_fill(masked[..., None], 0.0) * (0.88 / (1 - masked.sum(1) / length))[:, None, None]
            x = x + places[2:length + 2]
        else:
            x = norm(x + places[:length] + get("bert.embeddings.token_type_embeddings.weight")[0], "bert.embeddings.LayerNorm")

        def attention(x, at):
            q, k, v = (linear(x, at + "self." + part).view(batch, length, heads, -1).transpose(1, 2)
                       for part in ("query", "key", "value"))
            context = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, length, hidden)
            return linear(context, at + "output.dense")

        for n in range(layers):
            layer = f"{prefix}encoder.layer.{n}."
            if esm:
                x = x + attention(norm(x, layer + "attention.LayerNorm"), layer + "attention.")
                x = x + linear(F.gelu(linear(norm(x, layer + "LayerNorm"), layer + "intermediate.dense")), layer + "output.dense")
            else:
                x = norm(attention(x, layer + "attention.") + x, layer + "attention.output.LayerNorm")
                x = norm(linear(F.gelu(linear(x, layer + "intermediate.dense")), layer + "output.dense") + x,
                         layer + "output.LayerNorm")
        return norm(x, "esm.encoder.emb_layer_norm_after") if esm else x

    def bert_logits(x):
        if name == "nt500m":
            x = norm(F.gelu(linear(x, "lm_head.dense")), "lm_head.layer_norm")
            return F.linear(x, get("lm_head.decoder.weight"), get("lm_head.bias"))
        x = norm(F.gelu(linear(x, "cls.predictions.transform.dense")), "cls.predictions.transform.LayerNorm")
        return F.linear(x, get("bert.embeddings.word_embeddings.weight"), get("cls.predictions.bias"))

    if name in HYENAS:
        hidden, layers, positions = HYENAS[name]
        t_positions, z_positions = map(torch.from_numpy, positional(positions))
        rates = torch.from_numpy(deltas(hidden))

    def hyena(ids):
        length = ids.shape[1]
        size = good_size(2 * length)
        x = F.embedding(ids, get("hyena.backbone.embeddings.word_embeddings.weight"))
        for n in range(layers):
            layer = f"hyena.backbone.layers.{n}."
            network = layer + "mixer.filter_fn.implicit_filter."
            u = norm(x, layer + "norm1", 1e-5)
            p = linear(u, layer + "mixer.in_proj").transpose(1, 2)
            p = F.conv1d(p, get(layer + "mixer.short_filter.weight"), get(layer + "mixer.short_filter.bias"), padding=2,
                         groups=3 * hidden)[..., :length]
            x0, x1, v = p.split(hidden, 1)
            h = z_positions[:, :length]
            for at in ("0", "2", "4"):
                h = torch.sin(get(network + "1.freq") * linear(h, network + at))
            h = F.linear(h, get(network + "6.weight"))
            k = (h * (torch.exp(-t_positions[:, :length] * rates.abs()) + 0.05))[0].transpose(0, 1)
            v = v * x1
            y = torch.fft.irfft(torch.fft.rfft(v, size) * torch.fft.rfft(k, size), size)[..., :length]
            y = (y + v * get(layer + "mixer.filter_fn.bias")[:, None]) * x0
            x = x + linear(y.transpose(1, 2), layer + "mixer.out_proj")
            x = x + linear(F.gelu(linear(norm(x, layer + "norm2", 1e-5), layer + "mlp.fc1"), approximate="tanh"), layer + "mlp.fc2")
        return norm(x, "hyena.backbone.ln_f", 1e-5)

    def loss(ids, positions, targets):
        if name in HYENAS:
            logits = F.linear(hyena(ids)[:, :-1], get("lm_head.weight"))
            return F.cross_entropy(logits.reshape(-1, 16), ids[:, 1:].reshape(-1))
        return F.cross_entropy(bert_logits(bert(ids).flatten(0, 1).index_select(0, positions)), targets)

    return t, hyena if name in HYENAS else bert, loss


def run(arguments):
    import torch
    from sampling import sample
    torch.set_num_threads(arguments.threads)
    batch, length = map(int, arguments.shape.split("x"))
    ids, before, after = token_ids(arguments.name, batch, length)
    tensors = {key: torch.from_numpy(value) for key, value in generate(arguments.name).items()
               if key not in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")}
    parameters, encode, loss_of = build(arguments.name, tensors)
    training = arguments.command == "train"
    work = loss_of if training else encode
    if arguments.mode == "compiled":
        import torch._inductor.config
        torch._inductor.config.freezing = not training
        work = torch.compile(work, mode="max-autotune-no-cudagraphs")
    masked = [i for i in range(batch * length) if i % 7 == 3 and before <= i % length < length - after]
    positions, ids = torch.tensor(masked), torch.from_numpy(ids)
    targets = ids.view(-1)[positions].clone()
    result, factor = [], 1
    if training:
        if arguments.name in BERTS:
            ids.view(-1)[positions] = 4 if arguments.name == "dnabert6" else 2
        factor = 3
        optimizer = torch.optim.AdamW(parameters.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=1e-5, fused=True)

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss = work(ids, positions, targets)
            loss.backward()
            optimizer.step()
            result.append(loss.item())
        timing = sample(step, seconds=arguments.seconds)
        check = [round(loss, 5) for loss in result[:3]]
    else:
        with torch.inference_mode():
            timing = sample(lambda: result.__setitem__(slice(None), [work(ids)]), seconds=arguments.seconds)
        hidden = result[0].double().mean(1).numpy()
        check = round(float((hidden @ (np.arange(hidden.shape[1]) % 7 - 3.0)).mean()), 5)
    rate = factor * flops(arguments.name, batch, length) / timing["ms"] / 1e6
    print(json.dumps({"peer": f"torch-{arguments.mode}", "what": arguments.command, "shape": arguments.shape, **timing,
                      "gflops": round(rate, 1), "checksum": check,
                      "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("write", "infer", "train"):
        sub = commands.add_parser(command)
        sub.add_argument("name", choices=[*BERTS, *HYENAS])
        if command == "write":
            sub.add_argument("folder")
            continue
        sub.add_argument("--shape", required=True)
        sub.add_argument("--mode", choices=["eager", "compiled"], default="eager")
        sub.add_argument("--threads", type=int, default=2)
        sub.add_argument("--seconds", type=float, default=1)
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(arguments.name, arguments.folder)
    else:
        run(arguments)


if __name__ == "__main__":
    main()
