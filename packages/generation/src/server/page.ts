// A page to try prompts on: no more than a form, and the text as it is written.

export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Tessera</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
  textarea { width: 100%; height: 8rem; font: inherit; box-sizing: border-box; }
  fieldset { border: 0; padding: 0.5rem 0; display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; }
  input { font: inherit; width: 6rem; }
  output { display: block; white-space: pre-wrap; overflow-wrap: anywhere; margin-top: 1rem; }
  .prompt { color: gray; }
  .error { color: light-dark(#b00020, #ff8a80); }
</style>
<h1>Tessera</h1>
<form>
  <textarea name="prompt" aria-label="Prompt" required>To be, or not to be</textarea>
  <fieldset>
    <label>Tokens <input name="max_tokens" type="number" min="1" value="100"></label>
    <label>Temperature <input name="temperature" type="number" min="0" step="0.1" value="0.8"></label>
    <label>Top-k <input name="top_k" type="number" min="0" value="50"></label>
    <label>Top-p <input name="top_p" type="number" min="0.01" max="1" step="0.01" value="1"></label>
    <label>Seed <input name="seed" type="number" min="0" placeholder="any"></label>
    <label hidden>Key <input name="key" type="password" autocomplete="off"></label>
  </fieldset>
  <button>Write</button> <button type="button" name="stop" disabled>Stop</button>
</form>
<output aria-live="polite"></output>
<script src="page.js"></script>
</html>
`;

export const PAGE_SCRIPT = `const form = document.querySelector("form");
const output = document.querySelector("output");
let running = null;

const show = (text, kind) => {
  const span = document.createElement("span");
  span.textContent = text;
  span.className = kind;
  output.append(span);
};

async function write() {
  const { prompt, key, ...numbers } = Object.fromEntries(new FormData(form));
  const settings = Object.entries(numbers).filter(([, value]) => value !== "");
  const body = { prompt, stream: true, ...Object.fromEntries(settings.map(([k, v]) => [k, Number(v)])) };
  const headers = { "content-type": "application/json" };
  if (key) headers.authorization = "Bearer " + key;
  output.replaceChildren();
  show(prompt, "prompt");
  const request = { method: "POST", headers, body: JSON.stringify(body), signal: running.signal };
  const response = await fetch("v1/completions", request);
  if (response.status === 401) form.key.parentElement.hidden = false; // the server has a key
  if (!response.ok) return show("\\n" + (await response.json()).error.message, "error");
  let held = "";
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    const events = (held + part).split("\\n\\n");
    held = events.pop();
    for (const event of events) {
      const data = event.slice("data: ".length);
      if (data === "[DONE]") continue;
      const { choices, error } = JSON.parse(data);
      if (error) show("\\n" + error.message, "error");
      else show(choices[0].text, "");
    }
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  running?.abort();
  const own = (running = new AbortController());
  form.stop.disabled = false;
  try {
    await write();
  } catch (error) {
    if (error.name !== "AbortError") show("\\n" + error.message, "error");
  }
  if (running === own) form.stop.disabled = true;
});
form.stop.addEventListener("click", () => running?.abort());
`;
