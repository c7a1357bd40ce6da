#include "models/vision_tower.h"

#include "base/error.h"
#include "models/config.h"
#include "models/vision_transformer.h"

namespace halftone {
namespace {

/// What sets a family of towers apart; their modules have the same names.
struct TowerFamily {
  std::string_view model_type;
  bool class_token;  ///< a first token that stands for the picture, and a norm before the layers
  bool projection_bias;
  const char* defaults;  ///< as transformers has them
};
constexpr TowerFamily kFamilies[] = {
    {"clip_vision_model", true, false,
     R"({"num_channels": 3, "layer_norm_eps": 1e-5, "hidden_act": "quick_gelu"})"},
    {"siglip_vision_model", false, true,
     R"({"num_channels": 3, "layer_norm_eps": 1e-6, "hidden_act": "gelu_pytorch_tanh"})"}};

constexpr const char* kRoot = "vision_model";
constexpr int64_t kMostScales = 8;

const TowerFamily& family_of(const Json& config, const std::string& source) {
  const auto type = json_get<std::string>(config, "model_type", source);
  for (const TowerFamily& family : kFamilies)
    if (family.model_type == type) return family;
  throw UnsupportedError("{}: vision tower \"{}\" (known: clip_vision_model, siglip_vision_model)", source,
                         type);
}

VisionNames names_of(const TowerFamily& family) {
  const std::string root = kRoot, embeddings = root + ".embeddings.";
  VisionNames names{embeddings + "patch_embedding",
                    embeddings + "position_embedding.weight",
                    {},
                    root + ".encoder.layers",
                    ".self_attn.q_proj",
                    ".self_attn.k_proj",
                    ".self_attn.v_proj",
                    ".self_attn.out_proj",
                    ".layer_norm1",
                    ".layer_norm2",
                    ".mlp.fc1",
                    ".mlp.fc2"};
  if (family.class_token) names.leading = {embeddings + "class_embedding"};
  return names;
}

/// The tokens of the patches alone.
ValueId without_class_token(VisionTransformer& model, ValueId x) {
  const std::string name = std::string(kRoot) + ".patches";
  return model.node(
      "Slice", name,
      {x, model.ints(name + ".begin", {1}, {1}),
       model.ints(name + ".end", {1}, {1 + model.config().patches()}), model.ints(name + ".axis", {1}, {1})});
}

/// 2 x 2 neighbours side by side as one token of four times the width.
ValueId join_neighbours(VisionTransformer& model, ValueId x, const std::string& source) {
  const int64_t side = model.config().image / model.config().patch, width = model.width_of(x);
  if (side % 2 != 0)
    throw UnsupportedError("{}: a projector that joins 2 x 2 tokens of an odd number of them ({} x {})",
                           source, side, side);
  const std::string name = "mm_projector.joined";
  const ValueId split = model.reshape(name + ".split", x, {-1, side / 2, 2, side / 2, 2 * width});
  const ValueId turned =
      model.node("Transpose", name + ".turned", {split}, {{"perm", std::vector<int64_t>{0, 3, 1, 2, 4}}});
  return model.reshape(name, turned, {-1, side * side / 4, 4 * width});
}

ValueId project(VisionTransformer& model, ValueId x, const Json& config, const std::string& source) {
  const auto hidden = json_get<int64_t>(config, "hidden_size", source);
  const auto kind = json_get<std::string>(config, "projector", source);
  const std::string name = "mm_projector.layers";
  const auto rows = [&](ValueId tokens) {
    return model.reshape(name + ".rows", tokens, {-1, model.width_of(tokens)});
  };
  const auto gelu = [&](ValueId value) { return model.node("Gelu", name + ".activation", {value}); };
  if (kind == "linear") return model.linear(name + ".0", rows(x), hidden, true);
  if (kind == "mlp2x_gelu")
    return model.linear(name + ".2", gelu(model.linear(name + ".0", rows(x), hidden, true)), hidden, true);
  if (kind == "mlp_downsample") {
    const ValueId normed = rows(model.layer_norm(name + ".1", join_neighbours(model, x, source)));
    return model.linear(name + ".4", gelu(model.linear(name + ".2", normed, hidden, true)), hidden, true);
  }
  throw UnsupportedError("{}: projector \"{}\" (known: linear, mlp2x_gelu, mlp_downsample)", source, kind);
}

}  // namespace

Graph build_vision_tower(const Checkpoint& checkpoint, const Json& config, const BuildOptions& options) {
  const std::string source = config_source(checkpoint) + ": vision_config";
  const Json vision = json_get<Json>(config, "vision_config", source);
  const TowerFamily& family = family_of(vision, source);
  VisionConfig sizes = read_vision_config(vision, source, parse_json(family.defaults, source));
  sizes.projection_bias = family.projection_bias;
  VisionTransformer model(checkpoint, options, std::move(sizes), names_of(family),
                          std::string(family.model_type));

  ValueId x = model.embed();
  if (family.class_token) x = model.layer_norm(std::string(kRoot) + ".pre_layrnorm", x);
  x = model.layers(x);
  if (family.class_token)
    x = without_class_token(model, x);
  else
    x = model.layer_norm(std::string(kRoot) + ".post_layernorm", x);
  const auto scales = json_get_or<int64_t>(config, "scales", 1, source);
  if (scales < 1 || scales > kMostScales)
    throw InputError("{}: key \"scales\": expected 1 to {}, found {}", source, kMostScales, scales);
  if (scales > 1)
    x = model.node("Concat", "scales", std::vector<ValueId>(static_cast<size_t>(scales), x),
                   {{"axis", int64_t{2}}});
  return model.finish(project(model, x, config, source), "tokens");
}

}  // namespace halftone
