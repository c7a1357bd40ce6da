#include "ops/gather/gather.h"

#include <cmath>
#include <cstring>

#include "ops/movement.h"

namespace halftone {
namespace {

constexpr int64_t kOnnxFloat = 1;  // TensorProto.DataType of f32

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& data = site.inputs[0].type;
  const ValueType& indices = site.inputs[1].type;
  require(site, data.dtype != DType::state && data.shape.rank() > 0, "data: found {} {}",
          dtype_name(data.dtype), data.shape.str());
  require(site, indices.dtype == DType::i64 || indices.dtype == DType::i32,
          "indices: expected i64 or i32, found {}", dtype_name(indices.dtype));
  const int axis = axis_attribute(site, "axis", 0, data.shape.rank());
  const bool encoded = site.inputs[0].encoding != nullptr;
  require(site, !encoded || (axis == 0 && data.shape.rank() == 2),
          "data: a quantized table must be a matrix gathered along axis 0; found {} along {}",
          data.shape.str(), axis);
  Shape out;
  for (int a = 0; a < axis; ++a) out.push_back(data.shape[a]);
  for (int64_t dim : indices.shape) out.push_back(dim);
  for (int a = axis + 1; a < data.shape.rank(); ++a) out.push_back(data.shape[a]);
  const int64_t to = site.attributes->get_int("to", 0);
  require(site, to == 0 || (to == kOnnxFloat && is_float(data.dtype)),
          "attribute to: expected {} (f32) and floating data, found {} and {}", kOnnxFloat, to,
          dtype_name(data.dtype));
  return {{encoded || to == kOnnxFloat ? DType::f32 : data.dtype, out}};
}

/// Only the rows read count, not the whole table.
Cost cost(const OpSite& site) {
  const ValueType& out = site.outputs[0];
  const double elements = static_cast<double>(out.shape.elements());
  const double written = elements * static_cast<double>(dtype_bytes(out.dtype));
  const SiteInput& data = site.inputs[0];
  const double table = static_cast<double>(data.type.shape.elements());
  Cost total;
  total.activation_bytes = written + static_cast<double>(site.input_shape(1).elements()) *
                                         static_cast<double>(dtype_bytes(site.inputs[1].type.dtype));
  if (data.constant)
    total.weight_bytes = table > 0 ? elements * data.constant->stored_bytes() / table : 0;
  else
    total.activation_bytes += written;
  return total;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Shape& shape = site.input_shape(0);
  const int axis = axis_attribute(site, "axis", 0, shape.rank());
  const int64_t count = inputs[1].tensor.shape.elements();
  int64_t outer = 1;
  int64_t inner = 1;
  for (int a = 0; a < axis; ++a) outer *= shape[a];
  for (int a = axis + 1; a < shape.rank(); ++a) inner *= shape[a];

  const MutableTensorView& out = outputs[0];
  const size_t size = dtype_bytes(out.dtype);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < count; ++i) {
      const int64_t index = gather_index(inputs[1], i, shape[axis]);
      const int64_t to = (o * count + i) * inner;
      if (index < 0)
        fill_missing(out, to, inner);
      else if (inputs[0].quantized)
        inputs[0].quantized->decode_row(
            index, out.span<float>().subspan(static_cast<size_t>(to), static_cast<size_t>(inner)));
      else if (out.dtype != inputs[0].tensor.dtype)
        load_floats(inputs[0].tensor, (o * shape[axis] + index) * inner,
                    out.span<float>().subspan(static_cast<size_t>(to), static_cast<size_t>(inner)));
      else
        std::memcpy(out.data + static_cast<size_t>(to) * size,
                    inputs[0].tensor.data + static_cast<size_t>((o * shape[axis] + index) * inner) * size,
                    static_cast<size_t>(inner) * size);
    }
}

}  // namespace

int64_t gather_index(const Operand& indices, int64_t i, int64_t size) {
  const auto at = static_cast<size_t>(i);
  int64_t index =
      indices.tensor.dtype == DType::i64 ? indices.span<int64_t>()[at] : indices.span<int32_t>()[at];
  if (index < 0) index += size;
  return index >= 0 && index < size ? index : -1;
}

void fill_missing(const MutableTensorView& out, int64_t begin, int64_t count) {
  const size_t size = dtype_bytes(out.dtype);
  std::memset(out.data + static_cast<size_t>(begin) * size, 0, static_cast<size_t>(count) * size);
  if (!is_float(out.dtype)) return;
  const float nan = NAN;
  for (int64_t i = 0; i < count; ++i) store_floats({&nan, 1}, out, begin + i);
}

const OpSchema& gather_schema() {
  static const OpSchema schema = {
      .name = "Gather",
      .domain = "",
      .inputs = {{"data"}, {"indices"}},
      .outputs = {"output"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
