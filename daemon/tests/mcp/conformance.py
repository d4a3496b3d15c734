"""Reads what the conformance suite found: all that applies must hold, and all that does not is known by name.

usage: conformance.py REVISION RESULTS
"""

import json
import pathlib
import sys

APPLIES = {
    "2025-11-25": "server-initialize ping tools-list resources-list prompts-list dns-rebinding-protection"
    " server-sse-multiple-streams server-session-lifecycle server-sse-polling",
    "2026-07-28": "server-stateless tools-list resources-list prompts-list dns-rebinding-protection caching"
    " sep-2164-resource-not-found http-header-validation server-sse-multiple-streams"
    " input-required-result-missing-input-response input-required-result-unsupported-methods"
    " input-required-result-ignore-extra-params input-required-result-validate-input tasks-status-notifications",
}
# They call tools, resources and prompts of the suite's own server by name, which no other server has.
FIXTURES = (
    "tools-call-simple-text tools-call-image tools-call-audio tools-call-embedded-resource tools-call-mixed-content"
    " tools-call-error tools-call-with-progress tools-call-sampling tools-call-elicitation elicitation-sep1034-defaults"
    " elicitation-sep1330-enums resources-read-text resources-read-binary resources-templates-read prompts-get-simple"
    " prompts-get-with-args prompts-get-embedded-resource prompts-get-with-image json-schema-2020-12"
    " http-custom-header-server-validation input-required-result-basic-elicitation input-required-result-basic-sampling"
    " input-required-result-basic-list-roots input-required-result-request-state"
    " input-required-result-multiple-input-requests input-required-result-multi-round"
    " input-required-result-non-tool-request input-required-result-result-type input-required-result-tampered-state"
    " input-required-result-capability-check tasks-lifecycle tasks-capability-negotiation tasks-wire-fields"
    " tasks-request-state-removal tasks-mrtr-input tasks-request-headers tasks-dispatch-and-envelope"
    " tasks-required-task-error tasks-mrtr-composition"
)
# Parts of the protocol that the node does not offer, and does not declare.
NOT_OFFERED = "completion-complete logging-set-level tools-call-with-logging resources-subscribe resources-unsubscribe"

revision, results = sys.argv[1], pathlib.Path(sys.argv[2])
applies, others = set(APPLIES[revision].split()), set(FIXTURES.split()) | set(NOT_OFFERED.split())
seen, failed, held = set(), [], 0
for checks in results.glob("server-*/checks.json"):
    scenario = checks.parent.name.removeprefix("server-").rsplit("-20", 1)[0]
    scenario = next((known for known in applies | others if checks.parent.name.startswith(f"server-{known}-20")), scenario)
    seen.add(scenario)
    for check in json.loads(checks.read_text()):
        # A check of a scenario that applies may want a tool of the suite's own all the same, and says so.
        untestable = (check.get("details") or {}).get("untestable") is True
        if scenario in applies and check["status"] == "FAILURE" and not untestable:
            failed.append(f"{scenario}: {check['id']}: {check.get('errorMessage')}")
        held += scenario in applies and check["status"] == "SUCCESS"
unknown, missing = seen - applies - others, applies - seen
if failed or unknown or missing:
    raise SystemExit("\n".join([*failed, f"scenarios that nobody knows: {unknown}", f"scenarios that did not run: {missing}"]))
print(f"conformance {revision}: {held} checks hold in the {len(applies)} scenarios that apply; {len(seen - applies)} do not apply")
