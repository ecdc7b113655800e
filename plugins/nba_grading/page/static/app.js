// Loads all panels at once, then periodically, and shows each as it arrives. A stale panel says since when and why.

import { calendar } from "./calendar.js";
import { quality, systems } from "./charts.js";
import { duration, el } from "./dom.js";
import { explainForm } from "./explain.js";
import { leaveTheFrame, setMeta } from "./links.js";
import { calibration, market, watchlist } from "./market.js";
import { backfills, duplicates, findings, leases, orphans, previews, runs, today, waiting } from "./panels.js";
import { followTheme } from "./theme.js";

const PANELS = { today, calendar, findings, duplicates, leases, waiting, backfills, previews, quality, systems, market, calibration, watchlist, runs, orphans };
const SOURCES = { leases: "the lease store", waiting: "Airflow's database", backfills: "Airflow's database", previews: "Airflow's database" };
const BY_SEASON = new Set(["calendar", "systems", "market", "calibration"]);
const IMPATIENT_MS = 3000;

const shown = {};
let season = null;
let meta = null;

const clock = (iso) => new Date(iso).toLocaleTimeString("en-GB");

async function get(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" }, credentials: "same-origin" });
  if (answer.status === 401 || answer.status === 403) throw new Error("Your login to Airflow has expired: reload Airflow.");
  if (!answer.ok) throw new Error(`The page's server answered ${answer.status}.`);
  return answer.json();
}

async function refresh(name) {
  const section = document.getElementById(name);
  let answer;
  try {
    answer = await get(`api/${name}${BY_SEASON.has(name) && season !== null ? `?season=${season}` : ""}`);
  } catch (error) {
    note(section, `Not refreshed: ${error.message}`);
    return;
  }
  const source = SOURCES[name] ?? "BigQuery";
  if (answer.data === null) {
    section.hidden = false;
    note(section, `Nothing to show: ${source} does not answer (${answer.stale_because}). The page retries automatically.`);
    section.querySelector(".body").replaceChildren();
    shown[name] = undefined;
    setTimeout(() => refresh(name), IMPATIENT_MS);
    return;
  }
  if (answer.is_asked_for) setTimeout(() => refresh(name), IMPATIENT_MS);
  section.querySelector("h2")?.setAttribute("title", `as of ${clock(answer.as_of)}`);
  note(section, answer.stale_because === null ? null : [`Stale since ${clock(answer.as_of)} because ${source} does not answer: ${answer.stale_because}`]);
  const text = JSON.stringify(answer.data);
  if (shown[name] !== text) draw(name, section, answer.data);
  shown[name] = text;
}

function draw(name, section, data) {
  const focused = section.contains(document.activeElement) ? document.activeElement.dataset.date : null;
  PANELS[name](section, section.querySelector(".body"), data, { meta, chooseSeason });
  if (focused) section.querySelector(`[data-date="${CSS.escape(focused)}"]`)?.focus();
}

function note(section, content) {
  const line = section.querySelector(".note");
  line.hidden = content === null;
  line.replaceChildren(...[content ?? ""].flat());
}

function chooseSeason(chosen) {
  season = chosen;
  for (const name of BY_SEASON) refresh(name);
}

function refreshAll() {
  if (!document.hidden) for (const name of Object.keys(PANELS)) refresh(name);
}

async function start() {
  document.addEventListener("click", leaveTheFrame);
  document.addEventListener("auxclick", leaveTheFrame);
  try {
    meta = await get("api/meta");
  } catch (error) {
    note(document.getElementById("today"), error.message);
    return;
  }
  setMeta(meta);
  explainForm(document.getElementById("explain"));
  followTheme(() => {
    for (const name of ["systems", "quality"]) if (shown[name]) draw(name, document.getElementById(name), JSON.parse(shown[name]));
  });
  refreshAll();
  setInterval(refreshAll, meta.refresh_s * 1000);
  document.addEventListener("visibilitychange", refreshAll);
  document.querySelector("footer p").append(el("span", {}, ` It refreshes every ${duration(meta.refresh_s)}.`));
}

start();
