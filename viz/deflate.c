/* deflate.c -- see deflate.h.  Three places are looked at for a match: the byte above (distance `stride`), the byte
 * before (a run), and, where those give little, the last place a hash of four bytes was seen.  The first two need no
 * table and cover flat areas, cells and repeated rows; the third finds the second "a" of a label.  Matches of any
 * length are found at once and cut into pieces of 258.
 *
 * Tokens are collected up to a block and written with the shorter of the fixed and a dynamic Huffman code. */
#include "viz/deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE_ENDIAN_CPU 1
#else
#define LITTLE_ENDIAN_CPU 0
#endif

enum {
    BLOCK_TOKENS = 16384, HASH_BITS = 12, WINDOW = 32768, MIN_MATCH = 3, MAX_MATCH = 258,
    N_LITERALS = 286, N_DISTANCES = 30, N_CODES = 19, END_OF_BLOCK = 256
};

/* A literal is its byte; a match is its length above bit 16 and its distance - 1 below. */
typedef struct encoder {
    buffer *out;
    uint64_t bits; /* not yet written, lowest first */
    unsigned n_bits;
    int n_tokens;
    uint32_t tokens[BLOCK_TOKENS];
    uint32_t literal_count[N_LITERALS], distance_count[N_DISTANCES];
    uint32_t hash[1 << HASH_BITS]; /* 1 + position, 0 = none */
} encoder;

typedef struct code {
    uint16_t bits[N_LITERALS + 2]; /* reversed, as they are sent */
    uint8_t length[N_LITERALS + 2];
} code;

static inline int log2_of(uint32_t v) { return 31 - __builtin_clz(v); }

/* RFC 1951, 3.2.5: the symbol of a length or distance, and how many extra bits follow it. */
static inline int length_symbol(uint32_t length, int *extra) {
    uint32_t l = length - MIN_MATCH;
    *extra = 0;
    if (length == MAX_MATCH) return 285;
    if (l < 8) return 257 + (int)l;
    int n = log2_of(l);
    *extra = n - 2;
    return 257 + 4 * (n - 1) + (int)(l >> (n - 2) & 3);
}

static inline int distance_symbol(uint32_t d, int *extra) {
    *extra = 0;
    if (d < 4) return (int)d;
    int n = log2_of(d);
    *extra = n - 1;
    return 2 * n + (int)(d >> (n - 1) & 1);
}

/* === Huffman codes =============================================================================================== */

static void sort_keys(uint32_t *key, int n) { /* Shell's sort: at most 286 keys */
    for (int gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (int i = gap; i < n; i++) {
            uint32_t k = key[i];
            int j = i;
            for (; j >= gap && key[j - gap] > k; j -= gap) key[j] = key[j - gap];
            key[j] = k;
        }
}

/* Optimal lengths for falling frequency (Moffat and Katajainen, "In-place calculation of minimum-redundancy codes",
 * 1995), then shortened to `limit` by moving leaves so that Kraft's sum stays 1.  At least two symbols get a code,
 * because inflate refuses an incomplete one. */
static void code_make(code *c, const uint32_t *count, int n_symbols, int limit) {
    uint32_t key[N_LITERALS], a[N_LITERALS];
    int n = 0, per_length[33] = {0};
    memset(c, 0, sizeof *c);
    for (int i = 0; i < n_symbols; i++)
        if (count[i]) key[n++] = count[i] << 9 | (uint32_t)i;
    for (int i = 0; n < 2; i++)
        if (!count[i]) key[n++] = 1u << 9 | (uint32_t)i;
    sort_keys(key, n);
    for (int i = 0; i < n; i++) a[i] = key[i] >> 9;

    a[0] += a[1];
    int root = 0, leaf = 2;
    for (int next = 1; next < n - 1; next++) {
        if (leaf >= n || a[root] < a[leaf]) a[next] = a[root], a[root++] = (uint32_t)next;
        else a[next] = a[leaf++];
        if (leaf >= n || (root < next && a[root] < a[leaf])) a[next] += a[root], a[root++] = (uint32_t)next;
        else a[next] += a[leaf++];
    }
    a[n - 2] = 0;
    for (int next = n - 3; next >= 0; next--) a[next] = a[a[next]] + 1;
    int available = 1, depth = 0;
    for (root = n - 2; available > 0; depth++) {
        int used = 0;
        for (; root >= 0 && (int)a[root] == depth; root--) used++;
        for (; available > used; available--) per_length[depth > limit ? limit : depth]++;
        available = 2 * used;
    }

    uint32_t total = 0;
    for (int i = 1; i <= limit; i++) total += (uint32_t)per_length[i] << (limit - i);
    for (; total > 1u << limit; total--) {
        per_length[limit]--;
        int i = limit - 1;
        while (!per_length[i]) i--;
        per_length[i]--, per_length[i + 1] += 2;
    }
    int at = n;
    for (int i = 1; i <= limit; i++)
        for (int k = 0; k < per_length[i]; k++) c->length[key[--at] & 511] = (uint8_t)i;
}

/* Canonical bits from the lengths (RFC 1951, 3.2.2), reversed because Huffman codes are sent from their highest bit. */
static void code_assign(code *c, int n_symbols) {
    uint32_t first[17] = {0}, per_length[17] = {0};
    for (int i = 0; i < n_symbols; i++) per_length[c->length[i]]++;
    per_length[0] = 0;
    for (int i = 1; i <= 15; i++) first[i + 1] = (first[i] + per_length[i]) << 1;
    for (int i = 0; i < n_symbols; i++) {
        uint32_t value = first[c->length[i]]++, reversed = 0;
        for (int k = 0; k < c->length[i]; k++) reversed = reversed << 1 | (value >> k & 1);
        c->bits[i] = (uint16_t)reversed;
    }
}

static void code_fixed(code *literals, code *distances) {
    memset(literals, 0, sizeof *literals), memset(distances, 0, sizeof *distances);
    for (int i = 0; i < 288; i++) literals->length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    for (int i = 0; i < 30; i++) distances->length[i] = 5;
    code_assign(literals, 288), code_assign(distances, 30);
}

/* === Bits ======================================================================================================== */

/* Kept in registers while a block is written: a store through `at` could alias the encoder. */
typedef struct bit_writer {
    uint64_t bits;
    unsigned n_bits;
} bit_writer;

static inline uint8_t *put_bits(bit_writer *e, uint8_t *at, uint64_t value, unsigned n) { /* n <= 56 */
    e->bits |= value << e->n_bits;
    e->n_bits += n;
#if LITTLE_ENDIAN_CPU
    memcpy(at, &e->bits, 8); /* 8 bytes of room are kept */
#else
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(e->bits >> (8 * i));
#endif
    at += e->n_bits >> 3;
    e->bits >>= e->n_bits & ~7u;
    e->n_bits &= 7;
    return at;
}

static uint64_t cost_of(const encoder *e, const code *literals, const code *distances) {
    uint64_t bits = 0;
    for (int i = 0; i < N_LITERALS; i++) {
        int extra = i >= 265 && i < 285 ? (i - 261) / 4 : 0;
        bits += (uint64_t)e->literal_count[i] * (uint64_t)(literals->length[i] + extra);
    }
    for (int i = 0; i < N_DISTANCES; i++)
        bits += (uint64_t)e->distance_count[i] * (uint64_t)(distances->length[i] + (i >= 4 ? i / 2 - 1 : 0));
    return bits;
}

/* The lengths of both codes as run lengths: 16 repeats the last 3..6 times, 17 and 18 are 3..10 and 11..138 zeros. */
static int run_lengths(const uint8_t *length, int n, uint16_t *runs, uint32_t *count) {
    int n_runs = 0;
    for (int i = 0; i < n;) {
        int run = 1, symbol = length[i], extra = 0;
        while (i + run < n && length[i + run] == length[i] && run < 138) run++;
        if (symbol == 0 && run >= 11) symbol = 18, extra = run - 11;
        else if (symbol == 0 && run >= 3) symbol = 17, extra = run - 3;
        else if (symbol && i && length[i - 1] == symbol && run >= 3) run = run > 6 ? 6 : run, symbol = 16, extra = run - 3;
        else run = 1;
        runs[n_runs++] = (uint16_t)(symbol | extra << 5);
        count[symbol]++;
        i += run;
    }
    return n_runs;
}

static bool block_write(encoder *e, bool last) {
    static const uint8_t order[N_CODES] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    static const uint8_t run_extra[3] = {2, 3, 7};
    code literals, distances, fixed_literals, fixed_distances, lengths;
    e->literal_count[END_OF_BLOCK] = 1;
    code_make(&literals, e->literal_count, N_LITERALS, 15);
    code_make(&distances, e->distance_count, N_DISTANCES, 15);
    int n_literals = N_LITERALS, n_distances = N_DISTANCES, n_lengths = N_CODES;
    while (!literals.length[n_literals - 1]) n_literals--;
    while (!distances.length[n_distances - 1]) n_distances--;
    uint8_t both[N_LITERALS + N_DISTANCES];
    uint16_t runs[N_LITERALS + N_DISTANCES];
    uint32_t count[N_CODES] = {0};
    memcpy(both, literals.length, (size_t)n_literals);
    memcpy(both + n_literals, distances.length, (size_t)n_distances);
    const int n_runs = run_lengths(both, n_literals + n_distances, runs, count);
    code_make(&lengths, count, N_CODES, 7);
    while (n_lengths > 4 && !lengths.length[order[n_lengths - 1]]) n_lengths--;
    uint64_t header = 14 + 3 * (uint64_t)n_lengths;
    for (int i = 0; i < N_CODES; i++) header += count[i] * (uint64_t)(lengths.length[i] + (i >= 16 ? run_extra[i - 16] : 0));
    uint64_t bits = header + cost_of(e, &literals, &distances);
    code_fixed(&fixed_literals, &fixed_distances);
    const uint64_t fixed_bits = cost_of(e, &fixed_literals, &fixed_distances);
    const bool fixed = fixed_bits <= bits;
    if (fixed) bits = fixed_bits, literals = fixed_literals, distances = fixed_distances;
    else code_assign(&literals, N_LITERALS), code_assign(&distances, N_DISTANCES), code_assign(&lengths, N_CODES);

    bit_writer w = {e->bits, e->n_bits};
    uint8_t *const start = (uint8_t *)buf_reserve(e->out, (size_t)(bits / 8) + 32), *at = start;
    if (!start) return false;
    at = put_bits(&w, at, (uint64_t)last | (fixed ? 1u : 2u) << 1, 3);
    if (!fixed) {
        at = put_bits(&w, at, (uint64_t)(n_literals - 257) | (uint64_t)(n_distances - 1) << 5 | (uint64_t)(n_lengths - 4) << 10, 14);
        for (int i = 0; i < n_lengths; i++) at = put_bits(&w, at, lengths.length[order[i]], 3);
        for (int i = 0; i < n_runs; i++) {
            const int symbol = runs[i] & 31;
            at = put_bits(&w, at, lengths.bits[symbol], lengths.length[symbol]);
            if (symbol >= 16) at = put_bits(&w, at, runs[i] >> 5, run_extra[symbol - 16]);
        }
    }
    for (int i = 0; i < e->n_tokens; i++) {
        const uint32_t t = e->tokens[i];
        if (t < 256) {
            at = put_bits(&w, at, literals.bits[t], literals.length[t]);
            continue;
        }
        int l_extra, d_extra;
        const uint32_t length = t >> 16, d = t & 0xffff;
        const int l = length_symbol(length, &l_extra), s = distance_symbol(d, &d_extra);
        uint64_t value = literals.bits[l];
        unsigned n = literals.length[l];
        value |= (uint64_t)((length - MIN_MATCH) & ((1u << l_extra) - 1)) << n, n += (unsigned)l_extra;
        value |= (uint64_t)distances.bits[s] << n, n += distances.length[s];
        value |= (uint64_t)(d & ((1u << d_extra) - 1)) << n, n += (unsigned)d_extra;
        at = put_bits(&w, at, value, n);
    }
    at = put_bits(&w, at, literals.bits[END_OF_BLOCK], literals.length[END_OF_BLOCK]);
    if (last && w.n_bits) at = put_bits(&w, at, 0, 8 - w.n_bits);
    e->bits = w.bits, e->n_bits = w.n_bits;
    buf_advance(e->out, (size_t)(at - start));
    e->n_tokens = 0;
    memset(e->literal_count, 0, sizeof e->literal_count);
    memset(e->distance_count, 0, sizeof e->distance_count);
    return true;
}

/* === Matches ===================================================================================================== */

static inline uint32_t load32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* How many bytes are equal, at most `max`; `earlier` < `p` may overlap. */
static inline size_t match_length(const uint8_t *p, const uint8_t *earlier, size_t max) {
    size_t n = 0;
#if LITTLE_ENDIAN_CPU
    for (; max - n >= 8; n += 8) {
        uint64_t a, b;
        memcpy(&a, p + n, 8), memcpy(&b, earlier + n, 8);
        if (a != b) return n + (size_t)(__builtin_ctzll(a ^ b) >> 3);
    }
#endif
    while (n < max && p[n] == earlier[n]) n++;
    return n;
}

static bool put_match(encoder *e, size_t length, size_t distance) {
    int extra;
    const uint32_t d = (uint32_t)distance - 1;
    const int s = distance_symbol(d, &extra);
    while (length) {
        /* no piece may be shorter than 3 */
        const size_t piece = length <= MAX_MATCH ? length : length - MAX_MATCH < MIN_MATCH ? MAX_MATCH - MIN_MATCH : MAX_MATCH;
        if (e->n_tokens == BLOCK_TOKENS && !block_write(e, false)) return false;
        e->tokens[e->n_tokens++] = (uint32_t)piece << 16 | d;
        e->literal_count[length_symbol((uint32_t)piece, &extra)]++;
        e->distance_count[s]++;
        length -= piece;
    }
    return true;
}

static bool encode(encoder *e, const uint8_t *bytes, size_t n, size_t stride) {
    const bool above = stride <= WINDOW;
    for (size_t i = 0; i < n;) {
        const uint8_t *p = bytes + i;
        const size_t max = n - i;
        size_t length = 0, distance = 0;
        if (above && i >= stride) length = match_length(p, p - stride, max), distance = stride;
        if (length < max && i && p[0] == p[-1]) {
            const size_t run = match_length(p, p - 1, max);
            if (run > length) length = run, distance = 1;
        }
        if (length < 8 && max >= 4) {
            const uint32_t slot = load32(p) * 2654435761u >> (32 - HASH_BITS);
            const size_t seen = e->hash[slot]; /* 1 + position: within a window of a 4 GiB picture it may wrap */
            e->hash[slot] = (uint32_t)(i + 1);
            if (seen && seen <= i && i + 1 - seen <= WINDOW) {
                const size_t other = match_length(p, bytes + seen - 1, max);
                if (other >= 5 && other > length + 2) length = other, distance = i + 1 - seen;
            }
        }
        if (length >= MIN_MATCH) {
            if (!put_match(e, length, distance)) return false;
            i += length;
            continue;
        }
        if (e->n_tokens == BLOCK_TOKENS && !block_write(e, false)) return false;
        e->tokens[e->n_tokens++] = p[0];
        e->literal_count[p[0]]++;
        i++;
    }
    return true;
}

/* Adler-32 of rows.  A row adds to the sums a = 1 + Σ x and b = Σ a what depends on its bytes alone: Σ x_k and
 * Σ (stride - k) x_k.  In a chart a row differs from the one before in a few words, so both sums are carried along and
 * corrected by the difference; a row that differs in many is read byte by byte. */
static uint32_t checksum(const uint8_t *bytes, size_t n, size_t stride) {
    const int64_t modulus = 65521;
    int64_t a = 1, b = 0, sum = 0, weighted = 0;
    for (size_t at = 0; at < n; at += stride) {
        const uint8_t *row = bytes + at, *above = row - stride;
        size_t patience = at ? 1 + stride / 32 : 0, k = 0;
        int64_t d_sum = 0, d_weighted = 0;
        for (; k < stride && patience; k += 8) {
            const size_t word = stride - k < 8 ? stride - k : 8;
            if (word == 8) {
                uint64_t x, y;
                memcpy(&x, row + k, 8), memcpy(&y, above + k, 8);
                if (x == y) continue;
            }
            patience--;
            for (size_t i = k; i < k + word; i++) {
                const int d = row[i] - above[i];
                d_sum += d, d_weighted += (int64_t)(stride - i) * d;
            }
        }
        if (k >= stride) {
            sum = (sum + d_sum) % modulus, weighted = (weighted + d_weighted) % modulus;
        } else {
            const uint32_t both = (uint32_t)adler32_z(0, row, stride);
            sum = both & 0xffff, weighted = both >> 16;
        }
        b = (b + (int64_t)(stride % 65521) * a + weighted) % modulus;
        a = (a + sum) % modulus;
    }
    if (a < 0) a += modulus; /* % keeps the sign */
    if (b < 0) b += modulus;
    return (uint32_t)(b << 16 | a);
}

bool deflate_rows(const uint8_t *bytes, size_t n, size_t stride, buffer *out) {
    const size_t start = out->n;
    encoder *e = malloc(sizeof *e); /* 80 KB: inline the stack is the trainer's thread's */
    if (!e) return false;
    e->out = out, e->bits = 0, e->n_bits = 0, e->n_tokens = 0;
    memset(e->literal_count, 0, sizeof e->literal_count);
    memset(e->distance_count, 0, sizeof e->distance_count);
    memset(e->hash, 0, sizeof e->hash);
    buf_put(out, "\x78\x01", 2); /* window of 32 KiB, fastest: 0x7801 is a multiple of 31 */
    const bool coded = !out->failed && encode(e, bytes, n, stride) && block_write(e, true);
    free(e);
    if (coded) {
        const uint32_t sum = checksum(bytes, n, stride);
        const char tail[4] = {(char)(sum >> 24), (char)(sum >> 16), (char)(sum >> 8), (char)sum};
        buf_put(out, tail, 4);
        if (!out->failed) return true;
    }
    if (out->bytes) out->n = start, out->bytes[start] = 0;
    return false;
}
