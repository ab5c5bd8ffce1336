// The loss chart: <figure class="chart" data-loss-chart="URL">. The URL answers
// {steps: [..], trainLoss: [..], validLoss: [.. or null], finished: bool}, only steps after ?afterStep=N.
(() => {
  "use strict";
  const POLL_MS = 2000;

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

  class LossChart {
    constructor(figure) {
      this.figure = figure;
      this.canvas = figure.querySelector(".chart-canvas");
      this.steps = [];
      this.train = [];
      this.valid = [];
      for (const control of figure.querySelectorAll("[data-smoothing], [data-log]")) {
        control.addEventListener("input", () => this.draw());
      }
      document.addEventListener("themechange", () => this.draw());
      document.addEventListener("visibilitychange", () => { if (!document.hidden) this.load(); });
      new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.canvas);
      this.load();
    }

    async load() {
      clearTimeout(this.timer);
      if (this.loading || this.finished || document.hidden) return;
      this.loading = true;
      try {
        const url = new URL(this.figure.dataset.lossChart, location.href);
        if (this.steps.length) url.searchParams.set("afterStep", this.steps.at(-1));
        const answer = await fetch(url, { headers: { Accept: "application/json" } });
        if (answer.redirected) return location.reload();
        if (answer.ok) this.take(await answer.json());
      } catch {
        // Offline for a moment: the next round asks again.
      } finally {
        this.loading = false;
        if (!this.finished) this.timer = setTimeout(() => this.load(), POLL_MS);
      }
    }

    take({ steps, trainLoss, validLoss, finished }) {
      this.finished = finished;
      if (!steps.length) return;
      this.steps.push(...steps);
      this.train.push(...trainLoss);
      this.valid.push(...validLoss);
      this.draw();
    }

    size() {
      return { width: Math.max(240, this.canvas.clientWidth), height: 280 };
    }

    draw() {
      if (!this.steps.length) return;
      this.plot?.destroy();
      this.canvas.replaceChildren();
      const weight = Number(this.figure.querySelector("[data-smoothing]")?.value ?? 0);
      const logarithmic = this.figure.querySelector("[data-log]")?.checked ?? false;
      const data = [this.steps, smooth(this.train, weight), this.valid];
      this.plot = new uPlot(this.options(logarithmic), data, this.canvas);
      this.describe();
    }

    options(logarithmic) {
      const style = getComputedStyle(this.figure);
      const probe = document.createElement("span");
      this.figure.append(probe);
      const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
      const axis = { stroke: colour("--tblr-secondary-color"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
      const digits = (_, value) => (value === null ? "–" : value.toFixed(4));
      const series = [
        { label: "Step" },
        { label: "Training loss", stroke: colour("--busy"), width: 1.75, points: { show: false }, value: digits },
        { label: "Validation loss", stroke: colour("--warn"), width: 1.75, spanGaps: true, value: digits },
      ];
      probe.remove();
      const y = logarithmic ? { distr: 3 } : { range: (_, low, high) => [Math.min(0, low), high * 1.05] };
      return { ...this.size(), scales: { x: { time: false }, y }, axes: [axis, { ...axis, size: 56 }], series };
    }

    describe() {
      const last = this.train.at(-1);
      const valid = this.valid.findLast((value) => value !== null);
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label",
        `Training loss went from ${this.train[0]?.toFixed(3)} to ${last?.toFixed(3)} in ${this.steps.at(-1)} steps.`
        + (valid === undefined ? "" : ` Validation loss is ${valid.toFixed(3)}.`));
    }
  }

  addEventListener("DOMContentLoaded", () => {
    for (const figure of document.querySelectorAll("[data-loss-chart]")) new LossChart(figure);
  });
})();
