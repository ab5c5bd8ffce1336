// The palette: Ctrl+K or Cmd+K opens a search over everything. Without scripts its button leads to the search page.
(() => {
  "use strict";
  const WAIT_MS = 120;
  const dialog = document.getElementById("palette");
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("ul");
  const words = dialog.querySelector("[data-palette-words]");
  let timer;
  let asked;
  // The text whose answer is shown, and whether Enter was pressed before the answer to a newer one came.
  let shown;
  let isEntered = false;

  const typed = () => input.value.trim();
  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  const choose = (option) => {
    chosen()?.setAttribute("aria-selected", "false");
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  };

  const leave = (option) => location.assign(option.dataset.href);

  const show = (text, html) => {
    list.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
    shown = text;
    const found = options();
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(found.length > 0));
    choose(found[0]);
    if (isEntered && found.length) return leave(found[0]);
    isEntered = false;
    words.textContent = found.length ? `${found.length} found. Arrows choose, Enter opens.` : "Nothing has that name or id.";
  };

  const stop = () => {
    clearTimeout(timer);
    asked?.abort();
  };

  const search = async () => {
    stop();
    asked = new AbortController();
    const text = typed();
    const url = `${dialog.dataset.search}?q=${encodeURIComponent(text)}`;
    try {
      const answer = await fetch(url, { headers: { "HX-Request": "true" }, signal: asked.signal });
      if (answer.redirected) return location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      show(text, await answer.text());
    } catch (error) {
      if (error.name === "AbortError") return;
      isEntered = false;
      words.textContent = "The server did not answer.";
    }
  };

  const open = () => {
    if (dialog.open || document.querySelector("dialog[open]")) return;
    input.value = "";
    shown = null;
    dialog.showModal();
    search();
  };

  const move = (by) => {
    const found = options();
    const place = found.indexOf(chosen());
    choose(found.at((place + by) % found.length));
  };

  const enter = () => {
    if (shown === typed()) {
      if (chosen()) leave(chosen());
      return;
    }
    isEntered = true;
    search();
  };

  input.addEventListener("input", () => {
    stop();
    isEntered = false;
    timer = setTimeout(search, WAIT_MS);
  });

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter") enter();
    else return;
    event.preventDefault();
  });

  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) leave(option);
  });
  dialog.addEventListener("close", () => {
    stop();
    isEntered = false;
  });
  // A click beside the dialog is one on its backdrop.
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  document.addEventListener("keydown", (event) => {
    const isCommand = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
    if (!isCommand) return;
    event.preventDefault();
    open();
  });

  for (const button of document.querySelectorAll("[data-palette-open]")) {
    button.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open();
    });
    const key = button.querySelector("[data-palette-key]");
    key.textContent = navigator.platform.startsWith("Mac") ? "\u2318K" : "Ctrl K";
    key.hidden = false;
  }
})();
