/* own_dirs.c -- the directories that the workers of this process write to.  The lock on a directory decides who writes there
 * (hooks/journal.h), and a worker of this very trainer that holds it is about to end (lock_holder.h), unless its session is open:
 * a second session in worker mode is then refused at open, an inline one, which may be there for its requests alone, at its first
 * eval.  Called by api.c and inline.c. */
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/internal/status.h"
#include "plugin/guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static glimpse *first; /* of all that are open; a forked child has its parent's, with another owner */

static const glimpse *writer_of(const struct stat *s) {
    for (const glimpse *g = first; g; g = g->next)
        if (g->owner == getpid() && !g->off && g->dir_device == s->st_dev && g->dir_inode == s->st_ino) return g;
    return NULL;
}

glimpse_status own_dir_is_free(const char *dir) {
    struct stat s;
    if (stat(dir, &s)) return GLIMPSE_OK; /* not there yet */
    pthread_mutex_lock(&lock);
    const bool taken = writer_of(&s) != NULL;
    pthread_mutex_unlock(&lock);
    if (taken) FAIL(GLIMPSE_E_BUSY, "%s: another session of this program writes here\nhint: glimpse_close ends it; or give this one its own "
                    "--out_dir", dir);
    return GLIMPSE_OK;
}

void own_dir_take(glimpse *g, const char *dir) {
    struct stat s;
    const bool there = stat(dir, &s) == 0;
    g->dir_device = there ? s.st_dev : 0;
    g->dir_inode = there ? s.st_ino : 0;
    pthread_mutex_lock(&lock);
    g->next = first;
    first = g;
    pthread_mutex_unlock(&lock);
}

void own_dir_leave(const glimpse *g) {
    pthread_mutex_lock(&lock);
    for (glimpse **at = &first; *at; at = &(*at)->next)
        if (*at == g) {
            *at = g->next;
            break;
        }
    pthread_mutex_unlock(&lock);
}
