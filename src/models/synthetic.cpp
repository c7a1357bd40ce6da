#include "models/synthetic.h"

#include <algorithm>
#include <cstring>
#include <fmt/ranges.h>

#include "base/error.h"
#include "models/vision_tower.h"

namespace halftone {
namespace {

struct SyntheticShape {
  std::string_view name;
  std::string_view config;
};

constexpr SyntheticShape kShapes[] = {
#define HALFTONE_SHAPE(name, config) {name, config},
#include "models/synthetic_shapes.inc"
#undef HALFTONE_SHAPE
};

constexpr int64_t kOwnRows = 61;  // odd, so that repeats do not fall in step with tiles of kernels

/// A cheap generator of normal numbers: the sum of four uniform 16-bit numbers out of one splitmix64 step.
class NormalNumbers {
 public:
  explicit NormalNumbers(std::string_view name) {
    for (unsigned char byte : name) state_ = (state_ ^ byte) * 0x100000001B3u;
  }
  float next() {
    uint64_t x = state_ += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    const int64_t sum =
        static_cast<int64_t>((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48));
    constexpr float kDeviation = 37837.2f;  // of the sum: sqrt(4 / 12) * 2^16
    return static_cast<float>(sum - 2 * 0xffff) / kDeviation;
  }

 private:
  uint64_t state_ = 0xCBF29CE484222325u;
};

/// `part` over and over along the first axis, `rows` in all.
Tensor repeat_rows(const Tensor& part, int64_t rows) {
  if (part.empty()) return part;
  Shape shape = part.shape();
  shape[0] = rows;
  Tensor whole = Tensor::allocate(part.dtype(), shape);
  const std::span<const std::byte> from = part.view().bytes();
  for (std::span<std::byte> to = whole.mutable_view().bytes(); !to.empty();) {
    const size_t count = std::min(from.size(), to.size());
    std::memcpy(to.data(), from.data(), count);
    to = to.subspan(count);
  }
  return whole;
}

class RandomMatrix : public ConstantSource {
 public:
  RandomMatrix(std::string name, const Shape& shape) : name_(std::move(name)), shape_(shape) {}

  Tensor load() const override { return repeat_rows(own_rows(), shape_[0]); }

  std::shared_ptr<const QuantizedTensor> load_encoded(const Encoding& encoding) const override {
    if (encoding.double_quant_block != 0) return nullptr;  // its blocks run across rows
    const QuantizedTensor own = quantize(own_rows().view(), encoding, name_);
    QuantizedTensor::Parts parts = own.parts();
    const int64_t rows = shape_[0];
    parts.shape = shape_;
    parts.codes = repeat_rows(parts.codes, rows);
    if (scale_grid(encoding.granularity, shape_).rows != 1) {
      parts.scales = repeat_rows(parts.scales, rows);
      parts.zeros = repeat_rows(parts.zeros, rows);
      parts.minima = repeat_rows(parts.minima, rows);
    }
    return std::make_shared<QuantizedTensor>(std::move(parts), name_);
  }

 private:
  Tensor own_rows() const {
    Tensor rows = Tensor::allocate(DType::bf16, {std::min(shape_[0], kOwnRows), shape_[1]});
    NormalNumbers numbers(name_);
    for (BFloat16& value : rows.mutable_view().span<BFloat16>()) value = to_bfloat16(0.02f * numbers.next());
    return rows;
  }

  std::string name_;
  Shape shape_;
};

Constant random_weights(const std::string& name, const Shape& shape) {
  if (shape.rank() == 2) return Constant(DType::bf16, shape, std::make_shared<RandomMatrix>(name, shape));
  Tensor vector = Tensor::allocate(DType::f32, shape);
  NormalNumbers numbers(name);
  const bool is_norm = name.find("norm") != std::string::npos;
  for (float& value : vector.mutable_view().span<float>()) value = is_norm ? 1.0f : 0.02f * numbers.next();
  return Constant(vector);
}

Checkpoint checkpoint_of(const std::string& shape) {
  const auto* found = std::find_if(std::begin(kShapes), std::end(kShapes),
                                   [&](const auto& known) { return known.name == shape; });
  if (found == std::end(kShapes))
    throw UsageError("no synthetic model \"{}\" (known: {})", shape, fmt::join(synthetic_shapes(), ", "));
  Checkpoint checkpoint;
  checkpoint.path = "synthetic " + shape;
  checkpoint.config = parse_json(found->config, checkpoint.path.string());
  return checkpoint;
}

}  // namespace

std::vector<std::string> synthetic_shapes() {
  std::vector<std::string> names;
  for (const SyntheticShape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

std::string synthetic_note(const std::string& shape) {
  for (const SyntheticShape& known : kShapes)
    if (known.name == shape)
      return json_get_or<std::string>(parse_json(known.config, shape), "halftone_note", "", shape);
  return {};
}

Graph build_synthetic_llm(const std::string& shape, BuildOptions options) {
  const Checkpoint checkpoint = checkpoint_of(shape);
  options.weights = random_weights;
  Graph graph = build_llm(checkpoint, options);
  graph.name = shape;
  return graph;
}

std::optional<Graph> build_synthetic_vision(const std::string& shape) {
  const Checkpoint checkpoint = checkpoint_of(shape);
  const auto vision = checkpoint.config.find("halftone_vision");
  if (vision == checkpoint.config.end()) return {};
  Json config = *vision;
  config["hidden_size"] = checkpoint.config.at("hidden_size");
  BuildOptions options;
  options.weights = random_weights;
  return build_vision_tower(checkpoint, config, options);
}

}  // namespace halftone
