"""Uses a node's /mcp with the official Python client, unmodified, in both revisions and over standard input and output.

usage: client.py URL TOKEN DATANET HOME NAME PAYER

DATANET is the program, HOME the home of its running node, NAME a datanet with final records, PAYER an account with an
open channel. Fails where anything is not as it should be; prints one JSON object of what was bought.
"""

import asyncio
import json
import os
import sys

import mcp.types as types
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

url, token, program, home, name, payer = sys.argv[1:7]
asked: list[str] = []


async def confirm(_context, params) -> types.ElicitResult:
    """A person who reads the price and agrees."""
    asked.append(params.message)
    return types.ElicitResult(action="accept", content={"confirm": True})


def check(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"client.py: {what}")


async def refused(client: Client, tool: str, arguments: dict, says: str) -> None:
    result = await client.call_tool(tool, arguments)
    text = result.content[0].text
    check(result.is_error is True and says in text, f"{tool} {arguments} should say {says!r}: {text}")


async def use(client: Client, revision: str, pays_by_form: bool) -> dict:
    check(client.protocol_version == revision, f"negotiated {client.protocol_version}, not {revision}")
    tools = (await client.list_tools()).tools
    names = [tool.name for tool in tools]
    check(names == sorted(names) and {"ask", "search", "contribute", "claim"} <= set(names), f"tools: {names}")
    ask = next(tool for tool in tools if tool.name == "ask")
    check(ask.annotations.read_only_hint is False and ask.annotations.destructive_hint is True, "ask is not harmless")
    check(ask.output_schema is not None, "ask has no output schema")

    found = await client.call_tool("search", {"query": "an owl in the dark", "datanet": name, "limit": 3})
    hits = found.structured_content["hits"]
    check(len(hits) > 0 and "owl" in hits[0]["text"], f"search: {found.structured_content}")
    check(json.loads(found.content[0].text) == found.structured_content, "text and structure differ")

    quote = (await client.call_tool("quote", {"what": "ask", "datanet": name})).structured_content
    question = {"datanet": name, "text": "An owl hoots at night.", "account": payer}
    before = len(asked)
    if pays_by_form:
        answer = await client.call_tool("ask", question)
        check(len(asked) == before + 1 and "costs" in asked[-1], f"the price was not asked about: {asked}")
    else:
        await refused(client, "ask", question, f"\"max_price\": {quote['max_price']}")
        await refused(client, "ask", {**question, "max_price": quote["max_price"] - 1}, "more than max_price")
        answer = await client.call_tool("ask", {**question, "max_price": quote["max_price"]})
        check(len(asked) == before, "it was asked for what it had agreed to")
    check(not answer.is_error, f"ask: {answer.content}")
    bought = answer.structured_content
    check(bought["fee"]["units"] == quote["max_price"] and bought["label"] in ("duck", "owl"), f"ask: {bought}")
    paid = sum(part["amount"]["units"] for part in bought["paid"])
    check(paid == bought["fee"]["units"], f"the parts of the price are {paid}")

    receipt = (await client.call_tool("receipt", {"receipt": bought["receipt"]})).structured_content
    check(receipt["credits"] == bought["credits"] and receipt["question"] == question["text"], f"receipt: {receipt}")
    check((await client.call_tool("verify", {"receipt": bought["receipt"]})).structured_content["stands"], "it does not stand")
    read = await client.read_resource(f"datanet://receipts/{bought['receipt']}")
    check(json.loads(read.contents[0].text) == receipt, "the resource is another than the tool's result")
    page = await client.read_resource("ui://datanet/answer.html")
    check("Content-Security-Policy" in page.contents[0].text, "the page has no policy")
    prompt = await client.get_prompt("who_was_paid", {"receipt": bought["receipt"]})
    check(bought["receipt"] in prompt.messages[0].content.text, "the prompt lacks its argument")

    await refused(client, "datanet", {"datanet": "../keys"}, "")
    await refused(client, "search", {"query": "owl", "limit": 10**6}, "limit")
    await refused(client, "search", {"question": "owl"}, "unknown field")
    return {"receipt": bought["receipt"], "fee": bought["fee"]["units"], "tools": len(names)}


async def main() -> None:
    seen = {}
    for label, mode, revision, form in [
        ("2025-11-25", "legacy", "2025-11-25", False),
        ("2026-07-28", "2026-07-28", "2026-07-28", True),
        ("negotiated", "auto", "2026-07-28", True),
    ]:
        async with create_mcp_http_client(headers={"Authorization": f"Bearer {token}"}) as http:
            transport = streamable_http_client(url, http_client=http)
            async with Client(transport, mode=mode, elicitation_callback=confirm) as client:
                seen[label] = await use(client, revision, form)
    bridge = StdioServerParameters(command=program, args=["--home", home, "mcp"], env=dict(os.environ))
    for label, mode, revision, form in [
        ("bridge, 2025-11-25", "legacy", "2025-11-25", False),
        ("bridge, 2026-07-28", "2026-07-28", "2026-07-28", True),
    ]:
        async with Client(bridge, mode=mode, elicitation_callback=confirm) as client:
            seen[label] = await use(client, revision, form)
    print(json.dumps(seen))


asyncio.run(main())
