/* safe_file.h -- files that are whole or not there: written beside their name, synced, then renamed over it.
 * A full disk or a crash leaves the older file as it was.  Called by corpus.c and gpt_checkpoint.c. */
#ifndef TRAIN_GPT_SAFE_FILE_H
#define TRAIN_GPT_SAFE_FILE_H

#include <stddef.h>
#include <stdio.h>

enum { SAFE_PATH = 4096 };

typedef struct safe_file {
    FILE *stream;
    int error;             /* errno of the first failure, 0 so far */
    char path[SAFE_PATH];
    char temporary[SAFE_PATH];
} safe_file;

/* 0, or -1 with errno set: then nothing is open. */
int safe_open(safe_file *f, const char *path);
/* Failures are kept for safe_close. */
void safe_write(safe_file *f, const void *data, size_t bytes);
/* Sync, close, rename.  0, or -1 with errno set: then the temporary file is gone and the old file untouched. */
int safe_close(safe_file *f);

#endif
