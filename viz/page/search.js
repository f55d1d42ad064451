/* search.js -- text or /pattern/ over the samples of every step; data files are read as the search reaches them, newest
 * first, and results show as they come. */

const texts = new Map(); /* step -> [{p, s, i, of, label, prompt, text}]: kept, the rest of the data is not */
const FOUND_MOST = 300;
let search_run = 0;

/* A matcher of text, or null; throws for a pattern that is none.  A query is read as hooks/text_search.h has it: flags stand only
 * behind a closing slash, ^ and $ at every line, "/" and "//" are texts. */
function matcher_of(query) {
  if (!query) return null;
  const m = /^\/([^]*)\/([gimsu]*)$/.exec(query), pattern = m ? m[1] : query[0] === '/' ? query.slice(1) : '';
  if (pattern) return new RegExp(pattern, 'gmu' + (m && m[2].includes('i') ? 'i' : '') + (m && m[2].includes('s') ? 's' : ''));
  return new RegExp(query.replace(/[\\^$.*+?()[\]{}|\/]/g, '\\$&'), 'giu');
}

/* Where it matches more than nothing.  matchAll steps over characters: one more unit may be the inside of one, where a search
 * begins before it again and finds the same nothing for ever. */
const MATCHES_MOST = 100000;
function ranges_of(re, text) {
  const out = [];
  let looked = 0;
  for (const m of re ? text.matchAll(re) : []) {
    if (m[0]) out.push({ from: m.index, to: m.index + m[0].length });
    if (out.length === 10000 || ++looked === MATCHES_MOST) break;
  }
  return out;
}

async function texts_of(step) {
  if (!texts.has(step)) {
    const kept = held.has(step), data = await load_step(step);
    texts.set(step, data.samples.map(s => ({ p: s.p, s: s.s, i: s.i, of: s.of, label: s.label, prompt: s.prompt, text: units_of(data, s).text || s.text })));
    for (const s of data.samples) if (!kept) { s.units = null; s.cols = null; }
  }
  return texts.get(step);
}

async function run_search(query) {
  const mine = ++search_run, box = document.getElementById('found');
  let re;
  try { re = matcher_of(query); } catch (e) { re = null; box.hidden = false; box.replaceChildren(el('p', 'bad', String(e.message))); return; }
  box.hidden = !re;
  if (!re) { box.replaceChildren(); return; }
  const said = el('p', 'said'), list = el('ol'), failed = [];
  box.replaceChildren(said, list);
  let hits = 0, done = 0;
  const with_text = steps.filter(s => index.get(s).rows.length).reverse();
  const say = () => { said.textContent = hits + (hits === 1 ? ' sample' : ' samples') + (done < with_text.length ? ' · ' + done + ' of ' + with_text.length + ' steps read' : ' of ' + with_text.length + ' steps') + (hits > FOUND_MOST ? ' · the newest ' + FOUND_MOST + ' are listed' : '') + (failed.length ? ' · ' + failed.length + ' data files cannot be read' : ''); };
  say();
  for (let at = 0; at < with_text.length; at += 4) {
    const some = with_text.slice(at, at + 4);
    const got = await Promise.all(some.map(s => texts_of(s).catch(() => { failed.push(s); return []; })));
    if (mine !== search_run) return;
    some.forEach((step, k) => {
      for (const t of got[k]) {
        const r = ranges_of(re, t.text);
        if (!r.length) continue;
        if (++hits <= FOUND_MOST) list.append(found_row(step, t, r));
      }
    });
    done += some.length;
    say();
  }
  if (!hits) list.append(el('li', 'empty', 'nowhere'));
}

function found_row(step, t, ranges) {
  const r = ranges[0], from = Math.max(0, r.from - 40), to = Math.min(t.text.length, Math.max(r.to, r.from + 1) + 60);
  const b = el('button', 'row', el('b', '', 'step ' + step), el('span', 'where', [t.label, quoted(t.prompt, 16), t.of > 1 ? number_of(t.i, t.of) : '', ranges.length > 1 ? ranges.length + ' hits' : ''].filter(Boolean).join(' · ')));
  const context = el('span', 'context', (from ? '…' : '') + label_of(t.text.slice(from, r.from), 60).replace('∅', '').replace(/␣/g, ' '));
  context.append(el('mark', '', label_of(t.text.slice(r.from, r.to), 60).replace(/␣/g, ' ')), label_of(t.text.slice(r.to, to), 80).replace('∅', '').replace(/␣/g, ' ') + (to < t.text.length ? '…' : ''));
  b.append(context);
  b.type = 'button';
  b.onclick = () => {
    if (!shows(t.p, t.s)) { /* the filters would show another one in its place */
      view.prompt = view.setting = -1;
      draw_charts();
    }
    view.sample = key_of(t);
    view.token = -1;
    set_view('');
    go_to(step);
  };
  return el('li', '', b);
}
