#include "formats/gguf_names.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

const GgufArchitecture& named(std::string_view name) {
  for (const GgufArchitecture& architecture : gguf_architectures())
    if (architecture.name == name) return architecture;
  throw std::logic_error("no such architecture");
}

TEST(GgufNames, GoBothWays) {
  for (const GgufArchitecture& architecture : gguf_architectures())
    for (const char* name : {"token_embd.weight", "output_norm.weight", "output.weight",
                             "blk.0.attn_norm.weight", "blk.12.attn_output.weight", "blk.3.ffn_norm.weight",
                             "blk.3.ffn_down.weight", "blk.3.attn_qkv.weight"}) {
      const auto hf = hf_tensor_name(architecture, name);
      ASSERT_TRUE(hf) << architecture.name << " " << name;
      EXPECT_EQ(gguf_tensor_name(architecture, *hf), name) << architecture.name << " " << *hf;
    }
}

TEST(GgufNames, ArchitecturesNameTheirNormsDifferently) {
  EXPECT_EQ(hf_tensor_name(named("llama"), "blk.1.ffn_norm.weight"),
            "model.layers.1.post_attention_layernorm.weight");
  EXPECT_EQ(hf_tensor_name(named("gemma2"), "blk.1.ffn_norm.weight"),
            "model.layers.1.pre_feedforward_layernorm.weight");
  EXPECT_EQ(gguf_tensor_name(named("gemma2"), "model.layers.1.post_attention_layernorm.weight"),
            "blk.1.post_attention_norm.weight");
}

TEST(GgufNames, PartsOfFusedTensorsHaveTheNameOfTheWhole) {
  EXPECT_EQ(gguf_tensor_name(named("phi3"), "model.layers.1.self_attn.k_proj.weight"),
            "blk.1.attn_qkv.weight");
  EXPECT_EQ(gguf_tensor_name(named("phi3"), "model.layers.1.mlp.gate_proj.weight"), "blk.1.ffn_up.weight");
  EXPECT_EQ(hf_tensor_name(named("phi3"), "blk.1.ffn_up.weight"), "model.layers.1.mlp.gate_up_proj.weight");
  EXPECT_EQ(gguf_tensor_name(named("qwen2"), "model.layers.1.self_attn.k_proj.bias"), "blk.1.attn_k.bias");
}

TEST(GgufNames, WhatIsUnknownHasNone) {
  for (const char* name :
       {"", "weight", "blk.weight", "blk.x.attn_q.weight", "blk.-1.attn_q.weight",
        "blk.99999999999.attn_q.weight", "blk.0.attn_q.scales", "blk.0.ffn_gate_exps.weight"})
    EXPECT_EQ(hf_tensor_name(named("llama"), name), std::nullopt) << name;
  EXPECT_EQ(gguf_tensor_name(named("llama"), "model.layers.0.self_attn.rotary.weight"), std::nullopt);
}

}  // namespace
}  // namespace halftone
