"""Writes the texts that the peers and the engine read: real rows in a fixed order, and yeast for the tokenizer."""
import csv
import glob
import gzip
import os
import random
import sys


def write_lines(folder, name, lines):
    path = os.path.join(folder, name)
    with open(path + ".tmp", "w", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)
    os.replace(path + ".tmp", path)


def sequences(path):
    with open(path, newline="") as file:
        return [row["sequence"] for row in csv.DictReader(file)]


def records(path):
    with gzip.open(path, "rt") as file:
        return ["".join(record.split("\n")[1:]).upper() for record in file.read().split(">")[1:]]


def main(shared, folder):
    os.makedirs(folder, exist_ok=True)
    shuffle = random.Random(2306).shuffle
    splice = sequences(os.path.join(shared, "gue", "splice", "reconstructed", "test.csv"))
    mixed = [row for path in sorted(glob.glob(os.path.join(shared, "gue", "**", "test.csv"), recursive=True))
             for row in sequences(path)]
    for name, rows in (("splice", splice), ("mixed", mixed)):
        shuffle(rows)  # so that the first N rows are a sample of all
        write_lines(folder, name + ".txt", rows)
    yeast = records(os.path.join(shared, "genomes", "S_cerevisiae.fasta.gz"))
    write_lines(folder, "yeast_1000bp.txt", [
        record[at:at + 1000] for record in yeast for at in range(0, len(record) - 999, 1000)])
    write_lines(folder, "record_1mb.txt", [max(yeast, key=len)[:1_000_000]])


if __name__ == "__main__":
    main(*sys.argv[1:])
