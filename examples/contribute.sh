#!/bin/sh
# Contributes to a new datanet with curl, and searches it. Needs DATANET_URL and DATANET_TOKEN; see README.md.
set -eu
name=$1
call() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer $DATANET_TOKEN" "$@"; }
json() { call --header "Content-Type: application/json" "$@"; }
# One text field of a JSON answer; a program would parse it.
field() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

account=$name-giver
address=$(json "$DATANET_URL/v1/keys" --data "{\"name\": \"$account\"}" | tr ',' '\n' | field address)
json "$DATANET_URL/v1/transfers" --data "{\"from\": \"node\", \"to\": \"$address\", \"amount\": 5000000}" >/dev/null

# What judges measure usefulness against: records that are not in any contribution.
holdout='{\"text\": \"A barn owl hears mice under the snow.\", \"label\": \"owl\"}\n{\"text\": \"Ducklings follow their mother across the water.\", \"label\": \"duck\"}\n'
datanet=$(json "$DATANET_URL/v1/datanets" --data @- <<END | tr ',' '\n' | field id
{"name": "$name", "description": "Sentences about birds", "licence": "CC0-1.0",
 "schema": {"fields": [
   {"name": "text", "kind": "string", "role": "text", "required": true},
   {"name": "label", "kind": "string", "role": "label", "required": true, "allowed": ["owl", "duck"]}]},
 "price": 1000, "accept_threshold": 3000, "committee_size": 1, "storage_quorum": 1, "min_bond": 1000000,
 "holdout": "$holdout"}
END
)

contribution=$(call "$DATANET_URL/v1/datanets/$datanet/contributions?account=$account" \
  --header "Content-Type: application/x-ndjson" --header "Idempotency-Key: $name-1" --data-binary @- <<'END' | tr ',' '\n' | field id
{"text": "The tawny owl calls through the forest after dark.", "label": "owl"}
{"text": "Mallards dabble for plants at the surface of shallow lakes.", "label": "duck"}
END
)
# Server-sent events, which end with the verdict.
call --no-buffer "$DATANET_URL/v1/contributions/$contribution/events" | grep --only-matching '"state":"[a-z_]*"' | uniq
call --get "$DATANET_URL/v1/search" --data-urlencode "q=an owl in the dark" --data "datanet=$datanet"
echo
