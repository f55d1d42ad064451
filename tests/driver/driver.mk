# driver.mk -- what tests of weights on a GPU need: a driver for tests where there is no GPU, found by its soname.
$(B)/tests/driver/libcuda.so.1: tests/driver/fake_libcuda.c tests/driver/fake_cuda.h $(B)/gen/flags
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE= -O1 -g -Wall -Wextra -Werror -fvisibility=hidden -fPIC -shared -I. -Wl,-soname,$(@F) $< -o $@
run-tests: $(B)/tests/driver/libcuda.so.1
# The training example for the GPU, emulated.
$(B)/tests/runner: $(B)/emu/tests/driver/train_gpt_emulated.o
