"""Checks that every peer computes the same model, and says how far each is from fp32.

Runs each peer on the padded batch of golden/full117m.json and compares hidden states with the reference's
published numbers and with PyTorch's fp32 output; checks the MLM loss and gradients, the tokenizer's ids, and the
checksums of the timing inputs and of three training steps.
"""
import csv
import hashlib
import json
import math
import os
import subprocess
import sys

import numpy as np

import model117m as m

HERE = os.path.dirname(os.path.abspath(__file__))
failures = []


def check(what, value, limit):
    ok = value <= limit
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {value:.3g} (limit {limit:g})")
    if not ok:
        failures.append(what)


def run(*command):
    done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def cosine(a, b):
    return float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()))


class Golden:
    def __init__(self, path, work):
        with open(path) as file:
            self.values = json.load(file)
        self.path, self.work = path, work
        self.lengths = [sum(mask) for mask in self.values["attention_mask"]]
        self.ids_path = os.path.join(work, "golden.ids")
        with open(self.ids_path, "w") as file:
            for ids, length in zip(self.values["input_ids"], self.lengths):
                file.write(" ".join(map(str, ids[:length])) + "\n")

    def weights(self):
        names = [name for name, _ in m.shapes_in_fill_order()]
        shapes = [list(shape) for _, shape in m.shapes_in_fill_order()]
        check("names and shapes of the fill",
              int(names != self.values["names_in_fill_order"] or shapes != self.values["shapes"]), 0)
        check("amplitude of the fill", abs(m.AMPLITUDE - self.values["amp"]), 1e-17)

    def hidden(self, name, *command):
        """The peer's hidden states, padding cut off: one [length, hidden] array a row."""
        out = os.path.join(self.work, "golden.f32")
        run(*command, "--ids", self.ids_path, "--out", out)
        hidden = np.fromfile(out, np.float32).reshape(len(self.lengths), -1, m.HIDDEN).astype(np.float64)
        rows = [row[:length] for row, length in zip(hidden, self.lengths)]
        return name, rows

    def against_reference(self, name, rows, limit):
        reference = [np.array(row)[:length] for row, length in zip(self.values["seq_first8"], self.lengths)]
        difference = max(np.abs(row[:, :8] - expected).max() for row, expected in zip(rows, reference))
        check(f"{name}: hidden states against the reference, largest deviation", difference, limit)

    def against(self, name, rows, expected, limit):
        difference = max(np.abs(a - b).max() for a, b in zip(rows, expected))
        pooled = min(cosine(a.mean(0), b.mean(0)) for a, b in zip(rows, expected))
        print(f"     {name} against torch-f32: largest deviation {difference:.3g}, "
              f"least cosine of mean-pooled embeddings {pooled:.7f}")
        check(f"{name}: 1 - cosine", 1 - pooled, limit)


TORCH = ["./root.sh", "python3", "torch_peer.py"]
TORCH_SHARP = ["./root.sh", ".work/net/peers", "torch"]
ORT = [".work/net/peers", "ort"]
CHECKSUM, LOSSES = [19.1128], [8.41928, 7.78660, 7.50925]  # of 8 x 128


def models(golden):
    name, base = golden.hidden("torch-f32", *TORCH, "dump")
    golden.against_reference(name, base, 2e-5)
    for name, limit, command in [
            ("torchsharp-f32", 1e-9, [*TORCH_SHARP, "dump"]),
            ("torchsharp-bf16", 1e-3, [*TORCH_SHARP, "dump", "--dtype", "bf16"]),
            ("torch-f32-frozen", 1e-9, [*TORCH, "dump", "--mode", "frozen"]),
            ("torch-f32-compiled", 1e-9, [*TORCH, "dump", "--mode", "compiled"]),
    ] + [("torch-bf16" + suffix, 1e-3, [*TORCH, "dump", "--dtype", "bf16", *mode]) for suffix, mode in (
        ("", []), ("-frozen", ["--mode", "frozen"]), ("-compiled", ["--mode", "compiled"]),
        ("-converted", ["--mode", "converted"]), ("-compiled-converted", ["--mode", "compiled-converted"]))
    ] + [(f"ort-{graph}", 1e-2 if "int8" in graph else 1e-9, [*ORT, "dump", "--graph", graph])
         for graph in ("std", "fused", "mha", "int8", "int8-mha")]:
        _, rows = golden.hidden(name, *command)
        if limit < 1e-6:
            golden.against_reference(name, rows, 2e-5)
        golden.against(name, rows, base, limit)


def training(golden):
    for peer, command in (("torch-f32", TORCH), ("torchsharp-f32", TORCH_SHARP)):
        line = run(*command, "golden", "--file", golden.path)
        check(f"{peer}: MLM loss", abs(line["mlm_loss"] - line["mlm_loss_reference"]), 5e-6)
        for name, (norm, reference) in line["gradient_norms"].items():
            check(f"{peer}: norm of the gradient of {name}", abs(norm / reference - 1), 1e-5)


def checksums():
    """What is timed, and with it the optimizer: one short sample of each program in fp32."""
    for name, expected, command in [
            (f"ort-{graph}", CHECKSUM, [*ORT, "infer", "--graph", graph]) for graph in ("std", "fused", "mha")] + [
            (f"torch-f32 {mode}", CHECKSUM, [*TORCH, "infer", "--mode", mode]) for mode in ("eager", "frozen", "compiled")] + [
            ("torchsharp-f32", CHECKSUM, [*TORCH_SHARP, "infer"]),
            ("torchsharp-f32, training", LOSSES, [*TORCH_SHARP, "train"])] + [
            (f"torch-f32 {mode}, training", LOSSES, [*TORCH, "train", "--mode", mode]) for mode in ("eager", "compiled")]:
        found = run(*command, "--shape", "8x128", "--seconds", "0")["checksum"]
        found = found if isinstance(found, list) else [found]
        check(f"{name}: checksum, relative deviation", max(abs(a / b - 1) for a, b in zip(found, expected, strict=True)), 1e-3)


def tokenizer(shared, work):
    with open(os.path.join(shared, "golden", "gue_token_ids.json")) as file:
        expected = json.load(file)
    name = "splice/reconstructed/test.csv"
    text, ids = os.path.join(work, "check.txt"), os.path.join(work, "check.ids")
    with open(os.path.join(shared, "gue", name), newline="") as source, open(text, "w") as file:
        file.writelines(row["sequence"] + "\n" for row in csv.DictReader(source))
    run("node", "tokenizer_peer.mjs", "ids", "--text", text, "--out", ids)
    with open(ids, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    check(f"hf-tokenizers: ids of {name}", int(digest != expected[name]["sha256_ids_lines"]), 0)


def main(shared, work):
    golden = Golden(os.path.join(shared, "golden", "full117m.json"), work)
    golden.weights()
    tokenizer(shared, work)
    models(golden)
    training(golden)
    checksums()
    if failures:
        raise SystemExit(f"{len(failures)} checks failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
