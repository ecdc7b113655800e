// The panels of text and tables. Each gets its section, the body to fill, its data, and the page's settings.

import { ago, badge, duration, el, moment, number, plural, table } from "./dom.js";
import { copyable, dagHref, runbook, runLink, trigger } from "./links.js";

const SEVERITY_MARKS = { CRITICAL: "‼", ERROR: "✕", WARNING: "!" };
const VERDICTS = {
  live: ["good", "✓", "live"],
  long_held: ["warn", "!", "held very long"],
  silent: ["warn", "…", "expired, free to take over"],
  stuck: ["bad", "✕", "stuck: not renewed"],
};
const GOOD_OUTCOMES = new Set(["graded", "consolidated", "aggregated", "repaired"]);
const BAD_OUTCOMES = new Set(["failed", "refused"]);

// A season's daily backups are many; the others are behind a click.
const SHOWN_BACKUPS = 6;

const nothing = (text) => el("p", { class: "quiet" }, text);

export function today(_section, body, data, { meta }) {
  const state = data.day && meta.states[data.day.state];
  body.replaceChildren(
    el("p", { class: "sentence" }, data.sentence),
    el("p", { class: "next" }, el("strong", {}, "Next step: "), data.next_step),
    data.day ? el("p", { class: "links" }, dayLinks(data.day, state)) : "",
  );
}

// A date's run, its DAG with JSON to paste, its command, and its runbook entry.
export function dayLinks(day, state) {
  const conf = { game_date: day.game_date };
  return [
    runLink(day.dag_id, day.run_id, `Run of ${day.game_date}`),
    state.dag ? trigger(state.dag, conf) : null,
    state.command ? copyable(state.command.replaceAll("{date}", day.game_date)) : null,
    state.runbook ? runbook(state.runbook) : null,
  ];
}

export function findings(_section, body, data) {
  if (!data.length) return body.replaceChildren(nothing("None. Findings of checks and runs are listed here until they are resolved."));
  body.replaceChildren(el("ul", { class: "findings" }, data.map(finding)));
}

function finding(each) {
  return el(
    "li",
    { class: `finding ${each.severity.toLowerCase()}` },
    el(
      "div",
      { class: "head" },
      badge(each.severity === "WARNING" ? "warn" : "bad", SEVERITY_MARKS[each.severity], each.severity),
      el("strong", {}, each.title),
      each.is_undelivered ? badge("warn", "✉", "not yet delivered to Slack") : null,
    ),
    el("p", { class: "quiet" }, "since ", ago(each.opened_at), each.occurrences > 1 ? `, occurred ${number(each.occurrences)} times` : "", ` · ${each.name}`),
    Object.keys(each.facts).length
      ? el("dl", { class: "facts" }, Object.entries(each.facts).map(([label, text]) => el("div", {}, el("dt", {}, label), el("dd", {}, text))))
      : null,
    each.detail ? el("p", { class: "detail" }, each.detail) : null,
    each.impact ? el("p", {}, el("strong", {}, "Impact: "), each.impact) : null,
    each.next_step ? el("p", {}, el("strong", {}, "Next step: "), each.next_step) : null,
    el("p", { class: "links" }, runLink(each.dag_id, each.run_id, "Run"), each.command ? copyable(each.command) : null, runbook(each.kind)),
  );
}

export function duplicates(section, body, data) {
  section.hidden = data.length === 0;
  body.replaceChildren(
    el("p", { class: "quiet" }, "Examples from the newest check of each date with an open finding: ", runbook("duplicates-found")),
    table(
      "Duplicate keys",
      ["Date", "Found by", "Player", "System", "Line", "Rows"],
      data.map((row) => [row.game_date, row.processor, row.player_lookup, row.system_id, number(row.line_value), number(row.occurrences)]),
    ),
  );
}

export function leases(_section, body, data) {
  if (!data.length) return body.replaceChildren(nothing("None: nothing is being written."));
  body.replaceChildren(
    table(
      "Leases",
      ["Lease", "Holder", "Held", "Renewed", "Left", "State"],
      data.map((lease) => [
        lease.lease,
        [runLink(lease.dag_id, lease.run_id) ?? lease.run_id ?? "unknown", el("br"), el("code", { class: "quiet", title: `holder_id ${lease.holder_id}` }, `${lease.holder_id.slice(0, 8)}…`)],
        duration(lease.held_s),
        `${duration(lease.silent_s)} ago`,
        lease.remaining_s > 0 ? duration(lease.remaining_s) : "none",
        [badge(...VERDICTS[lease.verdict]), lease.verdict === "live" ? null : stuckLinks(lease)],
      ]),
    ),
  );
}

function stuckLinks(lease) {
  const kind = lease.verdict === "long_held" ? "lease-held-long" : "lease-stuck";
  return el("div", { class: "links" }, trigger("release_stuck_leases", { holder_id: lease.holder_id }), runbook(kind));
}

export function waiting(_section, body, data) {
  if (!data.length) return body.replaceChildren(nothing("None."));
  body.replaceChildren(
    table(
      "Waiting runs",
      ["Run", "Waits for", "Since", "Gives up"],
      data.map((run) => [[runLink(run.dag_id, run.run_id), el("br"), el("span", { class: "quiet" }, run.dag_id)], run.lease, ago(run.since), moment(run.until)]),
    ),
    el("p", { class: "quiet" }, "The longest wait goes first. ", runbook("waited-too-long")),
  );
}

export function backfills(section, body, data) {
  section.hidden = data.length === 0;
  body.replaceChildren(
    table(
      "Backfills",
      ["Run", "Range", "Dates done", "Outcomes", "Since"],
      data.map((run) => [
        runLink(run.dag_id, run.run_id),
        `${run.from_date} to ${run.to_date}`,
        run.planned ? [el("progress", { max: run.planned, value: run.done }), ` ${number(run.done)} of ${number(run.planned)}`] : "being planned",
        Object.entries(run.outcomes).map(([name, count]) => [outcome(name), ` ${number(count)} `]).flat(),
        run.since ? ago(run.since) : "queued",
      ]),
    ),
  );
}

export function previews(section, body, data) {
  section.hidden = data.length === 0;
  body.replaceChildren(
    table(
      "Previews of regrades",
      ["Run", "Range", "Keys that would change", "Dates refused", "When"],
      data.map((run) => {
        const changed = Object.entries(run.changes).filter(([name, count]) => count && name !== "unchanged");
        return [
          runLink(run.dag_id, run.run_id),
          `${run.from_date} to ${run.to_date}`,
          changed.length ? changed.map(([name, count]) => `${number(count)} ${name.replaceAll("_", " ")}`).join(", ") : "none",
          Object.keys(run.refused).length ? badge("warn", "!", Object.keys(run.refused).join(", ")) : "none",
          run.since ? ago(run.since) : "–",
        ];
      }),
    ),
  );
}

export function runs(_section, body, data) {
  if (!data.length) return body.replaceChildren(nothing("None in the last 30 days."));
  body.replaceChildren(
    table(
      "Last runs",
      ["Started", "Operation", "Dates", "Outcome", "Rows", "Duration", "Waited", "Run"],
      data.map((run) => [
        moment(run.started_at),
        run.operation,
        dates(run),
        [outcome(run.outcome), run.leased === false ? badge("warn", "!", "without a lease") : null, ...failure(run)],
        [number(run.written), run.pending ? ` (${number(run.pending)} pending)` : "", run.duplicates ? ` (${number(run.duplicates)} surplus)` : ""],
        run.duration_ms === null ? "–" : duration(run.duration_ms / 1000),
        run.lease_wait_ms ? duration(run.lease_wait_ms / 1000) : "–",
        runLink(run.dag_id, run.run_id) ?? run.run_id ?? "–",
      ]),
    ),
  );
}

function outcome(name) {
  const words = name.replaceAll("_", " ");
  return GOOD_OUTCOMES.has(name) ? badge("good", "✓", words) : BAD_OUTCOMES.has(name) ? badge("bad", "✕", words) : badge("none", "–", words);
}

function dates(run) {
  if (run.dates === 1) return run.first_date ?? "–";
  return [`${run.first_date} to ${run.last_date}`, el("div", { class: "quiet" }, plural(run.dates, "date"))];
}

function failure(run) {
  if (!BAD_OUTCOMES.has(run.outcome)) return [];
  const conf = run.dates === 1 && run.first_date && run.operation === "grading" ? { game_date: run.first_date } : null;
  return [
    el("div", { class: "detail" }, run.detail ?? "no reason was recorded"),
    el("div", { class: "links" }, conf ? trigger(run.dag_id, conf) : null, runbook("task-failed")),
  ];
}

export function orphans(_section, body, data, { meta }) {
  const staging = data.staging.length
    ? table(
        "Staging tables",
        ["Source", "Tables", "Oldest", "State"],
        data.staging.map((entry) => [
          [entry.of, el("br"), el("code", { class: "quiet" }, entry.example)],
          number(entry.tables),
          ago(entry.oldest_at),
          entry.old ? badge("warn", "!", "older than 7 days: left behind") : badge("none", "–", "in use, or recent"),
        ]),
      )
    : nothing("No staging tables.");
  const old = data.staging.filter((entry) => entry.old).reduce((count, entry) => count + entry.tables, 0);
  const cleanup = el(
    "p",
    { class: "links" },
    el("a", { href: dagHref(meta.staging_dag), target: "_top" }, meta.staging_dag),
    ` reports which of ${plural(old, "old table")} can be dropped, and drops them with`,
    copyable(JSON.stringify({ dry_run: false })),
  );
  const older = data.backups.slice(SHOWN_BACKUPS);
  body.replaceChildren(
    staging,
    old ? cleanup : "",
    data.backups.length ? backups("Backups", data.backups.slice(0, SHOWN_BACKUPS)) : nothing("No backups."),
    older.length ? el("details", {}, el("summary", {}, plural(older.length, "older backup")), backups("Older backups", older)) : "",
  );
}

function backups(caption, entries) {
  return table(
    caption,
    ["Backup", "Table", "Taken", "Expires", "Restore"],
    entries.map((each) => [
      el("code", {}, each.name),
      each.table,
      ago(each.taken_at),
      each.expires_at ? moment(each.expires_at) : "never",
      trigger("restore_from_backup", { table: each.table, backup: each.name }),
    ]),
  );
}
