/* keeper.c -- the parent of the worker: it waits for its end and tells the trainer how it came.  The trainer keeps no
 * child (plugin/spawn.h), so nobody else learns of a SIGKILL.
 *
 *   trainer --spawn--> keeper --fork--> worker             the socket's worker end is held by both
 *      ^                  |  waits         | samples
 *      |                  |<-- its end ----+
 *      +---- WORDS -------+  and ends itself: end of file
 *
 * The worker is forked before anything is loaded, and its parent holds nothing but the socket: no stderr (a `| tee` ends
 * with the worker), no directory.  Killed together with the worker, it says nothing, and the trainer knows that much.
 * Called by worker.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/internal/buffer.h"
#include "include/internal/file.h"
#include "plugin/cli/cli.h"
#include "plugin/worker_protocol.h"

/* How many processes the kernel has killed for want of memory, in whatever group of processes; -1 = not known. */
static int64_t oom_kills(void) {
    char text[32768];
    size_t n = 0;
    int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
    for (ssize_t r; fd >= 0 && n < sizeof text - 1 && (r = read(fd, text + n, sizeof text - 1 - n)) > 0;) n += (size_t)r;
    if (fd >= 0) close(fd);
    text[n] = 0;
    const char *p = strstr(text, "\noom_kill ");
    int64_t kills;
    if (!p) return -1;
    p += strlen("\noom_kill ");
    return parse_i64(p, strspn(p, "0123456789"), &kills) ? kills : -1;
}

void keeper_words(int status, bool oom, char *words, size_t cap) {
    if (WIFEXITED(status)) {
        c_snprintf(words, cap, "it ended by itself with exit status %d", WEXITSTATUS(status));
        return;
    }
    int number = WTERMSIG(status);
    const char *name = sigabbrev_np(number);
    if (name) c_snprintf(words, cap, "signal %d (SIG%s)", number, name);
    else c_snprintf(words, cap, "signal %d", number);
    if (number != SIGKILL) return;
    size_t n = strlen(words);
    c_snprintf(words + n, cap - n, "%s", oom ? ": out of memory, the kernel's OOM killer was at work" : ": killed from outside");
}

/* Waits for room as long as the trainer lives. */
static void say(const char *words, int trainer) {
    message_head head = {.kind = MSG_WORDS};
    while (message_send(WORKER_SOCKET, &head, words, strlen(words), -1) == GLIMPSE_SKIPPED) {
        struct pollfd p[2] = {{WORKER_SOCKET, POLLOUT, 0}, {trainer, POLLIN, 0}};
        if (poll(p, 2, -1) < 0 && errno != EINTR) return;
        if (p[1].revents || (p[0].revents & (POLLHUP | POLLERR))) return;
    }
}

void keeper_fork(char **argv, int trainer) {
    int64_t before = oom_kills();
    pid_t pid = fork();
    if (pid <= 0) { /* -1, no room for two processes: the worker goes unkept */
        memcpy(argv[1], "worker", sizeof "worker"); /* what `ps` shows; as long as "keeper" */
        return;
    }
    siginfo_t end;
    char words[WORDS_BYTES];
    int status, r;
    (void)!chdir("/");
    dup2(STDIN_FILENO, STDERR_FILENO); /* /dev/null: spawn.c */
    do r = waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT);
    while (r != 0 && errno == EINTR);
    /* The trainer is told before the worker's id goes: who sees it gone finds its words in the socket. */
    status = end.si_code == CLD_EXITED ? end.si_status << 8 : end.si_status & 0x7f;
    int64_t after = oom_kills();
    keeper_words(status, before >= 0 && after > before, words, sizeof words);
    say(words, trainer);
    close(WORKER_SOCKET);
    waitpid(pid, &status, 0);
    _exit(0);
}
