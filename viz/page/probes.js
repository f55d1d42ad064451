/* probes.js -- the texts of --probe: for each a map of token x step, coloured by p on the scale of the pictures, the step from which on each token is
 * the model's first choice, and the curve of the answer.  Read from report/probes.js when it is looked at. */

const probe_lines = new Map(); /* step -> {run, step, seq, probes: [{i, prompt, text, why, from, given, t, l, r}]} */
let probes_of = '';            /* the newest eval that was there when they were read */

function glimpse_probes(line) { probe_lines.set(line.step, line); }

const has_probes = () => steps.some(s => index.get(s).probes);

async function load_probes() {
  const newest = index.get(steps[steps.length - 1]), of = newest.run + '.' + newest.seq;
  if (probes_of === of) return;
  const inside = packed('probes');
  if (inside) inside.forEach(glimpse_probes);
  else await load_script(report_dir + '/probes.js?' + encodeURIComponent(of));
  probes_of = of;
}

/* One entry a text, as the newest eval orders them: its tokens, and at each step their ln p and rank. */
function probes_over_steps() {
  const all = new Map();
  for (const step of [...steps].reverse()) {
    const line = probe_lines.get(step);
    for (const p of same_eval(line, index.get(step)) ? line.probes : []) { /* a line stays where its eval is gone */
      const key = p.i + '\n' + p.prompt + '\t' + p.text;
      if (!all.has(key)) all.set(key, { i: p.i, prompt: p.prompt, text: p.text, why: p.why, from: p.from, given: p.given, t: p.t, at: [] });
      if (p.l.length === all.get(key).t.length) all.get(key).at.push({ step, l: p.l, r: p.r });
    }
  }
  for (const p of all.values()) p.at.reverse();
  return [...all.values()];
}

/* The first step from which on `holds` is true to the end; null = not at the end. */
function since(at, holds) {
  let from = null;
  for (let k = at.length - 1; k >= 0 && holds(at[k]); k--) from = at[k].step;
  return from;
}

/* Null where one of them is: what is not finite is not summed, and an impossible token would count as a certain one. */
const sum_from = (l, from) => l.slice(from).reduce((a, b) => a === null || b === null ? null : a + b, 0);
const is_first = (a, i) => a.r[i] === 1 && a.l[i] !== null;

/* Where the columns begin and end, in steps: half-way between two of them, and the first and the last reach as far outwards as inwards
 * (viz/probe_map.c). */
function column_edges(at) {
  const n = at.length, edge = k => (at[k - 1].step + at[k].step) / 2;
  if (n === 1) return [at[0].step - 0.5, at[0].step + 0.5];
  const inner = at.slice(1).map((_, k) => edge(k + 1));
  return [2 * at[0].step - inner[0], ...inner, 2 * at[n - 1].step - inner[n - 2]];
}

/* A step's place on the map, 0..1. */
const step_place = (edges, step) => (step - edges[0]) / (edges[edges.length - 1] - edges[0]);

function draw_probe_map(card) {
  const { canvas, probe } = card, ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
  if (!w) return;
  canvas.width = w * ratio; canvas.height = h * ratio;
  const g = canvas.getContext('2d'), in_steps = column_edges(probe.at), edges = in_steps.map(e => step_place(in_steps, e)), row = h / probe.t.length, css = getComputedStyle(canvas);
  g.scale(ratio, ratio);
  probe.at.forEach((a, k) => {
    const x = edges[k] * w, wide = (edges[k + 1] - edges[k]) * w;
    for (let i = 0; i < probe.t.length; i++) {
      g.fillStyle = a.l[i] === null ? css.getPropertyValue('--line') : log_colour(Math.exp(a.l[i]));
      g.fillRect(x, i * row, Math.ceil(wide + 0.3), row - 1);
    }
  });
  for (let i = 0; i < probe.t.length && probe.at.length > 1; i++) { /* the first choice from here on */
    const from = since(probe.at, a => is_first(a, i));
    if (from === null) continue;
    const x = step_place(in_steps, from) * w - 1.75; /* at the step itself: the column begins before it */
    g.fillStyle = '#000000';
    g.fillRect(x, i * row, 3.5, row - 1);
    g.fillStyle = '#ffffff';
    g.fillRect(x + 0.75, i * row + 0.75, 2, row - 2.5);
  }
  const now = probe.at.findIndex(a => a.step === view.step);
  if (now >= 0) {
    g.strokeStyle = css.getPropertyValue('--red');
    g.lineWidth = 1.5;
    g.strokeRect(edges[now] * w + 0.75, 0.75, Math.max(3, (edges[now + 1] - edges[now]) * w) - 1.5, h - 1.5);
  }
}

function probe_card(probe, data) {
  const answer = probe.prompt ? probe.text : '', now = probe.at.find(a => a.step === view.step);
  const box = el('section', 'probe'), title = el('h2', ''), facts = el('span', 'facts');
  put(title.appendChild(el('span', 'prompt')), probe.prompt);
  put(title.appendChild(el('b')), probe.text);
  box.append(el('header', '', title, facts));
  if (probe.why || !probe.at.length) {
    box.append(put(el('p', 'bad'), probe.why || 'was not scored'));
    return { box };
  }
  const first = since(probe.at, a => a.r.every((r, i) => i < probe.from || is_first(a, i)));
  facts.textContent = [now ? 'ln p ' + num(sum_from(now.l, probe.from)) + ' at step ' + now.step : '',
    first === null ? 'not yet the first choice' : (answer ? 'the answer is' : 'all of it is') + ' the first choice' + (probe.at.length > 1 ? ' since step ' + first : '')].filter(Boolean).join(' · ');
  const many = probe.at.length > 1; /* of one eval there is no since: the rank then */
  const labels = el('ol', 'rows'), from = el('ol', 'rows from'), canvas = el('canvas', 'map'), note = el('p', 'facts');
  probe.t.forEach((t, i) => {
    const s = many ? since(probe.at, a => is_first(a, i)) : probe.at[0].r[i], name = typeof t === 'string' ? label_of(t, 18) : t.map(b => '\\x' + b.toString(16).padStart(2, '0')).join('');
    labels.append(el('li', i < probe.from ? 'given' : '', name));
    from.append(el('li', '', s === null ? '–' : String(s)));
  });
  if (probe.given) {
    labels.prepend(el('li', 'given', probe.given.length > 18 ? probe.given.slice(0, 17) + '…' : probe.given));
    from.prepend(Object.assign(el('li', '', 'given'), { title: 'nothing stands before it to predict it from' }));
    canvas.style.marginTop = '16px';
  }
  canvas.style.height = 16 * probe.t.length + 'px';
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', 'ln p of ' + probe.t.length + ' tokens at ' + probe.at.length + ' steps');
  const by_step = new Map(probe.at.map(a => [a.step, sum_from(a.l, probe.from)])), sums = steps.map(s => by_step.get(s) ?? NaN);
  if (many && sums.some(isFinite)) {
    const curve = one_chart('ln p of the ' + (answer ? 'answer' : 'text'), 'nats', [{ label: '', ink: 0, at: sums }]);
    curve.box.className = 'chart curve';
    show_value(curve, Math.max(0, steps.indexOf(view.step)));
    box.append(curve.box);
  }
  box.append(el('div', 'grid-of', el('span', 'head', 'token'), el('span', 'head', 'p at step ' + probe.at[0].step + (many ? ' → ' + probe.at[probe.at.length - 1].step : '')), el('span', 'head', many ? 'first choice since' : 'rank'), labels, canvas, from), note);
  const card = { box, canvas, probe };
  const where = e => {
    const edges = column_edges(probe.at), x = edges[0] + e.offsetX / canvas.clientWidth * (edges[edges.length - 1] - edges[0]), k = Math.max(0, edges.findIndex(v => v > x) - 1);
    return [Math.min(k, probe.at.length - 1), Math.max(0, Math.min(probe.t.length - 1, Math.floor(e.offsetY / canvas.clientHeight * probe.t.length)))];
  };
  const say = (k, i) => {
    const a = probe.at[k];
    note.replaceChildren('step ' + a.step + ' · ', el('b', '', labels.children[i + (probe.given ? 1 : 0)].textContent), a.l[i] === null ? ' · not finite' : ' · ln p ' + num(a.l[i]) + ' · p ' + prob(Math.exp(a.l[i])) + ' · rank ' + a.r[i]);
  };
  canvas.addEventListener('mousemove', e => say(...where(e)));
  canvas.addEventListener('mouseleave', () => note.replaceChildren('\u00a0'));
  canvas.addEventListener('click', e => {
    const [k, i] = where(e);
    view.probe = probe.i;
    view.token = i;
    go_to(probe.at[k].step);
  });
  note.append('\u00a0');
  return card;
}

/* All of them, instead of the panes.  The panel shows the token that was clicked. */
async function draw_probes(data, mine) {
  const box = $('panes');
  try { await load_probes(); } catch (e) { panes = []; box.className = ''; $('below').replaceChildren(); box.replaceChildren(el('div', 'none bad', el('p', '', String(e.message)))); return; }
  if (mine !== drawing) return;
  const ramp = el('canvas', 'ramp'), g = ramp.getContext('2d');
  ramp.width = LEVELS; ramp.height = 1;
  for (let i = 0; i < LEVELS; i++) { g.fillStyle = rgb(viridis(i / (LEVELS - 1))); g.fillRect(i, 0, 1, 1); }
  panes = [];
  box.className = 'probes';
  $('below').replaceChildren();
  const list = probes_over_steps(), cards = list.map(p => probe_card(p, data));
  box.replaceChildren(el('header', 'title', el('h1', '', steps.length > 1 ? 'What did it learn when?' : 'What does it know?'), el('span', 'facts', list.length + (list.length === 1 ? ' text' : ' texts') + (steps.length > 1 ? ', scored at every eval' : ', scored')),
    el('span', 'legend', el('span', 'lo', '≤ 1e−4'), ramp, el('span', 'hi', '1'), el('span', 'what', 'the model’s own p, by powers of ten' + (steps.length > 1 ? ' · tick: its first choice from here on' : '')))), ...cards.map(c => c.box));
  for (const c of cards) if (c.canvas) draw_probe_map(c);
  const sample = (data.probes || []).find(s => s.p === view.probe) || (data.probes || []).find(s => s.n);
  const card = sample && cards.find(c => c.probe && c.probe.i === sample.p);
  const i = !sample ? -1 : view.probe === sample.p && view.token >= 0 ? view.token : sample.answer_from;
  if (card) show_token({ data, sample, box: card.box, side: 'now' }, i);
  else show_token(null, -1);
}
