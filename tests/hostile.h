/* hostile.h -- files that lie: each must be refused with an error that names the offence, quickly and without memory.
 * hostile_begin limits what this process may still take to 64 MB, so that a size believed from a file shows as
 * GLIMPSE_E_MEMORY; each refusal may use 50 ms of the processor, the best of three.  With GLIMPSE_HOSTILE=FILE a test that
 * calls hostile_begin adds a line to FILE: its name, how many files, the slowest refusal, the most memory (`make hostile`). */
#ifndef GLIMPSE_TEST_HOSTILE_H
#define GLIMPSE_TEST_HOSTILE_H

#include <glimpse.h>

#define hostile_begin() hostile_begin_of(__func__)
void hostile_begin_of(const char *test); /* for the rest of the test, which runs in a process of its own */
/* checkpoint_open(path) must fail with `code` and a text that holds `says`. */
void hostile_checkpoint(const char *what, const char *path, int code, const char *says);
/* tokenizer_load, likewise. */
void hostile_tokenizer(const char *what, const char *path, int code, const char *says);

#endif
