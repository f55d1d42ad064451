/* replay.c -- runs a fuzzer without a fuzzing engine: every file of tests/fuzz/corpus/NAME, then mutations of them from a
 * fixed seed, so that `make test` gives the same answer each time.  A fuzz_NAME.c defines LLVMFuzzerTestOneInput as for
 * libFuzzer; `replay N dir...` makes N mutations a file.  A crash leaves the input in $TMP/crash.  Called by fuzz.sh. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { INPUT_BYTES = 1 << 20 };
static uint64_t state = 42;

static uint64_t draw(uint64_t n) { /* splitmix64 */
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (z ^ z >> 31) % n;
}

/* The input is on the disk before it runs: whatever kills the process, the file is what did it. */
static int run(const uint8_t *bytes, size_t n, const char *crash) {
    if (crash) {
        FILE *f = fopen(crash, "wb");
        if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
            perror(crash);
            return 1;
        }
    }
    /* A copy of exactly n bytes, so that a read past the end is seen by ASan. */
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact) return 1;
    memcpy(exact, bytes, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 0;
}

static size_t mutate(uint8_t *b, size_t n) {
    static const uint8_t interesting[] = {0, 1, 0x7F, 0x80, 0xFF, '"', '{', '[', '\\', '\n'};
    for (uint64_t k = 1 + draw(4); k > 0; k--) {
        size_t at = n ? draw(n) : 0, len;
        switch (draw(6)) {
        case 0: if (n) b[at] ^= (uint8_t)(1u << draw(8)); break;
        case 1: if (n) b[at] = interesting[draw(sizeof interesting)]; break;
        case 2: if (n) b[at] = (uint8_t)draw(256); break;
        case 3: n = at; break; /* cut off */
        case 4: /* take a piece out */
            len = n ? 1 + draw(n - at) : 0;
            memmove(b + at, b + at + len, n - at - len);
            n -= len;
            break;
        default: /* say a piece twice */
            len = n ? 1 + draw(n - at < 64 ? n - at : 64) : 0;
            if (n + len > INPUT_BYTES) break;
            memmove(b + at + len, b + at, n - at);
            n += len;
        }
    }
    return n;
}

int main(int argc, char **argv) {
    static uint8_t original[INPUT_BYTES], changed[INPUT_BYTES];
    char crash[512] = "";
    long mutations = argc > 1 ? atol(argv[1]) : 0, files = 0;
    if (getenv("TMP")) snprintf(crash, sizeof crash, "%s/crash", getenv("TMP"));
    if (run((const uint8_t *)"", 0, NULL)) return 1;
    for (int i = 2; i < argc; i++) {
        struct dirent **names;
        int n_names = scandir(argv[i], &names, NULL, alphasort);
        for (int k = 0; k < n_names; k++) {
            char path[1024];
            snprintf(path, sizeof path, "%s/%s", argv[i], names[k]->d_name);
            FILE *f = names[k]->d_name[0] == '.' ? NULL : fopen(path, "rb");
            if (f) {
                size_t n = fread(original, 1, sizeof original, f);
                fclose(f);
                files++;
                if (run(original, n, NULL)) return 1;
                for (long m = 0; m < mutations; m++) {
                    memcpy(changed, original, n);
                    if (run(changed, mutate(changed, n), crash[0] ? crash : NULL)) return 1;
                }
            }
            free(names[k]);
        }
        if (n_names >= 0) free(names);
    }
    printf("%ld files, %ld mutations each\n", files, mutations);
    return files == 0;
}
