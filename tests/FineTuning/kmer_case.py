"""Writes kmer_case.json: logistic regression on 6-mer counts as scikit-learn fits it. Debian: apt-get install python3-sklearn.

    /usr/bin/python3 tests/FineTuning/kmer_case.py > tests/FineTuning/kmer_case.json
"""
import itertools
import json

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

K, LAMBDA = 6, 1e-3
COLUMN = {"".join(kmer): i for i, kmer in enumerate(itertools.product("ACGT", repeat=K))}
draw = np.random.default_rng(2306)


def sequence(label):
    length = int(draw.integers(20, 60))
    bases = "".join(draw.choice(list("ACGT"), length))
    motif = ["TATAAA", "GGGCGG", "CACGTG"][label]
    at = int(draw.integers(0, length - 6))
    bases = bases[:at] + motif + bases[at + 6:] if draw.random() < 0.8 else bases
    return bases[:9] + "N" + bases[10:] if draw.random() < 0.2 else bases


def counts(rows):
    matrix = np.zeros((len(rows), len(COLUMN)))
    for r, row in enumerate(rows):
        for i in range(len(row) - K + 1):
            if row[i:i + K] in COLUMN:
                matrix[r, COLUMN[row[i:i + K]]] += 1
    return matrix


labels = draw.integers(0, 3, 90)
rows = [sequence(label) for label in labels]
x = counts(rows)
train, dev = slice(0, 60), slice(60, 90)
x /= np.linalg.norm(x[train], axis=1).mean()
model = LogisticRegression(solver="newton-cg", C=1 / (60 * LAMBDA), tol=1e-7, max_iter=200).fit(x[train], labels[train])
print(json.dumps({
    "made_by": f"tests/FineTuning/kmer_case.py: scikit-learn {sklearn.__version__}, NumPy {np.__version__}",
    "lambda": LAMBDA,
    "rows": rows,
    "labels": labels.tolist(),
    "train": 60,
    "probabilities": np.round(model.predict_proba(x[dev]), 9).tolist(),
}))
