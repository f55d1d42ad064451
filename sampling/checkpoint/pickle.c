/* pickle.c -- see pickle.h.  Values are numbered; a stack, a memo and the items of containers hold their numbers. */
#include "sampling/checkpoint/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/buffer.h"
#include "include/internal/utf8.h"

enum {
    MAX_OPS = 10000000,
    MAX_VALUES = 2000000,
    MAX_MEMO = 1000000,
    MAX_STACK = 100000,
    MAX_MARKS = 64,
    MAX_TEXT = 65536,
    MAX_GLOBAL = 128
};

typedef struct machine {
    const char *name;
    const unsigned char *bytes;
    size_t n, at;
    pickle *p;
    uint32_t *stack, *memo; /* memo: 0 = unset, else 1 + value */
    uint32_t n_stack, cap_stack, n_memo, cap_memo;
    int marks;
} machine;

/* Room for one more of `size` bytes; grows by half of what there is. */
static glimpse_status grow(const machine *m, void **array, uint32_t n, uint32_t *cap, size_t size) {
    if (n < *cap) return GLIMPSE_OK;
    uint32_t more = *cap < 16 ? 16 : *cap + *cap / 2;
    void *grown = realloc(*array, (size_t)more * size);
    if (!grown) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for its pickle", m->name);
    *array = grown, *cap = more;
    return GLIMPSE_OK;
}

static glimpse_status push_index(machine *m, uint32_t index) {
    if (m->n_stack >= MAX_STACK)
        FAIL(GLIMPSE_E_FORMAT, "%s: its pickle needs a stack of more than %d", m->name, (int)MAX_STACK);
    TRY(grow(m, (void **)&m->stack, m->n_stack, &m->cap_stack, sizeof *m->stack));
    m->stack[m->n_stack++] = index;
    return GLIMPSE_OK;
}

static glimpse_status push(machine *m, pickle_value v) {
    pickle *p = m->p;
    TRY(grow(m, (void **)&p->values, p->n_values, &p->cap_values, sizeof *p->values));
    if (p->n_values >= MAX_VALUES)
        FAIL(GLIMPSE_E_FORMAT, "%s: its pickle makes more than %d values", m->name, (int)MAX_VALUES);
    TRY(push_index(m, p->n_values)); /* first: on an error the value's items stay the caller's */
    p->values[p->n_values++] = v;
    return GLIMPSE_OK;
}

static pickle_value *at(const machine *m, uint32_t from_top) {
    return &m->p->values[m->stack[m->n_stack - 1 - from_top]];
}

/* At least n values above the last mark. */
static glimpse_status need(const machine *m, uint32_t n) {
    bool ok = m->n_stack >= n;
    for (uint32_t i = 0; ok && i < n; i++) ok = at(m, i)->kind != PICKLE_MARK;
    if (!ok)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle takes more from the stack than there is", m->name,
             m->at - 1);
    return GLIMPSE_OK;
}

static glimpse_status take(machine *m, size_t n, const unsigned char **bytes) {
    if (n > m->n - m->at)
        FAIL(GLIMPSE_E_FORMAT, "%s: its pickle is cut off at byte %zu: %zu more are expected", m->name, m->n,
             n - (m->n - m->at));
    *bytes = m->bytes + m->at;
    m->at += n;
    return GLIMPSE_OK;
}

static glimpse_status take_number(machine *m, size_t n, uint64_t *out) {
    const unsigned char *b;
    TRY(take(m, n, &b));
    *out = 0;
    for (size_t i = 0; i < n; i++) *out |= (uint64_t)b[i] << 8 * i;
    return GLIMPSE_OK;
}

/* === Containers === */
static glimpse_status append(machine *m, pickle_value *to, const uint32_t *items, uint32_t n) {
    if (n > to->cap - to->n) {
        uint32_t more = to->cap + to->cap / 2;
        if (more < to->n + n) more = to->n + n;
        uint32_t *grown = realloc(to->items, (size_t)more * sizeof *grown);
        if (!grown) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for its pickle", m->name);
        to->items = grown, to->cap = more;
    }
    if (n) memcpy(to->items + to->n, items, n * sizeof *items);
    to->n += n;
    return GLIMPSE_OK;
}

/* The items above the last mark, which they and it leave. */
static glimpse_status pop_mark(machine *m, const uint32_t **items, uint32_t *n) {
    uint32_t i = m->n_stack;
    while (i && m->p->values[m->stack[i - 1]].kind != PICKLE_MARK) i--;
    if (!i) FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle looks for a mark that is not there", m->name, m->at - 1);
    *items = m->stack + i, *n = m->n_stack - i;
    m->n_stack = i - 1;
    m->marks--;
    return GLIMPSE_OK;
}

static glimpse_status tuple_of(machine *m, uint32_t n) {
    pickle_value v = {.kind = PICKLE_TUPLE};
    TRY(need(m, n));
    glimpse_status st = append(m, &v, m->stack + m->n_stack - n, n);
    m->n_stack -= n;
    if (st >= 0) st = push(m, v);
    if (st < 0) free(v.items);
    return st;
}

static glimpse_status close_tuple(machine *m, pickle_kind kind) {
    pickle_value v = {.kind = kind};
    const uint32_t *items;
    uint32_t n;
    TRY(pop_mark(m, &items, &n));
    if (kind == PICKLE_DICT && n % 2)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle: a key without value", m->name, m->at - 1);
    glimpse_status st = append(m, &v, items, n);
    if (st >= 0) st = push(m, v);
    if (st < 0) free(v.items);
    return st;
}

/* APPEND, APPENDS, SETITEM, SETITEMS. */
static glimpse_status extend(machine *m, pickle_kind kind, const uint32_t *items, uint32_t n) {
    if (!m->n_stack || at(m, 0)->kind != kind || (kind == PICKLE_DICT && n % 2))
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle adds to what is no %s", m->name, m->at - 1,
             kind == PICKLE_LIST ? "list" : "dict");
    return append(m, at(m, 0), items, n);
}

static glimpse_status extend_few(machine *m, pickle_kind kind, uint32_t n) {
    uint32_t items[2];
    TRY(need(m, n + 1));
    m->n_stack -= n;
    memcpy(items, m->stack + m->n_stack, n * sizeof *items);
    return extend(m, kind, items, n);
}

static glimpse_status extend_many(machine *m, pickle_kind kind) {
    const uint32_t *items;
    uint32_t n;
    TRY(pop_mark(m, &items, &n));
    return extend(m, kind, items, n);
}

/* === Names === */
static const struct {
    const char *module, *name;
    pickle_global global;
    const char *dtype;
} globals[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT, NULL},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD_TENSOR, NULL},
    {"torch._utils", "_rebuild_parameter", GLOBAL_REBUILD_PARAMETER, NULL},
    {"torch", "Size", GLOBAL_SIZE, NULL},
    {"torch", "FloatStorage", GLOBAL_STORAGE, "Float"},
    {"torch", "HalfStorage", GLOBAL_STORAGE, "Half"},
    {"torch", "BFloat16Storage", GLOBAL_STORAGE, "BFloat16"},
    {"torch", "DoubleStorage", GLOBAL_STORAGE, "Double"},
    {"torch", "LongStorage", GLOBAL_STORAGE, "Long"},
    {"torch", "IntStorage", GLOBAL_STORAGE, "Int"},
    {"torch", "ShortStorage", GLOBAL_STORAGE, "Short"},
    {"torch", "CharStorage", GLOBAL_STORAGE, "Char"},
    {"torch", "ByteStorage", GLOBAL_STORAGE, "Byte"},
    {"torch", "BoolStorage", GLOBAL_STORAGE, "Bool"},
    {"torch.storage", "UntypedStorage", GLOBAL_STORAGE, "Untyped"},
    {"torch", "float32", GLOBAL_DTYPE, "Float"},
    {"torch", "float16", GLOBAL_DTYPE, "Half"},
    {"torch", "bfloat16", GLOBAL_DTYPE, "BFloat16"},
    {"torch", "float64", GLOBAL_DTYPE, "Double"},
    {"torch", "int64", GLOBAL_DTYPE, "Long"},
    {"torch", "int32", GLOBAL_DTYPE, "Int"},
    {"torch", "int16", GLOBAL_DTYPE, "Short"},
    {"torch", "int8", GLOBAL_DTYPE, "Char"},
    {"torch", "uint8", GLOBAL_DTYPE, "Byte"},
    {"torch", "bool", GLOBAL_DTYPE, "Bool"},
};

static glimpse_status push_global(machine *m, const char *module, size_t mn, const char *name, size_t nn) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (strlen(globals[i].module) == mn && !memcmp(globals[i].module, module, mn) &&
            strlen(globals[i].name) == nn && !memcmp(globals[i].name, name, nn))
            return push(m,
                        (pickle_value){.kind = PICKLE_GLOBAL, .global = globals[i].global, .dtype = globals[i].dtype});
    FAIL(GLIMPSE_E_UNSUPPORTED,
         "%s: its pickle names %.*s.%.*s, which is not on the list of what a checkpoint needs; nothing of it was run\n"
         "hint: save the weights alone: torch.save({'model': model.state_dict(), 'model_args': dict(...)}, path)",
         m->name, (int)(mn < MAX_GLOBAL ? mn : MAX_GLOBAL), module, (int)(nn < MAX_GLOBAL ? nn : MAX_GLOBAL), name);
}

static glimpse_status take_line(machine *m, const char **line, size_t *n) {
    const unsigned char *start = m->bytes + m->at, *end = memchr(start, '\n', m->n - m->at);
    if (!end) FAIL(GLIMPSE_E_FORMAT, "%s: its pickle is cut off within a name", m->name);
    *line = (const char *)start, *n = (size_t)(end - start);
    m->at += *n + 1;
    return GLIMPSE_OK;
}

static glimpse_status op_global(machine *m) {
    const char *module, *name;
    size_t mn, nn;
    TRY(take_line(m, &module, &mn));
    TRY(take_line(m, &name, &nn));
    return push_global(m, module, mn, name, nn);
}

static glimpse_status op_stack_global(machine *m) {
    TRY(need(m, 2));
    const pickle_value *module = at(m, 1), *name = at(m, 0);
    if (module->kind != PICKLE_TEXT || name->kind != PICKLE_TEXT)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle: a global without a name", m->name, m->at - 1);
    m->n_stack -= 2;
    return push_global(m, module->text, module->n, name->text, name->n);
}

/* === What a global makes of its arguments === */
static glimpse_status wrong_arguments(const machine *m, const char *of) {
    FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle: wrong arguments for %s", m->name, m->at - 1, of);
}

/* (storage, offset, size, stride, requires_grad, hooks[, metadata]) */
static glimpse_status rebuild_tensor(machine *m, const pickle_value *args) {
    pickle *p = m->p;
    const pickle_value *storage = pickle_item(p, args, 0), *size = pickle_item(p, args, 2),
                       *stride = pickle_item(p, args, 3);
    pickle_tensor t = {0};
    if (args->n < 6 || args->n > 7 || storage->kind != PICKLE_STORAGE ||
        !pickle_i64(pickle_item(p, args, 1), &t.offset) || size->kind != PICKLE_TUPLE || stride->kind != PICKLE_TUPLE ||
        size->n != stride->n || size->n > 8)
        return wrong_arguments(m, "_rebuild_tensor_v2");
    t.storage = args->items[0];
    t.n_dims = (int32_t)size->n;
    for (uint32_t i = 0; i < size->n; i++)
        if (!pickle_i64(pickle_item(p, size, i), &t.dims[i]) || !pickle_i64(pickle_item(p, stride, i), &t.strides[i]))
            return wrong_arguments(m, "_rebuild_tensor_v2");
    TRY(grow(m, (void **)&p->tensors, p->n_tensors, &p->cap_tensors, sizeof *p->tensors));
    p->tensors[p->n_tensors] = t;
    return push(m, (pickle_value){.kind = PICKLE_TENSOR, .as.tensor = p->n_tensors++});
}

static glimpse_status op_reduce(machine *m) {
    TRY(need(m, 2));
    const pickle_value args = *at(m, 0), callee = *at(m, 1);
    if (callee.kind != PICKLE_GLOBAL || args.kind != PICKLE_TUPLE)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle calls what is no function", m->name, m->at - 1);
    uint32_t first = args.n ? args.items[0] : 0;
    m->n_stack -= 2;
    switch (callee.global) {
    case GLOBAL_ORDERED_DICT:
        if (args.n > 1 || (args.n && (m->p->values[first].kind != PICKLE_LIST || m->p->values[first].n)))
            return wrong_arguments(m, "OrderedDict");
        return push(m, (pickle_value){.kind = PICKLE_DICT});
    case GLOBAL_REBUILD_TENSOR: return rebuild_tensor(m, &args);
    case GLOBAL_REBUILD_PARAMETER:
        if (args.n != 3 || m->p->values[first].kind != PICKLE_TENSOR) return wrong_arguments(m, "_rebuild_parameter");
        return push_index(m, first);
    case GLOBAL_SIZE:
        if (args.n != 1 || m->p->values[first].kind != PICKLE_TUPLE) return wrong_arguments(m, "torch.Size");
        return push_index(m, first);
    default: FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle calls a type", m->name, m->at - 1);
    }
}

static bool is_text(const pickle_value *v, const char *text) {
    return v && v->kind == PICKLE_TEXT && v->n == strlen(text) && !memcmp(v->text, text, v->n);
}

/* ('storage', class, key, location, elements) */
static glimpse_status op_persistent(machine *m) {
    TRY(need(m, 1));
    const pickle *p = m->p;
    const pickle_value *id = at(m, 0), *class = pickle_item(p, id, 1), *key = pickle_item(p, id, 2);
    pickle_value v = {.kind = PICKLE_STORAGE};
    if (id->kind != PICKLE_TUPLE || id->n != 5 || !is_text(pickle_item(p, id, 0), "storage") ||
        class->kind != PICKLE_GLOBAL || class->global != GLOBAL_STORAGE || key->kind != PICKLE_TEXT ||
        !pickle_i64(pickle_item(p, id, 4), &v.as.i) || v.as.i < 0)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle: a persistent id that is no storage", m->name, m->at - 1);
    v.text = key->text, v.n = key->n, v.dtype = class->dtype;
    m->n_stack--;
    return push(m, v);
}

/* The state of an OrderedDict (its _metadata) is dropped; nothing else has one. */
static glimpse_status op_build(machine *m) {
    TRY(need(m, 2));
    if (at(m, 1)->kind != PICKLE_DICT)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: byte %zu of its pickle sets the state of what is no dict", m->name, m->at - 1);
    m->n_stack--;
    return GLIMPSE_OK;
}

/* === Scalars === */
static glimpse_status push_text(machine *m, size_t length_bytes) {
    uint64_t n;
    const unsigned char *b;
    TRY(take_number(m, length_bytes, &n));
    if (n > MAX_TEXT)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle: a text of %llu bytes, at most %d are read", m->name, m->at,
             (unsigned long long)n, (int)MAX_TEXT);
    TRY(take(m, (size_t)n, &b));
    /* Lone surrogates are what Python's surrogatepass writes; nobody's name or vocabulary has them. */
    if (!utf8_valid((const char *)b, (size_t)n))
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle: a text that is no UTF-8", m->name, m->at);
    return push(m, (pickle_value){.kind = PICKLE_TEXT, .text = (const char *)b, .n = (uint32_t)n});
}

static glimpse_status push_int(machine *m, int64_t i) { return push(m, (pickle_value){.kind = PICKLE_INT, .as.i = i}); }

static glimpse_status push_long(machine *m) {
    uint64_t n;
    const unsigned char *b;
    TRY(take_number(m, 1, &n));
    TRY(take(m, (size_t)n, &b));
    if (n > 8)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle: an integer of %llu bytes", m->name, m->at,
             (unsigned long long)n);
    uint64_t v = n && b[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint64_t i = n; i-- > 0;) v = v << 8 | b[i];
    return push_int(m, (int64_t)v);
}

static glimpse_status push_float(machine *m) {
    const unsigned char *b;
    uint64_t v = 0;
    pickle_value f = {.kind = PICKLE_FLOAT};
    TRY(take(m, 8, &b));
    for (int i = 0; i < 8; i++) v = v << 8 | b[i];
    memcpy(&f.as.f, &v, 8);
    return push(m, f);
}

/* === Memo === */
static glimpse_status memo_put(machine *m, uint64_t index) {
    TRY(need(m, 1));
    /* Picklers count up; an index beyond the bytes read so far would only ask for memory. */
    if (index >= MAX_MEMO || index > m->at)
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle: memo entry %llu", m->name, m->at - 1,
             (unsigned long long)index);
    while (m->n_memo <= index) {
        TRY(grow(m, (void **)&m->memo, m->n_memo, &m->cap_memo, sizeof *m->memo));
        m->memo[m->n_memo++] = 0;
    }
    m->memo[index] = 1 + m->stack[m->n_stack - 1];
    return GLIMPSE_OK;
}

static glimpse_status memo_get(machine *m, size_t bytes) {
    uint64_t index;
    TRY(take_number(m, bytes, &index));
    if (index >= m->n_memo || !m->memo[index])
        FAIL(GLIMPSE_E_FORMAT, "%s: byte %zu of its pickle: memo entry %llu was never set", m->name, m->at - 1,
             (unsigned long long)index);
    return push_index(m, m->memo[index] - 1);
}

static glimpse_status step(machine *m, unsigned char op) {
    uint64_t v;
    switch (op) {
    case 0x80: /* PROTO */
        TRY(take_number(m, 1, &v));
        if (v < 2 || v > 5)
            FAIL(GLIMPSE_E_UNSUPPORTED, "%s: a pickle of protocol %d, 2 to 5 are read", m->name, (int)v);
        return GLIMPSE_OK;
    case 0x95: return take_number(m, 8, &v); /* FRAME: the bytes are all here */
    case 'N': return push(m, (pickle_value){.kind = PICKLE_NONE});
    case 0x88: return push(m, (pickle_value){.kind = PICKLE_BOOL, .as.i = 1});
    case 0x89: return push(m, (pickle_value){.kind = PICKLE_BOOL});
    case 'K': TRY(take_number(m, 1, &v)); return push_int(m, (int64_t)v);
    case 'M': TRY(take_number(m, 2, &v)); return push_int(m, (int64_t)v);
    case 'J': TRY(take_number(m, 4, &v)); return push_int(m, (int32_t)(uint32_t)v);
    case 0x8a: return push_long(m);
    case 'G': return push_float(m);
    case 'X': return push_text(m, 4);  /* BINUNICODE */
    case 0x8c: return push_text(m, 1); /* SHORT_BINUNICODE */
    case 'U': return push_text(m, 1);  /* SHORT_BINSTRING */
    case ')': return push(m, (pickle_value){.kind = PICKLE_TUPLE});
    case ']': return push(m, (pickle_value){.kind = PICKLE_LIST});
    case '}': return push(m, (pickle_value){.kind = PICKLE_DICT});
    case '(':
        if (m->marks++ >= MAX_MARKS)
            FAIL(GLIMPSE_E_FORMAT, "%s: its pickle is nested more than %d deep", m->name, (int)MAX_MARKS);
        return push(m, (pickle_value){.kind = PICKLE_MARK});
    case 't': return close_tuple(m, PICKLE_TUPLE);
    case 'l': return close_tuple(m, PICKLE_LIST);
    case 'd': return close_tuple(m, PICKLE_DICT);
    case 0x85: return tuple_of(m, 1);
    case 0x86: return tuple_of(m, 2);
    case 0x87: return tuple_of(m, 3);
    case 'a': return extend_few(m, PICKLE_LIST, 1);
    case 'e': return extend_many(m, PICKLE_LIST);
    case 's': return extend_few(m, PICKLE_DICT, 2);
    case 'u': return extend_many(m, PICKLE_DICT);
    case 'c': return op_global(m);
    case 0x93: return op_stack_global(m);
    case 'R':
    case 0x81: return op_reduce(m); /* NEWOBJ of the same few names */
    case 'b': return op_build(m);
    case 'Q': return op_persistent(m);
    case 'q': TRY(take_number(m, 1, &v)); return memo_put(m, v);
    case 'r': TRY(take_number(m, 4, &v)); return memo_put(m, v);
    case 0x94: return memo_put(m, m->n_memo); /* MEMOIZE */
    case 'h': return memo_get(m, 1);
    case 'j': return memo_get(m, 4);
    default:
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: byte %zu of its pickle is the opcode 0x%02x, which a checkpoint does not need",
             m->name, m->at - 1, op);
    }
}

glimpse_status pickle_read(const char *name, const unsigned char *bytes, size_t n, pickle *out) {
    glimpse_status st = GLIMPSE_OK;
    pickle p = {0};
    machine m = {.name = name, .bytes = bytes, .n = n, .p = &p};
    if (n < 2 || bytes[0] != 0x80) FAIL(GLIMPSE_E_FORMAT, "%s: no pickle of protocol 2 or later", name);
    for (long ops = 0;; ops++) {
        const unsigned char *op;
        if (ops >= MAX_OPS) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: its pickle has more than %d opcodes", name, (int)MAX_OPS);
        TRY_GOTO(take(&m, 1, &op));
        if (*op == '.') break;
        TRY_GOTO(step(&m, *op));
    }
    if (m.n_stack != 1 || at(&m, 0)->kind == PICKLE_MARK)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: its pickle leaves %u values, expected one", name, (unsigned)m.n_stack);
    if (m.at != n) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: %zu bytes follow its pickle", name, n - m.at);
    p.root = m.stack[0];
    *out = p;
    p = (pickle){0};
out:
    free(m.stack);
    free(m.memo);
    pickle_free(&p);
    return st;
}

void pickle_free(pickle *p) {
    for (uint32_t i = 0; i < p->n_values; i++) free(p->values[i].items);
    free(p->values);
    free(p->tensors);
    *p = (pickle){0};
}

/* === Looking at the result === */
const pickle_value *pickle_root(const pickle *p) { return p->n_values ? &p->values[p->root] : NULL; }

const pickle_value *pickle_item(const pickle *p, const pickle_value *of, uint32_t i) {
    return of && of->kind >= PICKLE_TUPLE && of->kind <= PICKLE_DICT && i < of->n ? &p->values[of->items[i]] : NULL;
}

const pickle_value *pickle_get(const pickle *p, const pickle_value *dict, const char *key) {
    if (!dict || dict->kind != PICKLE_DICT) return NULL;
    for (uint32_t i = 0; i + 1 < dict->n; i += 2)
        if (is_text(&p->values[dict->items[i]], key)) return &p->values[dict->items[i + 1]];
    return NULL;
}

bool pickle_i64(const pickle_value *v, int64_t *out) {
    if (!v || (v->kind != PICKLE_INT && v->kind != PICKLE_BOOL)) return false;
    *out = v->as.i;
    return true;
}
