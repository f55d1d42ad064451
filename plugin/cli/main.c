/* main.c -- the program `glimpse`; commands.c does everything, so that tests can call it. */
#include "plugin/cli/cli.h"

int main(int argc, char **argv) { return cli_main(argc, argv); }
