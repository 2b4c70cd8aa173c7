"""Alternates peers and engine and prints a table of medians, ratios and shares of the machine's peak.

  compare.py SUITE... [--rounds 5] [--shapes 8x128,1x512] [--engine NAME:GROUP:SUITE=COMMAND]...

Suites: inference, training, baselines, baselines-training, real, start, encode, bpe. A COMMAND is run by the shell in this folder, once a
sample, and ends with one JSON line that has at least "ms"; {placeholders} of the suite are filled in (see
README.md). Its GROUP (f32, bf16, i8, or any for the last three suites) says which peers it is compared with.
A sample during which others used more than --max-others of the cores is discarded and taken again.
"""
import argparse
import json
import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import time

from sampling import Window

HERE = os.path.dirname(os.path.abspath(__file__))
INFERENCE_SHAPES = ["1x128", "8x128", "32x128", "1x512", "4x512", "1x2048"]
TRAINING_SHAPES = ["8x128", "32x128"]
# The lengths of the papers: 512 tokens, 70 to 1000 bases in 6-mers, the contexts of HyenaDNA.
BASELINE_SHAPES = ["dnabert6:8x512", "nt500m:4x172", "hyena-tiny1k:8x1024", "hyena-small32k:1x32768", "hyena-medium160k:1x160000"]
BASELINE_TRAINING_SHAPES = ["dnabert6:8x512", "nt500m:4x172", "hyena-tiny1k:8x1024", "hyena-small32k:1x8192"]
BATCHES = [1, 4, 8, 16, 32]

ORT = ".work/net/peers ort"
TORCH_SHARP = "./root.sh .work/net/peers torch"
TORCH = "./root.sh python3 torch_peer.py"
BASELINES = "./root.sh python3 baselines.py"
TOKENIZER = "node tokenizer_peer.mjs"
# suite -> (name, group, command)
PEERS = {
    "inference": [
        ("ort-std", "f32", f"{ORT} infer --graph std --shape {{shape}}"),
        ("ort-fused", "f32", f"{ORT} infer --graph fused --shape {{shape}}"),
        ("ort-mha", "f32", f"{ORT} infer --graph mha --shape {{shape}}"),
        ("torchsharp-f32", "f32", f"{TORCH_SHARP} infer --shape {{shape}}"),
        ("torch-f32", "f32", f"{TORCH} infer --shape {{shape}}"),
        ("torch-f32-frozen", "f32", f"{TORCH} infer --mode frozen --shape {{shape}}"),
        ("torch-f32-compiled", "f32", f"{TORCH} infer --mode compiled --shape {{shape}}"),
        ("torchsharp-bf16", "bf16", f"{TORCH_SHARP} infer --dtype bf16 --shape {{shape}}"),
        ("torch-bf16", "bf16", f"{TORCH} infer --dtype bf16 --shape {{shape}}"),
        ("torch-bf16-frozen", "bf16", f"{TORCH} infer --dtype bf16 --mode frozen --shape {{shape}}"),
        ("torch-bf16-compiled", "bf16", f"{TORCH} infer --dtype bf16 --mode compiled --shape {{shape}}"),
        ("torch-bf16-converted", "bf16", f"{TORCH} infer --dtype bf16 --mode converted --shape {{shape}}"),
        ("torch-bf16-compiled-converted", "bf16", f"{TORCH} infer --dtype bf16 --mode compiled-converted --shape {{shape}}"),
        ("ort-int8", "i8", f"{ORT} infer --graph int8 --shape {{shape}}"),
        ("ort-int8-mha", "i8", f"{ORT} infer --graph int8-mha --shape {{shape}}"),
    ],
    "training": [
        ("torchsharp-f32", "f32", f"{TORCH_SHARP} train --shape {{shape}}"),
        ("torch-f32", "f32", f"{TORCH} train --shape {{shape}}"),
        ("torch-f32-compiled", "f32", f"{TORCH} train --mode compiled --shape {{shape}}"),
        ("torchsharp-bf16", "bf16", f"{TORCH_SHARP} train --dtype bf16 --shape {{shape}}"),
        ("torch-bf16", "bf16", f"{TORCH} train --dtype bf16 --shape {{shape}}"),
        ("torch-bf16-compiled", "bf16", f"{TORCH} train --dtype bf16 --mode compiled --shape {{shape}}"),
    ],
    "baselines": [(f"torch-{mode}", "f32", f"{BASELINES} infer {{model}} --shape {{shape}} --mode {mode}")
                  for mode in ("eager", "compiled")],
    "baselines-training": [(f"torch-{mode}", "f32", f"{BASELINES} train {{model}} --shape {{shape}} --mode {mode}")
                           for mode in ("eager", "compiled")],
    "real": [],  # chosen by `best_batches`
    "start": [
        ("ort-std", "any", f"{ORT} start --graph std"),
        ("ort-std-no-prepacking", "any", f"{ORT} start --graph std --no-prepacking"),
        ("ort-fused", "any", f"{ORT} start --graph fused"),
    ],
    "encode": [("hf-tokenizers", "any", f"{TOKENIZER} encode --text {{text}} --rows {{rows}}")],
    "bpe": [("hf-tokenizers", "any", f"{sys.executable} bpe_train.py --text {{text}} --vocabulary 4096")],
}
# What the peak's instructions are called in /proc/cpuinfo. float32 has a form for AVX2.
PEAK_FLAGS = {"f32": "fma", "bf16": "avx512_bf16", "i8": "avx512_vnni"}
# bf16 peers are left out without it: what they would do there has not been tried.
BF16_FLAG = "avx512bw"


def note(*words):
    print(*words, file=sys.stderr, flush=True)


def take(name, command):
    """Runs a command to its end; its JSON line, with wall time and peak memory of the process added."""
    window, start = Window(used_by_children), time.perf_counter()
    process = subprocess.Popen(["sh", "-c", "exec " + command], cwd=HERE, stdout=subprocess.PIPE)
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    wall = 1000 * (time.perf_counter() - start)
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if process.returncode or not lines:
        raise SystemExit(f"{name}: `{command}` ended with {process.returncode} and "
                         f"{'no JSON line' if not lines else 'JSON'}")
    sample = json.loads(lines[-1])
    sample.update(peer=name, wall_ms=round(wall, 1), process_rss_mb=usage.ru_maxrss // 1024)
    sample.setdefault("others", window.end()[1])
    return sample


def used_by_children():
    """Core seconds of this process and every child it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


class Comparison:
    def __init__(self, options):
        self.options = options
        self.disagreements = []
        with open("/proc/cpuinfo") as file:
            self.flags = set(next(line for line in file if line.startswith("flags")).split())
        self.engines = [parse_engine(text) for text in options.engine]

    def quiet_sample(self, name, command):
        """A sample during which the machine was ours, or None after several tries."""
        for _ in range(self.options.tries):
            sample = take(name, command)
            sample["discarded"] = sample["others"] > self.options.max_others
            self.log.write(json.dumps(sample) + "\n")
            self.log.flush()
            if not sample["discarded"]:
                return sample
            note(f"  {name}: others took {100 * sample['others']:.0f} % of the cores, discarded")
        return None

    def alternate(self, suite, contestants, **values):
        """`rounds` samples of each contestant in turn; the order rotates so that no one always follows the same."""
        label = " ".join(str(value) for key, value in values.items() if key in ("model", "shape", "data"))
        taken = {name: [] for name, _, _ in contestants}
        for round_ in range(self.options.rounds):
            turn = round_ % len(contestants)
            for name, _, command in contestants[turn:] + contestants[:turn]:
                note(f"{suite} {label}: round {round_ + 1}, {name}")
                sample = self.quiet_sample(name, fill_in(command, values))
                if sample:
                    taken[name].append(sample)
        return taken

    def contestants(self, suite):
        engines = [(name, group, command) for name, group, of, command in self.engines if of == suite]
        wanted = [one for one in PEERS[suite] + engines if not self.options.only or one[1] in self.options.only]
        slow = [] if BF16_FLAG in self.flags else [one for one in wanted if one[1] == "bf16" and one not in engines]
        if slow:
            print(f"\nLeft out, because this processor has no {BF16_FLAG}: {', '.join(name for name, _, _ in slow)}")
        return [one for one in wanted if one not in slow]

    def peaks(self, groups):
        return [(f"peak-{group}", group, f"{shlex.quote(self.options.work)}/peak {group} {{threads}}")
                for group in ("f32", "bf16", "i8") if group in groups and PEAK_FLAGS[group] in self.flags]

    def shapes(self, suite, shapes):
        contestants = self.contestants(suite)
        peaks = self.peaks({group for _, group, _ in contestants})
        rows = []
        for shape in self.options.shapes or shapes:
            model, _, size = shape.rpartition(":")
            taken = self.alternate(suite, peaks + contestants, model=model, shape=size, threads=2)
            peak = {group: median(taken[name], "gflops") for name, group, _ in peaks}
            self.compare_checksums(shape, contestants, taken)
            rows += self.rows(shape, contestants, taken, "gflops", "GFLOP/s", peak)
        return rows

    def compare_checksums(self, shape, contestants, taken):
        """Programs in fp32 that hold the same model must agree on what they computed while they were timed."""
        sums = {name: taken[name][0]["checksum"] for name, group, _ in contestants
                if group == "f32" and taken[name] and "checksum" in taken[name][0]}
        values = [value if isinstance(value, list) else [value] for value in sums.values()]
        if any(max(column) - min(column) > 1e-3 * max(map(abs, column)) for column in zip(*values)):
            self.disagreements.append(f"{shape}: {sums}")

    def rows(self, label, contestants, taken, rate, unit, peak=None):
        """One table row a contestant; the ratio is to the fastest peer of its group (engines are not peers)."""
        engines = {name for name, _, _, _ in self.engines}
        times = {name: median(taken[name], self.clock) for name, _, _ in contestants}
        rows = []
        for name, group, _ in contestants:
            rivals = [times[other] for other, of, _ in contestants
                      if of == group and other not in engines and other != name and times[other]]
            best = min(rivals, default=None)
            value, speed = times[name], median(taken[name], rate) if rate else None
            share = speed / peak[group] if speed and peak and peak.get(group) else None
            memory = median(taken[name], "process_rss_mb")
            rows.append([label, name, group, form(value, ".1f"), form(speed, ".1f") + (f" {unit}" if speed else ""),
                         form(share and 100 * share, ".0f") + (" %" if share else ""),
                         form(best / value if best and value else None, ".2f"), form(memory, ".0f"),
                         f"{len(taken[name])}/{self.options.rounds}"])
        return rows

    def real(self, _):
        rows = []
        for data in ("splice", "mixed"):
            path = os.path.join(self.options.work, "data", data)
            values = {"data": data, "ids": shlex.quote(path + ".ids"), "text": shlex.quote(path + ".txt"),
                      "rows": self.options.rows}
            contestants = [self.best_batches(graph, values) for graph in ("std", "fused")]
            contestants += [(name, group, command) for name, group, of, command in self.engines if of == "real"]
            taken = self.alternate("real", contestants, **values)
            rows += self.rows(f"{data}, {self.options.rows} rows", contestants, taken, "tokens_per_s", "tokens/s")
        return rows

    def best_batches(self, graph, values):
        """The runtime's best batch size and order on a sample of the rows."""
        best = None
        for order in ("", " --sorted"):
            for batch in BATCHES:
                command = f"{ORT} real --graph {graph} --ids {values['ids']} --rows {{rows}} --batch {batch}{order}"
                note(f"real {values['data']}: {graph}, batch {batch}{order or ' unsorted'}")
                sample = self.quiet_sample("search", fill_in(command, {"rows": self.options.search_rows}))
                if sample and (best is None or sample["ms"] < best[0]):
                    best = sample["ms"], f"ort-{graph} batch {batch}{order.replace('--', '') or ' unsorted'}", command
        if best is None:
            raise SystemExit("real: the machine was never quiet enough to find the best batch size; "
                             "wait, or raise --max-others")
        return best[1], "f32", best[2]

    def start(self, suite):
        contestants = self.contestants(suite)
        self.clock = "wall_ms"  # of the whole process, whatever it says itself
        taken = self.alternate(suite, contestants)
        return self.rows("first embedding, 1x128", contestants, taken, None, "")

    def encode(self, suite):
        contestants, rows = self.contestants(suite), []
        for data, count in (("yeast_1000bp", 2000), ("record_1mb", 1)):
            text = shlex.quote(os.path.join(self.options.work, "data", data + ".txt"))
            taken = self.alternate(suite, contestants, data=data, text=text, rows=count)
            rows += self.rows(data, contestants, taken, "mb_per_s", "MB/s")
        return rows

    def bpe(self, suite):
        contestants = self.contestants(suite)
        text = shlex.quote(os.path.join(self.options.work, "data", "yeast_1000bp.txt"))
        taken = self.alternate(suite, contestants, text=text)
        return self.rows("yeast, vocabulary 4096", contestants, taken, None, "")

    def run(self, suite):
        self.clock = "ms"
        results = os.path.join(self.options.work, "results")
        os.makedirs(results, exist_ok=True)
        with open(os.path.join(results, f"{suite}.jsonl"), "w") as self.log:
            rows = {"inference": lambda name: self.shapes(name, INFERENCE_SHAPES),
                    "training": lambda name: self.shapes(name, TRAINING_SHAPES),
                    "baselines": lambda name: self.shapes(name, BASELINE_SHAPES),
                    "baselines-training": lambda name: self.shapes(name, BASELINE_TRAINING_SHAPES),
                    "real": self.real, "start": self.start, "encode": self.encode, "bpe": self.bpe}[suite](suite)
        print_table(suite, rows)


def parse_engine(text):
    head, equals, command = text.partition("=")
    parts = head.split(":")
    if not equals or len(parts) != 3 or parts[2] not in PEERS:
        raise SystemExit(f"--engine {text}: NAME:GROUP:SUITE=COMMAND is wanted")
    return (*parts, command)


def fill_in(command, values):
    for key, value in values.items():
        command = command.replace("{" + key + "}", str(value))
    return command


def median(samples, key):
    values = [sample[key] for sample in samples if key in sample]
    return statistics.median(values) if values else None


def form(value, how):
    return "–" if value is None else format(value, how)


def print_table(suite, rows):
    header = ["what", "peer", "group", "ms", "rate", "of peak", "best other peer ÷ this", "peak RSS MB", "samples"]
    print(f"\n## {suite}\n")
    for row in [header, ["---"] * len(header)] + rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def describe_machine():
    with open("/proc/cpuinfo") as file:
        model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", choices=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shapes", type=lambda text: text.split(","), help="instead of the suite's own")
    parser.add_argument("--only", type=lambda text: text.split(","), help="groups of peers: f32,bf16,i8,any")
    parser.add_argument("--rows", type=int, default=512, help="rows of real data a sample")
    parser.add_argument("--search-rows", type=int, default=256, help="rows in the search for the best batch size")
    parser.add_argument("--engine", action="append", default=[], metavar="NAME:GROUP:SUITE=COMMAND")
    parser.add_argument("--max-others", type=float, default=0.05)
    parser.add_argument("--tries", type=int, default=4, help="attempts at a sample in a quiet moment")
    parser.add_argument("--work", default=os.path.join(HERE, ".work"))
    options = parser.parse_args()
    describe_machine()
    comparison = Comparison(options)
    for suite in options.suites:
        comparison.run(suite)
    if comparison.disagreements:
        raise SystemExit("checksums of fp32 programs differ: " + "; ".join(comparison.disagreements))


if __name__ == "__main__":
    main()
