"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 148, RIGHT = 12, TOP = 40, ROW = 26, STEP_ROW = 40, FOOT = 24, CHARACTER = 6.3;
  const SPAN_MIN_US = 50;
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");

  // ------------------------------------------------------------ tips

  const showTip = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(x + 14, innerWidth - box.width - 8);
    const top = y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, top)}px`;
  };
  const hideTip = () => { tip.hidden = true; };
  document.addEventListener("pointermove", (event) => {
    const found = event.target.closest?.("[data-tip]");
    if (found) showTip(found.dataset.tip, event.clientX, event.clientY);
    else hideTip();
  });
  document.addEventListener("focusin", (event) => {
    const found = event.target.closest?.("[data-tip]");
    if (!found) return;
    const box = found.getBoundingClientRect();
    showTip(found.dataset.tip, box.left, box.bottom - 10);
  });
  document.addEventListener("focusout", hideTip);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  addEventListener("scroll", hideTip, { passive: true });

  // ------------------------------------------------------------ light and dark

  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
  });

  // ------------------------------------------------------------ where the reader is

  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.classList.remove("here");
      links.get(entry.target.id)?.classList.add("here");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const section of document.querySelectorAll("main section")) watcher.observe(section);

  // ------------------------------------------------------------ times

  const duration = (us) => {
    const size = Math.abs(us);
    if (size < 1000) return `${us}\u202fµs`;
    if (size < 1e6) return `${trim((us / 1000).toFixed(3))}\u202fms`;
    return `${trim((us / 1e6).toFixed(6))}\u202fs`;
  };
  const trim = (text) => text.replace(/\.?0+$/, "");
  const clock = (us, step) => {
    const digits = Math.max(0, Math.ceil(-Math.log10(step / 1e6) - 1e-9));
    return (us / 1e6).toFixed(Math.min(digits, 6));
  };
  const niceStep = (rough) => {
    const scale = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((step) => step * scale).find((step) => step >= rough * 0.999999);
  };

  // ------------------------------------------------------------ timelines

  class Timeline {
    constructor(place, run) {
      this.run = run;
      this.from = run.from;
      this.to = Math.max(run.to, run.from + SPAN_MIN_US);
      this.height = TOP + FOOT + run.lanes.reduce((sum, lane) => sum + this.rowOf(lane), 0);
      this.place = place;
      this.tools();
      this.svg = this.make("svg", { height: this.height, role: "img", tabindex: 0 }, place);
      this.svg.setAttribute("aria-label", "Timeline; arrow keys move, plus and minus zoom, 0 shows all");
      this.listen();
      this.draw();
      new ResizeObserver(() => this.draw()).observe(place);
    }

    rowOf(lane) { return lane.kind === "steps" ? STEP_ROW : ROW; }

    make(name, attributes, parent, text) {
      const made = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      if (text !== undefined) made.textContent = text;
      parent.append(made);
      return made;
    }

    tools() {
      const bar = document.createElement("div");
      bar.className = "tools";
      const add = (text, label, call) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = text;
        button.setAttribute("aria-label", label);
        button.addEventListener("click", call);
        bar.append(button);
      };
      add("−", "Zoom out", () => this.zoom(2));
      add("+", "Zoom in", () => this.zoom(0.5));
      if (this.run.hasOnset) add("Incident", "Show the incident", () => this.show(this.run.from, this.run.to));
      add("Whole run", "Show the whole run", () => this.show(this.run.begin, this.run.end));
      const hint = document.createElement("span");
      hint.className = "hint";
      hint.textContent = "drag to move · Ctrl + wheel or double click to zoom · hover for times";
      bar.append(hint);
      this.place.append(bar);
    }

    listen() {
      const { svg } = this;
      svg.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        this.zoom(1.0015 ** event.deltaY, this.timeAt(event));
      }, { passive: false });
      svg.addEventListener("dblclick", (event) => this.zoom(event.shiftKey ? 2 : 0.4, this.timeAt(event)));
      svg.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        this.drag = { x: event.clientX, from: this.from, to: this.to };
        svg.setPointerCapture(event.pointerId);
        svg.classList.add("dragging");
      });
      svg.addEventListener("pointermove", (event) => {
        if (this.drag) {
          const shift = (event.clientX - this.drag.x) * (this.drag.to - this.drag.from) / this.width;
          this.show(this.drag.from - shift, this.drag.to - shift);
        }
        this.point(event);
      });
      const release = () => { this.drag = null; svg.classList.remove("dragging"); };
      svg.addEventListener("pointerup", release);
      svg.addEventListener("pointercancel", release);
      svg.addEventListener("pointerleave", () => { this.cross?.remove(); this.cross = null; });
      svg.addEventListener("keydown", (event) => {
        const span = this.to - this.from;
        const act = {
          ArrowLeft: () => this.show(this.from - span / 8, this.to - span / 8),
          ArrowRight: () => this.show(this.from + span / 8, this.to + span / 8),
          "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2),
          0: () => this.show(this.run.begin, this.run.end),
        }[event.key];
        if (act) { event.preventDefault(); act(); }
      });
    }

    timeAt(event) {
      const x = event.clientX - this.svg.getBoundingClientRect().left;
      return this.from + (x - LEFT) * (this.to - this.from) / this.width;
    }

    x(us) { return LEFT + (us - this.from) * this.width / (this.to - this.from); }

    zoom(factor, at = (this.from + this.to) / 2) {
      this.show(at - (at - this.from) * factor, at + (this.to - at) * factor);
    }

    show(from, to) {
      const whole = Math.max(this.run.end - this.run.begin, SPAN_MIN_US);
      const span = Math.min(Math.max(to - from, SPAN_MIN_US), whole);
      const middle = (from + to) / 2;
      this.from = Math.min(Math.max(middle - span / 2, this.run.begin), this.run.begin + whole - span);
      this.to = this.from + span;
      this.draw();
    }

    // A tip and a line where the pointer is.
    point(event) {
      if (event.target.closest("[data-tip]")) return;
      const at = Math.round(this.timeAt(event));
      const x = this.x(at);
      if (x < LEFT || x > LEFT + this.width) { this.cross?.remove(); this.cross = null; return; }
      if (!this.cross || !this.cross.isConnected) this.cross = this.make("line", { class: "cross", y1: TOP - 6, y2: this.height - FOOT }, this.svg);
      this.cross.setAttribute("x1", x);
      this.cross.setAttribute("x2", x);
    }

    draw(fixedWidth) {
      const whole = fixedWidth ?? this.place.clientWidth;
      if (!whole) return;
      this.width = Math.max(whole - LEFT - RIGHT, 100);
      this.svg.setAttribute("viewBox", `0 0 ${whole} ${this.height}`);
      this.svg.replaceChildren();
      this.grid();
      let y = TOP;
      this.run.lanes.forEach((lane, index) => {
        const row = this.rowOf(lane);
        if (index % 2 === 0) this.make("rect", { class: "stripe", x: 0, y, width: whole, height: row }, this.svg);
        const title = this.make("text", { class: "title", x: LEFT - 12, y: y + row / 2 + 4, "text-anchor": "end" }, this.svg, this.fit(lane.title, LEFT - 20));
        if (title.textContent !== lane.title) title.dataset.tip = lane.title;
        this[lane.kind](lane, y, row);
        y += row;
      });
      this.marks();
    }

    fit(text, room) {
      const most = Math.floor(room / CHARACTER);
      return text.length <= most ? text : most > 3 ? `${text.slice(0, most - 1)}…` : "";
    }

    grid() {
      const step = niceStep((this.to - this.from) / Math.max(this.width / 110, 2));
      const bottom = this.height - FOOT;
      for (let index = Math.ceil(this.from / step - 1e-9); index * step <= this.to; index += 1) {
        const x = this.x(index * step);
        this.make("line", { class: "grid", x1: x, x2: x, y1: TOP - 4, y2: bottom }, this.svg);
        this.make("text", { class: "quiet", x, y: bottom + 16, "text-anchor": "middle" }, this.svg, clock(index * step, step));
      }
      const unit = this.run.hasOnset ? "s from onset" : "s";
      this.make("text", { class: "quiet", x: LEFT - 12, y: bottom + 16, "text-anchor": "end" }, this.svg, unit);
    }

    when(us) { return `${us >= 0 && this.run.hasOnset ? "+" : ""}${duration(us)}`; }

    spans(lane, y, row) {
      let covered = -1;
      for (const [begin, end, text, tone] of lane.items) {
        if (end < this.from || begin > this.to) continue;
        const x1 = Math.max(this.x(begin), LEFT);
        const x2 = Math.min(this.x(end), LEFT + this.width);
        // What falls on a pixel that is covered already cannot be seen.
        if (x2 < covered && tone !== "bad") continue;
        const width = Math.max(x2 - x1, 1.2);
        covered = x2 - x1 < 1.2 ? x1 + 1.2 : covered;
        const shape = this.make("rect", { class: `span ${tone}`, x: x1, y: y + 4, width, height: row - 8, rx: 2 }, this.svg);
        shape.dataset.tip = `${text}\n${this.when(begin)} to ${this.when(end)} (${duration(end - begin)})`;
        const inside = width > 22 ? this.fit(text, width - 8) : "";
        if (inside) this.make("text", { class: "inside", x: x1 + 5, y: y + row / 2 + 4 }, this.svg, inside);
      }
    }

    ticks(lane, y, row) {
      let last = -1, shown = 0, free = LEFT;
      const seen = lane.items.filter(([at]) => at >= this.from && at <= this.to);
      for (const [at, text, tone] of seen) {
        const x = this.x(at);
        if (x - last < 0.8 && tone !== "bad") continue;
        last = x;
        const shape = this.make("line", { class: `tick ${tone}`, x1: x, x2: x, y1: y + 5, y2: y + row - 5 }, this.svg);
        shape.dataset.tip = `${text}\n${this.when(at)}`;
        shown += 1;
      }
      if (shown > 12) return;
      seen.forEach(([at, text], index) => {
        const x = this.x(at) + 5;
        const next = index + 1 < seen.length ? this.x(seen[index + 1][0]) - 5 : LEFT + this.width;
        const inside = x >= free ? this.fit(text, next - x) : "";
        if (inside) { this.make("text", { class: "inside", x, y: y + row / 2 + 4 }, this.svg, inside); free = x + inside.length * CHARACTER; }
      });
    }

    steps(lane, y, row) {
      const high = Math.max(...lane.items.map(([, value]) => value), 1);
      const level = (value) => y + row - 6 - (row - 12) * value / high;
      const right = LEFT + this.width;
      const before = lane.items.filter(([at]) => at <= this.from).at(-1);
      const start = before ? LEFT : this.x(lane.items[0][0]);
      let last = before ? before[1] : lane.items[0][1], drawn = -1;
      let path = start <= right ? `M${start.toFixed(1)} ${level(last).toFixed(1)}` : "";
      for (const [at, value] of lane.items) {
        if (at <= this.from) continue;
        if (at > this.to) break;
        const x = this.x(at);
        // One point a pixel is enough; the last of a pixel holds.
        if (x - drawn < 0.5 && value !== 0 && value !== high) { last = value; continue; }
        path += `H${x.toFixed(1)}V${level(value).toFixed(1)}`;
        drawn = x;
        last = value;
      }
      if (!path) return;
      const end = Math.min(this.x(this.run.end), right).toFixed(1);
      path += `V${level(last).toFixed(1)}H${end}`;
      this.make("path", { class: "under", d: `${path}V${y + row - 6}H${start.toFixed(1)}Z` }, this.svg);
      this.make("path", { class: "step", d: path }, this.svg);
      if (Math.max(...lane.items.map(([, value]) => value))) this.make("text", { class: "high", x: LEFT + 4, y: y + 14 }, this.svg, high.toLocaleString("en").replaceAll(",", "\u202f"));
      const hit = this.make("rect", { x: LEFT, y, width: this.width, height: row, fill: "transparent" }, this.svg);
      hit.addEventListener("pointermove", (event) => {
        const at = this.timeAt(event);
        const before = lane.items.filter(([time]) => time <= at).at(-1);
        hit.dataset.tip = before ? `${lane.title}: ${before[1]}\n${this.when(Math.round(at))}` : lane.title;
      });
    }

    marks() {
      let free = -1;
      for (const [at, name, tone] of this.run.marks) {
        if (at < this.from || at > this.to) continue;
        const x = this.x(at);
        this.make("line", { class: `mark ${tone}`, x1: x, x2: x, y1: TOP - 12, y2: this.height - FOOT }, this.svg);
        const isGood = tone === "good";
        const text = isGood ? `${name} ${this.when(at)}` : name.replaceAll("_", " ");
        const width = text.length * CHARACTER;
        const fits = x + width < LEFT + this.width;
        const low = x < free;
        this.make("text", { class: `mark-text ${tone}`, x: fits ? x : LEFT + this.width, y: low ? 12 : 24, "text-anchor": fits ? "start" : "end" }, this.svg, text);
        free = x + width + 8;
      }
    }
  }

  const timelines = [...document.querySelectorAll("[data-timeline]")].map(
    (place) => new Timeline(place, data[Number(place.dataset.timeline)]));
  addEventListener("beforeprint", () => timelines.forEach((item) => item.draw(980)));
  addEventListener("afterprint", () => timelines.forEach((item) => item.draw()));
})();
