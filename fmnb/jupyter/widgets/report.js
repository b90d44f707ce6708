// An evaluation's report. The Python side is report.py; the table of rows is the page's own (evals/report/page.js).

function render({ model, el }) {
  const ctl = new AbortController();
  const { root } = openRoot({ model, el }, "Report of an evaluation", ctl.signal);
  root.dataset.readable = "yes";
  const about = model.get("about");
  const report = h("div.fmnb-report", {}, h("div", { html: about.html }), h("section.fr-rows", { "aria-label": "Rows" }));
  root.append(report);

  // Requests to the kernel and their responses, by number.
  let last = 0;
  const open = new Map();
  const ask = message =>
    new Promise(answer => {
      open.set(++last, answer);
      model.send({ ...message, number: last });
    });
  const hear = m => {
    if (!["found", "rows", "events"].includes(m.do)) return;
    open.get(m.number)?.(m.do === "events" ? m.text : m.rows);
    open.delete(m.number);
  };
  model.on("msg:custom", hear);
  fmnbRows(report, {
    models: about.models,
    scorers: about.scorers,
    samples: about.samples,
    count: about.count,
    find: filter => ask({ do: "find", filter }),
    get: rows => ask({ do: "rows", rows }),
    events: about.logged && (run => ask({ do: "events", run })),
  });
  return () => {
    model.off("msg:custom", hear);
    ctl.abort();
  };
}

export default { render };
