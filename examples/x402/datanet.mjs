// Pays a Datanet node by x402, version 2: two schemes for the clients of `@x402/*`, which are registered and not changed.
//
//   const account = new Account(secret);                       // 32 bytes, yours alone
//   const client = new x402Client()
//     .register("datanet:*", new ChannelScheme(account))       // opens a channel at the first answer, then signs vouchers
//     .register("datanet:*", new TransferScheme(account));     // one transfer an answer
//   client.setSpendControls({ allowedAssets: [{ network: "datanet:*", asset: "native", maxAmountPerPayment: "5000" }] });
//   const pay = wrapFetchWithPayment(fetch, client);
//
// What is signed is docs/payments.md's. Needs @noble/hashes, @noble/curves and @scure/base.
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { bech32m } from "@scure/base";

const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const concat = (...parts) => Uint8Array.from(Buffer.concat(parts));

function le64(number) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number), true);
  return bytes;
}

/** BLAKE3 over the purpose and the parts, each behind its length: what is signed, and what ids are. */
export function tagged(purpose, ...parts) {
  return blake3(concat(...[utf8(purpose), ...parts].flatMap((part) => [le64(part.length), part])));
}

// Protocol Buffers, as far as a transaction has them. What is zero is left out.
function varint(number) {
  const bytes = [];
  let left = BigInt(number);
  for (; left > 127n; left >>= 7n) bytes.push(Number((left & 127n) | 128n));
  return Uint8Array.from([...bytes, Number(left)]);
}
const bytes = (tag, value) => concat(varint((tag << 3) | 2), varint(value.length), value);
const integer = (tag, value) => (BigInt(value) === 0n ? new Uint8Array() : concat(varint(tag << 3), varint(value)));
const fixed64 = (tag, value) => (BigInt(value) === 0n ? new Uint8Array() : concat(varint((tag << 3) | 1), le64(value)));
/** A key, an address or an id: a message with the bytes as its first field. */
const id = (tag, value) => bytes(tag, bytes(1, value));

/** Gives account money to `to`, an address. */
export function transfer(to, amount) {
  const { words } = bech32m.decode(to);
  return bytes(10, concat(id(1, bech32m.fromWords(words)), integer(2, amount)));
}

/** Opens a channel to `node`, a key in hexadecimal, until `expiresAt`, in seconds since 1970. */
export function openChannel(node, deposit, expiresAt) {
  return bytes(18, concat(id(1, Buffer.from(node, "hex")), integer(2, deposit), integer(3, expiresAt)));
}

/** An account of the ledger. Its key stays here. */
export class Account {
  #secret;

  constructor(secret) {
    this.#secret = secret;
    this.publicKey = ed25519.getPublicKey(secret);
    this.bytes = tagged("datanet/address/v1", this.publicKey).slice(0, 20);
    this.address = bech32m.encode("dn", bech32m.toWords(this.bytes));
  }

  sign(message) {
    return ed25519.sign(message, this.#secret);
  }

  /** A signed transaction on the terms that a 402 states, and its id: that of a channel which it opens. */
  transaction(terms, nonce, action) {
    const body = concat(
      bytes(1, utf8(terms.chainId)), integer(2, terms.expiry), integer(3, terms.fee), fixed64(4, nonce), id(5, this.bytes),
      integer(6, terms.gasLimit), action,
    );
    const signature = this.sign(tagged("datanet/tx/v2", body));
    const signed = concat(bytes(1, body), bytes(2, concat(id(1, this.publicKey), id(2, signature))));
    return { base64: Buffer.from(signed).toString("base64"), id: tagged("datanet/tx-id/v2", body) };
  }

  /** A promise of so much in all on a channel. */
  voucher(chainId, channelId, cumulative) {
    const signed = tagged("datanet/voucher/v1", utf8(chainId), Buffer.from(channelId, "hex"), le64(cumulative));
    return { channelId, maxClaimableAmount: String(cumulative), signature: hex(this.sign(signed)) };
  }
}

/** `batch-settlement`: a channel to each node, opened with `deposit` base units at the first answer from it. */
export class ChannelScheme {
  scheme = "batch-settlement";
  /** By node: what is promised, and what there is. */
  channels = new Map();

  constructor(account, { deposit = 100_000n } = {}) {
    this.account = account;
    this.deposit = BigInt(deposit);
    this.schemeHooks = { onPaymentResponse: async (context) => this.#answered(context) };
  }

  async createPaymentPayload(x402Version, requirements) {
    const { payTo: node, extra } = requirements;
    const amount = BigInt(requirements.amount);
    let channel = this.channels.get(node);
    if (channel && channel.promised + amount <= channel.deposit) {
      // Counted as it is signed: not every client tells its schemes of answers (axios), and requests may be side by side.
      channel.promised += amount;
      const voucher = this.account.voucher(extra.chainId, channel.id, channel.promised);
      return { x402Version, payload: { type: "voucher", voucher } };
    }
    const deposit = amount > this.deposit ? amount : this.deposit;
    const nonce = crypto.getRandomValues(new BigUint64Array(1))[0];
    const opening = this.account.transaction(extra, nonce, openChannel(node, deposit, extra.channelExpiresAt));
    channel = { id: hex(opening.id), promised: amount, deposit };
    this.channels.set(node, channel);
    const voucher = this.account.voucher(extra.chainId, channel.id, amount);
    return { x402Version, payload: { type: "deposit", transaction: opening.base64, voucher } };
  }

  /** What the node says of a channel counts, since it cannot say more than was signed; after a refusal for the amount, once more. */
  #answered({ requirements, settleResponse, paymentRequired }) {
    const channel = this.channels.get(requirements.payTo);
    const refused = paymentRequired?.accepts.find((way) => way.scheme === this.scheme)?.extra;
    const state = settleResponse?.extra?.channelState ?? refused?.channelState;
    if (!channel || (state && state.channelId !== channel.id)) return undefined;
    if (!state) {
      // It was not opened.
      if (paymentRequired) this.channels.delete(requirements.payTo);
      return undefined;
    }
    const before = channel.promised;
    channel.promised = BigInt(state.chargedCumulativeAmount);
    channel.deposit = BigInt(state.balance);
    return paymentRequired && channel.promised !== before ? { recovered: true } : undefined;
  }
}

/** `exact`: a transfer for each answer, good for what was quoted and nothing else. */
export class TransferScheme {
  scheme = "exact";

  constructor(account) {
    this.account = account;
  }

  async createPaymentPayload(x402Version, { payTo, amount, extra }) {
    const signed = this.account.transaction(extra, BigInt(extra.nonce), transfer(payTo, amount));
    return { x402Version, payload: { transaction: signed.base64 } };
  }
}
