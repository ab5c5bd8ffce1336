// The palette: Ctrl+K, Cmd+K or / opens a search over everything. Without scripts its button leads to the search page.
(() => {
  "use strict";
  const WAIT_MS = 120;
  const dialog = document.getElementById("palette");
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("ul");
  const words = dialog.querySelector("[data-palette-words]");
  let timer;
  let asked;

  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  const choose = (option) => {
    chosen()?.setAttribute("aria-selected", "false");
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  };

  const show = (html) => {
    list.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
    const found = options();
    choose(found[0]);
    words.textContent = found.length ? `${found.length} found. Arrows choose, Enter opens.` : "Nothing has that name or id.";
  };

  const search = async () => {
    asked?.abort();
    asked = new AbortController();
    const url = `${dialog.dataset.search}?q=${encodeURIComponent(input.value.trim())}`;
    try {
      const answer = await fetch(url, { headers: { "HX-Request": "true" }, signal: asked.signal });
      if (answer.redirected) return location.reload();
      if (answer.ok) show(await answer.text());
    } catch (error) {
      if (error.name !== "AbortError") words.textContent = "The server did not answer.";
    }
  };

  const open = () => {
    if (dialog.open || document.querySelector("dialog[open]")) return;
    input.value = "";
    dialog.showModal();
    search();
  };

  const move = (by) => {
    const found = options();
    const place = found.indexOf(chosen());
    choose(found.at((place + by) % found.length));
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, WAIT_MS);
  });

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter" && chosen()) location.assign(chosen().dataset.href);
    else return;
    event.preventDefault();
  });

  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) location.assign(option.dataset.href);
  });
  // A click beside the dialog is one on its backdrop.
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  const isTyping = (element) => element.isContentEditable || element.matches("input, textarea, select");

  document.addEventListener("keydown", (event) => {
    const isCommand = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
    const isSlash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
    if (!isCommand && !isSlash) return;
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
