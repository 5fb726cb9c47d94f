"use strict";
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  root.classList.add("js");

  for (const box of document.querySelectorAll(".slider")) {
    const range = box.querySelector("input");
    const move = () => box.style.setProperty("--at", range.value + "%");
    range.addEventListener("input", move);
    move();
  }

  for (const table of document.querySelectorAll(".sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      let down = false;
      head.addEventListener("click", () => {
        const text = row => row.cells[column].textContent;
        const order = (a, b) => parseFloat(text(a)) - parseFloat(text(b)) || text(a).localeCompare(text(b));
        const rows = [...body.rows].sort(column ? order : (a, b) => text(a).localeCompare(text(b)));
        down = !down;
        body.append(...(down ? rows : rows.reverse()));
      });
    });
  }

  // What is drawn has z upward and a size of about 1. The first look is that of the still picture.
  const FIRST = { azimuth: 0.7, elevation: 0.45, distance: 4.2 };
  const bytes = text => Uint8Array.from(atob(text), sign => sign.charCodeAt(0));

  class View3D {
    constructor(box) {
      this.look = { ...FIRST };
      this.canvas = document.createElement("canvas");
      this.canvas.tabIndex = 0;
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", "a view in 3-D; arrow keys turn it");
      this.label = document.createElement("output");
      box.append(this.canvas, this.label);
      this.box = box;
      this.listen();
      new ResizeObserver(() => this.redraw()).observe(box);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    }

    redraw() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; this.draw(); });
    }

    draw() {
      const ratio = Math.min(devicePixelRatio || 1, 2);
      const width = this.box.clientWidth, height = Math.round(Math.min(width * 2 / 3, 620));
      this.canvas.width = width * ratio;
      this.canvas.height = height * ratio;
      this.canvas.style.height = height + "px";
      this.width = this.canvas.width;
      this.height = this.canvas.height;
      this.ratio = ratio;
      const { azimuth: a, elevation: e } = this.look;
      const back = [Math.cos(a) * Math.cos(e), Math.sin(a) * Math.cos(e), Math.sin(e)];
      const right = [-Math.sin(a), Math.cos(a), 0];
      const up = [-Math.cos(a) * Math.sin(e), -Math.sin(a) * Math.sin(e), Math.cos(e)];
      this.axes = [right, up, back];
      this.focal = 1.8 * Math.min(this.width, this.height);
      this.paint(this.canvas.getContext("2d"));
    }

    // Column, row and depth of a point.
    project(p) {
      const [r, u, b] = this.axes.map(axis => axis[0] * p[0] + axis[1] * p[1] + axis[2] * p[2]);
      const depth = this.look.distance - b, scale = this.focal / Math.max(depth, 1e-3);
      return [this.width / 2 + r * scale, this.height / 2 - u * scale, depth];
    }

    turn(dx, dy) {
      this.look.azimuth -= dx;
      this.look.elevation = Math.min(1.55, Math.max(-1.55, this.look.elevation + dy));
      this.redraw();
    }

    zoom(factor) {
      this.look.distance = Math.min(40, Math.max(0.3, this.look.distance * factor));
      this.redraw();
    }

    listen() {
      const canvas = this.canvas, held = new Map();
      const spread = () => { const [a, b] = [...held.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
      canvas.addEventListener("pointerdown", event => {
        canvas.setPointerCapture(event.pointerId);
        held.set(event.pointerId, [event.clientX, event.clientY]);
      });
      canvas.addEventListener("pointermove", event => {
        const before = held.get(event.pointerId), now = [event.clientX, event.clientY];
        if (!before) return this.hover(event.offsetX * this.ratio, event.offsetY * this.ratio);
        const wide = held.size > 1 ? spread() : 0;
        held.set(event.pointerId, now);
        if (held.size > 1) this.zoom(wide / Math.max(spread(), 1));
        else this.turn((now[0] - before[0]) * 0.008, (now[1] - before[1]) * 0.008);
      });
      for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, event => held.delete(event.pointerId));
      canvas.addEventListener("wheel", event => {
        event.preventDefault();
        this.zoom(Math.exp(Math.max(-200, Math.min(200, event.deltaY)) * 0.0015));
      }, { passive: false });
      canvas.addEventListener("dblclick", () => { this.look = { ...FIRST }; this.redraw(); });
      const keys = {
        ArrowLeft: () => this.turn(-0.1, 0), ArrowRight: () => this.turn(0.1, 0), ArrowUp: () => this.turn(0, -0.1),
        ArrowDown: () => this.turn(0, 0.1), "+": () => this.zoom(0.9), "=": () => this.zoom(0.9), "-": () => this.zoom(1.1),
      };
      canvas.addEventListener("keydown", event => {
        if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
      });
    }

    hover() {}

    color(name) { return getComputedStyle(root).getPropertyValue(name).trim(); }
  }

  class CameraView extends View3D {
    constructor(box, stage, atlas) {
      super(box);
      this.stage = stage;
      this.hidden = new Set();
      for (const check of document.querySelectorAll("input[data-split]")) {
        const change = () => { this.hidden[check.checked ? "delete" : "add"](check.dataset.split); this.redraw(); };
        check.addEventListener("change", change);
        change();
      }
      this.image = new Image();
      this.image.addEventListener("load", () => this.redraw());
      if (stage.tiles.length) this.image.src = atlas;
    }

    paint(context) {
      const { stage, ratio } = this;
      context.lineWidth = ratio;
      if (stage.box.length) {
        context.strokeStyle = this.color("--soft");
        context.setLineDash([4 * ratio, 4 * ratio]);
        for (let a = 0; a < 8; a++) for (const bit of [1, 2, 4]) if (!(a & bit)) this.line(context, stage.box[a], stage.box[a | bit]);
        context.setLineDash([]);
      }
      context.fillStyle = this.color("--soft");
      for (const point of stage.points) {
        const [x, y, depth] = this.project(point);
        if (depth > 0.05) context.fillRect(x, y, ratio, ratio);
      }
      const seen = stage.cameras.filter(camera => !this.hidden.has(camera.split));
      this.shown = seen.map(camera => [camera, this.project(camera.at), camera.to.map(corner => this.project(corner))]);
      this.shown.sort((a, b) => b[1][2] - a[1][2]);
      for (const [camera, at, corners] of this.shown) this.frustum(context, camera, at, corners);
      if (this.near) this.frustum(context, ...this.near, 2.5);
    }

    line(context, a, b) {
      const [from, to] = [this.project(a), this.project(b)];
      if (from[2] < 0.05 || to[2] < 0.05) return;
      context.beginPath();
      context.moveTo(from[0], from[1]);
      context.lineTo(to[0], to[1]);
      context.stroke();
    }

    frustum(context, camera, at, corners, width = 1) {
      if ([at, ...corners].some(corner => corner[2] < 0.05)) return;
      const [a, b, , d] = corners;
      if (camera.tile >= 0 && this.image.complete && this.image.naturalWidth) {
        const [left, top, w, h] = this.stage.tiles[camera.tile];
        const sx = this.image.naturalWidth / this.stage.atlas[0];
        context.save();
        context.transform((b[0] - a[0]) / w, (b[1] - a[1]) / w, (d[0] - a[0]) / h, (d[1] - a[1]) / h, a[0], a[1]);
        context.globalAlpha = width > 1 ? 1 : 0.85;
        context.drawImage(this.image, left * sx, top * sx, w * sx, h * sx, 0, 0, w, h);
        context.restore();
      }
      context.lineWidth = width * this.ratio;
      context.strokeStyle = this.color("--s" + this.stage.splits.indexOf(camera.split) % 4);
      context.beginPath();
      for (const corner of corners) { context.moveTo(at[0], at[1]); context.lineTo(corner[0], corner[1]); }
      context.moveTo(corners[3][0], corners[3][1]);
      for (const corner of corners) context.lineTo(corner[0], corner[1]);
      context.stroke();
    }

    hover(x, y) {
      const reach = 30 * this.ratio;
      let best = null, least = reach;
      for (const shown of this.shown || []) {
        const middle = [0, 1].map(axis => (shown[1][axis] + shown[2].reduce((sum, p) => sum + p[axis], 0)) / 5);
        const away = Math.hypot(middle[0] - x, middle[1] - y);
        if (away < least) [best, least] = [shown, away];
      }
      if (best?.[0] === this.near?.[0]) return;
      this.near = best;
      this.label.textContent = best ? `${best[0].name} (${best[0].split})` : "";
      this.redraw();
    }

    redraw() { if (!this.waiting) this.near = this.near && this.shown?.find(each => each[0] === this.near[0]); super.redraw(); }
  }

  // A triangle mesh, drawn into a buffer of depths: a picture of it needs no graphics card.
  class MeshView extends View3D {
    constructor(box, mesh) {
      super(box);
      const packed = new Uint16Array(bytes(mesh.vertices).buffer), n = packed.length / 3;
      this.points = new Float32Array(packed.length);
      for (let i = 0; i < packed.length; i++) this.points[i] = mesh.low[i % 3] + packed[i] / 65535 * mesh.span[i % 3];
      this.faces = new Uint32Array(bytes(mesh.faces).buffer);
      this.plain = bytes(mesh.colors);
      this.heat = mesh.distances ? bytes(mesh.distances) : null;
      this.colors = this.plain;
      const check = document.querySelector("input.heat");
      check?.addEventListener("change", () => { this.colors = check.checked ? this.heat : this.plain; this.redraw(); });
      this.normals = new Float32Array(3 * n);
      for (let f = 0; f < this.faces.length; f += 3) {
        const [i, j, k] = [this.faces[f] * 3, this.faces[f + 1] * 3, this.faces[f + 2] * 3], p = this.points;
        const u = [0, 1, 2].map(c => p[j + c] - p[i + c]), v = [0, 1, 2].map(c => p[k + c] - p[i + c]);
        const normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
        for (const vertex of [i, j, k]) for (let c = 0; c < 3; c++) this.normals[vertex + c] += normal[c];
      }
      this.look.distance = FIRST.distance;
    }

    paint(context) {
      const { width, height, points, faces, colors, normals } = this, n = points.length / 3;
      const image = context.createImageData(width, height), pixels = image.data;
      const depths = new Float32Array(width * height);  // of 1 / depth
      const x = new Float32Array(n), y = new Float32Array(n), w = new Float32Array(n), light = new Float32Array(n);
      const [right, up, back] = this.axes;
      for (let i = 0, p = 0; i < n; i++, p += 3) {
        const px = points[p], py = points[p + 1], pz = points[p + 2];
        const depth = this.look.distance - (back[0] * px + back[1] * py + back[2] * pz);
        const inverse = depth > 0.05 ? 1 / depth : 0;
        x[i] = width / 2 + (right[0] * px + right[1] * py + right[2] * pz) * this.focal * inverse;
        y[i] = height / 2 - (up[0] * px + up[1] * py + up[2] * pz) * this.focal * inverse;
        w[i] = inverse;
        const nx = normals[p], ny = normals[p + 1], nz = normals[p + 2], length = Math.hypot(nx, ny, nz) || 1;
        light[i] = 0.35 + 0.65 * Math.abs(back[0] * nx + back[1] * ny + back[2] * nz) / length;
      }
      for (let f = 0; f < faces.length; f += 3) {
        const a = faces[f], b = faces[f + 1], c = faces[f + 2];
        if (!w[a] || !w[b] || !w[c]) continue;
        const area = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a]);
        if (!area) continue;
        const top = Math.max(0, Math.ceil(Math.min(y[a], y[b], y[c]) - 0.5));
        const bottom = Math.min(height - 1, Math.floor(Math.max(y[a], y[b], y[c]) + 0.5));
        const left = Math.max(0, Math.ceil(Math.min(x[a], x[b], x[c]) - 0.5));
        const end = Math.min(width - 1, Math.floor(Math.max(x[a], x[b], x[c]) + 0.5));
        for (let row = top; row <= bottom; row++) for (let column = left; column <= end; column++) {
          const s = ((x[b] - column) * (y[c] - row) - (x[c] - column) * (y[b] - row)) / area;
          const t = ((x[c] - column) * (y[a] - row) - (x[a] - column) * (y[c] - row)) / area, r = 1 - s - t;
          if (s < 0 || t < 0 || r < 0) continue;
          const at = row * width + column, near = s * w[a] + t * w[b] + r * w[c];
          if (near <= depths[at]) continue;
          depths[at] = near;
          for (let channel = 0; channel < 3; channel++) {
            const [i, j, k] = [3 * a + channel, 3 * b + channel, 3 * c + channel];
            pixels[4 * at + channel] = s * light[a] * colors[i] + t * light[b] * colors[j] + r * light[c] * colors[k];
          }
          pixels[4 * at + 3] = 255;
        }
      }
      context.putImageData(image, 0, 0);
    }
  }

  for (const box of document.querySelectorAll(".view3d")) {
    if (box.dataset.kind === "cameras" && data.stage) new CameraView(box, data.stage, data.atlas);
    if (box.dataset.kind === "mesh" && data.mesh) new MeshView(box, data.mesh);
  }
})();
