"""Prints tests/golden/metrics.h: what scikit-learn's metrics give, for tests/train/metrics.c.

    pip install scikit-learn; python tests/golden/metrics.py > tests/golden/metrics.h

Scores are multiples of 1/16, so that they are the same in float and double and many are equal.
"""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [path for path in sys.path if os.path.abspath(path) != here]

import numpy as np
import sklearn
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score, top_k_accuracy_score

N, CLASSES, SAMPLES = 40, 5, 200


def array(kind, name, numbers, width=118):
    print(f"static const {kind} {name}[] = {{")
    line = "   "
    for number in numbers:
        text = str(number)
        if len(line) + len(text) + 2 > width:
            print(line)
            line = "   "
        line += f" {text},"
    print(line)
    print("};")


random = np.random.default_rng(3)
print(f"/* Written by metrics.py with scikit-learn {sklearn.__version__}. */")
print("#ifndef GOLDEN_METRICS_H\n#define GOLDEN_METRICS_H\n\n/* clang-format off */\n\n#include <reel/types.h>\n")
print(f"enum {{ GOLDEN_N = {N}, GOLDEN_CLASSES = {CLASSES}, GOLDEN_SAMPLES = {SAMPLES} }};")

target = random.integers(0, CLASSES - 1, N)  # the last class never occurs
scores = np.round(random.normal(0, 0.3, (N, CLASSES)) * 16) / 16
scores[np.arange(N), target] += 0.25
predicted = scores.argmax(1)
array("int64_t", "golden_target", target)
array("int64_t", "golden_predicted", predicted)
array("reel_real", "golden_scores", scores.ravel())
print(f"static const double golden_accuracy = {float(accuracy_score(target, predicted)).hex()};")
labels = np.arange(CLASSES)
top = [float(top_k_accuracy_score(target, scores, k=k, labels=labels)).hex() for k in range(1, CLASSES)]
array("double", "golden_top_k", top)
array("int64_t", "golden_confusion", confusion_matrix(target, predicted, labels=labels).ravel())

clicks = (random.random(SAMPLES) < 0.25).astype(int)
click_scores = np.round((random.normal(0, 1, SAMPLES) + clicks) * 16) / 16
array("int64_t", "golden_clicks", clicks)
array("reel_real", "golden_click_scores", click_scores)
print(f"static const double golden_auc = {float(roc_auc_score(clicks, click_scores)).hex()};")
half = SAMPLES // 2
print(f"static const double golden_auc_of_half = {float(roc_auc_score(clicks[:half], click_scores[:half])).hex()};")
print("\n#endif")
