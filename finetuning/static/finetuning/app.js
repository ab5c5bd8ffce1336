// What the pages add when scripts run. Every page also works without: forms post, links lead on.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Toasts: a short word from the script itself; the server speaks through messages

  const toast = (text, level = "info") => {
    const box = document.createElement("div");
    box.className = `notice notice-${level}`;
    box.textContent = text;
    $("#toasts").append(box);
    setTimeout(() => box.remove(), 6000);
  };

  // Relative times: the same words as the server's

  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

  const inWords = (seconds) => {
    const distance = Math.abs(seconds);
    if (distance < 60) return seconds >= 0 ? "just now" : "in a moment";
    const [unit, length] = UNITS.find(([, size]) => distance >= size);
    const count = Math.floor(distance / length);
    const words = `${count} ${unit}${count > 1 ? "s" : ""}`;
    return seconds >= 0 ? `${words} ago` : `in ${words}`;
  };

  const refreshTimes = () => {
    for (const time of $$("time[data-relative]")) {
      const words = inWords((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== words) time.textContent = words;
    }
  };
  setInterval(refreshTimes, 30000);

  // Copy: data-copy="text", or data-copy-from="#element"

  const copy = async (button) => {
    const text = button.dataset.copy ?? $(button.dataset.copyFrom).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Plain http on another host has no clipboard: offer the text, selected.
      prompt("Copy this:", text);
      return;
    }
    button.classList.add("copied");
    toast("Copied.", "success");
    setTimeout(() => button.classList.remove("copied"), 2000);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (button) copy(button);
    event.target.closest("[data-dismiss]")?.parentElement.remove();
  });

  // Confirmation: <form data-confirm="Question?" data-confirm-text data-confirm-button data-confirm-type>

  const askFirst = (form, submitter) => {
    const dialog = $("#confirm");
    const typed = $("#confirm-type input");
    const yes = $("[value=yes]", dialog);
    const said = (name) => form.getAttribute(`data-confirm${name}`) ?? "";
    const expected = said("-type");
    $("#confirm-title").textContent = said("");
    $("#confirm-text").textContent = said("-text");
    $("#confirm-type").hidden = !expected;
    $("#confirm-type strong").textContent = expected;
    yes.textContent = said("-button") || "Yes";
    typed.value = "";
    yes.disabled = Boolean(expected);
    typed.oninput = () => { yes.disabled = typed.value.trim() !== expected; };
    dialog.returnValue = "no";
    dialog.onclose = () => {
      if (dialog.returnValue !== "yes") return;
      form.setAttribute("data-confirmed", "");
      form.requestSubmit(submitter);
    };
    dialog.showModal();
  };

  // Uploads: <form data-upload> is sent with a visible progress; a 422 keeps all that was typed and chosen

  const refuseUpload = (form, html) => {
    const answer = new DOMParser().parseFromString(html, "text/html");
    const errors = $("[data-form-errors]", answer);
    const place = $("[data-form-errors]", form);
    if (errors?.childElementCount) place.replaceChildren(...errors.childNodes);
    else tellUpload(form, "The server could not take the file. Nothing was saved; try again.");
    place.focus();
  };

  const tellUpload = (form, text) => {
    const notice = document.createElement("div");
    notice.className = "notice notice-error";
    notice.setAttribute("role", "alert");
    notice.textContent = text;
    $("[data-form-errors]", form).replaceChildren(notice);
  };

  const tooLarge = (form) => {
    const input = $("input[type=file][data-max-bytes]", form);
    const sizes = [...(input?.files ?? [])].map((file) => file.size);
    return sizes.reduce((sum, size) => sum + size, 0) > Number(input?.dataset.maxBytes);
  };

  const TOO_LARGE = "The file is larger than the limit. Split it into several files and upload them one by one.";

  const upload = (form, submitter) => {
    if (tooLarge(form)) return tellUpload(form, TOO_LARGE);
    const request = new XMLHttpRequest();
    const box = $("[data-upload-progress]", form);
    const bar = $("progress", box);
    const words = $("[data-upload-words]", box);
    const stop = () => { box.hidden = true; free(form); };
    request.open("POST", form.getAttribute("action") || location.href);
    request.setRequestHeader("HX-Request", "true");
    request.upload.onprogress = (event) => {
      if (!event.lengthComputable) return;
      const percent = Math.floor((100 * event.loaded) / event.total);
      bar.value = percent;
      words.textContent = percent < 100 ? `${percent} % sent` : "Sent. The server is saving the file.";
    };
    request.onload = () => {
      const next = request.getResponseHeader("HX-Redirect");
      if (next) return location.assign(next);
      stop();
      if (request.status === 413) tellUpload(form, TOO_LARGE);
      else refuseUpload(form, request.responseText);
    };
    request.onerror = () => {
      stop();
      tellUpload(form, "The connection broke before the file was there. Nothing was saved; try again.");
    };
    box.hidden = false;
    bar.value = 0;
    words.textContent = "Sending the file";
    hold(form);
    request.send(new FormData(form, submitter));
  };

  const showFile = (input) => {
    const [file, ...others] = input.files;
    const zone = input.closest(".dropzone");
    zone.classList.remove("dragging");
    $("[data-file-name]", zone).textContent = file
      ? `${file.name} (${(file.size / 1048576).toFixed(2)} MB)${others.length ? ` and ${others.length} more` : ""}`
      : "Choose a file, or drop it here";
    const name = $("input[data-name-from-file]", input.form);
    if (file && name && !name.value) name.value = file.name.replace(/\.[^.]+$/, "");
    if (tooLarge(input.form)) tellUpload(input.form, TOO_LARGE);
  };

  // Preview: <div data-preview="address"> in an upload's form shows what the first rows of the first file become.
  // Its fields belong to the form, so what is chosen there is sent with the file.

  const HEAD_BYTES = 1048576;
  let newest = 0;

  const preview = async (form) => {
    const box = $("[data-preview]", form);
    const file = $("input[type=file]", form).files[0];
    if (!box || !file || tooLarge(form)) return box?.replaceChildren();
    const asked = ++newest;
    const isCut = file.size > HEAD_BYTES && !file.name.toLowerCase().endsWith(".parquet"); // its end explains it
    const body = new FormData(form);
    body.delete("files");
    body.append("file", isCut ? file.slice(0, HEAD_BYTES) : file, file.name);
    if (isCut) body.append("cut", "1");
    const answer = await fetch(box.dataset.preview, { method: "POST", body, headers: { "HX-Request": "true" } });
    const html = await answer.text();
    if (asked !== newest || ![200, 422].includes(answer.status)) return;
    const focused = box.contains(document.activeElement) && document.activeElement.id;
    box.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
    if (focused) document.getElementById(focused)?.focus();
  };

  document.addEventListener("change", (event) => {
    const { target } = event;
    const isFile = target.matches(".dropzone input[type=file]");
    if (isFile) {
      $("[data-preview]", target.form)?.replaceChildren();
      showFile(target);
    }
    // Without a preview there is only the upload itself, which says what is wrong.
    if (isFile || target.matches("[data-upload] select")) preview(target.form).catch(() => {});
  });
  for (const [type, on] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(type, (event) => {
      event.target.closest?.(".dropzone")?.classList.toggle("dragging", on);
    });
  }

  // Submitting: confirm first, then once only

  const hold = (form) => $$("button[type=submit]", form).forEach((button) => { button.setAttribute("aria-disabled", "true"); });
  const free = (form) => $$("button[type=submit]", form).forEach((button) => { button.removeAttribute("aria-disabled"); });

  // Attributes, not properties: a field named "method" or "dataset" hides the form's own property.
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.getAttribute("method") !== "post") return;
    const confirmed = form.hasAttribute("data-confirmed") || !form.hasAttribute("data-confirm");
    form.removeAttribute("data-confirmed");
    if (event.submitter?.getAttribute("aria-disabled")) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (!confirmed) {
      event.preventDefault();
      event.stopImmediatePropagation();
      askFirst(form, event.submitter);
    } else if (form.hasAttribute("data-upload")) {
      event.preventDefault();
      upload(form, event.submitter);
    } else if (!form.matches("[hx-post]")) {
      hold(form);
    }
  }, true);
  addEventListener("pageshow", () => $$("form").forEach(free)); // back to a page kept by the browser

  // htmx: a hidden tab does not poll; a lost session or server never lands inside a fragment

  const isPoll = (element) => (element.getAttribute("hx-trigger") ?? "").startsWith("every");

  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden && isPoll(event.target)) event.preventDefault();
  });
  document.addEventListener("htmx:before:response", (event) => {
    const { raw, status } = event.detail.ctx.response;
    if (raw.redirected) {
      event.preventDefault();
      location.reload();
    } else if (status >= 500 || (status >= 400 && isPoll(event.target))) {
      event.preventDefault();
      if (!isPoll(event.target)) toast("The server could not do this. Try again in a moment.", "error");
    }
  });
  document.addEventListener("htmx:error", (event) => {
    if (!isPoll(event.target)) toast("The server did not answer. Check the connection and try again.", "error");
  });
  document.addEventListener("htmx:after:swap", refreshTimes);

  addEventListener("DOMContentLoaded", () => {
    refreshTimes();
    $$("[data-dismiss]").forEach((button) => { button.hidden = false; });
  });
})();
