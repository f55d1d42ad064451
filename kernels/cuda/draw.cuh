/* draw.cuh -- a row of logits to one id and its record, as sampling/samplers/chain.c does it on the CPU: the same logits and the
 * same key give the same token, bit for bit.  By a block of DECIDE_THREADS: the body of cuda_decide.cu's kernel and of the
 * persistent kernel's (cuda_persist.cu).  Device code alone, compiled with -fmad=false.
 *
 * Every filter of a burst keeps a prefix of the candidates in the order (logit descending, id ascending), so the survivors
 * are the ids whose key is at most `last` (select.cuh). */
#ifndef GLIMPSE_KERNELS_CUDA_DRAW_CUH
#define GLIMPSE_KERNELS_CUDA_DRAW_CUH

#include "kernels/cuda/select.cuh"

/* The larger score of two, ties to the lower id; over the block. */
static __device__ int block_winner(double best, int id, work_space *w) {
    for (int m = 16; m; m >>= 1) {
        double o = shuffle_xor(best, m);
        int i = shuffle_xor(id, m);
        if (o > best || (o == best && i < id)) best = o, id = i;
    }
    __syncthreads();
    if ((thread() & 31) == 0) w->pair[0][thread() / 32] = best, w->id[thread() / 32] = id;
    __syncthreads();
    best = w->pair[0][thread() & (WARPS - 1)];
    id = w->id[thread() & (WARPS - 1)];
    for (int m = WARPS / 2; m; m >>= 1) {
        double o = shuffle_xor(best, m);
        int i = shuffle_xor(id, m);
        if (o > best || (o == best && i < id)) best = o, id = i;
    }
    return id;
}

/* argmax of draw_score over the survivors where they are listed. */
static __device__ int draw_listed(const survivors &s, draw_key key, uint32_t position, work_space *w) {
    double best = -INFINITY;
    int id = 0x7fffffff;
ROLLED
    for (int i = thread(); i < s.n; i += DECIDE_THREADS) {
        int mine = id_of(w->list[i]);
        double score = draw_score(logit_of(w->list[i]), s.max, s.inv_t, key, position, (uint32_t)mine);
        if (score > best || (score == best && mine < id)) best = score, id = mine;
    }
    return block_winner(best, id, w);
}

/* What a bound in float must fall short of: the score, with room for that float's rounding. */
static __device__ __forceinline__ float bar_of(double score) { return (float)score - (1e-3f + 1e-6f * fabsf((float)score)); }

/* argmax of draw_score over all survivors.  A block of noise is shared by 8 ids, each of another tile; an upper bound of its
 * score with the tile's largest logit mostly shows that an id cannot win, and its logit is not read.  The bound as in
 * decide_lanes.h. */
static __device__ OUTLINED int draw_row(const survivors &s, draw_key key, uint32_t position, work_space *w) {
    const float inv = cuda_inv_t(s.inv_t), most = 3.4028234e38f; /* a difference may overflow */
    const int counters = (s.v.n + 127) / 128 * 16;
    double best = draw_score(logit_of(s.first), s.max, s.inv_t, key, position, (uint32_t)id_of(s.first));
    int id = id_of(s.first);
    float bar = bar_of(best);
ROLLED
    for (int c = thread(); c < counters; c += DECIDE_THREADS) {
        philox_block b = {{position, (uint32_t)c, PURPOSE_DRAW, key.step}};
        b = philox4x32(b, (uint32_t)key.key, (uint32_t)(key.key >> 32));
        const int k = c >> 4 << 3, i = k * 16 + (c & 15);
        unsigned may = 0;
UNROLL
        for (int piece = 0; piece < 8; piece++) {
            float high = (float)(65535 - (int32_t)((b.w[piece >> 1] >> (16 * (piece & 1))) & 0xffff));
            float noise = fmaf((float)(int32_t)__float_as_uint(high), -0x1.62e430p-24f, 99.12105f);
            float top = k + piece < s.v.n_tiles ? largest(s.v, k + piece) : -INFINITY;
            if (!(fmaf(fmaxf(top - s.max, -most), inv, noise) < bar)) may |= 1u << piece;
        }
ROLLED
        for (int piece = 0; may; piece++, may >>= 1) {
            int mine = i + piece * 16;
            if (!(may & 1) || mine >= s.v.n) continue;
            float l = logit_at(s.v, mine);
            uint32_t high = ((piece >> 1 == 0 ? b.w[0] : piece >> 1 == 1 ? b.w[1] : piece >> 1 == 2 ? b.w[2] : b.w[3]) >> (16 * (piece & 1))) & 0xffff;
            if (!survives(s, l, mine) || draw_score_of(l, s.max, s.inv_t, gumbel_bound(high)) < best) continue;
            double score = draw_score_of(l, s.max, s.inv_t, gumbel_of_bits(draw_join(high, key, position, (uint32_t)mine, PURPOSE_DRAW)));
            if (score > best || (score == best && mine < id)) best = score, id = mine, bar = bar_of(best);
        }
    }
    return block_winner(best, id, w);
}

static __device__ float penalised(const burst_op &op, float logit, int count) { /* sampling/samplers/penalties.c */
    double l = logit;
    l = l > 0 ? l / op.v[0] : l * op.v[0];
    l -= fma(op.v[1], (double)count, op.v[2]);
    return l == l ? (float)l : -INFINITY;
}

/* What the chain's samplers leave; *t the temperature (0 = greedy).  False: nothing, a penalty made it so. */
static __device__ OUTLINED bool apply(const decide_args &a, const decide_row &state, int r, survivors &s, double *warm, double *t, work_space *w) {
    *t = 1;
ROLLED
    for (int k = 0; k < state.n_ops; k++) {
        const burst_op op = state.ops[k];
        s.inv_t = *t > 0 ? 1.0 / *t : 1.0;
        switch (op.kind) {
        case BURST_PENALTIES: { /* comes first: nothing is left out yet */
            const seen_id *seen = a.seen + (int64_t)r * a.room_seen;
            const float inv_t = a.row[r].inv_t;
            if (!state.n_seen) break;
            change(s.v, state.n_seen, [=](int i) { return seen[i].id; }, [=](int i, float l) { return penalised(op, l, seen[i].count); },
                   inv_t, w);
            const row_facts f = facts_of(s.v, inv_t, w);
            if (f.bad >= 0 || !(f.max > -INFINITY)) return false;
            s.max = f.max;
            s.first = f.first;
            s.n = f.finite;
            s.n_list = 0;
            *warm = f.warm;
            break;
        }
        case BURST_TEMPERATURE:
            if (*t == 0) break;
            *t *= op.v[0];
            if (*t > 0) break;
            keep_first(s, 1, w);
            break;
        case BURST_TOP_K:
            if (op.v[0] < s.n) keep_first(s, (int)op.v[0], w);
            break;
        case BURST_TOP_P:
            if (s.n > 1) keep_mass(s, op.v[0], w);
            break;
        case BURST_MIN_P:
            if (s.n > 1) keep_near(s, det_log(op.v[0]), w);
            break;
        default: break;
        }
    }
    s.inv_t = *t > 0 ? 1.0 / *t : 1.0;
    return true;
}

/* How many candidates it pays to list at once: for the record and, if nothing else is left out before it, a top_k. */
static __device__ int wanted_of(const decide_row &state, int n_top, int room) {
ROLLED
    for (int k = 0; k < state.n_ops; k++) {
        double v = state.ops[k].v[0];
        if (state.ops[k].kind == BURST_TEMPERATURE && v > 0) continue;
        return state.ops[k].kind == BURST_TOP_K && v <= room && v > n_top ? (int)v : n_top;
    }
    return n_top;
}

/* The token joins the sequence: its next input, its penalties.  To thread 0 true: the sequence ends with it. */
static __device__ bool advance(const decide_args &a, int r, int id, work_space *w) {
    decide_row &state = a.state[r];
    seen_id *seen = a.seen + (int64_t)r * a.room_seen;
    if (id >= 0 && state.n_ops && state.ops[0].kind == BURST_PENALTIES) {
        if (thread() == 0) w->where = -1;
        __syncthreads();
ROLLED
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
    if (thread() != 0) return false;
    state.n_drawn++;
    bool ends = id < 0 || id == state.eos || state.n_drawn >= state.steps;
    for (int i = 0; i < state.n_more_eos; i++) ends |= id == state.more_eos[i];
    if (ends) a.row[r].active = 0;
    else {
        a.row[r].id = id;
        a.row[r].pos++;
    }
    return ends;
}

/* No token: the logits are not finite. */
static __device__ bool refuse(const decide_args &a, int r, burst_token *token, work_space *w) {
    if (thread() == 0) {
        token->id = -1;
        token->n_top = 0;
    }
    return advance(a, r, -1, w);
}

/* The ids of the first n_top of the row as it was; the list may hold more. */
static __device__ OUTLINED void list_tops(survivors &s, int n_top, int wanted, burst_top *tops, work_space *w) {
    if (!list_first(s, wanted, w) && !list_first(s, n_top, w)) { /* no room: of all ids, exactly those */
        survivors top = s;
        keep_first(top, n_top, w);
        s.n_list = top.n_list;
        s.passes = top.passes;
        if (top.n_list < n_top) {
            const float *row = whole_row(s);
            __syncthreads();
            if (thread() == 0) w->count = 0;
            __syncthreads();
ROLLED
            for (int i = thread(); i < s.v.n; i += DECIDE_THREADS)
                if (survives(top, row[i], i)) w->list[atomicAdd(&w->count, 1)] = key_of(row[i], i);
            __syncthreads();
            sort_list(w, n_top); /* longer than it may be: used once */
        }
    }
ROLLED
    for (int i = thread(); i < n_top; i += DECIDE_THREADS) tops[i].id = id_of(w->list[i]);
    __syncthreads();
}

/* Ids of the row as it was that stand before `its`, and the sum of e^(l - max) over them. */
static __device__ OUTLINED int rank_of(const survivors &raw, const survivors &s, u64 its, double *left, work_space *w) {
    const row_view &v = raw.v;
    int above = 0;
    double sum = 0;
    if (!s.v.touched && s.n_list > 0 && its <= w->list[s.n_list - 1]) {
ROLLED
        for (int i = thread(); i < s.n_list; i += DECIDE_THREADS)
            if (w->list[i] < its) {
                above++;
                sum += (double)expf(logit_of(w->list[i]) - raw.max);
            }
    } else {
ROLLED
        for (int k = thread(); k < v.n_tiles; k += DECIDE_THREADS) {
            if (key_of(v.tile[k].x, k * 16) >= its) continue;
ROLLED
            for (int id = k * 16; id < k * 16 + 16 && id < v.n; id++)
                if (v.raw[id] > -INFINITY && key_of(v.raw[id], id) < its) {
                    above++;
                    sum += (double)expf(v.raw[id] - raw.max);
                }
        }
    }
    *left = block_sum(sum, w);
    return block_sum(above, w);
}

/* sum of e^((l - max) / T) over the survivors: for the record. */
static __device__ OUTLINED double kept_sum(survivors &s, double warm, double t, work_space *w) {
    double sum = 0;
    if (s.n == 1) return 1;
    if (s.last == ~(u64)0 && t > 0) return warm;
    if (s.n <= s.n_list) {
ROLLED
        for (int i = thread(); i < s.n; i += DECIDE_THREADS) sum += (double)expf((float)det_scaled(logit_of(w->list[i]), s.max, s.inv_t));
        return block_sum(sum, w);
    }
    const float *row = whole_row(s);
ROLLED
    for (int i = thread(); i < s.v.n; i += DECIDE_THREADS)
        if (survives(s, row[i], i)) sum += (double)expf((float)det_scaled(row[i], s.max, s.inv_t));
    return block_sum(sum, w);
}

/* Row r of a step: statistics, filters, draw, record, advance.  To thread 0 true: its sequence has ended with it. */
static __device__ OUTLINED bool draw_token(const decide_args &a, int r, work_space *w) {
    if (!a.row[r].active) return false;
    const decide_row &state = a.state[r];
    const float *raw = a.logits + r * a.ld;
    burst_token *token = a.tokens + r * BURST_MAX_STEPS + state.n_drawn;
    burst_top *tops = a.tops + ((int64_t)r * BURST_MAX_STEPS + state.n_drawn) * BURST_MAX_TOP;
    const uint32_t position = (uint32_t)a.row[r].pos + 1;
    const int64_t tiles = (int64_t)r * a.n_tiles;
    const row_view v = {raw, a.tiles + tiles, a.changed + r * a.ld, a.changed_tiles + tiles, NULL, a.vocab, a.n_tiles, false};

    const row_facts f = facts_of(v, a.row[r].inv_t, w);
    if (f.bad >= 0 || !(f.max > -INFINITY)) return refuse(a, r, token, w);
    const double logz = (double)f.max + det_log(f.sum);
    const survivors whole = {v, f.max, 1.0, f.first, ~(u64)0, f.finite, 0, state.list_room, 0};
    survivors s = whole;

    int n_top = a.n_top < f.finite ? a.n_top : f.finite, wanted = wanted_of(state, n_top, s.room);
    if (n_top > 0) list_tops(s, n_top, wanted < f.finite ? wanted : f.finite, tops, w);

    double t, warm = f.warm, left;
    if (!apply(a, state, r, s, &warm, &t, w)) return refuse(a, r, token, w);
    const int id = s.n == 1 ? id_of(s.first) : s.n <= s.n_list ? draw_listed(s, state.key, position, w) : draw_row(s, state.key, position, w);

    if (!(t > 0)) warm = 1;
    const double kept = kept_sum(s, warm, t, w);
    const int above = rank_of(whole, s, key_of(raw[id], id), &left, w);
    left /= f.sum;
ROLLED
    for (int i = thread(); i < n_top; i += DECIDE_THREADS) {
        int k = tops[i].id;
        float l = logit_at(s.v, k);
        tops[i].p = det_exp((double)raw[k] - logz);
        tops[i].p_final = survives(s, l, k) ? det_exp(det_scaled(l, s.max, s.inv_t)) / kept : 0;
    }
    if (thread() == 0) {
        const double entropy = det_log(f.sum) - f.moment / f.sum, p = det_exp(det_scaled(logit_at(s.v, id), s.max, s.inv_t));
        token->id = id;
        token->rank = above + 1;
        token->kept = s.n;
        token->n_top = n_top;
        token->passes = s.passes;
        token->logit = raw[id];
        token->logprob = (double)raw[id] - logz;
        token->p_temp = t > 0 ? p / warm : id == id_of(s.first);
        token->p_final = p / kept;
        token->left = left < 1 ? left : 1;
        token->entropy = entropy > 0 ? entropy : 0;
    }
    return advance(a, r, id, w);
}

#endif
