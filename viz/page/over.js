/* over.js -- one sample over the steps: a row an eval, newest first, its text coloured as everywhere.  The numbers stand in the
 * index; a text is read when its row comes into sight and dropped when it leaves, and a row out of sight is not laid out (page.css), so that a
 * long run costs hardly more than a short one. */

let over_of = '', over_rows = new Map(), over_on = null, over_watch = null, over_title = null; /* what the rows are of; step -> row; the marked one */

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

function draw_over(data) {
  const box = $('panes'), of = [view.sample, view.colour, view.q, index_round, document.documentElement.dataset.theme].join('\n');
  $('below').replaceChildren();
  if (of !== over_of || box.className !== 'over') {
    const list = el('ol', 'turns');
    over_of = of;
    over_rows = new Map();
    panes = [];
    shown_token = null;
    box.className = 'over';
    if (over_watch) over_watch.disconnect();
    over_watch = new IntersectionObserver(all => { for (const e of all) if (e.target.said) e.isIntersecting ? over_fill(e.target) : over_empty(e.target); }, { rootMargin: '300px 0px' });
    for (const step of [...steps].reverse()) {
      const row = over_row(step);
      over_rows.set(step, row);
      list.append(row);
      over_watch.observe(row);
    }
    over_title = el('header', 'title', el('h1', '', 'over the steps'));
    box.replaceChildren(over_title, list);
  }
  const sample = sample_of(data, view.sample); /* of a step without one the title stays as it was */
  if (sample) over_title.replaceChildren(el('h1', '', quoted(sample.prompt, 40) + ' over the steps'), el('span', 'facts', [sample.label, 'T ' + sample.temperature, number_of(sample.i, sample.of)].join(' · ')),
    legend(data, scale_of(view.colour, data, sample).spread ? null : sample));
  if (over_on) { over_on.classList.remove('on'); over_on.removeAttribute('aria-current'); }
  over_on = over_rows.get(view.step);
  if (!over_on) return;
  over_on.classList.add('on');
  over_on.setAttribute('aria-current', 'true');
  over_on.scrollIntoView({ block: 'nearest' });
}
