/* fpenv.c -- loading a library must not change the floating-point environment of its host.  fpenv.sh runs it on each. */
#include <dlfcn.h>
#include <fenv.h>
#include <stdio.h>
#include <string.h>

typedef struct environment {
    unsigned mxcsr;
    int rounding;
    float denormal_sum;
    double denormal_product;
} environment;

static environment look(void) {
    volatile float tiny = 1e-39f;
    volatile double small = 1e-308, half = 0.25;
    environment e;
    memset(&e, 0, sizeof e);
#if defined(__x86_64__)
    __asm__ volatile("stmxcsr %0" : "=m"(e.mxcsr));
    e.mxcsr &= ~0x3Fu; /* the sticky flags are results, not modes */
#endif
    e.rounding = fegetround();
    e.denormal_sum = tiny + tiny;
    e.denormal_product = small * half;
    return e;
}

int main(int argc, char **argv) {
    int bad = 0;
    for (int i = 1; i < argc; i++) {
        environment before = look();
        void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            printf("%s: %s\n", argv[i], dlerror());
            return 1;
        }
        environment after = look();
        if (memcmp(&before, &after, sizeof before) != 0) {
            printf("%s changed the floating-point environment: mxcsr %04x to %04x, 1e-39 + 1e-39 = %g\n", argv[i],
                   before.mxcsr, after.mxcsr, (double)after.denormal_sum);
            bad = 1;
        }
        dlclose(library);
    }
    return bad;
}
