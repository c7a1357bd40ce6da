#include "models/gemma.h"

#include <cmath>

#include "base/error.h"

namespace halftone {
namespace {

/// sqrt(hidden) in the type of the weights, as the model was trained with it.
float embedding_scale(const Decoder& decoder) {
  const float exact = std::sqrt(static_cast<float>(decoder.config().hidden));
  Tensor rounded = Tensor::allocate(decoder.embedding_dtype(), {1});
  store_floats({&exact, 1}, rounded.mutable_view(), 0);
  return to_f32(rounded).span<float>()[0];
}

/// A cap, or 0 where the key is absent or null.
float softcap(const DecoderConfig& config, const char* key) {
  const float cap = json_get_or<float>(config.json, key, 0, config.source);
  if (!(cap >= 0) || !std::isfinite(cap))
    throw InputError("{}: key \"{}\": expected a positive number or null, found {}", config.source, key, cap);
  return cap;
}

}  // namespace

Graph build_gemma_decoder(Decoder& decoder, const std::function<AttentionOptions(int layer)>& attention) {
  const DecoderConfig& config = decoder.config();
  const float query_scalar = json_get<float>(config.json, "query_pre_attn_scalar", config.source);
  if (!(query_scalar > 0))
    throw InputError("{}: key \"query_pre_attn_scalar\": expected a positive number, found {}", config.source,
                     query_scalar);
  if (json_get_or<bool>(config.json, "use_bidirectional_attention", false, config.source))
    throw UnsupportedError("{}: use_bidirectional_attention", config.source);
  const bool bias = json_get_or<bool>(config.json, "attention_bias", false, config.source);
  decoder.set_norm_offset(1);

  ValueId x = decoder.embed_tokens();
  x = decoder.scale(decoder.prefix() + ".embed_scale", x, embedding_scale(decoder));
  for (int layer = 0; layer < config.layers; ++layer) {
    const std::string name = layer_name(decoder, layer);
    AttentionOptions options = attention(layer);
    options.layer = layer;
    options.qkv_bias = options.output_bias = bias;
    options.scale = 1 / std::sqrt(query_scalar);
    options.softcap = softcap(config, "attn_logit_softcapping");
    ValueId block =
        decoder.attention_block(name + ".self_attn", decoder.rms_norm(name + ".input_layernorm", x), options);
    x = decoder.add(name + ".attention_residual", x,
                    decoder.rms_norm(name + ".post_attention_layernorm", block));
    block = decoder.gated_mlp(name + ".mlp", decoder.rms_norm(name + ".pre_feedforward_layernorm", x));
    x = decoder.add(name + ".mlp_residual", x, decoder.rms_norm(name + ".post_feedforward_layernorm", block));
  }
  return decoder.finish(x, softcap(config, "final_logit_softcapping"));
}

}  // namespace halftone
