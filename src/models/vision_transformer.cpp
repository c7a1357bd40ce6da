#include "models/vision_transformer.h"

#include <cmath>

#include "base/error.h"
#include "models/weights.h"

namespace halftone {
namespace {

constexpr int64_t kMaxBatch = 4096;
constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxLayers = 4096;

/// The sum of the positions' vectors and, at the first ones, of the leading tokens: what is added to every
/// picture's tokens.
class PositionsAndLeading : public ConstantSource {
 public:
  PositionsAndLeading(Constant positions, std::vector<Constant> leading)
      : positions_(std::move(positions)), leading_(std::move(leading)) {}

  Tensor load() const override {
    const Tensor positions = to_f32(positions_.load());
    const Shape& shape = positions.shape();
    Tensor sum = Tensor::allocate(DType::f32, {1, shape[shape.rank() - 2], shape.back()});
    const auto out = sum.mutable_view().span<float>();
    std::copy(positions.span<float>().begin(), positions.span<float>().end(), out.begin());
    size_t at = 0;
    for (const Constant& constant : leading_) {
      const Tensor token = to_f32(constant.load());
      for (const float value : token.span<float>()) out[at++] += value;
    }
    return sum;
  }

 private:
  Constant positions_;
  std::vector<Constant> leading_;
};

}  // namespace

VisionConfig read_vision_config(Json json, std::string source, const Json& defaults) {
  for (const auto& [key, value] : defaults.items())
    if (!json.contains(key)) json[key] = value;
  auto positive = [&](const char* key, int64_t most) {
    const auto value = json_get<int64_t>(json, key, source);
    if (value < 1 || value > most)
      throw InputError("{}: key \"{}\": expected 1 to {}, found {}", source, key, most, value);
    return value;
  };
  VisionConfig config;
  config.hidden = positive("hidden_size", kMaxWidth);
  config.heads = positive("num_attention_heads", kMaxWidth);
  config.intermediate = positive("intermediate_size", kMaxWidth);
  config.image = positive("image_size", 1 << 15);
  config.patch = positive("patch_size", 1 << 15);
  config.channels = positive("num_channels", 1 << 10);
  config.layers = static_cast<int>(positive("num_hidden_layers", kMaxLayers));
  config.qkv_bias = json_get_or<bool>(json, "qkv_bias", true, source);
  config.epsilon = json_get_or<float>(json, "layer_norm_eps", 1e-12f, source);
  if (!(config.epsilon >= 0) || !std::isfinite(config.epsilon))
    throw InputError("{}: key \"layer_norm_eps\": expected 0 or more, found {}", source, config.epsilon);
  config.activation = activation_named(json_get<std::string>(json, "hidden_act", source), source);
  if (config.hidden % config.heads != 0)
    throw InputError("{}: hidden_size {} does not divide into {} attention heads", source, config.hidden,
                     config.heads);
  if (config.patch > config.image || config.image % config.patch != 0)
    throw InputError("{}: image_size {} does not divide into patches of {}", source, config.image,
                     config.patch);
  config.source = std::move(source);
  return config;
}

VisionTransformer::VisionTransformer(const Checkpoint& checkpoint, const BuildOptions& options,
                                     VisionConfig config, VisionNames names, std::string graph_name)
    : checkpoint_(checkpoint),
      options_(options),
      config_(std::move(config)),
      names_(std::move(names)),
      tokens_(config_.patches() + static_cast<int64_t>(names_.leading.size())) {
  graph_.name = std::move(graph_name);
  const int64_t batch = graph_.symbol("batch", 1, kMaxBatch);
  pixels_ =
      graph_.add_input("pixel_values", {DType::f32, {batch, config_.channels, config_.image, config_.image}});
}

ValueId VisionTransformer::layers(ValueId x) {
  for (int layer = 0; layer < config_.layers; ++layer)
    x = block(fmt::format("{}.{}", names_.layers, layer), x);
  return x;
}

Graph VisionTransformer::finish(ValueId output, const std::string& name) {
  graph_.add_output(output, name);
  verify(graph_);
  return std::move(graph_);
}

ValueId VisionTransformer::node(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
                                Attributes attributes) {
  return graph_.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
}

ValueId VisionTransformer::ints(const std::string& name, const Shape& shape,
                                std::initializer_list<int64_t> values) {
  return graph_.add_constant(name, Constant(Tensor::from<int64_t>(shape, values)));
}

ValueId VisionTransformer::reshape(const std::string& name, ValueId x, std::initializer_list<int64_t> dims) {
  return node("Reshape", name, {x, ints(name + ".shape", {static_cast<int64_t>(dims.size())}, dims)});
}

Constant VisionTransformer::weight(const std::string& name, const Shape& shape) const {
  Constant constant = options_.weights ? options_.weights(name, shape) : checkpoint_.constant(name, shape);
  if (!is_float(constant.dtype()))
    throw InputError("{}: tensor \"{}\": expected floating point, found {}", checkpoint_.path.string(), name,
                     dtype_name(constant.dtype()));
  return constant;
}

ValueId VisionTransformer::small_weight(const std::string& name, const Shape& shape) {
  return graph_.add_constant(name, small_f32(weight(name, shape)));
}

ValueId VisionTransformer::linear(const std::string& name, ValueId x, int64_t outputs, bool bias) {
  const int64_t inputs = graph_.value(x).type.shape.back();
  std::vector<ValueId> operands = {
      x, graph_.add_constant(name + ".weight", weight(name + ".weight", {outputs, inputs}))};
  if (bias) operands.push_back(small_weight(name + ".bias", {outputs}));
  return node("Gemm", name, std::move(operands), {{"transB", int64_t{1}}});
}

ValueId VisionTransformer::layer_norm(const std::string& name, ValueId x, int64_t use) {
  // Two classifiers share the last norm's weights, under one name each.
  const std::string unique = use == 0 ? name : fmt::format("{}.{}", name, use);
  const Shape width{width_of(x)};
  const ValueId scale = graph_.add_constant(unique + ".weight", small_f32(weight(name + ".weight", width)));
  const ValueId shift = graph_.add_constant(unique + ".bias", small_f32(weight(name + ".bias", width)));
  return node("LayerNormalization", unique, {x, scale, shift},
              {{"axis", int64_t{-1}}, {"epsilon", config_.epsilon}});
}

/// The rows of a matrix as tokens again.
ValueId VisionTransformer::as_tokens(const std::string& name, ValueId x) {
  return reshape(name, x, {-1, tokens_, graph_.value(x).type.shape.back()});
}

Constant VisionTransformer::positions_and_leading() const {
  // Tables of embeddings have one dimension less than parameters that are added as they are.
  const auto plain = [&](const std::string& name) {
    return name.ends_with(".weight") || name.ends_with("class_embedding");
  };
  Shape table{tokens_, config_.hidden}, token{config_.hidden};
  const Constant positions =
      weight(names_.positions, plain(names_.positions) ? table : Shape{1, tokens_, config_.hidden});
  std::vector<Constant> leading;
  for (const std::string& name : names_.leading)
    leading.push_back(weight(name, plain(name) ? token : Shape{1, 1, config_.hidden}));
  return Constant(DType::f32, {1, tokens_, config_.hidden},
                  std::make_shared<PositionsAndLeading>(positions, std::move(leading)));
}

/// Each patch becomes a token; leading tokens start as rows of zeros.
ValueId VisionTransformer::embed() {
  const std::string& projection = names_.projection;
  const Shape kernel{config_.hidden, config_.channels, config_.patch, config_.patch};
  std::vector<ValueId> operands = {
      pixels_, graph_.add_constant(projection + ".weight", weight(projection + ".weight", kernel))};
  if (config_.projection_bias) operands.push_back(small_weight(projection + ".bias", {config_.hidden}));
  const ValueId patches = node("Conv", projection, std::move(operands),
                               {{"strides", std::vector<int64_t>{config_.patch, config_.patch}}});
  const ValueId flat = reshape(projection + ".flat", patches, {0, config_.hidden, config_.patches()});
  const ValueId turned =
      node("Transpose", projection + ".tokens", {flat}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  ValueId tokens = turned;
  if (const auto leading = static_cast<int64_t>(names_.leading.size()))
    tokens = node("Pad", projection + ".padded",
                  {turned, ints(projection + ".padded.pads", {6}, {0, leading, 0, 0, 0, 0})});
  return node("Add", projection + ".sum",
              {tokens, graph_.add_constant(names_.positions, positions_and_leading())});
}

ValueId VisionTransformer::attention(const std::string& layer, ValueId x) {
  auto project = [&](const std::string& part) {
    const std::string module = layer + part;
    return as_tokens(module + ".tokens", linear(module, x, config_.hidden, config_.qkv_bias));
  };
  const ValueId query = project(names_.query), key = project(names_.key), value = project(names_.value);
  const ValueId attended = node("Attention", layer + ".attention", {query, key, value},
                                {{"q_num_heads", config_.heads}, {"kv_num_heads", config_.heads}});
  const ValueId rows = reshape(layer + ".attention.rows", attended, {-1, config_.hidden});
  return linear(layer + names_.attended, rows, config_.hidden, true);
}

ValueId VisionTransformer::mlp(const std::string& layer, ValueId x) {
  const ValueId up = linear(layer + names_.up, x, config_.intermediate, true);
  const ValueId active =
      graph_.add_node(*config_.activation.op, layer + ".activation", {up}, config_.activation.attributes)
          .front();
  return linear(layer + names_.down, active, config_.hidden, true);
}

ValueId VisionTransformer::block(const std::string& layer, ValueId x) {
  auto normed_rows = [&](const std::string& norm, ValueId tokens) {
    return reshape(layer + norm + ".rows", layer_norm(layer + norm, tokens), {-1, config_.hidden});
  };
  const ValueId attended = attention(layer, normed_rows(names_.norm_before, x));
  x = node("Add", layer + ".attention.sum", {as_tokens(layer + ".attention.tokens", attended), x});
  const ValueId wider = mlp(layer, normed_rows(names_.norm_after, x));
  return node("Add", layer + ".sum", {as_tokens(layer + ".tokens", wider), x});
}

}  // namespace halftone
