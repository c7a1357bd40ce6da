#include "ops/top_k/top_k.h"

#include <algorithm>
#include <numeric>

#include "ops/elementwise.h"
#include "ops/movement.h"

namespace halftone {
namespace {

std::vector<ValueType> infer(const OpSite& site) {
  ValueType out = site.inputs[0].type;
  require(site, out.dtype != DType::boolean && out.dtype != DType::state, "no order on {}",
          dtype_name(out.dtype));
  const int axis = axis_attribute(site, "axis", -1, out.shape.rank());
  int64_t& dim = out.shape[axis];
  if (const auto k = known_ints(site, 1)) {
    require(site, k->size() == 1 && (*k)[0] >= 0 && (dim < 0 || (*k)[0] <= dim),
            "K: expected 0 to {}, found {}", dim, k->empty() ? 0 : (*k)[0]);
    dim = (*k)[0];
  } else {
    dim = Shape::kUnknownDim;
  }
  return {out, {DType::i64, out.shape}};
}

/// A total order: NaN above everything, as NumPy sorts.
template <class T>
bool is_less(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return a < b;
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor x = plain(inputs[0]);
  const int axis = axis_attribute(site, "axis", -1, x.shape().rank());
  const bool largest = site.attributes->get_int("largest", 1) != 0;
  const int64_t length = x.shape()[axis], k = outputs[0].shape[axis];
  const int64_t step = row_major_strides(x.shape())[static_cast<size_t>(axis)];
  const int64_t lines = length == 0 ? 0 : x.shape().elements() / length;
  visit_number(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<int64_t> order(static_cast<size_t>(length));
    for (int64_t line = 0; line < lines; ++line) {
      const int64_t from = line / step * step * length + line % step;
      const int64_t to = line / step * step * k + line % step;
      const auto at = [&](int64_t i) { return widen(x.span<T>()[static_cast<size_t>(from + i * step)]); };
      std::iota(order.begin(), order.end(), int64_t{0});
      std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
        const bool less = is_less(at(a), at(b)), greater = is_less(at(b), at(a));
        return less || greater ? (largest ? greater : less) : a < b;
      });
      for (int64_t i = 0; i < k; ++i) {
        const auto place = static_cast<size_t>(to + i * step);
        const int64_t index = order[static_cast<size_t>(i)];
        outputs[0].span<T>()[place] = x.span<T>()[static_cast<size_t>(from + index * step)];
        outputs[1].span<int64_t>()[place] = index;
      }
    }
  });
}

}  // namespace

const OpSchema& top_k_schema() {
  static const OpSchema schema = {
      .name = "TopK",
      .domain = "",
      .inputs = {{"X"}, {"K"}},
      .outputs = {"Values", "Indices"},
      .infer = infer,
      .cost = elementwise_cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
