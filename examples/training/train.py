"""Trains a small network to read handwritten digits, and saves what it has learned.

    python3 train.py DATA.csv.gz

The data has one picture a line: 64 pixels of 0 to 16, then the digit. The same data and the same
versions of numpy and scikit-learn give the same bytes in weights.npz on any machine of one kind:
seeds are fixed and one thread does the sums.
"""

import hashlib
import json
import os
import sys
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy  # noqa: E402 - after the number of threads is set
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402

ROUNDS = 30


def main(path):
    table = numpy.loadtxt(path, delimiter=",")
    pictures, digits = table[:, :-1] / 16.0, table[:, -1].astype(int)
    # So few rounds are meant: this shows a training, it does not win a prize.
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    split = len(digits) * 3 // 4
    network = MLPClassifier(hidden_layer_sizes=(32,), max_iter=ROUNDS, random_state=7)
    network.fit(pictures[:split], digits[:split])
    right = network.score(pictures[split:], digits[split:])
    weights = network.coefs_ + network.intercepts_
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in weights)).hexdigest()
    os.makedirs("model", exist_ok=True)
    numpy.savez("model/weights.npz", *weights)
    with open("model/report.json", "w", encoding="ascii") as report:
        json.dump({"right": round(right, 4), "weights": digest}, report)
    print(f"right on {right:.1%} of {len(digits) - split} pictures, weights {digest}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("error: give the file with the pictures\nhint: python3 train.py DATA.csv.gz")
    main(sys.argv[1])
