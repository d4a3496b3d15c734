// Uses a node's /mcp with the official TypeScript client, unmodified, in both revisions and over standard input and output.
//
// usage: node client.mjs URL TOKEN DATANET HOME NAME PAYER; as client.py.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [url, token, program, home, name, account] = process.argv.slice(2);
const asked = [];

const check = (holds, what) => {
  if (!holds) throw new Error(`client.mjs: ${what}`);
};

const connected = async (mode, transport) => {
  const client = new Client(
    { name: "datanet-test", version: "1" },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode } },
  );
  client.setRequestHandler("elicitation/create", async (request) => {
    asked.push(request.params.message);
    return { action: "accept", content: { confirm: true } };
  });
  await client.connect(transport);
  return client;
};

const refused = async (client, tool, args, says) => {
  const result = await client.callTool({ name: tool, arguments: args });
  const text = result.content[0].text;
  check(result.isError === true && text.includes(says), `${tool} ${JSON.stringify(args)} should say ${says}: ${text}`);
};

const use = async (client, paysByForm) => {
  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name);
  check(JSON.stringify(names) === JSON.stringify([...names].sort()), `tools: ${names}`);
  const call = async (tool, args) => {
    const result = await client.callTool({ name: tool, arguments: args });
    check(result.isError !== true, `${tool}: ${JSON.stringify(result.content)}`);
    return result.structuredContent;
  };

  const { hits } = await call("search", { query: "an owl in the dark", datanet: name, limit: 3 });
  check(hits.length > 0 && hits[0].text.includes("owl"), `search: ${JSON.stringify(hits)}`);
  const { max_price } = await call("quote", { what: "ask", datanet: name });
  const question = { datanet: name, text: "A duck swims on the lake.", account };
  const before = asked.length;
  let bought;
  if (paysByForm) {
    bought = await call("ask", question);
    check(asked.length === before + 1 && asked.at(-1).includes("costs"), `the price was not asked about: ${asked}`);
  } else {
    await refused(client, "ask", question, `"max_price": ${max_price}`);
    bought = await call("ask", { ...question, max_price });
    check(asked.length === before, "it was asked for what it had agreed to");
  }
  check(bought.fee.units === max_price && ["duck", "owl"].includes(bought.label), `ask: ${JSON.stringify(bought)}`);
  const receipt = await call("receipt", { receipt: bought.receipt });
  check(JSON.stringify(receipt.credits) === JSON.stringify(bought.credits), `receipt: ${JSON.stringify(receipt)}`);
  check((await call("verify", { receipt: bought.receipt })).stands, "it does not stand");
  const read = await client.readResource({ uri: `datanet://receipts/${bought.receipt}` });
  check(JSON.parse(read.contents[0].text).receipt === bought.receipt, "the resource is another receipt");
  await refused(client, "search", { query: "owl", limit: 1000000 }, "limit");
  return { receipt: bought.receipt, fee: bought.fee.units, tools: names.length };
};

const http = () => new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${token}` } } });
const bridge = () => new StdioClientTransport({ command: program, args: ["--home", home, "mcp"], env: process.env });
const seen = {};
for (const [label, mode, transport, form] of [
  ["2025-11-25", "legacy", http, false],
  ["2026-07-28", { pin: "2026-07-28" }, http, true],
  ["negotiated", "auto", http, true],
  ["bridge, 2025-11-25", "legacy", bridge, false],
  ["bridge, 2026-07-28", { pin: "2026-07-28" }, bridge, true],
]) {
  const client = await connected(mode, transport());
  seen[label] = await use(client, form);
  await client.close();
}
console.log(JSON.stringify(seen));
