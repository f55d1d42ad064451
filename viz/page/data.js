'use strict';
/* data.js -- the evals: the index that is read first, and the data file of an eval, read when it is looked at.
 * A page at file:// may not fetch, but a script tag may name a file beside it: each file calls one function here. */

/* #run=2026-11-21_2045_c785b6: a run that was set aside (hooks/journal.h), by what its files are called. */
const run_in_address = () => (/[#&]run=([A-Za-z0-9_-]+)/.exec(location.hash) || [])[1];
const run_of_old = run_in_address();
const report_dir = run_of_old ? 'report.' + run_of_old : 'report';
const evals_dir = run_of_old ? 'evals.' + run_of_old : 'evals';

const index = new Map();        /* step -> the eval's line of the index */
let steps = [];                 /* rising */
const held = new Map();         /* step -> data, the least recently used first */
const coming = new Map();       /* step -> promise */
const HELD_MOST = 24;
let arriving = null;            /* where the next glimpse_step belongs: the script that runs says which */

let filling = index;            /* where the lines of a script go: those of an index that is read again beside it, until all are there */
function glimpse_eval(line) { filling.set(line.step, line); }
function glimpse_step(data) { arriving = data; }
let runs = [], run_facts = [];  /* those set aside, the oldest first; of each [its last step, its best validation loss, its model's name] */
function glimpse_runs(names, facts) { runs = names; run_facts = facts || []; }

function load_script(src) {
  return new Promise((done, failed) => {
    const s = document.createElement('script');
    s.src = src;
    s.onload = () => { s.remove(); done(); };
    s.onerror = () => { s.remove(); failed(new Error(src + ' cannot be read: `glimpse report DIR` draws it anew')); };
    document.head.append(s);
  });
}

/* In one file (`glimpse report --single`) the data stand in the page, and nothing else will come. */
const packed = id => { const block = document.getElementById('glimpse-' + id); return block && JSON.parse(block.textContent); };

const load_runs = () => document.getElementById('glimpse-index') ? Promise.resolve() : load_script('report/runs.js').catch(() => {});

const step_file = step => String(step).padStart(8, '0');

/* Read the index, again if it was read before; true if there is something new. */
async function load_index(again) {
  const before = steps.length, last = before ? index.get(steps[before - 1]).seq : -1;
  const inside = again ? null : packed('index');
  if (inside) inside.forEach(glimpse_eval);
  else if (document.getElementById('glimpse-index')) return false;
  else {
    const lines = filling = new Map();
    await load_script(report_dir + '/index.js' + (again ? '?' + Date.now() : ''));
    if (!lines.size && before) return false; /* it is being drawn anew */
    index.clear(); /* a run that went back to a checkpoint has fewer than it had */
    for (const [step, line] of lines) index.set(step, line);
  }
  steps = [...index.keys()].sort((a, b) => a - b);
  return steps.length !== before || (before > 0 && index.get(steps[steps.length - 1]).seq !== last);
}

/* The data of a step; a promise, kept while it is on its way. */
function load_step(step) {
  const data = held.get(step), seq = index.get(step).seq;
  if (data && data.seq >= seq) { /* else it is of an eval that was repeated since */
    held.delete(step);
    held.set(step, data);
    return Promise.resolve(data);
  }
  let p = coming.get(step);
  if (!p) {
    const inside = packed('step-' + step_file(step));
    p = (inside ? Promise.resolve(glimpse_step(inside)) : load_script(report_dir + '/step_' + step_file(step) + '.js?' + seq)).then(() => {
      const d = inside || arriving;
      if (!d || d.step !== step) throw new Error('the data file of step ' + step + ' holds something else');
      held.delete(step);
      held.set(step, d);
      if (held.size > HELD_MOST) held.delete(held.keys().next().value);
      return d;
    }).finally(() => coming.delete(step));
    coming.set(step, p);
  }
  return p;
}

/* The numbers of a sample as typed arrays (layout: viz/html.h); kept on the sample. */
function columns(data, sample) {
  if (sample.cols) return sample.cols;
  const raw = atob(sample.d), bytes = new Uint8Array(raw.length), n = sample.n, k = sample.k;
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const c = {};
  let at = 0;
  const take = (kind, count) => {
    const a = new kind(bytes.buffer.slice(at, at + count * kind.BYTES_PER_ELEMENT));
    at += count * kind.BYTES_PER_ELEMENT;
    return a;
  };
  c.id = take(Uint32Array, n);
  c.rank = take(Int32Array, n);
  c.kept = take(Int32Array, n);
  for (const name of ['logit', 'logprob', 'p_temp', 'p_final', 'left', 'entropy', 'dot']) c[name] = take(Float32Array, n);
  c.top = take(data.w === 4 ? Uint32Array : Uint16Array, n * k);
  c.none = data.w === 4 ? 0xFFFFFFFF : 0xFFFF;
  c.p = take(Uint16Array, n * k);
  c.pf = take(Uint16Array, n * k);
  return sample.cols = c;
}

const p_of_code = code => code === 65535 ? 0 : Math.exp(-code / 2000);

const key_of = s => s.p + '.' + s.s + '.' + s.i;
const sample_of = (data, key) => data && data.samples.find(s => key_of(s) === key);
