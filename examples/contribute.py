"""Contributes to a new datanet with Python's standard library, and searches it.

Needs DATANET_URL and DATANET_TOKEN; see README.md. usage: contribute.py NAME
"""

import json
import os
import sys
import time
import urllib.parse
import urllib.request

URL, TOKEN = os.environ["DATANET_URL"], os.environ["DATANET_TOKEN"]


def call(path, body=None, headers=None):
    """GETs, or POSTs `body`: bytes as they are, anything else as JSON."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **(headers or {})}
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, headers), timeout=60) as answer:
        return json.load(answer)


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


name = sys.argv[1]
account = f"{name}-giver"
address = call("/v1/keys", {"name": account})["address"]
call("/v1/transfers", {"from": "node", "to": address, "amount": 5_000_000})

# What judges measure usefulness against: records that are not in any contribution.
holdout = [
    {"text": "A barn owl hears mice under the snow.", "label": "owl"},
    {"text": "Ducklings follow their mother across the water.", "label": "duck"},
]
text = {"name": "text", "kind": "string", "role": "text", "required": True}
label = {"name": "label", "kind": "string", "role": "label", "required": True, "allowed": ["owl", "duck"]}
datanet = call(
    "/v1/datanets",
    {
        "name": name,
        "description": "Sentences about birds",
        "licence": "CC0-1.0",
        "schema": {"fields": [text, label]},
        "price": 1_000,
        "accept_threshold": 3_000,
        "committee_size": 1,
        "storage_quorum": 1,
        "min_bond": 1_000_000,
        "holdout": lines(holdout),
    },
)["id"]

records = [
    {"text": "The tawny owl calls through the forest after dark.", "label": "owl"},
    {"text": "Mallards dabble for plants at the surface of shallow lakes.", "label": "duck"},
]
contribution = call(
    f"/v1/datanets/{datanet}/contributions?account={account}",
    lines(records).encode(),
    # The same key with the same bytes is the same contribution: a retry costs nothing.
    {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"{name}-1"},
)["id"]

while (now := call(f"/v1/contributions/{contribution}"))["state"] not in ("final", "refused", "expired", "revoked"):
    time.sleep(0.3)
print(now["state"], now.get("scores"))

query = urllib.parse.urlencode({"q": "an owl in the dark", "datanet": datanet})
for hit in call(f"/v1/search?{query}")["hits"]:
    print(f"{hit['score']:.3f} {hit['text']}")
