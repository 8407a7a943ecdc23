// Draws the charts of a report. Each <figure class="chart"> holds its description as JSON (chart_json.c); nothing here
// knows what a chart is about, and nothing is ever fetched. Text goes into the page as text, never as HTML.
"use strict";
(() => {
  const ramp = [[0, 242, 246, 251], [0.25, 181, 209, 232], [0.5, 106, 169, 210], [0.75, 42, 114, 173], [1, 8, 48, 107]];
  const drawn = []; // {chart, instance, box}
  const theme = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  function element(name, text, parent) {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  }

  function show(value, decimals) {
    if (value === null || value === undefined) return "–";
    return decimals === undefined ? String(Number(value.toPrecision(6))) : value.toFixed(decimals);
  }

  // The middle makes room, so that names which differ at their end stay different.
  function shorten(text, longest) {
    const letters = Array.from(text);
    if (letters.length <= longest) return text;
    const tail = Math.floor(longest / 3);
    return letters.slice(0, longest - tail - 1).join("") + "…" + letters.slice(letters.length - tail).join("");
  }

  // As much of a legend's text as there is room for; the figures in brackets at its end stay whole.
  function fit(text, room, pen) {
    const at = text.endsWith(")") ? text.lastIndexOf(" (") : -1;
    const [name, figures] = at > 0 ? [text.slice(0, at), text.slice(at)] : [text, ""];
    const { size, family } = Chart.defaults.font;
    pen.font = `${size}px ${family}`;
    let longest = Array.from(name).length;
    while (longest > 8 && pen.measureText(shorten(name, longest) + figures).width > room) longest--;
    return shorten(name, longest) + figures;
  }

  // The colour of a share of the greatest value; the ramp is that of the pictures (chart_gnuplot.c).
  function heatColor(share) {
    const at = Math.min(1, Math.max(0, share));
    const next = Math.max(1, ramp.findIndex((stop) => stop[0] >= at));
    const [from, to] = [ramp[next - 1], ramp[next]];
    const part = (at - from[0]) / (to[0] - from[0]);
    return `rgb(${[1, 2, 3].map((i) => Math.round(from[i] + (to[i] - from[i]) * part)).join(",")})`;
  }

  // Writes each bar's value at its end: upright where it is too narrow, not at all where there is no room even for that.
  const barValues = {
    id: "barValues",
    afterDatasetsDraw(plot) {
      const { ctx } = plot;
      const { decimals, lies } = plot.config.options.plugins.barValues;
      ctx.save();
      ctx.font = "11px system-ui, sans-serif";
      ctx.fillStyle = theme("text");
      plot.data.datasets.forEach((dataset, number) => {
        const meta = plot.getDatasetMeta(number);
        if (meta.hidden) return;
        meta.data.forEach((bar, i) => {
          const value = dataset.data[i];
          if (value === null) return;
          const text = value.toFixed(decimals);
          const thickness = lies ? bar.height : bar.width;
          if (thickness < 8) return;
          ctx.save();
          // The value of a bar below zero stands above zero, where there is room.
          ctx.translate(lies && value < 0 ? bar.base : bar.x, !lies && value < 0 ? bar.base : bar.y);
          const upright = !lies && ctx.measureText(text).width > thickness + 4;
          if (upright) ctx.rotate(-Math.PI / 2);
          ctx.textAlign = lies || upright ? "left" : "center";
          ctx.textBaseline = lies || upright ? "middle" : "bottom";
          ctx.fillText(text, lies || upright ? 4 : 0, lies || upright ? 0 : -3);
          ctx.restore();
        });
      });
      ctx.restore();
    },
  };

  function axis(description, more) {
    const { ticks, ...rest } = more || {};
    return {
      title: { display: Boolean(description.label), text: description.label, color: theme("faint") },
      ticks: { color: theme("faint"), ...ticks },
      grid: { color: theme("line") },
      ...rest,
    };
  }

  function common(chart, scales, more) {
    const many = chart.series.length > 6;
    const drawsLines = chart.kind === "lines" && !chart.series.some((series) => series.weights);
    // Beside the plot a legend has a quarter of the width, with its margins, samples and gaps.
    const room = (plot) => (many ? plot.width / 4 : plot.width) - 55;
    // The legend shows a line as it is drawn.
    const sample = ({ datasetIndex: i }) => drawsLines
      ? { pointStyle: "line", strokeStyle: chart.series[i].color, lineWidth: 2, lineDash: chart.series[i].dashed ? [5, 4] : [] }
      : {};
    const legend = {
      display: chart.series.length > 1,
      position: many ? "right" : "top",
      align: many ? "start" : "center",
      labels: {
        color: theme("text"),
        boxWidth: 14,
        ...(drawsLines ? { usePointStyle: true, pointStyleWidth: 26 } : {}),
        generateLabels: (plot) =>
          Chart.defaults.plugins.legend.labels.generateLabels(plot).map((item) => ({ ...item, ...sample(item), text: fit(item.text, room(plot), plot.ctx) })),
      },
    };
    return {
      responsive: true,
      maintainAspectRatio: false,
      animation: false,
      scales,
      plugins: { legend, title: { display: false }, ...more },
    };
  }

  function bars(chart) {
    const value = { min: chart.y.minimum, max: chart.y.maximum, ticks: { includeBounds: false } };
    const names = { grid: { display: false }, ticks: { autoSkip: false, callback: (_, i) => shorten(chart.categories[i], 48) } };
    const scales = chart.lies
      ? { x: axis(chart.y, value), y: axis(chart.x, names) }
      : { x: axis(chart.x, names), y: axis(chart.y, value) };
    return {
      type: "bar",
      data: {
        labels: chart.categories,
        datasets: chart.series.map((series) => ({ label: series.name || "", data: series.y, backgroundColor: series.color, categoryPercentage: 0.82, barPercentage: 0.95, maxBarThickness: 160 })),
      },
      options: { ...common(chart, scales, { barValues: { decimals: chart.decimals, lies: chart.lies } }), indexAxis: chart.lies ? "y" : "x" },
      plugins: [barValues],
    };
  }

  // Whole-number bins are shown as the numbers they hold, others by their bounds.
  function binName(from, to) {
    if (from % 1 !== 0 && from * 2 % 1 === 0 && to * 2 % 1 === 0) {
      const [first, last] = [from + 0.5, to - 0.5];
      return first === last ? String(first) : `${first} – ${last}`;
    }
    return `${Number(from.toPrecision(3))} – ${Number(to.toPrecision(3))}`;
  }

  // The tick of a bin: a round number that it holds, if any.
  function binTick(from, to, step) {
    if (step === 0) { // bins of equal ratio: 1, 2 and 5 of each power of ten
      const power = 10 ** Math.floor(Math.log10(to));
      const round = [5 * power, 2 * power, power, power / 2].find((value) => value < to);
      return round >= from ? String(Number(round.toPrecision(1))) : "";
    }
    const round = Math.ceil(from / step) * step;
    return round < to ? String(Number(round.toPrecision(6))) : "";
  }

  function binTicks(chart) {
    const { edges } = chart;
    const whole = !chart.x.log && edges.every((edge) => edge % 1 !== 0 && edge * 2 % 1 === 0);
    // Bins of whole numbers are named by themselves, as many as there is room for.
    if (whole) return { maxRotation: 0, callback: (_, i) => binName(edges[i], edges[i + 1]).split(" – ")[0] };
    const width = (edges[edges.length - 1] - edges[0]) / 8;
    const power = 10 ** Math.floor(Math.log10(width));
    const step = chart.x.log ? 0 : [1, 2, 5, 10].find((factor) => factor * power >= width) * power;
    return { maxRotation: 0, autoSkip: false, callback: (_, i) => binTick(edges[i], edges[i + 1], step) };
  }

  function histogram(chart) {
    const labels = chart.edges.slice(1).map((to, i) => binName(chart.edges[i], to));
    const alpha = chart.series.length > 1 ? "99" : "";
    return {
      type: "bar",
      data: {
        labels,
        datasets: chart.series.map((series) => ({
          label: series.name || "", data: series.y, backgroundColor: series.color + alpha, categoryPercentage: 1, barPercentage: 0.96, grouped: false,
        })),
      },
      options: common(chart, {
        // The tooltip tells the whole bin.
        x: axis(chart.x, { grid: { display: false }, ticks: binTicks(chart) }),
        y: axis(chart.y, { min: chart.y.minimum, max: chart.y.maximum, ticks: { includeBounds: false } }),
      }),
    };
  }

  // Points without a line; the area of each is its weight. Those at the rim are drawn whole.
  function dots(series, data) {
    const heaviest = series.weights.reduce((a, b) => Math.max(a, b), 0);
    const radius = series.weights.map((weight) => 2 + 12 * Math.sqrt(weight / heaviest));
    return {
      label: series.name || "", data, showLine: false, pointRadius: radius, pointHoverRadius: radius, clip: 15, backgroundColor: series.color + "a0", borderWidth: 0,
    };
  }

  function lines(chart) {
    const points = (series) => series.x.map((x, i) => ({ x, y: series.y[i] }));
    const scale = (description) =>
      axis(description, {
        type: description.log ? "logarithmic" : "linear", min: description.minimum, max: description.maximum,
        ticks: { includeBounds: false, ...(description.whole ? { precision: 0 } : {}) },
      });
    const options = common(chart, { x: scale(chart.x), y: scale(chart.y) }, {
      tooltip: { callbacks: { title: (items) => (items.length ? `${chart.x.label || "x"} ${show(items[0].parsed.x)}` : ""), label: (item) => {
        const series = chart.series[item.datasetIndex];
        const weight = series.weights ? ` (${show(series.weights[item.dataIndex])})` : "";
        return `${item.dataset.label || chart.y.label}: ${show(item.parsed.y)}${weight}`;
      } } },
    });
    return {
      type: "line",
      data: {
        datasets: chart.series.map((series) => series.weights ? dots(series, points(series)) : ({
          label: series.name || "", data: points(series), borderColor: series.color, backgroundColor: series.color, borderWidth: series.dashed ? 1.5 : 2,
          borderDash: series.dashed ? [6, 4] : [], stepped: series.steps ? "before" : false, pointRadius: series.dots || series.y.length === 1 ? 2.5 : 0, pointHitRadius: 6,
        })),
      },
      options: { ...options, parsing: false, normalized: true, interaction: { mode: "nearest", axis: "x", intersect: false } },
    };
  }

  function matrixTable(chart, parent) {
    const { rows, columns, values, maximum, row_names: rowNames, column_names: columnNames } = chart.matrix;
    const table = element("table", null, element("div", null, parent));
    table.className = "matrix";
    if (columns > 8 || (columnNames || []).some((name) => name.length > 24)) table.classList.add("upright");
    const head = element("thead", null, table);
    if (chart.x.label) {
      const row = element("tr", null, head);
      element("th", null, row);
      const title = element("th", chart.x.label, row);
      title.colSpan = columns;
      title.className = "axis";
    }
    const names = element("tr", null, head);
    element("th", chart.y.label || "", names).className = "axis";
    for (let j = 0; j < columns; j++) element("span", columnNames ? shorten(columnNames[j], 40) : j, element("th", null, names));
    const body = element("tbody", null, table);
    for (let i = 0; i < rows; i++) {
      const row = element("tr", null, body);
      element("th", rowNames ? shorten(rowNames[i], 40) : i, row);
      for (let j = 0; j < columns; j++) {
        const value = values[i * columns + j];
        const cell = element("td", show(value, chart.decimals), row);
        if (value === null) continue;
        cell.style.background = heatColor(value / maximum);
        cell.style.color = value > 0.55 * maximum ? "#ffffff" : "#202020";
      }
    }
  }

  function heatMap(chart, parent) {
    const { rows, columns, values, maximum } = chart.matrix;
    const grid = element("div", null, parent);
    grid.className = "heat";
    element("span", chart.y.label || "", grid).className = "side";
    const canvas = element("canvas", null, grid);
    canvas.width = columns;
    canvas.height = rows;
    const scale = element("span", null, grid);
    scale.className = "scale";
    element("span", Number(maximum.toPrecision(3)), scale);
    element("i", null, scale).style.background = `linear-gradient(to top,${[0, 0.25, 0.5, 0.75, 1].map(heatColor).join(",")})`;
    element("span", "0", scale);
    element("span", chart.x.label || "", grid).className = "below";
    const pen = canvas.getContext("2d");
    values.forEach((value, i) => {
      if (value === null) return;
      pen.fillStyle = heatColor(value / maximum);
      pen.fillRect(i % columns, Math.floor(i / columns), 1, 1);
    });
    const readout = element("p", "", parent);
    readout.className = "readout";
    canvas.addEventListener("mousemove", (event) => {
      const area = canvas.getBoundingClientRect();
      const column = Math.min(columns - 1, Math.max(0, Math.floor(((event.clientX - area.left) / area.width) * columns)));
      const row = Math.min(rows - 1, Math.max(0, Math.floor(((event.clientY - area.top) / area.height) * rows)));
      const place = (i, count, description) => show((i + 0.5) / count * description.maximum, 2);
      readout.textContent = `x ${place(column, columns, chart.x)}, y ${place(row, rows, chart.y)}: ${show(values[row * columns + column])} ${chart.matrix.label || ""}`;
    });
  }

  // The numbers behind a chart, made when they are asked for.
  function table(chart, parent) {
    const made = element("table", null, parent);
    const head = element("tr", null, element("thead", null, made));
    const body = element("tbody", null, made);
    const line = (cells) => {
      const row = element("tr", null, body);
      cells.forEach((cell) => {
        const td = element("td", typeof cell === "number" || cell === null ? show(cell) : cell, row);
        if (typeof cell === "number") td.className = "number";
      });
    };
    if (chart.kind === "lines") {
      ["series", chart.x.label || "x", chart.y.label || "y"].forEach((name) => element("th", name, head));
      chart.series.forEach((series) => series.x.slice(0, 5000).forEach((x, i) => line([series.name || "", x, series.y[i]])));
      return;
    }
    const names = chart.kind === "bars" ? chart.categories : chart.edges.slice(1).map((to, i) => binName(chart.edges[i], to));
    [chart.x.label || "", ...chart.series.map((series) => series.name || chart.y.label || "value")].forEach((name) => element("th", name, head));
    names.forEach((name, i) => line([name, ...chart.series.map((series) => series.y[i])]));
  }

  const kinds = { bars, histogram, lines };

  // Curves and histograms stand side by side where there is room, unless their legend needs a side of its own.
  const half = (chart) => (chart.kind === "lines" || chart.kind === "histogram") && chart.series.length <= 6;

  function plot(entry) {
    const { chart, box } = entry;
    if (entry.instance) entry.instance.destroy();
    box.replaceChildren();
    if (chart.empty) {
      element("div", "no data", box).className = "empty";
    } else if (chart.kind === "matrix") {
      (chart.matrix.numbers ? matrixTable : heatMap)(chart, box);
    } else {
      const frame = element("div", null, box);
      // A long legend stands beside the plot: its lines need 20 pixels each.
      const height = Math.max(Math.min(chart.height, 4000) * (chart.lies ? 1 : 0.8), 20 * Math.min(chart.series.length, 40) + 60);
      frame.style.height = half(chart) ? "20rem" : `${height}px`;
      if (chart.kind === "bars" && !chart.lies) frame.style.minWidth = `${chart.categories.length * chart.series.length * 14}px`;
      entry.instance = new Chart(element("canvas", null, frame), kinds[chart.kind](chart));
    }
  }

  function logButton(entry, tools) {
    const { chart } = entry;
    const values = chart.series.flatMap((series) => series.y).filter((value) => value !== null && value > 0);
    if (chart.kind !== "lines" || values.length === 0 || chart.series.some((series) => series.weights)) return;
    const linear = { ...chart.y };
    const lowest = values.reduce((a, b) => Math.min(a, b));
    const button = element("button", "log scale", tools);
    button.addEventListener("click", () => {
      chart.y = chart.y.log ? { ...linear, log: false } : { ...linear, log: true, minimum: lowest / 1.1 };
      button.textContent = chart.y.log ? "linear scale" : "log scale";
      plot(entry);
    });
  }

  function figure(holder) {
    const chart = JSON.parse(holder.querySelector("script").textContent);
    holder.dataset.name = chart.name;
    holder.classList.toggle("half", half(chart));
    element("h3", chart.title || chart.name, holder);
    if (chart.note) element("p", chart.note, holder).className = "note";
    const tools = element("div", null, holder);
    tools.className = "tools";
    const box = element("div", null, holder);
    box.className = "plot";
    const entry = { chart, box };
    drawn.push(entry);
    if (!chart.empty && !chart.y.log) logButton(entry, tools);
    plot(entry);
    if (chart.kind !== "matrix" && !chart.empty) {
      const details = element("details", null, holder);
      element("summary", "numbers", details);
      details.addEventListener("toggle", () => {
        if (details.open && !details.querySelector("table")) {
          const scroll = element("div", null, details);
          scroll.className = "scroll";
          table(chart, scroll);
        }
      });
    }
  }

  function contents() {
    const sections = document.querySelectorAll("main section");
    if (sections.length < 2) return;
    const list = element("ul", null, document.getElementById("contents"));
    sections.forEach((section) => {
      element("a", section.querySelector("h2").textContent, element("li", null, list)).href = "#" + section.id;
    });
  }

  function themes() {
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const button = element("button", null, document.querySelector("header"));
    const apply = (name) => {
      document.documentElement.dataset.theme = name;
      button.textContent = name === "dark" ? "light" : "dark";
      drawn.forEach(plot);
    };
    button.addEventListener("click", () => apply(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
    system.addEventListener("change", () => apply(system.matches ? "dark" : "light"));
    apply(system.matches ? "dark" : "light");
  }

  themes();
  contents();
  document.querySelectorAll("figure.chart").forEach(figure);
  document.documentElement.dataset.drawn = String(drawn.length);
})();
