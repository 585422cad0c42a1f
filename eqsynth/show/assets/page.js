"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const STEP = 48; // cards added at a time
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; texts become text nodes, so nothing is read as markup. */
function make(tag, attributes = {}, ...children) {
  const space = make.svg.has(tag) ? SVG : null;
  const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined).map((child) => (typeof child === "number" ? String(child) : child)));
  return element;
}
make.svg = new Set(["svg", "g", "path", "rect", "circle", "text", "line"]);
const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
const signed = (value) => (value > 0 ? `+${value}` : value < 0 ? `−${-value}` : "0");

// --- tooltip ----------------------------------------------------------------------------------------

const tip = byId("tip");
function showTip(x, y, ...content) {
  tip.replaceChildren(...content);
  tip.hidden = false;
  tip.style.left = "0"; // so that the edge of the page does not narrow it while it is measured
  const box = tip.getBoundingClientRect();
  const left = Math.max(6, Math.min(x + 14, document.documentElement.clientWidth - box.width - 6));
  const below = y + 18 + box.height < innerHeight;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(below ? y + 18 : Math.max(6, y - box.height - 12)) + scrollY}px`;
}
const hideTip = () => { tip.hidden = true; };
const tipAt = (element, ...content) => {
  const box = element.getBoundingClientRect();
  showTip(box.left + box.width / 2 - 14, box.bottom - 8, ...content);
};
addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
/** Shows a text while the pointer or the focus is on an element. */
function explain(element, content) {
  const show = () => tipAt(element, ...[content()].flat());
  element.addEventListener("pointerenter", show);
  element.addEventListener("focus", show);
  element.addEventListener("pointerleave", hideTip);
  element.addEventListener("blur", hideTip);
  return element;
}

// --- pictures ---------------------------------------------------------------------------------------

function picture(drawn, label, scale = 42) {
  const wide = Math.min(drawn.w * scale, 300);
  const svg = make("svg", { class: "eqsynth-drawing", role: "img", "aria-label": label, viewBox: `0 0 ${drawn.w} ${drawn.h}`, width: wide.toFixed(1), height: ((wide * drawn.h) / drawn.w).toFixed(1) });
  // The marks are written by eqsynth itself, their texts escaped.
  svg.innerHTML = `<g ${data.ink}>${drawn.marks.map((mark) => data.pieces[mark]).join("")}</g>`;
  return svg;
}

const grid = data.matrix;
const rows = grid ? grid.outputs.reduce((a, b) => a * b, 1) : 0;
const columns = grid ? grid.inputs.reduce((a, b) => a * b, 1) : 0;
function entry(map, row, column) {
  const value = map.matrix[row * columns + column];
  return typeof value === "string" ? { "+": 1, "-": -1, 0: 0 }[value] : value;
}
function unravel(place, sizes) {
  const index = [];
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    index.unshift(place % sizes[axis]);
    place = Math.floor(place / sizes[axis]);
  }
  return index;
}
const at = (name, index) => (index.length ? `${name}[${index.join(",")}]` : name);

/** Why one diagram's entry is 0; otherwise nothing, and what it is made of goes to the list `said`. */
function reasonOfPart(part, index, axis, l, n, factor, of, said) {
  const first = new Map();
  const minus = (label) => factor.form === "eta" && factor.signs[label] < 0;
  for (const [vertex, block] of part.labels.entries()) {
    if (!first.has(block)) { first.set(block, vertex); continue; }
    const other = first.get(block);
    const [one, two] = [index[other], index[vertex]];
    const inside = other < l === vertex < l;
    if (factor.form === "omega" && inside) {
      if ((one ^ 1) !== two) return `${axis(other)} is ${one} and ${axis(vertex)} is ${two}${of}: ω joins 0 with 1, 2 with 3 and so on, so it is 0 here.`;
      said.push(`ω[${one},${two}] = ${one % 2 ? "−1" : "+1"} on ${axis(other)} and ${axis(vertex)}`);
    } else if (one !== two) {
      return `${axis(other)} is ${one}, but ${axis(vertex)} is ${two}${of}: this map joins them, so they must agree.`;
    } else if (factor.form === "eta" && inside) {
      said.push(`η[${one},${one}] = ${minus(one) ? "−1" : "+1"} on ${axis(other)} and ${axis(vertex)}`);
    } else said.push(`${axis(other)} = ${axis(vertex)} = ${one}${of}`);
  }
  const ends = part.head.map((block) => first.get(block));
  // Several heads take n indices each; one alone may lack the last.
  for (let start = 0; start < ends.length; start += n) {
    const taken = ends.slice(start, start + n).map((vertex) => index[vertex]);
    const same = taken.find((label, place) => taken.indexOf(label) !== place);
    if (same !== undefined) return `The head ε needs different numbers, but ${same} comes twice among ${taken.join(", ")}${of}.`;
    const full = taken.length < n ? [...taken, [...Array(n).keys()].find((label) => !taken.includes(label))] : taken;
    let odd = 0;
    for (let i = 0; i < full.length; i++) for (let j = i + 1; j < full.length; j++) odd ^= full[i] > full[j] ? 1 : 0;
    said.push(`ε[${full.join(",")}] = ${odd ? "−1, an odd" : "+1, an even"} permutation`);
  }
  for (const vertex of ends) if (vertex >= l && minus(index[vertex])) said.push(`η[${index[vertex]},${index[vertex]}] = −1 on ${axis(vertex)}`);
  return "";
}

/** Why an entry is what it is, from the blocks of the diagram. */
function reason(map, value, row, column) {
  const said = [];
  if (!map.parts.length) return "The sum of the diagram's entries over the orders of the output axes that the words name.";
  const sort = map.parts.map((part) => part.sort).find(Boolean);
  if (sort === "graph") return `${Math.abs(value)} ways to place the letters of the formula on vertices so that every A[..] is an edge.`;
  if (sort === "matrix") return "An entry of an exact solution of the group's equations.";
  if (sort === "orbit") return value ? "These indices belong to the orbit: the group moves the first place of the formula here." : "The group never moves the first place of the formula here.";
  let number = 0;
  let top = 0;
  let bottom = 0;
  for (const [place, factor] of data.factors.entries()) {
    const [l, k] = [data.outputs[place], data.inputs[place]];
    const axes = [...row.slice(top, top + l), ...column.slice(bottom, bottom + k)];
    // An axis of a wreath product has several indices, of which the first changes slowest.
    const lengths = factor.indices.map(([, length]) => length);
    for (const [digit, [name, n]] of factor.indices.entries()) {
      const part = map.parts[number++];
      const index = axes.map((label) => unravel(label, lengths)[digit]);
      const axis = (vertex) => (vertex < l ? `output axis ${top + vertex}` : `input axis ${bottom + vertex - l}`);
      const of = map.parts.length > 1 ? ` (${name})` : "";
      const wrong = reasonOfPart(part, index, axis, l, n, factor, of, said);
      if (wrong) return wrong;
    }
    top += l;
    bottom += k;
  }
  return said.length ? `${said.join("; ")}.` : "No axes are joined: every entry of the input is added everywhere.";
}

function meaning(map, place) {
  const [r, c] = [Math.floor(place / columns), place % columns];
  const [row, column] = [unravel(r, grid.outputs), unravel(c, grid.inputs)];
  const value = entry(map, r, c);
  const head = `Row (${row.join(", ")}), column (${column.join(", ")}): ${signed(value)}`;
  const times = Math.abs(value) === 1 ? "" : `${Math.abs(value)} × `;
  const receives = value ? `${at("y", row)} receives ${value < 0 ? "minus " : ""}${times}${at("x", column)}.` : `${at("y", row)} does not see ${at("x", column)}.`;
  const why = reason(map, value, row, column);
  return { r, c, head, receives, why: why.replace(/^[a-z]/, (letter) => letter.toUpperCase()) };
}

function matrixPicture(map, label) {
  // Wide and flat ones get the width of a card.
  const cell = Math.min(16, (columns > 4 * rows ? 300 : 170) / Math.max(rows, columns));
  const small = Math.max(rows, columns) <= 30;
  const svg = make("svg", { viewBox: `0 0 ${columns} ${rows}`, width: Math.max(columns * cell, 8).toFixed(1), height: Math.max(rows * cell, 8).toFixed(1), "aria-hidden": "true" });
  const lines = (step, count, across) => {
    let path = "";
    for (let place = step; place < count; place += step) path += across ? `M0 ${place}H${columns}` : `M${place} 0V${rows}`;
    return path;
  };
  if (small) svg.append(make("path", { class: "fine", d: lines(1, rows, true) + lines(1, columns, false) }));
  const numbers = [];
  const last = (sizes) => sizes.slice(1).reduce((a, b) => a * b, 1);
  svg.append(make("path", { class: "coarse", d: (grid.outputs.length > 1 ? lines(last(grid.outputs), rows, true) : "") + (grid.inputs.length > 1 ? lines(last(grid.inputs), columns, false) : "") }));
  // One path for all entries of one value; without gaps between cells, a run in a row is one mark.
  const paths = new Map();
  let most = 1;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const value = entry(map, r, c);
      if (!value) continue;
      most = Math.max(most, Math.abs(value));
      let stop = c + 1;
      if (!small) while (stop < columns && entry(map, r, stop) === value) stop++;
      paths.set(value, (paths.get(value) ?? "") + (value === -1 && small
        ? `M${c + 0.18} ${r + 0.18}h.64v.64h-.64zM${c + 0.34} ${r + 0.5}h.32`
        : small ? `M${c + 0.1} ${r + 0.1}h.8v.8h-.8z` : `M${c} ${r + (value < 0 ? 0.3 : 0)}h${stop - c}v${value < 0 ? 0.4 : 1}h${c - stop}z`));
      if (small && Math.abs(value) > 1) numbers.push(make("text", { class: "number", x: c + 0.5, y: r + 0.72, style: `font-size:${Math.min(0.62, 1.3 / signed(value).length)}px` }, String(value)));
      c = stop - 1;
    }
  }
  for (const [value, path] of paths) {
    // Where other numbers than 1 and -1 occur, small cells have the number, and others a shade that grows with it.
    const shade = most === 1 ? null : small ? (Math.abs(value) > 1 ? 0.2 : null) : 0.15 + (0.85 * Math.abs(value)) / most;
    svg.append(make("path", { class: value > 0 ? "plus" : small && value === -1 ? "minus" : "less", "fill-opacity": shade, d: path }));
  }
  svg.append(...numbers);
  svg.append(make("rect", { class: "frame", x: 0, y: 0, width: columns, height: rows }));
  const cursor = make("rect", { class: "cursor", width: 1, height: 1, visibility: "hidden" });
  svg.append(cursor);
  const count = nonzero(map);
  const around = make("div", {
    class: "matrix", tabindex: -1, role: "application", "aria-roledescription": "matrix",
    "aria-label": `${label}: ${rows} by ${columns} matrix, ${plural(count, "entry is", "entries are")} not zero. Arrow keys read the entries.`,
  }, svg);
  let place = 0;
  const point = (to, keyboard) => {
    place = to;
    const pointed = meaning(map, place);
    cursor.setAttribute("x", pointed.c);
    cursor.setAttribute("y", pointed.r);
    cursor.setAttribute("visibility", "visible");
    const box = svg.getBoundingClientRect();
    showTip(box.left + ((pointed.c + 0.5) / columns) * box.width, box.top + ((pointed.r + 1) / rows) * box.height - 8, make("b", {}, pointed.head), make("br"), pointed.receives, make("br"), pointed.why);
    if (keyboard) byId("say").textContent = `${pointed.head}. ${pointed.receives} ${pointed.why}`;
  };
  const leave = () => { cursor.setAttribute("visibility", "hidden"); hideTip(); };
  around.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const c = Math.min(columns - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * columns)));
    const r = Math.min(rows - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * rows)));
    point(r * columns + c, false);
  });
  around.addEventListener("pointerleave", leave);
  around.addEventListener("blur", leave);
  around.addEventListener("focus", () => { if (around.matches(":focus-visible")) point(place, true); });
  around.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (event.key === "Escape") around.closest(".card").focus();
    if (event.key === "Enter") event.stopPropagation();
    if (move === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = place + move;
    const sideways = Math.abs(move) === 1 && columns > 1 && Math.floor(next / columns) !== Math.floor(place / columns);
    if (next >= 0 && next < rows * columns && !sideways && !(Math.abs(move) === 1 && columns === 1)) point(next, true);
  });
  return around;
}
function nonzero(map) {
  if (map.full === undefined) {
    map.full = 0;
    for (const value of map.matrix) if (value !== "0" && value !== 0) map.full++;
  }
  return map.full;
}

// --- heading ----------------------------------------------------------------------------------------

const [from, to] = data.spaces;
const brief = (space) => space.replace(/^an? /, "").replace(/ numbers$/, "");
const product = data.product; // of inputs; null for linear maps
const multiplied = product && product.factors.map(([, space, times]) => Array(times).fill(brief(space))).flat().join(" ⊗ ");
byId("heading").textContent = `${data.group}: ${product ? multiplied : brief(from)} → ${brief(to)}`;
const many = data.count !== 1;
if (product) byId("lead").append(
  ...(product.kept
    ? [`A ${product.sentence} has the symmetry of ${data.group} exactly when it is a weighted sum of `, make("strong", {}, plural(product.kept, "map", "maps")), " on this page, applied to the product ", make("code", {}, product.equation), `. A layer that eqsynth makes has one weight for each${product.fewer ? ` (${product.fewer})` : ""}.`]
    : [`No ${product.sentence} has the symmetry of ${data.group}, except the one that is always zero.`]),
);
else byId("lead").append(
  ...(data.count
    ? [`A linear map from x, ${from}, to y, ${to}, has the symmetry of ${data.group} exactly when it is a weighted sum of the `, make("strong", {}, plural(data.count, "map", "maps")), ` on this page. A layer that eqsynth makes has one weight for each${many ? "" : " (that is, one)"}, for every pair of channels, and can do nothing else.`]
    : [`No linear map from x, ${from}, to y, ${to}, has the symmetry of ${data.group}, except the one that is always zero.`]),
);
byId("meaning").append(make("b", {}, "The symmetry: "), `${data.symmetry} `, make("span", { style: "color:var(--soft)" }, `(${data.group} is the ${data.title.replaceAll("R^n", "Rⁿ")}.)`));
const facts = [
  [(product ? product.kept : data.count).toLocaleString("en"), (product ? product.kept !== 1 : many) ? "independent maps" : "independent map"],
  [data.dense, "weights without symmetry"],
  [data.left.count.toLocaleString("en"), data.left.count === 1 ? "redundant diagram left out" : "redundant diagrams left out"],
];
if (product?.fewer) facts.splice(1, 1); // a polynomial has fewer weights than its product
byId("facts").append(...facts.map(([value, name]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
const bytes = [...document.querySelectorAll("script, style, noscript")].reduce((sum, element) => sum + new Blob([element.textContent]).size, 2500);
byId("foot").textContent = `Made by eqsynth ${data.version}. This file, about ${Math.ceil(bytes / 1000).toLocaleString("en")} kB, holds everything it shows and loads nothing.`;

const theme = byId("theme");
function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  theme.setAttribute("aria-pressed", String(dark));
  theme.textContent = dark ? "Light" : "Dark";
  theme.setAttribute("aria-label", `Use ${dark ? "light" : "dark"} colours`);
}
const prefers = matchMedia("(prefers-color-scheme: dark)");
setTheme(prefers.matches);
prefers.addEventListener("change", (event) => setTheme(event.matches));
theme.addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));

// --- cards ------------------------------------------------------------------------------------------

const sentence = (line) => `${line[0].toUpperCase()}${line.slice(1)}.`;
const guide = data.legend.map(sentence);
guide.push("The formula says the same with letters: y[a] += x[b,b] adds x[b,b] to y[a] for all a and b.");
if (product) guide.push(`The input x is the product ${product.equation}.`);
if (grid) {
  const small = make("span", {}, "The matrix: one row for each place of the output, one column for each place of the input, the first axis changing slowest");
  small.append(data.factors.length === 1 ? `, drawn for n = ${grid.sizes[0]}. ` : ", drawn at these sizes: ", data.factors.length === 1 ? "" : `${data.factors.map((factor, i) => `${factor.name} at ${grid.sizes[i]}`).join(", ")}. `);
  small.append(`${Math.max(rows, columns) <= 30 ? "A full square is +1, a hollow square with a bar −1, empty 0; other numbers are written." : "A full square is above 0 (+1, unless shades tell larger numbers apart), a flat bar below 0, empty 0."} Point at an entry to read what it does.`);
  if (grid.corner.length) small.append(` It shows the corner of the first indices (${grid.corner.join(", ")}); the rest follows the same rule.`);
  guide.push(small);
}
guide.push("Below stand the kind of map, in the words of the papers, and how many entries of the matrix are not zero.");
if (data.maps.some((map) => map.transfers.length)) guide.push("Maps that transfer mean the same at every size: with repeated nodes where sums are divided by n (repeat), or with more nodes of zeros where they are not (pad).");
if (data.maps.some((map) => map.cost)) guide.push("The cost is per sample for C channels in and C out: the term with C² is multiply-adds to mix channels, terms with C are additions.");
guide.push("Keys: Tab reaches the cards, arrows go from card to card, Enter goes into the matrix, arrows read its entries, Escape leaves it.");
byId("how-text").append(make("ul", {}, guide.map((line) => make("li", typeof line === "string" && line.startsWith("Keys:") ? { class: "hint" } : {}, line))));
if (!grid && data.count) byId("how-text").append(make("p", {}, "The matrices are too large to draw here; in Python, eq.basis(...).matrices() has them."));
if (!data.count) {
  byId("how").before(make("p", {}, "There is none: every map with this symmetry is zero."));
  byId("how").style.display = "none";
}
byId("about-title").textContent = `${facts[0].join(" ")}: the symmetry, and what they are for`;
// A phone shows the first map at once: what is above it opens when it is asked for.
const narrow = matchMedia("(max-width: 34rem)");
function unfold() {
  byId("about").open = byId("sieve").open = !narrow.matches;
  byId("how").open = data.count > 0 && !narrow.matches;
}
unfold();
narrow.addEventListener("change", unfold);

function card(number) {
  const map = data.maps[number];
  const label = `Map ${number}`;
  const entries = grid ? `${plural(nonzero(map), "entry", "entries")} of ${(rows * columns).toLocaleString("en")} at n = ${[...new Set(grid.sizes)].join(", ")}` : "";
  const item = make("li", { class: "card", id: `map-${number}`, tabindex: -1, "aria-labelledby": `name-${number} words-${number}` },
    make("h3", { id: `name-${number}` }, make("b", {}, `#${number}`), make("span", { class: "formula" }, map.formula)),
    make("p", { id: `words-${number}` }, map.words),
    make("div", { class: "pair" }, picture(map.picture, `Diagram of map ${number}: ${map.formula}`), grid ? matrixPicture(map, label) : null),
    make("p", { class: "cost" }, [...(product ? [map.weight || "no weight of its own"] : []), map.kind, map.cost ? `cost ${map.cost}` : "", map.transfers.length ? `transfers: ${map.transfers.join(", ")}` : "", entries].filter(Boolean).join(" · ")));
  return item;
}

const cards = byId("cards");
const controls = { filter: byId("filter"), kind: byId("kind"), axes: byId("axes"), sort: byId("sort") };
const fill = (select, values, all) => select.append(make("option", { value: "" }, all), ...values.map((value) => make("option", { value }, String(value))));
const kinds = [...new Set(data.maps.map((map) => map.kind))];
const carried = [...new Set(data.maps.map((map) => map.key[0]))].sort((a, b) => a - b);
fill(controls.kind, kinds, "all");
fill(controls.axes, carried, "any number");
byId("kind-label").hidden = kinds.length < 2;
byId("axes-label").hidden = carried.length < 2;
byId("kind-label").style.display = kinds.length < 2 ? "none" : "";
byId("axes-label").style.display = carried.length < 2 ? "none" : "";
if (!data.maps.some((map) => map.cost)) for (const name of ["cheap", "costly"]) controls.sort.querySelector(`[value=${name}]`).remove();
byId("sieve").hidden = data.count < 2;
const texts = data.maps.map((map, number) => `#${number} ${map.formula} ${map.words} ${map.kind}`.toLowerCase());

let order = [];
let built = 0;
function arrange() {
  const wanted = controls.filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const exact = (word, text) => (/^#\d+$/.test(word) ? text.startsWith(`${word} `) : text.includes(word));
  order = data.maps.map((_, number) => number).filter((number) =>
    wanted.every((word) => exact(word, texts[number]))
    && (!controls.kind.value || data.maps[number].kind === controls.kind.value)
    && (!controls.axes.value || data.maps[number].key[0] === Number(controls.axes.value)));
  const cost = (a, b) => data.maps[a].key[0] - data.maps[b].key[0] || data.maps[a].key[1] - data.maps[b].key[1];
  const sorts = {
    number: (a, b) => a - b,
    cheap: cost,
    costly: (a, b) => cost(b, a),
    full: (a, b) => (grid ? nonzero(data.maps[b]) - nonzero(data.maps[a]) : 0),
    formula: (a, b) => (data.maps[a].formula < data.maps[b].formula ? -1 : 1),
  };
  order.sort((a, b) => sorts[controls.sort.value](a, b) || a - b);
  cards.replaceChildren();
  built = 0;
  grow(STEP);
}
function grow(by) {
  cards.append(...order.slice(built, built + by).map(card));
  built = Math.min(order.length, built + by);
  // Cards out of sight need no layout; but then links into the page are exact only as far as sizes are known.
  cards.classList.toggle("many", built > 3 * STEP);
  const left = order.length - built;
  byId("more").hidden = !left;
  byId("more").textContent = `Show ${Math.min(STEP, left)} more of ${left.toLocaleString("en")}`;
  const cut = data.maps.length < data.count ? ` (the first of ${data.count.toLocaleString("en")})` : "";
  byId("shown").textContent = order.length ? `${order.length.toLocaleString("en")} of ${plural(data.maps.length, "map", "maps")}${cut}` : "no map matches";
  if (cards.firstElementChild && !cards.querySelector('.card[tabindex="0"]')) cards.firstElementChild.tabIndex = 0;
}
byId("more").addEventListener("click", () => {
  const next = built;
  grow(STEP);
  focusCard(cards.children[next]);
});
for (const control of Object.values(controls)) control.addEventListener(control === controls.filter ? "input" : "change", arrange);
byId("tools").addEventListener("submit", (event) => event.preventDefault());
function focusCard(target) {
  if (!target) return;
  for (const other of cards.querySelectorAll('.card[tabindex="0"]')) other.tabIndex = -1;
  target.tabIndex = 0;
  target.focus();
}
cards.addEventListener("keydown", (event) => {
  const here = event.target.closest(".card");
  if (!here || event.target !== here) return;
  if (event.key === "Enter") {
    here.querySelector(".matrix")?.focus();
    event.preventDefault();
    return;
  }
  const place = [...cards.children].indexOf(here);
  const across = Math.max(1, [...cards.children].filter((other) => other.offsetTop === cards.firstElementChild.offsetTop).length);
  const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -place, End: cards.children.length - 1 - place }[event.key];
  if (move === undefined) return;
  event.preventDefault();
  if (place + move >= cards.children.length) grow(STEP);
  focusCard(cards.children[Math.min(cards.children.length - 1, Math.max(0, place + move))]);
});
cards.addEventListener("focusin", (event) => {
  const here = event.target.closest(".card");
  if (here && here.tabIndex !== 0) for (const other of cards.querySelectorAll('.card[tabindex="0"]')) other.tabIndex = -1;
  if (here) here.tabIndex = 0;
});
/** Goes to a map, whatever the filter shows. */
function reveal(number) {
  let element = byId(`map-${number}`);
  if (!element) {
    for (const name of ["filter", "kind", "axes"]) controls[name].value = "";
    controls.sort.value = "number";
    arrange();
    if (built <= number) grow(number + 1 - built);
    element = byId(`map-${number}`);
  }
  element.scrollIntoView({ block: "center" });
  focusCard(element);
}
if (data.count) arrange();
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    byId("sieve").open = true;
    controls.filter.focus();
  }
});

// --- left out ---------------------------------------------------------------------------------------

function term([number, numerator, denominator], place, formulas) {
  const negative = numerator.startsWith("-");
  const size = numerator.replace("-", "");
  const factor = denominator === "1" ? (size === "1" ? "" : `${size} `) : `${size}/${denominator} `;
  const sign = negative ? (place ? " − " : "−") : place ? " + " : "";
  const formula = formulas.length ? formulas[number] : data.maps[number]?.formula ?? "";
  if (formulas.length) return [sign, factor, explain(make("a", { tabindex: 0, role: "note", "aria-label": formula }, `[${number}]`), () => make("code", {}, formula))];
  const link = make("a", { href: `#map-${number}`, "aria-label": `${factor}map ${number}, ${formula}`, onclick: (event) => { event.preventDefault(); reveal(number); } }, `[${number}]`);
  return [sign, factor, explain(link, () => [make("code", {}, formula), make("br"), data.maps[number]?.words ?? ""])];
}
function relationLine(terms, formulas) {
  const line = make("p", { class: "relation" }, "= ", terms.length ? terms.slice(0, 12).map((left, place) => term(left, place, formulas)) : "0");
  if (terms.length > 12) {
    const rest = make("button", { type: "button", onclick: () => { rest.replaceWith(...terms.slice(12).map((left, place) => term(left, place + 12, formulas)).flat(9)); } }, `and ${terms.length - 12} more`);
    line.append(" ", rest);
  }
  return line;
}
{
  const body = byId("left-body");
  const { count, note, sections, explained } = data.left;
  if (count && explained) {
    body.append(make("p", {}, `${plural(count, "diagram is", "diagrams are")} redundant: ${count === 1 ? "it does" : "each does"} what a combination of those in the basis does, so a weight for it would change nothing. The equations are exact; a number in brackets is a map above.`));
  }
  if (note) body.append(make("p", {}, note));
  for (const section of sections) {
    if (sections.length > 1 || section.formulas.length) body.append(make("h3", {}, `Factor ${section.group}`));
    const list = make("ul", { class: "cards small", "aria-label": "Diagrams that were left out" });
    const more = make("button", { type: "button" });
    let next = 0;
    const add = () => {
      for (const left of section.maps.slice(next, next + 24)) {
        list.append(make("li", { class: "card left" }, make("h3", {}, make("span", { class: "formula" }, left.formula)), make("div", { class: "pair" }, picture(left.picture, `Left-out diagram ${left.formula}`, 34)), relationLine(left.terms, section.formulas)));
      }
      next += 24;
      more.hidden = next >= section.maps.length;
      more.textContent = `Show more of ${section.maps.length - next}`;
    };
    more.addEventListener("click", add);
    add();
    body.append(list, make("p", { class: "more" }, more));
  }
}

// --- plan -------------------------------------------------------------------------------------------

function table(caption, head, lines, foot = null, numeric = []) {
  const row = (cells, tag) => make("tr", {}, cells.map((cell, place) => make(tag, { class: numeric.includes(place) ? "n" : null, scope: tag === "th" ? "col" : null }, cell ?? "")));
  const table = make("table", {}, make("caption", { class: "unseen" }, caption), make("thead", {}, row(head, "th")), make("tbody", {}, lines.map((line) => row(line, "td"))), foot ? make("tfoot", {}, row(foot, "td")) : null);
  return make("div", { class: "wide" }, table);
}
const scroll = (label, inside) => make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, inside);
const folded = (summary, inside) => make("details", { class: "table" }, make("summary", {}, summary), inside);

{
  const body = byId("plan-body");
  const { steps, note, work, moved, letters } = data.plan;
  if (note) body.append(make("p", {}, note));
  if (steps.length) {
    const mixes = steps.filter((step) => step.kind === "mix channels" || step.kind === "multiply and mix").length;
    body.append(make("p", {}, `${mixes ? `The layer never forms a matrix. It shares the work of ${data.count > 1 ? "all " : ""}${plural(data.count, "map", "maps")} in ${plural(steps.length, "step", "steps")}: it reduces ${product ? "each input (sums and diagonals), multiplies what is left" : "the input (sums and diagonals)"}, mixes channels in ${plural(mixes, "matrix product", "matrix products")}, and spreads the results over the output.` : "The layer adds the maps up, each times its weight, to one matrix with tied entries, and multiplies by it."} In all: ${work || "0"} multiply-adds per sample, and ${moved || "0"} numbers read or written. Here ${product ? product.channels : "c_in and c_out are the channels of the input and the output"}. ${letters}`));
    // Boxes are steps; in a long plan, all steps of one kind in one layer.
    const grouped = steps.length > 40;
    const boxes = [];
    const boxOf = [];
    steps.forEach((step, number) => {
      const same = grouped ? boxes.findIndex((box) => box.kind === step.kind && box.layer === step.layer) : -1;
      if (same >= 0) boxes[same].steps.push(number);
      else boxes.push({ kind: step.kind, layer: step.layer, steps: [number] });
      boxOf.push(same >= 0 ? same : boxes.length - 1);
    });
    for (const box of boxes) box.from = [...new Set(box.steps.flatMap((number) => steps[number].from.map((source) => boxOf[source])))].filter((source) => boxes[source] !== box);
    // Outputs stand at the right end. An edge that passes layers gets a place in each, so that no box covers it.
    const last = Math.max(...boxes.map((box) => box.layer));
    const layerOf = (number) => (boxes[number].kind === "output" ? last : boxes[number].layer);
    const layers = Array.from({ length: last + 1 }, () => []);
    boxes.forEach((_, number) => layers[layerOf(number)].push({ number, before: [] }));
    const itemOf = new Map(layers.flat().map((item) => [item.number, item]));
    const routes = [];
    boxes.forEach((box, number) => {
      for (const source of box.from) {
        const route = [itemOf.get(source)];
        for (let layer = layerOf(source) + 1; layer < layerOf(number); layer++) {
          const through = { before: [route.at(-1)] };
          layers[layer].push(through);
          route.push(through);
        }
        itemOf.get(number).before.push(route.at(-1));
        routes.push({ source, number, route: [...route, itemOf.get(number)] });
      }
    });
    const [wide, tall, gap, thin] = [126, 44, 12, 14];
    const across = Math.max(wide + 18, Math.min(210, (body.clientWidth - 44 - wide) / Math.max(1, last)));
    let height = 0;
    layers.forEach((layer, column) => {
      const centre = ({ before }) => (before.length ? before.reduce((sum, item) => sum + item.y, 0) / before.length : 0);
      const wished = new Map(layer.map((item, place) => [item, [centre(item), place]]));
      layer.sort((a, b) => wished.get(a)[0] - wished.get(b)[0] || wished.get(a)[1] - wished.get(b)[1]);
      const total = layer.reduce((sum, item) => sum + (item.number === undefined ? thin : tall) + gap, -gap);
      let y = -total / 2;
      for (const item of layer) {
        const own = item.number === undefined ? thin : tall;
        item.x = 10 + column * across;
        item.y = y + own / 2;
        y += own + gap;
      }
      height = Math.max(height, total);
    });
    const middle = height / 2 + 10;
    const figure = make("svg", { class: "figure", width: (20 + last * across + wide).toFixed(0), height: (height + 20).toFixed(0), viewBox: `0 0 ${(20 + last * across + wide).toFixed(0)} ${(height + 20).toFixed(0)}`, role: "group", "aria-label": "Graph of the plan: steps from left to right" });
    const edges = [];
    for (const { source, number, route } of routes) {
      let path = "";
      for (let place = 1; place < route.length; place++) {
        const [a, b] = [route[place - 1], route[place]];
        const [x, y, u, v] = [a.x + wide, a.y + middle, b.x, b.y + middle];
        const half = (x + u) / 2;
        path += `${place === 1 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}C${half.toFixed(1)} ${y.toFixed(1)} ${half.toFixed(1)} ${v.toFixed(1)} ${u.toFixed(1)} ${v.toFixed(1)}`;
      }
      const edge = make("path", { class: "edge", d: path });
      edges.push([source, number, edge]);
      figure.append(edge);
    }
    const short = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
    boxes.forEach((box, number) => {
      const [x, y] = [itemOf.get(number).x, itemOf.get(number).y + middle - tall / 2];
      const count = box.steps.length;
      const step = steps[box.steps[0]];
      const about = count === 1 ? `${step.work || "no"} multiply-adds, ${step.moved || "no"} numbers read or written` : `${count} steps; the table below lists them with their costs`;
      const node = make("g", { class: `node${["mix channels", "multiply and mix", "tied matrix"].includes(box.kind) ? " mix" : ""}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, tabindex: 0, role: "img", "aria-label": `${count === 1 ? step.text : box.kind}; ${about}` },
        make("rect", { class: "box", width: wide, height: tall, rx: 7 }),
        make("text", { x: 9, y: 18 }, short(box.kind, 20)),
        make("text", { x: 9, y: 35, class: "dim" }, count === 1 ? short(step.work || "free", 20) : `${count} steps`));
      const light = (on) => { for (const [a, b, edge] of edges) if (a === number || b === number) edge.classList.toggle("on", on); };
      node.addEventListener("pointerenter", () => light(true));
      node.addEventListener("pointerleave", () => light(false));
      node.addEventListener("focus", () => light(true));
      node.addEventListener("blur", () => light(false));
      explain(node, () => [make("code", {}, count === 1 ? short(step.text, 420) : box.kind), make("br"), about]);
      figure.append(node);
    });
    body.append(scroll("Plan, scroll sideways", figure));
    body.append(make("p", { class: "hint", style: "color:var(--soft)" }, "Each box shows its multiply-adds; “free” steps only look at the same numbers in another way. Point at a box for the whole step."));
    body.append(folded("The same as a table", table("Steps of the plan", ["step", "multiply-adds", "numbers read or written"], steps.map((step) => [make("code", {}, step.text), step.work, step.moved]), ["total", work, moved])));
  }
}

// --- dimension --------------------------------------------------------------------------------------

{
  const body = byId("dimension-body");
  if (!data.dimension.length) body.append(make("p", {}, `${data.group} has one size, so there is one number of maps: ${data.count}.`));
  for (const section of data.dimension) {
    if (data.dimension.length > 1) body.append(make("h3", {}, `Factor ${section.group}`));
    const { points, stable, family } = section;
    const more = section.heads ? "At smaller n there may be more, since the Levi-Civita tensor has n legs, or fewer, since diagrams become combinations of each other." : "At smaller n some diagrams are combinations of others, so there are fewer.";
    const changes = points.some(([, value]) => value !== stable);
    if (!points.some(([, value]) => value)) {
      body.append(make("p", {}, `${family}(n) has no map between these spaces at any n.`));
      continue;
    }
    body.append(make("p", {}, `From n = ${section.from} on there ${stable === 1 ? "is always 1 map" : `are always ${stable.toLocaleString("en")} maps`}, and one set of weights serves all of them. ${changes ? more : "The same holds at every smaller n."}`));
    const [width, height, left, base] = [Math.max(420, 70 + points.length * 62), 270, 58, 222];
    const top = Math.max(1, ...points.map(([, value]) => value));
    const x = (n) => left + 26 + ((n - points[0][0]) / Math.max(1, points.at(-1)[0] - points[0][0])) * (width - left - 60);
    const y = (value) => base - (value / top) * 172;
    const figure = make("svg", { class: "figure plot", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Number of maps of ${family}(n): ${points.map(([n, value]) => `${value} at n = ${n}`).join(", ")}` });
    figure.append(make("line", { class: "axis", x1: left, x2: width - 8, y1: base, y2: base }), make("line", { class: "axis", x1: left, x2: left, y1: 24, y2: base }));
    figure.append(make("line", { class: "stable", x1: left, x2: width - 8, y1: y(stable), y2: y(stable) }));
    figure.append(make("path", { class: "curve", d: points.map(([n, value], place) => `${place ? "L" : "M"}${x(n).toFixed(1)} ${y(value).toFixed(1)}`).join("") }));
    for (const [n, value] of points) {
      const here = n === section.here;
      figure.append(make("circle", { class: `point${here ? " here" : ""}`, cx: x(n).toFixed(1), cy: y(value).toFixed(1), r: here ? 7 : 5 }));
      figure.append(make("text", { x: x(n).toFixed(1), y: (y(value) - 13).toFixed(1), "text-anchor": "middle", "font-weight": here ? 700 : null }, value.toLocaleString("en")));
      figure.append(make("text", { x: x(n).toFixed(1), y: base + 18, "text-anchor": "middle", class: here ? null : "dim", "font-weight": here ? 700 : null }, n));
    }
    figure.append(make("text", { x: (left + width) / 2, y: base + 40, "text-anchor": "middle", class: "dim" }, `n${section.here && section.here <= points.at(-1)[0] ? ` (this page: n = ${section.here})` : ""}`));
    figure.append(make("text", { x: left, y: 14, class: "dim", "text-anchor": "middle" }, "maps"));
    body.append(scroll(`Plot of the number of maps, ${section.group}`, figure));
    if (section.here && section.here > points.at(-1)[0]) body.append(make("p", {}, `This page has n = ${section.here}, beyond the plot: ${section.value.toLocaleString("en")} maps.`));
    if (section.determinant && section.total) body.append(make("p", {}, "The determinant of the diagrams' inner products is ", make("code", {}, section.determinant), ". Where it is zero, at a size n that the group has, diagrams are redundant."));
    body.append(folded("The same as a table", table("Number of maps at each n", ["n", "maps"], points.map(([n, value]) => [n, value.toLocaleString("en")]), null, [0, 1])));
  }
}

// --- walks ------------------------------------------------------------------------------------------

// The name of a part is a partition, or two of them for signed permutations, and for axes of V and of V*.
const two = (label) => Array.isArray(label[0]);
const rowsText = (shape) => (shape.length ? `(${shape.join(",")})` : "∅");
const shapeText = (label) => (two(label) ? label.map(rowsText).join(" ") : rowsText(label));
const partName = (section, label) => section.words[JSON.stringify(label)] ?? "";
const tall = (label) => (two(label) ? Math.max(...label.map((shape) => shape.length)) : label.length);
/** A Young diagram centred at (x, y); long rows are one bar with their length. */
function young(shape, x, y) {
  if (two(shape)) return make("g", {}, young(shape[0], x - 24, y), make("text", { x, y: y + 5, "text-anchor": "middle" }, ";"), young(shape[1], x + 24, y));
  const box = 8;
  if (!shape.length) return make("text", { x, y: y + 5, "text-anchor": "middle" }, "∅");
  const long = (row) => row > 5;
  const wide = Math.max(...shape.map((row) => (long(row) ? 5 : row))) * box;
  const group = make("g", { transform: `translate(${x - wide / 2} ${y - (shape.length * box) / 2})` });
  shape.forEach((row, number) => {
    if (long(row)) {
      group.append(make("rect", { class: "young", x: 0, y: number * box, width: 5 * box, height: box }), make("text", { x: 2.5 * box, y: number * box + 7, "text-anchor": "middle", style: "font-size:8px" }, row));
    } else for (let c = 0; c < row; c++) group.append(make("rect", { class: "young", x: c * box, y: number * box, width: box, height: box }));
  });
  return group;
}
function bratteliFigure(section) {
  const { levels, edges, before, after, stride, inputs } = section;
  const deep = Math.max(3, ...levels.flat().map(tall)) * 8;
  const half = levels.flat().some(two) ? 50 : 26;
  const [across, down] = [(stride === 2 ? 74 : 104) + 2 * (half - 26), deep + 42];
  const tallest = Math.max(...levels.map((level) => level.length));
  const place = (step, p) => [50 + step * across, 34 + (tallest * down) / 2 + (p - (levels[step].length - 1) / 2) * down];
  const [width, height] = [100 + (levels.length - 1) * across, tallest * down + 44];
  const figure = make("svg", { class: "figure", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Bratteli diagram with ${section.paths} walks from left to right` });
  const lines = [];
  const nodes = new Map();
  edges.forEach((pairs, step) => pairs.forEach(([a, b]) => {
    const [[x, y], [u, v]] = [place(step, a), place(step + 1, b)];
    const line = make("line", { class: "edge", x1: x + half, y1: y, x2: u - half, y2: v });
    lines.push([`${step}.${a}`, `${step + 1}.${b}`, line]);
    figure.append(line);
  }));
  const reach = (start, forward) => {
    const seen = new Set([start]);
    // Lines are listed level by level, so one pass in the right direction is enough.
    for (const [a, b] of forward ? lines : [...lines].reverse()) if (seen.has(forward ? a : b)) seen.add(forward ? b : a);
    return seen;
  };
  levels.forEach((level, step) => {
    const factor = step % stride ? "" : step / stride;
    const title = step === 0 ? "start" : step === levels.length - 1 ? "end" : factor === "" ? "" : factor < inputs ? `x${factor}` : factor === inputs ? "input | output" : `y${section.outputs - (factor - inputs)}`;
    figure.append(make("text", { x: place(step, 0)[0], y: 18, "text-anchor": "middle", class: "dim" }, step === inputs * stride && step > 0 && step < levels.length - 1 ? "x meets y" : title.startsWith("x") || title.startsWith("y") ? `${title[0] === "x" ? "input" : "output"} axis` : title));
    level.forEach((shape, p) => {
      const [x, y] = place(step, p);
      const [one, two] = [before[step][p], after[step][p]];
      const through = (BigInt(one) * BigInt(two)).toString();
      const node = make("g", { class: "node", tabindex: 0, role: "img", "aria-label": `${shapeText(shape)}: ${one} walks to here, ${two} from here, ${through} of ${section.paths} pass` },
        make("rect", { class: "box", x: x - half, y: y - deep / 2 - 15, width: 2 * half, height: deep + 30, rx: 8 }), young(shape, x, y - 7),
        make("text", { x, y: y + deep / 2 + 9, "text-anchor": "middle", class: "dim", style: "font-size:10px" }, `${one} · ${two}`));
      const key = `${step}.${p}`;
      nodes.set(key, node);
      const light = (on) => {
        const [forth, back] = on ? [reach(key, true), reach(key, false)] : [null, null];
        for (const [a, b, line] of lines) {
          const lit = on && ((forth.has(a) && forth.has(b)) || (back.has(a) && back.has(b)));
          line.classList.toggle("on", Boolean(lit));
          line.classList.toggle("faded", on && !lit);
        }
        for (const [name, other] of nodes) other.classList.toggle("faded", on && !forth.has(name) && !back.has(name));
      };
      node.addEventListener("pointerenter", () => light(true));
      node.addEventListener("pointerleave", () => light(false));
      node.addEventListener("focus", () => light(true));
      node.addEventListener("blur", () => light(false));
      const about = partName(section, shape);
      explain(node, () => [make("b", {}, shapeText(shape)), about ? `, ${about}` : "", make("br"), `${one} ${one === "1" ? "walk" : "walks"} from the start to here, ${two} from here to the end: ${one} × ${two} = ${through} of the ${section.paths.toLocaleString("en")} walks pass here.`]);
      figure.append(node);
    });
  });
  return figure;
}
{
  const body = byId("walks-body");
  if (data.walks.length > 1) body.append(make("p", {}, `In a product the numbers of the factors multiply: ${data.walks.map((section) => section.paths).join(" × ")} = ${data.count}.`));
  for (const section of data.walks) {
    if (data.walks.length > 1) body.append(make("h3", {}, `Factor ${section.group}`));
    if (section.note) { body.append(make("p", {}, section.note)); continue; }
    if (section.orbits !== undefined) {
      const k = section.power;
      body.append(make("p", {}, `The maps are as many as the orbits of ${section.group} on lists of ${plural(k, "point", "points")}: ${section.orbits.toLocaleString("en")}. An orbit is a set of places in the matrix that the group moves into each other; a map with the symmetry has the same number at all of them.`));
      if (section.fixed) {
        body.append(make("p", {}, `Burnside's lemma counts the orbits without looking at the matrix: the average, over all ${section.order.toLocaleString("en")} elements of the group, of (points that the element leaves in place)`, make("sup", {}, k), "."));
        const lines = section.fixed.map(([points, count]) => [points, count.toLocaleString("en"), (BigInt(points) ** BigInt(k) * BigInt(count)).toLocaleString("en")]);
        const sum = section.fixed.reduce((total, [points, count]) => total + BigInt(points) ** BigInt(k) * BigInt(count), 0n);
        body.append(table("Burnside's lemma", ["points left in place", "elements", `elements × points^${k}`], lines, ["sum", section.order.toLocaleString("en"), `${sum.toLocaleString("en")} = ${section.order.toLocaleString("en")} × ${(sum / BigInt(section.order)).toLocaleString("en")}`], [0, 1, 2]));
      }
      continue;
    }
    const twisted = Boolean(section.twist);
    body.append(make("p", {}, `Tensors split into irreducible parts: pieces that ${section.group} never mixes. Each kind of part has a name, a partition, drawn as rows of boxes. `
      + `${section.walk} A walk from left to right picks one part of the input and one equal part of the output, and that is one map: `, make("b", {}, plural(section.paths, "walk, so 1 map", `walks, so ${section.paths.toLocaleString("en")} maps`)), `. (Schur's lemma: between irreducible parts${twisted ? ` of ${section.larger}` : ""} only multiples of the identity keep the symmetry.)`,
      twisted ? ` Walks end at the part that never changes, or at the ${section.twist}, which ${section.group} cannot tell from it.` : "", section.open ? ` Drawn for n = ${section.n}, from which on the numbers stay the same.` : "", " The picture is the Bratteli diagram; its walks are walks in the McKay quiver."));
    if (section.paths && section.levels.length) {
      body.append(scroll("Bratteli diagram, scroll sideways", bratteliFigure(section)));
      body.append(make("p", { class: "hint", style: "color:var(--soft)" }, "Below each shape: walks from the start to it · walks from it to the end. Point at a shape to see the walks through it."));
    } else if (!section.paths) body.append(make("p", {}, "There is no walk, so there is no map but zero."));
    else body.append(make("p", {}, "The diagram is too large to draw; the table below is what it says."));
    if (section.meeting.length && section.paths) {
      const sizes = section.meeting.every((line) => line[3] !== null);
      const lines = section.meeting.map(([shape, one, two, size]) => [make("span", {}, shapeText(shape), partName(section, shape) ? make("span", { style: "color:var(--soft)" }, ` ${partName(section, shape)}`) : null), ...(sizes ? [size.toLocaleString("en")] : []), one.toLocaleString("en"), two.toLocaleString("en"), (one * two).toLocaleString("en")]);
      body.append(table("Parts that input and output share", ["part", ...(sizes ? ["numbers in it"] : []), "times in the input", "times in the output", "maps"], lines, ["sum", ...(sizes ? [""] : []), "", "", section.paths.toLocaleString("en")], sizes ? [1, 2, 3, 4] : [1, 2, 3]));
    }
  }
}

// --- certificate ------------------------------------------------------------------------------------

byId("certificate-body").append(
  make("blockquote", {}, data.certificate.text),
  make("ul", {}, data.certificate.why.map((line) => make("li", {}, line))),
  make("p", {}, "To check it again on your machine: ", make("code", {}, data.certificate.command)));

// Print everything that has been asked for, with tables open.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const part of opened) part.open = true;
  if (built < order.length) grow(Math.min(order.length, 300) - built);
});
addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
// For the console: the data, and what an entry of a map's matrix does and why.
globalThis.eqsynth = { data, meaning: (number, place) => ({ value: entry(data.maps[number], Math.floor(place / columns), place % columns), ...meaning(data.maps[number], place) }) };
document.documentElement.dataset.ready = "yes";
})();
