"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const most = 200;

  // Whatever the run said goes through here: as text, never as markup.
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const list = (texts, name) => {
    const made = element("ul");
    for (const text of texts) {
      const item = element("li");
      item.append(element(name, text));
      made.append(item);
    }
    return made;
  };
  const number = (value) => value.toLocaleString("en");

  byId("headline").textContent = data.headline;
  byId("about").textContent = [data.title, data.counted].filter(Boolean).join(" \u00b7 ");
  for (const note of data.notes) byId("notes").append(element("li", note));

  const inside = (cause) => {
    const made = element("div", undefined, "inside");
    const section = (heading, ...parts) => made.append(element("h2", heading), ...parts);
    const about = [cause.id, cause.rule === null ? "unknown" : cause.rule, cause.seen];
    made.append(element("p", about.filter(Boolean).join(" \u00b7 ")));
    if (cause.why) section("Why", element("p", cause.why));
    if (cause.fix) section("To do", element("p", cause.fix));
    if (cause.symptoms.length) {
      section("Shows as", list(cause.symptoms.map(([text, count]) => `${text} (${number(count)})`), "span"));
    }
    if (cause.evidence.length) section("Seen", ...cause.evidence.map((lines) => element("pre", lines.join("\n"))));
    if (cause.traceback) section("Traceback", element("pre", cause.traceback));
    const tests = list(cause.tests.slice(0, most), "code");
    section(`Tests (${number(cause.count)})`, tests);
    if (cause.tests.length > most) {
      const button = element("button", `show ${number(cause.tests.length - most)} more`);
      button.addEventListener("click", () => {
        tests.append(...list(cause.tests.slice(most), "code").children);
        button.remove();
      });
      made.append(button);
    }
    return made;
  };

  const rows = data.causes.map((cause) => {
    const row = element("details");
    row.id = cause.id;
    const head = element("summary");
    head.append(element("span", number(cause.failures), "count"), element("span", cause.title, "title"));
    if (cause.rule === null) head.append(element("span", "? unknown", "mark"));
    if (cause.place) head.append(element("span", cause.place, "place"));
    row.append(head);
    // Made when it is looked at: a thousand causes with their tracebacks would take seconds.
    row.addEventListener("toggle", () => {
      if (row.open && row.children.length === 1) row.append(inside(cause));
    });
    return row;
  });
  byId("causes").append(...rows);

  const option = (select, value, text) => {
    const made = element("option", text);
    made.value = value;
    select.append(made);
  };
  data.causes.forEach((cause, index) => option(byId("cause"), String(index), `${number(cause.failures)}: ${cause.title.slice(0, 80)}`));
  for (const file of [...new Set(data.causes.flatMap((cause) => cause.files))].sort()) option(byId("file"), file, file);

  const texts = [];
  const text = (index) => {
    texts[index] ??= JSON.stringify(data.causes[index]).toLowerCase();
    return texts[index];
  };
  const filter = () => {
    // As it stands in the JSON that is searched.
    const wanted = JSON.stringify(byId("search").value.trim().toLowerCase()).slice(1, -1);
    const file = byId("file").value;
    const chosen = byId("cause").value;
    let shown = 0;
    let failures = 0;
    data.causes.forEach((cause, index) => {
      const fits = (!chosen || chosen === String(index)) && (!file || cause.files.includes(file)) && (!wanted || text(index).includes(wanted));
      rows[index].hidden = !fits;
      if (fits) {
        shown += 1;
        failures += cause.failures;
      }
    });
    byId("shown").textContent = `${number(shown)} of ${number(rows.length)} causes, ${number(failures)} failures`;
  };
  let waiting;
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 80);
  });
  byId("cause").addEventListener("change", filter);
  byId("file").addEventListener("change", filter);
  byId("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    filter();
  });
  byId("unfold").addEventListener("click", () => {
    const open = byId("unfold").textContent === "Unfold all";
    for (const row of rows) if (!row.hidden) row.open = open;
    byId("unfold").textContent = open ? "Fold all" : "Unfold all";
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target === document.body) {
      event.preventDefault();
      byId("search").focus();
    }
  });
  filter();
})();
