// Runs the script of the chat page without a browser: node chat_page.mjs SCRIPT URL TOKEN STORED
// STORED is the content of localStorage as JSON. Each line that the page shows, each stored value and each alert is
// written to stdout as JSON. Each line of stdin is a text that the visitor sends.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [script, url, token, stored] = process.argv.slice(2);
const write = (value) => console.log(JSON.stringify(value));

class Line {
  set className(value) {
    write({ line: this.textContent, class: value });
  }
}
const elements = { log: { appendChild: (line) => line }, form: {}, text: { value: "" } };
globalThis.document = { createElement: () => new Line(), getElementById: (id) => elements[id] };
const items = new Map(Object.entries(JSON.parse(stored)));
globalThis.localStorage = {
  getItem: (key) => items.get(key) ?? null,
  setItem: (key, value) => write({ key, stored: items.set(key, String(value)).get(key) }),
};
globalThis.alert = (message) => write({ alert: message });
globalThis.fetch = async (path) => ({ json: async () => ({ url, token, path }) });

await import(pathToFileURL(script));
for await (const text of createInterface({ input: process.stdin })) {
  elements.text.value = text;
  elements.form.onsubmit({ preventDefault() {} });
}
process.exit(0);
