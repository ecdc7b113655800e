// The season by date: each month is a grid, each day a button with its state's letter and colour, and its counts on hover.

import { el, number, plural } from "./dom.js";
import { dayLinks } from "./panels.js";

const DAY_MS = 86400000;
const SHOWN_ON_A_PHONE = 2;

let chosen = null;
let shownSeason = null;

const iso = (time) => new Date(time).toISOString().slice(0, 10);
const name = (date, options) => new Date(`${date}T00:00:00Z`).toLocaleDateString("en-GB", { ...options, timeZone: "UTC" });

export function calendar(_section, body, data, { meta, chooseSeason }) {
  const days = new Map(data.days.map((day) => [day.game_date, day]));
  if (shownSeason !== data.season) chosen = null;
  shownSeason = data.season;
  const detail = el("div", { class: "day-detail", "aria-live": "polite" });
  const months = el("div", { class: "months" }, monthsOf(data).map((month, index, all) => monthGrid(month, days, meta, index < all.length - SHOWN_ON_A_PHONE)));
  const choose = (button) => {
    chosen = button.dataset.date;
    for (const each of months.querySelectorAll("button")) {
      each.tabIndex = each === button ? 0 : -1;
      each.toggleAttribute("aria-current", each === button);
    }
    describe(detail, chosen, days.get(chosen), meta);
  };
  months.addEventListener("click", (event) => event.target.closest("button") && choose(event.target.closest("button")));
  months.addEventListener("keydown", (event) => move(event, months));
  body.replaceChildren(
    el("div", { class: "tools" }, seasons(data, chooseSeason), legend(data.days, meta)),
    data.days.length ? months : el("p", { class: "quiet" }, "No predictions and no grades in this season yet."),
    data.days.length ? el("button", { type: "button", class: "whole", onclick: (event) => (months.classList.add("all"), event.target.remove()) }, "Show the whole season") : "",
    detail,
  );
  const wanted = chosen ?? data.days.findLast((day) => day.game_date < data.today && day.gradable)?.game_date ?? data.days.at(-1)?.game_date;
  const button = wanted && months.querySelector(`[data-date="${CSS.escape(wanted)}"]`);
  if (button) choose(button);
}

function monthsOf(data) {
  const months = [];
  const first = data.days[0]?.game_date;
  if (!first) return months;
  for (let [year, month] = first.split("-").map(Number); `${year}-${String(month).padStart(2, "0")}` <= data.last.slice(0, 7); month++) {
    if (month > 12) [year, month] = [year + 1, 1];
    if (`${year}-${String(month).padStart(2, "0")}` > data.last.slice(0, 7)) break;
    months.push([year, month]);
  }
  return months;
}

function monthGrid([year, month], days, meta, isEarlier) {
  const first = Date.UTC(year, month - 1, 1);
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const blanks = (new Date(first).getUTCDay() + 6) % 7;
  return el(
    "div",
    { class: isEarlier ? "month earlier" : "month" },
    el("h3", {}, name(iso(first), { month: "long", year: "numeric" })),
    el(
      "div",
      { class: "grid" },
      ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"].map((weekday) => el("span", { class: "weekday", "aria-hidden": "true" }, weekday)),
      Array.from({ length: blanks }, () => el("span")),
      Array.from({ length }, (_, index) => dayButton(iso(first + index * DAY_MS), days, meta)),
    ),
  );
}

function dayButton(date, days, meta) {
  const day = days.get(date);
  const state = day?.state ?? "none";
  const text = `${name(date, { weekday: "short" })} ${date}: ${counts(day, meta.states[state])}`;
  return el(
    "button",
    { type: "button", class: `day ${state}`, "data-date": date, "aria-label": text, title: text, tabindex: -1 },
    el("span", { class: "date" }, String(Number(date.slice(8)))),
    el("span", { class: "letter", "aria-hidden": "true" }, meta.states[state].letter),
  );
}

// A date's counts as text, shown on hover and below the calendar.
function counts(day, state) {
  if (!day || (!day.gradable && !day.graded && !day.voided)) return `${state.label}${day?.outcome ? `; outcome of the newest run: ${day.outcome.replaceAll("_", " ")}` : ""}`;
  const parts = [
    `${number(day.graded)} graded`,
    `${number(day.voided)} voided`,
    `${number(day.pending)} pending`,
    day.ungraded ? `${number(day.ungraded)} not graded` : null,
    day.duplicates ? `${plural(day.duplicates, "surplus row")}` : null,
  ];
  const without = day.pending_games - day.incomplete_games;
  const why = [without ? `${number(without)} without a box score` : null, day.incomplete_games ? `${number(day.incomplete_games)} incomplete` : null];
  const games = day.games ? `; ${plural(day.games, "game")}${day.pending_games ? `, of these ${why.filter(Boolean).join(", ")}` : ""}` : "";
  return `${state.label}. ${number(day.gradable)} gradable: ${parts.filter(Boolean).join(", ")}${games}`;
}

function describe(detail, date, day, meta) {
  const state = meta.states[day?.state ?? "none"];
  detail.replaceChildren(
    el("p", {}, el("strong", {}, `${name(date, { weekday: "long", day: "numeric", month: "long", year: "numeric" })}: `), counts(day, state), "."),
    day?.outcome === "failed" || day?.outcome === "refused" ? el("p", { class: "detail" }, day.detail ?? "no reason was recorded") : "",
    el("p", {}, el("strong", {}, "Next step: "), state.next_step),
    day ? el("p", { class: "links" }, dayLinks(day, state)) : "",
  );
}

function seasons(data, chooseSeason) {
  const select = el(
    "select",
    { onchange: () => chooseSeason(Number(select.value)) },
    data.seasons.map((season) => el("option", { value: season, selected: season === data.season }, `${season}-${String((season + 1) % 100).padStart(2, "0")}`)),
  );
  return el("label", {}, "Season ", select);
}

function legend(days, meta) {
  const items = Object.entries(meta.states).map(([key, state]) => {
    const count = days.filter((day) => day.state === key).length;
    return key === "none" || count ? el("li", {}, el("span", { class: `day swatch ${key}`, "aria-hidden": "true" }, state.letter), `${state.label}${key === "none" ? "" : ` (${count})`}`) : null;
  });
  return el("ul", { class: "legend" }, items);
}

function move(event, months) {
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
  const from = event.target.closest("button");
  if (!by || !from) return;
  const to = months.querySelector(`[data-date="${iso(Date.parse(from.dataset.date) + by * DAY_MS)}"]`);
  event.preventDefault();
  if (to) {
    to.focus();
    to.click();
  }
}
