/* nearest.c -- see nearest.h. */
#include "include/internal/nearest.h"

int edit_distance(const char *a, size_t na, const char *b, size_t nb) {
    int rows[3][NEAREST_BYTES + 1];
    if (na > NEAREST_BYTES) na = NEAREST_BYTES;
    if (nb > NEAREST_BYTES) nb = NEAREST_BYTES;
    for (size_t j = 0; j <= nb; j++) rows[0][j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_above[j - 2] + 1 < best)
                best = two_above[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[na % 3][nb];
}

int nearest_limit(size_t bytes) { return bytes < 5 ? 1 : (int)bytes * 2 / 5; }
