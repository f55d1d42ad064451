/* charts.js -- a small chart of every number over the steps, the chosen step marked.  A line a setting, the mean over the
 * samples that the filters show.  Built when the index or a filter changes; a step moves only the cursor.  Of a single eval
 * there is no line: the mean and, of several samples, the least and the greatest. */

const SERIES_INK = ['--s0', '--s1', '--s2', '--s3', '--s4', '--s5'];
const FIRST = ['perplexity', 'mean_entropy', 'spelling_token_rate', 'repetition_tokens', 'distinct_2', 'rank1_share', 'mean_logprob', 'mean_rank'];
const SVG = 'http://www.w3.org/2000/svg';
/* In what a number is counted, where it is not one of a kind that needs no saying. */
const UNITS = { loss: 'nats', mean_entropy: 'nats', mean_logprob: 'nats', rank1_share: 'of tokens', eos_stop: 'of samples', repetition_tokens: 'of token 4-grams', repetition: 'of word 4-grams',
  longest_repeat: 'tokens', invalid_utf8_rate: 'of characters', distinct_1: 'of words', distinct_2: 'of pairs', distinct_3: 'of triples', avg_sentence_length: 'words', lexical_diversity: 'of words', spelling_token_rate: 'of words',
  spelling_correctness: 'of words', correct_char_fraction: 'of letters', correct_char_total: 'letters', bits_per_byte: 'bits', answer_logprob: 'nats' };
const CW = 148, CH = 44, STRETCHES = 60;
let charts = [], chart_all = false;

function svg(tag, attributes) {
  const e = document.createElementNS(SVG, tag);
  for (const a in attributes) e.setAttribute(a, attributes[a]);
  return e;
}

/* The ink of the k-th setting; the same in every chart, whatever the filters leave out. */
const ink_of = k => 'var(' + SERIES_INK[Math.min(k, SERIES_INK.length - 1)] + ')';

/* name -> label -> {label, ink, at: the mean by place in steps, NaN = none, of: of how many, lo, hi: the least and the greatest of all}.
 * Numbers in a row: of 10,000 evals in 13 settings the charts have a million. */
function series_by_name(shows) {
  const out = new Map(), add = (name, label, ink, at, x) => {
    if (x === null || x === undefined || !isFinite(x)) return;
    if (!out.has(name)) out.set(name, new Map());
    const lines = out.get(name);
    if (!lines.has(label)) lines.set(label, { label, ink, at: new Float64Array(steps.length), of: new Uint32Array(steps.length), lo: x, hi: x });
    const line = lines.get(label);
    line.at[at] += x;
    line.of[at]++;
    line.lo = Math.min(line.lo, x);
    line.hi = Math.max(line.hi, x);
  };
  steps.forEach((step, at) => {
    const line = index.get(step);
    add('loss', 'val', 0, at, line.val);
    add('loss', 'train', 1, at, line.train);
    for (const [name, x] of line.more || []) add(name, 'model', 0, at, x);
    for (const row of line.rows) {
      if (!shows(row[0], row[1])) continue;
      for (let m = 0; m < line.names.length; m++) add(line.names[m], row[3], row[1], at, row[4 + m]);
    }
  });
  for (const lines of out.values()) for (const l of lines.values()) for (let i = 0; i < l.at.length; i++) l.at[i] /= l.of[i]; /* 0 / 0: none */
  return out;
}

function build_charts(shows) {
  const all = series_by_name(shows), names = [...all.keys()];
  const eval_names = new Set(steps.flatMap(s => (index.get(s).more || []).map(m => m[0])));
  const place = n => n === 'loss' ? -1 : eval_names.has(n) ? (n.startsWith('dataset ') ? 50 : 0.5) + names.indexOf(n) / 1e4 : FIRST.includes(n) ? FIRST.indexOf(n) : 100 + names.indexOf(n);
  names.sort((a, b) => place(a) - place(b));
  charts = [];
  const box = document.getElementById('charts');
  box.replaceChildren();
  for (const name of names) {
    const lines = [...all.get(name).values()];
    const chart = one_chart(name, UNITS[name.replace(/^dataset /, '')], lines, steps.length === 1 && lines.some(l => l.of[0] > 1) ? [extent_of([lines.map(l => l.lo)])[0], extent_of([lines.map(l => l.hi)])[1]] : null);
    charts.push(chart);
    box.append(chart.box);
  }
  const b = document.getElementById('charts-all'), say = () => { box.classList.toggle('all', chart_all); b.textContent = chart_all ? 'fewer' : 'all ' + names.length; };
  b.hidden = names.length <= 6;
  /* Of one sample alone its own table says it all. */
  document.getElementById('overview').hidden = steps.length === 1 && index.get(steps[0]).rows.length < 2;
  b.onclick = () => { chart_all = !chart_all; say(); };
  say();
}

/* The least and the greatest of some rows of numbers.  In a loop: a call with 125,000 arguments is more than the stack holds. */
function extent_of(rows) {
  let lo = Infinity, hi = -Infinity;
  for (const row of rows)
    for (let i = 0; i < row.length; i++) {
      if (row[i] < lo) lo = row[i];
      if (row[i] > hi) hi = row[i];
    }
  return [lo, hi];
}

/* What of a line there is to draw. */
function points_of(values, x, y) {
  const points = [];
  for (let i = 0; i < values.length; i++) if (isFinite(values[i])) points.push({ x: x(i), y: y(values[i]) });
  return points;
}

const path_of = points => points.map((p, i) => (i ? 'L' : 'M') + p.x.toFixed(1) + ' ' + p.y.toFixed(1)).join('');

/* Where there are more points than a chart can show apart, a band of ink tells no direction: of each stretch of steps the mean
 * is the line, and the least and the greatest a pale ground behind it.  Null: the points are few enough. */
function stretches(points) {
  if (points.length <= 2 * STRETCHES) return null;
  const parts = [];
  for (const p of points) {
    const at = Math.floor((p.x - 3) / (CW - 6) * STRETCHES * 0.9999), last = parts[parts.length - 1];
    if (last && last.at === at) {
      last.n++;
      last.x += (p.x - last.x) / last.n;
      last.y += (p.y - last.y) / last.n;
      last.top = Math.min(last.top, p.y);
      last.bottom = Math.max(last.bottom, p.y);
    } else parts.push({ at, n: 1, x: p.x, y: p.y, top: p.y, bottom: p.y });
  }
  return parts;
}

/* A line: {label, ink, at: a number by place in steps, NaN = none}.  `spread`: the least and the greatest of the samples of a single
 * eval; else null. */
function one_chart(name, unit, lines, spread) {
  const last = steps.length - 1;
  let [lo, hi] = extent_of(lines.map(l => l.at));
  const range = steps.length > 1 ? num(lo) + ' … ' + num(hi) : spread ? num(spread[0]) + ' … ' + num(spread[1]) : '';
  const log = lo > 0 && hi / lo > 20, f = log ? Math.log : x => x;
  lo = f(lo); hi = f(hi);
  /* A change of less than a fiftieth is drawn as small as it is: a chart filled with noise looks like a slope. */
  const least = log ? 0 : Math.max(Math.abs(lo), Math.abs(hi)) / 50 || 1, middle = (lo + hi) / 2;
  if (hi - lo < least) { lo = middle - least / 2; hi = middle + least / 2; }
  const first_step = steps[0], span = Math.max(1, steps[last] - first_step);
  const x = at => 3 + (CW - 6) * (steps[at] - first_step) / span, y = v => CH - 4 - (CH - 8) * (f(v) - lo) / (hi - lo);
  const picture = svg('svg', { viewBox: '0 0 ' + CW + ' ' + CH, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const cursor = svg('line', { y1: 0, y2: CH, class: 'cursor' });
  picture.append(cursor);
  [...lines].reverse().forEach((l, back) => {
    const k = lines.length - 1 - back, points = points_of(l.at, x, y), parts = stretches(points);
    const put = (tag, d) => {
      const path = svg('path', { d, class: tag + (k ? ' other' : ''), 'vector-effect': 'non-scaling-stroke' });
      path.style[tag === 'line' ? 'stroke' : 'fill'] = ink_of(l.ink);
      picture.append(path);
    };
    if (parts) put('spread', path_of(parts.map(p => ({ x: p.x, y: p.top }))) + path_of(parts.map(p => ({ x: p.x, y: p.bottom })).reverse()).replace('M', 'L') + 'Z');
    put('line', path_of(parts || points) + (points.length === 1 ? 'h.01' : ''));
  });
  const value = el('output');
  const title = el('span', 'title', metric_label(name), unit ? el('span', 'unit', ' ' + unit) : null), at_step = el('span', 'title');
  const box = el('figure', 'chart', el('figcaption', '', title, at_step, log ? el('span', 'log', 'log') : null), el('div', 'now', value, el('span', 'range', range)), picture);
  at_step.hidden = true;
  const mean = lines.some(l => l.of && l.of.some(n => n > 1));
  box.title = metric_label(name) + (unit ? ', ' + unit : '') + (name === 'perplexity' ? ' (' + OWN_TEXT + ')' : '') + (mean ? ', the mean of the samples that are listed' : '') + (lines.length > 1 ? ': ' + lines.map(l => l.label).join(', ') : '') + (range ? '; from ' + range.replace('…', 'to') : '') + (log ? ', drawn by its logarithm' : '');
  const nearest = event => {
    const r = picture.getBoundingClientRect(), want = first_step + span * ((event.clientX - r.left) / r.width * CW - 3) / (CW - 6);
    let best = 0;
    for (let i = 1; i <= last; i++) if (Math.abs(steps[i] - want) < Math.abs(steps[best] - want)) best = i;
    return best;
  };
  box.addEventListener('click', e => go_to(steps[nearest(e)]));
  const point = at => { at_step.hidden = at === null; title.hidden = at !== null; at_step.textContent = at === null ? '' : 'step ' + steps[at]; show_value(chart, at === null ? chart.chosen : at); };
  box.addEventListener('mousemove', e => point(nearest(e)));
  box.addEventListener('mouseleave', () => point(null));
  const chart = { box, lines, cursor, value, x, chosen: 0, named: name === 'loss' }; /* told apart without a sense of colour */
  return chart;
}

function show_value(chart, at) {
  const now = chart.lines.map(l => l.at[at]);
  chart.value.replaceChildren(...now.slice(0, 3).map((v, k) => {
    const s = el('span', '', chart.named ? el('i', '', chart.lines[k].label + ' ') : null, num(v));
    if (chart.lines.length > 1) s.style.color = ink_of(chart.lines[k].ink);
    return s;
  }));
  if (chart.lines.some(l => l.of && l.of[at] > 1)) chart.value.append(el('span', 'mean', 'mean'));
  const x = chart.x(at).toFixed(1);
  chart.cursor.setAttribute('x1', x);
  chart.cursor.setAttribute('x2', x);
}

function mark_charts(at) {
  for (const c of charts) { c.chosen = at; show_value(c, at); }
}
