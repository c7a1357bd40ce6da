#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace halftone {

/// What the converters to GGUF do to an architecture's tensors, and what its metadata leave unsaid.
struct GgufArchitecture {
  std::string_view name;             ///< general.architecture
  std::string_view hf_class;         ///< config.json: architectures
  std::string_view model_type;       ///< config.json
  std::string_view also_model_type;  ///< another that goes by this name; may be empty
  std::string_view activation;       ///< config.json: hidden_act
  bool interleaved_heads = false;    ///< q and k rows are permuted for rotary pairs that lie side by side
  float norm_added = 0;              ///< to the weights of all norms
  std::string_view norm_after_attention =
      "";                              ///< blk.N.ffn_norm stands before the MLP; this is its name in HF
  bool fused = false;                  ///< q, k and v are one tensor (attn_qkv), gate and up another (ffn_up)
  int64_t layers_scaled_by_width = 0;  ///< queries are scaled by head_dim^-1/2, in the model of that many
                                       ///< layers by (hidden / heads)^-1/2
  int64_t usual_window = 0;            ///< and the caps below: of files that leave them out (0: none)
  double usual_attention_cap = 0;
  double usual_logit_cap = 0;
};

/// All that are read and written.
std::span<const GgufArchitecture> gguf_architectures();

/// "llama, qwen2, ...".
std::string gguf_architecture_names();

/// "model.layers.0.self_attn.q_proj.weight" of "blk.0.attn_q.weight"; nothing for a tensor that models of the
/// architecture are not known to have.
std::optional<std::string> hf_tensor_name(const GgufArchitecture& architecture, std::string_view name);

/// The reverse. Of fused tensors each part has the name of the whole.
std::optional<std::string> gguf_tensor_name(const GgufArchitecture& architecture, std::string_view name);

/// "attn_q" of "blk.0.attn_q.weight", "output_norm" of "output_norm.weight".
std::string_view gguf_part(std::string_view name);

}  // namespace halftone
