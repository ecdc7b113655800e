// The systems against the line: skill with its interval, bets, units, edge bands, calibration curves, and the watchlist.

import { badge, el, number, percent, plural, svg, table } from "./dom.js";
import { runbook } from "./links.js";

const VERDICTS = {
  nearer: ["good", "✓", "nearer than the line"],
  farther: ["bad", "✕", "farther than the line"],
  level: ["none", "–", "no difference beyond chance"],
  unknown: ["none", "–", "too few dates to say"],
};
const [WIDTH, HEIGHT, PAD, SIZE] = [150, 22, 4, 120];

const signed = (value, digits = 1) => (value === null ? "–" : `${value > 0 ? "+" : ""}${value.toFixed(digits)}`);
const interval = (low, high, format) => (low === null ? "one date" : `${format(low)} to ${format(high)}`);

export function market(_section, body, data) {
  if (!data.systems.length) return body.replaceChildren(el("p", { class: "quiet" }, data.sentence));
  const reach = Math.max(0.01, ...data.systems.flatMap((each) => [each.skill, each.skill_low, each.skill_high]).map((value) => Math.abs(value ?? 0)));
  body.replaceChildren(
    el("p", {}, data.sentence),
    el("p", { class: "quiet" }, "Bets of record: one for each system, player and game, made in time. Intervals are of 95 %, clustered by date. Units are a scenario at -110."),
    table(
      "Systems against the line",
      ["System", "Skill against the line", "Verdict", "MAE, line", "Bets", "Win rate", "Units, drawdown", "Left out"],
      data.systems.map((each) => [
        each.system_id,
        [forest(each, reach), el("div", { class: "quiet" }, each.skill === null ? "–" : `${signed(100 * each.skill)} %, ${interval(each.skill_low, each.skill_high, (value) => signed(100 * value))}`)],
        badge(...VERDICTS[each.verdict]),
        `${number(each.mae)}, ${number(each.line_mae)}`,
        [number(each.bets), el("div", { class: "quiet" }, `${number(each.void)} void, ${number(each.push)} push`)],
        [percent(each.win_rate), el("div", { class: "quiet" }, interval(each.low, each.high, percent))],
        [`${signed(each.units)}, ${number(each.max_drawdown)}`, el("div", { class: "quiet" }, price(each))],
        leftOut(each),
      ]),
    ),
    el("details", {}, el("summary", {}, "By edge: how far the prediction is from the line, in points"), edges(data)),
  );
}

function price(each) {
  if (!each.priced) return "no prices";
  const closing = each.has_closing_coverage ? `, closing line value ${signed(each.clv_points, 2)} points` : ", too few closing lines to judge";
  return `${percent(each.roi_at_price)} at the price of ${plural(each.priced, "bet")}${closing}`;
}

function leftOut(each) {
  const parts = [
    [each.late_candidates, "made too late"],
    [each.unknown_candidates, "without a time"],
  ].filter(([count]) => count);
  return parts.length ? parts.map(([count, words]) => `${number(count)} ${words}`).join(", ") : "nothing";
}

// A dot with its interval; the line in the middle is where system and line are level.
function forest(each, reach) {
  if (each.skill === null) return "";
  const x = (value) => PAD + ((value + reach) * (WIDTH - 2 * PAD)) / (2 * reach);
  return svg(
    "svg",
    { class: "forest", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": `Skill ${signed(100 * each.skill)} %` },
    svg("line", { class: "limit", x1: x(0), x2: x(0), y1: 0, y2: HEIGHT }),
    each.skill_low === null ? null : svg("line", { class: "interval", x1: x(each.skill_low), x2: x(each.skill_high), y1: HEIGHT / 2, y2: HEIGHT / 2 }),
    svg("circle", { cx: x(each.skill), cy: HEIGHT / 2, r: 3 }),
  );
}

function edges(data) {
  return table(
    "Win rates by edge",
    ["System", ...data.bands],
    data.systems.map((each) => [
      each.system_id,
      ...each.edges.map((band) => (band === null || band.win_rate === null ? "–" : [percent(band.win_rate), el("div", { class: "quiet" }, `of ${number(band.won + band.lost)}`)])),
    ]),
  );
}

export function calibration(section, body, data) {
  section.hidden = data.systems.length === 0;
  body.replaceChildren(
    el("p", { class: "quiet" }, "Of decided bets: the share won against the mean confidence of a decile; the larger the dot, the more bets. On the dashed line a confidence is a probability."),
    el("div", { class: "curves" }, data.systems.map((each) => el("figure", {}, el("figcaption", {}, each.system), curve(each)))),
    el(
      "details",
      {},
      el("summary", {}, "The same in figures"),
      table(
        "Calibration",
        ["System", "Confidence → won (bets)"],
        data.systems.map((each) => [each.system, each.points.map((point) => `${percent(point.confidence)} → ${percent(point.win_rate)} (${number(point.bets)})`).join(", ")]),
      ),
    ),
  );
}

function curve(each) {
  const most = Math.max(...each.points.map((point) => point.bets));
  const at = (share) => PAD + share * (SIZE - 2 * PAD);
  const dot = (point) =>
    svg(
      "circle",
      { cx: at(point.confidence), cy: SIZE - at(point.win_rate), r: (2 + 5 * Math.sqrt(point.bets / most)).toFixed(1) },
      svg("title", {}, `${percent(point.confidence)} → ${percent(point.win_rate)}, ${plural(point.bets, "bet")}`),
    );
  return svg(
    "svg",
    { class: "curve", viewBox: `0 0 ${SIZE} ${SIZE}`, width: SIZE, height: SIZE, role: "img", "aria-label": `Calibration of ${each.system}: ${plural(each.points.length, "decile")}` },
    svg("line", { class: "limit", x1: PAD, y1: SIZE - PAD, x2: SIZE - PAD, y2: PAD }),
    each.points.map(dot),
  );
}

export function watchlist(section, body, data) {
  section.hidden = data.length === 0;
  body.replaceChildren(
    el("p", { class: "quiet" }, "Players on whom a system loses beyond chance. Advice: nothing here filters by it. ", runbook("watchlist")),
    table(
      "Watchlist",
      ["System", "Player", "Since", "Won", "Why"],
      data.map((each) => [
        each.system_id,
        each.player_lookup,
        each.until ? badge("none", "–", `left on ${each.until}`) : each.since,
        `${number(each.won)} of ${number(each.decided)}`,
        each.reason,
      ]),
    ),
  );
}
