# driver.mk -- what tests of weights on a GPU need: a driver for tests where there is no GPU, found by its soname.
$(B)/tests/driver/libcuda.so.1: tests/driver/fake_libcuda.c tests/driver/fake_cuda.h $(B)/gen/flags
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE= -O1 -g -Wall -Wextra $(WERROR) -fvisibility=hidden -fPIC -shared -I. -Wl,-soname,$(@F) $< -o $@
# The CUDA backend, emulated, as a library beside a program and a session of its own: what a worker loads where weights are on
# a GPU.  Hard links: each library looks beside itself.
GPU_TWIN := $(B)/tests/gpu/libglimpse_cuda.so.$(SO)
$(GPU_TWIN): $(CUDA_EMU) $(filter-out $(B)/cuda/%,$(CUDA_OBJ)) kernels/cuda/cuda.map
	@mkdir -p $(@D)
	$(CXX_OF) $(OPT) -shared -Wl,-soname,$(@F) -Wl,--version-script=kernels/cuda/cuda.map $(filter %.o,$^) -lm -ldl -o $@
GPU_BESIDE := $(addprefix $(B)/tests/gpu/,glimpse libglimpse.so.$(SO) libglimpse_session.so.$(SO))
$(GPU_BESIDE): $(B)/tests/gpu/%: $(B)/%
	@mkdir -p $(@D)
	ln -f $< $@ 2>/dev/null || cp -f $< $@
run-tests: $(B)/tests/driver/libcuda.so.1 $(GPU_TWIN) $(GPU_BESIDE)
# The training example for the GPU, emulated.
$(B)/tests/runner: $(B)/emu/tests/driver/train_gpt_emulated.o
