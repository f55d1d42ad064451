/* task_docs.c -- one reader for each task: a line of its data set becomes context, answers and the right one (task.h).
 * Each follows the task's yaml and Python file in lm-evaluation-harness; the official release of a data set is read as
 * well as its Hugging Face form where they differ. */
#include "hooks/tasks/task.h"

#include <string.h>

#define ROOT(l, i) ((l)->lines[i].tree.nodes)

static glimpse_status keep(buffer *b, arena *a, text *out) {
    char *s = buf_failed(b) ? NULL : arena_text(a, b->bytes, b->n);
    *out = (text){ s, b->n };
    buf_free(b);
    if (!s) FAIL(GLIMPSE_E_MEMORY, "no memory for a document");
    return GLIMPSE_OK;
}

/* "before" + t + "after"... : pieces up to a NULL text.s, into the arena. */
static glimpse_status join(arena *a, text *out, int n, const text *pieces) {
    buffer b = {0};
    for (int i = 0; i < n; i++) buf_put(&b, pieces[i].s, pieces[i].n);
    return keep(&b, a, out);
}
#define JOIN(a, out, ...) join(a, out, (int)(sizeof((text[]){__VA_ARGS__}) / sizeof(text)), (text[]){__VA_ARGS__})

static glimpse_status new_choices(arena *a, int32_t n, task_doc *d, text **out) {
    d->choices = *out = arena_alloc(a, (size_t)n * sizeof **out);
    d->n_choices = n;
    if (!*out) FAIL(GLIMPSE_E_MEMORY, "no memory for a document");
    return GLIMPSE_OK;
}

/* A member that is a list with something in it. */
static glimpse_status list_of(const json_lines *l, int32_t i, const json_node *object, const char *key, const json_node **out) {
    const json_node *n = json_get(object, key);
    if (!n || n->kind != JSON_ARRAY || !n->n) return json_line_fail(l, i, "field \"%s\" is no list", key);
    *out = n;
    return GLIMPSE_OK;
}

/* The choices as a list of texts has them; `one` is what the list's field calls one of them. */
static glimpse_status listed_choices(const json_lines *l, int32_t i, const char *key, const char *one, arena *a, task_doc *d,
                                     text **choices) {
    const json_node *list = NULL;
    int32_t c = 0;
    TRY(list_of(l, i, ROOT(l, i), key, &list));
    TRY(new_choices(a, (int32_t)list->n, d, choices));
    for (const json_node *e = json_first(list); e; e = json_next(list, e), c++) {
        if (e->kind != JSON_STRING) return json_line_fail(l, i, "%s %d is no text", one, c);
        (*choices)[c] = (text){ e->text, e->n };
    }
    return GLIMPSE_OK;
}

/* The right choice by number; the target as text. */
static glimpse_status right(const json_lines *l, int32_t i, arena *a, int64_t gold, task_doc *d) {
    if (gold < 0 || gold >= d->n_choices)
        return json_line_fail(l, i, "the right answer is number %lld of %d, counted from 0", (long long)gold, d->n_choices);
    d->gold = (int32_t)gold;
    d->answer = d->choices[gold];
    for (int32_t c = 0; c < d->n_choices; c++)
        if (!d->choices[c].n) return json_line_fail(l, i, "answer %d is empty", c);
    buffer b = {0};
    buf_i64(&b, gold);
    return keep(&b, a, &d->target);
}

/* A number that may stand as a text ("2") or as true and false. */
static glimpse_status number(const json_lines *l, int32_t i, const char *key, int64_t *out) {
    const json_node *n = json_get(l->lines[i].tree.nodes, key);
    if (!n) return json_line_fail(l, i, "there is no field \"%s\"", key);
    if (n->kind == JSON_TRUE || n->kind == JSON_FALSE) *out = n->kind == JSON_TRUE;
    else if (!(n->kind == JSON_STRING ? parse_i64(n->text, n->n, out) : json_i64(n, out)))
        return json_line_fail(l, i, "field \"%s\" is no whole number", key);
    return GLIMPSE_OK;
}

#define GET(key, out) TRY(json_line_text(l, i, ROOT(l, i), key, out))

/* --- HellaSwag (Zellers et al. 2019): hellaswag/utils.py ----------------------------------------------------------- */

static glimpse_status preprocess(text t, arena *a, text *out) {
    buffer b = {0}, clean = {0};
    t = py_strip(t);
    buf_put(&b, t.s, t.n);
    py_replace(&b, " [title]", ". ");
    for (const char *s = buf_str(&b), *end = s + b.n; s < end;) { /* re.sub("\[.*?\]", ""), '.' is no newline */
        const char *from = memchr(s, '[', (size_t)(end - s)), *to = from;
        while (to && to < end && *to != ']' && *to != '\n') to++;
        if (from && to < end && *to == ']') {
            buf_put(&clean, s, (size_t)(from - s));
            s = to + 1;
        } else {
            const char *stop = from ? from + 1 : end;
            buf_put(&clean, s, (size_t)(stop - s));
            s = stop;
        }
    }
    clean.failed |= b.failed;
    buf_free(&b);
    py_replace(&clean, "  ", " ");
    return keep(&clean, a, out);
}

static glimpse_status read_hellaswag(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text ctx_a, ctx_b, label, whole, *choices;
    int64_t gold;
    (void)k;
    GET("ctx_a", &ctx_a);
    GET("ctx_b", &ctx_b);
    GET("activity_label", &label);
    TRY(number(l, i, "label", &gold));
    TRY(listed_choices(l, i, "endings", "ending", a, d, &choices));
    buffer b = {0};
    py_capitalize(ctx_b, &b);
    TRY(keep(&b, a, &ctx_b));
    TRY(JOIN(a, &whole, label, TEXT(": "), ctx_a, TEXT(" "), ctx_b));
    TRY(preprocess(whole, a, &d->context));
    for (int32_t c = 0; c < d->n_choices; c++) TRY(preprocess(choices[c], a, &choices[c]));
    return right(l, i, a, gold, d);
}

/* llm.c's rules (dev/data/hellaswag.py, render_example): "ctx" and " " + ending as they are. */
static glimpse_status read_hellaswag_llmc(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text *choices;
    int64_t gold;
    (void)k;
    GET("ctx", &d->context);
    TRY(number(l, i, "label", &gold));
    if (!d->context.n) return json_line_fail(l, i, "field \"ctx\" is empty");
    TRY(listed_choices(l, i, "endings", "ending", a, d, &choices));
    return right(l, i, a, gold, d);
}

static void hellaswag_added(const task_doc *d, int indent, buffer *out) { /* "query", "choices", "gold" of process_docs */
    const char *comma = indent ? ",\n  " : ", ", *open = indent ? "[\n    " : "[", *between = indent ? ",\n    " : ", ";
    buf_puts(out, comma);
    buf_puts(out, "\"query\": ");
    py_json_string(d->context, out);
    buf_puts(out, comma);
    buf_puts(out, "\"choices\": ");
    for (int32_t c = 0; c < d->n_choices; c++) {
        buf_puts(out, c ? between : open);
        py_json_string(d->choices[c], out);
    }
    buf_puts(out, indent ? "\n  ]" : "]");
    buf_puts(out, comma);
    buf_printf(out, "\"gold\": %d", d->gold);
}

/* --- ARC (Clark et al. 2018), OpenBookQA (Mihaylov et al. 2018) ---------------------------------------------------- */

/* choices: {"text": [...], "label": [...]}, or in the official files question: {"stem", "choices": [{"text", "label"}]}. */
static glimpse_status labelled_choices(const json_lines *l, int32_t i, arena *a, const char *stem_key, text *stem,
                                       text key, task_doc *d) {
    const json_node *root = ROOT(l, i), *question = json_get(root, "question"), *list = json_get(root, "choices");
    text *choices;
    int64_t gold = -1;
    if (question && question->kind == JSON_OBJECT) {
        TRY(json_line_text(l, i, question, "stem", stem));
        TRY(list_of(l, i, question, "choices", &list));
        TRY(new_choices(a, (int32_t)list->n, d, &choices));
        int32_t c = 0;
        for (const json_node *e = json_first(list); e; e = json_next(list, e), c++) {
            text label;
            TRY(json_line_text(l, i, e, "text", &choices[c]));
            TRY(json_line_text(l, i, e, "label", &label));
            if (gold < 0 && label.n == key.n && !memcmp(label.s, key.s, key.n)) gold = c;
        }
    } else {
        GET(stem_key, stem);
        const json_node *texts = json_get(list, "text"), *labels = json_get(list, "label");
        if (!texts || !labels || texts->kind != JSON_ARRAY || labels->kind != JSON_ARRAY || !texts->n || texts->n != labels->n)
            return json_line_fail(l, i, "field \"choices\" has not as many \"text\" as \"label\"");
        TRY(new_choices(a, (int32_t)texts->n, d, &choices));
        const json_node *label = json_first(labels);
        int32_t c = 0;
        for (const json_node *e = json_first(texts); e; e = json_next(texts, e), label = json_next(labels, label), c++) {
            if (e->kind != JSON_STRING || label->kind != JSON_STRING) return json_line_fail(l, i, "choice %d is no text", c);
            choices[c] = (text){ e->text, e->n };
            if (gold < 0 && label->n == key.n && !memcmp(label->text, key.s, key.n)) gold = c;
        }
    }
    if (gold < 0) return json_line_fail(l, i, "the answer key \"%.*s\" is none of the labels", (int)(key.n < 20 ? key.n : 20), key.s);
    return right(l, i, a, gold, d);
}

static glimpse_status read_arc(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text key, question;
    (void)k;
    GET("answerKey", &key);
    TRY(labelled_choices(l, i, a, "question", &question, key, d));
    return JOIN(a, &d->context, TEXT("Question: "), question, TEXT("\nAnswer:"));
}

static glimpse_status read_openbookqa(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text key;
    (void)k;
    GET("answerKey", &key);
    return labelled_choices(l, i, a, "question_stem", &d->context, py_lstrip(key), d);
}

/* --- PIQA (Bisk et al. 2020), SciQ (Welbl et al. 2017), BoolQ (Clark et al. 2019) ----------------------------------- */

static glimpse_status read_piqa(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text goal, *c;
    int64_t gold;
    (void)k;
    GET("goal", &goal);
    TRY(new_choices(a, 2, d, &c));
    GET("sol1", &c[0]);
    GET("sol2", &c[1]);
    TRY(number(l, i, "label", &gold));
    TRY(JOIN(a, &d->context, TEXT("Question: "), goal, TEXT("\nAnswer:")));
    return right(l, i, a, gold, d);
}

static glimpse_status read_sciq(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text support, question, *c;
    (void)k;
    GET("support", &support);
    GET("question", &question);
    TRY(new_choices(a, 4, d, &c));
    GET("distractor1", &c[0]);
    GET("distractor2", &c[1]);
    GET("distractor3", &c[2]);
    GET("correct_answer", &c[3]);
    TRY(JOIN(a, &d->context, py_lstrip(support), TEXT("\nQuestion: "), question, TEXT("\nAnswer:")));
    return right(l, i, a, 3, d);
}

static glimpse_status read_boolq(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text passage, question, *c;
    int64_t gold;
    (void)k;
    GET("passage", &passage);
    GET("question", &question);
    TRY(number(l, i, json_get(ROOT(l, i), "label") ? "label" : "answer", &gold));
    TRY(new_choices(a, 2, d, &c));
    c[0] = TEXT("no");
    c[1] = TEXT("yes");
    TRY(JOIN(a, &d->context, passage, TEXT("\nQuestion: "), question, TEXT("?\nAnswer:")));
    return right(l, i, a, gold, d);
}

/* --- WinoGrande (Sakaguchi et al. 2019): preprocess_winogrande.py ---------------------------------------------------- */

static glimpse_status read_winogrande(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text sentence, option[2], *contexts;
    int64_t answer;
    (void)k;
    GET("sentence", &sentence);
    GET("option1", &option[0]);
    GET("option2", &option[1]);
    TRY(number(l, i, "answer", &answer));
    const char *gap = memchr(sentence.s, '_', sentence.n);
    if (!gap) return json_line_fail(l, i, "there is no _ in \"sentence\"");
    if (answer < 1 || answer > 2) return json_line_fail(l, i, "\"answer\" is neither 1 nor 2");
    text before = { sentence.s, (size_t)(gap - sentence.s) };
    TRY(new_choices(a, 2, d, &contexts));
    for (int c = 0; c < 2; c++) TRY(JOIN(a, &contexts[c], before, option[c]));
    d->contexts = contexts;
    d->target = py_strip((text){ gap + 1, sentence.n - before.n - 1 });
    d->gold = (int32_t)answer - 1;
    d->context = contexts[d->gold];
    d->answer = d->target;
    return GLIMPSE_OK;
}

/* --- COPA (Roemmele et al. 2011, in SuperGLUE): super_glue/copa/utils.py ------------------------------------------------ */

static glimpse_status read_copa(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text premise, question, choice[2], *c;
    int64_t gold;
    (void)k;
    GET("premise", &premise);
    GET("question", &question);
    GET("choice1", &choice[0]);
    GET("choice2", &choice[1]);
    TRY(number(l, i, "label", &gold));
    bool cause = question.n == 5 && !memcmp(question.s, "cause", 5);
    if (!cause && !(question.n == 6 && !memcmp(question.s, "effect", 6)))
        return json_line_fail(l, i, "\"question\" is neither cause nor effect");
    TRY(JOIN(a, &d->context, py_drop_last(py_strip(premise)), cause ? TEXT(" because") : TEXT(" therefore")));
    TRY(new_choices(a, 2, d, &c));
    for (int j = 0; j < 2; j++) {
        buffer b = {0};
        buf_putc(&b, ' ');
        py_lower_first(choice[j], &b);
        TRY(keep(&b, a, &c[j]));
    }
    TRY(right(l, i, a, gold, d));
    d->target = d->answer;
    if (gold == 1 && c[0].n == c[1].n && !memcmp(c[0].s, c[1].s, c[0].n)) d->gold = 0; /* choices.index(target) */
    return GLIMPSE_OK;
}

/* --- LAMBADA (Paperno et al. 2016), WikiText (Merity et al. 2016): preprocess_wikitext.py ------------------------------- */

static glimpse_status read_lambada(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    text t;
    (void)k;
    GET("text", &t);
    const char *gap = t.n ? memrchr(t.s, ' ', t.n) : NULL;
    size_t before = gap ? (size_t)(gap - t.s) : 0;
    d->context = (text){ t.s, before };
    TRY(JOIN(a, &d->target, TEXT(" "), { gap ? gap + 1 : t.s, gap ? t.n - before - 1 : t.n }));
    d->answer = d->target;
    return GLIMPSE_OK;
}

static void shorten_contraction(buffer *b) { /* re.sub("/' [0-9]/", "/'[0-9]/") as it is written there */
    for (char digit = '0'; digit <= '9'; digit++) {
        char from[] = "/' 0/";
        from[3] = digit;
        py_replace(b, from, "/'[0-9]/");
    }
}

static glimpse_status read_wikitext(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    static const char *const first[][2] = { { " @-@ ", "-" }, { " @,@ ", "," }, { " @.@ ", "." }, { " : ", ": " },
                                            { " ; ", "; " }, { " . ", ". " }, { " ! ", "! " }, { " ? ", "? " }, { " , ", ", " } };
    static const char pairs[][2] = { { '(', ')' }, { '[', ']' }, { '{', '}' }, { '"', '"' }, { '\'', '\'' } };
    static const char *const last[][2] = { { "= = = =", "====" }, { "= = =", "===" }, { "= =", "==" }, { " \xC2\xB0 ", "\xC2\xB0" },
                                           { " \n", "\n" }, { "\n ", "\n" }, { " N ", " 1 " }, { " 's", "'s" } };
    buffer b = {0};
    (void)k;
    GET("page", &d->page);
    buf_put(&b, d->page.s, d->page.n);
    py_replace(&b, "s '", "s'");
    shorten_contraction(&b);
    for (size_t r = 0; r < sizeof first / sizeof *first; r++) py_replace(&b, first[r][0], first[r][1]);
    for (size_t r = 0; r < sizeof pairs / sizeof *pairs; r++) py_trim_pairs(&b, pairs[r][0], pairs[r][1]);
    for (size_t r = 0; r < sizeof last / sizeof *last; r++) py_replace(&b, last[r][0], last[r][1]);
    return keep(&b, a, &d->target);
}

/* --- a task of the user's own ------------------------------------------------------------------------------------------- */

glimpse_status task_read_user(const task_kind *k, const json_lines *l, int32_t i, arena *a, task_doc *d) {
    int64_t gold;
    text *choices;
    if (k->output == TASK_ROLLING) {
        GET("text", &d->page);
        d->target = d->page;
        return GLIMPSE_OK;
    }
    GET("query", &d->context);
    if (k->output == TASK_LOGLIKELIHOOD) {
        GET("target", &d->target);
        d->answer = d->target;
        return GLIMPSE_OK;
    }
    TRY(listed_choices(l, i, "choices", "choice", a, d, &choices));
    TRY(number(l, i, "gold", &gold));
    return right(l, i, a, gold, d);
}

/* --- the table ---------------------------------------------------------------------------------------------------------- */

#define HARNESS "lm-evaluation-harness"
#define ACC_BOTH (METRIC_ACC | METRIC_ACC_NORM)
#define WORDS (METRIC_WORD_PERPLEXITY | METRIC_BYTE_PERPLEXITY | METRIC_BITS_PER_BYTE)
#define PERPLEXITY (METRIC_PERPLEXITY | METRIC_ACC)
const task_kind task_kinds[] = {
    { .name = "hellaswag", .variant = HARNESS, .version = 1, .output = TASK_CHOICE, .metrics = ACC_BOTH,
      .split = "validation", .official = "hellaswag_val.jsonl", .shots_split = "train",
      .shots_official = "hellaswag_train.jsonl", .leave_out = true,
      .fields = "ctx_a, ctx_b, activity_label, endings, label", .dataset = "'Rowan/hellaswag'", .read = read_hellaswag,
      .added = hellaswag_added },
    { .name = "arc_easy", .variant = HARNESS, .version = 1, .output = TASK_CHOICE, .metrics = ACC_BOTH, .split = "test",
      .official = "ARC-Easy-Test.jsonl|ARC-Easy/ARC-Easy-Test.jsonl", .shots_split = "train",
      .shots_official = "ARC-Easy-Train.jsonl|ARC-Easy/ARC-Easy-Train.jsonl", .fields = "question, choices, answerKey",
      .dataset = "'allenai/ai2_arc', 'ARC-Easy'", .read = read_arc },
    { .name = "arc_challenge", .variant = HARNESS, .version = 1, .output = TASK_CHOICE, .metrics = ACC_BOTH, .split = "test",
      .official = "ARC-Challenge-Test.jsonl|ARC-Challenge/ARC-Challenge-Test.jsonl", .shots_split = "train",
      .shots_official = "ARC-Challenge-Train.jsonl|ARC-Challenge/ARC-Challenge-Train.jsonl",
      .fields = "question, choices, answerKey", .dataset = "'allenai/ai2_arc', 'ARC-Challenge'", .read = read_arc },
    { .name = "piqa", .variant = HARNESS, .version = 1, .output = TASK_CHOICE, .metrics = ACC_BOTH, .split = "validation",
      .shots_split = "train", .leave_out = true, .fields = "goal, sol1, sol2, label", .dataset = "'baber/piqa'",
      .read = read_piqa },
    { .name = "winogrande", .variant = HARNESS, .version = 1, .output = TASK_CHOICE, .metrics = METRIC_ACC,
      .split = "validation", .official = "dev.jsonl|winogrande_1.1/dev.jsonl", .shots_split = "train",
      .shots_official = "train_xl.jsonl|winogrande_1.1/train_xl.jsonl", .leave_out = true,
      .fields = "sentence, option1, option2, answer", .dataset = "'allenai/winogrande', 'winogrande_xl'",
      .read = read_winogrande },
    { .name = "boolq", .variant = HARNESS, .version = 2, .output = TASK_CHOICE, .metrics = METRIC_ACC, .split = "validation",
      .official = "BoolQ/val.jsonl", .shots_split = "train", .shots_official = "BoolQ/train.jsonl", .leave_out = true,
      .fields = "passage, question, label", .dataset = "'aps/super_glue', 'boolq'", .read = read_boolq },
    { .name = "openbookqa", .variant = HARNESS, .version = 1, .output = TASK_CHOICE, .metrics = ACC_BOTH, .split = "test",
      .shots_split = "train", .fields = "question_stem, choices, answerKey", .dataset = "'allenai/openbookqa', 'main'",
      .read = read_openbookqa },
    { .name = "sciq", .variant = HARNESS, .version = 1, .output = TASK_CHOICE, .metrics = ACC_BOTH, .split = "test",
      .shots_split = "train", .fields = "support, question, distractor1, distractor2, distractor3, correct_answer",
      .dataset = "'allenai/sciq'", .read = read_sciq },
    { .name = "copa", .variant = HARNESS, .version = 1, .output = TASK_CHOICE, .metrics = METRIC_ACC, .split = "validation",
      .official = "COPA/val.jsonl", .shots_split = "train", .shots_official = "COPA/train.jsonl", .leave_out = true,
      .fields = "premise, question, choice1, choice2, label", .dataset = "'aps/super_glue', 'copa'", .read = read_copa },
    { .name = "lambada_openai", .variant = HARNESS, .version = 1, .output = TASK_LOGLIKELIHOOD, .metrics = PERPLEXITY,
      .split = "test", .official = "lambada_test_en.jsonl|lambada_test.jsonl", .fields = "text",
      .dataset = "'EleutherAI/lambada_openai', 'default'", .read = read_lambada },
    { .name = "lambada_standard", .variant = HARNESS, .version = 1, .output = TASK_LOGLIKELIHOOD, .metrics = PERPLEXITY,
      .split = "test", .shots_split = "validation", .fields = "text", .dataset = "'cimec/lambada'", .read = read_lambada },
    { .name = "wikitext", .variant = HARNESS, .version = 2, .output = TASK_ROLLING, .metrics = WORDS, .split = "test",
      .shots_split = "train", .fields = "page", .dataset = "'EleutherAI/wikitext_document_level', 'wikitext-2-raw-v1'",
      .read = read_wikitext },
    { .name = "hellaswag_llmc", .variant = "llm.c", .version = 1, .output = TASK_CHOICE, .metrics = ACC_BOTH,
      .split = "validation", .apart = true,
      .official = "hellaswag_val.bin|hellaswag/hellaswag_val.bin|hellaswag/validation.jsonl|hellaswag_validation.jsonl|"
                  "hellaswag.jsonl|hellaswag_val.jsonl",
      .fields = "or HellaSwag's validation.jsonl, whose lines have ctx, endings, label", .read = read_hellaswag_llmc },
};
const int n_task_kinds = sizeof task_kinds / sizeof *task_kinds;
