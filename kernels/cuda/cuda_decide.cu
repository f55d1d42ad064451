/* cuda_decide.cu -- a row of logits to one id and its record, as sampling/samplers/chain.c does it on the CPU: the same logits
 * and the same key give the same token, bit for bit.  Compiled with -fmad=false.  Called by cuda_burst.cu.
 *
 * Every filter of a burst keeps a prefix of the candidates in the order (logit descending, id ascending), so the survivors
 * are the ids whose key is at most `last` (select.cuh). */
#include "kernels/cuda/select.cuh"

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
        bool ends = id < 0 || id == state.eos || state.n_drawn >= state.steps;
        for (int i = 0; i < state.n_more_eos; i++) ends |= id == state.more_eos[i];
        if (ends) a.row[r].active = 0;
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

    const row_facts f = facts_of(raw, s.n, w);
    const int finite = f.finite;
    s.max = f.max;
    if (f.bad >= 0 || !(s.max > -INFINITY)) {
        refuse(a, r, token, f.bad, f.bad < 0 ? -INFINITY : raw[f.bad], w);
        return;
    }
    double sum, moment;
    moments_of(raw, s.n, s.max, &sum, &moment, w);
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
