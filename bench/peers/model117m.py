"""The 117M shape and its weights without files, for every peer written in Python.

Weights are a pure function of (tensor index, element index), so two programs hold the same
model as soon as both implement `fill`; no checkpoint is needed or shipped.
"""
import json
import math
import os
import struct

import numpy as np

VOCAB, HIDDEN, LAYERS, HEADS, INTERMEDIATE = 4096, 768, 12, 12, 3072
HEAD_SIZE = HIDDEN // HEADS
EPSILON = 1e-12
AMPLITUDE = 0.02 * math.sqrt(12.0)  # uniform of standard deviation 0.02

LINEAR_PARAMETERS = LAYERS * (HIDDEN * 3 * HIDDEN + HIDDEN * HIDDEN
                              + HIDDEN * 2 * INTERMEDIATE + INTERMEDIATE * HIDDEN)
MLM_HEAD_PARAMETERS = HIDDEN * HIDDEN + VOCAB * HIDDEN


def shapes_in_fill_order():
    """Names and shapes, in the order that numbers the tensors."""
    shapes = [("bert.embeddings.word_embeddings.weight", (VOCAB, HIDDEN)),
              ("bert.embeddings.token_type_embeddings.weight", (2, HIDDEN)),
              ("bert.embeddings.LayerNorm.weight", (HIDDEN,)),
              ("bert.embeddings.LayerNorm.bias", (HIDDEN,))]
    for n in range(LAYERS):
        layer = f"bert.encoder.layer.{n}."
        shapes += [(layer + "attention.self.Wqkv.weight", (3 * HIDDEN, HIDDEN)),
                   (layer + "attention.self.Wqkv.bias", (3 * HIDDEN,)),
                   (layer + "attention.output.dense.weight", (HIDDEN, HIDDEN)),
                   (layer + "attention.output.dense.bias", (HIDDEN,)),
                   (layer + "attention.output.LayerNorm.weight", (HIDDEN,)),
                   (layer + "attention.output.LayerNorm.bias", (HIDDEN,)),
                   (layer + "mlp.gated_layers.weight", (2 * INTERMEDIATE, HIDDEN)),
                   (layer + "mlp.wo.weight", (HIDDEN, INTERMEDIATE)),
                   (layer + "mlp.wo.bias", (HIDDEN,)),
                   (layer + "mlp.layernorm.weight", (HIDDEN,)),
                   (layer + "mlp.layernorm.bias", (HIDDEN,))]
    return shapes + [("cls.predictions.transform.dense.weight", (HIDDEN, HIDDEN)),
                     ("cls.predictions.transform.dense.bias", (HIDDEN,)),
                     ("cls.predictions.transform.LayerNorm.weight", (HIDDEN,)),
                     ("cls.predictions.transform.LayerNorm.bias", (HIDDEN,)),
                     ("cls.predictions.decoder.weight", (VOCAB, HIDDEN)),
                     ("cls.predictions.decoder.bias", (VOCAB,)),
                     ("bert.pooler.dense.weight", (HIDDEN, HIDDEN)),
                     ("bert.pooler.dense.bias", (HIDDEN,)),
                     ("classifier.weight", (2, HIDDEN)),
                     ("classifier.bias", (2,))]


def fill(index, count, amplitude=AMPLITUDE):
    """Elements 0..count-1 of tensor `index`, float64, uniform in ±amplitude/2."""
    u = np.arange(count, dtype=np.uint32)
    with np.errstate(over="ignore"):
        u *= np.uint32(2654435761)
        u += np.uint32((index * 2246822519 + 374761393) % 2**32)
        u ^= u >> np.uint32(15)
        u *= np.uint32(2246822519)
        u ^= u >> np.uint32(13)
        u *= np.uint32(3266489917)
        u ^= u >> np.uint32(16)
    return (u / 2.0**32 - 0.5) * amplitude


def generate():
    """All tensors by name, float32; the decoder is the word embedding itself."""
    tensors = {}
    for index, (name, shape) in enumerate(shapes_in_fill_order()):
        if name == "cls.predictions.decoder.weight":
            tensors[name] = tensors["bert.embeddings.word_embeddings.weight"]
            continue
        values = fill(index, math.prod(shape))
        if "layernorm" in name.lower() and name.endswith(".weight"):
            values += 1.0
        tensors[name] = values.astype(np.float32).reshape(shape)
    return tensors


def write_safetensors(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".tmp", "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).data)
    os.replace(path + ".tmp", path)


def read_safetensors(path):
    """Float32 tensors by name, memory-mapped (copy on write)."""
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    data = np.memmap(path, np.uint8, "c", 8 + length)
    return {name: data[slice(*entry["data_offsets"])].view(np.float32).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


def alibi_slopes(heads=HEADS):
    def power_of_two(n):
        start = 2.0 ** (-2.0 ** -(math.log2(n) - 3))
        return [start ** (i + 1) for i in range(n)]
    closest = 2 ** int(math.log2(heads))
    slopes = power_of_two(closest)
    if closest < heads:
        slopes += power_of_two(2 * closest)[0::2][:heads - closest]
    return np.array(slopes, np.float32)


def alibi(length):
    """[1, heads, length, length], float32."""
    position = np.arange(length, dtype=np.float32)
    distance = np.abs(position[:, None] - position[None, :])
    return -alibi_slopes()[None, :, None, None] * distance


def token_ids(batch, length):
    """Timing input: [CLS] pseudo-random ordinary tokens [SEP], never padded; int64 [batch, length]."""
    i = np.arange(batch * length, dtype=np.uint64)
    u = (i * 2654435761 + 374761393) % 2**32
    ids = (5 + (u >> 8) % (VOCAB - 5)).astype(np.int64).reshape(batch, length)
    ids[:, 0], ids[:, -1] = 1, 2
    return ids


def checksum(hidden):
    """Mean over sequences of sum_d ((d mod 7) - 3) * mean_t hidden[b, t, d]."""
    weight = np.arange(HIDDEN) % 7 - 3.0
    return float((hidden.astype(np.float64).mean(1) @ weight).mean())


def forward_flops(batch, length):
    """2 x linear parameters x tokens, and two products of 2 x length x hidden per token and layer."""
    tokens = batch * length
    return 2 * LINEAR_PARAMETERS * tokens + 4 * length * HIDDEN * tokens * LAYERS


def training_flops(batch, length, masked):
    """Forward and twice that for backward; the MLM head on masked positions only."""
    return 3 * (forward_flops(batch, length) + 2 * MLM_HEAD_PARAMETERS * masked)
