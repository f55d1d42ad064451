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
let index_round = 0;            /* how often it became another one: what is made of all of it is made again */
let arriving_index = null;      /* the one that is being read */
const held = new Map();         /* step -> data, the least recently used first */
const coming = new Map();       /* step -> promise */
const HELD_MOST = 24;
let arriving = null;            /* where the next glimpse_step belongs: the script that runs says which */

function glimpse_eval(line) { arriving_index.set(line.step, line); }
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

const load_runs = again => document.getElementById('glimpse-index') ? Promise.resolve() : load_script('report/runs.js' + (again ? '?' + Date.now() : '')).catch(() => {});

/* As C writes %08lld: the sign is one of the eight. */
const step_file = step => step < 0 ? '-' + String(-step).padStart(7, '0') : String(step).padStart(8, '0');

/* An eval by what it is, not by its step: another run has the same steps, one that was resumed goes through some again. */
const same_eval = (a, b) => a !== undefined && b !== undefined && a.run === b.run && a.seq === b.seq;

function forget(step) {
  held.delete(step);
  coming.delete(step);
  texts.delete(step);
}

/* Read the index, again if it was read before: afresh, so that what is no longer in it is gone.  Null: nothing is new; else how many
 * evals came and how many that were there are gone, of which nothing is kept. */
async function read_index(again) {
  const fresh = arriving_index = new Map(), inside = again ? null : packed('index');
  if (inside) inside.forEach(glimpse_eval);
  else if (document.getElementById('glimpse-index')) return null;
  else await load_script(report_dir + '/index.js' + (again ? '?' + Date.now() : ''));
  if (!fresh.size) return null; /* it is being written */
  const gone = steps.filter(s => !same_eval(index.get(s), fresh.get(s))), came = fresh.size - (steps.length - gone.length);
  if (!gone.length && !came) return null;
  gone.forEach(forget);
  index.clear();
  for (const [step, line] of fresh) index.set(step, line);
  steps = [...index.keys()].sort((a, b) => a - b);
  index_round++;
  return { came, gone: gone.length };
}

/* One reading at a time: the lines of two would mix. */
let index_coming = null;
function load_index(again) {
  return index_coming = index_coming || read_index(again).finally(() => { index_coming = null; });
}

/* The data of a step; a promise, kept while it is on its way. */
function load_step(step) {
  const data = held.get(step);
  if (data) {
    held.delete(step);
    held.set(step, data);
    return Promise.resolve(data);
  }
  let p = coming.get(step);
  if (!p) {
    const line = index.get(step), inside = packed('step-' + step_file(step));
    if (!line) return Promise.reject(new Error('step ' + step + ' is gone: the run was resumed before it'));
    p = (inside ? Promise.resolve(glimpse_step(inside)) : load_script(report_dir + '/step_' + step_file(step) + '.js?' + encodeURIComponent(line.run + '.' + line.seq))).then(() => {
      const d = inside || arriving;
      if (!d || d.step !== step) throw new Error('the data file of step ' + step + ' holds something else');
      if (!same_eval(d, index.get(step))) {
        setTimeout(look_for_more); /* written since the index was read */
        throw new Error('step ' + step + ' was evaluated again: its line of the index is to come');
      }
      held.set(step, d);
      if (held.size > HELD_MOST) held.delete(held.keys().next().value);
      return d;
    }).finally(() => { if (coming.get(step) === p) coming.delete(step); });
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
