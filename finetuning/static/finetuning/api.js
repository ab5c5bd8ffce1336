// Sends the forms of the browsable API: by the method that each names, JSON as it was typed. Only the answer is
// exchanged, so whatever was typed or chosen stays.
(() => {
  "use strict";

  const requestOf = (form) => {
    const headers = { Accept: "text/html", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value };
    const json = form.querySelector("[data-api-json]");
    if (json) headers["Content-Type"] = "application/json";
    const hasFields = form.querySelector("[name]:not([name=csrfmiddlewaretoken])");
    const body = json ? json.value : hasFields ? new FormData(form) : undefined;
    return { method: form.dataset.apiMethod, headers, body };
  };

  const show = (html) => {
    const place = document.querySelector("#answer");
    const answer = new DOMParser().parseFromString(html, "text/html").querySelector("#answer");
    if (answer) place.replaceWith(answer);
    else place.querySelector("pre").textContent = html;
    document.querySelector("#answer").focus();
  };

  const send = async (form) => {
    try {
      const answer = await fetch(form.action, requestOf(form));
      show(await answer.text());
    } catch {
      show("The server did not answer. See whether it was done before you send it again.");
    } finally {
      form.querySelector("[type=submit]").removeAttribute("aria-disabled");
    }
  };

  // Behind the listener of app.js, which asks first and holds the button while the request runs.
  addEventListener("submit", (event) => {
    if (!event.target.matches("[data-api-method]")) return;
    event.preventDefault();
    send(event.target);
  });
})();
