// The playground: asks each model by itself and shows what it says while it says it. Without scripts the form
// posts, and the page comes back with the answers.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const COLUMNS = ["first", "second", "third"];

  let stopping = null;

  // One column: its label, the text as it comes, then the facts, an error, and the form that saves

  const set = (element, text) => {
    element.textContent = text;
    element.hidden = !text;
  };

  const begin = (column, label) => {
    column.hidden = false;
    $$("[data-label]", column).forEach((place) => { place.textContent = label; });
    set($("[data-error]", column), "");
    set($("[data-text]", column), "");
    $("[data-save]", column).hidden = true;
    $("[data-saved]", column).replaceChildren();
    $("[data-facts]", column).textContent = "Answering…";
  };

  const end = (column, answer) => {
    const text = $("[data-text]", column);
    // What came before it broke off stays; the whole answer takes the place of its parts.
    if (answer.text) set(text, answer.text);
    set($("[data-error]", column), answer.error ?? "");
    $("[data-facts]", column).textContent = [answer.error && "Not answered.", answer.facts].filter(Boolean).join(" ");
    $("[name=saving]", column).value = answer.saving ?? "";
    $("[data-save]", column).hidden = !answer.saving;
  };

  const add = (column, event) => {
    const text = $("[data-text]", column);
    const words = event.choices?.[0]?.delta?.content;
    if (!words) return;
    text.hidden = false;
    text.append(words);
  };

  // The stream: server-sent events, of which the last is named `answer`

  async function* events(body) {
    let rest = "";
    for await (const piece of body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + piece).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const lines = block.split("\n");
        const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n").trim();
        if (data && data !== "[DONE]") yield [lines.includes("event: answer"), JSON.parse(data)];
      }
    }
  }

  const ask = async (form, name, signal) => {
    const column = $(`[data-column="${name}"]`);
    const select = $(`select[name="${name}"]`, form);
    const body = new FormData(form);
    body.set("first", select.value);
    body.delete("second");
    body.delete("third");
    begin(column, select.selectedOptions[0].textContent);
    try {
      const answer = await fetch(form.dataset.playground, { method: "POST", body, signal });
      if (!answer.ok || answer.redirected) return end(column, await refusal(answer));
      let last = { error: "The connection broke off." };
      for await (const [isLast, event] of events(answer.body)) {
        if (isLast) last = event;
        else add(column, event);
      }
      end(column, last);
    } catch {
      end(column, { error: signal.aborted ? "Stopped." : "The connection broke off." });
    }
  };

  const refusal = async (answer) => {
    if (answer.redirected) return { error: "You are signed out. Load the page again." };
    if (answer.headers.get("Content-Type") === "application/json") return answer.json();
    return { error: `The server answered with status ${answer.status}.` };
  };

  const askAll = async (form) => {
    stopping?.abort();
    const mine = stopping = new AbortController();
    const asked = COLUMNS.filter((name) => $(`select[name="${name}"]`, form).value);
    COLUMNS.forEach((name) => { $(`[data-column="${name}"]`).hidden = !asked.includes(name); });
    const stop = $("[data-stop]", form);
    stop.hidden = false;
    await Promise.all(asked.map((name) => ask(form, name, mine.signal)));
    if (stopping !== mine) return;
    if (document.activeElement === stop) $("button[type=submit]", form).focus();
    stop.hidden = true;
    $$("[aria-disabled]", form).forEach((button) => button.removeAttribute("aria-disabled"));
  };

  // Messages: one more, from the template

  const addTurn = (form) => {
    const total = $("[name$=-TOTAL_FORMS]", form);
    const turns = $("[data-turns]", form);
    const html = $("[data-turn-template]", form).innerHTML.replaceAll("__prefix__", total.value);
    const turn = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
    turns.append(turn);
    total.value = Number(total.value) + 1;
    $("textarea", turn).focus();
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-stop]")) stopping?.abort();
    const more = event.target.closest("[data-playground] button[name=add]");
    if (!more) return;
    event.preventDefault();
    addTurn(more.form);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-playground]")) return;
    event.preventDefault();
    askAll(event.target);
  });
})();
