# cuda.mk -- the CUDA backend twice: with nvcc for chips (CUDA=1), and with the C++ compiler over tests/emu for the tests.
# Included by the Makefile.
CUDA_SOURCES := $(wildcard kernels/cuda/*.cu)
EMU_SOURCES  := $(wildcard tests/emu/*.c)
NVCC     ?= $(firstword $(shell command -v nvcc) $(wildcard $(or $(CUDA_HOME),/usr/local/cuda)/bin/nvcc))
CUDA_AT  := $(patsubst %/bin/,%,$(dir $(NVCC)))
# What is built: machine code for these, and PTX of the last for what comes after.  make GPU_ARCH="90a" builds one.
GPU_ARCH ?= 80 90a $(lastword $(shell $(NVCC) --list-gpu-code 2>/dev/null | sed -n 's/^sm_//p' | sort -n))
CXX_OF   := $(if $(findstring clang,$(CC)),$(subst clang,clang++,$(CC)),$(subst gcc,g++,$(CC)))

# === Emulated: the objects join the test runner
CUDA_WARN := -Wall -Wextra -Werror -Wno-unused-function
CUDA_EMU  := $(patsubst %.cu,$(B)/emu/%.o,$(CUDA_SOURCES)) $(call obj,$(EMU_SOURCES))
NVCC_FLAGS_cuda_decide := -fmad=false
$(B)/emu/%.o: %.cu $(B)/gen/flags | $(B)/gen/build_id.h
	@mkdir -p $(@D)
	@$(call say,EMU $<)
	$(CXX_OF) -std=c++17 -x c++ $(OPT) -g -fPIC -ffp-contract=off -fno-math-errno -fno-exceptions -fno-rtti \
	    $(CUDA_WARN) -Itests/emu/include -Iinclude -I. -I$(B)/gen -MMD -MP -c $< -o $@
$(call obj,$(EMU_SOURCES)): INCLUDES = -Itests/emu/include -Iinclude -I.
