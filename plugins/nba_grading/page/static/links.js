// Where things are in Airflow, and the runbook. Every address is built here, from ids: none is taken from the data as it is.

import { el } from "./dom.js";

let meta = { base: "", runbook_url: "" };

export function setMeta(given) {
  meta = given;
}

export const runHref = (dagId, runId) => `${meta.base}/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
export const dagHref = (dagId) => `${meta.base}/dags/${encodeURIComponent(dagId)}`;

export function runLink(dagId, runId, text = runId) {
  return dagId && runId ? el("a", { href: runHref(dagId, runId), target: "_top" }, text) : null;
}

// The runbook's anchor, as a link where GRADING_RUNBOOK_URL is an address, and otherwise as the place in the project it names.
export function runbook(anchor) {
  const place = `${meta.runbook_url}#${anchor}`;
  return /^https?:\/\//.test(place) ? el("a", { href: place, target: "_blank", rel: "noopener" }, "Runbook") : el("span", { class: "quiet" }, "Runbook: ", el("code", {}, place));
}

// Airflow's trigger form takes nothing from its address: so the DAG's page, and what to paste under "Advanced Options" of the form.
export function trigger(dagId, conf) {
  return el("span", { class: "trigger" }, el("a", { href: dagHref(dagId), target: "_top" }, `Trigger ${dagId}`), " with ", copyable(JSON.stringify(conf)));
}

export function copyable(text) {
  const button = el("button", { type: "button", class: "copy", "aria-label": `Copy ${text}`, onclick: () => copy(text, button) }, "copy");
  return el("span", { class: "copyable" }, el("code", {}, text), button);
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch {
    // No clipboard on plain http: the text is selected instead.
    getSelection().selectAllChildren(button.previousSibling);
    button.textContent = "selected";
  }
  setTimeout(() => (button.textContent = "copy"), 2000);
}

// Airflow's frame may neither navigate Airflow nor open windows (its sandbox lacks both), so a click happens in Airflow's own document.
export function leaveTheFrame(event) {
  const anchor = event.target.closest?.("a[target]");
  if (!anchor || window.parent === window) return;
  const twin = window.parent.document.createElement("a");
  twin.href = anchor.href;
  if (anchor.target === "_blank" || event.ctrlKey || event.metaKey || event.button === 1) {
    twin.target = "_blank";
    twin.rel = "noopener";
  }
  event.preventDefault();
  window.parent.document.body.append(twin);
  twin.click();
  twin.remove();
}
