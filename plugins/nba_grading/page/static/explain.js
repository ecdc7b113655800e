// "Why this grade?": asks for one system's predictions for a player on a date, and shows each line's way through the rules.

import { badge, el, number, table } from "./dom.js";
import { runLink } from "./links.js";

const STATES = {
  graded: ["good", "✓", "graded"],
  voided: ["good", "✓", "voided"],
  pending: ["warn", "…", "pending"],
  not_gradable: ["none", "–", "not gradable"],
  ungraded: ["bad", "✕", "not graded yet"],
  outdated: ["bad", "✕", "differs from the rules"],
};

export function explainForm(section) {
  const form = section.querySelector("form");
  const body = section.querySelector(".body");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    body.replaceChildren(el("p", { class: "quiet" }, "Looking …"));
    body.replaceChildren(...(await ask(new FormData(form))));
  });
}

async function ask(fields) {
  try {
    const answer = await fetch(`api/explain?${new URLSearchParams(fields)}`, { headers: { accept: "application/json" }, credentials: "same-origin" });
    const found = await answer.json();
    if (answer.ok) return found.keys.map(key);
    return [el("p", { class: "detail" }, typeof found.detail === "string" ? found.detail : `The page's server answered ${answer.status}.`)];
  } catch (error) {
    return [el("p", { class: "detail" }, `The page's server does not answer: ${error.message}`)];
  }
}

function key(found) {
  return el(
    "article",
    {},
    el("h3", {}, `Game ${found.game_id}, line ${found.line_value === null ? "none" : number(found.line_value)} `, badge(...STATES[found.state])),
    el("p", {}, found.verdict, " ", el("strong", {}, "Next step: "), found.next_step),
    el("ol", { class: "rules" }, found.rules.map((sentence) => el("li", {}, sentence.replace(/^Rule \d: /, "")))),
    table(
      "Candidates",
      ["Prediction", "Created", "Predicted", "Recommendation", "Why"],
      found.candidates.map((row) => [row.prediction_id ?? "–", row.created_at ?? "–", number(row.predicted_points), row.recommendation ?? "–", row.why]),
    ),
    found.stored.length
      ? table(
          "Stored grades",
          ["Graded", "Run", "Token"],
          found.stored.map((row) => [row.graded_at ?? "–", runLink(row.dag_id, row.run_id) ?? row.grading_run_id ?? "–", String(row.fencing_token ?? "–")]),
        )
      : "",
    found.corrections.length ? el("ul", {}, found.corrections.map((sentence) => el("li", {}, `Later: ${sentence}`))) : "",
  );
}
