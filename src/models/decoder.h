#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "graph/graph.h"
#include "models/config.h"
#include "models/rope.h"

namespace halftone {

/// The tables of one kind of rotary positions, as constants of the graph.
struct Rope {
  ValueId cos = kNoValue;
  ValueId sin = kNoValue;
  int64_t rotary_dim = 0;
};

/// A projection that a checkpoint keeps together with others in one tensor: its rows there.
struct FusedRows {
  std::string module;  ///< "model.layers.0.self_attn.qkv_proj"
  int64_t first_row = 0;
  int64_t all_rows = 0;  ///< of the whole tensor
};

/// What differs between the attention blocks of families and layers.
struct AttentionOptions {
  int layer = 0;
  Rope rope;
  bool qkv_bias = false;
  bool output_bias = false;
  bool qk_norm = false;    ///< RMS norms on each head of q and k before they turn
  bool fused_qkv = false;  ///< one tensor qkv_proj: rows of q, then k, then v
  int window = 0;          ///< 0: all
  float scale = 0;         ///< 0: 1 / sqrt(head_dim)
  float softcap = 0;       ///< 0: none
};

struct MlpOptions {
  bool bias = false;
  bool fused_gate_up = false;  ///< one tensor gate_up_proj: rows of gate, then up
};

/// Builds the graph of a decoder LLM out of the parts that families share. Each part takes the name of the
/// module that it stands for and finds its weights under it.
class Decoder {
 public:
  /// `prefix`: where the text model lies in the checkpoint ("model").
  Decoder(const Checkpoint& checkpoint, const BuildOptions& options, const DecoderConfig& config,
          std::string prefix = "model");

  const DecoderConfig& config() const { return config_; }
  const std::string& prefix() const { return prefix_; }

  /// What norms add to their weights: 1 where a family stores them less 1 (Gemma).
  void set_norm_offset(float offset) { norm_offset_ = offset; }

  /// [tokens, hidden]
  ValueId embed_tokens();
  /// Of the embedding's table, after embed_tokens().
  DType embedding_dtype() const { return graph_.value(embedding_).type.dtype; }
  Rope rope(const std::string& name, const RopeFrequencies& frequencies);
  /// y = x W^T (+ bias); W is [outputs, inputs]. `fused`: the rows of another tensor.
  ValueId linear(const std::string& name, ValueId x, int64_t outputs, bool bias = false,
                 const FusedRows* fused = nullptr);
  /// Over the last axis.
  ValueId rms_norm(const std::string& name, ValueId x);
  ValueId add(const std::string& name, ValueId a, ValueId b);
  ValueId scale(const std::string& name, ValueId x, float factor);
  /// Projections, positions, attention over the cache, output projection: x [tokens, hidden] to the same.
  ValueId attention_block(const std::string& name, ValueId x, const AttentionOptions& options);
  /// down(activation(gate(x)) * up(x))
  ValueId gated_mlp(const std::string& name, ValueId x, const MlpOptions& options = {});
  /// The asked rows through the last norm and the output layer, capped (c * tanh(x / c)) unless softcap is 0.
  /// Ends the graph and hands it out.
  Graph finish(ValueId x, float softcap = 0);

 private:
  Constant weight(const std::string& name, const Shape& shape) const;
  /// Adds a norm's weights or a bias as f32, finite numbers all.
  ValueId small_weight(const std::string& name, const Constant& constant, float added = 0);
  ValueId node(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
               Attributes attributes = {});
  ValueId scalar(const std::string& name, float value);
  ValueId head_norm(const std::string& name, ValueId x, int64_t heads);
  ValueId activate(const std::string& name, ValueId x);

  const Checkpoint& checkpoint_;
  const BuildOptions& options_;
  DecoderConfig config_;
  std::string prefix_;
  float norm_offset_ = 0;
  Graph graph_;
  ValueId token_ids_, positions_, sequences_, blocks_, output_rows_, cache_;
  ValueId embedding_ = kNoValue;
};

/// The layout of most families: x += attention(norm(x)); x += mlp(norm(x)). `attention` gives each layer's
/// options (its `layer` is filled in).
Graph build_pre_norm_decoder(Decoder& decoder, const std::function<AttentionOptions(int layer)>& attention,
                             const MlpOptions& mlp = {});

/// "model.layers.3"
std::string layer_name(const Decoder& decoder, int layer);

/// The one set of positions of a model whose layers all turn alike.
Rope single_rope(Decoder& decoder);

}  // namespace halftone
