// Curves of jobs: <figure class="chart" data-chart>. Each element with data-curve="URL" in it is a job; the URL
// answers {steps: [..], finished: bool} and for each measure a list with a value, or null, for each step, only those
// after ?afterStep=N. #measures says what the measures are called, [data-measure] which of them are drawn.
(() => {
  "use strict";
  const POLL_MS = 2000;
  const COLOURS = ["--busy", "--warn", "--good", "--bad", "--fifth"];
  const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4]];
  const POINTS_BELOW = 20;

  const known = (values) => values.filter((value) => value !== null);

  // The exponential moving average of Weights & Biases: corrected for its start, gaps stay gaps.
  const smooth = (values, weight) => {
    let sum = 0;
    let total = 0;
    return values.map((value) => {
      if (value === null) return null;
      sum = sum * weight + value * (1 - weight);
      total = total * weight + (1 - weight);
      return sum / total;
    });
  };

  class Curve {
    constructor(element, labels) {
      this.url = element.dataset.curve;
      this.name = element.dataset.curveName ?? "";
      this.steps = [];
      this.measured = Object.fromEntries(Object.keys(labels).map((key) => [key, []]));
    }

    // True when something new came.
    async load() {
      const url = new URL(this.url, location.href);
      if (this.steps.length) url.searchParams.set("afterStep", this.steps.at(-1));
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      if (answer.redirected) location.reload();
      if (!answer.ok || answer.redirected) return false;
      const found = await answer.json();
      this.finished = found.finished;
      this.steps.push(...found.steps);
      for (const [key, values] of Object.entries(this.measured)) values.push(...found[key]);
      return found.steps.length > 0;
    }
  }

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.canvas = figure.querySelector(".chart-canvas");
      this.labels = JSON.parse(document.getElementById("measures").textContent);
      this.curves = [figure, ...figure.querySelectorAll("[data-curve]")].filter((one) => one.dataset.curve).map((one) => new Curve(one, this.labels));
      for (const control of figure.querySelectorAll("[data-smoothing], [data-log], [data-measure]")) {
        control.addEventListener("input", () => this.draw());
      }
      document.addEventListener("themechange", () => this.draw());
      document.addEventListener("visibilitychange", () => { if (!document.hidden) this.load(); });
      new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.canvas);
      this.load();
    }

    async load() {
      clearTimeout(this.timer);
      const open = this.curves.filter((curve) => !curve.finished);
      if (this.loading || !open.length || document.hidden) return;
      this.loading = true;
      // Offline for a moment: the next round asks again.
      const news = await Promise.all(open.map((curve) => curve.load().catch(() => false)));
      this.loading = false;
      if (news.some(Boolean)) this.draw();
      this.timer = setTimeout(() => this.load(), POLL_MS);
    }

    size() {
      return { width: Math.max(240, this.canvas.clientWidth), height: 280 };
    }

    // What is drawn: one line for each curve and measure of which anything was measured.
    lines() {
      const keys = this.figure.querySelector("[data-measure]").value.split(" ");
      return this.curves.flatMap((curve) => keys.map((key) => ({
        curve, key, values: curve.measured[key], label: curve.name || this.labels[key],
      }))).filter(({ values }) => known(values).length);
    }

    draw() {
      const lines = this.lines();
      this.plot?.destroy();
      this.plot = null;
      this.canvas.replaceChildren();
      if (!lines.length) return this.say("Nothing of this was measured.");
      const weight = Number(this.figure.querySelector("[data-smoothing]").value);
      // Validation is measured now and then, and over many examples: it is smooth by itself.
      const tables = lines.map(({ curve, key, values }) => [curve.steps, key.startsWith("train") ? smooth(values, weight) : values]);
      this.plot = new uPlot(this.options(lines), uPlot.join(tables), this.canvas);
      this.describe(lines);
    }

    say(text) {
      const box = document.createElement("div");
      box.className = "chart-empty";
      box.textContent = text;
      this.canvas.removeAttribute("role");
      this.canvas.removeAttribute("aria-label");
      this.canvas.append(box);
    }

    options(lines) {
      const style = getComputedStyle(this.figure);
      const probe = document.createElement("span");
      this.figure.append(probe);
      const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
      const axis = { stroke: colour("--tblr-secondary-color"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
      const value = (_, number) => (number == null ? "–" : number.toFixed(4));
      // A line needs two values. What was measured at few steps is joined, with a dot for each.
      const drawn = lines.map(({ label, values }, index) => {
        const stroke = colour(COLOURS[index]);
        const points = { show: known(values).length < POINTS_BELOW, size: 6, fill: stroke };
        return { label, value, stroke, dash: DASHES[index], width: 1.75, spanGaps: true, points };
      });
      probe.remove();
      const logarithmic = this.figure.querySelector("[data-log]").checked;
      const y = logarithmic ? { distr: 3 } : { range: (_, low, high) => [Math.min(0, low), high * 1.05] };
      return { ...this.size(), scales: { x: { time: false }, y }, axes: [axis, { ...axis, size: 56 }], series: [{ label: "Step" }, ...drawn] };
    }

    describe(lines) {
      const words = lines.map(({ curve, values, label }) => {
        const [first, last] = [known(values)[0], known(values).at(-1)];
        return `${label} went from ${first.toFixed(3)} to ${last.toFixed(3)} in ${curve.steps.at(-1)} steps.`;
      });
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", words.join(" "));
    }
  }

  addEventListener("DOMContentLoaded", () => {
    for (const figure of document.querySelectorAll("[data-chart]")) new Chart(figure);
  });
})();
