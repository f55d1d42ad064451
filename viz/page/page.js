/* page.js -- the page: what is chosen (step, sample, token, colour), the address that keeps it, keys, and the drawing of
 * each part.  One function, draw(), brings the page to the state of `view`; a later call overtakes an earlier one. */

const $ = id => document.getElementById(id);
/* `as`: '' = one sample, 'all' = every sample of the step, 'over' = one sample over the steps, 'probes'; one field, for one is shown at a time. */
const view = { step: null, as: '', vs: 'before', sample: '', token: -1, colour: '', prompt: -1, setting: -1, sort: '', probe: -1, q: '', sheet: true, rows: 10 };
const VIEWS = ['all', 'over', 'probes'];
let follow = true;      /* at the newest step, and to stay there */
let panes = [];         /* [{data, sample, side, strip}], what is shown now */
let drawing = 0;
let compared = 'before'; /* the last choice of what to compare with that was not `nothing`: what d brings back */

/* The mode of the run's own log, but for minmax (and `all`, which begins with it), whose scale is another in every sample: the
 * page lays two evals side by side, so it begins with softmax.  `topk` is a table, which here is beside the text in any mode. */
function colour_of_run() {
  const mode = index.get(steps[steps.length - 1]).colour;
  return MODES.includes(mode) && mode !== 'minmax' ? mode : 'softmax';
}

/* --- the address -------------------------------------------------------------------------------------------------- */
function read_address() {
  const a = new URLSearchParams(location.hash.slice(1)), int = (k, d) => /^-?\d+$/.test(a.get(k) || '') ? +a.get(k) : d;
  const step = int('step', null);
  follow = step === null || !index.has(step);
  view.step = follow ? steps[steps.length - 1] : step;
  view.vs = ['first', 'best', 'none'].includes(a.get('vs')) || index.has(int('vs', null)) ? a.get('vs') : 'before';
  if (view.vs !== 'none') compared = view.vs;
  view.sample = a.get('sample') || view.sample;
  view.token = int('token', 0) - 1;
  view.colour = MODES.includes(a.get('colour')) ? a.get('colour') : colour_of_run();
  view.prompt = int('prompt', -1);
  view.setting = int('setting', -1);
  view.sort = a.get('sort') || '';
  view.as = VIEWS.includes(a.get('view')) ? a.get('view') : has_probes() && !steps.some(s => index.get(s).rows.length) ? 'probes' : ''; /* all that there is to see */
  view.probe = int('probe', -1);
  view.sheet = a.has('sheet') ? a.get('sheet') === '1' : innerWidth > 720;
  view.q = a.get('q') || '';
}

function write_address() {
  const a = new URLSearchParams();
  if (run_of_old) a.set('run', run_of_old);
  if (!follow) a.set('step', view.step);
  if (view.vs !== 'before') a.set('vs', view.vs);
  if (view.sample) a.set('sample', view.sample);
  if (view.token >= 0) a.set('token', view.token + 1);
  if (view.colour !== colour_of_run()) a.set('colour', view.colour);
  if (view.prompt >= 0) a.set('prompt', view.prompt);
  if (view.setting >= 0) a.set('setting', view.setting);
  if (view.sort) a.set('sort', view.sort);
  if (view.as) a.set('view', view.as);
  if (view.as === 'probes' && view.probe >= 0) a.set('probe', view.probe);
  if (view.sheet !== innerWidth > 720) a.set('sheet', view.sheet ? '1' : '0');
  if (view.q) a.set('q', view.q);
  const hash = '#' + a;
  if (hash !== location.hash && (a.size || location.hash)) history.replaceState(null, '', hash);
}

/* --- which samples ------------------------------------------------------------------------------------------------ */
const shows = (p, s) => (view.prompt < 0 || view.prompt === p) && (view.setting < 0 || view.setting === s);

function sorted_samples(data) {
  const list = data.samples.filter(s => shows(s.p, s.s));
  const m = /^([-+])(.+)$/.exec(view.sort);
  if (!m) return list;
  const value = s => s.metrics[m[2]] ?? NaN, sign = m[1] === '-' ? -1 : 1;
  return list.map((s, i) => [s, i]).sort((a, b) => {
    const x = value(a[0]), y = value(b[0]);
    return (isNaN(x) - isNaN(y)) || (isNaN(x) ? 0 : sign * (x - y)) || a[1] - b[1];
  }).map(x => x[0]);
}

/* The step to compare with, or null; only steps that have samples can be. */
function other_step() {
  const at = steps.indexOf(view.step), has = s => index.has(s) && index.get(s).rows.length > 0;
  if (view.vs === 'none') return null;
  if (view.vs === 'first') return steps.find(has) ?? null;
  if (view.vs === 'best') { const b = index.get(steps[steps.length - 1]).best_step; return has(b) ? b : null; }
  if (view.vs !== 'before') return has(+view.vs) ? +view.vs : null;
  return sampled_before(at);
}

/* The last step before the one at that place that was sampled: what a text, and the validation loss, is compared with; or null. */
function sampled_before(at) {
  for (let i = at - 1; i >= 0; i--) if (index.get(steps[i]).rows.length) return steps[i];
  return null;
}

/* --- the bar ------------------------------------------------------------------------------------------------------ */
function draw_ticks() {
  const c = $('ticks'), ratio = window.devicePixelRatio || 1, w = c.clientWidth, h = c.clientHeight, g = c.getContext('2d');
  if (!w) return;
  c.width = w * ratio; c.height = h * ratio;
  g.scale(ratio, ratio);
  const css = getComputedStyle(document.documentElement), ink = n => css.getPropertyValue(n), n = steps.length;
  const dense = (w - 16) / n < 4; /* a rail then, with what went wrong on it: so many ticks are a wall */
  if (dense) { g.fillStyle = ink('--line'); g.fillRect(8, h / 2 - 1, w - 16, 2); }
  steps.forEach((s, i) => {
    const line = index.get(s), x = n > 1 ? 8 + (w - 16) * i / (n - 1) : w / 2;
    const bad = line.status === 'failed' || line.check === 'failed';
    if (dense && !bad) return;
    g.fillStyle = ink(bad ? '--bad' : line.rows.length ? '--muted' : '--line');
    g.fillRect(x - 0.5, bad ? 0 : line.rows.length ? 3 : 5, bad ? 2 : 1, bad ? h : line.rows.length ? h - 6 : h - 10);
  });
}

let compared_round = 0; /* the index that the steps to compare with are of */
function draw_bar(line, data) {
  document.body.classList.toggle('one', steps.length === 1); /* nothing to step through, nothing to compare with */
  const at = steps.indexOf(view.step), slider = $('slider');
  slider.max = steps.length - 1;
  slider.value = at;
  slider.setAttribute('aria-valuetext', 'step ' + view.step);
  $('back').disabled = at <= 0;
  $('on').disabled = at >= steps.length - 1;
  const was = sampled_before(at), by = line.val === null || was === null || index.get(was).val === null ? null : line.val - index.get(was).val;
  $('step-number').replaceChildren(el('span', '', 'step ', el('b', '', String(view.step)), line.best_step === line.step ? el('span', 'best', ' best') : ''),
    el('span', 'val', line.val === null ? '' : 'val ' + num(line.val), by === null ? '' : el('span', by > 0 ? 'bad' : 'best', (by > 0 ? ' ▲' : ' ▼') + Math.abs(by).toFixed(3)), by === null ? '' : ' since ' + was));
  const name = [line.model, line.name].filter(Boolean).join(' · ') || 'Glimpse'; /* whose, and where it is written */
  $('run-name').textContent = name;
  document.title = name + ' · step ' + view.step;
  if (data) {
    const facts = data.arch === 'function' ? ['a function'] : [data.arch, count(data.params), data.dtype + (data.cache !== data.dtype ? ' (cache ' + data.cache + ')' : ''), data.device];
    $('model').textContent = [...facts, line.check === 'ok' ? 'check ✓' : ''].filter(Boolean).join(' · ');
  }
  const alarm = $('alarm');
  alarm.hidden = line.check !== 'failed';
  alarm.textContent = 'MODEL CHECK FAILED at step ' + line.step + ': the loss of the bound tensors is not the trainer’s. These samples are not what the trained model says.';
  const compare = $('compare');
  if (compared_round !== index_round) {
    const want = [['before', 'step before'], ['first', 'first step'], ['best', 'best val loss'], ['none', 'nothing'], ...steps.map(s => [String(s), 'step ' + s])], choices = document.createDocumentFragment();
    for (const [v, t] of want) choices.append(Object.assign(el('option', '', t), { value: v }));
    compare.replaceChildren(choices);
    compared_round = index_round;
  }
  for (const [field, want] of [[compare, view.vs], [$('colour'), view.colour]]) if (field.value !== want) field.value = want;
  $('probes').hidden = !has_probes();
  $('probes').setAttribute('aria-pressed', view.as === 'probes');
}

function legend(data, sample) {
  const box = el('span', 'legend');
  if (view.colour === 'none') return box;
  const s = scale_of(view.colour, data, sample || data.samples[0]), ramp = el('canvas', 'ramp');
  box.append(el('span', 'lo', s.lo), ramp, el('span', 'hi', s.hi), el('span', 'what', s.what + (sample && s.spread ? ' (' + s.spread + ')' : '') + (s.but || '')));
  const g = ramp.getContext('2d');
  ramp.width = LEVELS; ramp.height = 1;
  paint_ground.forEach((c, i) => { g.fillStyle = c; g.fillRect(i, 0, 1, 1); });
  return box;
}

/* --- the list of samples ------------------------------------------------------------------------------------------ */
function chip(text, on, act, title) {
  const b = el('button', 'chip' + (on ? ' on' : ''), ...[text].flat());
  b.type = 'button';
  b.setAttribute('aria-pressed', on);
  if (title) b.title = title;
  b.onclick = () => { act(); draw_charts(); draw(); };
  return b;
}

/* Whose line in the charts. */
function dot(setting) {
  const d = el('i', 'dot');
  d.style.background = ink_of(setting);
  return d;
}

/* What is chosen from: made anew only where it is something else, for a step changes nothing of it. */
let filters_of = '';
function draw_filters(data, prompts, settings) {
  const filters = $('filters'), names = [...new Set(data.samples.flatMap(s => Object.keys(s.metrics)))];
  const of = JSON.stringify([[...prompts], [...settings], names, data.samples.length, steps.length > 1, view.prompt, view.setting, view.sort, view.as]);
  if (of === filters_of) return;
  filters_of = of;
  const focused = [...filters.querySelectorAll('button, select')].indexOf(document.activeElement); /* who walks by keys stays where they were */
  filters.replaceChildren();
  if (prompts.size > 1) filters.append(el('h2', '', 'prompt'), el('div', 'chips', chip('all', view.prompt < 0, () => { view.prompt = -1; }),
    ...[...prompts].map(([p, text]) => chip(quoted(text, 24), view.prompt === p, () => { view.prompt = view.prompt === p ? -1 : p; }, label_of(text, 400)))));
  if (settings.size > 1) filters.append(el('h2', '', 'setting'), el('div', 'chips', chip('all', view.setting < 0, () => { view.setting = -1; }),
    ...[...settings].map(([s, label]) => chip([dot(s), label], view.setting === s, () => { view.setting = view.setting === s ? -1 : s; }))));
  const views = el('div', 'chips views');
  const view_chip = (name, as, title) => {
    const b = chip(name, view.as === as, null, title);
    b.onclick = () => toggle_view(as);
    views.append(b);
  };
  if (data.samples.length > 2) {
    const sort = el('select', '', ...[['', 'as recorded'], ...names.flatMap(n => [['+' + n, metric_label(n) + ' ↑'], ['-' + n, metric_label(n) + ' ↓']])].map(([v, t]) => Object.assign(el('option', '', t), { value: v })));
    sort.value = view.sort;
    sort.onchange = () => { view.sort = sort.value; draw(); };
    filters.append(el('div', 'sorting', el('label', 'field', 'sort', sort)));
  }
  if (data.samples.length > 1) view_chip('all at once', 'all', 'every sample of the step (a)');
  if (steps.length > 1) view_chip('over the steps', 'over', 'this sample, a row a step (o)');
  if (views.children.length) filters.append(views);
  const now = filters.querySelectorAll('button, select')[focused];
  if (now) now.focus();
}

function draw_side(data) {
  const list = $('samples'), focused = (document.activeElement || {}).key;
  list.replaceChildren();
  if (!data || !data.samples.length) { $('filters').replaceChildren(); filters_of = ''; return; }
  const prompts = new Map(data.samples.map(s => [s.p, s.prompt])), settings = new Map(data.samples.map(s => [s.s, s.label]));
  draw_filters(data, prompts, settings);
  const by = (/^[-+](.+)$/.exec(view.sort) || [0, 'perplexity'])[1];
  for (const s of sorted_samples(data)) {
    const b = el('button', 'sample');
    b.type = 'button';
    b.key = key_of(s);
    b.append(el('span', 'head', el('b', '', prompts.size > 1 ? quoted(s.prompt, 18) : s.label), Object.assign(el('span', 'metric', (by === 'perplexity' ? 'own ppl ' : '') + num(s.metrics[by])), { title: by === 'perplexity' ? OWN_TEXT : metric_label(by) })));
    b.append(el('span', 'sub', (prompts.size > 1 && settings.size > 1 ? s.label + ' · ' : prompts.size > 1 ? '' : quoted(s.prompt, 12) + ' · ') + number_of(s.i, s.of) + (s.stop === 'nonfinite' ? ' · not finite' : '')));
    b.append(put(el('span', 'snippet'), s.text.trim() ? s.text.slice(0, 110).replace(/\s+/g, ' ') : label_of(s.text, 60)));
    b.onclick = () => { view.sample = b.key; view.token = -1; if (view.as === 'probes') set_view(''); draw(); };
    list.append(el('li', '', b));
    if (b.key === focused) b.focus();
  }
  mark_sample();
}

/* Which one is chosen, in the list and among the cards of all. */
function mark_sample() {
  for (const b of document.querySelectorAll('#samples .sample')) {
    b.classList.toggle('on', b.key === view.sample);
    if (b.key === view.sample) b.setAttribute('aria-current', 'true'); else b.removeAttribute('aria-current');
  }
  for (const p of panes) if (view.as === 'all') p.box.classList.toggle('on', key_of(p.sample) === view.sample);
}

/* --- the texts ---------------------------------------------------------------------------------------------------- */
function pane_element(data, sample, side, marks) {
  const line = index.get(data.step), m = sample.metrics;
  const facts = [sample.n + ' tokens', 'stop ' + sample.stop, 'seed ' + sample.seed];
  if (sample.beams) facts.push('beam search of ' + sample.beams, 'score ' + num(sample.beam_score));
  const box = el('section', 'pane ' + side, el('header', '', el('h2', '', 'step ' + data.step), line.check === 'failed' ? el('span', 'bad', 'CHECK FAILED') : null, el('span', 'facts', Object.assign(el('span', '', 'own ppl ' + num(m.perplexity)), { title: OWN_TEXT }), ' · ' + facts.join(' · '))));
  if (sample.why) box.append(put(el('p', 'bad'), sample.why));
  if (sample.note) box.append(put(el('p', 'facts'), sample.note));
  box.append(text_element(data, sample, view.colour, marks));
  const strip = el('canvas', 'strip'), cap = el('p', 'cap', '');
  strip.title = 'a column a token';
  strip.cap = cap;
  box.append(cap, strip);
  box.dataset.side = side;
  return { box, strip };
}

/* From an eval without a sample, which may be the newest, to what there is to see. */
function ways_on(line) {
  const was = sampled_before(steps.indexOf(line.step)), ways = el('div', 'chips');
  const way = (text, on_click) => { const b = el('button', 'chip', text); b.type = 'button'; b.onclick = on_click; ways.append(b); };
  if (was !== null) way('the last sample: step ' + was, () => go_to(was));
  if (has_probes()) way('probes over the steps', () => toggle_view('probes'));
  return ways.children.length ? ways : null;
}

function draw_panes(data, other_data) {
  const box = $('panes'), line = index.get(view.step), below = $('below');
  panes = [];
  box.className = '';
  below.replaceChildren();
  if (!data.samples.length) {
    const failed = line.status === 'failed';
    box.replaceChildren(el('div', 'none ' + (failed ? 'bad' : ''), el('h2', '', failed ? 'This eval failed' : 'No sample at step ' + line.step), put(el('p'), line.why || (failed ? 'no reason was recorded' : '')),
      el('p', 'facts', 'train loss ' + num(line.train) + ' · val loss ' + num(line.val) + (line.best_step >= 0 ? ' · best ' + num(line.best) + ' at step ' + line.best_step : '')), ways_on(line)));
    return;
  }
  const sample = sample_of(data, view.sample), was = sample_of(other_data, view.sample);
  if (!sample) { box.replaceChildren(el('div', 'none', el('p', '', 'The filters show no sample of this step.'))); return; }
  const re = search_matcher();
  const units = units_of(data, sample), marks = re ? [{ ranges: ranges_of(re, units.text), cls: 'hit' }] : [], was_marks = [];
  let d = null;
  if (was) {
    const was_text = units_of(other_data, was).text;
    if (re) was_marks.push({ ranges: ranges_of(re, was_text), cls: 'hit' });
    d = diff(was_text, units.text);
    if (!d.little) {
      marks.push({ ranges: d.come, cls: 'come' });
      was_marks.push({ ranges: d.gone, cls: 'gone' });
    }
  }
  const parts = [];
  if (was) parts.push({ data: other_data, sample: was, side: 'was', ...pane_element(other_data, was, 'was', was_marks) });
  parts.push({ data, sample, side: 'now', ...pane_element(data, sample, 'now', marks) });
  const title = el('header', 'title', el('h1', '', el('span', 'kind', 'prompt '), quoted(sample.prompt, 60)), el('span', 'facts', [sample.label, 'T ' + sample.temperature, number_of(sample.i, sample.of)].join(' · ')));
  if (d && d.same) title.append(el('span', 'facts', 'the same words as at step ' + other_data.step));
  if (d && d.little) title.append(el('span', 'facts', (d.head > 1 ? 'from word ' + (d.head + 1) + ' on ' : '') + 'another text than at step ' + other_data.step + ', with too little in common to mark what changed'));
  title.append(legend(data, sample));
  box.replaceChildren(title, ...parts.map(p => p.box));
  box.classList.toggle('two', parts.length === 2);
  panes = parts;
  draw_below(data, sample, was, other_data);
}

function draw_below(data, sample, was, other_data) {
  const below = $('below'), names = Object.keys(sample.metrics);
  if (!names.length) return;
  const table = el('dl', 'metrics');
  for (const n of names) {
    const x = sample.metrics[n], y = was ? was.metrics[n] : null, value = el('dd', '', num(x));
    if (y !== null && y !== undefined && x !== null && x !== y) value.append(el('span', 'delta', (x > y ? ' ▲' : ' ▼') + num(Math.abs(x - y))));
    table.append(Object.assign(el('div', '', el('dt', '', metric_label(n)), value), { title: n === 'perplexity' ? OWN_TEXT : '' }));
  }
  below.append(el('h2', '', 'metrics of this sample' + (was ? ', against step ' + other_data.step : '')), table,
    el('p', 'facts', put(el('span'), sample.samplers)));
}

/* The picture of the sample, last: it is higher than all the rest. */
function draw_sheet(data, sample) {
  if (!sample || !sample.sheet) return;
  const sheet = el('details', 'sheet');
  const show = () => {
    if (!sheet.open || sheet.children.length > 1) return;
    const img = el('img'), a = el('a', '', img);
    img.alt = 'heatmap of the sample: the likeliest tokens at each place';
    img.loading = 'lazy';
    a.href = img.src = evals_dir + '/step_' + step_file(data.step) + '/' + sample.name + '.png';
    a.target = '_blank';
    img.onerror = () => a.replaceWith(el('p', 'facts', 'the picture is not there: `glimpse report DIR` draws it anew'));
    sheet.append(a);
  };
  sheet.open = view.sheet;
  sheet.append(el('summary', '', 'heatmap sheet', el('span', 'facts', '  the likeliest tokens at each place, by the model’s own p; a click shows it in full')));
  sheet.ontoggle = () => { view.sheet = sheet.open; show(); write_address(); };
  show();
  $('below').append(sheet);
}

/* What was measured of the model itself at this step: task scores, and a slice of the dataset in numbers. */
function draw_scores(data, other_data) {
  const below = $('below'), was = new Map();
  if (!data.scores && !data.dataset) return;
  for (const s of (other_data && other_data.scores) || []) was.set(s.task + ' ' + s.metric, s.value);
  for (const [n, x] of (other_data && other_data.dataset) || []) was.set('dataset ' + n, x);
  const delta = (name, x) => { const y = was.get(name); return y === null || y === undefined || x === null || x === y ? null : el('span', 'delta', (x > y ? ' ▲' : ' ▼') + num(Math.abs(x - y))); };
  const against = was.size ? ', against step ' + other_data.step : '';
  if (data.scores) {
    const table = el('table', 'scores', el('thead', '', el('tr', '', ...['task', '', 'value', '±', 'guessing', 'documents', 'shots'].map(t => el('th', '', t)))), el('tbody', ''));
    for (const s of data.scores) {
      const row = el('tr', '', put(el('td'), s.task), put(el('td'), s.metric.replace(/_/g, ' ')), el('td', 'n', num(s.value), delta(s.task + ' ' + s.metric, s.value)),
        el('td', 'n', num(s.error)), el('td', 'n', num(s.chance)), el('td', 'n', s.n + ' of ' + s.of), el('td', 'n', String(s.shots)));
      row.title = s.variant;
      table.lastChild.append(row);
    }
    below.append(el('h2', '', 'task scores' + against), table);
  }
  if (data.dataset) {
    const list = el('dl', 'metrics');
    for (const [n, x] of data.dataset) list.append(el('div', '', put(el('dt'), metric_label(n)), el('dd', '', num(x), delta('dataset ' + n, x))));
    below.append(el('h2', '', 'a slice of the dataset' + against), list);
  }
}

/* Every sample of the step, side by side. */
function draw_grid(data) {
  const box = $('panes'), re = search_matcher();
  panes = [];
  $('below').replaceChildren();
  box.className = 'grid';
  const first = sample_of(data, view.sample);
  box.replaceChildren(el('header', 'title', el('h1', '', 'step ' + data.step), first ? legend(data, scale_of(view.colour, data, first).spread ? null : first) : ''), ...sorted_samples(data).map(s => {
    const marks = re ? [{ ranges: ranges_of(re, units_of(data, s).text), cls: 'hit' }] : [];
    const { box: card, strip } = pane_element(data, s, 'now', marks), h = card.querySelector('h2');
    h.replaceChildren(quoted(s.prompt, 24), el('span', 'facts', ' ' + s.label + (s.of > 1 ? ' · ' + (s.i + 1) + ' of ' + s.of : '')));
    card.classList.toggle('on', key_of(s) === view.sample);
    card.dataset.key = key_of(s);
    panes.push({ data, sample: s, side: 'now', box: card, strip });
    return card;
  }));
}

function search_matcher() {
  try { return matcher_of(view.q); } catch { return null; }
}

/* --- the token ---------------------------------------------------------------------------------------------------- */
let shown_token = null; /* {pane, i} */

function show_token(pane, i) {
  const box = $('token');
  document.querySelectorAll('.tk.focus').forEach(t => t.classList.remove('focus'));
  shown_token = pane && i >= 0 && i < pane.sample.n ? { pane, i } : null;
  if (!shown_token) { box.replaceChildren(); return; }
  const text = pane.box.querySelector('.text');
  if (text && text.tokens[i]) text.tokens[i].classList.add('focus');
  box.replaceChildren(...token_panel(pane.data, pane.sample, i, view.rows, 'step ' + pane.data.step));
  const more = $('more');
  if (more) more.onclick = () => { view.rows = view.rows > 10 ? 10 : 1000; show_token(pane, i); };
  draw_strips();
}

/* The token that the panel shows when nothing is pointed at: the pinned one, else the most surprising. */
function rest_token() {
  if (view.as === 'probes') return;
  const pane = panes.find(p => p.side === 'now' && (view.as === 'over' ? p.data.step === view.step : view.as !== 'all' || key_of(p.sample) === view.sample)) || panes[0];
  if (!pane) { show_token(null, -1); return; }
  show_token(pane, view.token >= 0 ? Math.min(view.token, pane.sample.n - 1) : most_surprising(pane.data, pane.sample));
}

/* At the next frame, and only what is on the screen.  All is written before anything is read, and read before anything is
 * drawn: reading a place lays the page out, and that once is dear enough. */
let strips_wanted = false;
function draw_strips() {
  if (strips_wanted) return;
  strips_wanted = true;
  requestAnimationFrame(() => {
    strips_wanted = false;
    const most = strips_end(), with_strip = panes.filter(p => p.strip), said = '−ln p (bars) and entropy (line), 0 … ' + most.toFixed(1) + ' nats';
    for (const p of with_strip) if (p.strip.cap.textContent !== said) p.strip.cap.textContent = said;
    const on_screen = e => { const r = e.getBoundingClientRect(); return r.top < innerHeight && r.bottom > 0 && r; };
    const drawn = with_strip.filter(p => on_screen(p.box)).map(p => [p, on_screen(p.strip)]); /* of a card out of sight nothing is laid out, unless one asks */
    for (const [p, r] of drawn) if (r) draw_strip(p.strip, r.width, r.height, p.data, p.sample, view.colour, most, shown_token && shown_token.pane === p ? shown_token.i : -1);
  });
}

/* One end for the strips of all panes, nats. */
function strips_end() {
  let most = 6;
  for (const p of panes) { const c = columns(p.data, p.sample); for (let i = 0; i < p.sample.n; i++) if (-c.logprob[i] > most) most = -c.logprob[i]; }
  return most;
}

function move_token(by) {
  if (!shown_token) return rest_token();
  const { pane, i } = shown_token, to = Math.max(0, Math.min(pane.sample.n - 1, i + by));
  if (pane.side === 'now') view.token = to;
  show_token(pane, to);
  const span = pane.box.querySelector('.tk.focus');
  if (span) span.scrollIntoView({ block: 'nearest' });
  write_address();
}

/* The next of the tokens by falling surprise. */
function next_surprise() {
  const pane = shown_token ? shown_token.pane : panes[panes.length - 1];
  if (!pane) return;
  const c = columns(pane.data, pane.sample), order = [...Array(pane.sample.n).keys()].sort((a, b) => c.logprob[a] - c.logprob[b]);
  const at = shown_token ? order.indexOf(shown_token.i) : -1, to = order[(at + 1) % order.length];
  if (to === undefined) return;
  if (pane.side === 'now') view.token = to;
  show_token(pane, to);
  write_address();
}

/* --- drawing all -------------------------------------------------------------------------------------------------- */
async function draw() {
  const mine = ++drawing, step = view.step, other = other_step(), line = index.get(step);
  if (!held.has(step)) draw_bar(line, null); /* it takes a while: the bar says where one goes */
  let data, other_data = null;
  try {
    [data, other_data] = await Promise.all([load_step(step), other === null || other === step ? null : load_step(other)]);
  } catch (e) {
    if (mine !== drawing) return;
    panes = [];
    $('panes').className = '';
    $('panes').replaceChildren(el('div', 'none bad', el('h2', '', 'step ' + step), el('p', '', String(e.message))));
    $('below').replaceChildren();
    show_token(null, -1);
    return;
  }
  if (mine !== drawing) return;
  const list = sorted_samples(data);
  if (list.length && !list.some(s => key_of(s) === view.sample)) { view.sample = key_of(list[0]); view.token = -1; }
  draw_bar(line, data);
  draw_side(data);
  if (view.as === 'probes' && has_probes()) await draw_probes(data, mine);
  else {
    if (view.as === 'over') draw_over(data);
    else if (view.as === 'all' && data.samples.length) draw_grid(data);
    else draw_panes(data, other_data);
    draw_scores(data, other_data);
    if (view.as !== 'over' && view.as !== 'all') draw_sheet(data, sample_of(data, view.sample));
    rest_token();
  }
  if (mine !== drawing) return;
  mark_charts(steps.indexOf(step));
  write_address();
  document.body.dataset.drawn = step; /* for whoever drives the page */
  performance.mark('glimpse-drawn');
  const at = steps.indexOf(step); /* the neighbours are at hand when a key is pressed */
  setTimeout(() => { for (const i of [at + 1, at - 1, at - 2]) if (mine === drawing && i >= 0 && i < steps.length) load_step(steps[i]).catch(() => {}); }, 60);
}

function go_to(step) {
  if (!index.has(step)) return;
  view.step = step;
  follow = step === steps[steps.length - 1];
  if (follow) $('newer').hidden = true;
  draw();
}

function go_by(n) {
  const at = steps.indexOf(view.step) + n;
  if (at >= 0 && at < steps.length) go_to(steps[at]);
}

async function go_sample(n) {
  const data = held.get(view.step);
  if (!data) return;
  const list = sorted_samples(data), at = list.findIndex(s => key_of(s) === view.sample) + n;
  if (at < 0 || at >= list.length) return;
  view.sample = key_of(list[at]);
  view.token = -1;
  if (view.as === 'probes') set_view('');
  await draw();
  const on = $('samples').querySelector('.on');
  if (on) on.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

/* --- theme, keys -------------------------------------------------------------------------------------------------- */
const dark_wanted = window.matchMedia('(prefers-color-scheme: dark)');
function stored(name, value) {
  try { return value === undefined ? localStorage.getItem(name) : localStorage.setItem(name, value); } catch { return null; }
}
function set_theme(theme) {
  const dark = theme ? theme === 'dark' : dark_wanted.matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  make_paints(dark);
}
function toggle_theme() {
  const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  stored('glimpse-theme', theme);
  set_theme(theme);
  draw_ticks();
  draw();
}

/* as those of the reviewer in the terminal (viz/screen_pages.c), where both have them */
const KEYS = [['← →', 'step before, after'], ['Home End', 'first, newest step'], ['j k', 'next, previous sample'], ['a', 'all samples at once'], ['o', 'this sample over the steps'], ['p', 'probes over the steps'], ['d', 'compare with the step before, or not'], [', . h l', 'previous, next token'], ['s', 'next most surprising token'], ['c', 'next colour mode'], ['i', 'heatmap sheet'], ['/', 'search every step'], ['t', 'light, dark'], ['Esc', 'leave the search; back to the sample; unpin the token']];
function show_keys() {
  const box = $('keys');
  if (box.open) return box.close();
  box.replaceChildren(el('h2', '', 'Keys'), el('dl', '', ...KEYS.map(([k, what]) => el('div', '', el('dt', '', ...k.split(' ').map(x => el('kbd', '', x))), el('dd', '', what)))),
    el('p', 'facts', 'Point at a token for its alternatives; click to keep it. Click a chart to go to its step.'));
  box.showModal();
}

function toggle_sheet() {
  const d = document.querySelector('details.sheet');
  if (d) { d.open = !d.open; if (d.open) d.scrollIntoView({ block: 'nearest' }); }
}

/* To that view, or from it back to one sample. */
function toggle_view(as) {
  if (as === 'probes' && !has_probes()) return;
  set_view(view.as === as ? '' : as);
  draw();
}

function set_view(as) {
  if ((as === 'probes') !== (view.as === 'probes')) view.token = -1; /* it was another text's */
  view.as = as;
}

/* What is compared is seen in one sample alone: to it from anywhere else. */
function compare_with(vs) {
  view.vs = vs;
  if (vs !== 'none') { compared = vs; set_view(''); }
  draw();
}

function on_key(e) {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const in_field = /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) && e.target.id !== 'slider';
  if (e.key === 'Escape') {
    if (e.target === $('search')) { $('search').value = ''; set_search(''); $('search').blur(); }
    else if (!$('keys').open && view.as) { view.as = ''; view.token = -1; draw(); }
    else if (!$('keys').open) { view.token = -1; rest_token(); write_address(); }
    return;
  }
  if (in_field || ($('keys').open && e.key !== '?')) return;
  const act = {
    ArrowLeft: () => go_by(-1), ArrowRight: () => go_by(1), Home: () => go_to(steps[0]), End: () => go_to(steps[steps.length - 1]),
    j: () => go_sample(1), k: () => go_sample(-1), a: () => toggle_view('all'), o: () => toggle_view('over'), p: () => toggle_view('probes'),
    d: () => compare_with(view.vs === 'none' || view.as ? compared : 'none'),
    ',': () => move_token(-1), '.': () => move_token(1), h: () => move_token(-1), l: () => move_token(1), s: next_surprise, i: toggle_sheet, t: toggle_theme, '?': show_keys,
    c: () => { view.colour = MODES[(MODES.indexOf(view.colour) + 1) % MODES.length]; draw(); },
    '/': () => { $('search').focus(); $('search').select(); },
  }[e.key];
  if (!act) return;
  e.preventDefault();
  act();
}

let search_timer = 0;
function set_search(q) {
  view.q = q;
  clearTimeout(search_timer);
  search_timer = setTimeout(() => { run_search(q); draw(); }, 150);
}

function wire() {
  $('back').onclick = () => go_by(-1);
  $('on').onclick = () => go_by(1);
  $('slider').oninput = e => go_to(steps[+e.target.value]);
  $('compare').onchange = e => compare_with(e.target.value);
  $('colour').replaceChildren(...MODES.map(m => Object.assign(el('option', '', m.replace(/_/g, ' ')), { value: m })));
  $('colour').onchange = e => { view.colour = e.target.value; draw(); };
  $('probes').onclick = () => toggle_view('probes');
  $('theme').onclick = toggle_theme;
  $('help').onclick = show_keys;
  $('newer').onclick = () => go_to(steps[steps.length - 1]);
  $('search').oninput = e => set_search(e.target.value);
  $('keys').onclick = e => { if (e.target === $('keys')) $('keys').close(); };
  document.addEventListener('keydown', on_key);
  const pane_of = target => { const b = target.closest('.pane, .turn'); return b && panes.find(p => p.box === b); };
  const point = (e, keep) => {
    const t = e.target.closest('.tk'), pane = pane_of(e.target);
    if (!pane) return;
    let i = t ? t.place : -1;
    if (pane.strip && e.target === pane.strip) i = Math.floor(e.offsetX / (pane.strip.step_px || 1));
    if (i < 0 || i >= pane.sample.n) return;
    if (keep && view.as === 'over') return go_to(pane.data.step);
    if (keep) {
      $('token').classList.remove('small');
      view.token = pane.side === 'now' && (view.token !== i || view.sample !== key_of(pane.sample)) ? i : -1;
      if (view.as === 'all') { view.sample = key_of(pane.sample); mark_sample(); }
      write_address();
    }
    if (!shown_token || shown_token.pane !== pane || shown_token.i !== i) show_token(pane, i);
  };
  $('token').classList.add('small'); /* a drawer on a small screen, opened by a tap on a token or on its head */
  $('token').addEventListener('click', e => { if (e.target.closest('.panel-head, .context')) $('token').classList.toggle('small'); });
  $('panes').addEventListener('mousemove', e => point(e, false));
  $('panes').addEventListener('click', e => point(e, true));
  $('panes').addEventListener('mouseleave', rest_token);
  window.addEventListener('hashchange', () => { if (run_in_address() !== run_of_old) return location.reload(); read_address(); draw_charts(); $('search').value = view.q; run_search(view.q); draw(); });
  window.addEventListener('scroll', draw_strips, { passive: true });
  window.addEventListener('resize', () => { if (view.as === 'probes') draw(); });
  const sizes = new ResizeObserver(() => { draw_ticks(); draw_strips(); }); /* the bar is laid out anew by its own words, a pane by scrolling */
  sizes.observe($('track'));
  sizes.observe($('panes'));
  dark_wanted.addEventListener('change', () => { if (!stored('glimpse-theme')) { set_theme(); draw_ticks(); draw(); } });
}

/* What cannot be drawn there says so there: the texts are worth more. */
function draw_charts() {
  try { build_charts(shows); } catch (e) {
    charts = [];
    $('charts').replaceChildren(put(el('p', 'bad'), 'the charts cannot be drawn: ' + e.message));
  }
}

/* A run that goes on: new evals are noticed, and shown at once only to one who is at the newest.  One that began anew, or was resumed
 * at an earlier step, takes what it left behind from the page, too. */
async function look_for_more() {
  if (document.hidden) return;
  const run = index.get(steps[steps.length - 1]).run;
  let news;
  try { news = await load_index(true); } catch { return; }
  if (!news) return;
  draw_charts();
  draw_ticks();
  if (news.gone) {
    load_runs(true).then(draw_runs);
    if (view.q) run_search(view.q);
  }
  if (follow) { go_to(steps[steps.length - 1]); return; }
  if (!index.has(view.step)) view.step = steps.reduce((at, s) => s <= view.step ? s : at, steps[0]);
  $('newer').textContent = index.get(steps[steps.length - 1]).run !== run ? 'a new run ▸' : news.came && !news.gone ? news.came + ' new ▸' : 'new ▸';
  $('newer').hidden = false;
  draw();
}

/* A run that was set aside, by when it began and its id, and what tells it from those of the same minute: whose it is, how far it came,
 * and how well. */
function run_label(name) {
  const [step, best, model] = run_facts[runs.indexOf(name)] || [];
  return [name.replace('_', ' ').replace(/ (\d\d)(\d\d)_/, ' $1:$2 '), model, step >= 0 ? 'to step ' + step : '', best === null || best === undefined ? '' : 'best val ' + num(best)].filter(Boolean).join(' · ');
}

/* The runs that were set aside here; this page is theirs too. */
function draw_runs() {
  const names = run_of_old && !runs.includes(run_of_old) ? [run_of_old, ...runs] : runs, select = $('which-run');
  $('runs').hidden = !names.length;
  select.replaceChildren(...[['', 'newest'], ...[...names].reverse().map(n => [n, run_label(n)])].map(([v, t]) => Object.assign(el('option', '', t), { value: v })));
  select.value = run_of_old || '';
  select.onchange = () => { location.hash = select.value ? 'run=' + select.value : ''; };
}

async function start() {
  set_theme(stored('glimpse-theme'));
  wire();
  load_runs().then(draw_runs);
  try { await load_index(false); } catch { steps = []; }
  if (!steps.length) {
    $('panes').replaceChildren(el('div', 'none', el('h2', '', 'Nothing to show yet'), el('p', '', report_dir + '/index.js has no evals. It is written at each eval; `glimpse report DIR` draws it anew from evals.jsonl.')));
  } else {
    read_address();
    draw_charts();
    draw_ticks();
    $('search').value = view.q;
    if (view.q) run_search(view.q);
    await draw();
  }
  const look_again = async () => {
    const began = performance.now();
    if (!steps.length) { location.reload(); return; }
    await look_for_more();
    setTimeout(look_again, Math.max(10000, 20 * (performance.now() - began))); /* an index of many megabytes takes its time */
  };
  setTimeout(look_again, 10000);
}
start();
