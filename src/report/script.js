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

  // Each entry of a scatter plot's legend shows its class alone; the same button shows all again.
  const marks = () => {
    for (const entry of document.querySelectorAll("[data-only]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...entry.childNodes);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        const plot = document.getElementById(entry.dataset.only);
        for (const other of entry.closest("ul").querySelectorAll("button")) other.setAttribute("aria-pressed", "false");
        button.setAttribute("aria-pressed", String(shown));
        plot.toggleAttribute("data-shown", shown);
        for (const dots of plot.querySelectorAll(".dots")) dots.classList.toggle("shown", dots.dataset.class === entry.dataset.class);
      });
      entry.append(button);
    }
  };

  // A recording is a link, which any browser can follow; here it plays beside its name.
  const sounds = () => {
    for (const link of document.querySelectorAll("a[data-sound]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Play";
      button.setAttribute("aria-label", `Play ${link.textContent}`);
      button.addEventListener("click", () => {
        const player = document.createElement("audio");
        player.controls = true;
        player.src = link.href;
        player.setAttribute("aria-label", link.textContent);
        button.replaceWith(player);
        player.play().catch(() => {});
        player.focus();
      });
      link.before(button, " ");
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

  const filters = () => {
    for (const form of document.querySelectorAll("form[data-filter]")) {
      const body = document.getElementById(form.dataset.filter).tBodies[0];
      const field = (name) => form.elements.namedItem(name);
      const apply = () => {
        const words = field("words").value.toLowerCase().split(/\s+/).filter(Boolean);
        let shown = 0;
        for (const row of body.rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !(
            words.every((word) => text.includes(word)) &&
            (!field("corpus").value || row.dataset.corpus === field("corpus").value) &&
            (!field("kind").value || row.dataset.kind === field("kind").value) &&
            (field("published").checked || !row.classList.contains("theirs"))
          );
          shown += row.hidden ? 0 : 1;
        }
        form.querySelector("output").textContent = `${shown} of ${body.rows.length} rows`;
      };
      form.addEventListener("input", apply);
      form.addEventListener("submit", (event) => event.preventDefault());
      apply();
    }
  };

  const copying = () => {
    for (const button of document.querySelectorAll("button[data-copy]")) {
      button.addEventListener("click", () => {
        const source = document.getElementById(button.dataset.copy);
        // Selected first, for browsers that keep the clipboard from pages on disk.
        getSelection().selectAllChildren(source);
        const done = (text) => { button.textContent = text; };
        const copied = navigator.clipboard ? navigator.clipboard.writeText(source.textContent) : Promise.reject();
        copied.then(() => done("Copied"), () => done("Selected: copy it with the keyboard"));
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
    marks();
    sounds();
    sorting();
    filters();
    copying();
    printing();
  });
})();
