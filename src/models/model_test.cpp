#include "models/model.h"

#include <cmath>
#include <gtest/gtest.h>

#include "models/test_checkpoint.h"
#include "shared_files.h"

namespace halftone {
namespace {

template <class Error>
std::string error_of(const Checkpoint& checkpoint, const BuildOptions& options = {}) {
  try {
    build_llm(checkpoint, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Model, BuildsTheGraphOfALlama) {
  const Graph graph = build_llm(tiny_llama());
  EXPECT_EQ(graph.output_names(), (std::vector<std::string>{"logits", "cache_out"}));
  const LlmInfo info = llm_info(graph);
  EXPECT_EQ(info.layers, 2);
  EXPECT_EQ(info.heads, 4);
  EXPECT_EQ(info.kv_heads, 2);
  EXPECT_EQ(info.head_dim, 8);
  EXPECT_EQ(info.hidden, 32);
  EXPECT_EQ(info.vocab, 40);
  EXPECT_EQ(info.context, 64);
  EXPECT_EQ(info.windows, (std::vector<int>{0, 0}));
  EXPECT_EQ(info.window(), 0);
  EXPECT_EQ(kv_layout(graph).layers, 2);
  EXPECT_EQ(kv_layout(graph).kv_heads, 2);
}

TEST(Model, WeightsAreTheCheckpointsOwnBytes) {
  const Checkpoint checkpoint = tiny_llama();
  const std::string name = "model.layers.0.self_attn.q_proj.weight";
  const Graph graph = build_llm(checkpoint);
  const std::byte* data = nullptr;
  for (const Value& value : graph.values())
    if (value.name == name) data = value.constant->load().view().data;
  EXPECT_EQ(data, checkpoint.constant(name).load().view().data);
}

TEST(Model, AnEncodedEmbeddingKeepsItsType) {
  Checkpoint checkpoint = tiny_llama(DType::bf16);
  checkpoint.config["tie_word_embeddings"] = true;
  Graph graph = build_llm(checkpoint);
  for (size_t i = 0; i < graph.values().size(); ++i) {
    Value& value = graph.value(static_cast<ValueId>(i));
    if (value.name != "model.embed_tokens.weight") continue;
    EXPECT_EQ(value.type.dtype, DType::bf16);
    value.constant->set_encoding({find_number_format("int8"), Granularity::per_axis(0)});
  }
  EXPECT_NO_THROW(verify(graph));
}

TEST(Model, PhiSlicesShareTheFusedBytes) {
  const Graph graph = build_llm(tiny_phi3());
  const std::byte *q = nullptr, *k = nullptr;
  for (const Value& value : graph.values()) {
    if (value.name == "model.layers.0.self_attn.q_proj.weight") q = value.constant->load().view().data;
    if (value.name == "model.layers.0.self_attn.k_proj.weight") k = value.constant->load().view().data;
  }
  EXPECT_EQ(k - q, 32 * 32 * 4);
}

TEST(Model, RefusesWhatItDoesNotKnow) {
  Checkpoint checkpoint = tiny_llama();
  checkpoint.config["architectures"] = {"MambaForCausalLM"};
  const std::string message = error_of<UnsupportedError>(checkpoint);
  EXPECT_TRUE(holds(message, "MambaForCausalLM") && holds(message, "LlamaForCausalLM")) << message;
  checkpoint.config.erase("architectures");
  EXPECT_TRUE(holds(error_of<UnsupportedError>(checkpoint), "\"tiny\""));
  checkpoint.config.erase("model_type");
  EXPECT_TRUE(holds(error_of<InputError>(checkpoint), "found neither"));

  checkpoint = tiny_llama();
  checkpoint.config["hidden_act"] = "relu6";
  EXPECT_TRUE(holds(error_of<UnsupportedError>(checkpoint), "relu6"));
  checkpoint = tiny_llama();
  checkpoint.config["rope_scaling"] = {{"rope_type", "spiral"}};
  EXPECT_TRUE(holds(error_of<UnsupportedError>(checkpoint), "spiral"));
  checkpoint = tiny_llama();
  checkpoint.config["quantization_config"] = {{"quant_method", "awq"}};
  EXPECT_TRUE(holds(error_of<UnsupportedError>(checkpoint), "awq"));
}

TEST(Model, NamesWhatIsWrongInAConfiguration) {
  const std::vector<std::pair<Json, std::string>> cases = {
      {{{"hidden_size", nullptr}}, "hidden_size"},
      {{{"hidden_size", "32"}}, "hidden_size"},
      {{{"hidden_size", -32}}, "expected 1 to"},
      {{{"num_hidden_layers", 1000000000}}, "expected 1 to 4096, found 1000000000"},
      {{{"num_key_value_heads", 3}}, "4 attention heads do not divide over 3"},
      {{{"num_attention_heads", 5}, {"num_key_value_heads", 5}}, "hidden_size 32 does not divide into 5"},
      {{{"rms_norm_eps", -1.0}}, "rms_norm_eps"},
      {{{"rope_theta", 0.0}}, "rope_theta"},
      {{{"rope_scaling", {{"rope_type", "linear"}}}}, "factor"},
      {{{"rope_scaling", {{"rope_type", "longrope"}, {"short_factor", {1, 2}}}}},
       "expected 4 factors, found 2"},
      {{{"rope_scaling", 3}}, "expected JSON objects"},
      {{{"max_position_embeddings", int64_t{1} << 60}}, "max_position_embeddings"},
  };
  for (const auto& [changes, expected] : cases) {
    Checkpoint checkpoint = tiny_llama();
    checkpoint.config.update(changes);
    const std::string message = error_of<InputError>(checkpoint);
    EXPECT_TRUE(holds(message, expected) && holds(message, "tiny")) << changes << ": " << message;
  }
}

TEST(Model, NamesTensorsThatAreMissingOrMisshapen) {
  Checkpoint checkpoint = tiny_llama();
  checkpoint.config["num_hidden_layers"] = 3;
  EXPECT_TRUE(holds(error_of<InputError>(checkpoint), "model.layers.2.input_layernorm.weight"));
  checkpoint.config["num_hidden_layers"] = 2;
  checkpoint.config["intermediate_size"] = 49;
  const std::string message = error_of<InputError>(checkpoint);
  EXPECT_TRUE(holds(message, "gate_proj.weight") && holds(message, "[49, 32]") && holds(message, "[48, 32]"))
      << message;
}

TEST(Model, NamesTensorsThatHoldNoNumbers) {
  const std::string name = "model.layers.1.input_layernorm.weight";
  auto with = [&](const Tensor& norm) {
    const Checkpoint good = tiny_llama();
    Checkpoint bad;
    bad.path = good.path;
    bad.config = good.config;
    for (const std::string& tensor : good.names())
      bad.add(tensor, tensor == name ? Constant(norm) : good.constant(tensor));
    return error_of<InputError>(bad);
  };
  EXPECT_TRUE(holds(with(Tensor::zeros(DType::i32, {32})), name + "\": expected floating point, found i32"));
  Tensor nan = Tensor::zeros(DType::f32, {32});
  nan.mutable_view().span<float>()[7] = NAN;
  EXPECT_TRUE(holds(with(nan), name + "\": element 7 is nan"));
}

TEST(Model, TheContextIsBoundedByTheModel) {
  EXPECT_EQ(llm_info(build_llm(tiny_llama(), {.context = 10})).context, 10);
  EXPECT_TRUE(holds(error_of<UsageError>(tiny_llama(), {.context = 65}), "1 to 64"));
  Checkpoint stretched = tiny_llama();
  stretched.config["rope_scaling"] = {{"rope_type", "dynamic"}, {"factor", 2.0}};
  EXPECT_EQ(llm_info(build_llm(stretched, {.context = 128})).context, 128);
}

TEST(Model, WindowsAreReadOffTheGraph) {
  Checkpoint checkpoint = tiny_llama();
  checkpoint.config["architectures"] = {"MistralForCausalLM"};
  checkpoint.config["sliding_window"] = 16;
  EXPECT_EQ(llm_info(build_llm(checkpoint)).windows, (std::vector<int>{16, 16}));
  EXPECT_EQ(llm_info(build_llm(checkpoint)).window(), 16);
  EXPECT_EQ(llm_info(build_llm(checkpoint, {.context = 16})).window(), 0);  // never closes
}

TEST(Model, SpecialTokensPreferTheGenerationConfiguration) {
  Checkpoint checkpoint = tiny_llama();
  checkpoint.config["bos_token_id"] = 1;
  checkpoint.config["eos_token_id"] = 2;
  EXPECT_EQ(special_tokens(checkpoint).eos, (std::vector<int64_t>{2}));
  checkpoint.generation_config["eos_token_id"] = {2, 5};
  EXPECT_EQ(special_tokens(checkpoint).eos, (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(special_tokens(checkpoint).bos, 1);
}

TEST(Model, AGraphThatIsNoLlmIsRefused) {
  EXPECT_THROW(llm_info(Graph()), UnsupportedError);
}

TEST(Model, ConfigurationsThatTheFuzzerKept) {
  int built = 0;
  for (const auto& entry : fs::directory_iterator(source_path("fuzz/corpus/llm_config"))) {
    try {
      llm_info(build_from_config(read_text(entry.path())));
      ++built;
    } catch (const Error&) {
    }
  }
  EXPECT_GE(built, 8);  // one of each family at least
}

}  // namespace
}  // namespace halftone
