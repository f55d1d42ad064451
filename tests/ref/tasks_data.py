"""Hand-written documents for every task that Glimpse scores: accents, Greek, CJK, emoji, odd and wide blanks, brackets of
WikiHow, empty contexts, contexts far longer than the model's 96 tokens.  Used by parity_tasks.py."""
import json

LONG = "The old keeper climbed the stairs of the lighthouse every evening, lamp in hand, counting each step aloud. " * 9
ODD = ["  two  spaces ", "\ttab and\u00a0no-break ", "\u3000wide\u2003", "line\nbreak  ", "\x1cfile separator\x1f", "end \u2028"]
WORDS = ["caf\u00e9", "na\u00efve", "\u039f\u0394\u039f\u03a3", "\u4f60\u597d", "\U0001F600 smile", "\u00dfeta", "\u0130stanbul",
         "\u01c6ungla", "e\u0301clair", "\u05e9\u05dc\u05d5\u05dd", "stra\u00dfe", "fi\ufb01"]

HELLASWAG = [("Removing ice from car", "A man is standing on a car. He", "then, the man writes over the snow",
              [", the man adds wax to the windshield.", ", a person boards a ski lift.", ", the man starts removing snow.", ", he eats  it."]),
             ("Baking cookies", "A female chef in white braided hair is shown.", "mR. smith Goes TO the store",
              ["and bakes.", "[substeps] and mixes  dough.", "[step] sings [title] loudly.", "runs   away."]),
             (" Personal Care and Style", "[header] How to increase breast size [title] Look for pectins.", "",
              ["[step] Eat [unclosed bracket", "Drink water. [substeps] Sleep.", "x", "[a]\n[b\nc] d"]),
             ("Sport", "", "", ["", "", "", ""])]


def hellaswag(n, salt):
    rows = []
    for i in range(n):
        label, a, b, ends = HELLASWAG[(i + salt) % 3]
        w = WORDS[(i * 5 + salt) % len(WORDS)]
        a = [a, a + ODD[i % len(ODD)], LONG + a, w + " " + a, ""][i % 5]
        b = [b, w.upper() + " " + b, "", "\u03a3\u039f\u03a6\u039f\u03a3 ABC" + b, " " + b][(i // 2) % 5]
        rows.append({"ind": i + salt, "activity_label": label + ("" if i % 4 else " " + w), "ctx_a": a, "ctx_b": b, "ctx": a + " " + b,
                     "split": "val", "split_type": "indomain", "endings": [e + (" " + w if i % 3 == 0 else "") for e in ends],
                     "source_id": f"activitynet~{i}", "label": str((i * 7 + salt) % 4)})
    return rows


def arc(n, salt):
    qs = ["Which of these is a mineral?", "What is H\u2082O?  ", "  Why does ice float", "A student asks:\n\"Is it \u00bd?\"", LONG + "How many steps?", ""]
    rows = []
    for i in range(n):
        k = 4 + (i % 3 == 1) - (i % 5 == 2)
        labels = [str(j + 1) for j in range(k)] if i % 4 == 3 else [chr(65 + j) for j in range(k)]
        rows.append({"id": f"Mercury_{salt}_{i}", "question": qs[(i + salt) % len(qs)],
                     "choices": {"text": [f"{WORDS[(i + j * 3) % len(WORDS)]} {'quartz' * (j % 3)}".rstrip() for j in range(k)], "label": labels},
                     "answerKey": labels[(i * 3 + salt) % k]})
    return rows


def piqa(n, salt):
    goals = ["How do I ready a guinea pig cage?", "dresser", "To boil eggs ", " \u00e0 la carte", LONG, ""]
    return [{"goal": goals[(i + salt) % len(goals)], "sol1": "Provide " + WORDS[i % 12] + " bedding.", "sol2": ("Provide the cage with  jeans. " * (1 + i % 3)).strip(),
             "label": (i + salt) % 2} for i in range(n)]


def winogrande(n, salt):
    s = ["Sarah was a much better surgeon than Maria so _ always got the easier cases.", "The \u039f\u0394\u039f\u03a3 was closed, so we took _  instead . ",
         "_ was late.", LONG + "Then _ fell asleep at the lamp.", "He put the key in the box because _ was  big_ger.", "Ask _"]
    return [{"sentence": s[(i + salt) % len(s)] if (i + salt) % len(s) != 5 else "Ask _ now", "option1": WORDS[i % 12], "option2": "the " + WORDS[(i + 4) % 12],
             "answer": str(1 + (i * 3 + salt) % 2)} for i in range(n)]


def boolq(n, salt):
    ps = ["Persian language -- Persian, also known by its endonym Farsi, is spoken.", "", LONG, "  \u4f60\u597d means hello.  ", "A line.\nAnother  line.\n", "caf\u00e9"]
    return [{"question": ["do iran and afghanistan speak the same language", "is  it ", "\u00bfqu\u00e9"][i % 3], "passage": ps[(i + salt) % len(ps)], "idx": i,
             "label": (i * 5 + salt) % 2} for i in range(n)]


def openbookqa(n, salt):
    rows = arc(n, salt)
    return [{"id": r["id"], "question_stem": r["question"], "choices": r["choices"], "answerKey": (" " if i % 4 == 0 else "") + r["answerKey"]}
            for i, r in enumerate(rows)]


def sciq(n, salt):
    return [{"question": ["What is \u03c0?", "Which gas do plants take in? ", "  Who"][i % 3], "distractor1": WORDS[i % 12], "distractor2": "oxygen", "distractor3": "nitrogen gas",
             "correct_answer": "carbon " + WORDS[(i + 2) % 12], "support": ["", "  Plants  breathe.", LONG, "\u2003\u2003wide", "\nPhotosynthesis\n"][(i + salt) % 5]} for i in range(n)]


def copa(n, salt):
    return [{"premise": [" The man broke his toe. ", "\u00c4rger kam auf!", "My body cast a shadow over the grass.", LONG.strip(), "I ran"][(i + salt) % 5],
             "choice1": ["He got a hole in his sock.", "\u0130t rained.", "The sun was rising."][i % 3], "choice2": ["He dropped a hammer.", "\u00c9clairs.", "\u03a3un."][(i + 1) % 3],
             "question": ["cause", "effect"][(i * 3 + salt) % 2], "idx": i, "label": (i + salt) % 2} for i in range(n)]


def lambada(n, salt):
    ts = ["In my palm is a clear stone, and inside it is a small ivory statue", LONG + "he dropped the lamp", "word", "two words",
          "She said  \u201cCaf\u00e9\u201d to  him", "trailing blank ", "\u4f60\u597d \u4e16\u754c", "a\tb c\u00a0d", "it was late, and the door"]
    return [{"text": ts[(i + salt) % len(ts)] + ("" if i < len(ts) else " again")} for i in range(n)]


def wikitext(n, salt):
    ps = [" \n = Robert Boulter = \n \n Robert Boulter is an English film , television and theatre actor . He had a guest @-@ starring role . \n",
          "", " = Valkyria = \n 3 @,@ 500 @.@ 5 men ( lit . \" the \u6226\u5834 \" ) ; at 30 \u00b0 C . \n", LONG + "\n" + LONG, "the dogs ' tails 's N times [ 1 ] { x } ' q ' /' 3/ end",
          "= = = = Deep = = = =\n = = Two = = \n", "( unclosed \" quote ( a ( b ) ) \" c \" d", "caf\u00e9 \u2028 \U0001F600 : ; ! ? ", "   \n\t ", "one"]
    return [{"page": ps[(i + salt) % len(ps)]} for i in range(n) if ps[(i + salt) % len(ps)]]


def own(n, salt):
    return [{"query": ["", "Q: " + WORDS[i % 12] + "\nA:", LONG, "blank at the end  "][(i + salt) % 4], "choices": [WORDS[(i + j) % 12] * (1 + j % 2) for j in range(2 + i % 4)],
             "gold": (i + salt) % 2, "note": None if i % 2 else 1.5e-7 * (i + 1)} for i in range(n)]


OWN = {"my_task": {"description": "Answer well.\n\n"}}
MAKE = {"hellaswag": hellaswag, "arc_easy": arc, "arc_challenge": arc, "piqa": piqa, "winogrande": winogrande, "boolq": boolq, "openbookqa": openbookqa,
        "sciq": sciq, "copa": copa, "lambada_openai": lambada, "lambada_standard": lambada, "wikitext": wikitext, "my_task": own}
TASKS = list(MAKE)
SPLITS = {"hellaswag": ("train", "validation"), "piqa": ("train", "validation"), "winogrande": ("train", "validation"), "boolq": ("train", "validation"),
          "copa": ("train", "validation"), "lambada_openai": ("test",), "lambada_standard": ("validation", "test"), "wikitext": ("test",),
          "my_task": ("validation",)}


def splits(name):
    return SPLITS.get(name, ("train", "test") if name in ("arc_easy", "arc_challenge") else ("train", "validation", "test"))


def write(root):
    for salt, (name, make) in enumerate(MAKE.items()):
        (root / name).mkdir(parents=True)
        for k, split in enumerate(splits(name)):
            rows = make(37 if split == "train" else 12, salt + 3 * k)
            (root / name / f"{split}.jsonl").write_text("".join(json.dumps(r, ensure_ascii=bool(k % 2)) + "\n" for r in rows))
    for name, d in OWN.items():
        (root / f"{name}.json").write_text(json.dumps({"data": f"{name}/validation.jsonl", "metrics": ["acc", "acc_norm", "acc_bytes"], **d}))


def corpus():
    yield LONG
    for salt, make in enumerate(MAKE.values()):
        for row in make(40, salt):
            yield json.dumps(row, ensure_ascii=False)


def freeze(root, ckpt, data, frozen):
    """tests/ref/tasks/: the checkpoint, the data, and of each document what the harness found, for tests/test_tasks.c."""
    import shutil
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(data, root / "data")
    (root / "data" / "piqa_says.jsonl").unlink(missing_ok=True)
    (root / "ckpt").mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        if (ckpt / name).exists():
            shutil.copy(ckpt / name, root / "ckpt" / name)
    with open(root / "expected.jsonl", "w") as f:
        for shots, tasks in frozen.items():
            for name, t in tasks.items():
                for s in t["samples"]:
                    first = [r[0] for r in s["resps"]]
                    ll = [float(r if isinstance(r, str) else r[0]) for r in first]
                    greedy = [r[1] == "True" for r in first if not isinstance(r, str)]
                    row = {"task": name, "shots": shots, "doc_id": s["doc_id"], "ll": ll, "greedy": greedy}
                    row |= {k: s[k] for k in ("doc_hash", "prompt_hash", "target_hash")}
                    row |= {"metrics": {m: s[m] for m in s["metrics"] if not isinstance(s[m], list) and m != "perplexity"}}
                    f.write(json.dumps(row) + "\n")
                results = {k: v for k, v in t["results"].items() if isinstance(v, float)}
                f.write(json.dumps({"task": name, "shots": shots, "n": len(t["samples"]), "results": results}) + "\n")
