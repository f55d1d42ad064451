# train_gpt_cuda.mk -- train_gpt on a GPU: the host files of train_gpt, the passes of train_gpt_cuda.cu.  CUDA=1; included by the Makefile.
TRAINER_HOST := $(filter-out %/gpt_pass.c %/gpt_loops.c %/adamw.c,$(TRAINER))
$(B)/train_gpt_cuda: $(call obj,examples/train_gpt.c $(TRAINER_HOST)) $(B)/cuda/examples/train_gpt_cuda.o $(LIBRARIES)
	@$(call say,LD  $@)
	$(LINK) $(filter %.o,$^) -L$(B) -lglimpse $(RPATH) $(CUDA_LINK) -o $@
ifeq ($(CUDA)$(MODE),1release)
all: $(B)/train_gpt_cuda
endif
