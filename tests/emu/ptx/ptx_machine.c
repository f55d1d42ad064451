/* ptx_machine.c -- what compiled PTX needs of its block, its warp and its memory (ptx_isa.h), and the way from a launch to it.
 *
 * Linked into ptx90_bare (`make ptx-test`) beside the emulation: a kernel that is launched is found by its mangled name, and the
 * function made of its PTX runs in the fibers instead of what the C++ compiler made.  Arguments must be as large as PTX
 * declares them.  An asynchronous copy reads and writes at its wait, not before: the latest that a chip may. */
#define _GNU_SOURCE
#include "tests/emu/ptx/ptx_machine.h"

#include <elf.h>
#include <fcntl.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WARP = 32, FIXED_AT = 1024, DYNAMIC_AT = 65536 + 128 }; /* the offsets of ptx_to_c.py */

static ptx_thread *self(void) { return emu_self->own; }
static uint32_t lane(void) { return emu_self->thread.x & (WARP - 1); }

uint32_t ptx_place;

const char *ptx_place_name(const ptx_module *m, uint32_t place) {
    static char text[4][64];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(text[turn], sizeof text[turn], "%s:%u", m ? m->files[place >> PTX_LINE_BITS] : "?", place & ((1u << PTX_LINE_BITS) - 1));
    return text[turn];
}

void ptx_fault(const char *what, uint64_t address, size_t bytes) {
    emu_say_problem("%s: %s: 0x%llx, %zu bytes, by thread %u of block %u, at or after %s", self()->kernel->name, what, (unsigned long long)address,
                    bytes, emu_self->thread.x, emu_self->block.x, ptx_place_name(self()->module, ptx_place));
    emu_fault();
}

/* Memory: host addresses, but for shared memory, which is offsets --------------------------------------------------- */

static unsigned char *aligned(const char *what, uint64_t address, size_t bytes) {
    if (address & (bytes - 1)) ptx_fault(what, address, bytes);
    return (unsigned char *)(uintptr_t)address;
}
unsigned char *ptx_at_shared(uint32_t offset, size_t bytes, unsigned access) {
    const ptx_thread *t = self();
    const size_t own = t->kernel->shared, asked = emu_shared_dynamic_bytes();
    (void)aligned("an address of shared memory that is not aligned", offset, bytes);
    if (offset >= FIXED_AT && offset + bytes <= FIXED_AT + own) {
        ptx_race(t, offset - FIXED_AT, bytes, own + asked, access);
        return t->fixed + (offset - FIXED_AT);
    }
    if (offset < DYNAMIC_AT || offset + bytes > DYNAMIC_AT + asked) ptx_fault("an address outside of shared memory", offset, bytes);
    ptx_race(t, own + offset - DYNAMIC_AT, bytes, own + asked, access);
    return t->dynamic + (offset - DYNAMIC_AT);
}
/* The offset of a host address in shared memory; 0 = it is elsewhere. */
static uint32_t shared_offset(uint64_t address) {
    const ptx_thread *t = self();
    const uint64_t in_fixed = address - (uint64_t)(uintptr_t)t->fixed, in_dynamic = address - (uint64_t)(uintptr_t)t->dynamic;
    if (t->fixed && in_fixed <= t->kernel->shared) return (uint32_t)(FIXED_AT + in_fixed);
    return t->dynamic && in_dynamic <= emu_shared_dynamic_bytes() ? (uint32_t)(DYNAMIC_AT + in_dynamic) : 0;
}
static unsigned char *tracked(uint64_t address, size_t bytes, unsigned access) {
    unsigned char *at = aligned("an address of global memory that is not aligned", address, bytes);
    ptx_order(self(), address, bytes, access);
    return at;
}
unsigned char *ptx_at_generic(uint64_t address, size_t bytes, unsigned access) {
    const uint32_t offset = shared_offset(address);
    if (offset) return ptx_at_shared(offset, bytes, access);
    /* its own local memory: on the stack, between here and what began it */
    if (address >= (uint64_t)(uintptr_t)__builtin_frame_address(0) && address < (uint64_t)(uintptr_t)self()) return ptx_at_local(address, bytes, access);
    return tracked(address, bytes, access);
}
unsigned char *ptx_at_local(uint64_t address, size_t bytes, unsigned access) {
    (void)access;
    return aligned("an address of local memory that is not aligned", address, bytes);
}
unsigned char *ptx_at_param(uint64_t address, size_t bytes, unsigned access) {
    (void)access;
    return aligned("an address of a parameter that is not aligned", address, bytes);
}
/* What a kernel touches before its griddepcontrol.wait the one ahead of it may still write. */
unsigned char *ptx_at_global(uint64_t address, size_t bytes, unsigned access) {
    const ptx_thread *t = self();
    if (t->kernel->waits && !t->waited) ptx_fault("global memory before the wait for the kernel ahead", address, bytes);
    if (shared_offset(address)) ptx_fault("an address of global memory that is shared memory's", address, bytes);
    return tracked(address, bytes, access);
}
/* Weights, asked for before that wait: what the kernel ahead did not write. */
unsigned char *ptx_at_once(uint64_t address, size_t bytes, unsigned access) { return tracked(address, bytes, access); }
uint64_t ptx_cvta_shared_u64(uint64_t offset) {
    return (uint64_t)(uintptr_t)(offset >= DYNAMIC_AT ? self()->dynamic + (offset - DYNAMIC_AT) : self()->fixed + (offset - FIXED_AT));
}
uint64_t ptx_cvta_to_shared_u64(uint64_t address) {
    const uint32_t offset = shared_offset(address);
    if (!offset) ptx_fault("an address that is not shared memory's", address, 1);
    return offset;
}

void ptx_cp_async_cg_shared_global(uint32_t to, uint64_t from, uint32_t bytes) {
    ptx_thread *t = self();
    (void)ptx_at_shared(to, bytes, PTX_WRITE);
    (void)ptx_at_once(from, bytes, PTX_READ);
    if (bytes != 16 || t->n_copies == PTX_MAX_COPIES) ptx_fault("an asynchronous copy", from, bytes);
    t->copies[t->n_copies].from = from;
    t->copies[t->n_copies].to = to;
    t->copies[t->n_copies++].group = t->group;
}
void ptx_cp_async_commit_group(void) { self()->group++; }
static void land(uint32_t before_group) {
    ptx_thread *t = self();
    int left = 0;
    for (int i = 0; i < t->n_copies; i++)
        if (t->copies[i].group < before_group) memcpy(ptx_at_shared(t->copies[i].to, 16, PTX_WRITE), ptx_at_once(t->copies[i].from, 16, PTX_READ), 16);
        else t->copies[left++] = t->copies[i];
    t->n_copies = left;
}
void ptx_cp_async_wait_group(uint32_t left) {
    if (self()->group > left) land(self()->group - left);
}
void ptx_cp_async_wait_all(void) { land(self()->group + 1); }

/* Threads -------------------------------------------------------------------------------------------------------- */

void ptx_bar_sync(uint32_t barrier) {
    if (barrier) ptx_fault("a barrier other than 0", barrier, 0);
    ptx_order_arrive(self());
    emu_sync_block();
    self()->barriers++;
    self()->stamp = 0;
    ptx_order_leave(self());
}
static void whole_warp(uint32_t members) {
    if (members != 0xffffffffu) ptx_fault("a part of a warp", members, 0);
}
void ptx_bar_warp_sync(uint32_t members) {
    whole_warp(members);
    emu_sync_warp();
    self()->warp_barriers++;
    self()->stamp = 0;
}
void ptx_griddepcontrol_wait(void) {
    emu_dependency_wait();
    self()->waited = 1;
}
uint32_t ptx_vote_sync_ballot_b32(uint8_t mine, uint32_t members) {
    uint8_t all[WARP];
    uint32_t bits = 0;
    whole_warp(members);
    emu_warp_gather(&mine, 1, all);
    for (int i = 0; i < WARP; i++) bits |= (uint32_t)(all[i] != 0) << i;
    return bits;
}
/* limits: a mask of lanes that keep to themselves (bits 8 to 12) and the last lane that may be read (bits 0 to 4). */
uint32_t ptx_shuffle(int kind, uint32_t mine, uint32_t by, uint32_t limits, uint32_t members, uint8_t *inside) {
    struct { uint32_t value, here; } give = {mine, 1}, all[WARP];
    const uint32_t segment = limits >> 8 & 31, clamp = limits & 31, l = lane();
    const uint32_t last = (l & segment) | (clamp & ~segment), first = l & segment;
    by &= 31;
    whole_warp(members);
    emu_warp_gather(&give, sizeof give, all);
    int from = kind == PTX_UP ? (int)(l - by) : kind == PTX_DOWN ? (int)(l + by) : kind == PTX_BFLY ? (int)(l ^ by) : (int)(first | (by & ~segment));
    *inside = kind == PTX_UP ? from >= (int)last : from <= (int)last;
    if (!*inside) from = (int)l;
    return all[from].here ? all[from].value : (uint32_t)PTX_POISON; /* a thread that has ended gives nothing */
}

/* Matrices ------------------------------------------------------------------------------------------------------- */

/* A sum as tensor cores have it (Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021): products are
 * exact, terms are cut off two bits behind the largest's last, and so is their sum behind its own;
 * what is beyond the range is infinite. */
static float cut_sum(float c, const double *product, int n) {
    double largest = fabs((double)c), plain = (double)c, units;
    for (int i = 0; i < n; i++) plain += product[i], largest = fmax(largest, fabs(product[i]));
    if (!isfinite(plain) || largest == 0) return (float)plain;
    int exponent;
    (void)frexp(largest, &exponent);
    units = trunc(ldexp((double)c, 26 - exponent));
    for (int i = 0; i < n; i++) units += trunc(ldexp(product[i], 26 - exponent));
    double exact = ldexp(units, exponent - 26);
    float f = (float)exact;
    return fabs(exact) < 0x1p128 && fabs((double)f) > fabs(exact) ? nextafterf(f, 0) : f;
}

/* ISA, "Matrix Fragments for mma.m16n8k16", 16-bit types: lane = 4 group + member.  a: row = group, or group + 8 for the odd
 * registers; column = 2 member + (0, 1), + 8 for the last two registers.  b: row = 2 member + (0, 1), + 8 for the second
 * register; column = group.  c, d: row = group, + 8 for the last two; column = 2 member + (0, 1).  Low halves come first. */
void ptx_mma_sync_aligned_m16n8k16_row_col_f32_bf16_bf16_f32(uint32_t d[4], const uint32_t a[4], const uint32_t b[2], const uint32_t c[4]) {
    struct { uint32_t a[4], b[2]; } mine, all[WARP];
    float A[2][16], B[16][2];
    const uint32_t group = lane() / 4, member = lane() % 4;
    memcpy(mine.a, a, sizeof mine.a);
    memcpy(mine.b, b, sizeof mine.b);
    emu_warp_gather(&mine, sizeof mine, all);
    for (uint32_t m = 0; m < 4; m++) /* the two rows of A and the two columns of B that meet in this lane's c */
        for (uint32_t i = 0; i < 8; i++) {
            const uint32_t column = 2 * m + i % 2 + (i >= 4 ? 8 : 0), high = i % 2 * 16;
            A[i / 2 % 2][column] = ptx_f32(all[group * 4 + m].a[i / 2] >> high << 16);
            if (i >= 4) continue;
            for (uint32_t n = 0; n < 2; n++)
                B[2 * m + i % 2 + (i >= 2 ? 8 : 0)][n] = ptx_f32(all[(2 * member + n) * 4 + m].b[i / 2] >> high << 16);
        }
    for (uint32_t i = 0; i < 4; i++) {
        double product[16];
        for (int k = 0; k < 16; k++) product[k] = (double)A[i / 2][k] * (double)B[k][i % 2];
        d[i] = ptx_of_f32(cut_sum(ptx_f32(c[i]), product, 16));
    }
}

/* Rounded down, whatever the thread rounds to. */
float ptx_fma_down(float a, float b, float c) {
    volatile float x = a, y = b, z = c, r; /* not moved over the changes of the rounding */
    int before = fegetround();
    fesetround(FE_DOWNWARD);
    r = fmaf(x, y, z);
    fesetround(before);
    return r;
}

/* Launches ------------------------------------------------------------------------------------------------------- */

static ptx_module *modules;

const ptx_module *ptx_module_of(unsigned number) {
    const ptx_module *m = modules;
    while (m && m->number != number) m = m->next;
    return m;
}

static const ptx_kernel *kernel_called(const char *name, const ptx_module **of) {
    const int internal = strncmp(name, "_ZL", 3) == 0; /* what is static here is not in PTX */
    for (const ptx_module *m = modules; m; m = m->next)
        for (int i = 0; i < m->n; i++)
            if (!strcmp(m->kernels[i].name + 2, name + (internal ? 3 : 2))) {
                *of = m;
                return &m->kernels[i];
            }
    return NULL;
}

/* By the names that this program's symbol table gives the function: dladdr does not know static ones. */
static const ptx_kernel *kernel_at(const void *function, const ptx_module **of) {
    static const char *program;
    const ptx_kernel *found = NULL;
    struct stat st;
    int fd = program ? -1 : open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0) program = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0) close(fd);
    const Elf64_Ehdr *head = (const void *)program;
    const Elf64_Shdr *sections = (const void *)(program + head->e_shoff);
    for (int s = 0; s < head->e_shnum; s++) {
        if (sections[s].sh_type != SHT_SYMTAB) continue;
        const Elf64_Sym *symbols = (const void *)(program + sections[s].sh_offset);
        const char *names = program + sections[sections[s].sh_link].sh_offset;
        const size_t n = sections[s].sh_size / sizeof *symbols;
        uint64_t moved = 0;
        for (size_t i = 0; i < n; i++)
            if (!strcmp(names + symbols[i].st_name, "ptx_add")) moved = (uint64_t)(uintptr_t)ptx_add - symbols[i].st_value;
        for (size_t i = 0; i < n && !found; i++)
            if (symbols[i].st_value + moved == (uint64_t)(uintptr_t)function && !strncmp(names + symbols[i].st_name, "_Z", 2))
                found = kernel_called(names + symbols[i].st_name, of);
    }
    return found;
}

static void run(const void *function, unsigned char *const *given, const size_t *bytes, int n) {
    static const void *last;
    static const ptx_kernel *kernel;
    static const ptx_module *module;
    static const ptx_kernel none = {"a kernel", NULL, 0, NULL, 0, 0, 0};
    ptx_thread t;
    if (function != last) kernel = kernel_at(function, &module), last = function;
    t.kernel = kernel ? kernel : &none;
    t.module = kernel ? module : NULL;
    t.n_copies = t.waited = 0;
    t.group = t.barriers = t.warp_barriers = 0;
    emu_self->own = &t;
    ptx_order_begin(&t);
    if (!kernel) ptx_fault("there is no PTX of it", (uint64_t)(uintptr_t)function, 0);
    if (n != kernel->n) ptx_fault("it has another number of parameters", (uint64_t)n, 0);
    for (int i = 0; i < n; i++)
        if (bytes[i] != kernel->bytes[i]) ptx_fault("a parameter has another size in PTX", (uint64_t)i, kernel->bytes[i]);
    if (emu_self->block_size.x * emu_self->block_size.y * emu_self->block_size.z > kernel->threads)
        ptx_fault("more threads than it was compiled for", kernel->threads, 0);
    t.fixed = kernel->shared ? emu_shared(kernel, kernel->shared) : NULL;
    t.dynamic = emu_shared_dynamic();
    kernel->run(given);
}

void ptx_add(ptx_module *m) {
    m->number = modules ? modules->number + 1 : 1;
    m->next = modules;
    modules = m;
    emu_capability(m->target / 10);
    emu_instead = run;
}
