/* train_gpt_emulated.cu -- examples/train_gpt_cuda.cu under other names, so that it stands beside the processor's trainer in
 * one program and the two can be compared (test_train_gpt_cuda.c). */
#define gpt_floats gpu_gpt_floats
#define gpt_prepare gpu_gpt_prepare
#define gpt_unprepare gpu_gpt_unprepare
#define gpt_weights gpu_gpt_weights
#define gpt_stream gpu_gpt_stream
#define gpt_loss gpu_gpt_loss
#define gpt_losses gpu_gpt_losses
#define gpt_loss_and_grads gpu_gpt_loss_and_grads
#define training_upload gpu_training_upload
#define training_download gpu_training_download
#define adamw_create gpu_adamw_create
#define adamw_free gpu_adamw_free
#define adamw_step gpu_adamw_step
#define adamw_learning_rate gpu_adamw_learning_rate
#include "examples/train_gpt_cuda.cu"

/* The gradients, (n_params). */
extern "C" void gpu_gradients(const gpt *model, float *out) { to_host(on_device(model), out, on_device(model)->grads.wte, model->n_params * sizeof(float)); }
