"""Talks to a node with the official OpenAI client for Python, unmodified.

usage: official.py BASE_URL TOKEN DECODER EMBEDDER PAYER

Prints one JSON object of what came back; the test compares it.
"""

import json
import sys

import openai
from openai import OpenAI

base_url, token, decoder, embedder, payer = sys.argv[1:6]
client = OpenAI(base_url=base_url, api_key=token, max_retries=0)
messages = [{"role": "system", "content": "Answer in a few words."}, {"role": "user", "content": "What is a mutex?"}]
seen = {}

seen["models"] = [model.id for model in client.models.list()]
seen["retrieved"] = (client.models.retrieve(decoder).model_extra or {}).get("model_id")

vectors = client.embeddings.create(model=embedder, input=["a mutex", "a parser"])
seen["embeddings"] = [len(item.embedding) for item in vectors.data]
plain = client.embeddings.create(model=embedder, input="a mutex", encoding_format="float")
seen["embedding_difference"] = max(abs(a - b) for a, b in zip(vectors.data[0].embedding, plain.data[0].embedding))

chat = client.chat.completions.create(
    model=decoder,
    messages=messages,
    max_tokens=12,
    temperature=0.8,
    top_p=0.9,
    seed=7,
    logprobs=True,
    top_logprobs=2,
    user=payer,
)
seen["chat"] = chat.choices[0].message.content
seen["finish"] = chat.choices[0].finish_reason
seen["usage"] = chat.usage.completion_tokens
seen["logprobs"] = [len(token.top_logprobs) for token in chat.choices[0].logprobs.content]
seen["receipt"] = (chat.model_extra or {}).get("datanet")

stream = client.chat.completions.create(
    model=decoder,
    messages=messages,
    max_tokens=12,
    temperature=0.8,
    top_p=0.9,
    seed=7,
    user=payer,
    stream=True,
    stream_options={"include_usage": True},
)
text, usage, receipt = "", None, None
for chunk in stream:
    text += "".join(choice.delta.content or "" for choice in chunk.choices)
    usage = chunk.usage or usage
    receipt = (chunk.model_extra or {}).get("datanet") or receipt
seen["streamed"], seen["streamed_usage"], seen["streamed_receipt"] = text, usage.completion_tokens, receipt

completion = client.completions.create(model=decoder, prompt="A mutex", max_tokens=5, temperature=0, stop=["\n\n"], user=payer)
seen["completion"] = completion.choices[0].text

try:
    client.chat.completions.create(model="no-such-model", messages=messages)
except openai.NotFoundError as error:
    seen["unknown_model"] = error.code
try:
    client.chat.completions.create(model=decoder, messages=messages, temperature=99)
except openai.BadRequestError as error:
    seen["absurd_temperature"] = str(error)
try:
    OpenAI(base_url=base_url, api_key="wrong", max_retries=0).models.list()
except openai.AuthenticationError as error:
    seen["wrong_token"] = error.status_code

print(json.dumps(seen))
