/* hf_more.h -- written by tests/ref/hf_transformers.py; not to be edited.  As hf_logits.h, which comes before it. */
static const hf_model hf_more[] = {
    {"neox",
     "{\"architectures\": [\"GPTNeoXForCausalLM\"]"
     ", \"bos_token_id\": 0"
     ", \"eos_token_id\": 0"
     ", \"hidden_act\": \"gelu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"layer_norm_eps\": 1e-05"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"gpt_neox\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"rotary_emb_base\": 10000"
     ", \"rotary_pct\": 0.5"
     ", \"tie_word_embeddings\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"gpt_neox.embed_in.weight", {61, 48}}, {"gpt_neox.layers.0.input_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.0.input_layernorm.bias", {48, 0}}, {"gpt_neox.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.0.post_attention_layernorm.bias", {48, 0}}, {"gpt_neox.layers.0.attention.query_key_value.weight", {144, 48}},
      {"gpt_neox.layers.0.attention.query_key_value.bias", {144, 0}}, {"gpt_neox.layers.0.attention.dense.weight", {48, 48}},
      {"gpt_neox.layers.0.attention.dense.bias", {48, 0}}, {"gpt_neox.layers.0.mlp.dense_h_to_4h.weight", {80, 48}},
      {"gpt_neox.layers.0.mlp.dense_h_to_4h.bias", {80, 0}}, {"gpt_neox.layers.0.mlp.dense_4h_to_h.weight", {48, 80}},
      {"gpt_neox.layers.0.mlp.dense_4h_to_h.bias", {48, 0}}, {"gpt_neox.layers.1.input_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.1.input_layernorm.bias", {48, 0}}, {"gpt_neox.layers.1.post_attention_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.1.post_attention_layernorm.bias", {48, 0}}, {"gpt_neox.layers.1.attention.query_key_value.weight", {144, 48}},
      {"gpt_neox.layers.1.attention.query_key_value.bias", {144, 0}}, {"gpt_neox.layers.1.attention.dense.weight", {48, 48}},
      {"gpt_neox.layers.1.attention.dense.bias", {48, 0}}, {"gpt_neox.layers.1.mlp.dense_h_to_4h.weight", {80, 48}},
      {"gpt_neox.layers.1.mlp.dense_h_to_4h.bias", {80, 0}}, {"gpt_neox.layers.1.mlp.dense_4h_to_h.weight", {48, 80}},
      {"gpt_neox.layers.1.mlp.dense_4h_to_h.bias", {48, 0}}, {"gpt_neox.layers.2.input_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.2.input_layernorm.bias", {48, 0}}, {"gpt_neox.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.2.post_attention_layernorm.bias", {48, 0}}, {"gpt_neox.layers.2.attention.query_key_value.weight", {144, 48}},
      {"gpt_neox.layers.2.attention.query_key_value.bias", {144, 0}}, {"gpt_neox.layers.2.attention.dense.weight", {48, 48}},
      {"gpt_neox.layers.2.attention.dense.bias", {48, 0}}, {"gpt_neox.layers.2.mlp.dense_h_to_4h.weight", {80, 48}},
      {"gpt_neox.layers.2.mlp.dense_h_to_4h.bias", {80, 0}}, {"gpt_neox.layers.2.mlp.dense_4h_to_h.weight", {48, 80}},
      {"gpt_neox.layers.2.mlp.dense_4h_to_h.bias", {48, 0}}, {"gpt_neox.layers.3.input_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.3.input_layernorm.bias", {48, 0}}, {"gpt_neox.layers.3.post_attention_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.3.post_attention_layernorm.bias", {48, 0}}, {"gpt_neox.layers.3.attention.query_key_value.weight", {144, 48}},
      {"gpt_neox.layers.3.attention.query_key_value.bias", {144, 0}}, {"gpt_neox.layers.3.attention.dense.weight", {48, 48}},
      {"gpt_neox.layers.3.attention.dense.bias", {48, 0}}, {"gpt_neox.layers.3.mlp.dense_h_to_4h.weight", {80, 48}},
      {"gpt_neox.layers.3.mlp.dense_h_to_4h.bias", {80, 0}}, {"gpt_neox.layers.3.mlp.dense_4h_to_h.weight", {48, 80}},
      {"gpt_neox.layers.3.mlp.dense_4h_to_h.bias", {48, 0}}, {"gpt_neox.final_layer_norm.weight", {48, 0}},
      {"gpt_neox.final_layer_norm.bias", {48, 0}}, {"lm_head.weight", {61, 48}},
     }, {
      {-0.9068369724, 2.588460468, 0.3654836902, -0.968817625, 2.744811193, 0.4078614213, 4.002930584, 1.63850666, 3.807497284,
       -0.3908865621, -1.640655259, -0.2490709958, 1.553932251, 3.188519945, 2.414970337, -1.627309318, 1.453111676, -1.000393438,
       1.178961963, -1.978459605, 3.232755295, -0.3289012465, -0.621360083, -2.31486802, -3.621779774, 1.437585855, 0.463786649,
       3.987728679, -0.207199025, -1.575187082, -1.820996249, 1.030564609, 1.101417609, -0.4828218112, 1.078868767, 1.532388224,
       -2.891680953, -1.219413669, -3.383049566, 0.09282727203, -3.291098467, 0.7599885782, 4.010622036, -1.576926397, -3.902812368,
       0.6624426571, -1.226874167, -1.135354405, 1.642330454, 1.575162322, 1.288816616, -1.523570298, -1.940144793, 1.057004478,
       1.762679916, 3.230294995, -1.016922874, 2.629289746, -1.310253544, 0.2922707991, -4.440714964},
      {-2.913962797, 1.150396354, -0.6443167515, -0.1516910072, 1.347919397, -0.6491137815, 2.072168835, -3.231498816, -2.051551472,
       0.2104657965, -1.316464723, -0.5446164961, 0.8289662805, -5.046643081, 0.5181226899, 2.3210922, 2.399664411, 2.5007728,
       2.471881298, 0.8103299543, 1.298390939, 2.289995178, -2.634622947, 0.4870504829, -1.592117101, 2.031990336, 0.917073465,
       3.332391544, 1.996002753, 1.822196074, 1.066289116, 2.639159897, 0.5522052814, -2.005015595, 0.9147913233, 2.529765344,
       -1.700908015, 1.845078359, -0.7085972597, 2.63788065, -0.1127591405, -1.361103205, -1.200753502, 1.192493393, 0.3693231577,
       2.571619635, -3.072062196, -0.2802154958, -0.618252829, -0.5831666216, -0.9973534611, 0.7951432479, -1.264873633, -1.786978496,
       4.2341192, -0.5654063813, -1.113575507, -0.6473812488, -0.5499560612, -1.296319458, 0.3681086477},
      {1.538283085, 0.1528865429, -1.608207885, -2.511076196, 0.2790811771, -0.8228726005, 3.669326891, -0.2876011514, 0.7849344707,
       1.182752078, 2.108340584, -1.915710985, 1.907946662, -3.050115891, -1.359672571, -1.049651534, -1.446296515, 0.6673006082,
       1.707289782, -0.558630409, 2.980009515, -0.5623755256, 0.5800521981, -0.4779859171, -1.613504815, 0.1910883742, 2.769789182,
       2.66161195, 1.890450866, -0.422301384, 0.1181904194, 2.858552897, 1.189473217, -0.4396659497, -1.140458472, 2.604968794,
       1.070166865, 0.188781535, -1.672461128, 1.147695333, -1.187731381, 0.1245374123, -0.9953686098, 1.090020699, -2.374174399,
       0.3515166011, -0.9496722791, -3.158306692, 2.996346389, 0.539538957, -0.47553691, -2.248953716, -0.0871894237, -1.867858644,
       1.72049517, 2.128086446, 2.754729599, -1.31526102, -1.474585419, -0.3208652642, -5.795112875},
     }},
    {"neox_serial",
     "{\"architectures\": [\"GPTNeoXForCausalLM\"]"
     ", \"attention_bias\": false"
     ", \"bos_token_id\": 0"
     ", \"eos_token_id\": 0"
     ", \"hidden_act\": \"gelu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"layer_norm_eps\": 1e-05"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"gpt_neox\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"rotary_emb_base\": 10000"
     ", \"rotary_pct\": 1.0"
     ", \"tie_word_embeddings\": false"
     ", \"use_parallel_residual\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"gpt_neox.embed_in.weight", {61, 48}}, {"gpt_neox.layers.0.input_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.0.input_layernorm.bias", {48, 0}}, {"gpt_neox.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.0.post_attention_layernorm.bias", {48, 0}}, {"gpt_neox.layers.0.attention.query_key_value.weight", {144, 48}},
      {"gpt_neox.layers.0.attention.dense.weight", {48, 48}}, {"gpt_neox.layers.0.mlp.dense_h_to_4h.weight", {80, 48}},
      {"gpt_neox.layers.0.mlp.dense_h_to_4h.bias", {80, 0}}, {"gpt_neox.layers.0.mlp.dense_4h_to_h.weight", {48, 80}},
      {"gpt_neox.layers.0.mlp.dense_4h_to_h.bias", {48, 0}}, {"gpt_neox.layers.1.input_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.1.input_layernorm.bias", {48, 0}}, {"gpt_neox.layers.1.post_attention_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.1.post_attention_layernorm.bias", {48, 0}}, {"gpt_neox.layers.1.attention.query_key_value.weight", {144, 48}},
      {"gpt_neox.layers.1.attention.dense.weight", {48, 48}}, {"gpt_neox.layers.1.mlp.dense_h_to_4h.weight", {80, 48}},
      {"gpt_neox.layers.1.mlp.dense_h_to_4h.bias", {80, 0}}, {"gpt_neox.layers.1.mlp.dense_4h_to_h.weight", {48, 80}},
      {"gpt_neox.layers.1.mlp.dense_4h_to_h.bias", {48, 0}}, {"gpt_neox.layers.2.input_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.2.input_layernorm.bias", {48, 0}}, {"gpt_neox.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.2.post_attention_layernorm.bias", {48, 0}}, {"gpt_neox.layers.2.attention.query_key_value.weight", {144, 48}},
      {"gpt_neox.layers.2.attention.dense.weight", {48, 48}}, {"gpt_neox.layers.2.mlp.dense_h_to_4h.weight", {80, 48}},
      {"gpt_neox.layers.2.mlp.dense_h_to_4h.bias", {80, 0}}, {"gpt_neox.layers.2.mlp.dense_4h_to_h.weight", {48, 80}},
      {"gpt_neox.layers.2.mlp.dense_4h_to_h.bias", {48, 0}}, {"gpt_neox.layers.3.input_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.3.input_layernorm.bias", {48, 0}}, {"gpt_neox.layers.3.post_attention_layernorm.weight", {48, 0}},
      {"gpt_neox.layers.3.post_attention_layernorm.bias", {48, 0}}, {"gpt_neox.layers.3.attention.query_key_value.weight", {144, 48}},
      {"gpt_neox.layers.3.attention.dense.weight", {48, 48}}, {"gpt_neox.layers.3.mlp.dense_h_to_4h.weight", {80, 48}},
      {"gpt_neox.layers.3.mlp.dense_h_to_4h.bias", {80, 0}}, {"gpt_neox.layers.3.mlp.dense_4h_to_h.weight", {48, 80}},
      {"gpt_neox.layers.3.mlp.dense_4h_to_h.bias", {48, 0}}, {"gpt_neox.final_layer_norm.weight", {48, 0}},
      {"gpt_neox.final_layer_norm.bias", {48, 0}}, {"lm_head.weight", {61, 48}},
     }, {
      {1.273754184, 0.3198349744, 1.604320658, -1.602614735, -1.07352949, -6.249782721, 4.318675293, -1.621708616, 3.743688502,
       2.670531339, -1.173547236, -3.114730019, 0.1267459578, 0.250578102, 1.511067151, -0.7391659397, -2.852312317, -3.418699384,
       3.850406925, -0.8711233614, 0.9373695242, -0.2856525877, 4.3164413, -0.2001181905, 2.196586627, -0.0360476517, 0.1626569367,
       1.688553596, -0.7907508695, 2.818627936, 0.6722661596, -0.955519333, -2.202418777, -1.048978117, -2.468919801, -1.789685952,
       1.331507811, 1.972516317, -3.247302517, 0.8696188887, 0.727647994, -0.5726482426, 0.9392293598, -3.885146036, 2.729844985,
       0.6215208569, 0.9906295707, -1.377637969, 1.580384829, -1.2325295, 0.8684304595, 0.478433067, -4.341383417, 2.243923996,
       2.49421913, -0.2662278374, -1.119070784, 1.211132945, -1.665891322, -3.352620921, 2.256471473},
      {2.728414044, 0.348507888, 0.03920385237, -2.08883959, 1.013796981, -4.605213787, -0.3868675869, -2.980587552, 2.901343169,
       0.2605892527, 2.018932171, -3.276444498, -2.254524867, -1.346374731, -0.9444484541, -0.7299968333, -1.945279573, -1.662399978,
       -1.785950156, -1.801375228, -1.373134494, 2.420333928, 2.925361513, -1.271986251, 0.7053417799, 0.3416740579, 2.378088216,
       0.7591135844, 1.234858233, 4.39401685, 3.273822638, -3.189461616, 0.09755195331, 0.2894762158, 0.2516542612, -0.29325871,
       0.4609279492, 3.329582445, 1.120300431, -3.418766102, -1.991993302, 1.895616974, -0.5998689537, -2.361932443, 0.201673973,
       -3.40779956, -0.06829168151, -0.001575180998, -0.587107331, -1.659761811, 2.907234507, 0.36389374, -1.419024717, 1.822790818,
       -0.0271088181, 0.2260309118, -0.6138244319, -0.6471168005, -3.08383966, -3.861407099, 2.707604995},
      {2.03561426, 0.3279667129, 0.3113766317, -2.625361515, -2.189972734, -5.692528064, 1.22211483, -2.947939061, 4.367533131,
       1.415888439, 1.23238217, -1.866063665, 1.654708217, -0.8693112904, 2.150865517, 0.2357898436, -1.278483724, -1.238100109,
       0.4851940064, 0.1541231826, -2.639121821, 2.142725273, 5.766573041, -0.2955348242, 1.866723113, -2.175083747, 0.5244340571,
       1.909798995, 1.082437662, 3.749110402, 0.4757791972, -2.577354088, 0.7581345937, 0.9203283471, 0.3291929465, 0.2467730268,
       0.1727969698, 0.9735392219, -0.7721273288, -0.3969896082, -1.473454325, 0.1870672489, -2.607842868, -2.791888771, 2.836826592,
       -1.529278085, -0.4347597848, -1.710131127, -1.112908002, 0.07313669454, 2.165385666, 2.077991027, -2.32686303, 0.6277313102,
       4.063349509, -2.256670211, -0.2809606879, -1.001227143, -3.028973175, -2.38982059, 0.9923448937},
     }},
    {"gemma",
     "{\"architectures\": [\"GemmaForCausalLM\"]"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"head_dim\": 16"
     ", \"hidden_act\": \"gelu\""
     ", \"hidden_activation\": null"
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"gemma\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 1"
     ", \"rms_norm_eps\": 1e-06"
     ", \"tie_word_embeddings\": true"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {16, 48}}, {"model.layers.0.self_attn.v_proj.weight", {16, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 64}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {64, 48}}, {"model.layers.1.self_attn.k_proj.weight", {16, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {16, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {16, 48}}, {"model.layers.2.self_attn.v_proj.weight", {16, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 64}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {64, 48}}, {"model.layers.3.self_attn.k_proj.weight", {16, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {16, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
     }, {
      {10.86014652, 0.9988829795, 1.281141186, 2.164352896, -1.649493385, -0.09955996656, 0.1401628433, -4.972980914, 5.256412328,
       -0.5813567074, 2.056703552, 3.516893713, -3.139530522, 5.413351974, -0.2118827857, -10.44527146, -4.526154757, 3.277188317,
       1.879147709, 2.730901642, 1.557852628, -3.283580934, 2.615206435, -3.023104952, -1.92693043, -2.25561013, -1.000747011,
       -4.209974344, 2.850861845, 3.159266357, 4.772063398, 2.548809837, -4.028560314, -3.258558913, -0.5515177422, -4.131095351,
       -3.942871052, -2.626078821, -4.265832066, -2.258408126, 0.9086284189, -5.272879569, -2.864456897, -1.700222522, 3.289347016,
       1.479026922, -10.16329992, 5.299066152, 1.372663679, 3.506602708, 2.431796555, -6.892818187, -0.3054664119, -4.607777226,
       -3.629159372, 2.848743556, 3.314662511, -1.809403556, 0.1973819712, -2.783918248, -2.88293218},
      {1.145655692, -2.043895065, -5.723634783, 1.783113165, -2.499393284, 5.512896531, 2.507592796, 0.7584660259, -3.844671275,
       -0.54812764, -7.994972633, -5.591564246, -9.159488255, -0.7975699987, 0.4428654306, 0.7265929816, 3.616839488, 1.09531445,
       1.256065193, -3.621511251, 3.166265809, 5.68947685, 1.721398611, -5.0956204, 3.742221323, 2.696290645, 8.002481684,
       -1.418800422, -0.6370617673, -4.144278661, -3.437046866, -9.258650671, 0.2891569067, 0.5048576493, 2.041694645, 9.452430207,
       5.685081509, 0.6850577731, 6.110659046, -0.2108841284, 3.450282265, -4.535005079, -5.055605288, 0.2038489515, -1.56519292,
       -6.513419205, -0.3671455682, 0.4959218363, -2.352117438, -1.821873204, -1.460785482, -0.5800597685, -4.950461848, -1.235584544,
       -2.727414004, 4.20573828, 0.02168074784, 2.624614153, -7.029847492, 8.353475957, 0.3400066009},
      {-2.80863103, 1.427232939, 2.915292086, 6.216318396, -5.148812404, 1.929335524, 2.621463261, -2.054231135, 1.254296719,
       -0.9689509305, -2.403683626, 5.623042606, 1.105197143, -13.39620139, -6.787495815, -0.1017917423, -2.676566346, -5.053315727,
       5.43524698, 5.103302995, -11.48390844, -1.261597959, 2.832345035, 6.016033317, -0.7987877115, 0.2170273901, 5.97150053,
       -2.672703932, 8.109739676, 2.222983514, 3.859693609, -3.160354241, 3.077801028, -2.104671107, 4.185561912, -0.06588495281,
       -0.7243786239, -1.367755707, -4.996814953, -0.6906745948, 1.199415244, -2.002295059, 4.912521469, 9.537925623, 6.768493286,
       -8.322273364, -1.017024118, 0.2854102434, -4.481799843, -6.78637284, 7.610620666, 11.72396755, 1.215695061, -1.235468687,
       -1.734753386, -1.049301574, -2.09280098, 8.456194642, 1.339372364, 0.3931442795, 0.9386715163},
     }},
    {"gemma2",
     "{\"architectures\": [\"Gemma2ForCausalLM\"]"
     ", \"attn_logit_softcapping\": 5.0"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"final_logit_softcapping\": 7.0"
     ", \"head_dim\": 16"
     ", \"hidden_act\": \"gelu\""
     ", \"hidden_activation\": \"gelu_pytorch_tanh\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"gemma2\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 2"
     ", \"query_pre_attn_scalar\": 24"
     ", \"rms_norm_eps\": 1e-06"
     ", \"sliding_window\": 6"
     ", \"tie_word_embeddings\": true"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {32, 48}}, {"model.layers.0.self_attn.v_proj.weight", {32, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 64}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.0.pre_feedforward_layernorm.weight", {48, 0}}, {"model.layers.0.post_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {64, 48}}, {"model.layers.1.self_attn.k_proj.weight", {32, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {32, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.1.pre_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.1.post_feedforward_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {32, 48}}, {"model.layers.2.self_attn.v_proj.weight", {32, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 64}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.2.pre_feedforward_layernorm.weight", {48, 0}}, {"model.layers.2.post_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {64, 48}}, {"model.layers.3.self_attn.k_proj.weight", {32, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {32, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.layers.3.pre_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.3.post_feedforward_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
     }, {
      {4.345773736, 0.4825111296, -3.69498494, 4.462582245, 1.332054069, 0.7805039417, 2.032606825, 3.651760738, 0.2027342785,
       1.104282268, -4.182841628, -0.8938155649, -2.103297442, 4.649613411, -2.262739526, -1.931760385, 4.708904089, 0.2658331202,
       4.73054331, 4.212340963, 3.964855485, -2.59668898, 2.243143867, 4.262947385, 1.415754581, -4.711488588, -1.835028638,
       4.045730141, -3.923751329, -5.620356247, 1.059569877, 3.133700426, 0.4193559015, -6.069534033, 1.867724529, -4.461678619,
       1.921373522, -3.959887385, -4.712179498, -2.011548282, -4.785469183, -3.342764206, -3.644693542, -2.195741064, 0.8323914584,
       3.642806885, 1.713801244, -1.156086174, 0.3838781187, 0.1468033369, 0.1328684286, -0.6368987928, -2.740010075, 0.173866092,
       0.1882842772, 2.408607455, -2.526487821, -4.612005307, 1.147914094, -0.9390553565, 5.550627763},
      {-2.122972509, -4.023240592, 5.84926467, 4.421534031, 5.181488576, -0.5080309351, -3.608589931, -3.872628347, -3.524649706,
       -4.957281244, -1.130526956, 1.262284995, 3.708799127, 5.168096014, -4.816375129, 2.60492403, 4.334864428, -5.01391368,
       2.869146858, -2.650582463, -0.2734167001, -1.774469755, -4.264399239, 4.948914568, -4.161723864, -4.84895126, -0.1000505635,
       0.1700402723, 3.898829693, 2.490994515, 0.8421247326, -1.082583848, 1.067432061, 4.737047762, 3.92357787, 0.7377464445,
       0.2441790209, 6.727972278, 4.697094834, 0.2277952268, -4.57959237, -1.782926294, 2.908649435, 1.116450904, -0.8328483493,
       0.09451461688, 1.178033186, -4.107750992, 2.681156071, 1.552983368, -2.527156174, 1.810254532, 4.450159565, 1.6925,
       -0.9813283615, 5.177505785, -2.576018217, -3.651005882, -4.42933628, -2.281302193, -3.69728217},
      {1.653624989, 3.766162134, -0.5125878221, -4.337893642, 3.284150018, 1.541990671, 1.224205919, 5.088794205, 5.492980863,
       0.3356372476, 0.08028678055, -5.219588694, 3.326379511, -2.189591984, -0.9211654956, 4.515333923, -3.67379581, 0.8013424969,
       -5.466255604, -1.370142421, -0.7916042836, 1.064597091, 4.185762506, 3.781738941, 3.007332616, 2.644946018, -2.057928824,
       -3.095284081, -4.754779961, -0.854067835, 1.254424956, 3.229137536, -1.378673502, -4.832067838, 0.1437230733, -3.177407719,
       1.511710155, -1.4432193, 4.529746663, 2.038276884, 4.586986522, -2.744342871, 3.510746184, 0.4728126696, 3.164619163,
       0.781132322, -4.962914319, -3.610510828, -0.9824106704, 2.427781224, 4.972341139, 2.924521562, 1.560300154, -3.786722053,
       -4.277142934, 3.660828266, 3.354486312, 3.271055205, -0.005169864037, 1.152529531, 0.9161386528},
     }},
    {"gemma3",
     "{\"architectures\": [\"Gemma3ForCausalLM\"]"
     ", \"attn_logit_softcapping\": null"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"final_logit_softcapping\": null"
     ", \"head_dim\": 16"
     ", \"hidden_act\": \"gelu\""
     ", \"hidden_activation\": \"gelu_pytorch_tanh\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"gemma3_text\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 2"
     ", \"query_pre_attn_scalar\": 24"
     ", \"rms_norm_eps\": 1e-06"
     ", \"rope_local_base_freq\": 10000.0"
     ", \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 8.0}"
     ", \"rope_theta\": 1000000.0"
     ", \"sliding_window\": 5"
     ", \"sliding_window_pattern\": 3"
     ", \"tie_word_embeddings\": true"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {32, 48}}, {"model.layers.0.self_attn.v_proj.weight", {32, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 64}}, {"model.layers.0.self_attn.q_norm.weight", {16, 0}},
      {"model.layers.0.self_attn.k_norm.weight", {16, 0}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.0.pre_feedforward_layernorm.weight", {48, 0}}, {"model.layers.0.post_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {64, 48}}, {"model.layers.1.self_attn.k_proj.weight", {32, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {32, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.1.self_attn.q_norm.weight", {16, 0}}, {"model.layers.1.self_attn.k_norm.weight", {16, 0}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.1.pre_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.1.post_feedforward_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {32, 48}}, {"model.layers.2.self_attn.v_proj.weight", {32, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 64}}, {"model.layers.2.self_attn.q_norm.weight", {16, 0}},
      {"model.layers.2.self_attn.k_norm.weight", {16, 0}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.2.pre_feedforward_layernorm.weight", {48, 0}}, {"model.layers.2.post_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {64, 48}}, {"model.layers.3.self_attn.k_proj.weight", {32, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {32, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.3.self_attn.q_norm.weight", {16, 0}}, {"model.layers.3.self_attn.k_norm.weight", {16, 0}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.layers.3.pre_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.3.post_feedforward_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
     }, {
      {10.29981834, 4.865644896, 3.142480164, -0.3540468805, 5.725878265, 0.2959866519, 3.066260391, 3.251392787, 0.9327750691,
       4.574128412, 4.516301199, -3.383687564, -1.845375319, 3.188611955, 1.091672496, 3.748426615, -1.278261627, -0.05322522327,
       -1.034564124, 7.817316382, -0.8513269872, -0.3656589455, 6.132637502, -2.263077429, -1.990878302, 3.293201759, 0.3753513845,
       -5.997235421, 1.793991095, -5.099047603, -5.000035277, -0.261598489, 3.259441779, 4.65046012, -5.600912911, 5.03772356,
       1.484377938, -3.548674367, -3.697555412, 5.19719533, -5.41271464, 1.18396101, 6.548533686, 5.079492507, -3.470552015,
       -2.956191846, 2.094628815, 0.1454552135, 6.208439027, -2.068887902, 5.889070598, 3.743831441, 3.416571979, -3.625018877,
       5.744797848, -4.440606434, 3.564666796, -9.762437866, 3.356953503, 0.2745188216, -1.814092849},
      {-3.095413199, 1.959531025, 1.330787335, -0.4089730536, -0.6993006848, 3.12947038, 3.988126581, 4.736110394, 1.975374264,
       -3.402257176, 0.2673893851, 1.161633294, 0.7742069565, 7.924923329, 0.261149635, -4.172516423, 1.201599688, -2.011777191,
       -0.754816907, 0.3175588807, 3.555585856, -2.017949337, 0.1576643262, 3.749402024, -2.071423664, -1.254169576, 8.937464186,
       0.3965689017, 2.70948252, -3.483977929, -10.13412524, 0.4720981583, 0.5928047282, 2.554295448, -0.7780764021, -3.498911695,
       -2.053774425, 8.441849263, -2.856355553, 1.850861481, -1.938257684, 2.938988904, 4.025314075, -0.6310799951, -4.269120858,
       3.433089937, 8.295015386, 4.723250332, 4.552707469, -13.82235067, 6.877343926, 1.410551277, 0.1657592385, 0.1885472742,
       -4.431470092, -6.703913173, 0.4261797009, 2.683871207, 2.263023915, -2.375618919, 2.989231551},
      {-2.531302104, 7.552305594, -5.000629239, 3.227879479, 7.259899896, 1.018024834, -3.049272191, 1.239909895, 10.00392238,
       -4.430066014, 1.074326232, 4.798266791, -0.9068789755, -2.672043556, -1.74809536, 9.384611972, 7.597202035, -4.095751714,
       -3.578083591, 9.224685416, -0.9187512808, 7.912103377, -1.895154637, 0.5865434778, -1.083751744, 0.9730382125, 3.207003003,
       -5.552168055, -2.969298799, -6.241205275, -12.14033301, -3.5140514, 1.643689508, 0.2530205207, -4.438043866, -1.152781214,
       -4.051999111, 4.332759415, -3.744771738, 7.306101781, -6.740769288, 2.887973125, 3.77156182, 0.7430962582, 0.4887324197,
       4.493336711, 4.380121592, 2.419679224, -3.073902433, -9.23540991, 13.99743457, 0.1089348308, 5.957123338, -0.1520873544,
       -0.8735171138, -9.346801807, -0.64218766, -6.408182813, 4.468760275, -5.610753427, -1.382715734},
     }},
    {"gemma3_v5",
     "{\"architectures\": [\"Gemma3ForCausalLM\"]"
     ", \"attn_logit_softcapping\": null"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"final_logit_softcapping\": null"
     ", \"head_dim\": 16"
     ", \"hidden_act\": \"gelu\""
     ", \"hidden_activation\": \"gelu_pytorch_tanh\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"layer_types\": [\"sliding_attention\", \"full_attention\", \"sliding_attention\", \"full_attention\"]"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"gemma3_text\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 2"
     ", \"query_pre_attn_scalar\": 24"
     ", \"rms_norm_eps\": 1e-06"
     ", \"rope_parameters\": {\"full_attention\": {\"rope_type\": \"default\", \"rope_theta\": 500000.0}, \"sliding_attention\": {\"rope_type\": \"default\", \"rope_theta\": 20000.0}}"
     ", \"sliding_window\": 5"
     ", \"tie_word_embeddings\": true"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {32, 48}}, {"model.layers.0.self_attn.v_proj.weight", {32, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 64}}, {"model.layers.0.self_attn.q_norm.weight", {16, 0}},
      {"model.layers.0.self_attn.k_norm.weight", {16, 0}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.0.pre_feedforward_layernorm.weight", {48, 0}}, {"model.layers.0.post_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {64, 48}}, {"model.layers.1.self_attn.k_proj.weight", {32, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {32, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.1.self_attn.q_norm.weight", {16, 0}}, {"model.layers.1.self_attn.k_norm.weight", {16, 0}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.1.pre_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.1.post_feedforward_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {32, 48}}, {"model.layers.2.self_attn.v_proj.weight", {32, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 64}}, {"model.layers.2.self_attn.q_norm.weight", {16, 0}},
      {"model.layers.2.self_attn.k_norm.weight", {16, 0}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.2.pre_feedforward_layernorm.weight", {48, 0}}, {"model.layers.2.post_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {64, 48}}, {"model.layers.3.self_attn.k_proj.weight", {32, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {32, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.3.self_attn.q_norm.weight", {16, 0}}, {"model.layers.3.self_attn.k_norm.weight", {16, 0}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.layers.3.pre_feedforward_layernorm.weight", {48, 0}},
      {"model.layers.3.post_feedforward_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
     }, {
      {11.41699677, 3.545932603, 5.268975203, -1.958660027, 4.973103681, -0.04261863972, 1.506710793, -2.581041291, -3.898419451,
       3.782726771, 6.957921461, -0.406087742, -5.114854501, -4.18584252, -5.403870541, -1.379046814, -4.518420792, 2.523290638,
       5.696631677, 0.3558120542, -4.085913748, 5.931101508, -6.389003781, -0.3028381402, -1.956893772, 0.8769993072, 6.923217672,
       2.950255214, 1.377797736, 5.074613685, 1.930835078, 4.283996002, 5.895208035, 2.165015783, 1.423172469, 0.9037256268,
       5.163535039, 9.584378518, 0.5053362777, 3.947038904, 5.120748961, -3.606857789, 5.434700235, 3.13309757, 6.756538822,
       -4.365098581, -1.023836213, 4.09557626, 2.624821519, 2.629153999, -2.246315566, -0.9804479894, 0.515534829, 1.262166855,
       1.037453257, 2.717742816, 3.263404567, -1.373308299, 4.084824507, 1.875816222, -3.596507325},
      {0.135075765, 0.3793340754, 1.874667328, 5.611008752, 5.004324287, 0.3706417299, 1.876849326, -4.592852314, -5.740218457,
       0.1815843132, 2.574449328, 0.317863141, 5.027874654, 0.419057501, -0.07781134352, -7.258671177, -5.893934838, -2.439208121,
       3.136318375, -4.820218617, 0.0394724643, 3.765438471, 2.07769653, 0.231914188, -2.551724567, 2.851167355, 7.30357236,
       -7.94921993, -8.36398479, 4.582707967, -1.146993494, 1.940146875, 4.15070141, 3.630696503, 4.356099758, 1.008369732,
       -1.454144697, 8.851218265, 3.430539173, 0.1687256253, 10.40884473, -5.510690924, -2.70773766, -0.03752659004, -4.467420339,
       -2.549961135, -2.735721278, -4.187672625, 7.544855128, 1.071745381, 2.725608374, -3.761922119, 5.688683524, -2.637008071,
       5.022566384, 2.721641653, 1.210686927, -5.878355489, -2.520793046, 3.396883396, -8.889743366},
      {4.586155477, 2.115867309, 1.862615962, 3.20896651, 2.883449591, -5.084200312, -5.452666438, 0.3989376692, -4.182556965,
       -1.517710188, 0.1307924761, -0.7552989367, -0.4984191574, -1.770888448, -3.759841572, 0.3790174087, 2.875147169, -3.601502815,
       1.132056808, -1.984509569, -0.461861908, -0.4124041817, -3.867372162, 1.003208616, 2.816477913, 0.6328701805, 7.501704314,
       -3.396073232, 8.432863684, -2.555089211, 5.615573046, 4.266570966, -1.277980722, 4.634879472, -0.58111379, 1.294364123,
       -2.548160161, 4.597590738, -8.712473528, 2.070750677, 1.080432046, 0.1322574294, -6.649745376, 2.65525874, -1.467901184,
       1.093936847, 1.255998382, -4.444783581, 5.411947435, 1.549717594, 4.768803391, 2.622268651, -1.945866319, 0.006171551046,
       -0.688794456, -0.3129728879, 2.460760909, 1.785288816, -0.1121559527, 3.27148613, -3.098547212},
     }},
    {"smollm3",
     "{\"architectures\": [\"SmolLM3ForCausalLM\"]"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"smollm3\""
     ", \"no_rope_layers\": [1, 0, 1, 0]"
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 2"
     ", \"pad_token_id\": 0"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_theta\": 2000000.0"
     ", \"tie_word_embeddings\": true"
     ", \"use_sliding_window\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {24, 48}}, {"model.layers.0.self_attn.v_proj.weight", {24, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 48}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {48, 48}}, {"model.layers.1.self_attn.k_proj.weight", {24, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {24, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {24, 48}}, {"model.layers.2.self_attn.v_proj.weight", {24, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 48}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {48, 48}}, {"model.layers.3.self_attn.k_proj.weight", {24, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {24, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
     }, {
      {-1.37449247, -2.085481274, -0.02706286613, -0.9989871155, 0.407590233, 0.3078873887, -0.9663362849, -1.497761628, 1.650354782,
       0.03152074747, 0.7034026647, -1.719317333, 0.8117582346, -0.2055074495, -3.54079642, -2.303540204, -3.510633755, 0.3487989319,
       1.189887289, 1.40468197, 0.4044234648, 0.8107756164, 3.537633472, 1.111020105, -0.7948300539, 1.466346326, 1.002661645,
       1.539009584, 1.445950388, -0.9487795227, 1.938238897, 4.353162203, -0.7458101229, -1.845874739, 0.2689029552, 5.431611385,
       0.5696447398, -1.547192011, 1.967223999, -0.0990464519, 3.06196049, 0.07918436032, 0.7008240502, 1.91250836, 2.836400251,
       3.56280248, -0.3789431719, 2.043984933, 0.9401980914, 1.510098097, 1.459799383, 3.134046648, 1.485289986, -2.70626169,
       -1.094598, 1.35460884, -2.515139584, -0.2062895738, -1.758994466, 0.6116086619, 0.9919423295},
      {0.3523104851, -0.5877651997, 0.8157325076, -2.012710647, -2.688843084, 2.139465439, -2.222558104, 4.309333235, -3.754529106,
       -0.1395998602, -4.609206229, -0.5206890132, 0.1016820135, 1.424275605, -0.6397848784, -2.468461053, 0.4383733425, 1.173911309,
       -2.788972245, -0.7689812078, 2.700529113, 1.271958715, 3.103388882, 3.648842423, 0.6356327985, -0.9268992996, -2.77679569,
       2.580501225, -0.02003260363, -2.164132433, 0.2612103226, -2.62276565, 1.660299381, -3.275179826, -4.768679724, 2.774991238,
       0.8784195002, 0.4712620115, 0.1229084953, -1.958981075, -0.7036951645, 0.1240429336, -1.681457793, 3.158468731, -0.1730382761,
       3.549018385, -0.1521846732, 1.765066296, -0.08436014171, -3.147041063, -0.9590712099, -3.962767819, 2.129017213, -2.277954265,
       -1.06332396, 2.522080632, -0.5488952044, -4.488356539, 1.023760458, -0.8415967144, -0.9406446078},
      {-0.5635318899, 0.0640442257, 4.164298765, -3.348722936, 1.638014346, 1.39691266, -1.090569069, -0.981654592, 3.620547252,
       -0.4252795541, -0.6218367891, 0.5175258708, 0.6027206952, 0.7514094659, -0.1168864143, -1.751370388, -1.706466358, 4.119899599,
       1.909215827, 0.334302396, -1.713578212, 2.924000762, 1.052932603, 2.355413569, -1.003377725, -2.561065487, 1.578739151,
       2.637113617, -0.8234458181, -0.4981148758, 2.683362508, 1.479575857, -0.8963615582, 4.080476381, -0.1761747745, 2.508842654,
       -2.838614786, -0.07447281331, -3.332508904, 1.848444128, -0.8885246138, 0.1429693721, -1.643228786, 4.07524895, 1.016078904,
       -1.424887563, 2.644842, 0.8374492197, -0.474496105, 2.506090001, 2.959425175, 1.373153283, -1.134393308, 2.487783991,
       2.29172712, -0.3701472984, 0.6835606909, -1.459643831, -3.488803007, -0.8358162277, 1.523490539},
     }},
    {"phi3",
     "{\"architectures\": [\"Phi3ForCausalLM\"]"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"phi3\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 2"
     ", \"pad_token_id\": 0"
     ", \"partial_rotary_factor\": 0.5"
     ", \"rms_norm_eps\": 1e-05"
     ", \"sliding_window\": 9"
     ", \"tie_word_embeddings\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.qkv_proj.weight", {96, 48}}, {"model.layers.0.mlp.gate_up_proj.weight", {160, 48}},
      {"model.layers.0.mlp.down_proj.weight", {48, 80}}, {"model.layers.0.input_layernorm.weight", {48, 0}},
      {"model.layers.0.post_attention_layernorm.weight", {48, 0}}, {"model.layers.1.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.1.self_attn.qkv_proj.weight", {96, 48}}, {"model.layers.1.mlp.gate_up_proj.weight", {160, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.qkv_proj.weight", {96, 48}}, {"model.layers.2.mlp.gate_up_proj.weight", {160, 48}},
      {"model.layers.2.mlp.down_proj.weight", {48, 80}}, {"model.layers.2.input_layernorm.weight", {48, 0}},
      {"model.layers.2.post_attention_layernorm.weight", {48, 0}}, {"model.layers.3.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.3.self_attn.qkv_proj.weight", {96, 48}}, {"model.layers.3.mlp.gate_up_proj.weight", {160, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
      {"lm_head.weight", {61, 48}},
     }, {
      {-4.013582782, -2.097636127, 1.234442391, -0.6467309809, 1.996534442, 1.186339229, -1.23910619, 0.5309984851, -1.189835804,
       -1.055697545, -1.117057142, 0.4602375706, 1.192412613, -4.984189383, -2.543561658, -0.1776259898, 1.583851701, -2.370341416,
       -0.3988211159, 2.268415974, -6.733976354, -2.747164811, 3.573727197, -1.976317082, 1.37146826, -0.5343122739, 3.877989677,
       -1.786037553, -0.1701614373, 2.83594966, -1.055522137, -0.6569168101, 2.404849527, -1.627903766, 2.682885305, -0.7966062718,
       0.3336889692, 1.189439877, 2.180916643, 0.8356281103, -0.791280393, 0.5986353653, -3.178210531, -0.6098662426, 4.175808725,
       -1.058332565, 0.4778566934, -4.104949492, -1.540790187, 1.774704185, -0.2492507308, -0.8757649353, -4.445621317, -1.681041903,
       -1.757766173, -3.694663716, -1.629910883, -2.030154835, -0.3321309113, 2.849829299, 0.7495193107},
      {1.650058365, -1.447428329, 1.548568205, -1.459312511, -0.3047956264, -0.7718511599, 1.700143452, -2.634816767, -1.507523063,
       3.44345102, -0.5422663565, 0.7805554741, -0.9765891759, 1.034333262, -0.7201592096, 2.039733141, -1.294559695, -1.327232968,
       0.2738523396, -1.83847083, -1.914150936, 2.351160487, 1.934483994, -1.784530219, 2.080028366, -2.868980887, 1.254558356,
       0.9336370825, 4.59199224, -2.467512391, 3.418424391, 0.1438093907, -0.6990252099, 3.780064946, 0.2213254096, 2.63529286,
       0.919112883, 2.762355788, -2.354290752, -2.145522352, -1.209889078, -0.8994957144, -0.2386113674, -0.4003829588, -3.834363902,
       -0.3967670909, -1.473192874, -1.164737686, 4.477348415, 3.385837028, 3.16747173, 0.1210967427, -0.8404034049, -0.5020454206,
       2.414291793, -1.366240812, 5.710846805, 0.9172309442, -0.09711745216, 2.498720148, -0.4899193978},
      {1.619023084, 0.5666286676, 1.538229491, -1.622337369, -0.3683361302, -3.154313778, 0.3481793859, 0.8585960145, -0.3257026462,
       0.338587926, 3.707793334, 3.298774406, 0.7048945922, -0.03647421116, -3.118433163, -0.9381341609, -1.534911122, 2.649695911,
       0.7652434667, -0.41690207, -1.501886705, 3.50355945, 1.353801945, 2.047049042, -1.189923698, 0.8972182866, -1.047528559,
       4.00381455, -0.6721865827, 1.750619406, 0.2805424471, -1.381781873, -0.3879925726, 1.005160279, 1.558553817, -1.805101203,
       -2.7958452, -0.1636965739, -2.521611027, -1.928431344, 0.8521599851, 1.878404181, -0.3889560219, -0.3745686093, -0.5506091295,
       -2.737673865, -2.036688888, -1.447157737, 1.963131593, 2.453821366, -1.65701068, -2.860692946, 0.05304685648, -2.796757126,
       -1.517235384, 2.55816752, -2.078913464, 0.6754478444, -1.061272897, 1.87360112, -1.822822059},
     }},
    {"longrope",
     "{\"architectures\": [\"Phi3ForCausalLM\"]"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"phi3\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 2"
     ", \"original_max_position_embeddings\": 20"
     ", \"pad_token_id\": 0"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_scaling\": {\"type\": \"longrope\", \"short_factor\": [1.0, 1.05, 1.2, 1.5, 2.0, 2.25], \"long_factor\": [1.1, 1.4, 2.0, 4.0, 7.5, 9.0], \"rope_theta\": 10000.0, \"partial_rotary_factor\": 1.0, \"rope_type\": \"longrope\", \"original_max_position_embeddings\": 20}"
     ", \"sliding_window\": 31"
     ", \"tie_word_embeddings\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.qkv_proj.weight", {96, 48}}, {"model.layers.0.mlp.gate_up_proj.weight", {160, 48}},
      {"model.layers.0.mlp.down_proj.weight", {48, 80}}, {"model.layers.0.input_layernorm.weight", {48, 0}},
      {"model.layers.0.post_attention_layernorm.weight", {48, 0}}, {"model.layers.1.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.1.self_attn.qkv_proj.weight", {96, 48}}, {"model.layers.1.mlp.gate_up_proj.weight", {160, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.qkv_proj.weight", {96, 48}}, {"model.layers.2.mlp.gate_up_proj.weight", {160, 48}},
      {"model.layers.2.mlp.down_proj.weight", {48, 80}}, {"model.layers.2.input_layernorm.weight", {48, 0}},
      {"model.layers.2.post_attention_layernorm.weight", {48, 0}}, {"model.layers.3.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.3.self_attn.qkv_proj.weight", {96, 48}}, {"model.layers.3.mlp.gate_up_proj.weight", {160, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
      {"lm_head.weight", {61, 48}},
     }, {
      {0.6299810682, -0.8551126257, 0.6329667675, -0.9156746515, 1.353237754, -2.941261475, -1.504902995, 2.610059489, 1.754047016,
       -1.205411048, -1.215263852, -0.4987333396, 0.5903012805, 2.029445642, 1.288025262, -2.248422495, -3.396170469, 3.136871568,
       0.4823932971, 2.132146001, 1.559262361, 0.2293291936, 2.022802055, -1.377019366, 1.178534421, 1.465382876, 1.663499885,
       1.754166921, 1.255197859, -0.2246701322, -0.6473346159, 2.163273398, 1.404888669, -2.8438888, 6.016669963, -1.357201467,
       0.5222872399, 4.160795951, -1.729210942, -1.182017337, -1.102460539, -2.126751457, 2.578906843, -0.8266104081, -0.1780407848,
       -0.1922520178, -2.066186759, -1.00318937, 1.422795755, -0.2769492572, -0.2183023914, -1.853751875, 1.21118154, 3.018700775,
       2.435867302, 0.1469629059, 5.659302627, 0.393989012, -4.009479745, 1.382486193, -0.3917735618},
      {0.08496046731, 1.370151789, 0.9732224478, -1.555225512, -0.4341265766, -0.5579955345, 0.2404596708, -2.740263985, -0.9077119527,
       0.3700269002, -1.036448169, -1.009696762, -2.688259494, -2.291816553, -2.628120951, 2.814042985, 1.191923496, -3.587405639,
       0.9348944756, 3.872836401, 1.26237007, 2.261329123, -0.2791273994, 1.410840207, 0.6747787053, -0.9967207036, 0.4307995116,
       2.327277075, -2.476432314, -1.748029439, 0.4353631113, -1.373383729, -2.457234161, 0.4616151255, -4.105816117, 1.825064719,
       -1.236809345, -1.702042722, 2.923282812, -2.646172441, -0.9143410296, 1.978294437, 0.01434097558, 0.146546999, 0.7244592527,
       0.8842476945, 2.208940655, -3.169708507, 0.05084093732, -1.396721593, -1.727551689, 2.58244118, -2.645460985, 1.742768614,
       0.2450761572, -1.914112273, 0.390863094, -1.191503138, -2.272023412, -4.135263567, 0.3358563558},
      {-1.533638802, -0.1679698937, -0.07312110518, 1.080759967, -0.3245577658, -1.85654192, -2.62893336, -1.745143143, -0.8061982675,
       2.354579839, 1.818333666, 1.001207392, 0.8918564779, -0.2709892532, 1.472411761, 1.470872127, -0.9766839186, 1.41006474,
       -1.964790921, -1.703521636, -0.6400874783, -0.3121349103, -1.995070541, 2.394328465, -1.049391155, -0.9168413057, -0.2277880206,
       -2.422821662, -1.364941165, 2.009364915, -0.2595406403, 1.619534403, -3.667774074, 2.165398937, -1.148098084, 1.100269336,
       -2.148481901, -1.296612532, -1.729794885, -0.01986298419, -3.01263505, -4.039929537, -1.118574586, 0.7100831924, 2.534896679,
       -1.432366583, 4.908511898, -0.1543964962, 3.176754076, -0.7936482126, 0.03637085263, 3.195605133, 2.742660787, -0.4117021252,
       0.09927880188, 2.586722625, -1.327288016, 0.1923699477, 0.8459893598, 2.310901826, -3.138099458},
     }},
    {"dynamic",
     "{\"architectures\": [\"LlamaForCausalLM\"]"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"llama\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 2.0, \"rope_theta\": 10000.0}"
     ", \"tie_word_embeddings\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {48, 48}}, {"model.layers.0.self_attn.v_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 48}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {48, 48}}, {"model.layers.1.self_attn.k_proj.weight", {48, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {48, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {48, 48}}, {"model.layers.2.self_attn.v_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 48}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {48, 48}}, {"model.layers.3.self_attn.k_proj.weight", {48, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {48, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
      {"lm_head.weight", {61, 48}},
     }, {
      {0.7216643652, -3.288830487, -0.02149084604, 1.646464432, 2.218917389, 2.159848407, 3.452003939, 4.560412869, 3.631294659,
       -3.124537544, 2.137973392, 0.3705385268, -1.526005124, 0.4112079477, -3.374133934, -1.089665182, 1.198847849, -0.3581449904,
       1.06956529, -1.198015663, 1.851974786, -1.467138238, -1.917367965, -1.51855121, 3.226301585, 1.92002441, -0.3013261549,
       1.124120198, -2.595755844, -1.283711753, 0.2985044642, -0.231336493, 2.040767287, 1.491122788, 0.6768081776, -0.8623619008,
       -1.848452248, 1.544212076, -4.003229971, -3.431620952, 3.082346211, -1.762409717, -1.005181684, 2.494138389, -0.03916937111,
       -0.8643004388, -0.6915465595, -0.304342365, -1.2699244, -2.062738949, -0.6854137217, 0.5372459359, -1.620135511, 0.7402937186,
       1.232050367, 1.181142489, 3.474626746, -0.04509076328, 1.718568974, 0.9437321839, 4.865674125},
      {-0.6962489591, -1.643309537, -2.257108996, 1.274191361, 0.8589716338, 0.7912181911, -0.8948368836, -1.083667778, 1.590142895,
       1.702521288, 0.2747765114, -0.23749025, -0.2062306618, -1.65065135, -0.4535461437, -0.1078011649, -2.182346644, -2.251453277,
       3.247421297, -3.286917996, 0.00485434009, 3.309488025, 3.366520066, 3.571791322, 0.4544165761, 0.522452013, 1.396730755,
       -1.680492617, -0.1286209739, 0.7376852639, 1.382873986, 0.562731178, -0.8942039279, -1.460316465, -2.762535503, 0.4072690573,
       1.872744631, 0.5500965719, 3.651464353, -2.184536244, -0.6318673466, 1.013881536, -1.825175176, -0.2626182237, -1.254315768,
       -1.02933845, 1.146562264, 0.9020962752, 0.2344550871, -1.156597225, -0.6509788696, 1.330794402, -0.1877300052, 0.01023556138,
       -1.113231165, -1.466063013, -5.071506916, 2.508693175, 3.302180052, 3.297267818, 1.842593994},
      {0.6999190944, 4.00026836, 0.9218056186, 0.8425977848, -0.3214821564, 0.3711589972, -1.872297421, -0.6484549819, 2.749473639,
       -1.17673286, -1.306395674, -2.710501385, 0.3389489305, -0.9614160647, -1.525957131, 3.528820561, 0.5458812282, 0.9259534467,
       1.176543263, 0.02979175379, 2.207810504, -1.92025597, 1.982543011, -0.9726885932, -1.24770835, -4.262357043, 2.377186516,
       1.968455485, 3.973274108, 0.4087584718, 0.7654167741, 4.891469047, -2.131983495, 2.475149332, 0.09054130812, -4.167172819,
       -2.931406895, -0.4401428442, 2.171926999, 3.174205211, -1.783927333, 5.552977235, -1.955842321, 1.250380499, -0.8950674083,
       -1.283660709, 0.9895146079, 0.3056406142, 0.2624136774, -1.24284363, -0.3839327146, 1.839012006, 5.560739928, -1.333057276,
       0.2970699582, -1.193051419, 1.875746021, -0.1574357352, 1.922093001, 2.039615028, -0.9912388201},
     }},
    {"yarn_mscale",
     "{\"architectures\": [\"LlamaForCausalLM\"]"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"llama\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 16, \"beta_fast\": 16, \"beta_slow\": 2, \"mscale\": 0.7, \"mscale_all_dim\": 1.0, \"rope_theta\": 10000.0}"
     ", \"tie_word_embeddings\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {48, 48}}, {"model.layers.0.self_attn.v_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 48}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {48, 48}}, {"model.layers.1.self_attn.k_proj.weight", {48, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {48, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {48, 48}}, {"model.layers.2.self_attn.v_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 48}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {48, 48}}, {"model.layers.3.self_attn.k_proj.weight", {48, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {48, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
      {"lm_head.weight", {61, 48}},
     }, {
      {1.692508869, -0.9245488012, -0.5046543356, 0.8920436507, -1.232098908, 0.3111527119, -0.4487554668, 0.2887675535, -3.863379059,
       0.8865665935, 0.8822268755, -1.482838845, -1.92823278, 1.203129814, 1.814113782, -0.4242815532, -2.880295537, 0.2366563602,
       -3.242731293, -1.571064119, -1.370232847, -1.010769986, 1.751956186, -1.854981787, 0.1921252547, 0.07461605981, 1.570810314,
       -0.853738145, -0.9014552224, -2.03978496, -2.015194894, -2.754480557, -2.015284842, 1.331086108, 1.929509677, 0.07835479169,
       -1.295654876, 2.287877179, -0.3985851148, 2.504605616, -4.919307858, -5.828910208, -2.169820313, 0.6973482852, 1.629146966,
       -0.01595238334, -1.018361092, 1.867060572, 1.004575517, 2.752293613, -0.7513365959, 3.294330484, -3.868138336, 2.710510206,
       1.11033569, 3.60818893, -4.473986131, -3.582621946, 2.041713362, 1.594032153, 0.5372645209},
      {1.03541669, -0.2500423482, 4.564972389, 2.364309071, -4.639406072, 0.3505619621, -1.645104204, 1.034303329, 0.2685951734,
       2.351631697, -1.611670527, 1.691444351, -3.2631838, 5.835588356, 3.162477533, 1.274194518, -1.111430115, -2.676428731,
       1.650272158, -1.674973401, -1.946528959, 1.641478982, 4.382084615, -0.4014671217, 1.334322778, -1.418687488, 1.848242421,
       -2.261211555, 1.479765435, -0.3447986657, -0.7553158722, -2.79164857, -4.255505842, 5.619542904, -0.7206673379, -1.038576999,
       -0.7806466288, -1.916305548, -1.449844594, -0.6333108063, -0.4365870542, -1.186092386, -3.083728871, 1.407653653, -1.884800175,
       -2.436810369, -1.447147153, 0.5582182237, -3.320484998, 0.8565401886, 0.1829050196, -2.082351597, -3.219302671, 1.019212492,
       1.841863186, 1.957765176, -4.224101958, -3.299740011, -0.6612200797, -2.496418622, 2.084975231},
      {-1.548739249, -1.321795337, -2.046992477, 2.556791474, 3.188982113, -0.7944260899, -1.38344589, -3.025658586, -2.819108141,
       -0.5669830636, 2.197030972, -2.118017197, -2.332289596, -1.372066585, -1.451693293, -0.09657282959, -2.472093606, -0.0794029244,
       0.2767245693, 0.2937051607, 3.350571727, -1.742808854, 2.354565543, 0.3195407356, -0.8017891449, 0.1246024383, -2.929641181,
       2.615841605, -3.155784511, 0.02953257861, -1.78530458, -3.714527895, -2.102544507, 2.902098833, -1.150224829, 1.599432835,
       -2.805678243, -1.346335174, 3.123390155, -2.217857684, 0.6701372088, 1.973471511, 1.352145674, 0.6763962991, -0.7722170948,
       1.227079417, 1.105942787, 2.998032673, 2.66794592, -2.418619572, 0.2391341919, 2.599796325, -2.548907949, 0.5876764763,
       4.706364063, 0.7890071565, -1.436006191, -3.883766778, -1.55940772, -2.168551104, 1.720006031},
     }},
};
