/* hf_logits.h -- written by tests/ref/hf_reference.py; not to be edited.  config.json, the tensors as the file has them, and
 * the logits that follow prompts of 1, 7 and 40 ids; id i of prompt p is (7 i i + 3 i + 11 p) mod 61. */
typedef struct hf_tensor { const char *name; int dims[2]; } hf_tensor;
typedef struct hf_model { const char *name, *config; hf_tensor tensors[72]; double logits[3][61]; } hf_model;
enum { HF_V = 61, HF_T = 64, HF_L = 4 };
static const int hf_lengths[3] = {1, 7, 40};
static const hf_model hf_models[] = {
    {"gpt2",
     "{\"activation_function\": \"gelu_new\""
     ", \"architectures\": [\"GPT2LMHeadModel\"]"
     ", \"bos_token_id\": 60"
     ", \"eos_token_id\": 60"
     ", \"layer_norm_epsilon\": 1e-05"
     ", \"model_type\": \"gpt2\""
     ", \"n_ctx\": 64"
     ", \"n_embd\": 48"
     ", \"n_head\": 4"
     ", \"n_layer\": 4"
     ", \"n_positions\": 64"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"transformer.wte.weight", {61, 48}}, {"transformer.wpe.weight", {64, 48}},
      {"transformer.h.0.ln_1.weight", {48, 0}}, {"transformer.h.0.ln_1.bias", {48, 0}},
      {"transformer.h.0.attn.c_attn.weight", {48, 144}}, {"transformer.h.0.attn.c_attn.bias", {144, 0}},
      {"transformer.h.0.attn.c_proj.weight", {48, 48}}, {"transformer.h.0.attn.c_proj.bias", {48, 0}},
      {"transformer.h.0.ln_2.weight", {48, 0}}, {"transformer.h.0.ln_2.bias", {48, 0}},
      {"transformer.h.0.mlp.c_fc.weight", {48, 192}}, {"transformer.h.0.mlp.c_fc.bias", {192, 0}},
      {"transformer.h.0.mlp.c_proj.weight", {192, 48}}, {"transformer.h.0.mlp.c_proj.bias", {48, 0}},
      {"transformer.h.1.ln_1.weight", {48, 0}}, {"transformer.h.1.ln_1.bias", {48, 0}},
      {"transformer.h.1.attn.c_attn.weight", {48, 144}}, {"transformer.h.1.attn.c_attn.bias", {144, 0}},
      {"transformer.h.1.attn.c_proj.weight", {48, 48}}, {"transformer.h.1.attn.c_proj.bias", {48, 0}},
      {"transformer.h.1.ln_2.weight", {48, 0}}, {"transformer.h.1.ln_2.bias", {48, 0}},
      {"transformer.h.1.mlp.c_fc.weight", {48, 192}}, {"transformer.h.1.mlp.c_fc.bias", {192, 0}},
      {"transformer.h.1.mlp.c_proj.weight", {192, 48}}, {"transformer.h.1.mlp.c_proj.bias", {48, 0}},
      {"transformer.h.2.ln_1.weight", {48, 0}}, {"transformer.h.2.ln_1.bias", {48, 0}},
      {"transformer.h.2.attn.c_attn.weight", {48, 144}}, {"transformer.h.2.attn.c_attn.bias", {144, 0}},
      {"transformer.h.2.attn.c_proj.weight", {48, 48}}, {"transformer.h.2.attn.c_proj.bias", {48, 0}},
      {"transformer.h.2.ln_2.weight", {48, 0}}, {"transformer.h.2.ln_2.bias", {48, 0}},
      {"transformer.h.2.mlp.c_fc.weight", {48, 192}}, {"transformer.h.2.mlp.c_fc.bias", {192, 0}},
      {"transformer.h.2.mlp.c_proj.weight", {192, 48}}, {"transformer.h.2.mlp.c_proj.bias", {48, 0}},
      {"transformer.h.3.ln_1.weight", {48, 0}}, {"transformer.h.3.ln_1.bias", {48, 0}},
      {"transformer.h.3.attn.c_attn.weight", {48, 144}}, {"transformer.h.3.attn.c_attn.bias", {144, 0}},
      {"transformer.h.3.attn.c_proj.weight", {48, 48}}, {"transformer.h.3.attn.c_proj.bias", {48, 0}},
      {"transformer.h.3.ln_2.weight", {48, 0}}, {"transformer.h.3.ln_2.bias", {48, 0}},
      {"transformer.h.3.mlp.c_fc.weight", {48, 192}}, {"transformer.h.3.mlp.c_fc.bias", {192, 0}},
      {"transformer.h.3.mlp.c_proj.weight", {192, 48}}, {"transformer.h.3.mlp.c_proj.bias", {48, 0}},
      {"transformer.ln_f.weight", {48, 0}}, {"transformer.ln_f.bias", {48, 0}},
     }, {
      {2.574491353, -2.779484079, -2.100160324, 0.2773694259, -0.9156780419, 4.762144315, -3.570328574, 1.833140879, -3.320058845,
       -0.4578375234, -0.8577083796, 0.6796127108, 1.498427125, 0.5640275373, -4.655045742, 3.32869335, 0.1538040973, 0.7913159728,
       -0.1360086804, 0.8300420752, -0.1945853179, 2.772659252, -1.938728049, -0.1916127139, 1.367407587, -1.653466389, 3.925876968,
       -0.4093087311, 0.1790399091, 0.7121352207, 0.02212989827, -3.628195537, -3.416856066, 0.3521123384, -1.113487739, -2.419349777,
       -1.758185436, -2.447982127, -0.5988873805, -3.981119915, -1.634292269, 0.5241830757, 2.476478558, 2.747259943, 1.467943698,
       -1.936890782, -0.7341929593, 3.955510777, -0.6816401763, -0.1134858591, -2.500382066, 0.5141115967, 4.294304498, 1.933652877,
       1.79882366, -0.2535857276, -1.419769949, 3.055167852, -0.4516082538, 0.9120548315, 1.05296938},
      {0.695105779, -0.2573655364, -2.229172457, 1.054234014, -1.065637516, 2.896763986, 2.016398499, 5.193575632, -0.8342742511,
       -0.07440125891, 1.944243022, 3.381232353, -1.055528715, -0.1508002194, -3.336523426, 1.390936073, -0.5980462446, 2.352605373,
       2.353916955, 0.4953896043, 4.018222252, 3.515116424, -3.360350117, 2.321334892, -4.436157102, -3.833174058, 4.029935594,
       -1.341506743, 0.4347500325, 3.760453469, 2.851050039, -4.687813109, -1.686772481, -3.08888045, -1.225974947, -3.15897806,
       -1.815241165, -1.777413209, 0.7627642769, -1.694593688, -1.707857969, 1.014626816, -1.86473822, 1.060213781, 5.776155892,
       0.6739727817, -2.174628168, 1.278667261, -1.757589829, -0.6006997198, -2.479751473, 1.021548106, 1.690015364, 0.3362941014,
       -5.767913822, -1.556929703, -2.731607458, -0.4725202176, -2.90795194, -0.409201098, 3.679678766},
      {3.144065584, 2.64820954, -3.900606681, -4.401521864, 0.7081220499, 0.1004242027, -0.7059647304, 2.978154367, -2.196884875,
       -1.169989804, -0.5607758596, 1.770607914, -0.06577486134, -0.8482273791, 1.042794456, -1.221395694, 1.834163656, -1.355901762,
       -0.6233367405, -2.756503154, 0.6349418488, 2.920792986, -1.776022098, 1.85089844, 0.8232740211, 0.07376129945, 3.151704288,
       1.301696718, -1.523236079, 1.685829613, -0.03240458135, -2.229877907, -0.6347314713, -2.623628652, -0.5798338624, -3.195868485,
       -4.677234838, -0.4739349416, -0.200571735, 0.8286494386, -1.466901684, 0.339607252, -1.830525457, 0.4427968379, 0.1033380492,
       2.496322896, -1.757082696, -2.883775012, 0.4539054541, -3.278500326, -0.6331650615, 3.094642717, 1.187891741, 0.4133750963,
       -0.3171150998, -1.320361997, -0.8732004577, 0.5182135023, -1.106396021, -0.0667454496, -0.562805771},
     }},
    {"llama2",
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
     ", \"pretraining_tp\": 1"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_scaling\": null"
     ", \"tie_word_embeddings\": false"
     ", \"torch_dtype\": \"float16\""
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
      {-0.8090157905, -0.1252383921, -0.06923796853, -2.074396599, -2.746818936, 1.047897843, -1.401306915, 0.09007822498, -1.259225096,
       -4.222181015, -0.6053299096, -2.974756141, 0.07709118934, 2.17139198, 1.950947091, -1.136623462, -0.1094363498, -1.578608047,
       3.746705805, 0.08362156131, 0.8629632376, -2.576955317, -1.505223788, 0.6804165639, -1.96740948, -1.363832268, -0.541475526,
       2.078040314, 0.1676676037, -2.373966663, -0.2276911847, -0.3985904762, -2.442826658, 1.818959306, -2.482734095, -6.280350131,
       -2.101792196, 0.5052344217, 2.612299315, -1.832556351, -1.557910693, 0.902392052, 2.987895653, -3.858452241, 2.823059367,
       1.890632504, -0.5104418893, 3.86104916, 5.388688389, -0.168289172, -0.7854113946, 1.528784246, -2.112134922, -1.218603587,
       2.53998418, -1.690459362, -0.4904026857, -0.4256016048, -3.927135648, -0.8955985403, -2.770954466},
      {-2.541910553, 3.00613792, 1.146549684, -1.973783592, -0.1529841896, 3.65109848, -1.26423668, 0.6254133644, 0.8754807809,
       -1.406091556, 1.67670393, -0.4366668663, -0.5596967261, -4.467198097, -0.7278936816, 0.05105556612, -5.216769496, -2.346287615,
       1.209080133, 1.902581113, -3.754121352, 1.054381691, 1.469818582, 1.793406048, -1.175238805, 0.5059707396, -0.115976059,
       0.3726730291, -0.1098243494, 2.182704655, -1.838720632, 2.688662936, 0.3957507261, -1.398060321, -0.2386924502, -3.14088524,
       -0.371900615, -5.355679955, -2.232042933, -4.139024974, 4.759460384, -0.974655714, 4.172985909, 1.007296466, -0.1742728341,
       1.365118164, -0.4099401396, -2.943512469, 4.73265598, -2.842095305, -3.678353002, -2.030504088, 0.4603666373, -2.607205027,
       1.781962757, 2.779209358, -2.30469773, -3.365664256, -1.414731417, -0.7721855914, -3.437866167},
      {-3.880020196, -3.067811225, 0.5003624221, -0.6459818761, -2.080392493, 3.23986323, -4.101697445, -1.13084884, -0.1458292877,
       -2.431006163, 2.384162426, -2.087059316, -0.2252309426, 0.4420140396, 0.2895770133, 0.5825592525, -1.526577636, -1.337749253,
       -0.7317566889, 3.977810393, 0.4759628026, -0.4301910401, 0.534419622, 1.334129962, -3.021225343, -0.6915563084, -0.663541419,
       -1.078033266, -1.244031374, 0.4558364786, 1.252624239, -0.04979626805, -2.613325771, -3.041067815, 2.394293334, -3.277240226,
       2.954793447, -3.472249665, -1.331743727, -2.917473308, -0.9084049331, 0.183630811, 0.961361794, -3.680313485, 2.241427926,
       -0.3594255984, 2.861519659, 0.9965058043, 5.603097203, -1.597045022, -2.929837778, -2.804692676, -0.01216756808, -0.3504449692,
       0.5805462581, 2.474764648, -0.4229045603, -1.603039979, 0.04921613696, -0.9623012328, -2.851766714},
     }},
    {"llama3",
     "{\"architectures\": [\"LlamaForCausalLM\"]"
     ", \"attention_bias\": false"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": [2, 8, 9]"
     ", \"head_dim\": 12"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"mlp_bias\": false"
     ", \"model_type\": \"llama\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 2"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 128}"
     ", \"rope_theta\": 500000.0"
     ", \"tie_word_embeddings\": false"
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
      {"lm_head.weight", {61, 48}},
     }, {
      {-1.941823986, 1.123488771, 1.861029741, 0.1040803933, 1.590374235, 0.5677051699, 1.191028883, -0.1998374307, 0.03115600611,
       0.5849139331, -2.390450714, -0.8537929216, 0.7238626934, 1.596340045, -2.22753482, 0.8225168124, 2.706591696, -1.708172715,
       2.033818699, 1.407987022, -0.1126781219, 0.2889119, 0.1533672926, 0.627378996, 2.216343746, 0.5809564082, 2.310262796,
       0.6718100076, 4.731651972, 1.209081058, -1.552020584, 0.1634458045, 0.564995414, 3.839006663, 0.7727122716, 0.9955468135,
       -2.549487928, 2.790764053, 1.352398685, -0.3821319971, 1.742610986, 0.2397644289, -1.551192089, 3.32024042, 0.4800592539,
       1.204837435, -0.1253733108, 0.6520229197, -3.571105346, -2.037444473, 0.8875109924, -4.073174249, -0.5704735208, 1.104401299,
       -1.015409448, -1.613125351, 1.549271157, 4.156179484, 1.794689196, -2.417065718, 1.523374488},
      {2.700219872, 0.2069976468, 1.836459867, -2.206150487, 0.4555840647, -3.017688277, 4.72323056, -1.684228941, -1.070009108,
       2.494062469, -1.072236149, 2.367775999, 2.661754753, 0.01097997664, 1.124758385, -2.950683267, -0.473443124, 1.986098152,
       3.029212479, 3.766183513, -1.143816765, 1.980952399, -3.856689195, -0.2760962253, 0.9298591889, 0.4839746458, -2.015272424,
       4.502662444, 2.061896144, -0.4601180734, -0.6489688594, -2.341313519, 1.623316774, -1.496411846, -2.357543903, 0.6377297721,
       -1.492773455, 3.52887582, 2.812022752, -1.895511995, 1.861195766, -1.876340175, 1.640486573, 0.7248436267, 2.494416181,
       -0.6693791852, -0.6666037244, 6.052430474, -3.345857029, 2.532035467, 1.341395298, -2.451054872, -4.630942553, 1.578632537,
       2.141916966, 3.760907798, -2.51748667, -0.2577244192, 1.787380368, -4.022471937, 1.835148205},
      {-2.953336474, -0.1920957426, -2.151052957, 4.564416762, 0.6767889759, 0.7442079864, 0.427618269, -2.114604712, -1.558033647,
       -0.8105773351, 0.01381416786, 1.421310246, 2.753723294, -3.174149007, 0.3093537691, -0.1529105432, -2.991463311, -3.670441316,
       2.096029311, 2.176601312, 3.622359484, 2.439627049, -0.8535219153, 3.061970219, 3.46249298, -3.640814283, -1.843115239,
       0.1885566567, 1.598684628, -1.646735171, -3.653066505, -2.144311096, -0.1978016338, 2.887815352, 3.669873249, -1.14782394,
       -1.392258733, 1.289290988, -0.1426550703, 2.810448896, 2.412649252, 2.852368686, 2.724575046, -3.670800634, 4.07633827,
       2.007229743, -3.955618725, -0.1639845956, -2.550335474, -0.7903400565, -0.4135931485, -1.115760486, -0.5362862156, -0.3153194802,
       -0.3816894952, -1.311460524, -0.9914083004, -0.948071583, 0.1713105432, -2.048661893, -2.681547386},
     }},
    {"smollm2",
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
     ", \"num_key_value_heads\": 2"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 100000}"
     ", \"tie_word_embeddings\": true"
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
      {3.701684792, -4.082842523, 2.307226485, 4.787319037, 0.9681909999, -1.55258722, 3.522948771, -2.510319363, 2.284125358,
       0.6946338088, -0.1787340682, -0.4542857232, -1.046754592, 0.7973948862, 2.029938745, -4.372302191, 1.559139993, -3.103079435,
       -1.587464203, -0.2349086633, -0.1527935772, 0.007039540046, -1.0817695, -0.7586590154, -0.1793594145, 2.525883912, -2.336436503,
       0.7590518375, -0.4691389859, -1.881388816, 0.8831509633, -1.964942913, 0.1552337694, 2.433805413, -0.3044477433, 2.263742924,
       0.5683100169, -0.8681481707, -3.00858769, -0.7082557554, -4.344751401, 0.9348199469, 1.277471138, 2.032927498, 2.242801056,
       2.023816408, -2.860477072, 0.1111289108, -0.1112403417, 0.1791981189, -2.264686936, 2.887369205, 1.260197489, -1.002273465,
       -2.34097825, -0.5217193816, 3.871236563, -0.5766598169, 1.161162175, -0.5886724124, 1.352252286},
      {0.6374564349, 0.4866269095, 1.766696522, 0.01295357954, -2.311311322, -1.063899602, 2.792639652, -4.098712663, -0.665109936,
       1.173050588, 0.83095879, 1.736311224, 2.609493871, -3.893106059, -0.5888324415, -1.262173588, -0.653150261, -2.790424805,
       1.600624183, -3.452675787, -1.893687651, -3.419618222, 1.44126469, 0.4025907658, 2.131094548, 1.447333983, 3.600112298,
       -0.4069081066, -4.702381156, -0.2860976782, -1.440975103, 1.208708213, 2.32928233, 3.426635592, 1.211680535, 0.92162203,
       -1.200872922, 0.884435492, 0.16003801, 1.483237847, 3.277624351, 4.201486585, 1.871422583, 4.669299508, -4.646319547,
       -1.740706743, 1.572022743, -1.68822768, 1.703310649, -0.09929782012, -1.486692499, -0.7287523466, 0.9556346571, -0.536285764,
       -1.742399372, 2.639749654, 1.493235753, 0.7199415533, 2.764348138, -0.9976797829, 2.624945695},
      {-3.059685669, 0.2942875263, 1.281353017, -0.2683951777, 0.6782771585, 0.304741515, 1.507075546, -2.222427451, 0.9871369487,
       -2.781093129, 2.730109207, 1.369192716, 1.767886657, -0.706962906, 3.298879845, -3.680668236, -1.984824778, 0.2679349327,
       -1.444940373, -1.116097569, -1.476801696, 2.701640298, -2.30420225, -2.525776888, 1.748005815, 1.444065853, 2.871196008,
       0.6226699374, 0.5014236188, -3.24932034, -3.477839824, 0.2101880701, -1.528083722, 0.1539531795, 2.095411885, 1.725250103,
       -2.180693209, 2.487046808, -0.2301972891, -0.550112583, 3.036014506, -0.9693245398, 1.827853666, 1.233376044, -0.3186303181,
       -0.07809138405, 0.3536597709, -0.1884639796, -0.08659736864, 0.2707642955, 1.678526997, 4.663169818, 1.856750565, 1.033323816,
       1.522562236, 0.4773639397, -0.242073299, -0.1578535687, 1.222430827, -0.5835719702, 2.231496216},
     }},
    {"mistral",
     "{\"architectures\": [\"MistralForCausalLM\"]"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"head_dim\": 16"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"mistral\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 2"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_theta\": 10000.0"
     ", \"sliding_window\": 9"
     ", \"tie_word_embeddings\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {32, 48}}, {"model.layers.0.self_attn.v_proj.weight", {32, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 64}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {64, 48}}, {"model.layers.1.self_attn.k_proj.weight", {32, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {32, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {32, 48}}, {"model.layers.2.self_attn.v_proj.weight", {32, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 64}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {64, 48}}, {"model.layers.3.self_attn.k_proj.weight", {32, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {32, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
      {"lm_head.weight", {61, 48}},
     }, {
      {0.09764104703, 1.376888741, -0.9060185221, -1.721046635, 0.5317151643, 2.437964931, -1.101228364, 2.913217659, 1.042360623,
       -1.832272365, -1.021307207, 0.1345608368, -0.7358372017, 0.7828518782, -1.027059848, 2.413541695, 0.07494624759, 2.240596443,
       1.668369187, -1.677901236, -1.770537639, 2.389016392, -1.031506321, -0.2075719884, 0.1998447189, 1.810319532, 1.271051087,
       2.510244477, 0.5705070805, 1.603919542, -1.587902714, 0.3081316546, 0.5157813674, 1.251561109, -2.417768043, -1.739593573,
       4.389051824, -0.6097591121, 0.8199210446, 0.7579335593, 2.566668265, 0.5592273816, 4.584997687, -0.8945391674, -3.133171973,
       2.13303745, 0.2173601746, -2.038414746, -0.9385940571, -0.0003423802127, -1.267160694, 0.4468547544, -1.858352787, 2.028435359,
       0.4725892563, -1.164612316, 1.323347469, -1.576044542, -1.461706711, 4.208530032, -1.338690051},
      {0.255779176, 3.962246423, -1.502502684, -4.525985056, -1.540498237, 1.863219015, 1.660153311, -1.446350208, -1.582212713,
       -2.153791734, 1.711244754, 1.671489555, 0.6437835511, 2.158414592, 4.21755505, 0.813198468, 3.947787074, 0.2070113402,
       0.1761871066, 2.185946841, -0.8639029164, -0.1600542338, -1.840300919, 1.15537956, 1.101385223, -2.350671815, -0.7834611313,
       0.4405887564, 0.7913029238, 2.986403655, -0.3789219877, 2.361878862, -2.46015194, 4.13859464, -1.590700622, -2.164508258,
       2.968868576, -0.686254239, -1.661743792, -1.617470793, 1.4344168, -2.222091317, -0.3496261405, 0.9300857326, -1.596268268,
       0.6281103334, 1.833385335, -0.4456266957, -0.005913817037, 0.8309297348, -3.227267713, 0.9518735446, 0.3509420698, -2.801905254,
       -2.094544335, -0.05352876943, -1.759215268, -0.5982214962, -0.7277286682, -1.195636688, 1.336792459},
      {2.927768326, -3.38331865, -1.449976428, -2.323347228, 0.3877780672, -0.003371144073, -0.9150168311, -1.454438365, -0.5005722957,
       -0.2221031877, -7.757441545, 0.3429860095, 1.816351223, 0.00710489377, -2.008974283, 3.071075737, -0.2069051535, 0.3469606134,
       3.237683312, 0.4043241238, 4.057597976, -0.3649983629, 1.788076949, 1.323409788, -0.02661489871, 3.85450368, -1.478923676,
       -1.020670043, 2.169738215, 0.3576091934, 1.570231037, -1.35317238, 0.7443291212, 0.6290213793, 0.5742537934, -4.309379555,
       -0.04217644343, -1.172186683, 2.119589029, 2.765641012, -0.09881108964, -0.2544417913, -1.876811538, 0.5234060375, 1.790610122,
       -1.07677659, 0.8826591877, -0.9636440411, -2.124287334, 0.2983869195, -2.722966503, 0.5868706383, 4.878488413, -0.5468340045,
       3.185978337, 1.586277815, -0.2840746086, 3.415924854, -1.798930663, 0.4379643782, 0.8529031152},
     }},
    {"qwen2",
     "{\"architectures\": [\"Qwen2ForCausalLM\"]"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"max_window_layers\": 2"
     ", \"model_type\": \"qwen2\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 2"
     ", \"rms_norm_eps\": 1e-06"
     ", \"rope_theta\": 1000000.0"
     ", \"sliding_window\": 6"
     ", \"tie_word_embeddings\": true"
     ", \"use_sliding_window\": true"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.q_proj.bias", {48, 0}}, {"model.layers.0.self_attn.k_proj.weight", {24, 48}},
      {"model.layers.0.self_attn.k_proj.bias", {24, 0}}, {"model.layers.0.self_attn.v_proj.weight", {24, 48}},
      {"model.layers.0.self_attn.v_proj.bias", {24, 0}}, {"model.layers.0.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.0.mlp.gate_proj.weight", {80, 48}}, {"model.layers.0.mlp.up_proj.weight", {80, 48}},
      {"model.layers.0.mlp.down_proj.weight", {48, 80}}, {"model.layers.0.input_layernorm.weight", {48, 0}},
      {"model.layers.0.post_attention_layernorm.weight", {48, 0}}, {"model.layers.1.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.1.self_attn.q_proj.bias", {48, 0}}, {"model.layers.1.self_attn.k_proj.weight", {24, 48}},
      {"model.layers.1.self_attn.k_proj.bias", {24, 0}}, {"model.layers.1.self_attn.v_proj.weight", {24, 48}},
      {"model.layers.1.self_attn.v_proj.bias", {24, 0}}, {"model.layers.1.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.q_proj.bias", {48, 0}}, {"model.layers.2.self_attn.k_proj.weight", {24, 48}},
      {"model.layers.2.self_attn.k_proj.bias", {24, 0}}, {"model.layers.2.self_attn.v_proj.weight", {24, 48}},
      {"model.layers.2.self_attn.v_proj.bias", {24, 0}}, {"model.layers.2.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.2.mlp.gate_proj.weight", {80, 48}}, {"model.layers.2.mlp.up_proj.weight", {80, 48}},
      {"model.layers.2.mlp.down_proj.weight", {48, 80}}, {"model.layers.2.input_layernorm.weight", {48, 0}},
      {"model.layers.2.post_attention_layernorm.weight", {48, 0}}, {"model.layers.3.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.3.self_attn.q_proj.bias", {48, 0}}, {"model.layers.3.self_attn.k_proj.weight", {24, 48}},
      {"model.layers.3.self_attn.k_proj.bias", {24, 0}}, {"model.layers.3.self_attn.v_proj.weight", {24, 48}},
      {"model.layers.3.self_attn.v_proj.bias", {24, 0}}, {"model.layers.3.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
     }, {
      {2.282642937, 1.448611734, -0.7748572722, 2.628548048, -1.054405864, -0.2879790006, -2.842844288, 0.2296720571, 3.006464059,
       1.701198322, 2.180896033, -2.464598375, 1.540001385, -1.231334175, 2.501881092, -1.557994999, 2.299181855, -0.4263761257,
       -3.043929063, 2.684695656, 0.1503239165, 1.346589888, 4.459859063, 2.121513331, -0.07589109017, -0.0572174193, -1.279345674,
       1.736147063, 0.2433659595, 2.293200295, 0.8961548293, -3.853587023, -0.1533883915, 2.126795398, -3.145914795, 2.168864277,
       -4.11511553, 4.055804357, -0.6461406852, -0.7270886811, 1.643521482, 0.4739110538, -1.227206008, -3.201554207, 1.954255322,
       -1.527047277, -1.475539537, 1.537708017, -2.2488981, 1.102365721, 2.300433994, -1.198055124, -0.9426918213, -0.4054286286,
       0.6540938321, 3.680063204, -2.877716955, -0.8446144692, -3.163144299, 1.328112239, 0.6629359726},
      {-0.7543159601, -2.899560795, -0.01914127364, -2.264158492, 4.280791189, -0.8771985293, -1.502372639, 2.416266588, -1.994388027,
       1.781776453, 2.723276546, -0.721487047, 2.821392147, -2.750010418, -0.06376579923, -1.456151307, -0.8384338529, -1.784719514,
       -1.491441549, 4.530238493, -2.549557784, -1.540680261, 3.029620053, -1.317831489, -1.853237734, 3.350515, -2.254812065,
       -2.968315704, -0.9281111032, -0.8809451519, 0.03132005379, -0.6717252796, -1.149930388, 4.968800471, -4.175280365, 0.117379683,
       1.204205526, 2.966458724, 0.3446614654, 2.8892322, -3.420838365, -1.864171801, -2.6756037, -2.960122853, 0.5986081313,
       2.636281056, 2.292802625, 1.044569223, 1.634642345, 2.173748585, -1.194724697, -1.030464173, 1.039941457, -1.892384671,
       0.7472974189, 0.09320985692, 0.3186124596, -2.125089754, 2.496206828, -2.450761474, -1.547412592},
      {0.0356972391, -0.3682647684, 0.9584838946, -1.337265454, 3.372775046, 0.1629606043, 2.626652211, 3.057045833, 2.221290653,
       -1.549183587, 1.427577237, -2.341988022, 0.9966809105, -1.770580082, 0.09277720988, -1.825725045, 1.072664831, 2.703686572,
       1.581731613, -3.153822006, 0.2742507066, -2.071516479, 1.060161594, 2.222650945, -3.315007428, 0.5832210296, -0.9517067673,
       -0.8947052883, 0.1737463716, -0.01997988013, -0.2125099788, 0.8245070973, -0.02138016201, -2.526138523, -1.949536366, 0.1942123637,
       -0.5849317109, -1.970603344, -1.348504237, -3.141301208, -2.947647179, 0.1537851342, 1.79308449, -0.3228517864, 0.465691889,
       2.544323717, 2.246159402, 0.3017916755, 3.517804126, -2.112674562, 1.539474359, 1.778441014, -1.654046107, -0.1253019664,
       0.2771596536, -0.4107285759, -2.024204524, 0.5603719697, 2.858427475, -2.287115879, -4.084207195},
     }},
    {"qwen3",
     "{\"architectures\": [\"Qwen3ForCausalLM\"]"
     ", \"attention_bias\": false"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"head_dim\": 20"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"max_window_layers\": 4"
     ", \"model_type\": \"qwen3\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 1"
     ", \"rms_norm_eps\": 1e-06"
     ", \"rope_theta\": 1000000.0"
     ", \"sliding_window\": null"
     ", \"tie_word_embeddings\": false"
     ", \"use_sliding_window\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {80, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {20, 48}}, {"model.layers.0.self_attn.v_proj.weight", {20, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 80}}, {"model.layers.0.self_attn.q_norm.weight", {20, 0}},
      {"model.layers.0.self_attn.k_norm.weight", {20, 0}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {80, 48}}, {"model.layers.1.self_attn.k_proj.weight", {20, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {20, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 80}},
      {"model.layers.1.self_attn.q_norm.weight", {20, 0}}, {"model.layers.1.self_attn.k_norm.weight", {20, 0}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {80, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {20, 48}}, {"model.layers.2.self_attn.v_proj.weight", {20, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 80}}, {"model.layers.2.self_attn.q_norm.weight", {20, 0}},
      {"model.layers.2.self_attn.k_norm.weight", {20, 0}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {80, 48}}, {"model.layers.3.self_attn.k_proj.weight", {20, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {20, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 80}},
      {"model.layers.3.self_attn.q_norm.weight", {20, 0}}, {"model.layers.3.self_attn.k_norm.weight", {20, 0}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
      {"lm_head.weight", {61, 48}},
     }, {
      {-2.644803867, -2.549594896, 2.647467355, -1.061306169, 1.24679825, -0.6913493846, -0.7083806611, -2.191047781, -1.20754903,
       1.283294149, 2.118801669, -1.841693245, -1.585030099, -2.619805246, 0.5326950145, 1.035828241, -3.354900067, -1.065244676,
       2.914045021, -0.8922210541, -0.5738855408, -3.560994365, 1.591123112, 3.369532042, -1.162389316, -3.012341191, -0.8360772509,
       -0.391062334, -1.762993354, -0.4331167057, -0.1383068865, -0.4763182737, 1.798762494, -0.2849903755, -0.7432568824, 0.1648855582,
       -1.907702875, -2.050375515, -3.455215667, 2.015898919, -0.1144710812, 0.991354882, 0.1333544863, 1.948811871, -0.9751231244,
       -0.2439880124, 1.412625931, 1.40701632, -0.2663161335, 2.066680694, -2.417858973, 2.113417197, -2.412503516, 2.448870266,
       -2.392238498, -0.5675168812, 0.4117124181, -1.689987669, 2.828571394, 1.152096025, 2.028660797},
      {-0.2914619387, -2.021619125, 2.079599132, -2.200819367, -0.3337965519, -2.283799821, -0.259600318, -5.171143828, -0.9672390175,
       -0.6875460691, -0.1032468169, 4.733655965, -5.812928722, 0.5409062107, -4.094630835, 2.13093063, -1.542243238, 3.295183735,
       1.265173377, -0.3878465856, 1.47755505, -1.099106424, 0.1772267826, -1.522197204, -0.7875949221, 0.6969755323, 1.89970184,
       -3.193434656, 1.486398473, -0.2759803251, 0.7137942908, 1.286987123, 1.337358191, 2.069385709, -0.09924736627, 1.825918419,
       -3.376152021, 1.351310754, -2.596013505, -1.905887642, 0.4654212893, 1.515918673, 1.48819091, 1.739902157, -2.11570407,
       -2.220250796, 1.475360323, 1.437872595, 1.724509087, -0.03175543577, -1.054323775, -0.548382541, 0.3854579898, 1.868745718,
       0.3756183338, -0.8800089187, 2.712513069, -2.289499888, 2.302479871, -1.760455117, -1.820040776},
      {0.824418987, 0.9930400399, 2.112720077, -0.2943108941, -0.3563025027, -3.34481611, 0.3495996685, -2.816571958, -2.126966327,
       0.3403977962, 1.260384556, 0.7171440856, -2.970384044, 2.601469569, -2.721425255, 3.875772864, 0.0189836236, -1.401741516,
       -2.02051884, 3.69011357, -0.1073219376, -1.977652859, 0.1928872166, 1.590373521, -1.571373062, 1.517977265, -0.29655844,
       -0.7147497856, 2.244304955, 1.562665359, -0.1834335756, 3.766694908, 0.002198840786, 1.184481429, -0.5897265154, 1.67180639,
       -0.737370597, 3.996472962, -1.145375833, -3.511911826, -0.2828820226, 0.3217635553, 2.022954515, -1.125899636, 0.6596865151,
       -0.1302348862, 1.1571195, 2.48110694, 1.149163419, -1.302431205, 2.005547954, -2.397340948, -2.068678818, 2.46435815,
       0.9071462365, -2.438414257, 0.8837120661, -3.118159023, -0.8267051092, 1.533950697, 0.2930234609},
     }},
    {"linear",
     "{\"architectures\": [\"LlamaForCausalLM\"]"
     ", \"attention_bias\": true"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"max_position_embeddings\": 64"
     ", \"mlp_bias\": true"
     ", \"model_type\": \"llama\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 4"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.5}"
     ", \"tie_word_embeddings\": false"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.q_proj.bias", {48, 0}}, {"model.layers.0.self_attn.k_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.k_proj.bias", {48, 0}}, {"model.layers.0.self_attn.v_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.v_proj.bias", {48, 0}}, {"model.layers.0.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.0.self_attn.o_proj.bias", {48, 0}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.gate_proj.bias", {80, 0}}, {"model.layers.0.mlp.up_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.bias", {80, 0}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.mlp.down_proj.bias", {48, 0}}, {"model.layers.0.input_layernorm.weight", {48, 0}},
      {"model.layers.0.post_attention_layernorm.weight", {48, 0}}, {"model.layers.1.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.1.self_attn.q_proj.bias", {48, 0}}, {"model.layers.1.self_attn.k_proj.weight", {48, 48}},
      {"model.layers.1.self_attn.k_proj.bias", {48, 0}}, {"model.layers.1.self_attn.v_proj.weight", {48, 48}},
      {"model.layers.1.self_attn.v_proj.bias", {48, 0}}, {"model.layers.1.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.1.self_attn.o_proj.bias", {48, 0}}, {"model.layers.1.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.1.mlp.gate_proj.bias", {80, 0}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.up_proj.bias", {80, 0}}, {"model.layers.1.mlp.down_proj.weight", {48, 80}},
      {"model.layers.1.mlp.down_proj.bias", {48, 0}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.q_proj.bias", {48, 0}}, {"model.layers.2.self_attn.k_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.k_proj.bias", {48, 0}}, {"model.layers.2.self_attn.v_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.v_proj.bias", {48, 0}}, {"model.layers.2.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.2.self_attn.o_proj.bias", {48, 0}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.gate_proj.bias", {80, 0}}, {"model.layers.2.mlp.up_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.bias", {80, 0}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.mlp.down_proj.bias", {48, 0}}, {"model.layers.2.input_layernorm.weight", {48, 0}},
      {"model.layers.2.post_attention_layernorm.weight", {48, 0}}, {"model.layers.3.self_attn.q_proj.weight", {48, 48}},
      {"model.layers.3.self_attn.q_proj.bias", {48, 0}}, {"model.layers.3.self_attn.k_proj.weight", {48, 48}},
      {"model.layers.3.self_attn.k_proj.bias", {48, 0}}, {"model.layers.3.self_attn.v_proj.weight", {48, 48}},
      {"model.layers.3.self_attn.v_proj.bias", {48, 0}}, {"model.layers.3.self_attn.o_proj.weight", {48, 48}},
      {"model.layers.3.self_attn.o_proj.bias", {48, 0}}, {"model.layers.3.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.3.mlp.gate_proj.bias", {80, 0}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.up_proj.bias", {80, 0}}, {"model.layers.3.mlp.down_proj.weight", {48, 80}},
      {"model.layers.3.mlp.down_proj.bias", {48, 0}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
      {"lm_head.weight", {61, 48}},
     }, {
      {-3.135892175, 1.665381461, -4.287321765, -0.6849403827, -3.716819786, 0.6069653516, -0.4031788002, -2.358629263, -2.892419553,
       0.3200051015, -0.9658009099, 0.3952450522, -0.3894039033, 2.310152623, 2.891612101, -0.1387414682, 0.6297598852, -1.194386131,
       -3.404702109, -2.439222993, -1.56505493, 2.003291068, -4.899163557, -2.377583081, -1.952731118, -0.7187405056, 1.806891702,
       -1.590701331, 0.4842977155, 3.53892665, 0.3576677166, 2.62768981, 0.1397207881, 0.4110949411, -1.735465752, -1.372498001,
       -0.0753421783, -2.830236233, 1.320845576, -1.014763511, 4.099884043, -2.226339035, -1.751486672, 2.81130137, 1.045027267,
       -0.4433685562, -4.781013734, 0.9855332447, -1.359701853, 2.681131166, -1.028234985, -2.599288615, -0.5353275202, -0.5817413444,
       1.146810191, -2.17035646, -0.4396895602, -1.853260499, 0.08798540895, -0.2037429895, 1.418922101},
      {0.3832762403, -2.908954591, 1.28534932, -2.590700962, -3.96278012, -0.4436989333, 3.39060878, -2.625963138, 1.221764807,
       0.1109580467, -2.177793362, -0.290230435, -1.355093362, 3.461207708, -0.5802011031, 3.739883375, 3.495756742, -1.57959153,
       0.3146597971, 1.110412502, -1.564951777, -0.3432664469, -1.836695891, 1.189782221, -3.794073331, -1.203297565, 2.370159735,
       -2.166378852, -3.20292385, 1.368085608, 0.5353414487, -1.212576693, 0.8500273276, -0.5365131029, 1.113719062, 4.57350664,
       3.690956389, -1.130023934, 1.674054891, -2.245773041, -0.9167559244, -3.246513492, -1.200958712, 2.640353429, 0.2865550101,
       2.146960704, 0.8662557254, -2.810209929, 2.274272497, 3.600101687, 0.1496675207, 1.327081831, 1.683900074, -1.75064512,
       -0.1078682141, -0.1672427566, 0.6145871655, -2.180007086, 2.82436712, 1.69438595, -1.023017383},
      {-2.131824475, -0.5822738555, 0.5045085441, 0.1032744882, -1.847747278, -2.233580605, 1.487458282, -3.967637303, -0.6300089554,
       2.792411358, -0.02612533685, -1.647608597, 0.5866001015, 2.20060204, -2.060132693, 3.99632871, 1.020147577, -2.175564885,
       -1.056736232, -4.611292913, -2.378080185, 3.082506571, -7.052308298, -0.2661084422, -2.072689125, -2.314355976, 2.155126857,
       1.413027744, -2.68068845, 6.18885948, 2.51639683, -1.593567084, 0.9385995654, 0.5300792452, -2.994256169, 0.3654158152,
       -1.735752214, -0.1341388366, -0.2421882344, -0.3620552341, 0.9846126786, -4.002937376, -0.02021662213, 0.5860921897, 2.232402632,
       -2.974446827, -1.405701335, 0.8458746888, -0.3923022056, 0.5122878691, 1.558707846, -0.2458328642, -1.994498379, -1.481633907,
       0.455944372, -2.200247859, -0.3669791342, -1.226515535, -2.489822116, 3.686415632, -0.6122876802},
     }},
    {"yarn",
     "{\"architectures\": [\"Qwen3ForCausalLM\"]"
     ", \"bos_token_id\": 1"
     ", \"eos_token_id\": 2"
     ", \"head_dim\": 16"
     ", \"hidden_act\": \"silu\""
     ", \"hidden_size\": 48"
     ", \"intermediate_size\": 80"
     ", \"layer_types\": [\"sliding_attention\", \"full_attention\", \"sliding_attention\", \"full_attention\"]"
     ", \"max_position_embeddings\": 64"
     ", \"model_type\": \"qwen3\""
     ", \"num_attention_heads\": 4"
     ", \"num_hidden_layers\": 4"
     ", \"num_key_value_heads\": 4"
     ", \"rms_norm_eps\": 1e-05"
     ", \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 16, \"rope_theta\": 10000.0}"
     ", \"sliding_window\": 8"
     ", \"tie_word_embeddings\": false"
     ", \"use_sliding_window\": true"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"model.embed_tokens.weight", {61, 48}}, {"model.layers.0.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.0.self_attn.k_proj.weight", {64, 48}}, {"model.layers.0.self_attn.v_proj.weight", {64, 48}},
      {"model.layers.0.self_attn.o_proj.weight", {48, 64}}, {"model.layers.0.self_attn.q_norm.weight", {16, 0}},
      {"model.layers.0.self_attn.k_norm.weight", {16, 0}}, {"model.layers.0.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.0.mlp.up_proj.weight", {80, 48}}, {"model.layers.0.mlp.down_proj.weight", {48, 80}},
      {"model.layers.0.input_layernorm.weight", {48, 0}}, {"model.layers.0.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.1.self_attn.q_proj.weight", {64, 48}}, {"model.layers.1.self_attn.k_proj.weight", {64, 48}},
      {"model.layers.1.self_attn.v_proj.weight", {64, 48}}, {"model.layers.1.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.1.self_attn.q_norm.weight", {16, 0}}, {"model.layers.1.self_attn.k_norm.weight", {16, 0}},
      {"model.layers.1.mlp.gate_proj.weight", {80, 48}}, {"model.layers.1.mlp.up_proj.weight", {80, 48}},
      {"model.layers.1.mlp.down_proj.weight", {48, 80}}, {"model.layers.1.input_layernorm.weight", {48, 0}},
      {"model.layers.1.post_attention_layernorm.weight", {48, 0}}, {"model.layers.2.self_attn.q_proj.weight", {64, 48}},
      {"model.layers.2.self_attn.k_proj.weight", {64, 48}}, {"model.layers.2.self_attn.v_proj.weight", {64, 48}},
      {"model.layers.2.self_attn.o_proj.weight", {48, 64}}, {"model.layers.2.self_attn.q_norm.weight", {16, 0}},
      {"model.layers.2.self_attn.k_norm.weight", {16, 0}}, {"model.layers.2.mlp.gate_proj.weight", {80, 48}},
      {"model.layers.2.mlp.up_proj.weight", {80, 48}}, {"model.layers.2.mlp.down_proj.weight", {48, 80}},
      {"model.layers.2.input_layernorm.weight", {48, 0}}, {"model.layers.2.post_attention_layernorm.weight", {48, 0}},
      {"model.layers.3.self_attn.q_proj.weight", {64, 48}}, {"model.layers.3.self_attn.k_proj.weight", {64, 48}},
      {"model.layers.3.self_attn.v_proj.weight", {64, 48}}, {"model.layers.3.self_attn.o_proj.weight", {48, 64}},
      {"model.layers.3.self_attn.q_norm.weight", {16, 0}}, {"model.layers.3.self_attn.k_norm.weight", {16, 0}},
      {"model.layers.3.mlp.gate_proj.weight", {80, 48}}, {"model.layers.3.mlp.up_proj.weight", {80, 48}},
      {"model.layers.3.mlp.down_proj.weight", {48, 80}}, {"model.layers.3.input_layernorm.weight", {48, 0}},
      {"model.layers.3.post_attention_layernorm.weight", {48, 0}}, {"model.norm.weight", {48, 0}},
      {"lm_head.weight", {61, 48}},
     }, {
      {-0.9059922408, -0.5060485747, 0.9315213194, -1.053845214, 0.1295706285, 1.452471831, -1.393837183, -4.737875657, -0.7865838818,
       -0.4495589842, -3.913684456, 0.1977833047, 1.755264044, 0.9448899523, 3.152436228, 0.7101119298, 3.704548552, -2.380008635,
       -0.7041856727, -2.330642792, 1.965993385, -0.1410754699, -1.180585162, 0.1996815505, 1.530935144, 0.7021581651, -0.4338723444,
       2.288559703, -0.1913766334, -1.676486635, -2.114160171, -5.484338088, 1.735476906, -0.1294584943, 1.635139392, -1.089529045,
       -1.725286279, -1.471705227, -5.541582121, -1.196526646, 2.756509672, -1.921301988, 2.204320672, 2.595803154, 3.860430448,
       1.46073369, 0.6644465993, -1.492588497, -1.673544261, 2.219720754, 0.03063664461, -0.6450348352, -3.088767432, -1.496360506,
       -3.199240305, -0.2456212229, -0.482769794, 2.537502432, 0.0879409726, -0.8286946379, 1.768249328},
      {2.510884255, -3.51144045, 1.378744811, 2.092678381, -2.298992464, -1.662109938, 3.607946651, 2.701140329, 1.567797326,
       0.2869298657, -2.237897497, 0.5125773443, -2.55611552, -4.01682448, 0.5894474794, 2.525416011, 1.529341163, 3.411117503,
       3.5107078, 0.3474658895, 0.1448007638, -2.031324193, 1.392740133, -3.413426281, 1.299042801, 2.79598777, 4.555802747,
       0.6825887469, 2.297781584, 2.229416912, 2.387381025, 2.291233867, -1.030661165, 2.589911782, -1.941275739, 2.408632766,
       -0.7289113557, 3.933767637, 1.077643142, -0.01735518489, -0.685923007, 0.5907518551, 1.656580662, 4.600502783, 3.468350644,
       1.332661618, -2.975471577, 1.816759177, 4.167306837, -0.6378765723, 3.494550359, -0.2529570205, 0.768053888, 1.763198526,
       -1.531746581, -0.6058051032, 1.475481494, 3.207081348, -0.5367752575, 5.261020046, -5.46804347},
      {0.9861454943, -1.422497496, 3.629495286, 4.211553297, -1.938287486, -0.1010927877, -1.10312553, -0.04744671919, -1.248614333,
       -1.802330163, -2.518623125, -3.368957686, 0.2711367763, 1.642745113, 0.1316322585, -0.1988564022, -0.5818613736, -0.6199372282,
       0.7475679743, 3.128206172, 2.536147525, 0.3865706676, 1.232529782, 0.02380196245, 0.5099280774, 0.9318069911, 0.5968915038,
       -2.741942136, 1.030307511, -0.1513037366, -3.426185849, 0.1424489166, -0.7941816272, 2.54526109, -0.5395516118, 0.7550514653,
       0.840795011, 2.252378351, -0.1272910998, -2.01008288, 0.07924596126, -0.5547006384, 1.886628575, 5.247740991, -0.6994642437,
       4.890465914, -4.776378087, 2.913403967, 2.222589438, 2.325980112, 0.4305000899, -0.2722169197, 0.04415028766, 2.120724335,
       -1.357681567, -0.6119509621, 1.732606127, -2.624875783, 3.110832894, 0.750285373, 1.105185578},
     }},
    {"nanogpt",
     "{\"activation_function\": \"gelu\""
     ", \"layer_norm_epsilon\": 1e-05"
     ", \"model_type\": \"gpt2\""
     ", \"n_embd\": 48"
     ", \"n_head\": 4"
     ", \"n_layer\": 4"
     ", \"n_positions\": 64"
     ", \"vocab_size\": 61"
     "}"
     , {
      {"transformer.wte.weight", {61, 48}}, {"transformer.wpe.weight", {64, 48}},
      {"transformer.h.0.ln_1.weight", {48, 0}}, {"transformer.h.0.ln_1.bias", {48, 0}},
      {"transformer.h.0.attn.c_attn.weight", {48, 144}}, {"transformer.h.0.attn.c_attn.bias", {144, 0}},
      {"transformer.h.0.attn.c_proj.weight", {48, 48}}, {"transformer.h.0.attn.c_proj.bias", {48, 0}},
      {"transformer.h.0.ln_2.weight", {48, 0}}, {"transformer.h.0.ln_2.bias", {48, 0}},
      {"transformer.h.0.mlp.c_fc.weight", {48, 192}}, {"transformer.h.0.mlp.c_fc.bias", {192, 0}},
      {"transformer.h.0.mlp.c_proj.weight", {192, 48}}, {"transformer.h.0.mlp.c_proj.bias", {48, 0}},
      {"transformer.h.1.ln_1.weight", {48, 0}}, {"transformer.h.1.ln_1.bias", {48, 0}},
      {"transformer.h.1.attn.c_attn.weight", {48, 144}}, {"transformer.h.1.attn.c_attn.bias", {144, 0}},
      {"transformer.h.1.attn.c_proj.weight", {48, 48}}, {"transformer.h.1.attn.c_proj.bias", {48, 0}},
      {"transformer.h.1.ln_2.weight", {48, 0}}, {"transformer.h.1.ln_2.bias", {48, 0}},
      {"transformer.h.1.mlp.c_fc.weight", {48, 192}}, {"transformer.h.1.mlp.c_fc.bias", {192, 0}},
      {"transformer.h.1.mlp.c_proj.weight", {192, 48}}, {"transformer.h.1.mlp.c_proj.bias", {48, 0}},
      {"transformer.h.2.ln_1.weight", {48, 0}}, {"transformer.h.2.ln_1.bias", {48, 0}},
      {"transformer.h.2.attn.c_attn.weight", {48, 144}}, {"transformer.h.2.attn.c_attn.bias", {144, 0}},
      {"transformer.h.2.attn.c_proj.weight", {48, 48}}, {"transformer.h.2.attn.c_proj.bias", {48, 0}},
      {"transformer.h.2.ln_2.weight", {48, 0}}, {"transformer.h.2.ln_2.bias", {48, 0}},
      {"transformer.h.2.mlp.c_fc.weight", {48, 192}}, {"transformer.h.2.mlp.c_fc.bias", {192, 0}},
      {"transformer.h.2.mlp.c_proj.weight", {192, 48}}, {"transformer.h.2.mlp.c_proj.bias", {48, 0}},
      {"transformer.h.3.ln_1.weight", {48, 0}}, {"transformer.h.3.ln_1.bias", {48, 0}},
      {"transformer.h.3.attn.c_attn.weight", {48, 144}}, {"transformer.h.3.attn.c_attn.bias", {144, 0}},
      {"transformer.h.3.attn.c_proj.weight", {48, 48}}, {"transformer.h.3.attn.c_proj.bias", {48, 0}},
      {"transformer.h.3.ln_2.weight", {48, 0}}, {"transformer.h.3.ln_2.bias", {48, 0}},
      {"transformer.h.3.mlp.c_fc.weight", {48, 192}}, {"transformer.h.3.mlp.c_fc.bias", {192, 0}},
      {"transformer.h.3.mlp.c_proj.weight", {192, 48}}, {"transformer.h.3.mlp.c_proj.bias", {48, 0}},
      {"transformer.ln_f.weight", {48, 0}}, {"transformer.ln_f.bias", {48, 0}},
     }, {
      {4.597728505, -1.014991151, 0.3043637696, -0.5713412154, 0.3892005272, 1.912481263, 3.27596163, -0.4891111173, -0.02040016413,
       0.2744858002, 3.434523633, 0.1195893409, 0.9973453605, 1.918605952, 1.147988786, 0.447921968, -0.5847860776, -2.102598203,
       2.505553543, 2.944326502, 1.022608986, -2.071712768, -0.9561666562, -0.5242423457, -1.581093782, 0.1541056108, 1.222340303,
       0.5174533997, 2.384833377, 3.235753705, -1.003249668, -3.334201041, -3.622361364, -0.6347666689, 0.4100210336, 0.9149747011,
       -4.982613959, -1.328985049, 1.196968502, -1.520171727, 2.412552633, 0.2411497959, 1.436609797, 1.408271879, -1.500736005,
       1.344275103, -1.451913813, -1.14146207, 0.9662553531, -3.008268927, 1.234167458, -1.56854364, 2.792170386, -1.321849239,
       0.6805264798, -0.4143217577, 1.98090983, 1.166894064, -3.795466651, -2.094809561, -4.495177959},
      {1.460201144, -0.3025703677, -3.539525004, -2.59591478, 1.622568143, 2.678609833, 2.248794097, -1.584433579, -1.481253771,
       1.235078715, 2.016965705, 1.637188863, 2.184375978, -0.3684714019, 0.3961906269, 1.383133922, -0.7882685893, -3.537227632,
       -0.6280356497, 3.957138643, 0.7992021394, -0.00578232483, 0.2853760178, -0.5373262405, -4.748848031, -1.684159074, -0.2220614621,
       0.2019597062, 3.753467969, 0.8229339128, 1.103436118, -2.384522157, -5.47201048, -0.06074373847, 1.351481542, 0.3405023627,
       -1.422646663, 0.1363924311, -0.5759484682, 2.48942795, -0.9061307638, -0.4465498373, 2.674040239, 0.9206230444, 2.26438119,
       1.190841916, 0.9124913947, 0.3512910328, -0.6764292898, -1.552496462, 1.469814568, 1.080166052, 2.725121188, -3.601888874,
       -0.604860445, -4.299865808, 3.241681501, 1.400023283, -2.808253225, -2.108282857, -3.759393919},
      {-1.547065994, 0.004554048348, -4.11744175, -2.538084133, -0.384507541, 0.4806715351, 0.621935958, -1.350023109, -1.27986795,
       -1.375775225, 0.02466291492, 1.658563798, 2.804631268, -0.6917525486, 1.545617587, -1.246976544, -2.416815186, 0.2401143791,
       -1.670022993, 0.282098384, 1.699813846, -0.2088722603, -1.954710519, -1.253091584, -1.619195169, -3.384986488, -3.191718572,
       1.549365073, 4.343442165, 0.2418235551, -0.3108598255, -2.205139249, -2.8411627, 0.7176793841, -0.7300683112, 0.2571666872,
       -3.819630067, -3.323890176, -1.537544592, 0.7987668177, 3.270392051, -0.1736497208, 2.715262596, 1.922649769, -0.1022579505,
       2.531617696, 0.09394657925, -0.5899316935, 1.886670504, 0.1763620169, 0.644866838, -0.1994004027, 0.4897691139, -2.709630336,
       0.03396545103, -2.23837186, 2.330718918, 1.983383739, -0.3634698947, -3.362320805, -2.520759526},
     }},
};
