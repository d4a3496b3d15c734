
"use strict";
(() => {
  const main = document.getElementById("answer");

  // Everything that is shown goes through here: as text, which no browser reads as markup.
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = String(text);
    if (className) made.className = className;
    return made;
  };
  const list = (value) => (Array.isArray(value) ? value : []);
  const word = (value) => (typeof value === "string" ? value : "");
  const short = (id) => (word(id).length > 20 ? word(id).slice(0, 10) + "…" + word(id).slice(-6) : word(id));
  const money = (value) => (value && typeof value === "object" ? word(value.shown) : "");

  const row = (table, cells, kind) => {
    const line = table.appendChild(element("tr"));
    for (const [content, className] of cells) {
      const cell = line.appendChild(element(kind, typeof content === "object" ? undefined : content, className));
      if (typeof content === "object" && content) cell.appendChild(content);
    }
  };

  const share = (ppm) => {
    const bar = element("progress");
    bar.max = 1000000;
    bar.value = Number(ppm) || 0;
    return bar;
  };

  const show = (answer) => {
    main.replaceChildren(element("h1", "Whose data made this answer, and who was paid"));
    const add = (made) => main.appendChild(made);
    add(element("blockquote", word(answer.question)));
    add(element("p", answer.label ? "Label: " + word(answer.label) : word(answer.answer)));

    add(element("h2", "Whose data (" + word(answer.attribution) + ")"));
    const credits = add(element("table"));
    row(credits, [["contributor"], ["contribution"], ["share"], ["earns", "number"]], "th");
    for (const credit of list(answer.credits)) {
      row(credits, [
        [element("code", short(credit.contributor))],
        [element("code", short(credit.contribution))],
        [share(credit.share_ppm)],
        [money(credit.earns), "number"],
      ], "td");
    }
    if (list(answer.credits).length === 0) add(element("p", "Nobody is credited.", "small"));

    add(element("h2", "Who was paid, of " + money(answer.fee)));
    const paid = add(element("table"));
    for (const part of list(answer.paid)) row(paid, [[word(part.to)], [money(part.amount), "number"]], "td");

    if (list(answer.passages).length > 0) add(element("h2", "What it rests on"));
    for (const passage of list(answer.passages).slice(0, 10)) {
      add(element("blockquote", passage.text === null ? "(taken back, or not to be had now)" : word(passage.text)));
    }
    if (answer.tainted === true) add(element("p", "Data behind the model was taken back since."));
    add(element("p", "Receipt " + word(answer.receipt), "small"));
    add(element("p", "Shares are expected ones: pay is netted over an epoch. Quoted texts were written by strangers.", "small"));
    resized();
  };

  // The protocol of MCP Apps: JSON-RPC by messages with the window that frames this one, and nobody else.
  const host = window.parent;
  const send = (message) => host.postMessage({ jsonrpc: "2.0", ...message }, "*");
  const resized = () => {
    const { width, height } = document.documentElement.getBoundingClientRect();
    send({ method: "ui/notifications/size-changed", params: { width: Math.ceil(width), height: Math.ceil(height) } });
  };
  window.addEventListener("message", (event) => {
    const message = event.data;
    if (event.source !== host || !message || message.jsonrpc !== "2.0") return;
    if (message.id === 1 && message.result) send({ method: "ui/notifications/initialized", params: {} });
    else if (message.method === "ui/notifications/tool-result") {
      const result = message.params || {};
      if (result.structuredContent && !result.isError) show(result.structuredContent);
      else main.replaceChildren(element("p", list(result.content).map((block) => word(block && block.text)).join("\n")));
    } else if (message.method === "ui/notifications/tool-cancelled") {
      main.replaceChildren(element("p", "The call was cancelled."));
    } else if (message.method === "ui/resource-teardown") send({ id: message.id, result: {} });
  });
  send({
    id: 1,
    method: "ui/initialize",
    params: { appInfo: { name: "datanet-answer", version: "1" }, appCapabilities: {}, protocolVersion: "2026-01-26" },
  });
})();
