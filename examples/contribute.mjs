// Contributes to a new datanet without any package, and searches it.
//
// Needs DATANET_URL and DATANET_TOKEN; see README.md. usage: node contribute.mjs NAME

const { DATANET_URL: url, DATANET_TOKEN: token } = process.env;
const [name] = process.argv.slice(2);

/** GETs, or POSTs `body`: text as it is, anything else as JSON. */
const request = async (path, body, headers = {}) => {
  const answer = await fetch(url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
  });
  // Problems say what to do.
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer;
};
const call = async (...parts) => (await request(...parts)).json();
const lines = (records) => records.map((record) => `${JSON.stringify(record)}\n`).join("");

const account = `${name}-giver`;
const { address } = await call("/v1/keys", { name: account });
await call("/v1/transfers", { from: "node", to: address, amount: 5_000_000 });

// What judges measure usefulness against: records that are not in any contribution.
const holdout = [
  { text: "A barn owl hears mice under the snow.", label: "owl" },
  { text: "Ducklings follow their mother across the water.", label: "duck" },
];
const { id: datanet } = await call("/v1/datanets", {
  name,
  description: "Sentences about birds",
  licence: "CC0-1.0",
  schema: {
    fields: [
      { name: "text", kind: "string", role: "text", required: true },
      { name: "label", kind: "string", role: "label", required: true, allowed: ["owl", "duck"] },
    ],
  },
  price: 1_000,
  accept_threshold: 3_000,
  committee_size: 1,
  storage_quorum: 1,
  min_bond: 1_000_000,
  holdout: lines(holdout),
});

const records = [
  { text: "The tawny owl calls through the forest after dark.", label: "owl" },
  { text: "Mallards dabble for plants at the surface of shallow lakes.", label: "duck" },
];
const { id: contribution } = await call(`/v1/datanets/${datanet}/contributions?account=${account}`, lines(records), {
  "content-type": "application/x-ndjson",
  // The same key with the same bytes is the same contribution: a retry costs nothing.
  "idempotency-key": `${name}-1`,
});

// Server-sent events, which end with the verdict.
const events = await request(`/v1/contributions/${contribution}/events`, undefined, { accept: "text/event-stream" });
const states = (await events.text()).matchAll(/"state":"(\w+)"/g);
console.log([...new Set([...states].map(([, state]) => state))].join(" -> "));

const query = new URLSearchParams({ q: "an owl in the dark", datanet });
for (const hit of (await call(`/v1/search?${query}`)).hits) console.log(hit.score.toFixed(3), hit.text);
