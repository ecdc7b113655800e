// Links to Airflow and the runbook. Every address is built here from ids; none is taken from the data.

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

// The runbook's entry: a link if GRADING_RUNBOOK_URL is an address, otherwise its path in the project.
export function runbook(anchor) {
  const place = `${meta.runbook_url}#${anchor}`;
  return /^https?:\/\//.test(place) ? el("a", { href: place, target: "_blank", rel: "noopener" }, "Runbook") : el("span", { class: "quiet" }, "Runbook: ", el("code", {}, place));
}

// Airflow's trigger form cannot be filled in by its address: a link to the DAG, and JSON to paste under the form's "Advanced Options".
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

// The sandbox of Airflow's frame forbids navigating Airflow and opening windows, so the click is made in Airflow's own document.
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
