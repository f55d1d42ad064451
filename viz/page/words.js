/* words.js -- text that is safe and legible: what must not act is made visible, and what changed between two texts. */

/* What can move, reorder or hide text: C0 but newline and tab, DEL, C1, soft hyphen, bidi and zero-width marks, line and
 * paragraph separators, tags, private interlinear marks. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

function escape_of(c) {
  const n = c.codePointAt(0), hex = n.toString(16);
  return n < 0x80 ? (n === 13 ? '\\r' : '\\x' + hex.padStart(2, '0')) : n < 0x10000 ? '\\u' + hex.padStart(4, '0') : '\\U' + hex.padStart(8, '0');
}

/* Make an element.  Text is only ever a text node: nothing that a model says is markup. */
function el(tag, cls, ...children) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  for (const c of children) if (c !== null && c !== undefined) e.append(c);
  return e;
}

/* Append text to an element, with what is unseen as dim escapes. */
function put(e, text) {
  let from = 0;
  for (const m of text.matchAll(UNSEEN)) {
    if (m.index > from) e.append(text.slice(from, m.index));
    e.append(el('i', 'esc', escape_of(m[0])));
    from = m.index + m[0].length;
  }
  if (from < text.length) e.append(from ? text.slice(from) : text);
  return e;
}

/* One line, blanks visible, as text_visible of viz/text.h: for labels.  Long ones are cut in the middle of nothing: at the end, and it shows. */
function label_of(text, most) {
  const cut = text.length > most ? [...text.slice(0, most + 1)].slice(0, -1).join('') + '…' : text;
  return cut.replace(/ /g, '␣').replace(/\r?\n/g, '↵').replace(/\t/g, '→').replace(/(?! )\p{Zs}|\u2800/gu, escape_of).replace(UNSEEN, escape_of) || '∅';
}

const quoted = (text, most) => '“' + label_of(text, most).replace(/␣/g, ' ') + '”';

/* --- numbers ------------------------------------------------------------------------------------------------------ */
const minus = text => text.replace(/^-/, '−');
function num(x) {
  if (x === null || x === undefined || !isFinite(x)) return '–';
  const a = Math.abs(x);
  if (Number.isInteger(x) && a < 1e6) return minus(String(x));
  return minus(a >= 1e6 ? x.toPrecision(4) : a >= 1000 ? x.toFixed(0) : a >= 100 ? x.toFixed(1) : a >= 10 ? x.toFixed(2) : a >= 0.001 ? x.toFixed(3) : a === 0 ? '0' : x.toExponential(1));
}
function prob(p) {
  if (!isFinite(p)) return '–';
  if (p >= 0.9995) return p === 1 ? '1' : p > 0.99995 ? '~1' : p.toFixed(4).slice(1);
  return p >= 0.001 ? p.toFixed(3).slice(1) : p > 0 ? p.toExponential(1).replace('-', '−') : '0';
}
const count = n => n >= 1e9 ? (n / 1e9).toFixed(2) + ' G' : n >= 1e6 ? (n / 1e6).toFixed(n < 1e7 ? 2 : 0) + ' M' : n >= 1e3 ? (n / 1e3).toFixed(0) + ' k' : String(n);

/* As text_metric_label of viz/text.h. */
const METRIC_LABELS = { perplexity: 'ppl of its own text', mean_entropy: 'entropy', spelling_token_rate: 'spelling', repetition_tokens: 'repeats', repetition: 'word repeats' };
/* What a perplexity here is: not that of the validation data, which stands beside it. */
const OWN_TEXT = 'the model’s perplexity on the text that it has just said, not on the validation data';
const number_of = (i, of) => 'sample ' + (i + 1) + ' of ' + of;
const metric_label = name => name.startsWith('dataset ') ? 'dataset ' + metric_label(name.slice(8)) : METRIC_LABELS[name] || name.replace(/_/g, ' ');

/* --- what changed ------------------------------------------------------------------------------------------------- */
const WORD = /[\p{L}\p{N}\p{M}_'’]+|[^\p{L}\p{N}\p{M}_'’\s]/gu;

function words_of(text) {
  const w = [];
  for (const m of text.matchAll(WORD)) w.push({ w: m[0], from: m.index, to: m.index + m[0].length });
  return w;
}

/* Myers, "An O(ND) difference algorithm" (1986), between what is left when equal ends are off.  Returns for both texts
 * the ranges of characters that the other does not have; head: how many words both begin with; little: not even a quarter of the
 * shorter one, if that has eight words, stands in stretches of three words and more that both have, so that what is left would be
 * chance: an `and` here and there.  Past MOST_EDITS all of the middle counts as changed. */
const MOST_EDITS = 1200;
function diff(a_text, b_text) {
  const a = words_of(a_text), b = words_of(b_text);
  let head = 0, tail = 0;
  while (head < a.length && head < b.length && a[head].w === b[head].w) head++;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail].w === b[b.length - 1 - tail].w) tail++;
  const n = a.length - head - tail, m = b.length - head - tail;
  const gone = new Uint8Array(n).fill(1), come = new Uint8Array(m).fill(1);
  const most = Math.min(n + m, MOST_EDITS), v = new Int32Array(2 * most + 3), trace = [];
  const off = most + 1;
  search: for (let d = 0; d <= most; d++) {
    trace.push(v.slice(off - d - 1, off + d + 2));
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && v[off + k - 1] < v[off + k + 1]) ? v[off + k + 1] : v[off + k - 1] + 1;
      let y = x - k;
      while (x < n && y < m && a[head + x].w === b[head + y].w) { x++; y++; }
      v[off + k] = x;
      if (x < n || y < m) continue;
      for (let e = d; e >= 0; e--) { /* back along the trace: what lies on a diagonal is in both */
        const t = trace[e], at = j => t[j + e + 1], q = x - y;
        const prev = q === -e || (q !== e && at(q - 1) < at(q + 1)) ? q + 1 : q - 1;
        const px = e ? at(prev) : 0, py = e ? px - prev : 0;
        while (x > px && y > py) { x--; y--; gone[x] = 0; come[y] = 0; }
        x = px; y = py;
      }
      break search;
    }
  }
  const ranges = (w, flags) => {
    const out = [];
    flags.forEach((f, i) => {
      if (!f) return;
      const word = w[head + i], last = out[out.length - 1];
      if (last && last.next === i) { last.to = word.to; last.next = i + 1; }
      else out.push({ from: word.from, to: word.to, next: i + 1 });
    });
    return out;
  };
  const is_word = x => /[\p{L}\p{N}]/u.test(x.w);
  let kept = 0, run = 0, behind = -1; /* words, not marks; of the stretch that is being counted, and where in `a` it would go on */
  const end_run = () => { if (run >= 3) kept += run; run = 0; };
  for (let i = 0, j = 0; j < b.length; j++) { /* what is not marked in the one is, in the same order, what is not in the other */
    const come_here = j >= head && j < b.length - tail && come[j - head];
    if (come_here) { end_run(); continue; }
    while (i >= head && i < a.length - tail && gone[i - head]) i++;
    if (i !== behind) end_run();
    if (is_word(b[j])) run++;
    behind = ++i;
  }
  end_run();
  const fewer = Math.min(a.filter(is_word).length, b.filter(is_word).length);
  return { gone: ranges(a, gone), come: ranges(b, come), same: a.length === b.length && !n && !m, head: b.slice(0, head).filter(is_word).length, little: n > 0 && m > 0 && fewer >= 8 && 4 * kept < fewer };
}

/* Does [from, to) meet one of the ranges, which rise?  `walk` remembers where the last question ended. */
function meets(ranges, walk, from, to) {
  while (walk.i < ranges.length && ranges[walk.i].to <= from) walk.i++;
  return walk.i < ranges.length && ranges[walk.i].from < to;
}
