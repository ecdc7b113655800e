// Elements and number formats. Values reach the document only as text nodes and attributes, never as markup.

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export const number = (value) => (value === null || value === undefined ? "–" : Number(value).toLocaleString("en-US", { maximumFractionDigits: 2 }));
export const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

export function duration(seconds) {
  const left = Math.max(0, Math.round(seconds));
  if (left < 100) return `${left} s`;
  if (left < 6000) return `${Math.round(left / 60)} min`;
  return left < 172800 ? `${Math.round(left / 3600)} h` : `${Math.round(left / 86400)} days`;
}

export function moment(iso) {
  if (!iso) return "–";
  const at = new Date(iso);
  const text = at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return el("time", { datetime: iso, title: at.toISOString() }, text);
}

export const ago = (iso) => el("time", { datetime: iso, title: new Date(iso).toISOString() }, `${duration((Date.now() - new Date(iso)) / 1000)} ago`);

// A table; on a phone its rows become cards, with data-label before each cell.
export function table(caption, columns, rows) {
  return el(
    "table",
    {},
    el("caption", { class: "unseen" }, caption),
    el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, index) => el("td", { "data-label": columns[index] }, el("div", { class: "cell" }, cell)))))),
  );
}

export const badge = (kind, mark, text) => el("span", { class: `badge ${kind}` }, el("span", { class: "mark", "aria-hidden": "true" }, mark), text);
