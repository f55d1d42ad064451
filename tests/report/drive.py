#!/usr/bin/env python3
"""drive.py GLIMPSE DIR [--big N] [--shots FOLDER] [--open PAGE_DIR]

Drives the review page in Chromium without a window, over its debugging pipe; nothing but the standard library.
Writes a journal of hostile and of plain samples into DIR, draws it with `GLIMPSE report`, opens DIR/report.html from
file:// and checks what a reader would see.  --big N: a run of N evals of 16 samples of 256 tokens instead; how long it
takes to open and to change the step is printed, not judged.  --shots: pictures of the views.  Called by test_report.c."""
import argparse, base64, json, math, os, random, re, shutil, subprocess, sys, tempfile, time

WORDS = [" the", " a", " girl", " named", " Lily", ".", " She", " liked", " to", " play", " in", "\n", " park", " with", " her", " dog", ",",
         " and", " it", " was", " happy", " One", " day", " saw", " big", " tree", " said", ":", " \"", "Hello", "!", "\"", " very"]
HOSTILE = ["</script><script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>", "<b>bold</b> &amp; &lt;", "\u2028\u2029", "\u202ereversed\u2066",
           "\x1b[2J\x07\x7f", "\"});window.pwned=1;({\"", "`${window.pwned=1}`", "<style>*{display:none}</style>", "<iframe src=javascript:parent.pwned=1>"]


def r5(x):
    return float("%.5g" % x)


def sample(rng, p, s, i, text_of, n_tokens, of, quality, vocab):
    tokens = []
    for t in range(n_tokens):
        token, sharp = text_of(t), quality * (0.4 + 2.5 * rng.random())
        ps = [(j + 1) ** -(sharp + 0.7) for j in range(60)]
        total, place = sum(ps), min(int(rng.expovariate(1.1)), 9)
        others = rng.sample([v for v in range(len(WORDS)) if v != token], 9)
        ids = others[:place] + [token] + others[place:]
        top = [[ids[j], r5(ps[j] / total), r5(ps[j] / sum(ps[:20]))] for j in range(10)]
        tokens.append({"id": token, "logit": r5(10 + math.log(ps[place])), "logprob": r5(math.log(ps[place] / total)), "p_temp": r5(ps[place] / total),
                       "p_final": r5(ps[place] / sum(ps[:20])), "rank": place + 1, "kept": 20, "left": r5(sum(ps[:place]) / total),
                       "entropy": r5(-sum(q / total * math.log(q / total) for q in ps)), "dot": r5(rng.random()), "top": top})
    lp = sum(t["logprob"] for t in tokens) / max(1, len(tokens))
    text = "".join(vocab[t["id"]] for t in tokens)
    words = re.findall(r"[A-Za-z']+", text)
    metrics = {"perplexity": r5(math.exp(-lp)), "mean_logprob": r5(lp), "mean_entropy": r5(sum(t["entropy"] for t in tokens) / max(1, len(tokens))),
               "repetition_tokens": r5(rng.random() / 4), "distinct_2": r5(rng.random()), "spelling_token_rate": r5(min(1, quality / 2)),
               "lexical_diversity": r5(len(set(words)) / max(1, len(words)))}
    return {"prompt": p, "prompt_text": ["\n", "Once upon a time", "Lily said:", "The dog"][p], "prompt_ids": [11], "setting": s,
            "label": ["top_k=5", "top_k=200"][s], "samplers": "top_k=%d;temperature=0.8" % [5, 200][s], "sample": i, "n_samples": of, "seed": 1337,
            "temperature": 0.8, "top_k": [5, 200][s], "text": text, "stop": "length", "why": None, **({"beams": 4, "beam_score": -1.25, "note": "went back twice from \"dog\""} if (p, s, i) == (0, 0, 0) else {}), "metrics": metrics, "tokens": tokens}


def probe(rng, i, prompt, ids, e, evals, vocab):
    """A text of --probe at eval e: token k is the first choice from eval k + 1 on."""
    s = sample(rng, i, 0, 0, lambda t: ids[t], len(ids), 1, 1.0, vocab)
    for k, t in enumerate(s["tokens"]): t["rank"] = 1 if e > k else 2 + k
    s.update(prompt_text=prompt, label="probe", samplers="none", temperature=1, top_k=0, stop="scored", answer_from=len(ids) // 2 if prompt else 0,
             metrics={"answer_logprob": r5(sum(t["logprob"] for t in s["tokens"]))})
    return s


def line(step, seq, samples, pieces, val, **more):
    out = {"v": 1, "run": "9f2c1a", "run_name": "drive", "seq": seq, "kind": "train", "step": step, "time": "2026-11-21T03:%02d:05Z" % (seq % 60),
           "train_loss": r5(val * 0.97), "val_loss": r5(val), "best": {"val_loss": r5(val), "step": step},
           "model": {"arch": "gpt2", "params": 124439808, "vocab": 50257, "dtype": "bf16", "cache": "bf16", "device": "cpu", "check": "ok"},
           "status": "ok", "why": None, "seconds": {"blocked": 0.0002, "prefill": 0.01, "decode": 0.3, "write": 0.01}, "pieces": pieces,
           "samples": samples, "views": {"colorize_mode": "entropy", "sheets": "false", "tensorboard": "true", "report": "true"}, "dataset": {}, "lm_eval": {}, "probes": []}
    out.update(more)
    return out


def journal(folder, evals, per=(2, 2, 4), n_tokens=128, hostile=True, run="9f2c1a", seed=7, at=lambda e: (250 * e, e), probes=None, model=None):
    """`evals` evals; where `hostile`, the pieces of ids 40.. are HOSTILE and stand in sample 0.0.1 of each.  `at`: step and seq."""
    rng, vocab = random.Random(seed), WORDS + ["?"] * (40 - len(WORDS)) + HOSTILE + ["\u2581"]
    pieces = {str(i): v for i, v in enumerate(vocab)}
    pieces["51"] = {"b64": base64.b64encode("日".encode()[:2]).decode()}  # the halves of a character
    pieces["52"] = {"b64": base64.b64encode("日".encode()[2:]).decode()}
    vocab += ["", "日"]
    with open(os.path.join(folder, "evals.jsonl"), "w", encoding="utf-8") as f:
        for e in range(evals):
            samples = []
            for p in range(per[0]):
                for s in range(per[1]):
                    for i in range(per[2]):
                        drift = random.Random(100 * p + 10 * s + i + 1000 * (seed - 7))
                        base = [drift.randrange(len(WORDS)) for _ in range(n_tokens)]
                        for k in range(n_tokens):  # the run drifts: most words stay from one eval to the next
                            if rng.random() < 0.05 + 0.1 * (k > n_tokens // 2): base[k] = rng.randrange(len(WORDS))
                        if hostile and (p, s, i) == (1, 1, 3): base = [rng.randrange(len(WORDS)) for _ in range(n_tokens)]  # another text each time
                        if hostile and (p, s, i) == (0, 0, 1): base = list(range(40, 40 + len(HOSTILE))) + [51, 52] + base[:20]
                        samples.append(sample(rng, p, s, i, lambda t: base[t], len(base), per[2], 0.7 + 1.3 * e / evals, vocab))
            more = {"probes": [probe(rng, 0, "Once upon", [1, 2, 3, 4], e, evals, vocab), probe(rng, 1, "", list(range(40, 40 + len(HOSTILE))), e, evals, vocab)]} if hostile else {}
            if hostile:
                more["lm_eval"] = {"hellaswag": {"variant": "lm-evaluation-harness", "version": 1, "shots": 0, "n": 100, "of": 10042, "acc": [r5(0.25 + e / 100), 0.04, 0.25],
                                                 "acc_norm": [r5(0.26 + e / 80), 0.04, 0.25]}, HOSTILE[1]: {"variant": HOSTILE[0], "version": 0, "shots": 5, "n": 1, "of": 1, "acc": [0.5, None, None]}}
                more["dataset"] = {"loss": r5(4 - e / 10), "accuracy": r5(0.2 + e / 50), "spelling_token_rate": 0.97, HOSTILE[0]: 1}
            if hostile and e == 2: samples, more = [], {**more, "status": "skipped", "why": "val 2.51 \u2265 best 2.47 @ 500 (--sample_each_eval)"}
            if hostile and e == 3: samples, more = [], {"probes": [], "status": "failed", "why": HOSTILE[1] + " out of memory"}
            if probes: more["probes"] = [probe(rng, 0, "Once upon", probes, e, evals, vocab)]
            record = line(*at(e), samples, pieces, 4.2 * math.exp(-e / evals) + 0.02 * rng.random(), run=run, **more)
            if model: record["model"]["name"] = model
            if hostile and e == 4: record["model"]["check"] = "failed"
            f.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")


class Browser:
    def __init__(self, dark=False, width=1500, height=950):
        self.home, self.next, self.events = tempfile.mkdtemp(), 0, []
        r_in, self.w = os.pipe()
        self.r, w_out = os.pipe()
        def place():
            os.dup2(r_in, 13); os.dup2(w_out, 14)
            os.dup2(13, 3); os.dup2(14, 4)
            for fd in (3, 4): os.set_inheritable(fd, True)
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--user-data-dir=" + self.home, "--hide-scrollbars",
                 "--window-size=%d,%d" % (width, height), "--no-first-run", "--disable-background-networking", "--disable-component-update"]
        self.process = subprocess.Popen(["chromium"] + flags + ["about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=place, close_fds=False)
        os.close(r_in); os.close(w_out)
        self.left = b""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"): self.call(domain + ".enable")
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700)

    session = None

    def call(self, method, **params):
        self.next += 1
        message = {"id": self.next, "method": method, "params": params}
        if self.session: message["sessionId"] = self.session
        os.write(self.w, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.left:
                more = os.read(self.r, 1 << 20)
                if not more: raise RuntimeError("the browser went away")
                self.left += more
            one, self.left = self.left.split(b"\0", 1)
            reply = json.loads(one)
            if reply.get("id") == self.next:
                if "error" in reply: raise RuntimeError("%s: %s" % (method, reply["error"]))
                return reply.get("result", {})
            self.events.append(reply)

    def js(self, expression):
        reply = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in reply: raise RuntimeError(expression + ": " + json.dumps(reply["exceptionDetails"])[:600])
        return reply["result"].get("value")

    def wait(self, condition, seconds=20):
        end = time.time() + seconds
        while not self.holds(condition):
            if time.time() > end: raise RuntimeError("never: " + condition)
            time.sleep(0.01)

    def holds(self, condition):
        """While one page gives way to another nothing does: there is no body yet, or what is asked goes with the old page."""
        try:
            return self.js("document.body !== null && (" + condition + ")")
        except RuntimeError as e:
            if "navigated" not in str(e) and "context" not in str(e): raise
            return False

    def open(self, folder, hash="", page="report.html"):
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url="file://" + os.path.abspath(folder) + "/" + page + hash)
        self.wait("document.readyState === 'complete' && (document.body.dataset.drawn !== undefined || document.querySelector('.none') !== null)")

    def key(self, key):
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def shot(self, path):
        with open(path, "wb") as f: f.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self):
        """What the page logged as an error, and every address that it asked for which is not a file."""
        out = []
        for e in self.events:
            m, p = e.get("method"), e.get("params", {})
            if m == "Log.entryAdded" and p["entry"]["level"] == "error": out.append(p["entry"]["text"] + " " + p["entry"].get("url", ""))
            if m == "Runtime.exceptionThrown": out.append(json.dumps(p["exceptionDetails"])[:400])
            if m == "Network.requestWillBeSent" and not p["request"]["url"].startswith(("file:", "about:")): out.append("network: " + p["request"]["url"])
        return out

    def close(self):
        try: self.session = None; self.call("Browser.close")
        except (RuntimeError, OSError): pass
        try: self.process.wait(10)
        except subprocess.TimeoutExpired: self.process.kill()
        os.close(self.w); os.close(self.r)
        shutil.rmtree(self.home, ignore_errors=True)


failed = []
def check(ok, what):
    if not ok: failed.append(what); print("FAILED:", what)


STRUCTURE = "[...'script style img iframe b object embed link form a'.split(' ')].map(t => document.querySelectorAll('body ' + t).length).join()"
DRAWN = "document.body.dataset.drawn === '%d'"


def checks(browser, folder):
    b = browser
    b.open(folder)
    b.wait(DRAWN % 1250)
    check(b.js("document.querySelectorAll('#panes .pane').length") == 2, "two panes, with the step before")
    check(b.js("document.querySelector('.pane.was h2').textContent") == "step 1000", "the step before is 1000")
    check(b.js("document.querySelectorAll('.pane.now .tk.come').length > 0 && document.querySelectorAll('.pane.was .tk.gone').length > 0"), "the diff marks words")
    check(b.js("document.querySelectorAll('#token .bars li').length >= 10"), "ten alternatives")
    check(b.js("(() => { const p = panes[1], c = columns(p.data, p.sample); return Math.min(...c.logprob) === c.logprob[shown_token.i]; })()"), "opens on the most surprising token")
    two_p = "(() => { const p = panes[1]; return [...Array(p.sample.n).keys()].flatMap(i => { const e = el('div', '', ...token_panel(p.data, p.sample, i, 10, '')); " \
        "const said = e.querySelectorAll('.facts dd')[1].textContent, row = e.querySelector('.chosen .p').textContent; return said === row ? [] : [said + ' ' + row]; }).join(); })()"
    check(b.js(two_p) == "", "a token's p in its panel and in the row of its alternatives: %s" % b.js(two_p))
    check(b.js("document.querySelectorAll('.chart').length") == 15, "a chart of the losses, of each metric, of each task's and of the dataset's numbers: %s" % b.js("document.querySelectorAll('.chart').length"))
    check(b.js("[...document.querySelectorAll('.scores tbody tr')].map(r => r.children[2].textContent).join()") == "0.300 ▲0.010,0.323 ▲0.013,0.500", "a table of task scores: %s" % b.js("[...document.querySelectorAll('.scores tbody tr')].map(r => r.children[2].textContent).join()"))
    check("accuracy" in b.js("document.querySelector('#below').textContent") and "a slice of the dataset, against step 1000" in b.js("document.querySelector('#below').textContent"), "the dataset's numbers")
    check(b.js("[...document.querySelectorAll('#below dt')].filter(d => d.textContent === 'spelling').length") == 2 and b.js("[...document.querySelectorAll('.chart')].some(c => c.textContent.startsWith('dataset spelling'))"), "a number of the dataset is called as that of a sample")
    check("beam search of 4 · score −1.25" in b.js("document.querySelector('.pane.now').textContent") and "went back twice" in b.js("document.querySelector('.pane.now').textContent"), "beams and notes")
    b.js("(() => { window.remade = 0; new MutationObserver(all => { window.remade += all.length; }).observe(document.getElementById('filters'), {subtree: true, childList: true}); new MutationObserver(all => { window.remade += all.length; }).observe(document.getElementById('compare'), {subtree: true, childList: true, characterData: true}); })()")
    b.key("ArrowLeft"); b.wait(DRAWN % 1000)
    check(b.js("window.remade") == 0, "a step makes nothing anew that it does not change: %s" % b.js("window.remade"))
    check(b.js("!document.getElementById('alarm').hidden && document.getElementById('alarm').textContent.startsWith('MODEL CHECK FAILED')"), "a failed check is said")
    check("step=1000" in b.js("location.hash"), "the address keeps the step")
    b.key("ArrowLeft"); b.wait(DRAWN % 750)
    check("This eval failed" in b.js("document.getElementById('panes').textContent") and "out of memory" in b.js("document.getElementById('panes').textContent"), "a failed eval says why")
    b.key("ArrowLeft"); b.wait(DRAWN % 500)
    check("No sample at step 500" in b.js("document.getElementById('panes').textContent"), "a skipped eval says so")
    b.js("[...document.querySelectorAll('#panes .none button')].find(c => c.textContent.startsWith('probes')).click()"); b.wait("document.querySelectorAll('.probe').length > 0")
    b.key("Escape"); b.wait("view.as === '' && document.querySelector('#panes .none') !== null")
    b.js("[...document.querySelectorAll('#panes .none button')].find(c => c.textContent === 'the last sample: step 250').click()"); b.wait(DRAWN % 250)
    check(b.js("document.querySelector('#panes .none') === null"), "a skipped eval leads to the last sample")
    b.key("End"); b.wait(DRAWN % 1250)
    plain = b.js(STRUCTURE)
    before = b.js("document.querySelectorAll('.pane.now .text *').length")
    b.key("j"); b.wait("view.sample === '0.0.1'")
    check(b.js(STRUCTURE) == plain, "hostile texts leave the page's structure as it is")
    check(b.js("window.pwned === undefined"), "no text of the model runs")
    text = b.js("document.querySelector('.pane.now .text').textContent")
    check("</script><script>window.pwned=1</script>" in text and "<img src=x" in text, "markup shows as text")
    check("\\x1b[2J" in text and "\\u202e" in text and "\\u2028" in text and "\u202e" not in text and "\u2028" not in text, "what is unseen is made visible")
    check("日" in text, "two halves of a character are one")
    want = ["␣a↵", "→\\r", "\\u202e", "\\U000e0001", "\\u00a0", "a\\", "⟨endoftext⟩", "\\u3000从", "\\u2800"]  # as test_viz_text.c has them of the other views
    check(b.js("[' a\\n', '\\t\\r', '\\u202e', '\\u{e0001}', '\\u00a0', 'a\\\\', '⟨endoftext⟩', '\\u3000从', '\\u2800'].map(t => label_of(t, 40))") == want, "a token as the other views write it: %s" % b.js("[' a\\n', '\\t\\r', '\\u202e', '\\u{e0001}', '\\u00a0', 'a\\\\', '⟨endoftext⟩', '\\u3000从', '\\u2800'].map(t => label_of(t, 40))"))
    check(b.js("[[], ['']].map(p => piece_label({ pieces: p, ids: [7] }, 0, 40)).join()") == "⟨7⟩,⟨7⟩", "an id without bytes as the other views write it")
    check(b.js("[piece_label({ pieces: ['7 '], ids: [7] }, 0, 40), piece_label({ pieces: ['8 '], ids: [7] }, 0, 40)]") == ["7", "8␣"], "an id without a tokenizer is the id alone")
    check(b.js("[0, 7, -0.5, 12.345, 999.5, 11823.4, 20189, 1.5e9, NaN].map(num)") == ["0", "7", "−0.500", "12.35", "999.5", "11823", "20189", "1.500e+9", "–"], "numbers: %s" % b.js("[0, 7, -0.5, 12.345, 999.5, 11823.4, 20189, 1.5e9, NaN].map(num)"))
    b.key("k"); b.wait("view.sample === '0.0.0'")
    b.key("d"); b.wait("document.querySelectorAll('#panes .pane').length === 1")
    b.key("d"); b.wait("document.querySelectorAll('#panes .pane').length === 2")
    b.key("a"); b.wait("document.querySelectorAll('#panes .pane').length === 16")
    b.key("Escape"); b.wait("document.querySelectorAll('#panes .pane').length === 2 && view.as === ''")
    b.key("o"); b.wait("document.querySelectorAll('.turn').length > 0")
    b.key("Escape"); b.wait("document.querySelectorAll('#panes .pane').length === 2 && view.as === ''")
    views(b)
    b.key("a"); b.wait("document.querySelectorAll('#panes .pane').length === 16")
    b.wait("panes[0].strip.step_px > 0")
    check(b.js("panes[15].strip.step_px") is None, "a card out of sight is not laid out for its curve")
    b.js("scrollTo(0, 1e6)"); b.wait("panes[15].strip.step_px > 0"); b.js("scrollTo(0, 0)")
    b.key("a"); b.wait("document.querySelectorAll('#panes .pane').length === 2")
    check(b.js("view.colour === 'entropy' && !location.hash.includes('colour') && document.querySelector('.legend').textContent.includes('entropy')"), "opens in the run's own mode")
    opened = b.js("(i => { const kept = i.colour, as = ['minmax', 'all', 'topk', 'rank'].map(m => (i.colour = m, colour_of_run())); i.colour = kept; return as.join(); })(index.get(steps[steps.length - 1]))")
    check(opened == "softmax,softmax,softmax,rank", "a log's colours that no two evals share are not those that two evals are compared in: " + opened)
    for mode in ("none", "softmax", "minmax", "softmax_top_k", "rank", "dot_product", "entropy"):
        b.key("c"); b.wait("view.colour === '%s'" % mode)
        painted = b.js("[...document.querySelectorAll('.pane.now .tk')].filter(t => getComputedStyle(t).backgroundColor !== 'rgba(0, 0, 0, 0)').length")
        check((painted > 0) == (mode != "none"), "colours of " + mode)
        if mode != "none": check(b.js("document.querySelector('.legend').textContent.length > 3"), "legend of " + mode)
        if mode == "minmax": check(re.search("^lowesthighestlogit of each sample \\(.* … .*\\), not a probability$", b.js("document.querySelector('.legend').textContent")), "what minmax means: " + b.js("document.querySelector('.legend').textContent"))
    # Every figure says what it shows, and in what it is counted where that needs saying.
    check(b.js("[...document.querySelectorAll('.chart')].every(c => c.querySelector('.title').textContent && c.querySelector('.range').textContent.includes(' … '))") and b.js("document.querySelector('.chart .title').textContent") == "loss nats", "charts have titles, units and a range")
    check(b.js("[...document.querySelectorAll('.strip')].every(s => /^−ln p .* entropy .* nats$/.test(s.previousSibling.textContent))"), "the strips say what they show")
    # A long run: the line of a noisy number is the mean of each stretch, between its least and greatest; a short run's is every point.
    check(b.js("""(() => { const kept = steps; let out = []; try { for (const n of [60, 600]) { steps = [...Array(n).keys()];
        const c = one_chart('x', '', [{ label: '', ink: 0, at: steps.map(i => i % 2) }]).box, d = c.querySelector('.line').getAttribute('d'), ys = d.slice(1).split('L').map(p => +p.split(' ')[1]);
        out.push(ys.length === (n > 120 ? 60 : n), c.querySelectorAll('.spread').length === (n > 120 ? 1 : 0), Math.max(...ys.map(y => Math.abs(y - 22))) <= (n > 120 ? 0.1 : 18)); } } finally { steps = kept; } return out.every(x => x); })()"""), "a chart of many steps shows a direction")
    check(b.js("""(() => { const ys = n => { const c = one_chart('x', '', [{ label: '', ink: 0, at: steps.map((_, i) => n + i % 2 * 7e-5) }]).box;
        return c.querySelector('.line').getAttribute('d').slice(1).split('L').map(p => +p.split(' ')[1]); }, high = a => Math.max(...a) - Math.min(...a); return high(ys(5.678)) < 1 && high(ys(0)) > 30; })()"""), "noise is not drawn as a slope")
    names = b.js("[...document.querySelectorAll('.chart .title')].map(t => t.textContent).join('|')")
    check("|repeats of token 4-grams|" in names and "|entropy nats|" in names and "|spelling of words|" in names, "metrics go by the names that the log has: %s" % names)
    b.js("document.querySelector('.chart').dispatchEvent(new MouseEvent('mousemove', {bubbles: true, clientX: 0}))")
    check(b.js("[...document.querySelectorAll('.chart .title')].find(t => !t.hidden).textContent") == "step 0", "a chart pointed at says at which step")
    b.js("document.querySelector('.chart').dispatchEvent(new MouseEvent('mouseleave'))")
    # The least contrast of any ground with its ink (WCAG 2.1), in both themes.
    contrast = "paint_ground.map((g, i) => { const l = c => luminance(c); const a = l(g.match(/\\d+/g).map(Number)), b = l(paint_ink[i] === '#ffffff' ? [255,255,255] : [0,0,0]); return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); }).reduce((x, y) => Math.min(x, y))"
    # Brighter is surer, without any sense of colour; the greatest fall of luminance along the scale.
    fall = "(() => { const l = paint_ground.map(g => luminance(g.match(/\\d+/g).map(Number))); let top = 0, fall = 0; for (const x of l) { top = Math.max(top, x); fall = Math.max(fall, top - x); } return fall / (l[63] - l[0]); })()"
    check(b.js(contrast) >= 4.5 and b.js(fall) <= 0.02, "contrast in light: %s %s" % (b.js(contrast), b.js(fall)))
    # And that of the words, those of a setting's numbers among them, on the ground of the page and on that of what is chosen.
    pairs = "paper muted,paper accent,paper bad,paper good,paper s0,paper s1,paper s2,paper s3,paper s4,paper s5,panel muted,accent-soft muted"
    words = "'%s'.split(',').map(p => { const css = getComputedStyle(document.documentElement), l = p.split(' ').map(n => luminance(css.getPropertyValue('--' + n).trim().match(/[0-9a-f]{2}/g).map(h => parseInt(h, 16)))); return [p, (Math.max(...l) + .05) / (Math.min(...l) + .05)]; }).filter(x => x[1] < 4.5).join(' ')" % pairs
    check(b.js(words) == "", "words in light: " + b.js(words))
    theme = b.js("document.documentElement.dataset.theme")
    b.key("t"); b.wait("document.documentElement.dataset.theme !== '%s'" % theme)
    check(b.js(contrast) >= 4.5 and b.js(fall) <= 0.02, "contrast in dark: %s %s" % (b.js(contrast), b.js(fall)))
    check(b.js(words) == "", "words in dark: " + b.js(words))
    b.key("t")
    # One sample over the steps: a row an eval, its text as it was, what failed and what was skipped among them.
    b.key("End"); b.wait(DRAWN % 1250)
    b.key("j"); b.wait("view.sample === '0.0.1'")
    b.key("o"); b.wait("document.querySelectorAll('.turn .tk').length > 0")
    check(b.js("[...document.querySelectorAll('.turn b')].map(x => x.textContent).join()") == "1250,1000,750,500,250,0", "a row a step, newest first: %s" % b.js("[...document.querySelectorAll('.turn b')].map(x => x.textContent).join()"))
    check(b.js("document.querySelectorAll('.turn')[2].textContent.includes('failed: ') && document.querySelectorAll('.turn')[2].textContent.includes('out of memory') && document.querySelectorAll('.turn')[3].textContent.includes('no sample: ')"), "what was not sampled says why")
    check(b.js("document.querySelectorAll('.turn.on').length === 1 && document.querySelector('.turn.on').step === 1250 && /val .*own ppl /.test(document.querySelector('.turn.on .go').textContent)"), "the step in sight is marked, with its numbers")
    check(b.js("document.querySelectorAll('#panes script, #panes img, #panes iframe, #panes a, #panes style').length === 0 && window.pwned === undefined"), "hostile texts over the steps leave the page as it is")
    b.key("k"); b.wait("view.sample === '0.0.0' && document.querySelectorAll('.turn .tk').length > 0")
    same = "(async () => { const row = [...document.querySelectorAll('.turn')].find(r => r.step === %d), data = await load_step(%d); return row.querySelector('.text').textContent.replace(/↵/g, '') === units_of(data, sample_of(data, '0.0.0')).text; })()"
    b.wait("document.querySelectorAll('.turn .text').length === 4")
    check(b.js(same % (1250, 1250)) and b.js(same % (250, 250)), "each row says what was said at its step")
    check(b.js("document.querySelectorAll('#token .bars li').length >= 10"), "a token's alternatives beside the rows")
    b.key("ArrowLeft"); b.wait("document.querySelector('.turn.on').step === 1000")
    check("view=over" in b.js("location.hash"), "the address keeps the rows")
    b.js("(() => { for (let s = -900; s < 0; s++) index.set(s, { ...index.get(500), step: s }); steps = [...index.keys()].sort((a, b) => a - b); index_round++; draw(); })()")
    b.wait("over_parts.length === 57 && document.querySelectorAll('.turn .text').length > 0")
    check(b.js("document.querySelectorAll('.turn').length") <= 160, "rows out of sight are not made: %s" % b.js("document.querySelectorAll('.turn').length"))
    b.js("view.step = -900; draw_over(held.get(1000))"); b.wait("(r => r && r.step === -900 && r.getBoundingClientRect().top < innerHeight)(document.querySelector('.turn.on'))")
    check(b.js("document.querySelectorAll('.turn.on').length === 1 && document.querySelectorAll('.turn[aria-current]').length === 1"), "one row is marked")
    b.js("scrollTo(0, document.documentElement.scrollHeight / 2)"); b.wait("(t => t && t.closest('.turn'))(document.elementFromPoint(700, 500))")
    b.js("go_to(1000)"); b.wait(DRAWN % 1000)
    b.js("load_index(true).then(draw)"); b.wait("document.querySelectorAll('.turn').length === 6")
    b.js("[...document.querySelectorAll('.turn .go')].find(g => g.textContent.startsWith('250')).click()"); b.wait(DRAWN % 250)
    check(b.js("document.querySelectorAll('#panes .pane.now').length") == 1 and b.js("document.querySelectorAll('.turn').length") == 0, "a row opens its step")
    # The change of the validation loss: against the last step that was sampled, and said so.
    b.key("End"); b.wait(DRAWN % 1250)
    check(re.search(r"val [\d.]+ ▼[\d.]+ since 1000$", b.js("document.getElementById('step-number').textContent")), "the change of the loss: " + b.js("document.getElementById('step-number').textContent"))
    b.js("go_to(1000)"); b.wait(DRAWN % 1000)
    check(b.js("document.getElementById('step-number').textContent").endswith(" since 250"), "over those that were not sampled: " + b.js("document.getElementById('step-number').textContent"))
    check(b.js("(c => /val .*train /.test(c))(document.querySelector('.chart output').textContent)"), "the losses by name, not by colour alone")
    # Probes: the map, when each token became the first choice, the panel, hostile texts.
    b.key("End"); b.wait(DRAWN % 1250)
    b.key("p"); b.wait("document.querySelectorAll('.probe').length === 2")
    check(b.js("[...document.querySelector('.rows.from').children].map(l => l.textContent).join()") == "given,250,500,1000,1000", "the first choice since: %s" % b.js("[...document.querySelector('.rows.from').children].map(l => l.textContent).join()"))
    check(b.js("(() => { const c = document.querySelector('.map'), at = probes_over_steps()[0].at, g = c.getContext('2d'), y = Math.floor(c.height / 8), x = Math.floor(c.width * .02), want = log_colour(Math.exp(at[0].l[0])).match(/\\d+/g).map(Number), got = g.getImageData(x, y, 1, 1).data; return want.every((v, i) => Math.abs(v - got[i]) <= 1) && log_colour(1e-9) === rgb(VIRIDIS[0]) && log_colour(1) === rgb(VIRIDIS[VIRIDIS.length - 1]) && viridis(.5).every((v, i) => Math.abs(v - log_colour(.01).match(/\\d+/g)[i]) <= 1); })()"), "the probes' map has the colours of the pictures")
    probe_columns(b)
    check(b.js("[...document.querySelectorAll('.rows li.given')].length") == 3, "the prompt's tokens and the given first one are told apart")
    check(b.js("document.querySelectorAll('#token .bars li').length >= 10 && shown_token.i === 2"), "the panel shows the answer's first token")
    b.js("(() => { const c = document.querySelector('.map'), r = c.getBoundingClientRect(); for (const type of ['mousemove', 'click']) c.dispatchEvent(new MouseEvent(type, {bubbles: true, clientX: r.left + 2, clientY: r.bottom - 3})); })()")
    b.wait(DRAWN % 0)
    check(b.js("view.as === 'probes' && shown_token.i === 3 && shown_token.pane.data.step === 0"), "a click in the map goes to its step and token")
    check(b.js("document.querySelectorAll('.probe script, .probe img, .probe iframe, .probe a, .probe style, .probe b b').length === 0 && window.pwned === undefined"), "hostile probes leave the page's structure as it is")
    check(b.js("!/drawn|kept|p at T/.test(document.getElementById('token').textContent) && ![...document.querySelectorAll('#token [title]')].some(e => e.title.includes('drawn'))"), "a probe's panel tells nothing that was drawn")
    b.key("p"); b.wait("document.querySelectorAll('.probe').length === 0")
    b.key("End"); b.wait(DRAWN % 1250)
    compared(b)
    # Search: a text, a pattern, a pattern that is none; a found place is gone to.
    b.js("(() => { const s = document.getElementById('search'); s.value = 'girl named'; s.dispatchEvent(new Event('input')); })()")
    b.wait("/ of 4 steps/.test(document.getElementById('found').textContent)")
    want = sum("girl named" in s["text"] for l in open(os.path.join(folder, "evals.jsonl"), encoding="utf-8") for s in json.loads(l)["samples"])
    check(int(b.js("parseInt(document.querySelector('.said').textContent)")) == want, "the search finds all %d" % want)
    where = b.js("[...document.querySelectorAll('#found .where')].map(w => w.textContent)")
    check(where and all(re.search(r"^top_k=\d+ · “.*” · sample [1-4] of 4( · \d+ hits)?$", w) for w in where), "a place found names its sample: %s" % where)
    b.js("[...document.querySelectorAll('.chip')].find(c => c.textContent === 'top_k=5').click()"); b.wait("document.querySelectorAll('#samples .sample').length === 8")
    b.key("a"); b.wait("panes.length === 8")
    b.js("texts_of(1250).then(all => { window.row = found_row(1250, all.find(t => t.p === 1 && t.s === 1 && t.i === 2), [{ from: 0, to: 4 }]); })"); b.wait("window.row !== undefined")
    b.js("window.row.querySelector('button').click()"); b.wait("panes.length === 2 && view.sample === '1.1.2' && view.setting === -1 && document.querySelectorAll('#samples .sample').length === 16")
    b.js("(() => { const s = document.getElementById('search'); s.value = '/l[i1]ly\\\\.\\\\s/i'; s.dispatchEvent(new Event('input')); })()")
    want = sum(bool(re.search(r"l[i1]ly\.\s", s["text"], re.I)) for l in open(os.path.join(folder, "evals.jsonl"), encoding="utf-8") for s in json.loads(l)["samples"])
    b.wait("/^%d sample/.test((document.querySelector('.said') || {}).textContent || '')" % want)
    if want:
        b.js("document.querySelector('#found .row').click()")
        b.wait("document.querySelectorAll('.tk.hit').length > 0")
    b.js("(() => { const s = document.getElementById('search'); s.value = '/(/'; s.dispatchEvent(new Event('input')); })()")
    b.wait("document.querySelector('#found .bad') !== null")
    b.js("(() => { const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input')); s.blur(); })()")
    # Filters, sorting.
    b.wait("document.getElementById('found').hidden")
    b.key("End"); b.wait(DRAWN % 1250)
    b.js("[...document.querySelectorAll('.chip')].find(c => c.textContent === 'top_k=200').click()")
    b.wait("document.querySelectorAll('#samples .sample').length === 8")
    b.js("(() => { const s = document.querySelector('.sorting select'); s.value = '-perplexity'; s.onchange(); })()")
    b.wait("view.sort === '-perplexity'")
    values = b.js("[...document.querySelectorAll('#samples .metric')].map(x => parseFloat(x.textContent.replace('own ppl ', '')))")
    check(values == sorted(values, reverse=True) and len(values) == 8, "sorted by perplexity")
    address = b.js("location.hash")
    b.open(folder, address)
    check(b.js("view.sort") == "-perplexity" and b.js("document.querySelectorAll('#samples .sample').length") == 8, "the address brings the view back")
    # A pointer on a token; the keyboard does the same.
    b.js("document.querySelectorAll('.pane.was .tk')[3].dispatchEvent(new MouseEvent('mousemove', {bubbles: true}))")
    check(b.js("document.querySelector('#token .where').textContent") == "step 1000" and "token 4 of" in b.js("document.getElementById('token').textContent"), "pointing shows the token")
    b.key("."); check("token 5 of" in b.js("document.getElementById('token').textContent"), "the keyboard moves the token")
    check(b.complaints() == [], "the browser has nothing to say: %s" % b.complaints())
    # Every button and field has a name.
    check(b.js("[...document.querySelectorAll('button, input, select')].filter(e => !e.hidden && !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels && e.labels.length)).length") == 0, "every control has a name")
    for width in (420, 390):
        b.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=True)
        b.open(folder)
        check(b.js("document.documentElement.scrollWidth <= %d && innerWidth <= %d" % (width, width)), "nothing is wider than a small screen: %s" % b.js("document.documentElement.scrollWidth"))
        check(b.js("document.querySelector('.pane.now .text').getBoundingClientRect().top") < 640, "what it says now begins on the first screen of a phone: %s" % b.js("document.querySelector('.pane.now .text').getBoundingClientRect().top"))
        check(b.js("[...document.querySelectorAll('.chart')].slice(0, 2).every(c => [...c.querySelectorAll('.title:not([hidden]), output')].every(t => t.scrollWidth <= t.clientWidth + 1))"), "the first charts' titles and numbers are whole")
        check(b.js("(() => { const t = document.getElementById('token').getBoundingClientRect(); scrollTo(0, 1e6); return t.height > 20 && t.height < 60 && Math.round(t.bottom) === innerHeight && document.getElementById('below').getBoundingClientRect().bottom <= t.top; })()"), "the token's drawer covers nothing of what ends the page")
        b.js("document.querySelector('.panel-head').click(); scrollTo(0, 1e6)")
        check(b.js("document.querySelectorAll('#token .bars li')[0].offsetHeight > 0 && document.getElementById('below').getBoundingClientRect().bottom <= document.getElementById('token').getBoundingClientRect().top"), "nor where it is open")


PRESSED = "[...document.querySelectorAll('.views .chip, #probes')].filter(c => c.getAttribute('aria-pressed') === 'true').map(c => c.textContent).join()"
SHOWN = "document.getElementById('panes').className.replace('two', '')"


def views(browser):
    """One view at a time, whatever was there before, by chip, key and address; what is lit is what is shown."""
    b, names, click = browser, {"all at once": "grid", "over the steps": "over", "probes": "probes"}, "[...document.querySelectorAll('.views .chip, #probes')].find(c => c.textContent === '%s').click()"
    for way in (lambda name: b.js(click % name), lambda name: b.key({"all at once": "a", "over the steps": "o", "probes": "p"}[name])):
        for first in names:
            for then in names:
                if first == then: continue
                way(first); b.wait(SHOWN + " === '%s'" % names[first])
                way(then); b.wait(SHOWN + " === '%s'" % names[then])
                check(b.js(PRESSED) == then, "from %s to %s: lit is %s" % (first, then, b.js(PRESSED)))
                check("view=" + {"grid": "all"}.get(names[then], names[then]) in b.js("location.hash"), "the address keeps %s: %s" % (then, b.js("location.hash")))
                way(then); b.wait(SHOWN + " === ''")
                check(b.js(PRESSED) == "" and "view=" not in b.js("location.hash"), "%s is left as it was entered" % then)
    # What is compared is seen beside one sample: d and the choice lead there, and what was chosen is not forgotten.
    b.js("(c => { c.value = 'first'; c.onchange({ target: c }); })(document.getElementById('compare'))"); b.wait("panes.length === 2 && panes[0].data.step === 0")
    b.key("d"); b.wait("panes.length === 1")
    b.key("d"); b.wait("panes.length === 2 && panes[0].data.step === 0")
    b.key("a"); b.wait(SHOWN + " === 'grid'")
    b.key("d"); b.wait(SHOWN + " === '' && panes.length === 2 && panes[0].data.step === 0")
    b.key("o"); b.wait(SHOWN + " === 'over'")
    b.js("(c => { c.value = 'before'; c.onchange({ target: c }); })(document.getElementById('compare'))"); b.wait("panes.length === 2 && panes[0].data.step === 1000")
    # In the cards the list knows which one was clicked; the same place in another card is another token.
    b.key("a"); b.wait("panes.length === 16")
    press = "panes[%d].box.querySelectorAll('.tk')[5].dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    for card in (2, 3):
        b.js(press % card)
        check(b.js("view.token === 5 && view.sample === key_of(panes[%d].sample) && [...document.querySelectorAll('.sample.on')].map(x => x.key).join() === view.sample && [...document.querySelectorAll('.pane.on')].length === 1 && panes[%d].box.classList.contains('on')" % (card, card)), "a click in card %d" % card)
    b.js("view.token = -1; view.sample = '0.0.0'")
    b.key("a"); b.wait("panes.length === 2")
    # A view of a step whose data cannot be read gives way, and comes back with the next.
    b.key("o"); b.wait(SHOWN + " === 'over'")
    b.js("window.kept = load_step; load_step = s => s === 1000 ? Promise.reject(new Error('gone')) : kept(s)")
    b.js("held.delete(1000)"); b.key("ArrowLeft"); b.wait("document.querySelector('#panes .none.bad') !== null")
    b.js("load_step = window.kept"); b.key("ArrowRight"); b.wait(SHOWN + " === 'over' && document.querySelector('#panes .none') === null")
    check(b.js("document.querySelectorAll('.turn').length") == 6, "over the steps again behind a step that cannot be read: %s" % b.js(SHOWN))
    b.key("o"); b.wait(SHOWN + " === ''")
    # A dialog is in front: the keys are its own.
    b.key("?"); b.wait("document.getElementById('keys').open")
    b.key("a"); check(b.js("view.as") == "", "a key behind the dialog does nothing")
    b.key("?"); b.wait("!document.getElementById('keys').open")


def compared(browser):
    """Two texts with little in common are shown as they are, and the page says so."""
    b = browser
    story = "Once upon a time there was a girl named Lily . She liked to play in the park with her dog and a ball"
    other = "Tom saw a big red boat and he was sad . So the wind came and it took his hat over a hill , far away to sea"
    for was, now, little, head in ((story, other, True, 0), (story, story.replace("Lily", "Mia").replace("dog", "cat"), False, 9), (story, story, False, 23), (story, "Once upon a time " + other, True, 4),
                                   (story, " ".join(story.split()[:12]), False, 11), ("", story, False, 0), (story, "", False, 0)):
        got = b.js("(d => [d.little, d.head])(diff(%s, %s))" % (json.dumps(was), json.dumps(now)))
        check(got == [little, head], "in common: %s of %r" % (got, now))
    b.js("view.sample = '1.1.3'; draw()"); b.wait("panes.length === 2 && key_of(panes[1].sample) === '1.1.3'")
    check("too little in common" in b.js("document.querySelector('#panes .title').textContent") and b.js("document.querySelectorAll('.tk.come, .tk.gone').length") == 0, "little in common: said, and nothing struck out")
    b.js("view.sample = '0.0.0'; draw()"); b.wait("panes.length === 2 && key_of(panes[1].sample) === '0.0.0'")
    check("in common" not in b.js("document.querySelector('#panes .title').textContent") and b.js("document.querySelectorAll('.tk.gone').length") > 0, "much in common: what changed is marked")
    # What is the mean of several says so; what `ppl` is, too.
    check(b.js("[...document.querySelectorAll('.chart')].filter(c => c.querySelector('.mean')).length") >= 7 and not b.js("document.querySelector('.chart .mean')").__class__ is str and b.js("document.querySelector('.chart').querySelector('.mean') === null"), "means are called so, losses are none")
    check("not on the validation data" in b.js("[...document.querySelectorAll('.chart')].find(c => c.textContent.startsWith('ppl of its own text')).title") and "mean of the samples" in b.js("[...document.querySelectorAll('.chart')].find(c => c.textContent.startsWith('ppl of its own text')).title"), "what ppl is")


def probe_columns(browser):
    """The outer columns of a map are as wide as their neighbours; the tick of the first choice is at its step."""
    b = browser
    check(b.js("column_edges([0, 100, 300].map(step => ({ step })))") == [-50, 50, 200, 400] and b.js("column_edges([{ step: 7 }])") == [6.5, 7.5], "columns: %s" % b.js("column_edges([0, 100, 300].map(step => ({ step })))"))
    tick = """(() => { const c = document.querySelector('.map'), p = probes_over_steps()[0], e = column_edges(p.at), from = since(p.at, a => a.r[1] === 1), row = c.clientHeight / p.t.length,
        d = c.getContext('2d').getImageData(Math.round(step_place(e, from) * c.clientWidth - .5), Math.round(1.5 * row), 1, 1).data; return [from, d[0], d[1], d[2]]; })()"""
    check(b.js(tick) == [500, 255, 255, 255], "the tick of the first choice: %s" % b.js(tick))


def single(browser, folder):
    """The same in one file: nothing else is asked for."""
    b = browser
    b.call("Page.navigate", url="about:blank")
    b.wait("location.href === 'about:blank'")
    time.sleep(0.2)
    b.events.clear()
    b.open(folder, page="report.single.html")
    b.wait(DRAWN % 1250)
    check(b.js("document.querySelectorAll('#panes .pane').length") == 2, "one file: two panes")
    b.key("ArrowLeft"); b.wait(DRAWN % 1000)
    check(b.js("document.querySelectorAll('#token .bars li').length >= 10"), "one file: ten alternatives")
    check(b.js("window.pwned === undefined"), "one file: no text of the model runs")
    asked = [e["params"]["request"]["url"] for e in b.events if e.get("method") == "Network.requestWillBeSent"]
    check(b.complaints() == [] and all(u.endswith("report.single.html") or u.startswith("about:") for u in asked), "one file asks for nothing: %s %s" % (b.complaints(), asked))


def one_eval(browser, glimpse, folder):
    """A page of a single eval: numbers instead of charts over steps that are not there; of a single sample not even these."""
    b, unseen = browser, "['back', 'on', 'track', 'against'].every(i => !document.getElementById(i).offsetWidth)"
    b.call("Emulation.setDeviceMetricsOverride", width=1500, height=950, deviceScaleFactor=1, mobile=False)
    for name, per in (("many", (2, 2, 2)), ("one", (1, 1, 1))):
        here = os.path.join(folder, name)
        os.makedirs(here)
        journal(here, 1, per, 40, hostile=name == "many")
        subprocess.run([glimpse, "report", here], check=True, stdout=subprocess.DEVNULL)
        b.open(here)
        b.wait(DRAWN % 0)
        check(b.js(unseen) and not b.js("[...document.querySelectorAll('.chart svg')].some(s => s.getBoundingClientRect().width)"), "one eval has no steps and no curves")
        check(b.js("document.querySelectorAll('#below .metrics')[0].children.length") == 7, "one eval: the sample's metrics")
        ppl = [s["metrics"]["perplexity"] for l in open(os.path.join(here, "evals.jsonl"), encoding="utf-8") for s in json.loads(l)["samples"]]
        if name == "one": check(b.js("document.getElementById('overview').offsetHeight") == 0 and b.js("document.querySelectorAll('#filters *').length") == 0, "one sample: nothing to choose, no means")
        else:
            said = b.js("(c => c.textContent)([...document.querySelectorAll('.chart')].find(c => c.textContent.startsWith('ppl of its own text')))")
            check(said.endswith("%.3f … %.3f" % (min(ppl), max(ppl))) if max(ppl) < 10 else " … " in said, "one eval: the least and the greatest of its samples: %s" % said)
            b.key("p"); b.wait("document.querySelectorAll('.probe').length === 2")
            check(b.js("[...document.querySelector('.rows.from').children].map(l => l.textContent).join()") == "given,2,3,4,5" and "since" not in b.js("document.getElementById('panes').textContent"), "one eval: the ranks of a probe: %s" % b.js("document.getElementById('panes').textContent"))
            b.key("p"); b.wait("document.querySelectorAll('.probe').length === 0")
            dots = "[...document.querySelectorAll('.chip .dot')].map(d => getComputedStyle(d).backgroundColor).join()"
            check(b.js(dots) == b.js("[...[...document.querySelectorAll('.chart')].find(c => c.textContent.startsWith('ppl of its own text')).querySelectorAll('output span:not(.mean)')].map(d => getComputedStyle(d).color).join()"), "a setting has the colour of its numbers")
    check(b.complaints() == [], "the browser has nothing to say of one eval: %s" % b.complaints())


def long_prompt(browser, glimpse, folder):
    """What was said is in sight whatever it was asked: of a long prompt the end stands before it, and all of it at a click."""
    b, here, prompt = browser, os.path.join(folder, "long prompt"), "<b>A long \U0001f600 question</b>, " * 100
    os.makedirs(here)
    journal(here, 2, (1, 1, 1), 20, hostile=False)
    lines = [json.loads(l) for l in open(os.path.join(here, "evals.jsonl"), encoding="utf-8")]
    with open(os.path.join(here, "evals.jsonl"), "w", encoding="utf-8") as f:
        for l in lines:
            for s in l["samples"]: s["prompt_text"] = prompt
            f.write(json.dumps(l, ensure_ascii=False, separators=(",", ":")) + "\n")
    subprocess.run([glimpse, "report", here], check=True, stdout=subprocess.DEVNULL)
    for width in (1500, 420):
        b.call("Emulation.setDeviceMetricsOverride", width=width, height=950, deviceScaleFactor=1, mobile=width < 700)
        b.open(here)
        b.wait(DRAWN % 250)
        check(b.js("[...document.querySelectorAll('.pane')].every(p => { const t = p.querySelector('.text'), k = t.querySelector('.tk'); return k.getBoundingClientRect().bottom <= t.getBoundingClientRect().bottom; })"), "a long prompt pushes the text out of sight, at %d" % width)
        said = b.js("document.querySelector('.pane.now .prompt').textContent")
        check(said.startswith("… ") and prompt.endswith(said[-150:]) and len(said) < 400, "of a long prompt its end: %s" % said)
        b.js("document.querySelector('.pane.now .prompt button').click()")
        check(b.js("document.querySelector('.pane.now .prompt').textContent") == prompt, "all of a long prompt at a click")
    check(b.complaints() == [], "the browser has nothing to say of a long prompt: %s" % b.complaints())
    b.call("Emulation.setDeviceMetricsOverride", width=1500, height=950, deviceScaleFactor=1, mobile=False)


def probes_alone(browser, glimpse, folder):
    """A run that only scores texts opens where they are."""
    b, here = browser, os.path.join(folder, "probes alone")
    os.makedirs(here)
    journal(here, 3, (1, 1, 1), 20, hostile=False, probes=[1, 2, 3, 4])
    lines = [json.loads(l) for l in open(os.path.join(here, "evals.jsonl"), encoding="utf-8")]
    with open(os.path.join(here, "evals.jsonl"), "w", encoding="utf-8") as f:
        for l in lines: f.write(json.dumps({**l, "samples": []}, ensure_ascii=False, separators=(",", ":")) + "\n")
    subprocess.run([glimpse, "report", here], check=True, stdout=subprocess.DEVNULL)
    b.open(here)
    b.wait("view.as === 'probes' && document.querySelectorAll('.probe').length === 1")
    b.key("p"); b.wait("document.querySelector('#panes .none') !== null")
    b.key("p"); b.wait("document.querySelectorAll('.probe').length === 1")
    check(b.complaints() == [], "the browser has nothing to say of probes alone: %s" % b.complaints())


def set_aside(browser, glimpse, folder):
    """The page of runs that were set aside, by either kind of name, and back."""
    b, here = browser, os.path.join(folder, "aside")
    os.makedirs(here)
    for evals, run in ((2, "9f2c1a"), (3, "2026-11-21_2045_c785b6"), (4, None)):
        journal(here, evals, (1, 1, 1), 20, hostile=False, model="my-gpt" if evals == 3 else None)
        subprocess.run([glimpse, "report", here], check=True, stdout=subprocess.DEVNULL)
        if run: os.rename(os.path.join(here, "report"), os.path.join(here, "report." + run))
    choices = "[...document.getElementById('which-run').options].map(o => o.textContent).join()"
    b.open(here)
    b.wait(DRAWN % 750)
    b.wait("document.getElementById('runs').offsetWidth > 0")
    check(re.fullmatch(r"newest,2026-11-21 20:45 c785b6 · my-gpt · to step 500 · best val [\d.]+,9f2c1a · to step 250 · best val [\d.]+", b.js(choices)), "the runs set aside are offered, with what tells them apart: %s" % b.js(choices))
    b.open(here, "#run=2026-11-21_2045_c785b6")
    b.wait(DRAWN % 500)
    b.wait("document.getElementById('which-run').value === '2026-11-21_2045_c785b6'")
    check(b.js("document.getElementById('run-name').textContent") == "my-gpt · drive" and b.js("document.title") == "my-gpt · drive · step 500", "the model's name: %s" % b.js("document.title"))
    check(b.js("steps.length") == 3 and "run=2026-11-21_2045_c785b6" in b.js("location.hash"), "a run set aside is opened, and the address keeps it")
    b.js("(s => { s.value = '9f2c1a'; s.onchange(); })(document.getElementById('which-run'))")
    b.wait(DRAWN % 250)
    check(b.js("steps.length") == 2, "another one is chosen")
    b.js("(s => { s.value = ''; s.onchange(); })(document.getElementById('which-run'))")
    b.wait(DRAWN % 750)
    check(b.complaints() == [], "the browser has nothing to say of runs set aside: %s" % b.complaints())


def another_run(browser, glimpse, folder):
    """The page stays open while the run begins anew at the same steps, and while one is resumed at an earlier step."""
    b, here = browser, os.path.join(folder, "again")
    os.makedirs(here)
    report, step = os.path.join(here, "report"), os.path.join(here, "report", "step_00000250.js")
    def draw(*a, **more):
        journal(here, *a, (1, 1, 1), 20, hostile=False, **more)
        subprocess.run([glimpse, "report", here], check=True, stdout=subprocess.DEVNULL)
        return [json.loads(l)["samples"][0]["text"] for l in open(os.path.join(here, "evals.jsonl"), encoding="utf-8")]
    shown, listed = "panes[panes.length - 1].data.run + ' ' + panes[panes.length - 1].data.seq", "texts_of(%d).then(t => t[0].text)"
    first = draw(4, probes=[1, 2, 3])
    b.open(here)
    b.wait(DRAWN % 750)
    check([b.js(listed % (250 * e)) for e in range(4)] == first, "the texts of a run")
    b.key("p"); b.wait("document.querySelectorAll('.probe').length === 1"); b.key("p"); b.wait("document.querySelectorAll('.probe').length === 0")
    check(b.js("look_for_more().then(() => index_round)") == 1, "an index that is the same changes nothing")
    # The run that follows the newest: all of it is the new one's, what was held and searched, too.
    os.rename(report, report + ".2026-11-21_2045_9f2c1a")
    second = draw(4, run="aaaaaa", seed=99, probes=[4, 5, 6])
    check(first[0] != second[0], "two runs say something else")
    b.js("look_for_more()")
    b.wait("panes.length && %s === 'aaaaaa 3'" % shown)
    check(b.js("panes.every(p => p.data.run === 'aaaaaa')") and [b.js(listed % (250 * e)) for e in range(4)] == second, "a run that began anew takes the page")
    b.js("go_to(0)"); b.wait(DRAWN % 0)
    check(b.js(shown) == "aaaaaa 0" and b.js("units_of(panes[0].data, panes[0].sample).text") == second[0], "each of its steps")
    b.wait("[...document.getElementById('which-run').options].length === 2")
    b.key("p"); b.wait("document.querySelectorAll('.probe').length === 1")
    check(b.js("document.querySelector('.probe h2').textContent").endswith("".join(WORDS[4:7])) and b.js("probes_over_steps().length") == 1, "its probes and no others: %s" % b.js("document.querySelector('.probe h2').textContent"))
    b.key("p"); b.wait("document.querySelectorAll('.probe').length === 0")
    # One who looks at an older step stays there, and is told.
    third = draw(4, run="bbbbbb", seed=5)
    b.js("go_to(250)"); b.wait(DRAWN % 250)
    b.js("look_for_more()")
    b.wait("panes.length && %s === 'bbbbbb 1'" % shown)
    check(b.js("!document.getElementById('newer').hidden && document.getElementById('newer').textContent") == "a new run ▸", "a new run is reported")
    # Resumed at 500: that step is another eval, 750 is to come.
    b.js("go_to(750)"); b.wait(DRAWN % 750)
    b.js("go_to(500)"); b.wait(DRAWN % 500)
    b.js("(() => { const s = document.getElementById('search'); s.value = 'the'; s.dispatchEvent(new Event('input')); })()")
    b.wait("/ of 4 steps/.test(document.getElementById('found').textContent)")
    kept = open(os.path.join(here, "evals.jsonl"), encoding="utf-8").readlines()
    draw(4, run="bbbbbb", seed=6, at=lambda e: (250 * e, e + 2))
    again = open(os.path.join(here, "evals.jsonl"), encoding="utf-8").readlines()
    with open(os.path.join(here, "evals.jsonl"), "w", encoding="utf-8") as f: f.writelines(kept[:2] + again[2:3])
    subprocess.run([glimpse, "report", here], check=True, stdout=subprocess.DEVNULL)
    fourth = [json.loads(l)["samples"][0]["text"] for l in kept[:2] + again[2:3]]
    b.js("look_for_more()")
    b.wait("panes.length && %s === 'bbbbbb 4'" % shown)
    check(b.js("steps.join()") == "0,250,500" and [b.js(listed % (250 * e)) for e in range(3)] == fourth, "steps that were left behind are gone, one evaluated again is new: %s" % b.js("steps.join()"))
    b.wait("/ of 3 steps/.test(document.getElementById('found').textContent)")
    check(b.js("document.getElementById('compare').length") == 7 and b.js("document.getElementById('slider').max") == "2", "and from what is chosen among")
    b.js("(() => { const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input')); s.blur(); })()")
    # A step file that is newer than the index is not shown beside the old number; it is when the index has it.
    data = open(step, encoding="utf-8").read()
    with open(step, "w", encoding="utf-8") as f: f.write(data.replace('"seq":1,', '"seq":7,', 1))
    check("evaluated again" in b.js("(forget(250), load_step(250)).then(d => 'seq ' + d.seq, e => e.message)"), "data that are not the index's")
    with open(step, "w", encoding="utf-8") as f: f.write(data)
    check(b.complaints() == [], "the browser has nothing to say of runs that follow each other: %s" % b.complaints())


def odd_runs(browser, glimpse, folder):
    """Steps below zero, a probe that is not finite, as files and as one file; patterns; charts of more than a call may have."""
    b, here = browser, os.path.join(folder, "odd")
    os.makedirs(here)
    journal(here, 4, (1, 1, 1), 20, hostile=False, at=lambda e: (250 * e - 500, e), probes=[1, 2, 3])
    lines = [json.loads(l) for l in open(os.path.join(here, "evals.jsonl"), encoding="utf-8")]
    for t in lines[2]["probes"][0]["tokens"]: t.update(logprob=None, rank=1)
    with open(os.path.join(here, "evals.jsonl"), "w", encoding="utf-8") as f: f.writelines(json.dumps(l) + "\n" for l in lines)
    for more, page in (([], "report.html"), (["--single"], "report.single.html")):
        subprocess.run([glimpse, "report", here] + more, check=True, stdout=subprocess.DEVNULL)
        b.open(here, page=page)
        b.wait(DRAWN % 250)
        b.js("go_to(-500)"); b.wait(DRAWN % -500)
        check(b.js("panes[0].data.step") == -500, "a step below zero is opened: " + page)
        b.js("go_to(0)"); b.wait(DRAWN % 0)
        b.key("p"); b.wait("document.querySelectorAll('.probe').length === 1")
        said = b.js("document.querySelector('.probe .facts').textContent")
        check("ln p – at step 0" in said, "what is not finite has no sum: " + said)
        check(b.js("document.querySelector('.probe .curve .range').textContent").endswith(" … " + b.js("num(Math.max(...probes_over_steps()[0].at.filter(a => a.step).map(a => a.l[1] + a.l[2])))")), "and is never the best: " + b.js("document.querySelector('.probe .curve .range').textContent"))
        check(b.js("[...document.querySelector('.rows.from').children].map(l => l.textContent).join()") == "given,250,250,250", "nor the first choice: " + b.js("[...document.querySelector('.rows.from').children].map(l => l.textContent).join()"))
    check(b.js("[-10, 0, 123456789, -12345678].map(step_file).join()") == "-0000010,00000000,123456789,-12345678", "a step's file as C names it")
    for row in open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "queries.txt"), encoding="utf-8"):
        query, text, want = row.rstrip("\n").replace("¶", "\n").split("\t")
        got = b.js("(t => ranges_of(matcher_of(%s), t).map(r => t.slice(r.from, r.to)).join('|'))(%s)" % (json.dumps(query), json.dumps(text)))
        check(got == want, "%s in %r finds %r, not %r" % (query, text, want, got))
    check(b.js("[1000, 200000].map(n => ranges_of(matcher_of('/y*/'), 'x'.repeat(n) + 'y').length).join()") == "1,0", "matches of nothing are bounded")
    check(b.js("""(() => { const kept = steps; steps = [...Array(200000).keys()]; try { const c = one_chart('x', '', [{ label: '', ink: 0, at: steps }]);
        return c.box.querySelector('.range').textContent; } finally { steps = kept; } })()""") == "0 … 199999", "a chart of very many evals")
    check(b.js("""(() => { const kept = one_chart; one_chart = () => { throw new Error('no'); }; try { draw_charts(); return document.getElementById('charts').textContent; } finally { one_chart = kept; draw_charts(); } })()""") == "the charts cannot be drawn: no"
          and b.js("document.querySelectorAll('.chart svg').length") > 0, "charts that cannot be drawn say so")
    check(b.complaints() == [], "the browser has nothing to say of odd runs: %s" % b.complaints())


def shots(folder, out):
    os.makedirs(out, exist_ok=True)
    for name, dark, width, height, hash in (("wide_light", False, 1500, 950, ""), ("wide_dark", True, 1500, 950, ""), ("all_light", False, 1500, 950, "#view=all"),
                                            ("probes_light", False, 1500, 950, "#view=probes"), ("probes_dark", True, 1500, 950, "#view=probes"), ("narrow_light", False, 420, 900, ""), ("narrow_dark", True, 420, 900, "#colour=entropy")):
        b = Browser(dark, width, height)
        b.open(folder, hash)
        time.sleep(0.5)
        b.shot(os.path.join(out, name + ".png"))
        b.close()


def big(glimpse, folder, n):
    """Five evals by the journal, the others copies of their files: the page cannot tell."""
    journal(folder, 5, (2, 2, 4), 256, hostile=False)
    subprocess.run([glimpse, "report", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    report = os.path.join(folder, "report")
    lines = open(os.path.join(report, "index.js"), encoding="utf-8").read().splitlines()
    data = [open(os.path.join(report, "step_%08d.js" % (250 * e)), encoding="utf-8").read() for e in range(5)]
    with open(os.path.join(report, "index.js"), "w", encoding="utf-8") as f:
        for e in range(n):
            move = lambda s: re.sub(r'"step":\d+', '"step":%d' % (250 * e), re.sub(r'"seq":\d+', '"seq":%d' % e, s, count=1), count=1)
            f.write(move(lines[e % 5]) + "\n")
            with open(os.path.join(report, "step_%08d.js" % (250 * e)), "w", encoding="utf-8") as g: g.write(move(data[e % 5]))
    print("%d evals of 16 samples of 256 tokens: index %d kB, a data file %d kB" % (n, os.path.getsize(os.path.join(report, "index.js")) // 1000, len(data[0]) // 1000))
    b = Browser()
    for round in range(3):
        t = time.time()
        b.open(folder)
        b.wait(DRAWN % (250 * (n - 1)))
        print("open: %.0f ms; by the page's own clock, from navigation to the first drawing: %.0f ms" % (1e3 * (time.time() - t), b.js("performance.getEntriesByName('glimpse-drawn')[0].startTime")))
    # Until the first frame with the new step is handed over: the page says in an attribute that it has drawn, before that frame.
    change = """(async () => { const times = []; for (let i = 0; i < 12; i++) { await new Promise(r => setTimeout(r, %d));
        const shown = new Promise(r => new MutationObserver((_, o) => { o.disconnect(); requestAnimationFrame(() => setTimeout(() => r(performance.now()), 0)); }).observe(document.body, {attributes: true, attributeFilter: ['data-drawn']}));
        const t = performance.now(), to = steps[steps.indexOf(view.step) + %d]; document.dispatchEvent(new KeyboardEvent('keydown', {key: '%s'})); times.push(await shown - t);
        if (view.step !== to) throw new Error('not at step ' + to); } return times.map(t => Math.round(t)); })()"""
    print("step by step, to the frame on the screen, ms:", b.js(change % (400, -1, "ArrowLeft")))
    b.call("Performance.enable", timeDomain="threadTicks")
    cpu = lambda: {m["name"]: m["value"] for m in b.call("Performance.getMetrics")["metrics"]}
    before, _, after = cpu(), b.js(change % (400, -1, "ArrowLeft")), cpu()
    print("processor time of the page a step, ms: %s" % ", ".join("%s %.1f" % (k, 1e3 * (after[k + "Duration"] - before[k + "Duration"]) / 12) for k in ("Task", "Script", "Layout", "RecalcStyle")))
    print("as fast as it goes, ms:", b.js(change % (0, -1, "ArrowLeft")))
    b.js("(() => { document.querySelector('#slider').value = 20; document.querySelector('#slider').dispatchEvent(new Event('input')); })()")
    b.wait(DRAWN % 5000)
    b.key("a"); b.wait("document.querySelectorAll('#panes .pane').length === 16")
    print("all 16 samples at once, ms:", b.js(change % (400, -1, "ArrowLeft")))
    b.key("a")
    t = time.time()
    b.key("o"); b.wait("document.querySelectorAll('.turn.on .tk').length > 0")
    print("one sample over the steps: %.0f ms; a step on, ms: %s; rows with a text: %d of %d" % (1e3 * (time.time() - t), b.js(change % (100, 1, "ArrowRight")), b.js("document.querySelectorAll('.turn .text').length"), n))
    b.key("o")
    t = time.time()
    b.js("(() => { const s = document.getElementById('search'); s.value = 'girl named'; s.dispatchEvent(new Event('input')); })()")
    b.wait("/ of %d steps/.test((document.querySelector('.said') || {}).textContent || '') && !/read/.test(document.querySelector('.said').textContent)" % n, 120)
    print("search of all %d steps: %.1f s, %s" % (n, time.time() - t, b.js("document.querySelector('.said').textContent")))
    t = time.time()
    b.js("(() => { const s = document.getElementById('search'); s.value = 'dog, and'; s.dispatchEvent(new Event('input')); })()")
    time.sleep(0.3)
    b.wait("/ of %d steps/.test((document.querySelector('.said') || {}).textContent || '') && !/read/.test(document.querySelector('.said').textContent)" % n, 120)
    print("search again: %.1f s" % (time.time() - t))
    check(b.complaints() == [], "the browser has nothing to say: %s" % b.complaints())
    b.close()


def main():
    a = argparse.ArgumentParser()
    a.add_argument("glimpse"), a.add_argument("folder"), a.add_argument("--big", type=int), a.add_argument("--shots"), a.add_argument("--open")
    args = a.parse_args()
    if args.open: shots(args.open, args.shots); return 0
    if args.big: big(args.glimpse, args.folder, args.big); return bool(failed)
    journal(args.folder, 6)
    subprocess.run([args.glimpse, "report", args.folder], check=True, stdout=subprocess.DEVNULL)
    b = Browser()
    try:
        checks(b, args.folder)
        subprocess.run([args.glimpse, "report", args.folder, "--single"], check=True, stdout=subprocess.DEVNULL)
        single(b, args.folder)
        one_eval(b, args.glimpse, args.folder)
        probes_alone(b, args.glimpse, args.folder)
        long_prompt(b, args.glimpse, args.folder)
        set_aside(b, args.glimpse, args.folder)
        another_run(b, args.glimpse, args.folder)
        odd_runs(b, args.glimpse, args.folder)
    finally: b.close()
    if args.shots: shots(args.folder, args.shots)
    return bool(failed)


sys.exit(main())
