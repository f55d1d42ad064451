# cuda.mk -- the CUDA backend twice: with nvcc for chips (CUDA=1), and with the C++ compiler over tests/emu for the tests.
# Included by the Makefile.
CUDA_SOURCES := $(wildcard kernels/cuda/*.cu)
EMU_SOURCES  := $(wildcard tests/emu/*.c)
NVCC     ?= $(or $(firstword $(shell command -v nvcc) $(wildcard $(or $(CUDA_HOME),/usr/local/cuda)/bin/nvcc)),nvcc)
CUDA_ASK := $(filter undefined,$(origin CUDA))
ifneq ($(CUDA_ASK),)
CUDA     := $(if $(shell command -v $(NVCC)),1,0)
endif
CUDA_AT  := $(patsubst %/bin/,%,$(dir $(NVCC)))
# A link, or a wrapper, of another folder: the compiler knows where its toolkit is.
ifeq ($(CUDA)$(wildcard $(CUDA_AT)/include/cuda_runtime.h $(CUDA_AT)/targets/*/include/cuda_runtime.h),1)
CUDA_AT  := $(or $(realpath $(shell $(NVCC) --dryrun -x cu -c /dev/null 2>&1 | sed -n 's/^\#$$ TOP=//p')),$(CUDA_AT))
endif
# Machine code for this machine's GPU, without one of sm_80, and PTX that every later chip compiles at load: never below 90,
# since code for 80 does not wait in a chained launch, which chips from 90 on are given (ptx.cuh).  A letter behind the number
# would tie PTX to one chip.
ifeq ($(CUDA)$(origin GPU_ARCH),1undefined)
GPU_ARCH := $(patsubst 90,90a,$(subst .,,$(firstword $(shell { timeout 30 nvidia-smi --query-gpu=compute_cap --format=csv$(,)noheader || \
    timeout 30 $(CUDA_AT)/bin/__nvcc_device_query; } 2>/dev/null | grep -x '[0-9.]*'))))
endif
GPU_ARCH := $(or $(GPU_ARCH),80)
GPU_PTX  ?= $(if $(filter 7% 8%,$(lastword $(GPU_ARCH))),90,$(patsubst %a,%,$(lastword $(GPU_ARCH))))
CXX_OF   := $(if $(findstring clang,$(CC)),$(subst clang,clang++,$(CC)),$(subst gcc,g++,$(CC)))

# === For chips
CUDA_CODE = $(foreach a,$(GPU_ARCH),-gencode=arch=compute_$(a)$(,)code=sm_$(a)) $(foreach a,$(GPU_PTX),-gencode=arch=compute_$(a)$(,)code=compute_$(a))
# cuBLAS is the toolkit's, or, where that has none, a Python package's (nvidia-cublas), whose library has no plain name; of the
# headers beside it, which may be another toolkit's, these two alone.
ifeq ($(CUDA),1)
CUBLAS_H   := $(or $(firstword $(wildcard $(addsuffix /include/cublas_v2.h,$(CUDA_AT) $(CUDA_AT)/targets/* /usr))),$(shell python3 -c 'import glob, nvidia; \
    print(*[f for d in nvidia.__path__ for f in glob.glob(d + "/cu*/include/cublas_v2.h")][:1])' 2>/dev/null))
CUBLAS_AT  := $(patsubst %/include/,%,$(dir $(CUBLAS_H)))
CUBLAS_LIB := $(if $(CUBLAS_H),$(if $(filter $(CUDA_AT) /usr,$(CUBLAS_AT)),,$(CUBLAS_AT)/lib))
CUBLAS_I   := $(if $(CUBLAS_LIB),-I$(B)/gen/cublas$(shell mkdir -p $(B)/gen/cublas && ln -sf $(CUBLAS_AT)/include/cublas_v2.h $(CUBLAS_AT)/include/cublas_api.h $(B)/gen/cublas))
endif
CUDA_LIBS = $(wildcard $(CUDA_AT)/lib64) $(wildcard $(filter-out /usr/lib,$(CUDA_AT)/lib) $(CUDA_AT)/targets/$(firstword $(subst -, ,$(ARCH)))-linux/lib $(CUBLAS_LIB))
CUDA_LINK = $(foreach d,$(CUDA_LIBS),-L$(d) -Wl,-rpath,$(d)) -lcudart_static \
    $(if $(CUBLAS_LIB),-l:$(notdir $(firstword $(wildcard $(CUBLAS_LIB)/libcublas.so.*))),-lcublas) -lpthread -ldl -lrt -lm
# An fma is one that is written: the decision path's bits are the host's, and a body's are the same in each kernel that has it.
CUDA_NVCC = $(if $(shell command -v ccache),ccache) $(NVCC) -std=c++17 -O3 -fmad=false -Iinclude -I. $(CUBLAS_I) $(if $(WERROR),-Werror all-warnings) \
    -Xcompiler -fPIC,-fvisibility=hidden,-fno-threadsafe-statics,-fno-exceptions,-fno-rtti,-Wall,-Wextra,-Wno-unused-function$(if $(filter aarch64-%,$(ARCH)),$(,)-ffp-contract=off)
CUDA_SHARED = $(CC) -shared $(LDFLAGS) -Wl,-z,defs
ifeq ($(CUDA)$(CUDA_ASK),1undefined)
CUDA := $(shell CC='$(CC)' NVCC='$(NVCC)' COMPILE='$(CUDA_NVCC) $(CUDA_CODE)' LINK='$(CUDA_SHARED)' LIBS='$(CUDA_LINK)' sh tests/setup/cuda_works.sh)
endif
CUDA_OBJ  := $(patsubst %.cu,$(B)/cuda/%.o,$(CUDA_SOURCES)) $(B)/obj/kernels/cuda/cuda_module.o \
    $(call obj,kernels/check.c include/internal/status.c include/internal/buffer.c include/internal/utf8.c)
$(B)/gen/cuda_flags: FORCE
	@$(call write_if_new,$(CUDA_CODE) $(CUDA_NVCC))
$(B)/cuda/%.o: %.cu $(B)/gen/cuda_flags
	@mkdir -p $(@D)
	@$(call say,NVCC $<)
	$(CUDA_NVCC) $(CUDA_CODE) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(B)/libglimpse_cuda.so.$(SO): $(CUDA_OBJ) kernels/cuda/cuda.map
	$(CUDA_SHARED) -Wl,-soname,$(@F) -Wl,--version-script=kernels/cuda/cuda.map -Wl,--gc-sections $(filter %.o,$^) \
	    $(RPATH) $(CUDA_LINK) -o $@
ifeq ($(CUDA)$(MODE),1release)
LIBRARIES += $(B)/libglimpse_cuda.so
endif
## cuda-all: libglimpse_cuda.so for every chip that nvcc knows from sm_80 on, and, as PTX, for later ones
.PHONY: cuda-all gpu-first gpu-test gpu-bench gpu-carry
cuda-all: # machine code of one generation serves all of it
	@$(MAKE) --no-print-directory CUDA=1 GPU_ARCH='80 90a $(shell $(NVCC) --list-gpu-code 2>/dev/null | sed -n 's/^sm_\(1[0-9]*0\)$$/\1/p' | sort -n | tr '\n' ' ')' \
	    GPU_PTX=90 WERROR=-Werror $(B)/libglimpse_cuda.so

# === Emulated: the objects join the test runner
CUDA_EMU := $(patsubst %.cu,$(B)/emu/%.o,$(CUDA_SOURCES) tests/emu/emu_kernels.cu) $(call obj,$(EMU_SOURCES))
$(B)/emu/%.o: %.cu $(B)/gen/flags
	@mkdir -p $(@D)
	@$(call say,EMU $<)
	$(CXX_OF) -std=c++17 -x c++ $(OPT) -g -fPIC -ffp-contract=off -fno-math-errno -fno-exceptions -fno-rtti -Wall -Wextra $(WERROR) \
	    -Wno-unused-function -Itests/emu/include -Iinclude -I. -MMD -MP -c $< -o $@
$(call obj,$(EMU_SOURCES)): INCLUDES = -Itests/emu/include -Iinclude -I.

# === On a GPU: each one command, under 8 minutes behind the build, on a machine with CUDA, a C++ compiler and Python with
# PyTorch at most, without a network; what it prints goes to RESULTS line by line.  A warning of another compiler than ours
# ends no build here (the second try).  Without the session's libraries gpu-test leaves whole samples out, gpu-bench the row
# of a run with evals: `make gpu-carry`, where they can be had, gathers them in build/carry, which may travel along.
# EMULATE=1: the same scripts over the emulation, tiny (tests/checks/gpu_scripts.sh).
RESULTS   ?= tests/bench/results
GPU_NEEDS = $(filter-out %/cuda_module.o,$(CUDA_OBJ))
GPU_GUEST = $(filter-out $(CUDA_OBJ),$(call obj,$(GUEST) plugin/cli/import.c))
$(B)/tests/gpu_%: $(B)/cuda/tests/bench/gpu_%.o $(GPU_NEEDS) $(GPU_GUEST)
	@mkdir -p $(@D)
	$(CC) $^ $(CUDA_LINK) -o $@
# The tests of the backend, of which some need the session; gpu_stubs.c stands for the emulation, emu_*: over it.
ON_CHIP := $(filter-out tests/test_cuda_generate.c,$(wildcard tests/test_cuda*.c)) $(addprefix tests/,runner.c test_parts.c kernels_tiny.c test_kernels.c oracle.c fail_alloc.c wrap_calls.c)
BARE    := $(ON_CHIP) tests/bench/bare_stubs.c $(wildcard kernels/*.c kernels/cpu/*.c sampling/samplers/*.c) $(LEAVES)
ON_CHIP += tests/test_cuda_generate.c tests/tiny_gpt.c $(SESSION) $(GUEST)
$(B)/tests/runner_gpu: $(call obj,$(sort $(ON_CHIP)) tests/bench/gpu_stubs.c) $(filter $(B)/cuda/%,$(CUDA_OBJ))
	@mkdir -p $(@D)
	$(LINK) $(filter %.o,$^) $(LIBS_SESSION) $(CUDA_LINK) $(WRAP) -o $@
$(B)/tests/runner_bare: $(call obj,$(BARE) tests/bench/gpu_stubs.c) $(filter $(B)/cuda/%,$(CUDA_OBJ))
	@mkdir -p $(@D)
	$(LINK) $(filter %.o,$^) $(CUDA_LINK) $(WRAP) -o $@
$(B)/tests/emu_bare: $(call obj,$(BARE)) $(CUDA_EMU)
	@mkdir -p $(@D)
	$(LINK) $(filter %.o,$^) -ldl -lpthread -lm $(WRAP) -o $@
$(B)/tests/emu_%: $(B)/emu/tests/bench/gpu_%.o $(CUDA_EMU) $(filter-out $(B)/cuda/% %/cuda_module.o,$(CUDA_OBJ)) $(GPU_GUEST)
	@mkdir -p $(@D)
	$(CC) $(OPT) $^ -ldl -lm -o $@
# They are linked with the tests, so that they can be when there is a GPU.
run-tests: $(B)/tests/emu_bare $(if $(filter 1release,$(CUDA)$(MODE)),$(B)/tests/runner_bare $(B)/tests/runner_gpu)
HAS_LIBS := $(if $(filter gpu-test gpu-bench,$(MAKECMDGOALS)),$(shell printf '\043include <%s>\n' stdio.h cjson/cJSON.h zlib.h ft2build.h \
    pcre2.h utf8proc.h histedit.h | (cat; echo 'int main(void) { return 0; }') | $(CC) -DPCRE2_CODE_UNIT_WIDTH=8 $(IDEPS) -xc - \
    $(LDEPS) $(LIBS_SESSION) $(LIBS_PROGRAM) -o /dev/null 2>/dev/null && echo 1))
GPU_WITH = $(MAKE) --no-print-directory $(JOBS) CUDA=1
GPU_LACKS = $(if $(shell command -v $(NVCC)),$(if $(CUBLAS_H),,no cuBLAS: $(CUDA_AT)/include/cublas_v2.h$(,) or python3 -m pip install nvidia-cublas),no nvcc: put it on the PATH$(,) or CUDA_HOME=its folder)
GPU_PARTS = $(if $(EMULATE),$(MAKE) --no-print-directory $(JOBS) $(1),$(if $(GPU_LACKS),echo '$(GPU_LACKS)' >&2; exit 1,$(GPU_WITH) $(2)))
GPU_SAVE = B='$(B)' CC='$(CC)' MODE='$(MODE)' NVCC='$(NVCC)' ARCHS='$(GPU_ARCH), PTX $(GPU_PTX)' BUILD_ID='$(BUILD_ID)' EMULATE='$(EMULATE)' \
    RESULTS='$(RESULTS)' CUBLAS='$(CUBLAS_LIB)' sh tests/setup/gpu_run.sh $@
EMU_OR = $(B)/tests/$(if $(EMULATE),emu,gpu)
## gpu-first: on a GPU before anything else: do ptx.cuh and decide.h do what the emulation says; what edges, bytes and a worker cost
gpu-first:
	+@$(call GPU_PARTS,$(B)/tests/emu_first $(B)/tests/driver/libcuda.so.1,$(B)/tests/gpu_first)
	@$(GPU_SAVE) $(EMU_OR)_first
## gpu-test: the tests of the CUDA backend on a GPU instead of the emulation, and compute-sanitizer over small sizes
gpu-test: GPU_RUNNER = $(B)/tests/$(if $(HAS_LIBS),runner_gpu,runner_bare)
gpu-test:
	+@$(call GPU_PARTS,$(B)/tests/emu_first $(B)/tests/emu_bench $(B)/tests/emu_bare,$(B)/tests/gpu_first $(B)/tests/gpu_bench $(GPU_RUNNER))
	@$(GPU_SAVE) $(EMU_OR)_first $(EMU_OR)_bench $(if $(EMULATE),$(B)/tests/emu_bare,$(GPU_RUNNER))
## gpu-bench: the table: decoding, drawing, snapshots and a training's time, each beside what it must be; PyTorch where it is
gpu-bench:
	+@$(call GPU_PARTS,$(B)/tests/emu_bench $(B)/tests/driver/libcuda.so.1 $(GPU_TWIN) $(GPU_BESIDE),$(B)/tests/gpu_bench $(if $(HAS_LIBS),$(LIBRARIES) $(B)/glimpse))
	@$(GPU_SAVE) $(EMU_OR)_bench $(if $(HAS_LIBS),'$(CURDIR)/$(B)/$(if $(EMULATE),tests/gpu/)glimpse')
## gpu-carry: gather in build/carry the headers and libraries of the session, for a machine with a GPU and no network
gpu-carry:
	@sh tests/setup/gpu_carry.sh build/carry

# === PTX: what nvcc makes of the kernels, as C (tests/emu/ptx), in the emulation's fibers.
PTX_ARCH  ?= 90
PTX_AT    := $(B)/ptx/$(PTX_ARCH)
PTX_C     := $(patsubst %.cu,$(PTX_AT)/%.c,$(shell grep -l __global__ $(CUDA_SOURCES)))
PTX_OBJ   := $(PTX_C:.c=.o) $(call obj,$(wildcard tests/emu/ptx/*.c))
# The training example for the GPU, beside the processor's.
PTX_TRAIN := $(call obj,tests/test_train_gpt_cuda.c $(addprefix examples/train_gpt/,gpt.c gpt_pass.c gpt_loops.c adamw.c)) \
    $(B)/emu/tests/driver/train_gpt_emulated.o $(PTX_AT)/examples/train_gpt_cuda.o
# A sanitizer's frames are too large for the stacks of fibers; what it would find, the machine finds (ptx_machine.c).
PTX_LACKS := $(strip $(if $(shell command -v $(NVCC)),,nvcc) $(if $(shell command -v python3),,python3) $(if $(filter release,$(MODE)),,MODE=release))
$(PTX_AT)/%.ptx: %.cu $(B)/gen/cuda_flags
	@mkdir -p $(@D)
	@$(call say,PTX $<)
	$(CUDA_NVCC) -lineinfo -arch=compute_$(PTX_ARCH) -MMD -MP -MF $(@:.ptx=.d) -ptx $< -o $@
$(PTX_AT)/%.c: $(PTX_AT)/%.ptx tests/emu/ptx/ptx_to_c.py
	python3 tests/emu/ptx/ptx_to_c.py $< >$@
$(PTX_AT)/%.o: $(PTX_AT)/%.c tests/emu/ptx/ptx_isa.h tests/emu/emu.h $(B)/gen/flags # -Og: half of -O1's time, nearly its speed
	@$(call say,CC  $<)
	$(CC) -std=c17 -Og -ffp-contract=off -fno-math-errno $(WERROR) -I. -c $< -o $@
$(B)/tests/ptx$(PTX_ARCH)_bare: $(call obj,$(BARE)) $(addsuffix /tests/emu/ptx/ptx_wrong.o,$(B)/emu $(PTX_AT)) $(PTX_OBJ) $(PTX_TRAIN) $(CUDA_EMU)
	@mkdir -p $(@D)
	$(LINK) $(filter %.o,$^) $(LIBS_TRAINER) -ldl -lpthread -lm $(WRAP) -o $@
$(B)/tests/ptx$(PTX_ARCH)_first: $(addsuffix /tests/bench/gpu_first.o,$(B)/emu $(PTX_AT)) $(PTX_OBJ) $(CUDA_EMU) $(filter-out $(B)/cuda/% %/cuda_module.o,$(CUDA_OBJ)) $(GPU_GUEST)
	@mkdir -p $(@D)
	$(CC) $(OPT) $^ -ldl -lm -o $@
## ptx-test: the tests of the CUDA backend over the PTX that nvcc emits, executed on the CPU; T=part-of-a-name, PTX_ARCH=80
.PHONY: ptx-test
PTX_NEEDS := $(if $(PTX_LACKS),,$(addprefix $(B)/tests/ptx$(PTX_ARCH)_,bare first))
ptx-test: $(PTX_NEEDS)
	@$(if $(PTX_NEEDS),$(B)/tests/ptx$(PTX_ARCH)_first --tiny --alone && $(B)/tests/ptx$(PTX_ARCH)_bare '$(or $(T),cuda_)',echo 'ptx-test is skipped: it needs $(PTX_LACKS)')
run-tests: $(if $(filter 1,$(CUDA)),$(PTX_NEEDS))
