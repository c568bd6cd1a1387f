// The endpoints, as openapi.json tells of them, in Swagger UI; the key and the theme are those of all pages.

import { ask } from "../ask.js";
import { byId } from "../dom.js";
import { key } from "../key.js";
import { text } from "../text.js";

const html = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const faces = byId("faces");

/** Swagger UI is dark where its own class says so. */
function shade() {
  html.classList.toggle("dark-mode", html.dataset.theme ? html.dataset.theme === "dark" : system.matches);
}
html.addEventListener("theme", shade);
system.addEventListener("change", shade);
shade();

/** Parts that the page has already, and an operation's link, which would be a link in a button. */
function plugin({ React }) {
  const nothing = () => null;
  return { components: { InfoContainer: nothing, ServersContainer: nothing, AuthorizeBtnContainer: nothing, AuthorizeOperationBtn: nothing,
    DeepLink: ({ text }) => React.createElement("span", {}, text) } };
}

/** Fields are called by the name that stands beside them, and a picture by what it is. */
function name() {
  for (const picture of faces.querySelectorAll("img:not([alt])")) picture.alt = text("picture");
  for (const field of faces.querySelectorAll("tr :is(input, select, textarea):not([aria-label])")) {
    const { propertyName, paramName } = field.closest("tr").dataset;
    if (propertyName ?? paramName) field.setAttribute("aria-label", propertyName ?? paramName);
  }
}
new MutationObserver(name).observe(faces, { childList: true, subtree: true });

try {
  window.SwaggerUIBundle({
    spec: await ask("openapi.json"),
    domNode: faces,
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    validatorUrl: null,
    plugins: [plugin],
    requestInterceptor(request) {
      if (key()) request.headers["X-API-Key"] = key();
      return request;
    },
  });
} catch (error) {
  byId("trouble").textContent = error.message;
  byId("trouble").hidden = false;
}
