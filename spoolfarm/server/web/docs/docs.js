// Fetches openapi.json, with the farm's key when it wants one, and shows it.
"use strict";

const form = document.getElementById("key");
/** Where all pages keep the key of this tab. */
const KEPT = "spoolfarm-key";

async function load(key) {
  const answer = await fetch("openapi.json", key ? { headers: { "X-API-Key": key } } : {});
  if (answer.status === 401) {
    form.hidden = false;
    form.classList.toggle("wrong", Boolean(key));
    form.querySelector("input").focus();
    return;
  }
  form.hidden = true;
  sessionStorage.setItem(KEPT, key);
  const ui = SwaggerUIBundle({
    spec: await answer.json(),
    dom_id: "#faces",
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    validatorUrl: null,
    onComplete: () => key && ui.preauthorizeApiKey("key", key),
  });
}

form.addEventListener("submit", event => {
  event.preventDefault();
  load(form.querySelector("input").value.trim());
});
load(sessionStorage.getItem(KEPT) || "");
