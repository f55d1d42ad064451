#!/bin/sh
# A guest's manners, as far as they show in the imported symbols: nothing that ends the process, prints to stdout, or
# changes signals, locale, environment, directory, umask or random numbers of the host; no fork.
[ -f "$B/libglimpse.so" ] || { echo "not built: libglimpse.so"; exit 77; }
[ "$MODE" = release ] || { echo "a sanitizer imports what it likes"; exit 77; }
never='exit _exit _Exit quick_exit abort __assert_fail __assert printf vprintf puts putchar putc_unlocked stdout
__printf_chk __vprintf_chk putchar_unlocked puts_unlocked
signal sigaction bsd_signal sysv_signal sigset siginterrupt setlocale srand srand48 srandom rand random drand48
setenv putenv unsetenv clearenv chdir fchdir umask fork vfork daemon system popen alarm setitimer atexit on_exit
fesetround feenableexcept fedisableexcept feupdateenv longjmp __longjmp_chk setpriority nice sched_setaffinity
strcpy strcat sprintf vsprintf __strcpy_chk __strcat_chk __sprintf_chk __vsprintf_chk gets strtok
scanf sscanf fscanf __isoc99_scanf __isoc99_sscanf __isoc99_fscanf __isoc23_scanf __isoc23_sscanf __isoc23_fscanf
pthread_kill tgkill raise kill sigqueue'
# The worker's own process loads only the session, but inline mode loads it into the trainer as well; libpng's setjmp
# interface makes it jump.  A page in the terminal stops itself on Ctrl-Z, and asks whether a process that left files is alive.
bad=0
for l in libglimpse libglimpse_session; do
    [ -f "$B/$l.so" ] || continue
    found=$(nm -D --undefined-only "$B/$l.so" | awk '{ sub(/@.*/, "", $2); print $2 }')
    for s in $never; do
        case "$l $s" in "libglimpse_session longjmp" | "libglimpse_session raise" | "libglimpse_session kill") continue ;; esac
        echo "$found" | grep -qx "$s" && { echo "$l.so imports $s"; bad=1; }
    done
done
exit $bad
