// Light or dark as Airflow shows itself: its document has the class; standing alone, what was chosen in Airflow, or what the system prefers.

const system = matchMedia("(prefers-color-scheme: dark)");

function airflow() {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null;
  }
}

function wanted() {
  const classes = airflow()?.classList;
  if (classes?.contains("dark")) return "dark";
  if (classes?.contains("light")) return "light";
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // no storage in this browser
  }
  return chosen === "dark" || chosen === "light" ? chosen : system.matches ? "dark" : "light";
}

export function followTheme(onChange) {
  const apply = () => {
    if (document.documentElement.dataset.theme === wanted()) return;
    document.documentElement.dataset.theme = wanted();
    onChange();
  };
  const outside = airflow();
  if (outside) new MutationObserver(apply).observe(outside, { attributes: true, attributeFilter: ["class"] });
  system.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  apply();
}
