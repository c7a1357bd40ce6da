#include "scheme/quantized_tensor.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "scheme/double_quant/double_quant.h"

namespace halftone {
namespace {

void check_part(const std::string& name, const char* part, const Tensor& tensor, DType dtype,
                const Shape& shape) {
  if (tensor.empty() || tensor.dtype() != dtype || tensor.shape() != shape)
    throw InputError(
        "{}: {}: expected {} {}, found {}", name, part, dtype_name(dtype), shape.str(),
        tensor.empty() ? "nothing" : fmt::format("{} {}", dtype_name(tensor.dtype()), tensor.shape().str()));
}

void check_absent(const std::string& name, const char* part, const Tensor& tensor, const Encoding& encoding) {
  if (!tensor.empty()) throw InputError("{}: {}: {} has none", name, part, encoding.str());
}

/// Whether none has the exponent that only infinity and NaN have; `exponent` is its bits.
template <class Bits>
bool is_finite(std::span<const std::byte> numbers, Bits exponent) {
  Bits infinite = 0;
  for (size_t at = 0; at < numbers.size(); at += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, numbers.data() + at, sizeof(bits));
    infinite |= (bits & exponent) == exponent;
  }
  return infinite == 0;
}

bool is_finite(const TensorView& tensor) {
  if (tensor.dtype == DType::f16) return is_finite<uint16_t>(tensor.bytes(), 0x7c00);
  if (tensor.dtype == DType::bf16) return is_finite<uint16_t>(tensor.bytes(), 0x7f80);
  return is_finite<uint32_t>(tensor.bytes(), 0x7f800000);
}

void check_finite(const std::string& name, const char* part, const Tensor& tensor) {
  if (is_finite(tensor.view())) return;
  std::array<float, 1024> chunk;
  const int64_t count = tensor.shape().elements();
  for (int64_t begin = 0; begin < count; begin += 1024) {
    const std::span<float> values(chunk.data(), static_cast<size_t>(std::min<int64_t>(1024, count - begin)));
    load_floats(tensor.view(), begin, values);
    const auto bad = std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
    if (bad == values.end()) continue;
    throw InputError("{}: {}: element {} is {}, expected a finite number", name, part,
                     begin + (bad - values.begin()), *bad);
  }
}

void check_encoding(const std::string& name, const Encoding& encoding) {
  if (!encoding.format) throw InputError("{}: the encoding has no number format", name);
  if (encoding.scale_dtype != DType::f32 && encoding.scale_dtype != DType::f16 &&
      encoding.scale_dtype != DType::bf16)
    throw InputError("{}: scales are f32, f16 or bf16, found {}", name, dtype_name(encoding.scale_dtype));
  if (encoding.double_quant_block < 0)
    throw InputError("{}: double quantization in blocks of {}", name, encoding.double_quant_block);
  if (encoding.real_minimum &&
      (!encoding.format->is_integer() || encoding.symmetric || encoding.double_quant_block))
    throw InputError("{}: a real minimum belongs to affine integers without double quantization, found {}",
                     name, encoding.str());
}

/// Whether a zero point is stored for each scale.
bool has_zeros(const Encoding& encoding) {
  return encoding.format->is_integer() && !encoding.symmetric && !encoding.real_minimum;
}

}  // namespace

QuantizedTensor::QuantizedTensor(Parts parts, const std::string& name) : parts_(std::move(parts)) {
  const Encoding& encoding = parts_.encoding;
  check_encoding(name, encoding);
  const auto elements = parts_.shape.checked_elements();
  // Codes take at most 8 bits and there are at most as many scales as elements, so no product below
  // overflows.
  if (!elements || !checked_mul(*elements, int64_t{8}))
    throw InputError("{}: expected a concrete shape, found {}", name, parts_.shape.str());
  extent_ = matrix_extent(parts_.shape);
  grid_ = scale_grid(encoding.granularity, parts_.shape);

  const int64_t row_bytes = ceil_div(extent_.columns * encoding.format->bits(), int64_t{8});
  check_part(name, "codes", parts_.codes, DType::u8, {extent_.rows, row_bytes});
  if (encoding.double_quant_block) {
    check_absent(name, "scales", parts_.scales, encoding);
    check_part(name, "nested scales", parts_.nested.codes, DType::u8, {grid_.size()});
    check_part(name, "nested absmax", parts_.nested.absmax, DType::f32,
               {ceil_div(grid_.size(), encoding.double_quant_block)});
    check_finite(name, "nested absmax", parts_.nested.absmax);
    if (!std::isfinite(parts_.nested.offset))
      throw InputError("{}: nested offset is {}, expected a finite number", name, parts_.nested.offset);
  } else {
    check_absent(name, "nested scales", parts_.nested.codes, encoding);
    check_part(name, "scales", parts_.scales, encoding.scale_dtype, {grid_.rows, grid_.groups});
    check_finite(name, "scales", parts_.scales);
  }
  if (has_zeros(encoding))
    check_part(name, "zero points", parts_.zeros, DType::u8, {grid_.rows, grid_.groups});
  else
    check_absent(name, "zero points", parts_.zeros, encoding);
  if (encoding.real_minimum) {
    check_part(name, "minima", parts_.minima, encoding.scale_dtype, {grid_.rows, grid_.groups});
    check_finite(name, "minima", parts_.minima);
  } else {
    check_absent(name, "minima", parts_.minima, encoding);
  }
  if (encoding.format->has_tensor_codebook()) {
    check_part(name, "code book", parts_.codebook, DType::f32, {int64_t{1} << encoding.format->bits()});
    check_finite(name, "code book", parts_.codebook);
    parts_.codebook = to_f32(parts_.codebook);
  } else {
    check_absent(name, "code book", parts_.codebook, encoding);
  }
}

size_t QuantizedTensor::stored_bytes() const {
  size_t bytes = 0;
  for (const Tensor* part : {&parts_.codes, &parts_.scales, &parts_.nested.codes, &parts_.nested.absmax,
                             &parts_.zeros, &parts_.minima, &parts_.codebook})
    if (!part->empty()) bytes += part->size_bytes();
  return bytes + (parts_.encoding.double_quant_block ? sizeof(parts_.nested.offset) : 0);
}

void QuantizedTensor::row_codes(int64_t row, std::span<uint8_t> codes) const {
  assert(0 <= row && row < rows() && static_cast<int64_t>(codes.size()) == columns());
  const size_t row_bytes = static_cast<size_t>(parts_.codes.shape()[1]);
  unpack_bits(parts_.codes.view().bytes().subspan(static_cast<size_t>(row) * row_bytes, row_bytes),
              parts_.encoding.format->bits(), codes);
}

void QuantizedTensor::row_scales(int64_t row, std::span<float> scales) const {
  assert(0 <= row && row < rows() && static_cast<int64_t>(scales.size()) == grid_.groups);
  const int64_t begin = row % grid_.rows * grid_.groups;
  if (const int64_t block = parts_.encoding.double_quant_block)
    unnest_scales(parts_.nested, block, begin, scales);
  else
    load_floats(parts_.scales.view(), begin, scales);
}

void QuantizedTensor::row_zeros(int64_t row, std::span<int32_t> zeros) const {
  assert(0 <= row && row < rows() && static_cast<int64_t>(zeros.size()) == grid_.groups);
  const Encoding& encoding = parts_.encoding;
  if (!has_zeros(encoding)) {
    std::fill(zeros.begin(), zeros.end(),
              encoding.format->is_integer() ? 1 << (encoding.format->bits() - 1) : 0);
    return;
  }
  const auto stored =
      parts_.zeros.span<uint8_t>().subspan(static_cast<size_t>(row % grid_.rows * grid_.groups));
  std::copy_n(stored.begin(), zeros.size(), zeros.begin());
}

void QuantizedTensor::row_minima(int64_t row, std::span<float> minima) const {
  assert(parts_.encoding.real_minimum);
  assert(0 <= row && row < rows() && static_cast<int64_t>(minima.size()) == grid_.groups);
  load_floats(parts_.minima.view(), row % grid_.rows * grid_.groups, minima);
}

void QuantizedTensor::decode_row(int64_t row, std::span<float> values) const {
  const size_t groups = static_cast<size_t>(grid_.groups), group = static_cast<size_t>(grid_.group);
  std::vector<uint8_t> codes(values.size());
  std::vector<float> scales(groups);
  std::vector<int32_t> zeros(groups);
  std::vector<float> minima(groups);
  row_codes(row, codes);
  row_scales(row, scales);

  CodeParams params;
  params.real_minimum = parts_.encoding.real_minimum;
  if (params.real_minimum)
    row_minima(row, minima);
  else
    row_zeros(row, zeros);
  if (!parts_.codebook.empty()) params.codebook = parts_.codebook.span<float>();
  for (size_t g = 0; g * group < values.size(); ++g) {
    const size_t begin = g * group, count = std::min(group, values.size() - begin);
    params.scale = scales[g];
    params.zero = zeros[g];
    params.minimum = minima[g];
    parts_.encoding.format->decode(std::span(codes).subspan(begin, count), params,
                                   values.subspan(begin, count));
  }
}

Tensor QuantizedTensor::decode() const {
  Tensor tensor = Tensor::allocate(DType::f32, shape());
  const auto values = tensor.mutable_view().span<float>();
  const size_t width = static_cast<size_t>(columns());
  for (int64_t row = 0; row < rows(); ++row)
    decode_row(row, values.subspan(static_cast<size_t>(row) * width, width));
  return tensor;
}

QuantizedTensor QuantizedTensor::slice_rows(int64_t begin, int64_t end) const {
  assert(0 <= begin && begin <= end && end <= rows() && shape().rank() >= 2);
  assert(!parts_.encoding.double_quant_block);
  QuantizedTensor slice = *this;
  slice.parts_.shape[0] = slice.extent_.rows = end - begin;
  slice.parts_.codes = parts_.codes.rows(begin, end);
  if (grid_.rows == rows()) {
    slice.parts_.scales = parts_.scales.rows(begin, end);
    if (!parts_.zeros.empty()) slice.parts_.zeros = parts_.zeros.rows(begin, end);
    if (!parts_.minima.empty()) slice.parts_.minima = parts_.minima.rows(begin, end);
    slice.grid_.rows = end - begin;
  }
  return slice;
}

}  // namespace halftone
