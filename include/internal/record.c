/* record.c -- the arena behind a record, the rounding of its numbers, its life.
 *
 * record_round runs for every number recorded, about 25 a token, so it must not go through text.  For the usual range
 * it scales by a power of ten that a double holds exactly and lets one fma say on which side of the half the exact
 * product lies; the rest takes the slow road through digits.  Called by sampling, hooks, plugin. */
#include "include/internal/record.h"
#include "include/internal/status.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* === Arena ======================================================================================================= */

typedef struct block {
    struct block *next;
    size_t used, cap; /* bytes of the payload that follows the header */
} block;

enum { ALIGN = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };
static const size_t BLOCK_HEADER = (sizeof(block) + ALIGN - 1) / ALIGN * ALIGN;

typedef struct owned { /* memory of another library's, in the arena's own */
    struct owned *next;
    void (*release)(void *);
    void *what;
} owned;

struct arena {
    block *blocks;  /* the newest first; only that one is filled */
    owned *owned;
    size_t grow;    /* payload of the next block */
};

arena *arena_new(void) {
    arena *a = calloc(1, sizeof *a);
    if (a) a->grow = FIRST_BLOCK;
    return a;
}

void arena_free(arena *a) {
    if (!a) return;
    for (owned *o = a->owned; o; o = o->next) o->release(o->what);
    for (block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void *arena_alloc(arena *a, size_t bytes) {
    if (bytes > SIZE_MAX / 4) return NULL;
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (bytes == 0) bytes = ALIGN; /* a pointer of its own, never NULL */
    block *b = a->blocks;
    if (!b || b->cap - b->used < bytes) {
        size_t cap = bytes > a->grow ? bytes : a->grow;
        b = calloc(1, BLOCK_HEADER + cap);
        if (!b) return NULL;
        b->cap = cap;
        b->next = a->blocks;
        a->blocks = b;
        if (a->grow < LARGEST_BLOCK) a->grow *= 2;
    }
    void *p = (char *)b + BLOCK_HEADER + b->used;
    b->used += bytes;
    return p;
}

bool arena_on_free(arena *a, void (*release)(void *), void *what) {
    owned *o = arena_alloc(a, sizeof *o);
    if (!o) return false;
    *o = (owned){ a->owned, release, what };
    a->owned = o;
    return true;
}

char *arena_text(arena *a, const void *bytes, size_t n) {
    if (n == SIZE_MAX) return NULL;
    char *p = arena_alloc(a, n + 1);
    if (p && n) memcpy(p, bytes, n);
    return p;
}

/* === Rounding ==================================================================================================== */

static const double POW10[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { EXACT_POW10 = 22 }; /* 10^22 is the last power of ten that is a double */

/* |x| * 10^s = *p + an error of the sign of *err, below half an ulp of *p. */
static void scale10(double x, int s, double *p, double *err) {
    if (s >= 0) {
        *p = x * POW10[s];
        *err = fma(x, POW10[s], -*p);
    } else {
        *p = x / POW10[-s];
        *err = fma(-*p, POW10[-s], x); /* the remainder: exact, and of the sign of the error */
    }
}

static double round_by_text(double x, int digits) {
    char text[48];
    double y = x;
    int n = c_snprintf(text, sizeof text, "%.*e", digits - 1, x);
    if (n <= 0 || (size_t)n >= sizeof text || !parse_double(text, (size_t)n, &y)) return NAN; /* past the largest double */
    return y;
}

double record_round(double x, int digits) {
    if (!isfinite(x)) return NAN;
    if (x == 0) return x;
    if (digits < 1) digits = 1;
    if (digits > 17) digits = 17;
    double a = fabs(x), p, err;
    /* floor(log10 a) or one less, from the binary exponent: 1233 / 4096 is log10(2) from below. */
    uint64_t bits;
    memcpy(&bits, &a, sizeof bits);
    int e2 = (int)(bits >> 52) - 1023;
    if (digits > 15 || e2 < -52 || e2 > 71) return round_by_text(x, digits); /* before 10^s stops being exact */
    int k = (int)(((int64_t)e2 * 1233 + (e2 < 0 ? -4095 : 0)) / 4096);
    int s = digits - 1 - k;
    if (s > EXACT_POW10 || s < 1 - EXACT_POW10) return round_by_text(x, digits);
    scale10(a, s, &p, &err);
    if (p >= POW10[digits]) { /* the estimate was one short */
        s--;
        scale10(a, s, &p, &err);
    }
    if (p < POW10[digits - 1] || p >= POW10[digits]) return round_by_text(x, digits);
    int64_t n = (int64_t)p; /* towards zero in any rounding mode */
    double part = p - (double)n;
    if (part > 0.5 || (part == 0.5 && (err > 0 || (err == 0 && (n & 1))))) n++;
    /* n < 2^53 and 10^|s| are exact, so this one operation rounds correctly, as reading the decimal does. */
    double y = s >= 0 ? (double)n / POW10[s] : (double)n * POW10[-s];
    return x < 0 ? -y : y;
}

float record_roundf(double x) {
    double y = record_round(x, RECORD_DIGITS);
    if (fabs(y) < FLT_MIN) return y < 0 ? -0.0f : 0.0f;
    if (fabs(y) > FLT_MAX) return NAN;
    return (float)y;
}

/* === Life ======================================================================================================== */

void record_clear(glimpse_record *r) {
    *r = (glimpse_record){.size = sizeof *r, .version = 1, .best_step = -1};
    r->run = r->run_name = r->kind = r->time = r->arch = r->dtype = r->cache_dtype = r->device = "";
    r->check = "none";
    r->status = "ok";
    r->train_loss = r->val_loss = r->best_val_loss = NAN;
}

owned_record *record_new(void) {
    arena *a = arena_new();
    owned_record *o = a ? arena_alloc(a, sizeof *o) : NULL;
    if (!o) {
        arena_free(a);
        return NULL;
    }
    o->arena = a;
    record_clear(&o->record);
    return o;
}

void record_free(glimpse_record *record) {
    if (record) arena_free(((owned_record *)record)->arena); /* the record itself lies in its arena */
}

const glimpse_piece *record_piece(const glimpse_record *record, int32_t id) {
    if (!record) return NULL;
    int32_t lo = 0, hi = record->n_pieces;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        if (record->pieces[mid].id < id) lo = mid + 1;
        else hi = mid;
    }
    return lo < record->n_pieces && record->pieces[lo].id == id ? &record->pieces[lo] : NULL;
}

void record_name_run(char run[16]) {
    uint8_t r[3];
    if (getrandom(r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        uint64_t x = ((uint64_t)t.tv_nsec << 20 ^ (uint64_t)t.tv_sec ^ (uint64_t)getpid()) * 0x9E3779B97F4A7C15u;
        r[0] = (uint8_t)(x >> 56), r[1] = (uint8_t)(x >> 48), r[2] = (uint8_t)(x >> 40);
    }
    c_snprintf(run, 16, "%02x%02x%02x", r[0], r[1], r[2]);
}
