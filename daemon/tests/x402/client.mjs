// Buys answers on a node's public face with the reference clients of x402 from npm, unmodified, and the two schemes of examples/x402.
//
// usage: client.mjs FACE DATANET SECRET
//
// FACE is the public face's address, DATANET a datanet with final records, SECRET that of an account with some money, in hexadecimal.
// Fails where anything is not as it should be. Beside the packages, where imports are looked for: with datanet.mjs.
import axios from "axios";
import { wrapAxiosWithPayment } from "@x402/axios";
import { x402Client } from "@x402/core/client";
import { HTTPFacilitatorClient, decodePaymentRequiredHeader, decodePaymentResponseHeader } from "@x402/core/http";
import {
  decodeSignedOffers, extractOffersFromPaymentRequired, extractReceiptFromResponse, verifyOfferSignatureJWS,
  verifyReceiptMatchesOffer, verifyReceiptSignatureJWS,
} from "@x402/extensions/offer-receipt";
import { appendPaymentIdentifierToExtensions } from "@x402/extensions/payment-identifier";
import { wrapFetchWithPayment } from "@x402/fetch";

import { Account, ChannelScheme, TransferScheme } from "./datanet.mjs";

const [face, datanet, secret] = process.argv.slice(2);
const account = new Account(Uint8Array.from(Buffer.from(secret, "hex")));
const CONTROLS = { allowedAssets: [{ network: "datanet:*", asset: "native", maxAmountPerPayment: "5000" }] };

function check(holds, what) {
  if (!holds) throw new Error(`client.mjs: ${what}`);
}

const body = (text) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ datanet, text }),
});
const settled = (response) => decodePaymentResponseHeader(response.headers.get("payment-response"));
/** A client that pays by `scheme`; what it sent last stands in `sent`. */
function payer(scheme, sent = {}, id = undefined) {
  const client = new x402Client().register("datanet:*", scheme).setSpendControls(CONTROLS);
  if (id) {
    const enrichPaymentPayload = async (payload) => {
      const extensions = appendPaymentIdentifierToExtensions(structuredClone(payload.extensions), id());
      return { ...payload, extensions };
    };
    client.registerExtension({ key: "payment-identifier", enrichPaymentPayload });
  }
  const spy = async (request) => {
    sent.header = request.headers.get("payment-signature") ?? sent.header;
    return fetch(request);
  };
  return wrapFetchWithPayment(spy, client);
}

// A price, signed.
const first = "An owl hoots at night, asked for by JavaScript.";
const unpaid = await fetch(`${face}/v1/ask`, body(first));
check(unpaid.status === 402, `unpaid: ${unpaid.status}`);
const required = decodePaymentRequiredHeader(unpaid.headers.get("payment-required"));
check(required.x402Version === 2 && required.resource.url === `${face}/v1/ask`, JSON.stringify(required.resource));
check(required.accepts.map((way) => way.scheme).join() === "batch-settlement,exact", JSON.stringify(required.accepts));
const offers = extractOffersFromPaymentRequired(required);
for (const offer of offers) {
  const terms = await verifyOfferSignatureJWS(offer);
  check(terms.amount === "1000" && terms.resourceUrl === required.resource.url, JSON.stringify(terms));
}

// A channel is opened, an answer bought, and the node's word for it verified.
const channels = new ChannelScheme(account);
const sent = {};
const byChannel = payer(channels, sent);
const bought = await byChannel(`${face}/v1/ask`, body(first));
check(bought.status === 200, `the first answer: ${bought.status} ${await bought.clone().text()}`);
const answer = await bought.json();
check(answer.label === "owl" && answer.fee === 1000, JSON.stringify(answer));
const paid = settled(bought);
check(paid.success && paid.payer === account.address && paid.transaction === answer.receipt.id, JSON.stringify(paid));
const receipt = extractReceiptFromResponse(bought);
await verifyReceiptSignatureJWS(receipt);
check(verifyReceiptMatchesOffer(receipt, decodeSignedOffers(offers)[0], [account.address]), "the receipt is for another offer");

// Another is paid on the same channel.
const second = await byChannel(`${face}/v1/ask`, body("A second owl hoots."));
check(second.status === 200, `the second answer: ${second.status} ${await second.clone().text()}`);
check(settled(second).extra.channelState.chargedCumulativeAmount === "2000", JSON.stringify(settled(second)));
check(channels.channels.size === 1, "a second channel was opened");

// The very same again is the very same; for anything else it is nothing.
const again = (header, request, path = "/v1/ask") =>
  fetch(`${face}${path}`, { ...request, headers: { ...request.headers, "payment-signature": header } });
const repeated = await again(sent.header, body("A second owl hoots."));
check(repeated.status === 200 && (await repeated.json()).receipt.id === (await second.json()).receipt.id, "the same again");
const other = await again(sent.header, body("Something else."));
check(other.status === 402 && other.headers.has("payment-required"), `another question: ${other.status}`);
const elsewhere = await again(sent.header, body("A second owl hoots."), "/v1/ask?x=y");
check(elsewhere.status !== 200, `another resource: ${elsewhere.status}`);
for (const broken of ["%%%", Buffer.from("{").toString("base64"), "A".repeat(30_000)]) {
  const refused = await again(broken, body("A second owl hoots."));
  check(refused.status >= 400 && refused.status < 500, `a broken header: ${refused.status}`);
}

// By a name, the same question is paid once, however often it is signed for; another question is refused.
let name = `pay_${crypto.randomUUID().replaceAll("-", "")}`;
const named = payer(channels, {}, () => name);
const once = await named(`${face}/v1/ask`, body("A named owl hoots."));
const twice = await named(`${face}/v1/ask`, body("A named owl hoots."));
check(once.status === 200 && twice.status === 200, `named: ${once.status}, ${twice.status} ${await twice.clone().text()}`);
check((await once.json()).receipt.id === (await twice.json()).receipt.id, "a name was paid twice");
check(settled(twice).extra.channelState.chargedCumulativeAmount === "3000", JSON.stringify(settled(twice)));
const conflict = await named(`${face}/v1/ask`, body("Another owl under the same name."));
check(conflict.status === 409, `a name for another question: ${conflict.status}`);

// A client that has lost count is told, and goes on.
channels.channels.get(required.accepts[0].payTo).promised = 1000n;
const found = await byChannel(`${face}/v1/ask`, body("A third owl hoots."));
check(found.status === 200, `after losing count: ${found.status} ${await found.clone().text()}`);

// A transfer pays for one answer, is on the ledger, and buys nothing else.
const transfers = {};
const byTransfer = payer(new TransferScheme(account), transfers);
const exact = await byTransfer(`${face}/v1/ask`, body("An owl for a transfer."));
check(exact.status === 200, `by transfer: ${exact.status} ${await exact.clone().text()}`);
const hash = settled(exact).transaction;
const onLedger = await (await fetch(`${face}/v1/tx/${hash}`)).json();
check(onLedger.code === 0, JSON.stringify(onLedger));
const exactAgain = await again(transfers.header, body("An owl for a transfer."));
check(exactAgain.status === 200 && settled(exactAgain).transaction === hash, `the same transfer: ${exactAgain.status}`);
const stolen = await again(transfers.header, body("An owl for nothing."));
check(stolen.status === 402, `a transfer for another question: ${stolen.status}`);

// axios pays as well.
const client = new x402Client().register("datanet:*", channels).setSpendControls(CONTROLS);
const http = wrapAxiosWithPayment(axios.create(), client);
const ordered = await http.post(`${face}/v1/ask`, { datanet, text: "An owl hoots to axios." });
check(ordered.status === 200 && ordered.data.label === "owl", JSON.stringify(ordered.data));

// The facilitator says what it would take, and takes nothing by itself.
const facilitator = new HTTPFacilitatorClient({ url: `${face}/x402` });
const supported = await facilitator.getSupported();
check(supported.kinds.length === 2 && supported.kinds[0].network === required.accepts[0].network, JSON.stringify(supported));
const fresh = await fetch(`${face}/v1/ask`, body("An owl that nobody serves."));
const wanted = decodePaymentRequiredHeader(fresh.headers.get("payment-required"));
const payload = await client.createPaymentPayload(wanted);
const verdict = await facilitator.verify(payload, payload.accepted);
check(verdict.isValid === true && verdict.payer === account.address, JSON.stringify(verdict));
let unserved;
try {
  unserved = await facilitator.settle(payload, payload.accepted);
} catch (error) {
  unserved = error;
}
check(unserved.success !== true && JSON.stringify(unserved).includes("not_served"), `settled unserved: ${JSON.stringify(unserved)}`);
const spent = JSON.parse(Buffer.from(sent.header, "base64").toString());
const known = await facilitator.settle(spent, spent.accepted);
check(known.success === true && known.transaction.length === 64, JSON.stringify(known));

const manifest = await (await fetch(`${face}/.well-known/x402.json`)).json();
check(manifest.items.some((item) => item.resource.url === `${face}/v1/ask` && item.accepts[0].amount === "1000"), JSON.stringify(manifest));
console.log(JSON.stringify({ javascript: "paid", address: account.address, receipt: answer.receipt.id, transfer: hash }));
