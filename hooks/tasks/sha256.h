/* sha256.h -- SHA-256 (FIPS 180-4), as hexadecimal text: the hashes by which lm-evaluation-harness names documents,
 * prompts and tasks, and by which a data file is named.  Called by hooks/tasks. */
#ifndef GLIMPSE_HOOKS_TASKS_SHA256_H
#define GLIMPSE_HOOKS_TASKS_SHA256_H

#include <stddef.h>

enum { SHA256_HEX = 65 };
void sha256_hex(const void *bytes, size_t n, char out[SHA256_HEX]);

#endif
