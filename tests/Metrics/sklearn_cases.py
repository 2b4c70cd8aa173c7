"""Writes sklearn_cases.json: inputs and what scikit-learn and SciPy say of them. Debian: apt-get install python3-sklearn.

    /usr/bin/python3 tests/Metrics/sklearn_cases.py > tests/Metrics/sklearn_cases.json

Scores are multiples of 1/64, exact in float32, so that ties are the same in every precision. null: scikit-learn refuses the input, or
says NaN.
"""
import json
import math
import warnings

import numpy as np
import scipy
import sklearn
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics

warnings.simplefilter("ignore")
draw = np.random.default_rng(2306)


def number(compute):
    try:
        value = float(compute())
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def steps(values, size):
    return np.round(np.asarray(values) * size) / size


def single(name, truth, logits):
    truth, logits = np.asarray(truth), np.asarray(logits, dtype=np.float64)
    classes = logits.shape[1]
    predicted = logits.argmax(1)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    binary = (truth[:, None] == np.arange(classes)).astype(int)
    return {
        "name": name, "kind": "single_label_classification", "truth": truth.tolist(), "logits": logits.tolist(),
        "accuracy": number(lambda: metrics.accuracy_score(truth, predicted)),
        "f1_macro": number(lambda: metrics.f1_score(truth, predicted, average="macro")),
        "f1_micro": number(lambda: metrics.f1_score(truth, predicted, average="micro")),
        "mcc": number(lambda: metrics.matthews_corrcoef(truth, predicted)),
        "auroc": number(lambda: metrics.roc_auc_score(truth, p[:, 1]) if classes == 2
                        else metrics.roc_auc_score(truth, p, multi_class="ovr", average="macro")),
        "auprc": number(lambda: metrics.average_precision_score(truth, p[:, 1]) if classes == 2
                        else metrics.average_precision_score(binary, p, average="macro")),
    }


def multi(name, truth, logits):
    truth, logits = np.asarray(truth), np.asarray(logits, dtype=np.float64)
    predicted = (logits > 0).astype(int)
    p = 1 / (1 + np.exp(-logits))
    return {
        "name": name, "kind": "multi_label_classification", "truth": truth.tolist(), "logits": logits.tolist(),
        "accuracy": number(lambda: metrics.accuracy_score(truth, predicted)),
        "f1_macro": number(lambda: metrics.f1_score(truth, predicted, average="macro")),
        "f1_micro": number(lambda: metrics.f1_score(truth, predicted, average="micro")),
        "auroc": number(lambda: metrics.roc_auc_score(truth, p, average="macro")),
        "auprc": number(lambda: metrics.average_precision_score(truth, p, average="macro")),
    }


def regression(name, truth, predicted):
    truth, predicted = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    return {
        "name": name, "kind": "regression", "truth": truth.tolist(), "logits": predicted[:, None].tolist(),
        "r2": number(lambda: metrics.r2_score(truth, predicted)),
        "spearman": number(lambda: spearmanr(truth, predicted)[0]),
        "pearson": number(lambda: pearsonr(truth, predicted)[0]),
        "mse": number(lambda: metrics.mean_squared_error(truth, predicted)),
    }


def two(margins):
    return np.stack([np.zeros(len(margins)), margins], 1)


def learnt(rows, classes, size, weights=None):
    truth = draw.choice(classes, rows, p=weights)
    return truth, steps(draw.normal(size=(rows, classes)) + 1.2 * (truth[:, None] == np.arange(classes)), size)


truth, logits = learnt(60, 3, 64)
absent = logits.copy()
absent[:, 1] = -9
labels = draw.integers(0, 2, (30, 4))
values = steps(draw.normal(size=40), 64)
cases = [
    single("binary", *learnt(50, 2, 64)),
    single("binary, few scores", *learnt(50, 2, 2)),
    single("binary, rare positives", *learnt(64, 2, 64, [0.92, 0.08])),
    single("binary, right throughout", [0, 1, 1, 0], two([-1, 2, 1, -2])),
    single("binary, wrong throughout", [0, 1, 1, 0], two([1, -2, -1, 2])),
    single("binary, all scores equal", [0, 1, 1, 0, 1], two([0.5] * 5)),
    single("binary, predicted as one class", [0, 1, 1, 0, 1], two([0.5, 1, 2, 0.25, 3])),
    single("binary, all rows of class 0", [0, 0, 0], two([1, -1, -2])),
    single("binary, all rows of class 1", [1, 1, 1], two([1, -1, 2])),
    single("binary, one row", [1], two([1])),
    single("three classes", truth, logits),
    single("three classes, one never predicted", truth, absent),
    single("three classes, one not in the truth", [0, 2, 2, 0, 2], steps(draw.normal(size=(5, 3)), 64)),
    single("three classes, one in neither", [0, 2, 2, 0], [[2, -9, 0], [0, -9, 1], [1, -9, 0], [1, -9, 0]]),
    single("nine classes, few scores", *learnt(90, 9, 4)),
    multi("four labels", labels, steps(draw.normal(size=(30, 4)) + labels, 64)),
    multi("labels that nobody has or predicts", [[1, 0, 0], [0, 1, 0], [1, 1, 0]], [[1, -1, -1], [1, -2, -3], [-1, 1, -1]]),
    regression("numbers", values, steps(values + draw.normal(size=40), 64)),
    regression("numbers with ties", np.round(values), np.round(values + 0.7 * draw.normal(size=40))),
    regression("worse than the mean", values, -values),
    regression("constant truth", [2, 2, 2], [1, 2, 3]),
    regression("constant truth, predicted", [2, 2, 2], [2, 2, 2]),
    regression("constant prediction", [1, 2, 3], [2, 2, 2]),
    regression("two rows", [1, 2], [4, 3]),
    regression("one row", [1], [1]),
]
made_by = f"tests/Metrics/sklearn_cases.py: scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}, NumPy {np.__version__}"
print(json.dumps({"made_by": made_by, "cases": []})[:-2] + "\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]}")
