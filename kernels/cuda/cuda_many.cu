/* cuda_many.cu -- y = W x for more rows than cuda_matmul.cu is for: 17 to 64, and from 9 on where W is large.
 *
 * There a block reads x again for every 16 rows of W, out of the L2 cache: at 64 rows that is eight times what it reads of W.
 * Here a block owns up to 128 rows of W for all rows of x, and where that leaves multiprocessors idle the parts of the dot
 * products (cuda.cuh) are shared by two or eight blocks, whose sums the last one adds: the same bits.  Called by
 * cuda_backend.cu, which has x brought to planes first: by what writes it, or by prologue_kernel. */
#include "kernels/cuda/matmul.cuh"
#include "kernels/cuda/persist.cuh"

enum {
    MANY_WARPS = 8,             /* at most, a tile of 16 rows each */
    HAND_OFF = 256 << 10        /* what the planes' kernel and the adding of parts are taken to cost, in bytes of a multiprocessor's reading */
};

typedef struct many_args {
    int32_t splits;             /* 1, 2 or 8 blocks share the parts */
    float4 *partial;            /* (splits, tiles, NT, 32) sums of parts, as the lanes hold them */
    int32_t *arrived;           /* (groups of tiles), 0 between launches */
} many_args;

/* Blocks of 32 elements on their way or in use; within 99 KiB, which the smallest of the chips has. */
template <class W> struct pipeline { enum { STAGES = sizeof(W) == 4 ? 3 : 6 }; };

/* many_kernel -- a product of many rows, with cuda_matmul.cu's epilogues.
 *
 *   part[].w (rows of y, ld) W in; planes (X_PLANES, rows, ld_planes) bf16 in; out or the caches as matmul_kernel's
 *
 * Block (group of tiles, split): warp w owns tile w of the group for all rows.  Weights and planes come to shared memory by
 * 16-byte asynchronous copies, STAGES - 1 blocks of 32 elements ahead; a lane copies the very weights that it multiplies.
 * Weights of the first stages are asked for before waiting for the kernel ahead.
 * Numerics: matmul_kernel's, bit for bit.  Reference: reference.c.  Not measured on a chip yet. */
template <class W, int NT> __global__ void __launch_bounds__(MANY_WARPS * 32) many_kernel(const matmul_args a, const many_args s) {
    typedef weights<W> frag;
    enum { XP = frag::X_PLANES, STAGES = pipeline<W>::STAGES, PIECES = (int)sizeof(W) / 2, COLS = NT * 8, W_BYTES = 2 * PIECES * 512,
           X_BYTES = XP * COLS * 64 };
    SHARED_DYN(unsigned char, shared);
    SHARED(int, is_last, 1);
    const int warps = (int)blockDim.x / 32, warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x & 31, g = lane >> 2, q = lane & 3;
    const int tile = (int)blockIdx.x * warps + warp, tiles = (int)gridDim.x * warps, stage_bytes = warps * W_BYTES + X_BYTES;
    const int each = MATMUL_WARPS / s.splits, first = (int)blockIdx.y * each;
    const int from = part_begin(a.kp, first), blocks = part_begin(a.kp, first + each) - from;
    const int64_t plane = a.ld_planes * a.rows;
    int y[2] = {-1, -1};
    const W *w[2];
    if (tile < a.n_tiles) rows_of_tile(a, tile, g, &y[0], &y[1]); /* of the weights that it multiplies */
    for (int h = 0; h < 2; h++) w[h] = row_of_weights<W>(a, y[h] < 0 ? 0 : y[h]) + q * 8; /* a row that is none is not stored */

    auto fetch_w = [&](int i) {
        if (i >= blocks) return;
        unsigned char *to = shared + i % STAGES * stage_bytes + warp * W_BYTES + lane * 16;
        for (int h = 0; h < 2; h++)
            for (int piece = 0; piece < PIECES; piece++)
                copy_async_16(to + (h * PIECES + piece) * 512, (const char *)(w[h] + (from + i) * 32) + piece * 16);
    };
    auto fetch_x = [&](int i) {
        if (i < blocks) {
            unsigned char *to = shared + i % STAGES * stage_bytes + warps * W_BYTES;
            for (int k = (int)threadIdx.x; k < XP * COLS * 4; k += (int)blockDim.x) {
                int p = k / (COLS * 4), n = k / 4 % COLS;
                copy_async_16(to + k * 16, a.planes + p * plane + (n < a.rows ? n : a.rows - 1) * a.ld_planes + (from + i) * 32 + k % 4 * 8);
            }
        }
        copy_async_commit();
    };
    for (int i = 0; i < STAGES - 1; i++) fetch_w(i);
    dependency_wait();
    dependency_launch();
    for (int i = 0; i < STAGES - 1; i++) fetch_x(i);

    float c[NT][4], quad[NT][4] = {}, low[NT][4] = {};
    for (int part = first, i = 0; part < first + each; part++) {
UNROLL
        for (int t = 0; t < NT; t++)
UNROLL
            for (int j = 0; j < 4; j++) c[t][j] = 0;
        for (; from + i < part_begin(a.kp, part + 1); i++) {
            copy_async_wait<STAGES - 2>(); /* block i is here, as far as this thread asked for it */
            __syncthreads();               /* and all of it; block i - 1 is done with */
            fetch_w(i + STAGES - 1);
            fetch_x(i + STAGES - 1);
            const unsigned char *stage = shared + i % STAGES * stage_bytes, *mine = stage + warp * W_BYTES + lane * 16;
            frag f;
            memcpy(&f.v[0], mine, 16);
            if (PIECES == 2) memcpy((char *)&f.v[0] + 16, mine + 512, 16);
            memcpy(&f.v[1], mine + PIECES * 512, 16);
            if (PIECES == 2) memcpy((char *)&f.v[1] + 16, mine + 3 * 512, 16);
            multiply_block<W, NT>(c, f, [&](int p, int n) {
                return load_shared_or_global(stage + warps * W_BYTES + ((p * COLS + n) * 32 + q * 8) * 2);
            });
        }
UNROLL
        for (int t = 0; t < NT; t++)
UNROLL
            for (int j = 0; j < 4; j++) {
                quad[t][j] = each == 1 || part % 4 == 0 ? c[t][j] : quad[t][j] + c[t][j];
                if (each == MATMUL_WARPS && part == 3) low[t][j] = quad[t][j];
            }
    }

    if (s.splits > 1) {
UNROLL
        for (int t = 0; t < NT; t++)
            s.partial[(((int64_t)blockIdx.y * tiles + tile) * NT + t) * 32 + lane] = make_float4(quad[t][0], quad[t][1], quad[t][2], quad[t][3]);
        __syncthreads();
        if (threadIdx.x == 0) {
            *is_last = count_and_see(&s.arrived[blockIdx.x]) + 1 == s.splits;
            if (*is_last) s.arrived[blockIdx.x] = 0;
        }
        __syncthreads();
        if (!*is_last) return;
    }
    /* The sums, by way of shared memory, to lanes that hold eight neighbours of a row: what ends a pair is code that is fetched once and not
     * for each of the pairs that a lane has. */
    enum { PITCH = COLS + 8, AT_ONCE = 4 };
    float *mine = (float *)shared + warp * 16 * PITCH;
    __syncthreads(); /* the last stage is done with */
UNROLL
    for (int t = 0; t < NT; t++) {
        float v[4];
        if (s.splits == 1) {
UNROLL
            for (int j = 0; j < 4; j++) v[j] = low[t][j] + quad[t][j];
        } else {
            float4 sum[2];
            for (int half = 0; half < 2; half++) {
                int n = s.splits / 2;
                for (int k = 0; k < n; k++) {
                    float4 p = s.partial[(((int64_t)(half * n + k) * tiles + tile) * NT + t) * 32 + lane];
                    if (k == 0) sum[half] = p;
                    else sum[half].x += p.x, sum[half].y += p.y, sum[half].z += p.z, sum[half].w += p.w;
                }
            }
            v[0] = sum[0].x + sum[1].x, v[1] = sum[0].y + sum[1].y, v[2] = sum[0].z + sum[1].z, v[3] = sum[0].w + sum[1].w;
        }
        float *at = mine + g * PITCH + t * 8 + 2 * q;
        at[0] = v[0], at[1] = v[1], at[8 * PITCH] = v[2], at[8 * PITCH + 1] = v[3];
    }
    sync_warp();
    const int r = lane & 7;
    int y0 = -1, y1 = -1;
    if (tile < a.n_tiles) rows_of_tile(a, tile, r, &y0, &y1);
ROLLED
    for (int n0 = lane >> 3; n0 - (lane >> 3) < a.rows; n0 += 4 * AT_ONCE) { /* whole warps */
        pair_ahead ahead[AT_ONCE];
UNROLL
        for (int j = 0; j < AT_ONCE; j++) ahead[j] = ask_ahead(a, tile, n0 + 4 * j, n0 + 4 * j < a.rows && tile < a.n_tiles, y0, y1);
UNROLL
        for (int j = 0; j < AT_ONCE; j++) {
            const int n = n0 + 4 * j; /* below COLS, which is a multiple of 4 AT_ONCE */
            finish_pair<1>(a, tile, n, n < a.rows && tile < a.n_tiles, y0, y1, mine[r * PITCH + n], mine[(r + 8) * PITCH + n], ahead[j]);
        }
    }
}

/* === The host's side ============================================================================================= */

typedef struct many_shape {
    int32_t warps, splits, groups;
    int64_t cost;               /* bytes that the busiest multiprocessor reads */
} many_shape;

static int32_t columns_of(int32_t rows) { return rows <= 16 ? 16 : rows <= 32 ? 32 : 64; }

/* The one in which the busiest multiprocessor reads least. */
static many_shape shape_of(const cuda_backend *be, glimpse_dtype dtype, int32_t n_tiles, int32_t kp, int32_t columns) {
    many_shape best = {0, 0, 0, INT64_MAX};
    const int64_t w_size = dtype == GLIMPSE_F32 ? 4 : 2, planes = dtype == GLIMPSE_F32 ? 3 : 2;
    for (int32_t warps = MANY_WARPS; warps >= 4; warps /= 2)
        for (int32_t splits = 1; splits <= MATMUL_WARPS; splits *= splits == 2 ? 4 : 2) {
            many_shape m = {warps, splits, (n_tiles + warps - 1) / warps, 0};
            int64_t waves = ((int64_t)m.groups * splits + be->multiprocessors - 1) / be->multiprocessors;
            m.cost = waves * ((warps * 16 * w_size + columns * planes * 2) * kp / splits + (splits > 1 ? (int64_t)warps * 16 * columns * 8 : 0));
            if (m.cost < best.cost) best = m;
        }
    return best;
}

bool cuda_many_takes(const cuda_backend *be, glimpse_dtype dtype, const matmul_args *a) {
    if (a->rows > MATMUL_FEW || a->rows <= 8) return a->rows > MATMUL_FEW;
    const int64_t w_size = dtype == GLIMPSE_F32 ? 4 : 2, planes = dtype == GLIMPSE_F32 ? 3 : 2;
    int64_t waves = (a->n_tiles + be->multiprocessors - 1) / be->multiprocessors;
    return shape_of(be, dtype, a->n_tiles, a->kp, 16).cost + HAND_OFF < waves * 16 * (w_size + planes * 2) * a->kp;
}

static bool multiplies(const cuda_phase *ph) { return ph->p->kind == PHASE_MATMUL || ph->p->kind == PHASE_HEAD; }

glimpse_status cuda_many_open(cuda_backend *be) {
    int64_t sums = 0, groups = 0;
    for (int i = 0; i < be->p->n_phases; i++) {
        const cuda_phase *ph = &be->phases[i];
        int32_t kp = multiplies(ph) ? (int32_t)round_up(be->p->width[ph->p->in], ROW_ALIGN) : 0;
        int32_t n_tiles = ph->p->kind == PHASE_HEAD ? (be->p->vocab + 15) / 16 : ph->n_tiles;
        for (int32_t columns = 16; kp && columns <= MATMUL_ROWS && (columns == 16 || be->cfg.max_rows > columns / 2); columns *= 2) {
            many_shape m = shape_of(be, ph->dtype, n_tiles, kp, columns);
            int64_t n = m.splits > 1 ? (int64_t)m.splits * m.groups * m.warps * 16 * columns : 0;
            if (n > sums) sums = n;
            if (m.groups > groups) groups = m.groups;
        }
    }
    if (be->cfg.max_rows <= 8) return GLIMPSE_OK;
    TRY(cuda_take(be, &be->many_partial, "sums of products", sums, 1, sizeof(float)));
    return cuda_take(be, &be->many_arrived, "sums of products", groups, 1, sizeof *be->many_arrived);
}

template <class W, int NT> static size_t shared_bytes(int32_t warps) {
    return (size_t)pipeline<W>::STAGES * ((size_t)warps * 2 * (sizeof(W) / 2) * 512 + (size_t)weights<W>::X_PLANES * NT * 8 * 64);
}

template <class W, int NT> static cudaError_t launch(cuda_backend *be, const many_shape *m, const matmul_args *a) {
    many_args s = {m->splits, (float4 *)be->many_partial, be->many_arrived};
    return LAUNCH((many_kernel<W, NT>), dim3((unsigned)m->groups, (unsigned)m->splits), dim3((unsigned)m->warps * 32),
                  (shared_bytes<W, NT>(m->warps)), be->stream, be->chained, *a, s);
}

template <class W> static cudaError_t launch_columns(cuda_backend *be, const many_shape *m, int32_t columns, const matmul_args *a) {
    return columns == 16 ? launch<W, 2>(be, m, a) : columns == 32 ? launch<W, 4>(be, m, a) : launch<W, 8>(be, m, a);
}

cudaError_t cuda_many(cuda_backend *be, glimpse_dtype dtype, const matmul_args *a) {
    if (be->record) return persist_matmul(be->record, dtype, a); /* there a block's tile is read by all that stay anyway */
    int32_t columns = columns_of(a->rows);
    many_shape m = shape_of(be, dtype, a->n_tiles, a->kp, columns);
    switch (dtype) {
    case GLIMPSE_F32: return launch_columns<float>(be, &m, columns, a);
    case GLIMPSE_BF16: return launch_columns<__nv_bfloat16>(be, &m, columns, a);
    default: return launch_columns<__half>(be, &m, columns, a);
    }
}

template <class W> static cudaError_t prepare() {
    cudaError_t e[] = {load_kernel(many_kernel<W, 2>, shared_bytes<W, 2>(MANY_WARPS)), load_kernel(many_kernel<W, 4>, shared_bytes<W, 4>(MANY_WARPS)),
                       load_kernel(many_kernel<W, 8>, shared_bytes<W, 8>(MANY_WARPS))};
    return e[0] != cudaSuccess ? e[0] : e[1] != cudaSuccess ? e[1] : e[2];
}

cudaError_t cuda_many_prepare() {
    cudaError_t e = prepare<float>();
    if (e == cudaSuccess) e = prepare<__nv_bfloat16>();
    return e == cudaSuccess ? prepare<__half>() : e;
}
