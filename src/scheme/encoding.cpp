#include "scheme/encoding.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "scheme/bf16/rounded_bf16.h"
#include "scheme/number_format.h"

namespace halftone {

std::string Encoding::str() const {
  std::string text(format ? format->name() : "none");
  if (is_rounded_bf16(*this)) return text;
  switch (granularity.kind) {
    case Granularity::Kind::per_tensor:
      text += " per-tensor";
      break;
    case Granularity::Kind::per_axis:
      text += granularity.axis == 0 ? " per-channel" : fmt::format(" per-axis{}", granularity.axis);
      break;
    case Granularity::Kind::per_group:
      text += fmt::format(" g{}", granularity.group);
      break;
    case Granularity::Kind::per_token:
      text += " per-token";
      break;
  }
  if (!symmetric) text += real_minimum ? " affine-minimum" : " affine";
  if (timing == Timing::dynamic) text += " dynamic";
  if (double_quant_block) text += fmt::format(" dq{}", double_quant_block);
  if (timing == Timing::fixed && !double_quant_block && scale_dtype != DType::f16)
    text += fmt::format(" {}-scales", dtype_name(scale_dtype));
  return text;
}

MatrixExtent matrix_extent(const Shape& shape) {
  if (!shape.checked_elements())
    throw UnsupportedError("scales lie over concrete shapes of at most 2^63 elements; this one is {}",
                           shape.str());
  if (shape.rank() == 0) return {1, 1};
  if (shape.rank() == 1) return {1, shape[0]};
  const auto columns = Shape(std::span(shape.begin() + 1, shape.end())).checked_elements();
  if (!columns) throw UnsupportedError("shape {} has too many elements", shape.str());
  return {shape[0], *columns};
}

ScaleGrid scale_grid(const Granularity& granularity, const Shape& shape) {
  const MatrixExtent extent = matrix_extent(shape);
  const int64_t whole_row = std::max<int64_t>(extent.columns, 1);
  switch (granularity.kind) {
    case Granularity::Kind::per_tensor:
      return {1, 1, whole_row};
    case Granularity::Kind::per_token:
      return {extent.rows, 1, whole_row};
    case Granularity::Kind::per_group:
      if (granularity.group < 1)
        throw UnsupportedError("groups of {} columns: at least 1 is needed", granularity.group);
      return {extent.rows, ceil_div(extent.columns, granularity.group), granularity.group};
    case Granularity::Kind::per_axis:
      break;
  }
  const auto axis = shape.normalize_axis(granularity.axis);
  if (axis == 0 && shape.rank() >= 2) return {extent.rows, 1, whole_row};
  if (axis && *axis == shape.rank() - 1 && shape.rank() <= 2) return {1, extent.columns, 1};
  throw UnsupportedError(
      "scales along axis {} of shape {}: the first axis, and of matrices and vectors the last, can have them",
      granularity.axis, shape.str());
}

double bits_per_element(const Encoding& encoding, const Shape& shape) {
  const MatrixExtent extent = matrix_extent(shape);
  const double elements = static_cast<double>(extent.rows) * static_cast<double>(extent.columns);
  if (elements == 0) return 0;
  const double scales = static_cast<double>(scale_grid(encoding.granularity, shape).size());
  const int64_t row_bytes = ceil_div(extent.columns * encoding.format->bits(), int64_t{8});

  double bytes = static_cast<double>(extent.rows) * static_cast<double>(row_bytes);
  if (const int64_t block = encoding.double_quant_block)
    bytes += scales + 4 * static_cast<double>(ceil_div(static_cast<int64_t>(scales), block)) + 4;
  else
    bytes += scales * static_cast<double>(dtype_bytes(encoding.scale_dtype));
  if (encoding.format->is_integer() && !encoding.symmetric)
    bytes += scales * (encoding.real_minimum ? static_cast<double>(dtype_bytes(encoding.scale_dtype)) : 1.0);
  if (encoding.format->has_tensor_codebook()) bytes += 4.0 * (1 << encoding.format->bits());
  return 8 * bytes / elements;
}

}  // namespace halftone
