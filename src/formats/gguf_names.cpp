#include "formats/gguf_names.h"

#include <charconv>
#include <fmt/format.h>

namespace halftone {
namespace {

constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "LlamaForCausalLM", "llama", "mistral", "silu", true, 0, "post_attention_layernorm"},
    {"qwen2", "Qwen2ForCausalLM", "qwen2", "", "silu", false, 0, "post_attention_layernorm"},
    {"qwen3", "Qwen3ForCausalLM", "qwen3", "", "silu", false, 0, "post_attention_layernorm"},
    {"phi3", "Phi3ForCausalLM", "phi3", "", "silu", false, 0, "post_attention_layernorm", true},
    {"gemma2", "Gemma2ForCausalLM", "gemma2", "", "gelu_pytorch_tanh", false, 1, "pre_feedforward_layernorm",
     false, 46, 4096, 50, 30},
    {"gemma3", "Gemma3ForCausalLM", "gemma3_text", "gemma3", "gelu_pytorch_tanh", false, 1,
     "pre_feedforward_layernorm", false, 62},
};

struct NamePair {
  std::string_view gguf;
  std::string_view hf;
};

constexpr NamePair kModelNames[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};

constexpr NamePair kLayerNames[] = {
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_qkv", "self_attn.qkv_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"post_attention_norm", "post_attention_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};

constexpr NamePair kFusedParts[] = {{"attn_qkv", "self_attn.q_proj"},
                                    {"attn_qkv", "self_attn.k_proj"},
                                    {"attn_qkv", "self_attn.v_proj"},
                                    {"ffn_up", "mlp.gate_proj"},
                                    {"ffn_up", "mlp.up_proj"}};

constexpr std::string_view kBlock = "blk.";
constexpr std::string_view kLayers = "model.layers.";

/// PREFIX N.REST.KIND, or REST.KIND without a number.
struct NameParts {
  std::optional<int> layer;
  std::string_view rest;
  std::string_view kind;  ///< "weight" or "bias"
};

std::optional<NameParts> split(std::string_view name, std::string_view layer_prefix) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  NameParts parts{{}, name.substr(0, dot), name.substr(dot + 1)};
  if (parts.kind != "weight" && parts.kind != "bias") return std::nullopt;
  if (!parts.rest.starts_with(layer_prefix)) return parts;
  parts.rest.remove_prefix(layer_prefix.size());
  int layer = 0;
  const char* end = parts.rest.data() + parts.rest.size();
  const auto [stop, error] = std::from_chars(parts.rest.data(), end, layer);
  if (error != std::errc() || stop == end || *stop != '.' || layer < 0) return std::nullopt;
  parts.layer = layer;
  parts.rest.remove_prefix(static_cast<size_t>(stop - parts.rest.data()) + 1);
  return parts;
}

std::string_view find(std::span<const NamePair> pairs, std::string_view NamePair::*from,
                      std::string_view NamePair::*to, std::string_view name) {
  for (const NamePair& pair : pairs)
    if (pair.*from == name) return pair.*to;
  return {};
}

}  // namespace

std::span<const GgufArchitecture> gguf_architectures() {
  return kArchitectures;
}

std::string gguf_architecture_names() {
  std::string names;
  for (const GgufArchitecture& architecture : kArchitectures)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", architecture.name);
  return names;
}

std::optional<std::string> hf_tensor_name(const GgufArchitecture& architecture, std::string_view name) {
  const std::optional<NameParts> parts = split(name, kBlock);
  if (!parts) return std::nullopt;
  if (!parts->layer) {
    const std::string_view hf = find(kModelNames, &NamePair::gguf, &NamePair::hf, parts->rest);
    return hf.empty() ? std::nullopt : std::optional(fmt::format("{}.{}", hf, parts->kind));
  }
  std::string_view hf = find(kLayerNames, &NamePair::gguf, &NamePair::hf, parts->rest);
  if (parts->rest == "ffn_norm") hf = architecture.norm_after_attention;
  if (parts->rest == "ffn_up" && architecture.fused) hf = "mlp.gate_up_proj";
  if (hf.empty()) return std::nullopt;
  return fmt::format("{}{}.{}.{}", kLayers, *parts->layer, hf, parts->kind);
}

std::optional<std::string> gguf_tensor_name(const GgufArchitecture& architecture, std::string_view name) {
  const std::optional<NameParts> parts = split(name, kLayers);
  if (!parts) return std::nullopt;
  if (!parts->layer) {
    const std::string_view gguf = find(kModelNames, &NamePair::hf, &NamePair::gguf, parts->rest);
    return gguf.empty() ? std::nullopt : std::optional(fmt::format("{}.{}", gguf, parts->kind));
  }
  std::string_view gguf = find(kLayerNames, &NamePair::hf, &NamePair::gguf, parts->rest);
  if (parts->rest == architecture.norm_after_attention) gguf = "ffn_norm";
  if (architecture.fused)
    if (const auto whole = find(kFusedParts, &NamePair::hf, &NamePair::gguf, parts->rest); !whole.empty())
      gguf = whole;
  if (gguf.empty()) return std::nullopt;
  return fmt::format("{}{}.{}.{}", kBlock, *parts->layer, gguf, parts->kind);
}

std::string_view gguf_part(std::string_view name) {
  if (name.starts_with(kBlock)) name.remove_prefix(std::min(name.size(), name.find('.', kBlock.size()) + 1));
  return name.substr(0, name.rfind('.'));
}

}  // namespace halftone
