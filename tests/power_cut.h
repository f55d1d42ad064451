/* power_cut.h -- a log of what a program asked of a file system below one directory, and from it every tree that a power
 * cut may leave: what was synced is there; of what was not, each write may be lost, whole, cut short or zeros, each new,
 * removed or renamed name may have reached the disk or not, in any combination.  Called by test_faults_power.c. */
#ifndef GLIMPSE_TESTS_POWER_CUT_H
#define GLIMPSE_TESTS_POWER_CUT_H

#include <stdbool.h>
#include <stdint.h>

/* Begin to log what is done below `root`, an empty directory that survives; end.  One log at a time. */
void power_log_begin(const char *root);
void power_log_end(void);
int power_log_length(void); /* operations so far; also while it is kept: where an acknowledgement stands */

typedef enum power_policy { POWER_NOTHING, POWER_EVERYTHING, POWER_NAMES, POWER_DATA, POWER_RANDOM } power_policy;

/* Build below `root` (removed first) what a cut after `at` operations leaves of what was not synced: nothing, everything,
 * only the names, only the data, or a random choice. */
bool power_build(const char *root, int at, power_policy policy, uint64_t *random);

#endif
