// Charts: uPlot for the systems, small drawings for the checks. A system has a colour and a dash pattern; the values are in a table too.

import { badge, el, moment, number, percent, svg, table } from "./dom.js";
import { runbook, runLink } from "./links.js";

const COLORS = 5;
const DASHES = [[], [8, 4], [2, 3]];
const STATUS = {
  passed: ["good", "✓", "passed"],
  warned: ["warn", "!", "warned"],
  failed: ["bad", "✕", "failed"],
  broken: ["bad", "?", "broken: the check did not run"],
  no_games: ["none", "–", "no games"],
};

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

let charts = [];
const resized = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) target.chart?.setSize({ width: Math.floor(contentRect.width), height: 240 });
});

export function systems(_section, body, data) {
  charts.forEach((chart) => chart.destroy());
  charts = [];
  resized.disconnect();
  if (!data.dates.length) return body.replaceChildren(el("p", { class: "quiet" }, "No aggregates in this season yet."));
  const times = data.dates.map((date) => Date.parse(date) / 1000);
  const drawn = [
    ["mae", "Mean absolute error, points", (value) => (value === null || value === undefined ? "–" : value.toFixed(2))],
    ["win_rate", "Win rate", percent],
  ].map(([figure, title, format]) => {
    const place = el("div", { class: "chart" });
    return { place, title, draw: () => chart(place, title, times, data.systems, figure, format) };
  });
  body.replaceChildren(
    el("p", { class: "quiet" }, "Averages of the seven days up to each date."),
    el("div", { class: "charts" }, drawn.map(({ place, title }) => el("figure", {}, el("figcaption", {}, title), place))),
    table(
      "Systems, newest values",
      ["System", "MAE, points", "Win rate"],
      data.systems.map((each) => [each.system, number(newest(each.mae)), percent(newest(each.win_rate))]),
    ),
  );
  for (const { draw } of drawn) draw();
}

const newest = (values) => values.findLast((value) => value !== null) ?? null;

const dayName = (time) => new Date(time * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

function chart(place, title, times, given, figure, format) {
  const [text, line] = [color("--quiet"), color("--line")];
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const options = {
    width: Math.max(200, Math.floor(place.clientWidth)),
    height: 240,
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
    scales: { x: { time: true } },
    axes: [{ ...axis, incrs: [1, 7, 14, 28, 56].map((days) => days * 86400), values: (_, days) => days.map(dayName) }, { ...axis, size: 64, values: (_, values) => values.map(format) }],
    series: [
      { label: "Date", value: (_, time) => (time === null ? "–" : new Date(time * 1000).toISOString().slice(0, 10)) },
      ...given.map((each, index) => ({
        label: each.system,
        stroke: color(`--series-${index % COLORS}`),
        dash: DASHES[Math.floor(index / COLORS) % DASHES.length],
        width: 1.5,
        spanGaps: true,
        points: { show: times.length < 3 },
        value: (_, value) => format(value),
      })),
    ],
  };
  place.chart = new uPlot(options, [times, ...given.map((each) => each[figure])], place);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${title} of ${given.length} systems; the newest values are in the table below`);
  charts.push(place.chart);
  resized.observe(place);
}

export function quality(_section, body, data) {
  if (!data.length) return body.replaceChildren(el("p", { class: "quiet" }, "No results in the last 30 days: check_data_quality has not run."));
  body.replaceChildren(
    table(
      "Data quality",
      ["Check", "Status", "Value", "Thresholds", "Trend", "Checked"],
      data.map((check) => [
        check.check_name.replaceAll("_", " "),
        [badge(...(STATUS[check.status] ?? ["none", "–", check.status])), ...trouble(check)],
        check.value === null ? "–" : `${number(check.value)} ${check.unit ?? ""}`,
        thresholds(check),
        sparkline(check),
        [moment(check.checked_at), " for ", check.day, " ", runLink("check_data_quality", check.run_id, "Run")],
      ]),
    ),
  );
}

function trouble(check) {
  if (check.status === "passed" || check.status === "no_games") return [];
  return [el("div", { class: "detail" }, check.detail), el("div", { class: "links" }, runbook("data-quality"))];
}

function thresholds(check) {
  const parts = [
    ["warns below", check.warn_below],
    ["warns above", check.warn_above],
    ["fails below", check.fail_below],
    ["fails above", check.fail_above],
  ];
  return parts.filter(([, value]) => value !== null).map(([words, value]) => `${words} ${number(value)}`).join(", ") || "–";
}

const [WIDTH, HEIGHT, PAD] = [120, 28, 3];

// The values of the last results, with the thresholds in their range as dashed lines.
function sparkline(check) {
  const values = check.trend.map(([, value]) => value);
  const known = values.filter((value) => value !== null);
  if (!known.length) return "–";
  const limits = [check.warn_below, check.warn_above, check.fail_below, check.fail_above].filter((limit) => limit !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const near = limits.filter((limit) => limit >= low && limit <= high);
  const x = (index) => PAD + (index * (WIDTH - 2 * PAD)) / Math.max(1, values.length - 1);
  const y = (value) => HEIGHT - PAD - ((value - low) * (HEIGHT - 2 * PAD)) / (high - low || 1);
  const points = values.map((value, index) => (value === null ? null : [x(index), y(value)]));
  const last = points.findLast(Boolean);
  const path = points.map((point, index) => (point ? `${points[index - 1] ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}` : "")).join("");
  return svg(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": `${known.length} results, ${number(low)} to ${number(high)}` },
    near.map((limit) => svg("line", { class: "limit", x1: 0, x2: WIDTH, y1: y(limit), y2: y(limit) })),
    svg("path", { d: path }),
    svg("circle", { cx: last[0], cy: last[1], r: 2.5 }),
  );
}
