#pragma once

#include <functional>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "graph/graph.h"
#include "models/activation.h"
#include "models/model.h"

namespace halftone {

/// What a family of vision transformers calls its modules, and what its layers have. Names in a layer follow
/// the layer's own ("vit.encoder.layer.0" + ".attention.attention.query").
struct VisionNames {
  std::string projection;            ///< of a patch
  std::string positions;             ///< the whole tensor
  std::vector<std::string> leading;  ///< tokens that stand before those of the patches; whole tensors
  std::string layers;
  std::string query, key, value, attended;
  std::string norm_before, norm_after;
  std::string up, down;  ///< of the MLP
};

/// The sizes of a vision transformer, checked.
struct VisionConfig {
  std::string source;  ///< names the configuration in errors
  int64_t hidden = 0, heads = 0, intermediate = 0, image = 0, patch = 0, channels = 0;
  int layers = 0;
  bool projection_bias = true, qkv_bias = true;
  float epsilon = 0;
  NamedActivation activation{};

  int64_t patches() const { return (image / patch) * (image / patch); }
};

/// Reads the keys that Hugging Face's vision configurations share. `defaults` stand in for absent keys.
/// Throws InputError for a missing key, a value out of range, sizes that do not divide.
VisionConfig read_vision_config(Json json, std::string source, const Json& defaults = Json::object());

/// Builds a vision transformer (Dosovitskiy et al., arXiv:2010.11929). Tokens are [batch, tokens, hidden];
/// linear layers see them as a matrix.
class VisionTransformer {
 public:
  VisionTransformer(const Checkpoint& checkpoint, const BuildOptions& options, VisionConfig config,
                    VisionNames names, std::string graph_name);

  /// The tokens of a picture, before the first layer.
  ValueId embed();
  /// All layers over them.
  ValueId layers(ValueId x);

  ValueId layer_norm(const std::string& name, ValueId x, int64_t use = 0);
  /// y = x W^T (+ bias) over the rows of a matrix.
  ValueId linear(const std::string& name, ValueId x, int64_t outputs, bool bias);
  ValueId node(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
               Attributes attributes = {});
  ValueId ints(const std::string& name, const Shape& shape, std::initializer_list<int64_t> values);
  ValueId reshape(const std::string& name, ValueId x, std::initializer_list<int64_t> dims);
  ValueId constant(const std::string& name, Constant value) {
    return graph_.add_constant(name, std::move(value));
  }

  const VisionConfig& config() const { return config_; }
  int64_t width_of(ValueId x) const { return graph_.value(x).type.shape.back(); }
  Graph finish(ValueId output, const std::string& name);

 private:
  Constant weight(const std::string& name, const Shape& shape) const;
  ValueId small_weight(const std::string& name, const Shape& shape);
  ValueId as_tokens(const std::string& name, ValueId x);
  Constant positions_and_leading() const;
  ValueId attention(const std::string& layer, ValueId x);
  ValueId mlp(const std::string& layer, ValueId x);
  ValueId block(const std::string& layer, ValueId x);

  const Checkpoint& checkpoint_;
  const BuildOptions& options_;
  VisionConfig config_;
  VisionNames names_;
  int64_t tokens_;
  Graph graph_;
  ValueId pixels_ = kNoValue;
};

}  // namespace halftone
