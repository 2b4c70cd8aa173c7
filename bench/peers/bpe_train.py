"""Time of Hugging Face's BPE trainer to a vocabulary smaller than the 30000 its Node binding insists on.

The trainer is greedy, so its first merges do not depend on the limit. It draws a progress bar with the number
of merges done, twenty times a second, when its standard error is a terminal: we give it one, read the bar, and
end the process once enough merges are done. The alphabet of DNA lines is A C G T; each merge adds one entry.
"""
import argparse
import json
import os
import pty
import re
import select
import subprocess
import time

from sampling import Window, process_seconds

HERE = os.path.dirname(os.path.abspath(__file__))
ALPHABET = 4
LIMIT = 30000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--work", default=os.path.join(HERE, ".work"))
    arguments = parser.parse_args()
    terminal, terminal_of_child = pty.openpty()
    child = subprocess.Popen(
        ["node", os.path.join(HERE, "tokenizer_peer.mjs"), "train", "--work", arguments.work, "--text", arguments.text],
        stdout=subprocess.PIPE, stderr=terminal_of_child, text=True)
    os.close(terminal_of_child)
    try:
        if '"start"' not in child.stdout.readline():
            raise SystemExit("the trainer did not start")
        window, start = Window(lambda: process_seconds(child.pid)), time.perf_counter()
        merges = wait_for_merges(terminal, arguments.vocabulary - ALPHABET)
        milliseconds = 1000 * (time.perf_counter() - start)
        own, others = window.end()
    finally:
        child.kill()
        child.wait()
    print(json.dumps({"peer": "hf-tokenizers", "what": "bpe-train", "shape": os.path.basename(arguments.text),
                      "vocabulary": arguments.vocabulary, "merges_seen": merges, "ms": round(milliseconds, 1),
                      "cpu_ms": round(1000 * own, 1), "others": others}))


def wait_for_merges(terminal, wanted):
    """The first number of merges shown that is at least `wanted`."""
    text, started = "", False
    while True:
        if not select.select([terminal], [], [], 600)[0]:
            raise SystemExit("the trainer shows no progress")
        text += os.read(terminal, 65536).decode(errors="replace")
        end = 0
        for match in re.finditer(rf"Compute merges\s+\S+\s+(\d+)\s*/\s*{LIMIT}\b", text):
            end, shown = match.end(), int(match[1])
            if shown < wanted:
                started = True  # before, the bar may still show the words counted
            elif started:
                return shown
        text = text[end:]


if __name__ == "__main__":
    main()
