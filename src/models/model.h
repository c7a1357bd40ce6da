#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "graph/graph.h"
#include "ops/paged_attention/kv_cache.h"

namespace halftone {

struct BuildOptions {
  /// Longest sequence, in tokens: the rows of the tables of rotary positions. 0: what the model was trained
  /// for. Rope scalings that depend on the length (longrope, dynamic) take it from here.
  int64_t context = 0;
  /// Makes up the weights of a model that has none (synthetic.h). Unset: the checkpoint's own.
  std::function<Constant(const std::string& name, const Shape& shape)> weights{};
};

/// The graph of a decoder LLM, by its configuration's architecture.
///
/// Inputs:  token_ids i64 [tokens], positions i64 [tokens], sequences i32 [S, 3] and blocks i32 [S, B] (see
/// PagedAttention),
///          output_rows i64 [outputs]: the token rows that give logits, cache: a KvCache state.
/// Outputs: logits f32 [outputs, vocab]; cache_out.
/// Activations are f32. Weights are the checkpoint's own constants under its names; nodes are named like the
/// modules ("model.layers.0.self_attn.q_proj"), projections that a checkpoint fuses as their parts.
///
/// Throws UnsupportedError for an unknown architecture (naming the known ones) or setting, InputError for a
/// configuration or tensors that do not fit, UsageError for a context beyond what the model can take.
Graph build_llm(const Checkpoint& checkpoint, const BuildOptions& options = {});

/// Architectures that build_llm() knows ("LlamaForCausalLM").
std::vector<std::string> known_architectures();

/// What the engine needs to know of an LLM, read off its graph, so that it holds for a loaded one too.
struct LlmInfo {
  int layers = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int64_t hidden = 0;
  int64_t vocab = 0;
  int64_t context = 0;       ///< longest sequence, in tokens
  std::vector<int> windows;  ///< for each layer how many tokens a token sees, itself counted; 0: all

  /// How far back any layer looks; 0: everywhere. Cache blocks wholly before it are never read again.
  int window() const;
};

/// Throws UnsupportedError when the graph is not such an LLM.
LlmInfo llm_info(const Graph& graph);

/// The cache that the graph's `cache` input wants; `block_tokens` and `format` are the caller's choice.
KvCache::Layout kv_layout(const Graph& graph);

/// Token ids that the configuration names; generation_config.json speaks before config.json.
struct SpecialTokens {
  std::optional<int64_t> bos;
  std::vector<int64_t> eos;  ///< each of them ends an answer
};
SpecialTokens special_tokens(const Checkpoint& checkpoint);

}  // namespace halftone
