/* tokens.js -- a sample's tokens: their text, their colours (the modes of viz/colors.h), and the panel of one token. */

const VIRIDIS = '440154,46085c,471063,481769,481d6f,482475,472a7a,46307e,453781,433d84,414287,3f4889,3d4e8a,3a538b,38598c,355e8d,33638d,31688e,2e6d8e,2c718e,2a768e,297b8e,27808e,25848e,23898e,218e8d,20928c,1f978b,1e9c89,1fa188,21a585,24aa83,28ae80,2eb37c,35b779,3dbc74,46c06f,50c46a,5ac864,65cb5e,70cf57,7cd250,89d548,95d840,a2da37,b0dd2f,bddf26,cae11f,d8e219,e5e419,f1e51d,fde725'.split(',').map(h => [0, 2, 4].map(i => parseInt(h.slice(i, i + 2), 16)));
const LEVELS = 64;
let paint_ground = [], paint_ink = [], paint_bar = [];
const paint_rules = new CSSStyleSheet(); /* .c0 ... .c63: a class is matched once, a style of its own by every token anew */
document.adoptedStyleSheets = [paint_rules];

function viridis(v) {
  const x = Math.max(0, Math.min(1, v)) * (VIRIDIS.length - 1), i = Math.min(VIRIDIS.length - 2, Math.floor(x)), f = x - i;
  return VIRIDIS[i].map((c, k) => c + f * (VIRIDIS[i + 1][k] - c));
}

const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const luminance = c => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
const rgb = c => 'rgb(' + c.map(x => Math.round(x)).join(',') + ')';

/* The grounds of the theme: viridis, blended into the paper the more the surer the model was, so that a page of sure
 * tokens stays calm and the doubtful ones stand out.  The ink on each has the greater contrast, at least 4.5 : 1. */
function make_paints(dark) {
  const paper = dark ? [34, 36, 43] : [255, 255, 255];
  paint_ground = []; paint_ink = []; paint_bar = [];
  for (let i = 0; i < LEVELS; i++) {
    const v = i / (LEVELS - 1), share = dark ? 0.95 - 0.60 * v + 0.07 * v * v : 0.86 - 0.54 * v;
    const c = viridis(v).map((x, k) => share * x + (1 - share) * paper[k]), l = luminance(c);
    paint_ground.push(rgb(c));
    paint_bar.push(dark ? rgb(viridis(v).map(x => x + 0.32 * (1 - v) * (255 - x))) : rgb(c)); /* deep purple is lost on a dark ground */
    paint_ink.push((l + 0.05) / 0.05 >= 1.05 / (l + 0.05) ? '#000000' : '#ffffff');
  }
  paint_rules.replaceSync(paint_ground.map((c, i) => '.c' + i + '{background:' + c + ';color:' + paint_ink[i] + '}').join(''));
}
const level = v => Math.round(Math.max(0, Math.min(1, v)) * (LEVELS - 1));

/* A probability on the scale of the pictures (viz/charts.h): by powers of ten from 1e-4 to 1. */
const log_colour = p => rgb(viridis(p > 1e-4 ? 1 + Math.log10(p) / 4 : 0));

const MODES = ['softmax', 'minmax', 'softmax_top_k', 'rank', 'dot_product', 'entropy', 'none'];

/* The scale of a mode over one sample: value(i) in 0..1 or NaN = plain; lo, hi and what they are, for the legend, in the
 * same words at every step; spread: the sample's own lowest and highest, where the scale is between them; but: what one might take it for. */
function scale_of(mode, data, sample) {
  const c = columns(data, sample), T = sample.temperature > 0 ? sample.temperature : 1;
  const spread = (get, shown) => { /* `shown`: what makes the number one of the journal's again */
    let lo = NaN, hi = NaN;
    for (let i = 0; i < sample.n; i++) {
      const x = get(i);
      if (!isFinite(x)) continue;
      if (!(lo <= x)) lo = x;
      if (!(hi >= x)) hi = x;
    }
    return { value: i => (get(i) - lo) / (hi - lo + 1e-6), lo: 'lowest', hi: 'highest', spread: isFinite(lo) ? minus((lo * shown).toFixed(1)) + ' … ' + minus((hi * shown).toFixed(1)) : '' };
  };
  switch (mode) {
  case 'minmax': return { ...spread(i => c.logit[i] / T, T), what: 'logit of each sample', but: ', not a probability' };
  case 'dot_product': return { ...spread(i => c.dot[i], 1), what: 'cosine to the token before, of each sample' };
  case 'softmax_top_k': return { value: i => c.p_final[i], lo: '0', hi: '1', what: 'p among the kept' };
  case 'entropy': {
    const most = Math.log(data.vocab);
    return { value: i => c.entropy[i] / most, lo: '0', hi: num(most), what: 'entropy, nats', but: ', low is sure' };
  }
  case 'rank': {
    const k = Math.max(sample.top_k, 2);
    return { value: i => c.rank[i] < 2 || c.rank[i] > k ? NaN : k === 2 ? 0 : 1 - (c.rank[i] - 2) / (k - 2), lo: String(k), hi: '2', what: 'rank; first and beyond: plain' };
  }
  case 'none': return { value: () => NaN, lo: '', hi: '', what: '' };
  default: return { value: i => c.p_temp[i], lo: '0', hi: '1', what: 'p at the temperature' };
  }
}

/* An id whose bytes were not recorded, as every view writes it (viz/text.h, text_token). */
const unknown_of = (data, place) => '⟨' + (data.ids[place] ?? '?') + '⟩';

/* The tokens as pieces of text: {i, text, from, special, cut}.  A token that ends inside a character has no text of its
 * own, the one that completes it has the character; `from` counts in the joined text. */
function units_of(data, sample) {
  if (sample.units) return sample.units;
  const c = columns(data, sample), units = [], utf8 = new TextEncoder();
  let decoder = null, at = 0, text = '';
  for (let i = 0; i < sample.n; i++) {
    const piece = data.pieces[c.id[i]], ends = sample.stop === 'eos' && i === sample.n - 1;
    let s;
    if (piece === undefined) s = unknown_of(data, c.id[i]);
    else if (typeof piece === 'string' && !decoder) s = piece;
    else {
      decoder = decoder || new TextDecoder('utf-8', { ignoreBOM: true });
      s = decoder.decode(typeof piece === 'string' ? utf8.encode(piece) : Uint8Array.from(piece), { stream: true });
    }
    const special = ends || (s.length > 2 && s[0] === '⟨' && s[s.length - 1] === '⟩');
    units.push({ i, text: s, from: at, special, part: s === '' });
    if (!ends) { at += s.length; text += s; }
  }
  if (decoder && units.length) { /* what never was completed */
    const rest = decoder.decode();
    units[units.length - 1].text += rest;
    text += rest;
  }
  /* Behind the text stand the tokens of a stop string: generated, but no part of it. */
  if (sample.stop === 'stop') for (const u of units) u.cut = u.from >= sample.text.length;
  units.text = text;
  return sample.units = units;
}

/* Without a tokenizer a piece is the id and the blank before the next one (sampling/pieces_text.h). */
const is_id = (data, place) => data.pieces[place] === data.ids[place] + ' ';

const piece_label = (data, place, most) => {
  const piece = data.pieces[place];
  if (piece === undefined || piece === '') return unknown_of(data, place);
  if (is_id(data, place)) return String(data.ids[place]);
  return typeof piece === 'string' ? label_of(piece, most) : piece.map(b => '\\x' + b.toString(16).padStart(2, '0')).join('');
};

/* The most surprising token: where one looks first. */
function most_surprising(data, sample) {
  const c = columns(data, sample);
  let best = sample.n ? 0 : -1;
  for (let i = 0; i < sample.n; i++) if (c.logprob[i] < c.logprob[best]) best = i;
  return best;
}

/* The prompt, of a long one the end: what was said stands behind it, and is to be in sight. */
function prompt_element(prompt) {
  const box = el('span', 'prompt'), end = prompt.slice(-200).replace(/^[\udc00-\udfff]/, '').split('\n').slice(-6).join('\n'), cut = prompt.length - end.length;
  if (cut < 100) return put(box, prompt);
  const more = el('button', 'more', '… ' + cut + ' characters before ');
  more.type = 'button';
  more.onclick = () => { box.replaceChildren(); put(box, prompt); };
  box.append(more);
  return put(box, end);
}

/* The running text of a sample.  `marks`: ranges of the joined text with their class.  Its tokens' elements, which know their
 * place, are its `tokens`. */
function text_element(data, sample, mode, marks) {
  const box = el('div', 'text'), tokens = box.tokens = [], scale = scale_of(mode, data, sample), units = units_of(data, sample);
  const walks = marks.map(m => ({ ...m, walk: { i: 0 } }));
  const shown = sample.prompt.trim() ? sample.prompt : '';
  if (shown) box.append(prompt_element(shown));
  if (!sample.n) put(box.appendChild(el('span', 'plain')), sample.text);
  for (const u of units) {
    const t = document.createElement('span'), v = scale.value(u.i);
    let cls = u.special ? 'tk special' : u.cut ? 'tk cut' : 'tk';
    if (!u.special) for (const m of walks) if (meets(m.ranges, m.walk, u.from, u.from + u.text.length)) cls += ' ' + m.cls;
    if (v === v && !u.special && !u.cut) cls += ' c' + level(v);
    t.className = cls;
    t.place = u.i;
    tokens.push(t);
    if (u.part) t.append(el('i', 'esc', '·'));
    else if (/[\n\t]/.test(u.text)) {
      for (const part of u.text.split(/(\n|\t)/)) {
        if (part === '\n') t.append(el('i', 'blank', '↵'), '\n');
        else if (part === '\t') t.append(el('i', 'blank', '→'), '\t');
        else put(t, part);
      }
    } else if (u.text.search(UNSEEN) >= 0) put(t, u.text);
    else t.textContent = u.text;
    box.append(t);
  }
  if (!sample.n && !sample.text) box.append(el('span', 'empty', 'no token was generated'));
  return box;
}

/* --- the panel of a token ----------------------------------------------------------------------------------------- */
function fact(name, value, title) {
  const row = el('div', 'fact', el('dt', '', name), el('dd', '', value));
  if (title) row.title = title;
  return row;
}

/* `pf` NaN: nothing was drawn here. */
function bar_row(text, p, pf, cls, note) {
  const fill = el('span', 'fill'), last = el('span', 'last');
  fill.style.width = (100 * p).toFixed(2) + '%';
  fill.style.backgroundColor = log_colour(p);
  last.style.left = (100 * Math.min(pf, 1)).toFixed(2) + '%';
  const row = el('li', cls, el('span', 'piece', text), el('span', 'bar', fill, pf > 0 ? last : null), el('span', 'p', note || prob(p)));
  row.title = 'the model’s own p ' + prob(p) + (pf > 0 ? ', p it was drawn with ' + prob(pf) : pf === pf ? ', filtered out' : '');
  return row;
}

/* Everything that is known of token i, of a probe what was not drawn left out.  `rows`: how many of the alternatives. */
function token_panel(data, sample, i, rows, step_note) {
  const c = columns(data, sample), units = units_of(data, sample), out = [], scored = sample.stop === 'scored';
  const name = piece_label(data, c.id[i], 60);
  out.push(el('header', 'panel-head', el('div', 'where', step_note), el('div', 'name', name),
    el('div', 'where', 'token ' + (i + 1) + ' of ' + sample.n + ' · id ' + (data.ids[c.id[i]] ?? '?'))));
  const before = units.slice(Math.max(0, i - 12), i).map(u => u.text).join(''), ids = is_id(data, c.id[i]);
  const shown = label_of(before.slice(-60), 60).replace('∅', '');
  out.push(el('p', 'context', (i > 12 ? '…' : '') + (ids ? shown.replace(/␣/g, ' ') : shown), el('b', '', ids ? name : label_of(units[i].text || name, 30))));
  out.push(el('dl', 'facts',
    fact('rank', String(c.rank[i]), '1 = the model’s first choice'),
    fact('probability', prob(Math.exp(c.logprob[i])), 'the model’s own, before temperature and filters'),
    fact('−ln p', num(-c.logprob[i]), 'nats'),
    fact('entropy', num(c.entropy[i]), 'of the model’s own distribution, nats'),
    ...scored ? [] : [fact('p drawn with', prob(c.p_final[i]), 'among the ids that the filters kept, at the temperature'),
      fact('p at T ' + sample.temperature, prob(c.p_temp[i]), 'after temperature, before the filters'),
      fact('kept', String(c.kept[i]), 'how many ids the filters left')],
    fact('mass above', prob(c.left[i]), 'probability of the ids ranked above it')));
  const list = el('ol', 'bars');
  let seen = false;
  const k = sample.k, listed = Math.min(rows, k);
  for (let j = 0; j < k; j++) {
    const place = c.top[i * k + j];
    if (place === c.none) break;
    const mine = place === c.id[i]; /* its own numbers are whole, the codes are coarse: what stands above it is said again */
    const p = mine ? Math.exp(c.logprob[i]) : p_of_code(c.p[i * k + j]), pf = scored ? NaN : mine ? c.p_final[i] : p_of_code(c.pf[i * k + j]);
    if (j >= listed && !mine) continue;
    seen = seen || mine;
    if (mine && j >= listed) list.append(el('li', 'gap', '⋮ rank ' + c.rank[i]));
    list.append(bar_row(piece_label(data, place, 22), p, pf, mine ? 'chosen' : pf > 0 || scored ? '' : 'filtered'));
  }
  if (!seen) list.append(el('li', 'gap', '⋮ rank ' + c.rank[i]), bar_row(piece_label(data, c.id[i], 22), Math.exp(c.logprob[i]), scored ? NaN : c.p_final[i], 'chosen'));
  out.push(list);
  if (k > rows) out.push(Object.assign(el('button', 'more', k - rows + ' more'), { type: 'button', id: 'more' }));
  else if (rows > 10 && k > 10) out.push(Object.assign(el('button', 'more', 'fewer'), { type: 'button', id: 'more' }));
  out.push(el('p', 'note', scored ? 'bar: the model’s own p · red: the token of the text' : 'bar: the model’s own p · tick: p it was drawn with · red: the token drawn'));
  return out;
}

/* Surprisal as bars and entropy as a line, one column a token; w x h of the canvas on the page. */
function draw_strip(canvas, w, h, data, sample, mode, most, chosen) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = w * ratio; canvas.height = h * ratio;
  const g = canvas.getContext('2d'), c = columns(data, sample), n = sample.n, css = getComputedStyle(canvas);
  g.scale(ratio, ratio);
  if (!n || !w) return;
  const dx = Math.min(14, w / n), scale = scale_of(mode === 'none' ? 'softmax' : mode, data, sample), y = x => h - 1 - (h - 4) * Math.min(1, x / most);
  for (let i = 0; i < n; i++) {
    const v = scale.value(i);
    g.fillStyle = v === v ? paint_bar[level(v)] : css.getPropertyValue('--line');
    const top = y(-c.logprob[i]);
    g.fillRect(i * dx, top, Math.max(1, dx - (dx > 4 ? 1 : 0)), h - top);
  }
  g.strokeStyle = css.getPropertyValue('--ink');
  g.globalAlpha = 0.55;
  g.beginPath();
  for (let i = 0; i < n; i++) g[i ? 'lineTo' : 'moveTo']((i + 0.5) * dx, y(c.entropy[i]));
  g.stroke();
  g.globalAlpha = 1;
  if (chosen >= 0) {
    g.strokeStyle = '#ff3b30';
    g.lineWidth = 1.5;
    g.strokeRect(chosen * dx - 0.75, 0.75, Math.max(dx, 3) + 0.5, h - 1.5);
  }
  canvas.step_px = dx;
}
