#pragma once

#include "formats/hf_config.h"
#include "models/model.h"

namespace halftone {

inline Checkpoint tiny_checkpoint(const char* architecture) {
  Checkpoint checkpoint;
  checkpoint.path = "tiny";
  checkpoint.config = {{"architectures", {architecture}},
                       {"model_type", "tiny"},
                       {"hidden_size", 32},
                       {"intermediate_size", 48},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 4},
                       {"num_key_value_heads", 2},
                       {"vocab_size", 40},
                       {"max_position_embeddings", 64},
                       {"rms_norm_eps", 1e-5},
                       {"hidden_act", "silu"}};
  return checkpoint;
}

/// A Llama of two layers whose weights are all zero: for tests of the graph, not of its numbers.
inline Checkpoint tiny_llama(DType dtype = DType::f32) {
  Checkpoint checkpoint = tiny_checkpoint("LlamaForCausalLM");
  auto add = [&](const std::string& name, const Shape& shape) {
    checkpoint.add(name + ".weight", Constant(Tensor::zeros(dtype, shape)));
  };
  add("model.embed_tokens", {40, 32});
  for (int layer = 0; layer < 2; ++layer) {
    const std::string name = "model.layers." + std::to_string(layer) + ".";
    add(name + "input_layernorm", {32});
    add(name + "self_attn.q_proj", {32, 32});
    add(name + "self_attn.k_proj", {16, 32});
    add(name + "self_attn.v_proj", {16, 32});
    add(name + "self_attn.o_proj", {32, 32});
    add(name + "post_attention_layernorm", {32});
    add(name + "mlp.gate_proj", {48, 32});
    add(name + "mlp.up_proj", {48, 32});
    add(name + "mlp.down_proj", {32, 48});
  }
  add("model.norm", {32});
  add("lm_head", {40, 32});
  return checkpoint;
}

/// The same as a Phi-3.
inline Checkpoint tiny_phi3() {
  Checkpoint checkpoint = tiny_checkpoint("Phi3ForCausalLM");
  const Checkpoint llama = tiny_llama();
  for (const std::string& name : llama.names()) {
    const bool fused =
        name.find("q_proj") != std::string::npos || name.find("gate_proj") != std::string::npos;
    if (!fused) checkpoint.add(name, llama.constant(name));
  }
  for (int layer = 0; layer < 2; ++layer) {
    const std::string name = "model.layers." + std::to_string(layer) + ".";
    checkpoint.add(name + "self_attn.qkv_proj.weight", Constant(Tensor::zeros(DType::f32, {64, 32})));
    checkpoint.add(name + "mlp.gate_up_proj.weight", Constant(Tensor::zeros(DType::f32, {96, 32})));
  }
  return checkpoint;
}

/// Builds the graph that the text of a config.json asks for, with weights that are zero and within bounds: a
/// model that is too large for a test is an InputError.
inline Graph build_from_config(std::string_view text) {
  class Zeros : public ConstantSource {
   public:
    explicit Zeros(const Shape& shape) : shape_(shape) {}
    Tensor load() const override { return Tensor::zeros(DType::f32, shape_); }

   private:
    Shape shape_;
  };
  Checkpoint checkpoint;
  checkpoint.path = "config";
  checkpoint.config = parse_hf_config(text, "config");
  int tensors = 0;
  BuildOptions options;
  options.weights = [&](const std::string& name, const Shape& shape) {
    if (++tensors > 1000 || (shape.rank() == 1 && shape[0] > 100'000))
      throw InputError("{}: too large a model", name);
    return Constant(DType::f32, shape, std::make_shared<Zeros>(shape));
  };
  return build_llm(checkpoint, options);
}

}  // namespace halftone
