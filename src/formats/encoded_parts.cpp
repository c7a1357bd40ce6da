#include "formats/encoded_parts.h"

#include <map>

#include "base/checked.h"

namespace halftone {
namespace {

enum class Part { codes, scales, nested_codes, nested_absmax, nested_offset, zeros, minima, codebook };

struct PlannedPart {
  Part part;
  PlannedTensor tensor;
};

std::vector<PlannedPart> plan_of(const std::string& name, const Encoding& encoding, const Shape& shape) {
  const MatrixExtent extent = matrix_extent(shape);
  const ScaleGrid grid = scale_grid(encoding.granularity, shape);
  const Shape grid_shape{grid.rows, grid.groups};
  const int bits = encoding.format->bits();
  std::vector<PlannedPart> plan;
  auto add = [&](Part part, const char* suffix, DType dtype, const Shape& part_shape) {
    plan.push_back({part, {name + suffix, dtype, part_shape}});
  };
  add(Part::codes, ".codes", DType::u8, {extent.rows, ceil_div(extent.columns * bits, int64_t{8})});
  if (const int64_t block = encoding.double_quant_block; block != 0) {
    add(Part::nested_codes, ".scales.codes", DType::u8, {grid.size()});
    add(Part::nested_absmax, ".scales.absmax", DType::f32, {ceil_div(grid.size(), block)});
    add(Part::nested_offset, ".scales.offset", DType::f32, {1});
  } else {
    add(Part::scales, ".scales", encoding.scale_dtype, grid_shape);
  }
  if (encoding.real_minimum)
    add(Part::minima, ".minima", encoding.scale_dtype, grid_shape);
  else if (encoding.format->is_integer() && !encoding.symmetric)
    add(Part::zeros, ".zeros", DType::u8, grid_shape);
  if (encoding.format->has_tensor_codebook())
    add(Part::codebook, ".codebook", DType::f32, {int64_t{1} << bits});
  return plan;
}

/// Parts in mapped files, put together when they are asked for.
class EncodedParts : public ConstantSource {
 public:
  EncodedParts(const ValueType& type, const Encoding& encoding, std::map<Part, Constant> parts,
               std::string where)
      : type_(type), encoding_(encoding), parts_(std::move(parts)), where_(std::move(where)) {}

  Tensor load() const override {
    const Tensor decoded = assemble()->decode();
    if (type_.dtype == DType::f32) return decoded;
    Tensor rounded = Tensor::allocate(type_.dtype, type_.shape);
    store_floats(decoded.span<float>(), rounded.mutable_view(), 0);
    return rounded;
  }

  std::shared_ptr<const QuantizedTensor> load_encoded(const Encoding& encoding) const override {
    return encoding == encoding_ ? assemble() : nullptr;
  }
  std::optional<std::string> told_by() const override {
    std::string all;
    for (const auto& [part, constant] : parts_) {
      const auto told = constant.told_by();
      if (!told) return std::nullopt;
      all += *told;
    }
    return all;
  }

 private:
  std::shared_ptr<const QuantizedTensor> assemble() const {
    QuantizedTensor::Parts parts;
    parts.encoding = encoding_;
    parts.shape = type_.shape;
    for (const auto& [part, constant] : parts_) {
      Tensor tensor = constant.load();
      switch (part) {
        case Part::codes:
          parts.codes = std::move(tensor);
          break;
        case Part::scales:
          parts.scales = std::move(tensor);
          break;
        case Part::nested_codes:
          parts.nested.codes = std::move(tensor);
          break;
        case Part::nested_absmax:
          parts.nested.absmax = std::move(tensor);
          break;
        case Part::nested_offset:
          parts.nested.offset = tensor.span<float>()[0];
          break;
        case Part::zeros:
          parts.zeros = std::move(tensor);
          break;
        case Part::minima:
          parts.minima = std::move(tensor);
          break;
        case Part::codebook:
          parts.codebook = std::move(tensor);
          break;
      }
    }
    return std::make_shared<QuantizedTensor>(std::move(parts), where_);
  }

  ValueType type_;
  Encoding encoding_;
  std::map<Part, Constant> parts_;
  std::string where_;
};

}  // namespace

std::vector<PlannedTensor> encoded_parts(const std::string& name, const Encoding& encoding,
                                         const Shape& shape) {
  std::vector<PlannedTensor> tensors;
  for (PlannedPart& planned : plan_of(name, encoding, shape)) tensors.push_back(std::move(planned.tensor));
  return tensors;
}

void write_encoded(SafetensorsWriter& writer, const std::string& name, const QuantizedTensor& tensor) {
  const QuantizedTensor::Parts& parts = tensor.parts();
  const Tensor offset = Tensor::from<float>({1}, {parts.nested.offset});
  const std::map<Part, const Tensor*> by_part = {{Part::codes, &parts.codes},
                                                 {Part::scales, &parts.scales},
                                                 {Part::nested_codes, &parts.nested.codes},
                                                 {Part::nested_absmax, &parts.nested.absmax},
                                                 {Part::nested_offset, &offset},
                                                 {Part::zeros, &parts.zeros},
                                                 {Part::minima, &parts.minima},
                                                 {Part::codebook, &parts.codebook}};
  for (const PlannedPart& planned : plan_of(name, tensor.encoding(), tensor.shape()))
    writer.write(planned.tensor.name, by_part.at(planned.part)->view());
}

Constant encoded_constant(const Checkpoint& checkpoint, const std::string& name, const ValueType& type,
                          const Encoding& encoding, const std::string& where) {
  std::map<Part, Constant> parts;
  for (const PlannedPart& planned : plan_of(name, encoding, type.shape)) {
    const Constant& part = checkpoint.constant(planned.tensor.name, planned.tensor.shape);
    if (part.dtype() != planned.tensor.dtype)
      throw InputError("{}: tensor \"{}\": expected {}, found {}", where, planned.tensor.name,
                       dtype_name(planned.tensor.dtype), dtype_name(part.dtype()));
    parts.emplace(planned.part, part);
  }
  Constant constant(type.dtype, type.shape,
                    std::make_shared<EncodedParts>(type, encoding, std::move(parts), where));
  constant.set_encoding(encoding);
  return constant;
}

}  // namespace halftone
