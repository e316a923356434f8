"use strict";
// Sorts and filters what is on the page, and unfolds it for printing. Text stays text.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;

  const isOfNumbers = head => head.matches(".number, .rate");
  // The number of a cell, or its text; a missing number is NaN.
  const valueOf = (row, head) => {
    const cell = row.cells[head.cellIndex], text = cell.textContent.trim();
    return isOfNumbers(head) ? Number(cell.dataset.v ?? text) : text;
  };
  const compare = (one, other) => {
    if (typeof one === "string") return one.localeCompare(other, "en", {numeric: true});
    return one - other;
  };
  const sort = (table, head) => {
    const body = table.tBodies[0];
    const orders = isOfNumbers(head) ? ["descending", "ascending"] : ["ascending", "descending"];
    const order = orders[head.getAttribute("aria-sort") === orders[0] ? 1 : 0];
    for (const each of head.parentElement.cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const keyed = [...body.rows].map(row => [valueOf(row, head), row]);
    keyed.sort(([one], [other]) => {
      const isMissing = [Number.isNaN(one), Number.isNaN(other)];
      if (isMissing[0] || isMissing[1]) return isMissing[0] - isMissing[1];
      return order === "ascending" ? compare(one, other) : compare(other, one);
    });
    body.append(...keyed.map(([, row]) => row));
  };
  for (const table of all("table.wide")) {
    if (table.tBodies[0].rows.length < 2) continue;
    for (const head of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head));
      head.append(button);
    }
  }

  const box = document.getElementById("filter");
  if (box) {
    const names = [];
    const choices = document.getElementById("projects-to-filter");
    for (const row of all("#projects tr[data-p]")) {
      names[row.dataset.p] = row.cells[0].textContent.toLowerCase();
      const choice = document.createElement("option");
      choice.value = row.querySelector("bdi").textContent;
      choices.append(choice);
    }
    const rows = all("tr[data-p]");
    const filter = () => {
      const text = box.value.trim().toLowerCase();
      root.classList.toggle("filtered", text !== "");
      for (const row of rows) row.hidden = text !== "" && !names[row.dataset.p]?.includes(text);
      for (const list of all(".list:has(tr[data-p])")) {
        const isEmpty = !list.querySelector("tbody tr:not([hidden])");
        list.classList.toggle("empty", isEmpty);
        const fold = list.closest("details");
        if (fold && text !== "" && !isEmpty) fold.open = true;
      }
      const shown = names.filter(name => name.includes(text)).length;
      document.getElementById("filter-result").textContent =
        text === "" ? "" : shown + " of " + names.length + " projects";
    };
    box.addEventListener("input", filter);
    box.closest("[hidden]").hidden = false;
    if (box.value !== "") filter();
  }

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open]):not(.numbers)");
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of folded) each.open = false;
  });
})();
