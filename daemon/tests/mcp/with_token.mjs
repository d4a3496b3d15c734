// Adds a token to whatever comes, for test suites that cannot send one.
//
// usage: node with_token.mjs URL TOKEN; prints the address it listens at.

import http from "node:http";

const [base, token] = process.argv.slice(2);
const { hostname, port } = new URL(base);
const server = http.createServer((request, response) => {
  // Host and Origin stay as they are: what they must be is a part of what is tested.
  const headers = { ...request.headers, authorization: `Bearer ${token}` };
  const { method, url: path } = request;
  const asked = http.request({ hostname, port, method, path, headers, setHost: false }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  asked.on("error", () => response.destroy());
  response.on("close", () => asked.destroy());
  request.pipe(asked);
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
