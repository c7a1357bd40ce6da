#include "quant/algo/awq/factored_rounding.h"

#include "quant/structure/channel_factors.h"
#include "scheme/quantized_tensor.h"

namespace halftone {
namespace {

constexpr int64_t kRows = 8;  ///< at a time: the weights of a piece stay in the cache

/// Whether the codes of a row depend on no other row.
bool rows_are_free(const Encoding& encoding, const Shape& shape) {
  const MatrixExtent extent = matrix_extent(shape);
  return scale_grid(encoding.granularity, shape).rows == extent.rows && extent.rows > 1 &&
         !encoding.double_quant_block && !encoding.format->has_tensor_codebook();
}

}  // namespace

Tensor round_under_factors(const Constant& weights, const Encoding& encoding, int axis,
                           std::span<const float> factors, const std::string& name, ThreadPool& threads) {
  std::vector<float> inverse;
  for (float factor : factors) inverse.push_back(1 / factor);
  const Shape& shape = weights.shape();
  if (shape.rank() != 2 || axis != 1 || !rows_are_free(encoding, shape)) {
    const Tensor scaled = scaled_constant(weights, axis, {factors.begin(), factors.end()}).load();
    const QuantizedTensor codes = quantize(scaled.view(), encoding, name, &threads);
    return scaled_constant(Constant(codes.decode()), axis, std::move(inverse)).load();
  }
  const Tensor original = weights.load();
  Tensor result = Tensor::allocate(DType::f32, shape);
  const auto out = result.mutable_view().span<float>();
  const int64_t columns = shape[1];
  const auto row_of = [&](int64_t row) {
    return out.subspan(static_cast<size_t>(row * columns), static_cast<size_t>(columns));
  };
  threads.parallel_for(shape[0], kRows, [&](int64_t begin, int64_t end) {
    bool finite = true;
    for (int64_t r = begin; r < end; ++r) {
      const auto row = row_of(r);
      load_floats(original.view(), r * columns, row);
      for (size_t c = 0; c < row.size(); ++c) row[c] *= factors[c];
      finite &= value_range(row).is_finite();
    }
    if (!finite) return;  // so is the loss then: no such factors are chosen
    const TensorView piece{
        DType::f32, {end - begin, columns}, reinterpret_cast<const std::byte*>(row_of(begin).data())};
    const QuantizedTensor codes = quantize(piece, encoding, name);
    for (int64_t r = begin; r < end; ++r) {
      const auto row = row_of(r);
      codes.decode_row(r - begin, row);
      for (size_t c = 0; c < row.size(); ++c) row[c] *= inverse[c];
    }
  });
  return result;
}

}  // namespace halftone
