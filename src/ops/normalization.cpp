#include "ops/normalization.h"

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {

int normalized_axis(const OpSite& site) {
  const ValueType& x = site.inputs[0].type;
  require(site, is_float(x.dtype), "expected floating-point input, found {}", dtype_name(x.dtype));
  return axis_attribute(site, "axis", -1, x.shape.rank());
}

void require_f32_stash(const OpSite& site) {
  if (site.attributes->get_int("stash_type", 1) != 1)
    throw UnsupportedError("{} ({}): attribute stash_type: only 1 (f32) is handled", site.name,
                           site.schema->name);
}

void require_broadcasts_to_first(const OpSite& site, size_t input) {
  const ValueType& type = site.inputs[input].type;
  require(site, is_float(type.dtype), "input {}: expected floating point, found {}",
          site.schema->inputs[input].name, dtype_name(type.dtype));
  require(site, broadcasts_to(type.shape, site.input_shape(0)), "input {}: shape {} is wider than {}",
          site.schema->inputs[input].name, type.shape.str(), site.input_shape(0).str());
}

RowStatistics standardize(std::span<float> row, float epsilon) {
  double sum = 0, squares = 0;
  for (float x : row) sum += x;
  const double mean = sum / static_cast<double>(row.size());
  for (float x : row) squares += (x - mean) * (x - mean);
  const double variance = squares / static_cast<double>(row.size());
  const float inverse = 1.0f / std::sqrt(static_cast<float>(variance) + epsilon);
  for (float& x : row) x = static_cast<float>(x - mean) * inverse;
  return {mean, inverse};
}

void for_each_row(const TensorView& from, const MutableTensorView& to, int axis,
                  const std::function<void(std::span<float> row)>& change) {
  int64_t width = 1;
  for (int a = axis; a < from.shape.rank(); ++a) width *= from.shape[a];
  std::vector<float> row(static_cast<size_t>(width));
  for (int64_t i = 0, count = from.shape.elements(); i < count; i += width) {
    load_floats(from, i, row);
    change(row);
    store_floats(row, to, i);
  }
}

void scale_and_shift(std::span<const Operand> inputs, const MutableTensorView& y) {
  auto element = [](const Tensor& tensor, int64_t i) {
    float value;
    load_floats(tensor.view(), i, {&value, 1});
    return value;
  };
  const bool shifted = inputs.size() > 2 && inputs[2].present;
  const Tensor scale = plain(inputs[1]);
  const Tensor bias = shifted ? plain(inputs[2]) : scale;
  walk<2>(y.shape, {broadcast_strides(scale.shape(), y.shape), broadcast_strides(bias.shape(), y.shape)},
          [&](int64_t i, const std::array<int64_t, 2>& at) {
            float value;
            load_floats(y, i, {&value, 1});
            value *= element(scale, at[0]);
            if (shifted) value += element(bias, at[1]);
            store_floats({&value, 1}, y, i);
          });
}

}  // namespace halftone
