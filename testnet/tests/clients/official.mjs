// Talks to a node with the official OpenAI client for JavaScript, unmodified.
//
// usage: node official.mjs BASE_URL TOKEN DECODER EMBEDDER PAYER
//
// Prints one JSON object of what came back; the test compares it.

import OpenAI from "openai";

const [baseURL, apiKey, decoder, embedder, user] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [
  { role: "system", content: "Answer in a few words." },
  { role: "user", content: "What is a mutex?" },
];
const sampling = { max_tokens: 12, temperature: 0.8, top_p: 0.9, seed: 7, user };
const seen = {};

seen.models = [];
for await (const model of client.models.list()) seen.models.push(model.id);
seen.retrieved = (await client.models.retrieve(decoder)).model_id;

const vectors = await client.embeddings.create({ model: embedder, input: ["a mutex", "a parser"] });
seen.embeddings = vectors.data.map((item) => item.embedding.length);
const plain = await client.embeddings.create({ model: embedder, input: "a mutex", encoding_format: "float" });
seen.embedding_difference = Math.max(
  ...vectors.data[0].embedding.map((value, at) => Math.abs(value - plain.data[0].embedding[at])),
);

const chat = await client.chat.completions.create({ model: decoder, messages, ...sampling, logprobs: true, top_logprobs: 2 });
seen.chat = chat.choices[0].message.content;
seen.finish = chat.choices[0].finish_reason;
seen.usage = chat.usage.completion_tokens;
seen.logprobs = chat.choices[0].logprobs.content.map((token) => token.top_logprobs.length);
seen.receipt = chat.datanet ?? null;

const stream = await client.chat.completions.create({
  model: decoder,
  messages,
  ...sampling,
  stream: true,
  stream_options: { include_usage: true },
});
seen.streamed = "";
for await (const chunk of stream) {
  for (const choice of chunk.choices) seen.streamed += choice.delta.content ?? "";
  if (chunk.usage) seen.streamed_usage = chunk.usage.completion_tokens;
  if (chunk.datanet) seen.streamed_receipt = chunk.datanet;
}

const completion = await client.completions.create({
  model: decoder,
  prompt: "A mutex",
  max_tokens: 5,
  temperature: 0,
  stop: ["\n\n"],
  user,
});
seen.completion = completion.choices[0].text;

const fails = async (call, kind) => {
  try {
    await call();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error("the call should have failed");
};
const { AuthenticationError, BadRequestError, NotFoundError } = OpenAI;
seen.unknown_model = (
  await fails(() => client.chat.completions.create({ model: "no-such-model", messages }), NotFoundError)
).code;
seen.absurd_temperature = (
  await fails(() => client.chat.completions.create({ model: decoder, messages, temperature: 99 }), BadRequestError)
).message;
const stranger = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
seen.wrong_token = (await fails(() => stranger.models.list(), AuthenticationError)).status;

console.log(JSON.stringify(seen));
