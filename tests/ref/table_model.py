"""A model for transformers' generate that is a table, so that its numbers are exact anywhere.

The logit of id v behind id `last` at position `pos` is ((mix(seed << 48 | last << 32 | pos << 16 | v) >> 48) - 32768) / 8192,
plus 2 for the end-of-text id, mix being splitmix64's: exact in f32.  Its twin in C is tests/table_model.h."""
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutput

MASK = (1 << 64) - 1
TABLE_V, TABLE_EOS = 37, 5


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Table(PreTrainedModel, GenerationMixin):
    config_class = PretrainedConfig
    main_input_name = "input_ids"
    _is_stateful = False
    _supports_cache_class = False

    def __init__(self, seed):
        super().__init__(PretrainedConfig(vocab_size=TABLE_V + 1, is_encoder_decoder=False, num_hidden_layers=1,
                                          hidden_size=4, num_attention_heads=1))
        self.seed, self.rows = seed, {}
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def row(self, last, pos):
        if (last, pos) not in self.rows:
            r = [((mix(self.seed << 48 | last << 32 | pos << 16 | v) >> 48) - 32768) / 8192 for v in range(TABLE_V)]
            r[TABLE_EOS] += 2
            self.rows[last, pos] = r + [-float("inf")]  # the last id is the padding of group search
        return self.rows[last, pos]

    def forward(self, input_ids, attention_mask=None, **kwargs):
        pos = input_ids.shape[1] - 1
        out = torch.tensor([self.row(int(i), pos) for i in input_ids[:, -1]], dtype=torch.float32)
        return CausalLMOutput(logits=out[:, None, :])

    def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **kwargs):
        return {"input_ids": input_ids}

    def _supports_default_dynamic_cache(self, *a):
        return False
