"""Buys answers on a node's public face with the reference client of x402 from PyPI, unmodified, and the two schemes of examples/x402: over HTTP, by
httpx and requests, and over MCP.

usage: client.py FACE DATANET SECRET

FACE is the public face's address, DATANET a datanet with final records, SECRET that of an account with some money, in hexadecimal. Fails where
anything is not as it should be.
"""

import asyncio
import base64
import json
import sys
from pathlib import Path

import httpx
import requests
from mcp import Client
from x402 import x402Client, x402ClientSync
from x402.extensions.bazaar import ListDiscoveryResourcesParams, with_bazaar
from x402.http import FacilitatorConfig, HTTPFacilitatorClient, HTTPFacilitatorClientSync
from x402.http.clients.httpx import x402_httpx_transport
from x402.http.clients.requests import x402_requests
from x402.http.utils import decode_payment_required_header, decode_payment_response_header
from x402.mcp import x402MCPClient

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples" / "x402"))
from datanet_x402 import Account, ChannelScheme, TransferScheme  # noqa: E402

face, datanet, secret = sys.argv[1:4]
account = Account(bytes.fromhex(secret))
CONTROLS = {"allowed_assets": [{"network": "datanet:*", "asset": "native", "max_amount_per_payment": "5000"}]}
channels, transfers = ChannelScheme(account), TransferScheme(account)


def check(holds, what):
    if not holds:
        raise SystemExit(f"client.py: {what}")


def payer(kind, scheme):
    client = kind()
    client.register("datanet:*", scheme)
    client.set_spend_controls(CONTROLS)
    return client


def settled(response):
    return decode_payment_response_header(response.headers["payment-response"])


def question(text):
    return {"datanet": datanet, "text": text}


async def over_http():
    async with httpx.AsyncClient(transport=x402_httpx_transport(payer(x402Client, channels)), timeout=60) as http:
        first = await http.post(f"{face}/v1/ask", json=question("An owl hoots at night, asked for by Python."))
        check(first.status_code == 200 and first.json()["label"] == "owl", f"httpx: {first.status_code} {first.text}")
        check(settled(first).payer == account.address, settled(first))
        second = await http.post(f"{face}/v1/ask", json=question("A second owl hoots for Python."))
        state = settled(second).extra["channelState"]
        check(state["chargedCumulativeAmount"] == "2000" and len(channels.channels) == 1, state)
        # Lost count.
        next(iter(channels.channels.values()))["promised"] = 0
        third = await http.post(f"{face}/v1/ask", json=question("A third owl hoots for Python."))
        check(third.status_code == 200, f"after losing count: {third.status_code} {third.text}")
    async with httpx.AsyncClient(transport=x402_httpx_transport(payer(x402Client, transfers)), timeout=60) as http:
        exact = await http.post(f"{face}/v1/ask", json=question("An owl for a transfer, by Python."))
        check(exact.status_code == 200, f"by transfer: {exact.status_code} {exact.text}")
        landed = (await http.get(f"{face}/v1/tx/{settled(exact).transaction}")).json()
        check(landed["code"] == 0, landed)

    session = x402_requests(payer(x402ClientSync, channels))
    asked = session.post(f"{face}/v1/ask", json=question("An owl hoots to requests."), timeout=60)
    check(asked.status_code == 200, f"requests: {asked.status_code} {asked.text}")


async def by_the_facilitator():
    unpaid = requests.post(f"{face}/v1/ask", json=question("An owl that nobody serves."), timeout=60)
    required = decode_payment_required_header(unpaid.headers["payment-required"])
    async with HTTPFacilitatorClient(FacilitatorConfig(url=f"{face}/x402")) as facilitator:
        kinds = {kind.scheme for kind in facilitator.get_supported().kinds}
        check(kinds == {"batch-settlement", "exact"}, kinds)
        payload = payer(x402ClientSync, channels).create_payment_payload(required)
        verdict = await facilitator.verify(payload, payload.accepted)
        check(verdict.is_valid and verdict.payer == account.address, verdict)
        nothing = await facilitator.settle(payload, payload.accepted)
        check(not nothing.success and nothing.error_reason == "not_served", nothing)
        # Less than was asked for, by a client that changes what it accepts.
        cheap = payload.model_copy(update={"accepted": payload.accepted.model_copy(update={"amount": "1"})})
        verdict = await facilitator.verify(cheap, cheap.accepted)
        check(not verdict.is_valid, verdict)
    listed = with_bazaar(HTTPFacilitatorClientSync(FacilitatorConfig(url=f"{face}/x402"))).extensions.bazaar
    items = listed.list_resources(ListDiscoveryResourcesParams(type="http", limit=10)).items
    check(any(item.resource == f"{face}/v1/ask" for item in items), items)


class Session:
    """The official client of MCP behind the one call that the x402 package makes of it."""

    def __init__(self, client):
        self.client = client

    async def call_tool(self, params, **_):
        result = await self.client.call_tool(params["name"], params["arguments"], meta=params.get("_meta"))
        plain = result.model_dump(by_alias=True, mode="json")

        class Plain:
            content = plain["content"]
            isError = plain.get("isError")
            structuredContent = plain.get("structuredContent")
            _meta = plain.get("_meta") or {}

        return Plain


async def over_mcp():
    async with Client(f"{face}/mcp") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        check(names == {"agent", "agents", "ask", "classify", "datanet", "datanets", "models", "receipt", "search", "sellers"}, names)
        paying = x402MCPClient(Session(client), payer(x402Client, channels))
        result = await paying.call_tool("ask", {"datanet": datanet, "text": "An owl hoots to an agent."})
        check(result.payment_made and not result.is_error, result.content)
        check(result.payment_response.success and result.payment_response.payer == account.address, vars(result))
        free = await paying.call_tool("datanets", {})
        check(not free.payment_made and not free.is_error, free.content)


async def attacks():
    """What a stranger may try with another's payment, or with one of his own."""
    sent = []

    async def keep(request):
        if "payment-signature" in request.headers:
            sent.append(request.headers["payment-signature"])

    transport = x402_httpx_transport(payer(x402Client, channels), Keeping(keep))
    async with httpx.AsyncClient(transport=transport, timeout=60) as http:
        bought = await http.post(f"{face}/v1/ask", json=question("An owl that is watched."))
        check(bought.status_code == 200, bought.text)
    async with httpx.AsyncClient(timeout=60) as http:
        header = {"payment-signature": sent[-1]}
        many = [http.post(f"{face}/v1/ask", json=question(f"Owl number {n}."), headers=header) for n in range(20)]
        statuses = {answer.status_code for answer in await asyncio.gather(*many)}
        check(200 not in statuses, f"a spent voucher bought more: {statuses}")
        payload = json.loads(base64.b64decode(sent[-1]))
        for change in (
            lambda p: p["accepted"].update(network="datanet:another"),
            lambda p: p["accepted"].update(amount="1"),
            lambda p: p["accepted"].update(payTo="00" * 32),
            lambda p: p["accepted"]["extra"]["quote"].update(price=1),
            lambda p: p["accepted"]["extra"]["quote"].update(expires_at=1),
            lambda p: p["resource"].update(url="http://169.254.169.254/latest"),
            lambda p: p["payload"]["voucher"].update(maxClaimableAmount="1"),
            lambda p: p.update(x402Version=1),
        ):
            changed = json.loads(json.dumps(payload))
            change(changed)
            header = {"payment-signature": base64.b64encode(json.dumps(changed).encode()).decode()}
            refused = await http.post(f"{face}/v1/ask", json=question("An owl that nobody paid for."), headers=header)
            check(refused.status_code in (400, 402), f"{refused.status_code} {refused.text}")


class Keeping(httpx.AsyncHTTPTransport):
    def __init__(self, keep):
        super().__init__()
        self.keep = keep

    async def handle_async_request(self, request):
        await self.keep(request)
        return await super().handle_async_request(request)


async def main():
    await over_http()
    await by_the_facilitator()
    await over_mcp()
    await attacks()
    print(json.dumps({"python": "paid", "address": account.address}))


asyncio.run(main())
