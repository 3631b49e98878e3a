// Comfort only: every figure of the page is readable without this.
(() => {
  "use strict";
  const root = document.documentElement;
  const KEY = "ser-theme";
  const remembered = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const remember = (theme) => {
    try { localStorage.setItem(KEY, theme); } catch { /* a page from disk may have no storage */ }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const stored = remembered();
  if (stored === "dark" || stored === "light") root.dataset.theme = stored;
  root.classList.add("js");

  const themeButton = () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const show = () => { button.textContent = isDark() ? "Light mode" : "Dark mode"; };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      show();
    });
    system.addEventListener("change", show);
    show();
  };

  const heatMaps = () => {
    for (const button of document.querySelectorAll("button[data-heat]")) {
      button.addEventListener("click", () => {
        document.getElementById(button.dataset.heat).dataset.mode = button.dataset.mode;
        for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
      });
    }
  };

  // Numbers sort by their full value (data-v), words as people sort them; what has no value comes last either way.
  const value = (row, column) => {
    const cell = row.cells[column];
    if (!cell || cell.colSpan > 1) return null;
    if (cell.dataset.v !== undefined) {
      const n = Number(cell.dataset.v);
      return Number.isFinite(n) ? n : null;
    }
    return cell.textContent.trim();
  };
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  const sort = (table, header, column) => {
    const up = header.getAttribute("aria-sort") !== "ascending";
    for (const th of table.tHead.rows[0].cells) th.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row, place) => ({ row, place, value: value(row, column) }));
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
      return (up ? 1 : -1) * order(a.value, b.value) || a.place - b.place;
    });
    body.append(...rows.map((entry) => entry.row));
  };
  const sorting = () => {
    for (const table of document.querySelectorAll('table[data-sortable="yes"]')) {
      [...table.tHead.rows[0].cells].forEach((header, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...header.childNodes);
        button.addEventListener("click", () => sort(table, header, column));
        header.append(button);
      });
    }
  };

  // On paper nothing can be unfolded.
  const printing = () => {
    let opened = [];
    addEventListener("beforeprint", () => {
      opened = [...document.querySelectorAll("details:not([open])")];
      for (const details of opened) details.open = true;
    });
    addEventListener("afterprint", () => {
      for (const details of opened) details.open = false;
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    themeButton();
    heatMaps();
    sorting();
    printing();
  });
})();
