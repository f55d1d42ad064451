/* help_commands.c -- a page for each command: `glimpse help COMMAND`, `glimpse COMMAND --help`, and its section of the man
 * page: the words it takes, what it reads and writes, an example.  The options come from the table (help.c).  Called by
 * commands.c, files.c and tokenize_command.c. */
#define _GNU_SOURCE
#include <string.h>

#include "include/internal/nearest.h"
#include "include/internal/session.h"
#include "plugin/cli/cli.h"
#include "plugin/option_help.h"

typedef struct page {
    const char *name;
    const char *usage;   /* lines, without "glimpse " */
    const char *brief;   /* for the list of commands, at most 50 characters; NULL = session_commands has it */
    const char *does, *reads, *writes; /* paragraphs by '\n' */
    const char *flags;   /* its own, NULL = the options that the table says it reads */
    const char *example; /* lines, each with its '\n' */
} page;

static const page pages[] = {
    {"sample", "[sample] [FLAGS]", NULL,
     "Samples from a checkpoint: the prompt, and what the model says behind it.",
     "The checkpoint of --checkpoint, or the newest in --out_dir, in the directory of a run the newest of that run, and the tokenizer beside it (--tokenizer).",
     "Standard output has the text alone. One sample is its bare text, as it comes. Of several each begins with a line "
     "\"--------------- sample 1 of 3\", in which the prompt and the setting stand too where there are several.\n"
     "Standard error has the rest; with --quiet only errors.\n"
     "Files go to --out_dir, unless a run has written there already: then to offline-1, offline-2, ... in it, and nothing of that "
     "run is touched. report.html shows the samples, sample.txt has them as text, evals.jsonl has every number; the last line "
     "says where. A run that fails or is stopped leaves none.",
     NULL,
     "glimpse --checkpoint gpt2_124M.bin --prompt \"Once upon a time\" --top_k 50\n"
     "glimpse --out_dir out/demo --num_samples 1 --quiet | tee story.txt\n"},
    {"chat", "chat [FLAGS]", "a conversation in the terminal",
     "A conversation: each line is a text, the model goes on behind it. /help lists what a line may be; Ctrl-C stops an "
     "answer, Ctrl-D leaves. --prompt says the first texts.",
     "The checkpoint of --checkpoint, or the newest in --out_dir, and its tokenizer; the lines from standard input.",
     "Standard output has the answers. The files are those of `glimpse sample`, an eval for each answer.\n"
     "/save FILE writes what was said: \"--------------- conversation 1\" before each conversation, \"--------------- turn 1\" before "
     "each turn, \"> \" before each line of yours, then the answer as the model read it, the text of a --stop included. "
     "A line of it that looks like one of these has a backslash before it.",
     NULL,
     "glimpse chat --checkpoint out/demo --temperature 0.7 --stop \"\\n\"\n"},
    {"eval", "eval --lm_eval_tasks LIST [FLAGS]", NULL,
     "Scores tasks as lm-evaluation-harness does.",
     "The checkpoint, as `glimpse sample`; the tasks' data in --lm_eval_data, DIR/hellaswag/validation.jsonl and so on. What is "
     "missing is named, with a command that makes it.\n"
     "A task of your own, NAME: DIR/NAME.jsonl, a line {\"query\": \"...\", \"choices\": [\"...\", \"...\"], \"gold\": 0} for each "
     "document, gold counted from 0. DIR/NAME.json may describe it, every field may be left out: {\"data\": FILE, \"fewshot\": FILE, "
     "\"output_type\": \"multiple_choice\", \"metrics\": [\"acc\", \"acc_norm\"], \"version\": 1, \"description\": TEXT, "
     "\"target_delimiter\": \" \", \"fewshot_delimiter\": \"\\n\\n\"}, files beside it. The other output types are loglikelihood, lines of "
     "query and target, metrics acc and perplexity; and loglikelihood_rolling, lines of text, metrics word_perplexity, "
     "byte_perplexity and bits_per_byte. multiple_choice also has acc_bytes.",
     "Standard output has a table. lm_eval_results.json, in the harness's form, and lm_eval_samples_TASK.jsonl go to --out_dir, or "
     "where a run or an earlier evaluation has written there, to offline-1, offline-2, ... in it; "
     "--lm_eval_results_output names another file.",
     NULL,
     "glimpse eval --checkpoint out/demo --lm_eval_tasks hellaswag,arc_easy\n"},
    {"score", "score --prompt TEXT | --requests FILE [FLAGS]", NULL,
     "How likely the model finds a text, token by token, or the answers to a file of requests.",
     "The checkpoint, as `glimpse sample`; the text of --prompt, or --requests. The first token is scored behind the model's BOS "
     "or, without one, EOS token, as lm-evaluation-harness does; it is not in the table, and the last line names it. Without either the first "
     "token is given and not scored. A text longer than the context is read in windows, each token scored once.",
     "Standard output has a line a token: ln p, its logarithm of the probability at temperature 1, before any sampler; p; "
     "rank, 1 = the likeliest; entropy of the distribution it was in, in nats; the token; its id.\n"
     "With --colorize_output the text itself instead, each token in the colour of its probability, or of what --colorize_mode says; "
     "--color always colours it in a pipe too.\n"
     "With --json an object a line: id, text, logprob, rank, entropy and left, the probability of all tokens that are likelier "
     "than this one: it falls into the nucleus of every top_p above left.\n"
     "Answers to requests: {\"logprob\", \"greedy\", \"tokens\"} for a context and a continuation (greedy: each token is the likeliest); "
     "{\"logprob\", \"tokens\"} for a text; {\"text\"} for a context and \"until\"; each with the request's \"id\".",
     NULL,
     "glimpse score --checkpoint gpt2_124M.bin --prompt \"Once upon a time\" --json\n"},
    {"follow", "follow [DIR] [FLAGS]", NULL,
     "The coloured log of a run as it comes, from its last eval on, drawn for this terminal; Ctrl-C ends it. In a directory without "
     "a run, or that is not there yet, it waits for one; where no run is writing any more it says so, and waits for the next.",
     "DIR/evals.jsonl; DIR is --out_dir unless it is given.", "Standard output has the log; nothing is written.", NULL,
     "glimpse follow out/demo\n"},
    {"review", "review [DIR] [FLAGS]", NULL,
     "Looks through a run's samples in this terminal, over ssh too: arrows step, o shows a sample over the steps, / searches, ? lists the keys.",
     "DIR/evals.jsonl; DIR is --out_dir unless it is given.", "Nothing.", NULL,
     "glimpse review out/demo\n"},
    {"report", "report [DIR] [FLAGS]", NULL,
     "Draws every file of a run anew from its journal alone: no model, no tokenizer is needed. They are drawn with the options "
     "of the run.",
     "DIR/evals.jsonl; DIR is --out_dir unless it is given.",
     "The files of the run, beside evals.jsonl; or with --single the review page in one file, report.single.html; or with "
     "--export openai the samples as samples.openai.jsonl.", NULL,
     "glimpse report out/demo --single\n"},
    {"tokenize", "tokenize [--json] [--special] [TEXT | -]\ntokenize --decode IDS",
     "a text as tokens, or ids as a text",
     "A text as tokens, or ids as a text.",
     "The tokenizer of --tokenizer, a file of any kind or a directory with one; else that of --checkpoint, or of the newest "
     "checkpoint in --out_dir, as `glimpse sample` looks for it: then a line on standard error names it. The text, or standard "
     "input.",
     "Standard output has a line a token: its id, its piece as JSON writes it, its bytes in hexadecimal. With --decode the text, byte for byte; "
     "a terminal gets a new line behind it.",
     "  --tokenizer PATH          the tokenizer\n"
     "  --checkpoint PATH         the one of this checkpoint\n"
     "  --out_dir DIR             the one of the newest checkpoint there [out]\n"
     "  --tokenizer_pattern NAME  how texts are cut into words, for a vocabulary that\n"
     "                            does not say its own: gpt2, r50k, p50k, cl100k,\n"
     "                            o200k, llama3, qwen2, tekken\n"
     "  --json                    an object a line: id, piece, bytes\n"
     "  --special                 also what the file puts around a text; with\n"
     "                            --decode: special tokens by name\n"
     "  --decode IDS              ids, by commas or blanks, as a text\n",
     "glimpse tokenize --out_dir out/demo \"Once upon a time\"\n"
     "glimpse tokenize --tokenizer tokenizer.json --decode 7454,2402,257,640\n"},
    {"convert", "convert IN OUT [FLAGS]", "write a checkpoint in another form",
     "Reads a checkpoint of any kind that is known and writes it as a directory that transformers' from_pretrained opens "
     "(config.json, model.safetensors, the tokenizer's files), or, where OUT ends in .bin, as llm.c's model. A "
     "tokenizer that is no tokenizer.json becomes one with the same ids, or is copied where none says the same. The type of "
     "each tensor stays unless --dtype is given. What stands at OUT is whole, or it is not there; a file that would give other "
     "numbers is refused.",
     "The checkpoint IN, a file or a directory.", "OUT.",
     "  --format safetensors|llmc  the form; unset: by the name of OUT\n"
     "  --dtype f32|bf16|f16       the type of every tensor\n"
     "  --tokenizer PATH           unset: beside IN\n"
     "  --tokenizer_pattern NAME   how it cuts texts into words, where its file does\n"
     "                             not say: `glimpse help --tokenizer_pattern`\n"
     "  --force                    replaces what is there already\n",
     "glimpse convert model_00001200.bin out/hf --dtype bf16\n"},
    {"inspect", "inspect PATH [--json]", "its configuration, each tensor in numbers",
     "Shows the configuration of a checkpoint, as it is sampled from with the tokenizer that lies with it, and of each tensor its name, type, shape (of a matrix out x in, as it is bound), least and greatest number, mean and "
     "standard deviation, and how many numbers are not finite.",
     "The checkpoint PATH, a file or a directory, and its tokenizer: bos and eos are the model's, or else the tokenizer's. "
     "params counts every number once, tied weights too, and no padding of the vocabulary.",
     "Standard output has a table, with --json one object.",
     "  --json  as one JSON object\n",
     "glimpse inspect gpt2_124M.bin\n"},
};
enum { PAGES = sizeof pages / sizeof *pages };

static const page *find(const char *name) {
    for (size_t i = 0; i < PAGES; i++)
        if (strcmp(pages[i].name, name) == 0) return &pages[i];
    return NULL;
}

static const char *brief_of(const page *p) {
    for (int i = 0; i < COMMANDS && !p->brief; i++)
        if (strcmp(session_commands[i].name, p->name) == 0) return session_commands[i].help;
    return p->brief;
}

/* Each line of a text that ends in none or one '\n', handed to `each`. */
static void each_line(const char *text, void (*each)(buffer *b, const char *line, bool first), buffer *b) {
    for (bool first = true; *text; first = false) {
        size_t n = strcspn(text, "\n");
        buffer line = {0};
        buf_put(&line, text, n);
        each(b, buf_str(&line), first);
        buf_free(&line);
        text += n + (text[n] == '\n');
    }
}

static void put_usage_line(buffer *b, const char *line, bool first) {
    buf_printf(b, first ? "usage: glimpse %s\n" : "       glimpse %s\n", line);
}

static void put_paragraph(buffer *b, const char *line, bool first) {
    (void)first;
    help_paragraph(b, line, 0, 2);
}

static void put_example(buffer *b, const char *line, bool first) {
    (void)first;
    buf_printf(b, "  %s\n", line);
}

bool help_command(buffer *b, const char *name) {
    const page *p = find(name);
    if (!p) return false;
    each_line(p->usage, put_usage_line, b);
    buf_putc(b, '\n');
    help_paragraph(b, p->does, 0, 0);
    buf_puts(b, "\nReads\n");
    each_line(p->reads, put_paragraph, b);
    buf_puts(b, "\nWrites\n");
    each_line(p->writes, put_paragraph, b);
    buf_puts(b, strchr(p->example, '\n')[1] ? "\nExamples\n" : "\nExample\n");
    each_line(p->example, put_example, b);
    if (p->flags) buf_printf(b, "\nFlags\n%s", p->flags);
    else help_options(b, p->name, false);
    if (opt_find(name, strlen(name)) >= 0) buf_printf(b, "\nThere is a flag of this name too: `glimpse help --%s`.\n", name);
    return true;
}

void help_usage(buffer *b) {
    for (size_t i = 0; i < PAGES; i++) {
        size_t before = b->n;
        const char *usage = pages[i].usage, *flags = strstr(usage, " [FLAGS]");
        int n = (int)(flags ? (size_t)(flags - usage) : strcspn(usage, "\n"));
        buf_printf(b, "%sglimpse %.*s", i ? "       " : "usage: ", n, usage);
        help_paragraph(b, brief_of(&pages[i]), b->n - before, 34);
    }
    buf_puts(b, "       glimpse help COMMAND       its words, files and flags\n"
                "       glimpse help FLAG          one flag in full\n"
                "       glimpse --help | --version | --man\n");
}

static void put_roff_usage(buffer *b, const char *line, bool first) {
    (void)first;
    buf_puts(b, "\\fBglimpse\\fR ");
    help_roff(b, line);
    buf_putc(b, '\n');
}

static void put_roff_paragraph(buffer *b, const char *line, bool first) {
    (void)first;
    buf_puts(b, ".PP\n");
    help_roff(b, line);
    buf_putc(b, '\n');
}

/* Of several the first stands behind "Reads: ". */
static void put_roff_more(buffer *b, const char *line, bool first) {
    if (!first) buf_puts(b, ".PP\n");
    help_roff(b, line);
    buf_putc(b, '\n');
}

static void put_roff_line(buffer *b, const char *line, bool first) {
    (void)first;
    help_roff(b, line);
    buf_putc(b, '\n');
}

void help_commands_man(buffer *b) {
    for (size_t i = 0; i < PAGES; i++) {
        const page *p = &pages[i];
        buf_printf(b, ".SS %s\n.nf\n", p->name);
        each_line(p->usage, put_roff_usage, b);
        buf_puts(b, ".fi\n");
        each_line(p->does, put_roff_paragraph, b);
        buf_puts(b, ".PP\nReads: ");
        each_line(p->reads, put_roff_more, b);
        buf_puts(b, ".PP\nWrites: ");
        each_line(p->writes, put_roff_more, b);
        if (p->flags) {
            buf_puts(b, ".PP\n.nf\n");
            each_line(p->flags, put_roff_line, b);
            buf_puts(b, ".fi\n");
        }
        buf_puts(b, ".PP\n.nf\n");
        each_line(p->example, put_roff_line, b);
        buf_puts(b, ".fi\n");
    }
}

const char *help_nearest_command(const char *word) {
    const char *near = NULL;
    size_t n = strlen(word);
    int best = nearest_limit(n) + 1;
    for (size_t i = 0; i < PAGES; i++) {
        int far = n < 60 ? edit_distance(word, n, pages[i].name, strlen(pages[i].name)) : best;
        if (n >= 3 && n < strlen(pages[i].name) && !strncmp(word, pages[i].name, n)) far = 1;
        if (far < best) best = far, near = pages[i].name;
    }
    return near;
}
