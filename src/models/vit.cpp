#include <cmath>

#include "base/error.h"
#include "models/activation.h"
#include "models/config.h"
#include "models/weights.h"

namespace halftone {
namespace {

constexpr int64_t kMaxBatch = 4096;
constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxLayers = 4096;

struct Config {
  std::string source;
  int64_t hidden, heads, intermediate, image, patch, channels;
  int layers;
  bool qkv_bias;
  float epsilon;
  NamedActivation activation;

  int64_t patches() const { return (image / patch) * (image / patch); }
};

Config read_config(const Checkpoint& checkpoint) {
  const std::string source = config_source(checkpoint);
  const Json& json = checkpoint.config;
  auto positive = [&](const char* key, int64_t most) {
    const auto value = json_get<int64_t>(json, key, source);
    if (value < 1 || value > most)
      throw InputError("{}: key \"{}\": expected 1 to {}, found {}", source, key, most, value);
    return value;
  };
  Config config{source,
                positive("hidden_size", kMaxWidth),
                positive("num_attention_heads", kMaxWidth),
                positive("intermediate_size", kMaxWidth),
                positive("image_size", 1 << 15),
                positive("patch_size", 1 << 15),
                positive("num_channels", 1 << 10),
                static_cast<int>(positive("num_hidden_layers", kMaxLayers)),
                json_get_or<bool>(json, "qkv_bias", true, source),
                json_get_or<float>(json, "layer_norm_eps", 1e-12f, source),
                activation_named(json_get<std::string>(json, "hidden_act", source), source)};
  if (config.hidden % config.heads != 0)
    throw InputError("{}: hidden_size {} does not divide into {} attention heads", source, config.hidden,
                     config.heads);
  if (config.patch > config.image || config.image % config.patch != 0)
    throw InputError("{}: image_size {} does not divide into patches of {}", source, config.image,
                     config.patch);
  return config;
}

/// Builds a vision transformer (Dosovitskiy et al., arXiv:2010.11929). Tokens are [batch, tokens, hidden];
/// linear layers see them as a matrix.
class VisionTransformer {
 public:
  /// `prefix`: where the encoder lies ("vit"); `leading`: the tokens that stand before those of the patches.
  VisionTransformer(const Checkpoint& checkpoint, std::string prefix, std::vector<std::string> leading)
      : checkpoint_(checkpoint),
        config_(read_config(checkpoint)),
        prefix_(std::move(prefix)),
        leading_(std::move(leading)),
        tokens_(config_.patches() + static_cast<int64_t>(leading_.size())) {
    graph_.name = json_get_or<std::string>(checkpoint.config, "model_type", "vit", config_.source);
    const int64_t batch = graph_.symbol("batch", 1, kMaxBatch);
    pixels_ = graph_.add_input("pixel_values",
                               {DType::f32, {batch, config_.channels, config_.image, config_.image}});
  }

  ValueId encode() {
    ValueId x = embed();
    for (int layer = 0; layer < config_.layers; ++layer)
      x = block(fmt::format("{}.encoder.layer.{}", prefix_, layer), x);
    return x;
  }

  /// The last norm and a classifier over one of the leading tokens (norms do not mix tokens).
  ValueId classify(const std::string& classifier, ValueId x, int64_t token) {
    const std::string name = fmt::format("{}.token_{}", prefix_, token);
    const ValueId picked =
        node("Gather", name, {x, ints(name + ".index", {}, {token})}, {{"axis", int64_t{1}}});
    const ValueId normed = layer_norm(prefix_ + ".layernorm", picked, token);
    return linear(classifier, normed, checkpoint_.type(classifier + ".weight").shape[0], true);
  }

  ValueId mean(const std::string& name, ValueId a, ValueId b) {
    const ValueId half = graph_.add_constant(name + ".half", Constant(Tensor::from<float>({1}, {0.5f})));
    return node("Mul", name, {node("Add", name + ".sum", {a, b}), half});
  }

  Graph finish(ValueId logits) {
    graph_.add_output(logits, "logits");
    verify(graph_);
    return std::move(graph_);
  }

 private:
  ValueId node(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
               Attributes attributes = {}) {
    return graph_.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  }

  ValueId ints(const std::string& name, const Shape& shape, std::initializer_list<int64_t> values) {
    return graph_.add_constant(name, Constant(Tensor::from<int64_t>(shape, values)));
  }

  ValueId reshape(const std::string& name, ValueId x, std::initializer_list<int64_t> dims) {
    return node("Reshape", name, {x, ints(name + ".shape", {static_cast<int64_t>(dims.size())}, dims)});
  }

  Constant weight(const std::string& name, const Shape& shape) const {
    const Constant& constant = checkpoint_.constant(name, shape);
    if (!is_float(constant.dtype()))
      throw InputError("{}: tensor \"{}\": expected floating point, found {}", checkpoint_.path.string(),
                       name, dtype_name(constant.dtype()));
    return constant;
  }

  ValueId small_weight(const std::string& name, const Shape& shape) {
    return graph_.add_constant(name, small_f32(weight(name, shape)));
  }

  /// y = x W^T (+ bias) over the rows of a matrix.
  ValueId linear(const std::string& name, ValueId x, int64_t outputs, bool bias) {
    const int64_t inputs = graph_.value(x).type.shape.back();
    std::vector<ValueId> operands = {
        x, graph_.add_constant(name + ".weight", weight(name + ".weight", {outputs, inputs}))};
    if (bias) operands.push_back(small_weight(name + ".bias", {outputs}));
    return node("Gemm", name, std::move(operands), {{"transB", int64_t{1}}});
  }

  ValueId layer_norm(const std::string& name, ValueId x, int64_t use = 0) {
    // Two classifiers share the last norm's weights, under one name each.
    const std::string unique = use == 0 ? name : fmt::format("{}.{}", name, use);
    const ValueId scale =
        graph_.add_constant(unique + ".weight", small_f32(weight(name + ".weight", {config_.hidden})));
    const ValueId shift =
        graph_.add_constant(unique + ".bias", small_f32(weight(name + ".bias", {config_.hidden})));
    return node("LayerNormalization", unique, {x, scale, shift},
                {{"axis", int64_t{-1}}, {"epsilon", config_.epsilon}});
  }

  /// The rows of a matrix as tokens again.
  ValueId as_tokens(const std::string& name, ValueId x) {
    return reshape(name, x, {-1, tokens_, graph_.value(x).type.shape.back()});
  }

  /// What is added to every picture's tokens: positions, and the leading tokens themselves.
  Tensor positions_and_leading() const {
    const std::string name = prefix_ + ".embeddings.";
    const Tensor positions =
        to_f32(weight(name + "position_embeddings", {1, tokens_, config_.hidden}).load());
    Tensor sum = Tensor::allocate(DType::f32, positions.shape());
    const auto out = sum.mutable_view().span<float>();
    std::copy(positions.span<float>().begin(), positions.span<float>().end(), out.begin());
    for (size_t t = 0; t < leading_.size(); ++t) {
      const Tensor token = to_f32(weight(name + leading_[t], {1, 1, config_.hidden}).load());
      for (size_t i = 0; i < token.span<float>().size(); ++i)
        out[t * token.span<float>().size() + i] += token.span<float>()[i];
    }
    return sum;
  }

  /// Each patch becomes a token; leading tokens start as rows of zeros.
  ValueId embed() {
    const std::string name = prefix_ + ".embeddings.";
    const std::string projection = name + "patch_embeddings.projection";
    const Shape kernel{config_.hidden, config_.channels, config_.patch, config_.patch};
    const ValueId patches =
        node("Conv", projection,
             {pixels_, graph_.add_constant(projection + ".weight", weight(projection + ".weight", kernel)),
              small_weight(projection + ".bias", {config_.hidden})},
             {{"strides", std::vector<int64_t>{config_.patch, config_.patch}}});
    const ValueId flat = reshape(projection + ".flat", patches, {0, config_.hidden, config_.patches()});
    const ValueId turned =
        node("Transpose", projection + ".tokens", {flat}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
    const auto leading = static_cast<int64_t>(leading_.size());
    const ValueId padded =
        node("Pad", name + "padded", {turned, ints(name + "padded.pads", {6}, {0, leading, 0, 0, 0, 0})});
    const ValueId added =
        graph_.add_constant(name + "position_embeddings", Constant(positions_and_leading()));
    return node("Add", name + "sum", {padded, added});
  }

  ValueId attention(const std::string& name, ValueId x) {
    auto project = [&](const char* part) {
      const std::string module = name + ".attention." + part;
      return as_tokens(module + ".tokens", linear(module, x, config_.hidden, config_.qkv_bias));
    };
    const ValueId query = project("query"), key = project("key"), value = project("value");
    const ValueId attended = node("Attention", name + ".attention", {query, key, value},
                                  {{"q_num_heads", config_.heads}, {"kv_num_heads", config_.heads}});
    const ValueId rows = reshape(name + ".attention.rows", attended, {-1, config_.hidden});
    return linear(name + ".output.dense", rows, config_.hidden, true);
  }

  ValueId mlp(const std::string& name, ValueId x) {
    const ValueId up = linear(name + ".intermediate.dense", x, config_.intermediate, true);
    const ValueId active =
        graph_
            .add_node(*config_.activation.op, name + ".intermediate.act", {up}, config_.activation.attributes)
            .front();
    return linear(name + ".output.dense", active, config_.hidden, true);
  }

  ValueId block(const std::string& name, ValueId x) {
    auto normed_rows = [&](const char* norm, ValueId tokens) {
      return reshape(name + norm + ".rows", layer_norm(name + norm, tokens), {-1, config_.hidden});
    };
    const ValueId attended = attention(name + ".attention", normed_rows(".layernorm_before", x));
    x = node("Add", name + ".attention.sum", {as_tokens(name + ".attention.tokens", attended), x});
    const ValueId wider = mlp(name, normed_rows(".layernorm_after", x));
    return node("Add", name + ".sum", {as_tokens(name + ".tokens", wider), x});
  }

  const Checkpoint& checkpoint_;
  Config config_;
  std::string prefix_;
  std::vector<std::string> leading_;
  int64_t tokens_;
  Graph graph_;
  ValueId pixels_ = kNoValue;
};

}  // namespace

Graph build_vit(const Checkpoint& checkpoint) {
  VisionTransformer model(checkpoint, "vit", {"cls_token"});
  const ValueId x = model.encode();
  return model.finish(model.classify("classifier", x, 0));
}

/// Touvron et al., arXiv:2012.12877. The token that learns from the teacher is there, and not asked.
Graph build_deit(const Checkpoint& checkpoint) {
  VisionTransformer model(checkpoint, "deit", {"cls_token", "distillation_token"});
  const ValueId x = model.encode();
  return model.finish(model.classify("classifier", x, 0));
}

/// The mean of what both tokens say.
Graph build_deit_with_teacher(const Checkpoint& checkpoint) {
  VisionTransformer model(checkpoint, "deit", {"cls_token", "distillation_token"});
  const ValueId x = model.encode();
  const ValueId own = model.classify("cls_classifier", x, 0);
  const ValueId taught = model.classify("distillation_classifier", x, 1);
  return model.finish(model.mean("logits.mean", own, taught));
}

}  // namespace halftone
