"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const controls = document.getElementById("controls"), slider = document.getElementById("radius");
  const root = document.documentElement, phone = matchMedia("(max-width: 40rem)"), night = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const percent = (share) => (100 * share).toFixed(1) + " %";
  const escaped = (text) => text.replace(/[&<>]/g, (c) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;"})[c]);
  // a hover label wraps a name that is long rather than leaving the screen
  const wrapped = (text) => (text.match(/.{1,30}/gu) || [""]).map(escaped).join("<br>");
  const kind = () => new FormData(controls).get("kind");
  const shown = () => new Set(new FormData(controls).getAll("log").map(Number));

  /// the read-off: what the plot says, for eyes, keyboards and screen readers ///

  const at = (curve, limit, radius) => {
    if (radius > limit) return null;
    let k = 0;
    while (k < curve.x.length - 2 && curve.x[k] < radius) k++;
    if (k === curve.x.length - 2 && curve.x[k] < radius) k++;
    return {y: curve.y[k], low: curve.low[k], high: curve.high[k]};
  };
  const end = Math.max(...data.logs.map((log) => log.limit), 0.05);
  slider.max = end.toFixed(3);
  slider.value = data.radius;
  const read = () => {
    const radius = Number(slider.value), visible = shown();
    slider.setAttribute("aria-valuetext", "radius " + radius.toFixed(3));
    const lines = data.logs.flatMap((log, number) => {
      if (!visible.has(number)) return [];
      const found = at(log.curves[kind()], log.limit, radius), p = document.createElement("p");
      const name = data.logs.length > 1 ? log.name + ": " : "";
      p.textContent = name + (found ? `${percent(found.y)} at ${radius.toFixed(3)} (95 %: ${percent(found.low)} to ${percent(found.high)})`
        : `nothing at ${radius.toFixed(3)}: beyond ${log.limit.toFixed(3)}, the most that can be certified`);
      return [p];
    });
    document.getElementById("read").replaceChildren(...lines);
  };
  slider.addEventListener("input", read);
  document.getElementById("reader").addEventListener("submit", (event) => event.preventDefault());
  read();

  /// the theme ///

  const button = document.getElementById("theme"), themes = ["auto", "light", "dark"];
  let theme = 0;
  button.addEventListener("click", () => {
    theme = (theme + 1) % themes.length;
    if (themes[theme] === "auto") delete root.dataset.theme; else root.dataset.theme = themes[theme];
    button.textContent = "Theme: " + themes[theme];
    draw();
  });

  /// plots ///

  let Plotly = null;
  const layout = (more) => {
    const axis = {gridcolor: colour("--line"), linecolor: colour("--line"), zeroline: false, automargin: true, fixedrange: phone.matches};
    const base = {
      font: {family: "system-ui, sans-serif", size: 13, color: colour("--ink")}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: {l: 48, r: 12, t: 12, b: 48}, showlegend: false, hovermode: "closest",
      modebar: {bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink")},
      hoverlabel: {namelength: -1, align: "left", bgcolor: colour("--card"), bordercolor: colour("--soft"), font: {color: colour("--ink")}},
    };
    return {...base, ...more, xaxis: {...axis, ...more.xaxis}, yaxis: {...axis, ...more.yaxis}};
  };
  const config = {responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"], displayModeBar: phone.matches ? false : "hover"};

  const curves = () => {
    const traces = [], visible = shown(), band = controls.elements.band.checked;
    data.logs.forEach((log, number) => {
      if (!visible.has(number)) return;
      const c = log.curves[kind()], ink = colour(`--s${number % 6}`), line = {shape: "vh", color: ink};
      if (band) {
        const quiet = {x: c.x, mode: "lines", hoverinfo: "skip", line: {...line, width: 0}};
        traces.push({...quiet, y: c.high.map((v) => 100 * v)}, {...quiet, y: c.low.map((v) => 100 * v), fill: "tonexty", fillcolor: ink + "2e"});
      }
      traces.push({
        x: c.x, y: c.y.map((v) => 100 * v), mode: "lines", name: log.name,
        line: {...line, width: 2.5, dash: ["solid", "dash", "dot", "dashdot"][number % 4]},
        text: c.x.map((x, k) => `<b>${percent(c.y[k])}</b> at radius ${x.toFixed(3)}<br>95 %: ${percent(c.low[k])} to ${percent(c.high[k])}<br>${wrapped(log.name)}`),
        hovertemplate: "%{text}<extra></extra>",
      });
    });
    Plotly.react("curves", traces, layout({
      xaxis: {title: {text: "certified l2 radius"}, range: [0, end * 1.02]}, yaxis: {ticksuffix: " %", range: [0, 102]},
    }), config);
  };

  const histogram = (log, number) => {
    const ink = {right: colour(`--s${number % 6}`), wrong: colour("--wrong"), "certified, label unknown": colour(`--s${number % 6}`)};
    const middle = log.edges.slice(1).map((edge, k) => (edge + log.edges[k]) / 2), width = log.edges[1] - log.edges[0];
    const traces = Object.entries(log.bars).map(([what, counts]) => ({
      type: "bar", x: middle, y: counts, width, name: what, marker: {color: ink[what]},
      customdata: middle.map((m, k) => [log.edges[k].toFixed(3), log.edges[k + 1].toFixed(3)]),
      hovertemplate: `%{y} ${what}, radius %{customdata[0]} to %{customdata[1]}<extra></extra>`,
    }));
    traces.push({type: "bar", x: [-1.5 * width], y: [log.abstained], width, name: "abstained", marker: {color: colour("--soft")},
      hovertemplate: "%{y} abstained<extra></extra>"});
    Plotly.react(`histogram${number}`, traces, layout({
      barmode: "stack", showlegend: true, legend: {orientation: "h", y: 1.02, yanchor: "bottom"}, margin: {l: 48, r: 12, t: 36, b: 48},
      xaxis: {title: {text: "certified l2 radius"}, range: [-2.5 * width, log.edges.at(-1) + width / 2]}, yaxis: {title: {text: "images"}},
    }), config);
  };

  const confusion = (log, number) => {
    const c = log.confusion;
    if (!c) return;
    const most = Math.max(1, ...c.counts.flat()), small = c.labels.length > 20 || (phone.matches && c.labels.length > 8);
    // places by number, names as the ticks' texts: classes may share a name, and names are never cut
    const ticks = (names) => ({tickmode: "array", tickvals: names.map((_, k) => k), ticktext: names.map(wrapped)});
    Plotly.react(`confusion${number}`, [{
      type: "heatmap", z: c.counts.map((row) => row.map((v) => Math.sqrt(v))), zmin: 0, zmax: Math.sqrt(most), showscale: false, xgap: 1, ygap: 1,
      colorscale: [[0, colour("--page")], [1, colour(`--s${number % 6}`)]], text: c.counts.map((row) => row.map(String)),
      texttemplate: small ? "" : "%{text}", textfont: {size: 11},
      customdata: c.counts.map((row, a) => row.map((_, b) => [wrapped(c.labels[a]), wrapped(c.answers[b])])),
      hovertemplate: "label %{customdata[0]}<br>answer %{customdata[1]}<br>%{text} images<extra></extra>",
    }], layout({
      xaxis: {title: {text: "answer"}, ...ticks(c.answers), tickangle: -60}, yaxis: {title: {text: "label"}, ...ticks(c.labels), autorange: "reversed"},
    }), config);
  };

  const draw = () => {
    read();
    if (!Plotly) return;
    curves();
    data.logs.forEach(histogram);
    data.logs.forEach(confusion);
    // a reader of the screen is told what each plot is; its thousand lines and its mouse's tools are not for it
    for (const part of document.querySelectorAll(".plot > *, #js-plotly-tester")) part.setAttribute("aria-hidden", "true");
    for (const tool of document.querySelectorAll(".plot :is(a, button)")) tool.tabIndex = -1;
  };
  controls.addEventListener("change", () => { read(); if (Plotly) curves(); });
  controls.addEventListener("submit", (event) => event.preventDefault());
  night.addEventListener("change", draw);
  phone.addEventListener("change", draw);

  try {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
    const source = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    const script = document.createElement("script");
    script.textContent = source;
    document.head.append(script);
    Plotly = window.Plotly;
  } catch (error) {
    document.getElementById("noplot").hidden = false;
    root.dataset.plots = "none";
    return;
  }
  draw();
  root.dataset.plots = "drawn";
})();
