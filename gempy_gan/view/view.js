// Cells, slices, surfaces and wells of an ensemble in WebGL 2, in their true places. Nothing is fetched: all data are in the page.
"use strict";

const scene = JSON.parse(document.getElementById("scene").textContent);
const $ = (id) => document.getElementById(id);
const [NX, NY, NZ] = scene.shape, CELLS = NX * NY * NZ, NONE = 255, LEVELS = 254;
const canvas = $("canvas"), stage = $("stage"), labels = $("labels");
const camera = { azimuth: -0.6, elevation: 0.5, distance: 1, target: [0, 0, 0], ve: scene.exaggeration };
const meshes = {}, cache = new Map();
let heights, gl, program, uniforms, lutTexture, values, layer, playing = 0, dirty = false, asked = 0;

// ---- data -----------------------------------------------------------------------------------------------------------------

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function volume(property, index) {
  const key = `${property}/${index}`;
  if (!cache.has(key)) {
    if (cache.size > 160) cache.delete(cache.keys().next().value);
    cache.set(key, new Uint8Array(await inflate(scene.properties[property].layers[index].data)));
  }
  return cache.get(key);
}

// Corner (a, b, c in 0, 1) of cell (i, j, k): x and y from the map, z from the box, from shared nodes, or the column's own.
function height(i, j, k, a, b, c) {
  const g = scene.geometry;
  if (g.kind === "box") return g.low + ((k + c) * (g.high - g.low)) / NZ;
  const place = g.kind === "nodes" ? ((i + a) * (NY + 1) + j + b) * (NZ + 1) + k + c
    : (((i * NY + j) * 2 + a) * 2 + b) * (NZ + 1) + k + c;
  return g.low + (heights[place] * (g.high - g.low)) / 65535;
}

function corner(i, j, k, a, b, c) {
  const [o, u, v] = scene.geometry.map, x = i + a, y = j + b;
  return [o[0] + x * u[0] + y * v[0], o[1] + x * u[1] + y * v[1], height(i, j, k, a, b, c)];
}

// ---- meshes ---------------------------------------------------------------------------------------------------------------

class Builder {
  constructor() { this.data = new Float32Array(1 << 16); this.size = 0; }
  quad(p, q, r, s, value, id) {
    if (this.size + 30 > this.data.length) { const d = new Float32Array(2 * this.data.length); d.set(this.data); this.data = d; }
    for (const t of [p, q, r, p, r, s]) {
      this.data.set(t, this.size);
      this.data[this.size + 3] = value;
      this.data[this.size + 4] = id;
      this.size += 5;
    }
  }
  upload(name) {
    const old = meshes[name], buffer = old ? old.buffer : gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, this.data.subarray(0, this.size), gl.DYNAMIC_DRAW);
    meshes[name] = { buffer, count: this.size / 5 };
  }
}

const FACES = [  // step to the neighbour, and the corners of the face towards it
  [-1, 0, 0, [[0, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]]], [1, 0, 0, [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1]]],
  [0, -1, 0, [[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]]], [0, 1, 0, [[0, 1, 0], [1, 1, 0], [1, 1, 1], [0, 1, 1]]],
  [0, 0, -1, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]], [0, 0, 1, [[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]],
];
const at = (i, j, k) => (i * NY + j) * NZ + k;

function* cells() {
  for (let i = 0; i < NX; i++) for (let j = 0; j < NY; j++) for (let k = 0; k < NZ; k++) yield [i, j, k];
}

// Whether the neighbour across a face has the same face: not across a fault, where columns are offset.
function joined(i, j, k, di, dj, dk, face) {
  if (scene.geometry.kind !== "columns" || dk) return true;
  return face.every(([a, b, c]) =>
    Math.abs(height(i, j, k, a, b, c) - height(i + di, j + dj, k, a - di, b - dj, c)) < scene.geometry.joint);
}

function shownCell(n, low, high) { return values[n] !== NONE && values[n] >= low && values[n] <= high; }

function buildBody() {
  const built = new Builder(), [low, high] = range();
  if ($("cells").checked) for (const [i, j, k] of cells()) {
    const n = at(i, j, k);
    if (!shownCell(n, low, high)) continue;
    for (const [di, dj, dk, face] of FACES) {
      const [x, y, z] = [i + di, j + dj, k + dk];
      const inside = x >= 0 && y >= 0 && z >= 0 && x < NX && y < NY && z < NZ;
      if (inside && shownCell(at(x, y, z), low, high) && joined(i, j, k, di, dj, dk, face)) continue;
      built.quad(...face.map((f) => corner(i, j, k, ...f)), values[n], n + 1);
    }
  }
  built.upload("body");
}

const middle = (p, q) => p.map((x, d) => (x + q[d]) / 2);

function buildSlices() {
  const built = new Builder();
  ["i", "j", "k"].forEach((name, axis) => {
    if (!$(`slice-${name}`).checked) return;
    const index = Number($(`at-${name}`).value), side = FACES[2 * axis][3];
    for (const cell of cells()) {
      const n = at(...cell);
      if (cell[axis] !== index || values[n] === NONE) continue;
      const ends = side.map((f) => {
        const other = f.slice();
        other[axis] = 1;
        return middle(corner(...cell, ...f), corner(...cell, ...other));
      });
      built.quad(...ends, values[n], n + 1);
    }
  });
  built.upload("slices");
}

function buildSurfaces(active) {
  for (const [name, c] of [["top", 1], ["base", 0]]) {
    const built = new Builder();
    for (let i = 0; i < NX; i++) for (let j = 0; j < NY; j++) {
      let k = c ? NZ - 1 : 0;
      while (k >= 0 && k < NZ && active[at(i, j, k)] === NONE) k += c ? -1 : 1;
      if (k >= 0 && k < NZ) built.quad(...[[0, 0], [1, 0], [1, 1], [0, 1]].map(([a, b]) => corner(i, j, k, a, b, c)), 0, 0);
    }
    built.upload(name);
  }
}

function ribbon(built, p, q, width, value) {
  const thin = width / camera.ve;
  for (const [x, y, z] of [[width, 0, 0], [0, width, 0], [0, 0, thin]]) {
    const move = (t, sign) => [t[0] + sign * x, t[1] + sign * y, t[2] + sign * z];
    built.quad(move(p, -1), move(p, 1), move(q, 1), move(q, -1), value, 0);
  }
}

function buildWells() {
  const built = new Builder(), sticks = new Builder(), property = Number($("property").value);
  const width = 0.004 * scene.width, above = scene.top + 0.06 * (scene.width / camera.ve);
  for (const well of scene.wells) {
    ribbon(sticks, well.path[0], [well.path[0][0], well.path[0][1], above], width / 3, 0);
    if (well.property !== property) { well.path.slice(1).forEach((p, n) => ribbon(sticks, well.path[n], p, width / 2, 0)); continue; }
    well.values.forEach((value, n) => ribbon(built, well.path[n], well.path[n + 1], width, value));
  }
  built.upload("wells");
  sticks.upload("sticks");
}

// ---- drawing --------------------------------------------------------------------------------------------------------------

const VERTEX = `#version 300 es
in vec3 place; in float value; in float id; uniform mat4 view; uniform float ve; out float v; out vec3 w; flat out float n;
void main() { w = vec3(place.xy, place.z * ve); v = value; n = id; gl_Position = view * vec4(w, 1.0); }`;
const FRAGMENT = `#version 300 es
precision highp float;
in float v; in vec3 w; flat in float n; uniform sampler2D lut; uniform vec4 plain; uniform bool picking; uniform vec3 light; out vec4 colour;
void main() {
  if (picking) { colour = vec4(mod(n, 256.0), mod(floor(n / 256.0), 256.0), floor(n / 65536.0), 255.0) / 255.0; return; }
  vec3 normal = normalize(cross(dFdx(w), dFdy(w)));
  float lit = 0.62 + 0.38 * abs(dot(normal, light));
  vec3 own = plain.a > 0.0 ? plain.rgb : texture(lut, vec2((v + 0.5) / 256.0, 0.5)).rgb;
  colour = vec4(own * lit, plain.a > 0.0 ? plain.a : 1.0);
}`;

function start() {
  gl = canvas.getContext("webgl2", { antialias: true });
  if (!gl) { $("message").textContent = "This browser offers no WebGL 2, which the view needs."; return false; }
  program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  ["place", "value", "id"].forEach((name, n) => gl.bindAttribLocation(program, n, name));
  gl.linkProgram(program);
  gl.useProgram(program);
  uniforms = Object.fromEntries(["view", "ve", "plain", "picking", "light"].map((n) => [n, gl.getUniformLocation(program, n)]));
  lutTexture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, lutTexture);
  for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
  for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
  gl.enable(gl.DEPTH_TEST);
  return true;
}

function axes() {
  const [sa, ca] = [Math.sin(camera.azimuth), Math.cos(camera.azimuth)], [se, ce] = [Math.sin(camera.elevation), Math.cos(camera.elevation)];
  const toEye = [ce * sa, -ce * ca, se], right = [ca, sa, 0], up = [-se * sa, se * ca, ce];
  return [right, up, toEye];
}
const dot = (p, q) => p[0] * q[0] + p[1] * q[1] + p[2] * q[2];

function viewMatrix() {
  const [r, u, d] = axes(), f = 1 / Math.tan(0.35), aspect = canvas.width / canvas.height;
  const scale = Math.min(1, aspect), near = camera.distance / 50, far = camera.distance * 8;
  const g = (far + near) / (far - near), h = (2 * far * near) / (far - near), t = camera.target;
  const rows = [  // clip x, y, z and w as linear functions of a place, its z exaggerated
    [...r.map((x) => (x * f * scale) / aspect), (-dot(r, t) * f * scale) / aspect],
    [...u.map((x) => x * f * scale), -dot(u, t) * f * scale],
    [...d.map((x) => -x * g), g * (camera.distance + dot(d, t)) - h],
    [...d.map((x) => -x), camera.distance + dot(d, t)],
  ];
  return new Float32Array([0, 1, 2, 3].flatMap((c) => rows.map((row) => row[c])));
}

function project(place, m) {
  const p = [place[0], place[1], place[2] * camera.ve, 1];
  const [x, y, , w] = [0, 1, 2, 3].map((r) => p.reduce((sum, v, c) => sum + v * m[4 * c + r], 0));
  return w <= 0 ? null : [(0.5 + x / w / 2) * stage.clientWidth, (0.5 - y / w / 2) * stage.clientHeight];
}

function buildFrame() {  // the edges of the box around the grid, and an arrow to the north
  const built = new Builder(), [o, u, v] = scene.geometry.map, line = (p, q) => built.quad(p, q, q, q, 0, 0);
  const foot = [[0, 0], [NX, 0], [NX, NY], [0, NY]].map(([a, b]) => [o[0] + a * u[0] + b * v[0], o[1] + a * u[1] + b * v[1]]);
  foot.forEach((p, n) => {
    const q = foot[(n + 1) % 4];
    for (const z of [scene.bottom, scene.top]) line([...p, z], [...q, z]);
    line([...p, scene.bottom], [...p, scene.top]);
  });
  const [x, y, z, long] = [Math.max(...foot.map((p) => p[0])), Math.max(...foot.map((p) => p[1])), scene.bottom, 0.08 * scene.width];
  const tip = [x, y + 2 * long, z];
  line([x, y + long, z], tip);
  for (const side of [-1, 1]) line([x + side * 0.2 * long, y + 1.7 * long, z], tip);
  addLabel("N", tip, "north");
  built.upload("frame");
}

function drawMesh(name, plain = [0, 0, 0, 0], mode = gl.TRIANGLES) {
  const mesh = meshes[name];
  if (!mesh || !mesh.count) return;
  gl.bindBuffer(gl.ARRAY_BUFFER, mesh.buffer);
  [[3, 0], [1, 12], [1, 16]].forEach(([size, offset], n) => {
    gl.enableVertexAttribArray(n);
    gl.vertexAttribPointer(n, size, gl.FLOAT, false, 20, offset);
  });
  gl.uniform4fv(uniforms.plain, plain);
  gl.drawArrays(mode, 0, mesh.count);
}

function paint(picking) {
  const m = viewMatrix(), [, u, d] = axes();
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.clearColor(...(picking ? [0, 0, 0, 0] : [0.955, 0.963, 0.97, 1]));
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.uniformMatrix4fv(uniforms.view, false, m);
  gl.uniform1f(uniforms.ve, camera.ve);
  gl.uniform1i(uniforms.picking, picking ? 1 : 0);
  gl.uniform3fv(uniforms.light, [0, 1, 2].map((n) => 0.75 * d[n] + 0.66 * u[n]));
  drawMesh("body");
  drawMesh("slices");
  if (picking) return m;
  if ($("wells").checked) { drawMesh("wells"); drawMesh("sticks", [0.1, 0.12, 0.14, 1]); }
  drawMesh("frame", [0.45, 0.5, 0.55, 1], gl.LINES);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  gl.depthMask(false);
  for (const [name, colour] of [["base", [0.35, 0.3, 0.25, 0.5]], ["top", [0.3, 0.45, 0.6, 0.4]]]) if ($(name).checked) drawMesh(name, colour);
  gl.depthMask(true);
  gl.disable(gl.BLEND);
  return m;
}

function fit() {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const size = [stage.clientWidth, stage.clientHeight].map((length) => Math.max(1, Math.round(length * ratio)));
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;  // which clears it
}

function draw() {
  dirty = false;
  placeLabels(paint(false));
  document.body.dataset.state = gl.getError() ? "failed" : values ? "drawn" : "loading";
}

function redraw() {
  if (!dirty) requestAnimationFrame(draw);
  dirty = true;
}

function placeLabels(m) {
  for (const label of labels.children) {
    const place = project(label.place, m), hidden = !place || (label.well && !$("wells").checked);
    label.hidden = hidden;
    if (!hidden) label.style.transform = `translate(${place[0]}px, ${place[1]}px)`;
  }
}

function addLabel(words, place, kind) {
  const label = document.createElement("span");
  label.textContent = words;
  label.className = kind;
  label.place = place;
  label.well = kind === "well";  // these stand above the grid, and move with its exaggeration
  labels.append(label);
}

// ---- controls -------------------------------------------------------------------------------------------------------------

const property = () => scene.properties[Number($("property").value)];
const spoken = (x) => (Math.abs(x) >= 1e5 ? x.toFixed(0) : String(Number(x.toPrecision(3))));
const real = (code) => layer.low + ((layer.high - layer.low) * code) / LEVELS;

function range() {
  const ends = [Number($("low").value), Number($("high").value)];
  return layer.facies ? ends : [Math.min(...ends), Math.max(...ends)];
}

async function live() {  // the share of realizations whose value lies in the range that is set for them
  const own = property(), [first, last] = own.realizations, found = new Float32Array(CELLS);
  const cut = Number($("cutoff").value);
  let total = 0, last_one;
  for (let n = first; n < last; n++) {
    const drawn = last_one = await volume(Number($("property").value), n), weight = own.layers[n].weight;
    total += weight;
    for (let c = 0; c < CELLS; c++) if (own.facies ? drawn[c] === cut : drawn[c] > cut) found[c] += weight;
  }
  return Uint8Array.from(found, (share, c) => (last_one[c] === NONE ? NONE : Math.round((LEVELS * share) / total)));
}

async function show() {
  const turn = ++asked, own = property(), chosen = $("show").value;
  const next = chosen === "live" ? { label: "probability", low: 0, high: 1, unit: "", lut: "spread" } : own.layers[Number(chosen)];
  const found = chosen === "live" ? await live() : await volume(Number($("property").value), Number(chosen));
  if (turn !== asked) return;  // another one was chosen meanwhile
  const same = layer && layer.low === next.low && layer.high === next.high && !layer.facies === !next.facies;
  [layer, values] = [next, found];
  $("cutoffs").hidden = chosen !== "live";
  $("step").value = chosen === "live" ? $("step").value : chosen;
  if (!same) {
    const most = layer.facies ? layer.facies.length - 1 : LEVELS;
    for (const [id, at] of [["low", layer.facies ? 0 : Math.round(LEVELS * layer.start)], ["high", most]]) { $(id).max = most; $(id).value = at; }
  }
  setColours();
  rebuild();
}

function setColours() {
  const bytes = Uint8Array.from(atob(layer.facies ? layer.lut : scene.luts[layer.lut]), (letter) => letter.charCodeAt(0));
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, bytes);
  const pen = $("legend").getContext("2d"), count = layer.facies ? layer.facies.length : 256;
  for (let n = 0; n < 256; n++) {
    const c = 3 * Math.min(255, layer.facies ? Math.floor((n * count) / 256) : n);
    pen.fillStyle = `rgb(${bytes[c]}, ${bytes[c + 1]}, ${bytes[c + 2]})`;
    pen.fillRect(n, 0, 1, 1);
  }
  $("legend-low").textContent = layer.facies ? layer.facies.join(" | ") : spoken(layer.low);
  $("legend-high").textContent = layer.facies ? "" : spoken(layer.high);
  $("legend-name").textContent = layer.label + (layer.unit ? ` (${layer.unit})` : "");
}

function rebuild() {
  buildBody();
  buildSlices();
  buildWells();
  document.body.dataset.faces = String((meshes.body.count + meshes.slices.count) / 6);
  const [low, high] = range();
  const count = values.reduce((sum, v) => sum + (v !== NONE && v >= low && v <= high), 0), all = values.reduce((sum, v) => sum + (v !== NONE), 0);
  const ends = layer.facies ? `${layer.facies[low]} to ${layer.facies[high]}` : `${spoken(real(low))} to ${spoken(real(high))}`;
  $("range-words").textContent = `${ends}: ${all ? ((100 * count) / all).toFixed(1) : 0} % of the cells`;
  const own = property(), cut = Number($("cutoff").value);
  $("cutoff-words").textContent = own.facies ? own.facies[cut] : spoken(own.low + ((own.high - own.low) * cut) / LEVELS);
  for (const name of ["i", "j", "k"]) $(`words-${name}`).textContent = String(Number($(`at-${name}`).value) * scene.stride["ijk".indexOf(name)]);
  redraw();
}

function chooseProperty() {
  const own = property(), list = $("show"), add = (value, words) => list.append(new Option(words, value));
  list.replaceChildren();
  own.layers.forEach((one, n) => add(n, one.label));
  add("live", own.facies ? "probability of a facies" : "probability of more than a cutoff");
  $("step").max = own.layers.length - 1;
  $("cutoff").max = own.facies ? own.facies.length - 1 : LEVELS;
  $("cutoff").value = own.facies ? own.facies.length - 1 : LEVELS / 2;
  list.value = String(own.first);
  layer = undefined;
  return show();
}

function step(by) {
  const count = property().layers.length, now = $("show").value === "live" ? -1 : Number($("show").value);
  $("show").value = String((now + by + count) % count);
  return show();
}

function play() {
  if (playing) { clearInterval(playing); playing = 0; } else {
    const [first, last] = property().realizations;
    playing = setInterval(() => {
      const now = Number($("show").value);
      $("show").value = String(now >= first && now + 1 < last ? now + 1 : first);
      show();
    }, 700);
  }
  $("play").textContent = playing ? "Stop" : "Play realizations";
}

function look(azimuth, elevation) {
  Object.assign(camera, { azimuth, elevation, distance: 1.5 * Math.hypot(scene.width, (scene.top - scene.bottom) * camera.ve) });
  camera.target = [0, 0, ((scene.top + scene.bottom) / 2) * camera.ve];
  redraw();
}

function pick(event) {
  const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width, pixel = new Uint8Array(4);
  paint(true);
  gl.readPixels((event.clientX - box.left) * ratio, canvas.height - (event.clientY - box.top) * ratio, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  redraw();
  const n = pixel[0] + 256 * pixel[1] + 65536 * pixel[2] - 1;
  if (n < 0) { $("readout").textContent = "Click a cell to read its value."; return; }
  const cell = [Math.floor(n / NY / NZ), Math.floor(n / NZ) % NY, n % NZ];
  const place = middle(corner(...cell, 0, 0, 0), corner(...cell, 1, 1, 1)).map((x, d) => x + scene.origin[d]);
  const value = layer.facies ? layer.facies[values[n]] : spoken(real(values[n]));
  const index = cell.map((c, d) => c * scene.stride[d]);
  $("readout").textContent = `${layer.label}: ${value} in cell ${index.join(", ")}, at x ${place[0].toFixed(0)}, y ${place[1].toFixed(0)}, z ${place[2].toFixed(1)} m`;
}

function steer() {
  const fingers = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, event); canvas.setPointerCapture(event.pointerId); moved = 0; });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    moved += Math.abs(dx) + Math.abs(dy);
    const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
    if (other) {
      const apart = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
      camera.distance *= apart(before) / Math.max(apart(event), 1);
    }
    if (other || event.buttons === 2 || event.shiftKey) pan(dx, dy); else turn(dx * 0.008, dy * 0.008);
    fingers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => {
    fingers.delete(event.pointerId);
    if (end === "pointerup" && moved < 4) pick(event);
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); camera.distance *= Math.exp(event.deltaY * 0.001); redraw(); }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
    if (turns) turn(...turns); else if ("+=".includes(event.key)) camera.distance /= 1.1; else if (event.key === "-") camera.distance *= 1.1; else return;
    event.preventDefault();
    redraw();
  });
}

function turn(dx, dy) {
  camera.azimuth -= dx;
  camera.elevation = Math.max(-1.55, Math.min(1.55, camera.elevation + dy));
  redraw();
}

function pan(dx, dy) {
  const [r, u] = axes(), scale = (0.73 * camera.distance) / Math.min(stage.clientHeight, stage.clientWidth);
  camera.target = camera.target.map((x, d) => x - (dx * r[d] - dy * u[d]) * scale);
  redraw();
}

async function main() {
  scene.properties.forEach((own, n) => $("property").append(new Option(own.name, n)));
  ["i", "j", "k"].forEach((name, axis) => { $(`at-${name}`).max = scene.shape[axis] - 1; $(`at-${name}`).value = scene.slices[axis]; });
  for (const well of scene.wells) addLabel(well.name, [well.path[0][0], well.path[0][1], scene.top + (0.06 * scene.width) / camera.ve], "well");
  for (const mark of scene.marks) addLabel(mark.words, mark.place, "mark");
  if (!scene.wells.length) $("well-line").hidden = true;
  $("ve").value = camera.ve;
  $("ve-words").textContent = spoken(camera.ve);
  if (!start()) { document.body.dataset.state = "no-webgl"; return; }
  fit();
  if (scene.geometry.data) heights = new Uint16Array(await inflate(scene.geometry.data));
  look(camera.azimuth, camera.elevation);
  buildFrame();
  buildSurfaces(await volume(0, 0));
  await chooseProperty();
  $("property").addEventListener("change", chooseProperty);
  $("show").addEventListener("change", show);
  $("step").addEventListener("input", () => { $("show").value = $("step").value; show(); });
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("play").addEventListener("click", play);
  $("cutoff").addEventListener("input", show);
  for (const id of ["low", "high", "cells", "slice-i", "slice-j", "slice-k", "at-i", "at-j", "at-k"]) $(id).addEventListener("input", rebuild);
  for (const id of ["wells", "top", "base"]) $(id).addEventListener("input", redraw);
  $("ve").addEventListener("input", () => {
    camera.target[2] *= Number($("ve").value) / camera.ve;
    camera.ve = Number($("ve").value);
    $("ve-words").textContent = spoken(camera.ve);
    for (const label of labels.children) if (label.well) label.place[2] = scene.top + (0.06 * scene.width) / camera.ve;
    buildWells();
    redraw();
  });
  for (const [id, angles] of [["from-above", [0, 1.55]], ["from-south", [0, 0.02]], ["reset", [-0.6, 0.5]]]) $(id).addEventListener("click", () => look(...angles));
  steer();
  new ResizeObserver(() => { fit(); draw(); }).observe(stage);  // at once, for a new size clears the canvas
}

main();
