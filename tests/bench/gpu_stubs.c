/* gpu_stubs.c -- tests/emu/emu.h where there is a chip: nothing is watched.  Linked into runner_gpu (`make gpu-test`) in place
 * of the emulation; tests that need it see that no call is counted, and skip. */
#include "tests/emu/emu.h"

void emu_schedule(int order, uint64_t seed) { (void)order, (void)seed; }
void emu_fail(long nth, int error, int forever) { (void)nth, (void)error, (void)forever; }
long emu_calls(void) { return 0; }
const char *emu_problem(void) { return 0; }
size_t emu_device_bytes(void) { return 0; }
int emu_handles(void) { return 0; }
long emu_launches(void) {
    static long n;
    return n++;
}
void emu_devices(int n) { (void)n; }
void emu_driver(int version) { (void)version; }
void emu_cooperative(int yes) { (void)yes; }
int emu_chains(void) { return 1; }
void emu_refuse_graphs(int what) { (void)what; }
void emu_others_capture(int yes) { (void)yes; }
int emu_capture_mode(void) { return 0; }
void emu_lose_arrival(long nth) { (void)nth; }
long emu_arrivals(void) { return 0; }
void emu_shared_most(int bytes) { (void)bytes; }
void emu_slow_together(int launches) { (void)launches; }
void emu_round_together(int up) { (void)up; }
void emu_multiprocessors(int n) { (void)n; }
void emu_host_may_touch(int yes) { (void)yes; }
int emu_is_chip(void) { return 1; }
int emu_run_wrong(int which, const int *input, int *out);
int emu_run_wrong(int which, const int *input, int *out) {
    (void)which, (void)input, (void)out;
    return 0;
}
