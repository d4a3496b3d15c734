"""Pays a Datanet node by x402, version 2: two schemes for the clients of the package `x402`, which are registered and not changed.

    account = Account(secret)                                   # 32 bytes, yours alone
    client = x402Client()
    client.register("datanet:*", ChannelScheme(account))        # opens a channel at the first answer, then signs vouchers
    client.register("datanet:*", TransferScheme(account))       # one transfer an answer
    client.set_spend_controls({"allowed_assets": [{"network": "datanet:*", "asset": "native", "max_amount_per_payment": "5000"}]})

What is signed is docs/payments.md's. Needs blake3 and cryptography. As a program it makes a secret, or says its address:
datanet_x402.py [SECRET]
"""

import base64
import secrets
import sys

import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def le64(number):
    return number.to_bytes(8, "little")


def tagged(purpose, *parts):
    """BLAKE3 over the purpose and the parts, each behind its length: what is signed, and what ids are."""
    return blake3.blake3(b"".join(le64(len(part)) + part for part in (purpose.encode(), *parts))).digest()


def checksum(words):
    """bech32m's, over the words of an address with its prefix."""
    value = 1
    for word in [3, 3, 0, 4, 14, *words]:
        top, value = value >> 25, ((value & 0x1FFFFFF) << 5) ^ word
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            value ^= generator if (top >> bit) & 1 else 0
    return value


def address_text(raw):
    words = [int(f"{int.from_bytes(raw):0160b}"[at : at + 5], 2) for at in range(0, 160, 5)]
    sum_of = checksum([*words, 0, 0, 0, 0, 0, 0]) ^ 0x2BC830A3
    words += [(sum_of >> 5 * (5 - at)) & 31 for at in range(6)]
    return "dn1" + "".join(LETTERS[word] for word in words)


def address_bytes(text):
    words = [LETTERS.index(letter) for letter in text.removeprefix("dn1")]
    if not text.startswith("dn1") or len(words) != 38 or checksum(words) != 0x2BC830A3:
        raise ValueError(f"{text} is no address")
    return int("".join(f"{word:05b}" for word in words[:32]), 2).to_bytes(20)


# Protocol Buffers, as far as a transaction has them. What is zero is left out.
def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(tag, value):
    return varint(tag << 3 | 2) + varint(len(value)) + value


def integer(tag, value):
    return varint(tag << 3) + varint(value) if value else b""


def fixed64(tag, value):
    return varint(tag << 3 | 1) + le64(value) if value else b""


def ident(tag, value):
    """A key, an address or an id: a message with the bytes as its first field."""
    return field(tag, field(1, value))


def transfer(to, amount):
    """Gives money to `to`, an address."""
    return field(10, ident(1, address_bytes(to)) + integer(2, amount))


def open_channel(node, deposit, expires_at):
    """Opens a channel to `node`, a key in hexadecimal, until `expires_at`, in seconds since 1970."""
    return field(18, ident(1, bytes.fromhex(node)) + integer(2, deposit) + integer(3, expires_at))


class Account:
    """An account of the ledger. Its key stays here."""

    def __init__(self, secret):
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.raw = tagged("datanet/address/v1", self.public_key)[:20]
        self.address = address_text(self.raw)

    def transaction(self, terms, nonce, action):
        """A signed transaction on the terms that a 402 states, in base64, and its id: that of a channel which it opens."""
        body = (
            field(1, terms["chainId"].encode())
            + integer(2, terms["expiry"])
            + integer(3, terms["fee"])
            + fixed64(4, nonce)
            + ident(5, self.raw)
            + integer(6, terms["gasLimit"])
            + action
        )
        signature = self._key.sign(tagged("datanet/tx/v2", body))
        signed = field(1, body) + field(2, ident(1, self.public_key) + ident(2, signature))
        return base64.b64encode(signed).decode(), tagged("datanet/tx-id/v2", body)

    def voucher(self, chain_id, channel, cumulative):
        """A promise of so much in all on a channel."""
        signed = tagged("datanet/voucher/v1", chain_id.encode(), bytes.fromhex(channel), le64(cumulative))
        signature = self._key.sign(signed).hex()
        return {"channelId": channel, "maxClaimableAmount": str(cumulative), "signature": signature}


class ChannelScheme:
    """`batch-settlement`: a channel to each node, opened with `deposit` base units at the first answer from it."""

    scheme = "batch-settlement"

    def __init__(self, account, deposit=100_000):
        self.account, self.deposit = account, deposit
        self.channels = {}
        self.scheme_hooks = {"on_payment_response": self._answered}

    def create_payment_payload(self, requirements):
        node, extra, amount = requirements.pay_to, requirements.extra, int(requirements.amount)
        channel = self.channels.get(node)
        if channel and channel["promised"] + amount <= channel["deposit"]:
            voucher = self.account.voucher(extra["chainId"], channel["id"], channel["promised"] + amount)
            return {"type": "voucher", "voucher": voucher}
        deposit = max(amount, self.deposit)
        opening = open_channel(node, deposit, extra["channelExpiresAt"])
        transaction, opened = self.account.transaction(extra, secrets.randbits(64), opening)
        self.channels[node] = {"id": opened.hex(), "promised": 0, "deposit": deposit}
        voucher = self.account.voucher(extra["chainId"], opened.hex(), amount)
        return {"type": "deposit", "transaction": transaction, "voucher": voucher}

    def _answered(self, context):
        """What the node says of a channel counts, since it cannot say more than was signed; after a refusal for the amount, once more."""
        node, refused = context.requirements.pay_to, context.payment_required
        channel = self.channels.get(node)
        if refused:
            state = next((way.extra.get("channelState") for way in refused.accepts if way.scheme == self.scheme), None)
        else:
            state = (context.settle_response.extra or {}).get("channelState")
        if not channel or (state and state["channelId"] != channel["id"]):
            return None
        if not state:
            if refused:  # It was not opened.
                del self.channels[node]
            return None
        before = channel["promised"]
        channel["promised"], channel["deposit"] = int(state["chargedCumulativeAmount"]), int(state["balance"])
        if refused and channel["promised"] != before:
            from x402.schemas.hooks import RecoveredResponseResult

            return RecoveredResponseResult()
        return None


class TransferScheme:
    """`exact`: a transfer for each answer, good for what was quoted and nothing else."""

    scheme = "exact"

    def __init__(self, account):
        self.account = account

    def create_payment_payload(self, requirements):
        extra = requirements.extra
        action = transfer(requirements.pay_to, int(requirements.amount))
        transaction, _ = self.account.transaction(extra, int(extra["nonce"]), action)
        return {"transaction": transaction}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(Account(bytes.fromhex(sys.argv[1])).address)
    else:
        print(secrets.token_hex(32))
