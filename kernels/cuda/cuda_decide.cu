/* cuda_decide.cu -- a row of logits to one id and its record, as sampling/samplers/chain.c does it on the CPU: the same logits
 * and the same key give the same token, bit for bit.  Compiled with -fmad=false.  Called by cuda_burst.cu.
 *
 * Every filter of a burst keeps a prefix of the candidates in the order (logit descending, id ascending), so the survivors
 * are the ids whose key is at most `last`.  Where a prefix ends is found without a sort: masses (or ones) are summed in bins
 * of 1/64 nat below the maximum, the bin that crosses is gathered and it alone is sorted; a bin that does not fit is halved
 * by its keys until one is left.  Masses are decide.h's fixed point: any order of atomics, the same sum. */
#include "kernels/cuda/burst.cuh"
#include "kernels/cuda/device.cuh"

typedef unsigned long long u64;

typedef struct selection {
    const float *l;
    int n;                  /* ids */
    float max;
    u64 last;               /* survivors: key <= last */
    double inv_t;
} selection;

typedef struct work_space { /* in shared memory */
    u64 bin[DECIDE_BINS], list[DECIDE_LIST];
    u64 sums[DECIDE_THREADS / 32];
    double pair[DECIDE_THREADS / 32];
    int32_t id[DECIDE_THREADS / 32];
    float most[DECIDE_THREADS / 32];
    u64 found, before;
    int32_t count, where;
} work_space;

static __device__ __forceinline__ int thread() { return (int)threadIdx.x; }

/* candidate_key of sampling/samplers: rising in (logit descending, id ascending); -0 is 0. */
static __device__ __forceinline__ u64 key_of(float l, int id) {
    uint32_t u = __float_as_uint(l + 0.0f);
    u = u >> 31 ? u : ~u & 0x7fffffffu;
    return (u64)u << 32 | (uint32_t)id;
}

/* Sums and the like over the block: every thread gets them. */
template <class T> static __device__ T block_sum(T v, T *shared) {
    v = warp_sum(v);
    __syncthreads();
    if ((thread() & 31) == 0) shared[thread() / 32] = v;
    __syncthreads();
    T s = 0;
    for (int i = 0; i < DECIDE_THREADS / 32; i++) s += shared[i];
    return s;
}
static __device__ float block_max(float v, work_space *w) {
    v = warp_max(v);
    __syncthreads();
    if ((thread() & 31) == 0) w->most[thread() / 32] = v;
    __syncthreads();
    for (int i = 0; i < DECIDE_THREADS / 32; i++) v = w->most[i] > v ? w->most[i] : v;
    return v;
}
static __device__ u64 block_key_max(u64 v, work_space *w) {
    for (int m = 16; m; m >>= 1) {
        u64 o = shuffle_xor(v, m);
        v = o > v ? o : v;
    }
    __syncthreads();
    if ((thread() & 31) == 0) w->sums[thread() / 32] = v;
    __syncthreads();
    for (int i = 0; i < DECIDE_THREADS / 32; i++) v = w->sums[i] > v ? w->sums[i] : v;
    return v;
}
/* The sum over threads before this one. */
static __device__ u64 block_before(u64 v, work_space *w) {
    u64 sum = v;
    for (int by = 1; by < 32; by *= 2) {
        u64 o = shuffle_up(sum, by);
        if ((thread() & 31) >= by) sum += o;
    }
    __syncthreads();
    if ((thread() & 31) == 31) w->sums[thread() / 32] = sum;
    __syncthreads();
    for (int i = 0; i < thread() / 32; i++) sum += w->sums[i];
    return sum - v;
}

static __device__ __forceinline__ bool survives(const selection &s, float l, int id) {
    return l > -INFINITY && key_of(l, id) <= s.last;
}
static __device__ __forceinline__ int bin_of(const selection &s, float l) {
    float x = (s.max - l) * 64.0f;
    return x < (float)(DECIDE_BINS - 1) ? (int)x : DECIDE_BINS - 1;
}
static __device__ __forceinline__ u64 weight_of(const selection &s, float l, bool mass) {
    return mass ? (u64)det_mass(det_scaled(l, s.max, s.inv_t)) : 1;
}

/* Sort w->list[0 .. n) by rising key, n <= DECIDE_LIST (Batcher 1968, bitonic). */
static __device__ void sort_list(work_space *w, int n) {
    int size = 2;
    while (size < n) size *= 2;
    for (int i = n + thread(); i < size; i += DECIDE_THREADS) w->list[i] = ~(u64)0;
    __syncthreads();
    for (int run = 2; run <= size; run *= 2)
        for (int by = run / 2; by; by /= 2) {
            for (int i = thread(); i < size; i += DECIDE_THREADS) {
                int j = i ^ by;
                if (j <= i) continue;
                u64 a = w->list[i], b = w->list[j];
                if ((a > b) == ((i & run) == 0)) w->list[i] = b, w->list[j] = a;
            }
            __syncthreads();
        }
}

/* The key at which the weights of the survivors, in the order of their keys, first reach `want` (>= 1, at most their sum).
 * fraction > 0: want = ceil(fraction * sum). */
static __device__ u64 crossing(const selection &s, bool mass, u64 want, double fraction, work_space *w) {
    __syncthreads();
    for (int i = thread(); i < DECIDE_BINS; i += DECIDE_THREADS) w->bin[i] = 0;
    if (thread() == 0) w->count = 0, w->where = DECIDE_BINS, w->found = 0;
    __syncthreads();
    for (int i = thread(); i < s.n; i += DECIDE_THREADS) {
        if (!survives(s, s.l[i], i)) continue;
        u64 x = weight_of(s, s.l[i], mass);
        if (x) atomicAdd(&w->bin[bin_of(s, s.l[i])], x);
    }
    __syncthreads();
    enum { EACH = DECIDE_BINS / DECIDE_THREADS };
    u64 mine = 0;
    for (int i = 0; i < EACH; i++) mine += w->bin[thread() * EACH + i];
    u64 before = block_before(mine, w);
    if (fraction > 0) {
        u64 total = block_sum(mine, w->sums);
        double wanted = ceil(fraction * (double)total);
        want = wanted < 1 ? 1 : (u64)wanted;
        if (want > total) want = total;
    }
    if (before < want && before + mine >= want)
        for (int i = 0; i < EACH; i++) {
            u64 x = w->bin[thread() * EACH + i];
            if (before < want && before + x >= want) w->where = thread() * EACH + i, w->before = before;
            before += x;
        }
    __syncthreads();
    int bin = w->where;
    u64 left = want - w->before;
    if (bin == DECIDE_BINS) return s.last;
    for (int i = thread(); i < s.n; i += DECIDE_THREADS) {
        if (!survives(s, s.l[i], i) || bin_of(s, s.l[i]) != bin || !weight_of(s, s.l[i], mass)) continue;
        int at = atomicAdd(&w->count, 1);
        if (at < DECIDE_LIST) w->list[at] = key_of(s.l[i], i);
    }
    __syncthreads();
    int n = w->count;
    if (n > DECIDE_LIST) { /* a flat row: halve the range of keys until it is one; 64 reads at most */
        u64 low = 0, high = ~(u64)0;
        while (low < high) {
            u64 mid = low + (high - low) / 2, sum = 0;
            for (int i = thread(); i < s.n; i += DECIDE_THREADS)
                if (survives(s, s.l[i], i) && bin_of(s, s.l[i]) == bin && key_of(s.l[i], i) <= mid) sum += weight_of(s, s.l[i], mass);
            if (block_sum(sum, w->sums) >= left) high = mid;
            else low = mid + 1;
        }
        return low;
    }
    sort_list(w, n);
    enum { PART = DECIDE_LIST / DECIDE_THREADS };
    u64 part = 0;
    for (int i = 0; i < PART; i++) {
        int at = thread() * PART + i;
        if (at < n) part += weight_of(s, s.l[(int)(uint32_t)w->list[at]], mass);
    }
    u64 ahead = block_before(part, w);
    if (ahead < left && ahead + part >= left)
        for (int i = 0; i < PART; i++) {
            int at = thread() * PART + i;
            if (at >= n) break;
            u64 x = weight_of(s, s.l[(int)(uint32_t)w->list[at]], mass);
            if (ahead < left && ahead + x >= left) w->found = w->list[at];
            ahead += x;
        }
    __syncthreads();
    return w->found;
}

/* argmax of draw_score over the survivors; ties to the lowest id. */
static __device__ int draw(const selection &s, draw_key key, uint32_t position, int first, work_space *w) {
    double best = draw_score(s.l[first], s.max, s.inv_t, key, position, (uint32_t)first);
    int id = first, counters = (s.n + 127) / 128 * 16;
    for (int c = thread(); c < counters; c += DECIDE_THREADS) { /* a block of noise is shared by 8 ids */
        int base = (c >> 4 << 7) + (c & 15);
        philox_block b = {{position, (uint32_t)c, PURPOSE_DRAW, key.step}};
        b = philox4x32(b, (uint32_t)key.key, (uint32_t)(key.key >> 32));
        for (int piece = 0; piece < 8; piece++) {
            int i = base + piece * 16;
            if (i >= s.n || !survives(s, s.l[i], i)) continue;
            uint32_t high = (b.w[piece >> 1] >> (16 * (piece & 1))) & 0xffff;
            if (draw_score_of(s.l[i], s.max, s.inv_t, gumbel_bound(high)) < best) continue;
            double noise = gumbel_of_bits(draw_join(high, key, position, (uint32_t)i, PURPOSE_DRAW));
            double score = draw_score_of(s.l[i], s.max, s.inv_t, noise);
            if (score > best || (score == best && i < id)) best = score, id = i;
        }
    }
    for (int m = 16; m; m >>= 1) {
        double o = shuffle_xor(best, m);
        int i = shuffle_xor(id, m);
        if (o > best || (o == best && i < id)) best = o, id = i;
    }
    __syncthreads();
    if ((thread() & 31) == 0) w->pair[thread() / 32] = best, w->id[thread() / 32] = id;
    __syncthreads();
    for (int i = 0; i < DECIDE_THREADS / 32; i++)
        if (w->pair[i] > best || (w->pair[i] == best && w->id[i] < id)) best = w->pair[i], id = w->id[i];
    return id;
}

/* sum of e^((l - max) / T) over the survivors: for the record, in float and added in double. */
static __device__ double exp_sum(const selection &s, work_space *w) {
    double sum = 0;
    for (int i = thread(); i < s.n; i += DECIDE_THREADS)
        if (survives(s, s.l[i], i)) sum += (double)expf((float)det_scaled(s.l[i], s.max, s.inv_t));
    return block_sum(sum, w->pair);
}

static __device__ float penalised(const burst_op &op, float logit, int count) { /* sampling/samplers/penalties.c */
    double l = logit;
    l = l > 0 ? l / op.v[0] : l * op.v[0];
    l -= fma(op.v[1], (double)count, op.v[2]);
    return (float)l;
}

/* What the chain's samplers leave: s.last, *n of them; *t the temperature (0 = greedy). */
static __device__ void apply(const decide_args &a, const decide_row &state, int r, selection &s, int *n, double *t, work_space *w) {
    *t = 1;
    for (int k = 0; k < state.n_ops; k++) {
        const burst_op op = state.ops[k];
        s.inv_t = *t > 0 ? 1.0 / *t : 1.0;
        switch (op.kind) {
        case BURST_PENALTIES: { /* comes first: the row is dense and its own */
            float *to = a.changed + r * a.ld, most = -INFINITY;
            const seen_id *seen = a.seen + (int64_t)r * a.room_seen;
            for (int i = thread(); i < s.n; i += DECIDE_THREADS) to[i] = s.l[i];
            __syncthreads();
            for (int i = thread(); i < state.n_seen; i += DECIDE_THREADS) to[seen[i].id] = penalised(op, s.l[seen[i].id], seen[i].count);
            __syncthreads();
            s.l = to;
            int finite = 0;
            for (int i = thread(); i < s.n; i += DECIDE_THREADS) {
                most = to[i] > most ? to[i] : most;
                finite += to[i] > -INFINITY;
            }
            s.max = block_max(most, w);
            *n = s.max < INFINITY ? (int)block_sum((u64)finite, w->sums) : 0; /* 0: a penalty made it so */
            if (*n == 0) return;
            break;
        }
        case BURST_TEMPERATURE:
            if (*t == 0) break;
            *t *= op.v[0];
            if (*t > 0) break;
            if (*n > 1) s.last = crossing(s, false, 1, 0, w);
            *n = 1;
            break;
        case BURST_TOP_K:
            if (op.v[0] >= *n) break;
            *n = (int)op.v[0];
            s.last = crossing(s, false, (u64)*n, 0, w);
            break;
        case BURST_TOP_P:
        case BURST_MIN_P: {
            if (*n == 1) break;
            if (op.kind == BURST_TOP_P) {
                s.last = op.v[0] > 0 ? crossing(s, true, 0, op.v[0], w) : crossing(s, true, 1, 0, w);
            } else {
                double least = det_log(op.v[0]);
                u64 far = 0;
                for (int i = thread(); i < s.n; i += DECIDE_THREADS)
                    if (survives(s, s.l[i], i) && det_scaled(s.l[i], s.max, s.inv_t) >= least && key_of(s.l[i], i) > far)
                        far = key_of(s.l[i], i);
                s.last = block_key_max(far, w);
            }
            u64 left = 0;
            for (int i = thread(); i < s.n; i += DECIDE_THREADS) left += survives(s, s.l[i], i);
            *n = (int)block_sum(left, w->sums);
            break;
        }
        default: break;
        }
    }
    s.inv_t = *t > 0 ? 1.0 / *t : 1.0;
}

/* The token joins the sequence: its next input, its penalties. */
static __device__ void advance(const decide_args &a, int r, int id, work_space *w) {
    decide_row &state = a.state[r];
    seen_id *seen = a.seen + (int64_t)r * a.room_seen;
    if (id >= 0 && state.n_ops && state.ops[0].kind == BURST_PENALTIES) {
        if (thread() == 0) w->where = -1;
        __syncthreads();
        for (int i = thread(); i < state.n_seen; i += DECIDE_THREADS)
            if (seen[i].id == id) w->where = i;
        __syncthreads();
        if (thread() == 0) {
            if (w->where >= 0) seen[w->where].count++;
            else if (state.n_seen < a.room_seen) {
                seen[state.n_seen].id = id;
                seen[state.n_seen++].count = 1;
            }
        }
    }
    if (thread() == 0) {
        state.n_drawn++;
        if (id < 0 || id == state.eos || state.n_drawn >= state.steps) a.row[r].active = 0;
        else {
            a.row[r].id = id;
            a.row[r].pos++;
        }
    }
}

/* No token: the logits are not finite. */
static __device__ void refuse(const decide_args &a, int r, burst_token *token, int bad_id, float bad, work_space *w) {
    if (thread() == 0) {
        memset(token, 0, sizeof *token);
        token->id = -1;
        token->bad_id = bad_id;
        token->bad_logit = bad;
    }
    advance(a, r, -1, w);
}

/* decide_kernel -- statistics, filters, draw, record, advance, for one row a block.
 *
 *   logits (rows, ld) f32 in; changed (rows, ld) f32 scratch; row, state, seen in/out; tokens, tops out
 *
 * Numerics: the decision (filters and draw) by decide.h in double and fixed point: the CPU's bits.  The record's sums are of
 * float exponentials, added in double: within 1e-6.  A row with NaN or +inf, or of -inf alone: id -1 and which id it was.
 * Reads the row about 4 + 2 times an operation, from L2.  Reference: chain_draw.  Not measured on a chip yet. */
static __global__ void __launch_bounds__(DECIDE_THREADS) decide_kernel(const decide_args a) {
    SHARED(work_space, w, 1);
    dependency_wait();
    dependency_launch();
    const int r = (int)blockIdx.x;
    if (!a.row[r].active) return;
    const decide_row state = a.state[r];
    const float *raw = a.logits + r * a.ld;
    burst_token *token = a.tokens + r * BURST_MAX_STEPS + state.n_drawn;
    burst_top *tops = a.tops + ((int64_t)r * BURST_MAX_STEPS + state.n_drawn) * BURST_MAX_TOP;
    const uint32_t position = (uint32_t)a.row[r].pos + 1;
    selection s = {raw, a.vocab, 0, ~(u64)0, 1.0};

    float most = -INFINITY;
    int finite = 0, bad = 0x7fffffff;
    for (int i = thread(); i < s.n; i += DECIDE_THREADS) {
        float l = raw[i];
        most = l > most ? l : most;
        finite += l > -INFINITY;
        if (!(l < INFINITY) && i < bad) bad = i;
    }
    s.max = block_max(most, w);
    finite = (int)block_sum((u64)finite, w->sums);
    bad = (int)(0x7fffffff - (u64)block_key_max((u64)(0x7fffffff - bad), w));
    if (bad != 0x7fffffff || !(s.max > -INFINITY)) {
        refuse(a, r, token, bad == 0x7fffffff ? -1 : bad, bad == 0x7fffffff ? -INFINITY : raw[bad], w);
        return;
    }
    double sum = 0, moment = 0;
    for (int i = thread(); i < s.n; i += DECIDE_THREADS) {
        if (!(raw[i] > -INFINITY)) continue;
        float d = raw[i] - s.max, e = expf(d);
        sum += (double)e;
        moment += (double)(d * e);
    }
    sum = block_sum(sum, w->pair);
    moment = block_sum(moment, w->pair);
    const double logz = (double)s.max + det_log(sum);
    const selection whole = s;

    int n_top = a.n_top < finite ? a.n_top : finite;
    if (n_top > 0) {
        u64 last = n_top < finite ? crossing(whole, false, (u64)n_top, 0, w) : ~(u64)0;
        __syncthreads();
        if (thread() == 0) w->count = 0;
        __syncthreads();
        for (int i = thread(); i < s.n; i += DECIDE_THREADS)
            if (raw[i] > -INFINITY && key_of(raw[i], i) <= last) w->list[atomicAdd(&w->count, 1)] = key_of(raw[i], i);
        __syncthreads();
        sort_list(w, n_top);
        for (int i = thread(); i < n_top; i += DECIDE_THREADS) tops[i].id = (int)(uint32_t)w->list[i];
        __syncthreads();
    }

    int n = finite;
    double t;
    apply(a, state, r, s, &n, &t, w);
    if (n == 0) {
        refuse(a, r, token, -1, -INFINITY, w);
        return;
    }
    selection all = s;
    all.last = ~(u64)0;
    int first = (int)(uint32_t)(n == 1 && s.last != ~(u64)0 ? s.last : crossing(s, false, 1, 0, w));
    int id = n == 1 ? first : draw(s, state.key, position, first, w);

    double warm = t > 0 ? exp_sum(all, w) : 1, kept = s.last == ~(u64)0 && t > 0 ? warm : exp_sum(s, w), left = 0;
    u64 above = 0, its = key_of(raw[id], id);
    for (int i = thread(); i < a.vocab; i += DECIDE_THREADS)
        if (raw[i] > -INFINITY && key_of(raw[i], i) < its) {
            above++;
            left += (double)expf(raw[i] - whole.max);
        }
    above = block_sum(above, w->sums);
    left = block_sum(left, w->pair) / sum;
    for (int i = thread(); i < n_top; i += DECIDE_THREADS) {
        int k = tops[i].id;
        tops[i].p = det_exp((double)raw[k] - logz);
        tops[i].p_final = survives(s, s.l[k], k) ? det_exp(det_scaled(s.l[k], s.max, s.inv_t)) / kept : 0;
    }
    if (thread() == 0) {
        double entropy = det_log(sum) - moment / sum;
        token->id = id;
        token->bad_id = -1;
        token->bad_logit = 0;
        token->rank = (int)above + 1;
        token->kept = n;
        token->n_top = n_top;
        token->logit = raw[id];
        token->logprob = (double)raw[id] - logz;
        token->p_temp = t > 0 ? det_exp(det_scaled(s.l[id], s.max, s.inv_t)) / warm : id == first;
        token->p_final = det_exp(det_scaled(s.l[id], s.max, s.inv_t)) / kept;
        token->left = left < 1 ? left : 1;
        token->entropy = entropy > 0 ? entropy : 0;
    }
    advance(a, r, id, w);
}

cudaError_t cuda_decide(cuda_backend *be, const decide_args *a, int32_t n_rows) {
    return LAUNCH(decide_kernel, dim3((unsigned)n_rows), dim3(DECIDE_THREADS), 0, be->stream, be->chained, *a);
}
