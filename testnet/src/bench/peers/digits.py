"""The digits data set as scikit-learn ships it: one JSON object with the text of its CSV file."""

import gzip
import json
from importlib.resources import files

packed = files("sklearn.datasets.data").joinpath("digits.csv.gz").read_bytes()
print(json.dumps({"csv": gzip.decompress(packed).decode()}))
