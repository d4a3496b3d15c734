"""The digits data set as scikit-learn ships it: one JSON object with pixels (0 to 16, 64 a row) and labels."""

import json

from sklearn.datasets import load_digits

digits = load_digits()
print(json.dumps({"pixels": digits.data.astype(int).tolist(), "labels": digits.target.astype(int).tolist()}))
