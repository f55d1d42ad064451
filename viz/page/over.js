/* over.js -- one sample over the steps: a row an eval, newest first, its text coloured as everywhere.  The numbers stand in the
 * index; rows are made when they come near for the first time, a part of the list at a time, and a text is read when its part comes into
 * sight and dropped when it leaves, so that a long run costs no more than a short one. */

const OVER_PART = 16;      /* rows */
const OVER_HEIGHT = 92;    /* of a row, pixels: what is not made yet takes as much room */
let over_of = '', over_parts = [], over_rows = new Map(), over_on = null, over_watch = null, over_title = null; /* what the rows are of; step -> row; the marked one */

/* val and perplexity of the sample at a step, from the index alone. */
function over_numbers(line) {
  const row = line.rows.find(r => r[0] + '.' + r[1] + '.' + r[2] === view.sample), at = line.names.indexOf('perplexity');
  return { row, perplexity: row && at >= 0 ? row[4 + at] : null };
}

function over_row(step) {
  const line = index.get(step), { row, perplexity } = over_numbers(line);
  const go = el('button', 'go', el('b', '', String(step)), el('span', 'facts', line.val === null ? '' : 'val ' + num(line.val)), el('span', 'facts', perplexity === null ? '' : 'own ppl ' + num(perplexity)));
  go.type = 'button';
  go.setAttribute('aria-label', 'go to step ' + step);
  go.title = 'val: the validation loss · own ppl: ' + OWN_TEXT;
  go.onclick = () => { set_view(''); go_to(step); };
  const said = el('div', 'said'), box = el('li', row ? 'turn' : 'turn bare', go, said);
  if (!row) put(said.appendChild(el('span', line.status === 'failed' ? 'bad' : 'facts')), line.rows.length ? 'no such sample' : (line.status === 'failed' ? 'failed: ' : 'no sample: ') + (line.why || ''));
  box.said = row ? said : null;
  box.step = step;
  return box;
}

async function over_fill(box) {
  box.wanted = true;
  let data;
  try { data = await load_step(box.step); } catch (e) { put(box.said, String(e.message)); return; }
  const sample = sample_of(data, view.sample);
  if (!sample || !box.wanted || box.filled || over_rows.get(box.step) !== box) return;
  const re = search_matcher();
  box.said.replaceChildren(text_element(data, { ...sample, prompt: '' }, view.colour, re ? [{ ranges: ranges_of(re, units_of(data, sample).text), cls: 'hit' }] : []));
  box.filled = { data, sample, side: 'now', box, strip: null };
  panes.push(box.filled);
  if (!shown_token && box.step === view.step) rest_token();
}

function over_empty(box) {
  box.wanted = false;
  if (!box.filled) return;
  panes = panes.filter(p => p !== box.filled);
  if (shown_token && shown_token.pane === box.filled) shown_token = null;
  box.filled = null;
  box.said.replaceChildren();
}

/* The rows of a part of the list. */
function over_make(part) {
  if (part.firstChild) return;
  for (const step of part.steps) {
    const row = over_row(step);
    over_rows.set(step, row);
    part.append(row);
  }
  part.style.height = '';
}

function over_seen(all) {
  for (const e of all) {
    if (e.isIntersecting) over_make(e.target);
    for (const row of e.target.children) if (row.said) e.isIntersecting ? over_fill(row) : over_empty(row);
  }
}

function draw_over(data) {
  const box = $('panes'), of = [view.sample, view.colour, view.q, index_round, document.documentElement.dataset.theme].join('\n');
  $('below').replaceChildren();
  if (of !== over_of || box.className !== 'over') {
    over_of = of;
    over_rows = new Map();
    over_parts = [];
    panes = [];
    shown_token = over_on = null;
    box.className = 'over';
    if (over_watch) over_watch.disconnect();
    over_watch = new IntersectionObserver(over_seen, { rootMargin: '300px 0px' });
    for (let end = steps.length; end > 0; end -= OVER_PART) {
      const part = el('ol', 'turns');
      part.steps = steps.slice(Math.max(0, end - OVER_PART), end).reverse();
      part.style.height = part.steps.length * OVER_HEIGHT + 'px';
      over_parts.push(part);
    }
    over_title = el('header', 'title', el('h1', '', 'over the steps'));
    box.replaceChildren(over_title, ...over_parts);
    for (const part of over_parts) over_watch.observe(part);
  }
  const sample = sample_of(data, view.sample); /* of a step without one the title stays as it was */
  if (sample) over_title.replaceChildren(el('h1', '', quoted(sample.prompt, 40) + ' over the steps'), el('span', 'facts', [sample.label, 'T ' + sample.temperature, number_of(sample.i, sample.of)].join(' · ')),
    legend(data, scale_of(view.colour, data, sample).spread ? null : sample));
  if (over_on) { over_on.classList.remove('on'); over_on.removeAttribute('aria-current'); }
  const at = steps.indexOf(view.step);
  if (at < 0) { over_on = null; return; }
  over_make(over_parts[Math.floor((steps.length - 1 - at) / OVER_PART)]);
  over_on = over_rows.get(view.step);
  over_on.classList.add('on');
  over_on.setAttribute('aria-current', 'true');
  over_on.scrollIntoView({ block: 'nearest' });
}
