# Glimpse.  `make help` lists the targets, `make info` says what was found on this machine.
## all: the libraries, the program and the examples, into build/MODE/ (the default)
MODE   ?= release
PREFIX ?= $(or $(prefix),/usr/local)
ifeq ($(origin CC),default)
CC := $(firstword $(wildcard $(CURDIR)/build/deps/tools/gcc) gcc)
endif
export PATH := $(if $(wildcard build/deps/tools),$(CURDIR)/build/deps/tools:)$(PATH)
CROSS  := $(patsubst %gcc,%,$(filter %-gcc,$(CC)))# CC=aarch64-linux-gnu-gcc: its ld, ar and objcopy
B      := build/$(MODE)
, := ,
VERSION := $(shell sed -n 's/.*GLIMPSE_VERSION_STRING "\(.*\)".*/\1/p' include/glimpse.h)
SO     := 0
ARCH   := $(shell $(CC) -dumpmachine 2>/dev/null)

# === Flags.  Never fast-math: linked into a library it changes the host's denormals, compiled it removes NaN checks.
OPT_release := -O3
OPT_debug   := -O0
OPT_asan    := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
OPT_ubsan   := -O1 -fno-omit-frame-pointer -fsanitize=undefined -fno-sanitize-recover=undefined
OPT_tsan    := -O1 -fno-omit-frame-pointer -fsanitize=thread
OPT         := $(or $(OPT_$(MODE)),$(error MODE=$(MODE): expected release, debug, asan, ubsan or tsan))
WERROR ?=# -Werror for who works on Glimpse (.ci/run): a compiler not yet born shall not break a user's build
WARN := -Wall -Wextra $(WERROR) -Wstrict-prototypes -Wmissing-prototypes -Wvla $(if $(findstring clang,$(CC)),,-Wshadow=local -Wno-format-truncation $(if $(filter release,$(MODE)),,-Wno-maybe-uninitialized))
ARM := $(if $(filter aarch64-%,$(ARCH)),$(if $(findstring gcc,$(CC)),-fno-ivopts))# gcc 12 there takes a function for one without effect (code_assign)
CFLAGS_ALL = -std=c17 $(OPT) -g -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections \
    -D_GNU_SOURCE= -ffp-contract=off -fno-math-errno $(ARM) $(WARN) $(CFLAGS)
RPATH := -Wl,-rpath,'$$ORIGIN' -Wl,-rpath,'$$ORIGIN/../lib'
LINK   = $(CC) $(OPT) $(LDFLAGS) -Wl,--as-needed -Wl,--gc-sections $(LDEPS)
ifeq ($(MODE),release)
NO_UNDEFINED := -Wl,-z,defs
endif
# The vector kernels, each file for the instructions that its name promises.
ifneq ($(filter x86_64-%,$(ARCH)),)
%_avx2.o:   VECTOR := -mavx2 -mfma -mf16c -mbmi2
%_avx512.o: VECTOR := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c -mbmi2
endif

# === Libraries of the session and the program: the system's, or those in build/deps (tests/setup/deps.sh) or build/carry (gpu_carry.sh).
DEPS := $(or $(wildcard build/deps/usr),$(if $(wildcard /usr/include/cjson),,$(wildcard build/carry/usr)))
ifneq ($(DEPS),)
DEPS_LIB := $(CURDIR)/$(DEPS)/lib/$(ARCH)
IDEPS := -I$(DEPS)/include -I$(DEPS)/include/$(ARCH) -I$(DEPS)/include/freetype2 \
    -I$(DEPS)/include/$(ARCH)/openblas-pthread -DGLIMPSE_DEPS_DIR='"$(CURDIR)/$(DEPS)"'
LDEPS := $(foreach d,$(DEPS_LIB) $(DEPS_LIB)/openblas-pthread,-L$(d) -Wl,-rpath,$(d)) \
    -Wl,--disable-new-dtags -Wl,-rpath-link,/usr/lib/$(ARCH):/lib/$(ARCH)
endif
IDEPS += $(shell pkg-config --cflags freetype2 2>/dev/null || echo -I/usr/include/freetype2)
LIBS_GUEST   := -lm
LIBS_SESSION := -lcjson -lz -lfreetype -lpcre2-8 -lutf8proc -lm
LIBS_PROGRAM := -ledit -lm
# (libgomp is not built for ThreadSanitizer, which would see races in its every barrier)
OPENMP := $(if $(filter tsan,$(MODE)),,$(shell echo 'int main(void) { return 0; }' | $(CC) -fopenmp -x c - -o /dev/null 2>/dev/null && echo -fopenmp))
LIBS_TRAINER := -lopenblas $(OPENMP)
LIBS_TEST    := -lpng

# === Sources by folder
LEAVES  := $(wildcard include/internal/*.c)
GUEST   := $(wildcard plugin/*.c) $(LEAVES)
SESSION := $(wildcard kernels/*.c kernels/cpu/*.c sampling/*.c sampling/*/*.c viz/*.c hooks/*.c hooks/*/*.c) $(B)/gen/page_data.c $(LEAVES)
PROGRAM := $(wildcard plugin/cli/*.c)
TESTS   := $(wildcard tests/*.c)
BENCH   := $(wildcard tests/bench/bench_*.c)
FUZZ    := $(wildcard tests/fuzz/fuzz_*.c)
EXAMPLE := $(wildcard examples/*.c)
TRAINER := $(wildcard examples/train_gpt/*.c)
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
EVERYTHING := $(sort $(call obj,$(GUEST) $(SESSION) $(filter-out plugin/cli/main.c,$(PROGRAM))))
LIBRARIES := $(if $(wildcard plugin/*.c),$(B)/libglimpse.so $(B)/libglimpse.a) \
    $(if $(wildcard hooks/*.c),$(B)/libglimpse_session.so)
PROGRAMS  := $(if $(PROGRAM),$(B)/glimpse)
MODULES   := $(B)/custom_sampler.so $(B)/custom_hook.so
EXAMPLES  := $(if $(wildcard plugin/*.c),$(EXAMPLE:examples/%.c=$(B)/%))

include kernels/cuda/cuda.mk tests/driver/driver.mk examples/train_gpt/train_gpt_cuda.mk
.DEFAULT_GOAL := all

# Quiet unless V=1; a file's name where it is compiled, nothing at all with -s.  On all cores unless -j says otherwise.
ifndef V
.SILENT:
endif
SHORT := $(firstword -$(MAKEFLAGS))
say = $(if $(V)$(findstring s,$(SHORT)),,echo "  $(1)")
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: all help info deps test check test-all run-tests bench parity fuzz faults hostile demo run-demo llmc install uninstall clean FORCE
.DELETE_ON_ERROR .SECONDARY:
all: $(LIBRARIES) $(PROGRAMS) $(EXAMPLES) $(MODULES)

# Everything is compiled anew when a flag changes; the build id changes when a source of the libraries does, so that
# parts that do not belong together refuse each other.
write_if_new = mkdir -p $(@D); echo '$(1)' > $@.new; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
BUILD_ID = $(shell (echo $(MODE) $(ARCH) $(CC) $(subst ','\'',$(CFLAGS_ALL)); find include kernels sampling viz hooks \
    plugin -name '*.[cdhjm]*' -type f 2>/dev/null | LC_ALL=C sort | xargs cat) | sha256sum | cut -c1-16)
$(B)/gen/build_id.h: FORCE
	@$(call write_if_new,#define GLIMPSE_BUILD_ID "$(BUILD_ID)")
$(B)/gen/flags: FORCE
	@$(call write_if_new,$(CC) $(subst ',,$(CFLAGS_ALL) $(IDEPS) $(OPENMP)))
$(B)/gen/sources: FORCE # a source that went away must leave what was linked with it
	@$(call write_if_new,$(sort $(GUEST) $(SESSION) $(PROGRAM) $(TESTS) $(TRAINER)))

# The review page, as bytes for viz/html.c; its script is made of parts, in this order.
PAGE_SCRIPT := $(addprefix viz/page/,data.js words.js tokens.js charts.js search.js probes.js over.js page.js)
$(B)/gen/page_data.c: viz/page/embed.sh viz/page/page.html viz/page/page.css $(PAGE_SCRIPT)
	@mkdir -p $(@D)
	@sh viz/page/embed.sh $(filter-out %.sh,$^) > $@

$(B)/obj/examples/train_gpt%: EXTRA := $(or $(OPENMP),-Wno-unknown-pragmas)
$(B)/obj/%.o: INCLUDES = -Iinclude -I. -I$(B) -I$(B)/gen $(IDEPS)
$(B)/obj/tests/%.o: EXTRA = $(if $(filter release,$(MODE)),,-DTEST_SLOW_BUILD)
$(B)/obj/%.o: %.c $(B)/gen/flags | $(B)/gen/build_id.h
	@mkdir -p $(@D)
	@$(call say,CC  $<)
	$(CC) $(CFLAGS_ALL) $(VECTOR) $(INCLUDES) $(EXTRA) $(CPPFLAGS) -MMD -MP -c $< -o $@

# === Libraries
$(B)/libglimpse.so.$(SO): $(call obj,$(GUEST)) plugin/glimpse.map $(B)/gen/sources
	$(LINK) -shared -Wl,-soname,$(@F) -Wl,--version-script=plugin/glimpse.map $(NO_UNDEFINED) $(filter %.o,$^) $(LIBS_GUEST) -o $@
$(B)/libglimpse_session.so.$(SO): $(call obj,$(SESSION)) hooks/session.map $(B)/gen/sources
	$(LINK) -shared -Wl,-soname,$(@F) -Wl,--version-script=hooks/session.map $(NO_UNDEFINED) $(RPATH) $(filter %.o,$^) $(LIBS_SESSION) -o $@
$(B)/%.so: $(B)/%.so.$(SO)
	ln -sf $(<F) $@
# One object, its inner names made local: a trainer that links it statically may have a buf_put of its own.
$(B)/libglimpse.a: $(call obj,$(GUEST)) $(B)/gen/sources
	$(CROSS)ld -r $(filter %.o,$^) -o $(B)/obj/libglimpse.o
	$(CROSS)objcopy --localize-hidden $(B)/obj/libglimpse.o
	rm -f $@; $(CROSS)ar rcs $@ $(B)/obj/libglimpse.o

# === Programs
$(B)/glimpse: $(call obj,$(PROGRAM) $(GUEST)) $(LIBRARIES)
	$(LINK) $(filter %.o,$^) $(RPATH) $(LIBS_PROGRAM) -o $@
$(B)/train_gpt: $(call obj,$(TRAINER))
$(B)/train_gpt: LIBS_EXAMPLE := $(LIBS_TRAINER)
$(EXAMPLES): $(B)/%: $(B)/obj/examples/%.o $(LIBRARIES)
	$(LINK) $(filter %.o,$^) -L$(B) -lglimpse $(RPATH) $(LIBS_EXAMPLE) -lm -o $@

$(MODULES): $(B)/%.so: examples/%.c include/glimpse.h $(B)/gen/flags # as a user would, for --module
	$(CC) -std=c17 -O2 -fPIC -shared -Wall -Wextra $(WERROR) -DAS_MODULE -Iinclude $< -o $@
# === Tests: every object of the project and every tests/*.c in one runner
WRAP_CALLS := open read pread write fsync fdatasync ftruncate fstat stat lstat rename close mkdir unlink rmdir flock lseek fcntl \
    poll socketpair memfd_create fallocate madvise mmap sendmsg recvmsg getrandom clone opendir fdopendir
WRAP := $(addprefix -Wl$(,)--wrap=,malloc calloc realloc aligned_alloc posix_memalign strdup strndup $(WRAP_CALLS))
LINK_TEST = $(LINK) $(filter %.o,$^) $(LIBS_SESSION) $(LIBS_PROGRAM) $(LIBS_TRAINER) $(LIBS_TEST) -lpthread -ldl
$(B)/tests/runner: $(call obj,$(TESTS) $(TRAINER)) $(EVERYTHING) $(CUDA_EMU) $(B)/gen/sources
	@mkdir -p $(@D)
	$(LINK_TEST) $(WRAP) -o $@
$(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/obj/tests/oracle.o $(B)/obj/tests/tiny_gpt.o $(call obj,$(TRAINER)) $(EVERYTHING)
	@mkdir -p $(@D)
	$(LINK_TEST) -o $@
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(EVERYTHING)
	@mkdir -p $(@D)
	$(LINK_TEST) -o $@

## deps: install what is missing (apt-get as root or through sudo, else unpacked into build/deps)
deps:
	@sh tests/setup/deps.sh
## test: install what is missing, build, run every test; T=part-of-a-name, NOFORK=1 (gdb), J=4 at once, V=1 names them all
test check: deps
	@$(MAKE) --no-print-directory $(JOBS) run-tests
## test-all: the same with the full counts
test-all: deps
	@GLIMPSE_TEST_FULL=1 $(MAKE) --no-print-directory $(JOBS) run-tests
run-tests: all $(B)/tests/runner $(B)/tests/emu_first $(B)/tests/emu_bench $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ))
	@CC='$(CC)' MODE=$(MODE) ASAN_OPTIONS=allocator_may_return_null=1 $(B)/tests/runner $(T)
## faults: every fault in its full count (FEW=1: the short one), as a table: PASS or FAIL, the name, the figure
faults: deps
	@B='$(B)' FEW='$(FEW)' sh tests/setup/tables.sh faults '$(MAKE)' $(JOBS)
## hostile: how many files that lie each reader refuses, the slowest refusal and the most memory, as a table
hostile: deps
	@B='$(B)' sh tests/setup/tables.sh hostile '$(MAKE)' $(JOBS)
## bench: build and run the benchmarks; T=part-of-a-name
bench: $(patsubst tests/bench/%.c,$(B)/bench/%,$(BENCH))
	@for b in $(foreach b,$^,$(if $(findstring $(T),$(b)),$(b))); do echo "== $$b"; $$b || exit 1; done
## parity: compare with independent implementations; PYTHON=one that has them, else VENV=dir from PyPI; T=part-of-a-name
parity: all $(B)/tests/runner $(B)/bench/bench_tokenizer
	@B='$(B)' PYTHON='$(PYTHON)' N='$(N)' T='$(T)' LLMC='$(LLMC)' sh tests/ref/parity.sh
## demo: install what is missing, build, train a small GPT on this CPU for a minute while samples appear in out/demo
demo: deps
	@$(MAKE) --no-print-directory $(JOBS) run-demo
run-demo: all
	@sh examples/demo.sh $(B)
## llmc: build llm.c's trainers with Glimpse in them, in a copy of the checkout LLMC=dir (examples/llmc.md)
llmc: $(LIBRARIES) $(PROGRAMS)
	@CC='$(CC)' CUDA='$(CUDA)' sh examples/llmc/build.sh '$(B)' '$(LLMC)'
## install: PREFIX=/usr/local DESTDIR=
install uninstall: %: all
	@sh tests/setup/install.sh $@ '$(B)' '$(DESTDIR)' '$(PREFIX)' '$(VERSION)' '$(SO)'
## info: what was found on this machine
info:
	@CC='$(CC)' CUDA='$(CUDA)' MODE='$(MODE)' sh tests/setup/info.sh
## clean: remove what was built, in all modes; what was unpacked into build/deps stays
clean:
	rm -rf $(filter-out build/deps,$(wildcard build/*))
## help: this list
help:
	@echo 'make [TARGET] [MODE=release|debug|asan|ubsan|tsan] [CC=gcc|clang] [CUDA=0|1]'
	@sed -n 's/^## \([a-z-]*\): \(.*\)/  \1\t\2/p' Makefile kernels/cuda/cuda.mk | expand -t 14
FORCE:
-include $(shell find $(B)/obj $(B)/emu $(B)/cuda $(B)/ptx -name '*.d' 2>/dev/null)
