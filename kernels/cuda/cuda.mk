# cuda.mk -- the CUDA backend twice: with nvcc for chips (CUDA=1), and with the C++ compiler over tests/emu for the tests.
# Included by the Makefile.
CUDA_SOURCES := $(wildcard kernels/cuda/*.cu)
EMU_SOURCES  := $(wildcard tests/emu/*.c)
NVCC     ?= $(or $(firstword $(shell command -v nvcc) $(wildcard $(or $(CUDA_HOME),/usr/local/cuda)/bin/nvcc)),nvcc)
CUDA_AT  := $(patsubst %/bin/,%,$(dir $(NVCC)))
# Machine code for this machine's GPU; without one, of sm_80, with PTX that every later chip compiles at load.
# make cuda-all builds sm_80, sm_90a and the newest that nvcc knows.
GPU_ARCH ?= $(or $(patsubst 90,90a,$(subst .,,$(firstword $(shell nvidia-smi --query-gpu=compute_cap --format=csv$(,)noheader 2>/dev/null | grep -x '[0-9.]*')))),80)
CXX_OF   := $(if $(findstring clang,$(CC)),$(subst clang,clang++,$(CC)),$(subst gcc,g++,$(CC)))

# === For chips
CUDA_CODE = $(foreach a,$(GPU_ARCH),-gencode=arch=compute_$(a)$(,)code=sm_$(a)) \
    -gencode=arch=compute_$(lastword $(GPU_ARCH))$(,)code=compute_$(lastword $(GPU_ARCH))
# An fma is one that is written: the decision path's bits are the host's, and a body's are the same in each kernel that has it.
CUDA_NVCC = $(if $(shell command -v ccache),ccache) $(NVCC) -std=c++17 -O3 -fmad=false -Iinclude -I. -Werror all-warnings \
    -Xcompiler -fPIC,-fvisibility=hidden,-fno-threadsafe-statics,-fno-exceptions,-fno-rtti,-Wall,-Wextra,-Wno-unused-function
CUDA_OBJ  := $(patsubst %.cu,$(B)/cuda/%.o,$(CUDA_SOURCES)) $(B)/obj/kernels/cuda/cuda_module.o \
    $(call obj,kernels/check.c include/internal/status.c include/internal/buffer.c include/internal/utf8.c)
$(B)/gen/cuda_flags: FORCE
	@$(call write_if_new,$(CUDA_CODE) $(CUDA_NVCC))
$(B)/cuda/%.o: %.cu $(B)/gen/cuda_flags
	@mkdir -p $(@D)
	@$(call say,NVCC $<)
	$(CUDA_NVCC) $(CUDA_CODE) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(B)/libglimpse_cuda.so.$(SO): $(CUDA_OBJ) kernels/cuda/cuda.map
	$(CC) -shared $(LDFLAGS) -Wl,-soname,$(@F) -Wl,--version-script=kernels/cuda/cuda.map -Wl,-z,defs -Wl,--gc-sections $(filter %.o,$^) \
	    $(RPATH) -L$(CUDA_AT)/lib64 -Wl,-rpath,$(CUDA_AT)/lib64 -lcudart_static -lcublas -lpthread -ldl -lrt -lm -o $@
ifeq ($(CUDA)$(MODE),1release)
LIBRARIES += $(B)/libglimpse_cuda.so
endif
## cuda-all: libglimpse_cuda.so for sm_80, sm_90a and the newest chip that nvcc knows
.PHONY: cuda-all gpu-first gpu-test gpu-bench
cuda-all:
	@$(MAKE) --no-print-directory CUDA=1 GPU_ARCH='80 90a $(lastword $(shell $(NVCC) --list-gpu-code 2>/dev/null | sed -n 's/^sm_//p' | sort -n))' $(B)/libglimpse_cuda.so

# === Emulated: the objects join the test runner
CUDA_EMU := $(patsubst %.cu,$(B)/emu/%.o,$(CUDA_SOURCES) tests/emu/emu_kernels.cu) $(call obj,$(EMU_SOURCES))
$(B)/emu/%.o: %.cu $(B)/gen/flags
	@mkdir -p $(@D)
	@$(call say,EMU $<)
	$(CXX_OF) -std=c++17 -x c++ $(OPT) -g -fPIC -ffp-contract=off -fno-math-errno -fno-exceptions -fno-rtti -Wall -Wextra -Werror \
	    -Wno-unused-function -Itests/emu/include -Iinclude -I. -MMD -MP -c $< -o $@
$(call obj,$(EMU_SOURCES)): INCLUDES = -Itests/emu/include -Iinclude -I.

# === On a GPU: each one command, under 8 minutes, on a machine with CUDA, a C++ compiler and Python with PyTorch at most; what it
# prints goes to tests/bench/results as well.  gpu-test runs all CUDA tests where the session's libraries are, else those that
# need none of them.
GPU_NEEDS = $(filter-out %/cuda_module.o,$(CUDA_OBJ))
GPU_LINK  = -L$(CUDA_AT)/lib64 -Wl,-rpath,$(CUDA_AT)/lib64 -lcudart_static -lcublas -lpthread -ldl -lrt -lm
GPU_GUEST = $(filter-out $(CUDA_OBJ),$(call obj,$(GUEST)))
$(B)/tests/gpu_%: $(B)/cuda/tests/bench/gpu_%.o $(GPU_NEEDS) $(GPU_GUEST)
	@mkdir -p $(@D)
	$(CC) $^ $(GPU_LINK) -o $@
$(B)/tests/runner_gpu: $(call obj,$(TESTS) $(TRAINER) tests/bench/gpu_stubs.c) $(EVERYTHING) $(filter $(B)/cuda/%,$(CUDA_OBJ))
	$(LINK) $(filter %.o,$^) $(LIBS_SESSION) $(LIBS_PROGRAM) $(LIBS_TRAINER) $(LIBS_TEST) $(GPU_LINK) $(WRAP) -o $@
BARE := $(addprefix tests/,runner.c test_cuda.c test_cuda_burst.c test_cuda_persist.c test_parts.c kernels_tiny.c test_kernels.c oracle.c fail_alloc.c wrap_calls.c) \
    tests/bench/gpu_stubs.c $(wildcard kernels/*.c kernels/cpu/*.c sampling/samplers/*.c) $(LEAVES)
$(B)/tests/runner_bare: $(call obj,$(BARE)) $(filter $(B)/cuda/%,$(CUDA_OBJ))
	$(LINK) -Wl,--unresolved-symbols=ignore-all $(filter %.o,$^) $(GPU_LINK) $(WRAP) -o $@
$(B)/tests/emu_%: $(B)/emu/tests/bench/gpu_%.o $(CUDA_EMU) $(filter-out $(B)/cuda/% %/cuda_module.o,$(CUDA_OBJ)) $(GPU_GUEST)
	@mkdir -p $(@D)
	$(CC) $(OPT) $^ -ldl -lm -o $@
HAS_LIBS := $(if $(filter gpu-test gpu-bench,$(MAKECMDGOALS)),$(shell printf '\043include <%s>\n' stdio.h cjson/cJSON.h png.h pcre2.h \
    utf8proc.h histedit.h cblas.h | $(CC) -DPCRE2_CODE_UNIT_WIDTH=8 $(IDEPS) -fsyntax-only -xc - 2>/dev/null && echo 1))
GPU_SAVE = mkdir -p tests/bench/results; f=tests/bench/results/$@-$$(date -u +%Y%m%d-%H%M).txt; { $(1); echo "exit $$?"; } 2>&1 | tee $$f; tail -n1 $$f | grep -qx 'exit 0'
## gpu-first: on a GPU before anything else: do ptx.cuh and decide.h do what the emulation says; what edges, bytes and a worker cost
gpu-first: $(B)/tests/gpu_first
	@$(call GPU_SAVE,timeout 460 $<)
## gpu-test: the tests of the CUDA backend on a GPU instead of the emulation, and compute-sanitizer over small sizes
gpu-test: $(B)/tests/gpu_first $(B)/tests/gpu_bench $(if $(HAS_LIBS),$(B)/tests/runner_gpu,$(B)/tests/runner_bare)
	@$(call GPU_SAVE,CC='$(CC)' MODE=$(MODE) GLIMPSE_BUILD_DIR=$(B) sh tests/setup/gpu_test.sh $^)
## gpu-bench: the table: decoding, drawing, snapshots and a training's time, each beside what it must be; PyTorch where it is
gpu-bench: $(B)/tests/gpu_bench $(if $(HAS_LIBS),all)
	@$(call GPU_SAVE,GLIMPSE_WORKER='$(CURDIR)/$(B)/glimpse' timeout 300 $< --ours $(B)/gpu_ours.txt && timeout 170 python3 tests/bench/torch_compare.py $(B)/gpu_ours.txt)
