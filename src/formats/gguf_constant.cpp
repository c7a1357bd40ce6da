#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "formats/gguf_type.h"
#include "formats/mapped_tensor.h"

namespace halftone {
namespace {

/// The stored row that holds row `row` of the tensor.
int64_t stored_row(int64_t row, int64_t rows, int64_t rotary_heads) {
  if (rotary_heads == 0) return row;
  const int64_t head_rows = rows / rotary_heads;
  const int64_t in_head = row % head_rows;
  const int64_t half = head_rows / 2;
  return row - in_head + in_head % half * 2 + in_head / half;
}

/// Plain numbers whose rows are in another order or that carry a constant.
class TransformedTensor : public ConstantSource {
 public:
  TransformedTensor(std::shared_ptr<const MappedFile> file, const TensorView& view,
                    const GgmlTransform& transform, std::string where)
      : file_(std::move(file)), view_(view), transform_(transform), where_(std::move(where)) {}

  Tensor load() const override {
    const Tensor stored = mapped_tensor(file_, view_, where_);
    Tensor tensor = Tensor::allocate(view_.dtype, view_.shape);
    const MutableTensorView out = tensor.mutable_view();
    const int64_t rows = view_.shape[0];
    const size_t row_bytes = rows == 0 ? 0 : view_.size_bytes() / static_cast<size_t>(rows);
    for (int64_t row = 0; row < rows; ++row) {
      const auto from = static_cast<size_t>(stored_row(row, rows, transform_.rotary_heads));
      std::memcpy(out.data + static_cast<size_t>(row) * row_bytes, stored.view().data + from * row_bytes,
                  row_bytes);
    }
    if (transform_.added != 0) {
      std::vector<float> values(static_cast<size_t>(view_.shape.elements()));
      load_floats(tensor.view(), 0, values);
      for (float& value : values) value -= transform_.added;
      store_floats(values, out, 0);
    }
    return tensor;
  }
  std::optional<std::string> told_by() const override {
    return fmt::format("heads {} added {}", transform_.rotary_heads, transform_.added);
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  TensorView view_;
  GgmlTransform transform_;
  std::string where_;
};

/// Blocks of codes, converted when they are asked for.
class BlockTensor : public ConstantSource {
 public:
  BlockTensor(std::shared_ptr<const MappedFile> file, const GgmlType& type, const Shape& shape,
              std::span<const std::byte> bytes, int64_t rotary_heads, std::string where)
      : file_(std::move(file)),
        type_(type),
        shape_(shape),
        bytes_(bytes),
        rotary_heads_(rotary_heads),
        where_(std::move(where)) {}

  Tensor load() const override { return convert()->decode(); }

  std::shared_ptr<const QuantizedTensor> load_encoded(const Encoding& encoding) const override {
    return encoding == type_.encoding() ? convert() : nullptr;
  }
  std::optional<std::string> told_by() const override { return fmt::format("heads {}", rotary_heads_); }

 private:
  std::shared_ptr<const QuantizedTensor> convert() const {
    QuantizedTensor::Parts parts;
    parts.encoding = type_.encoding();
    parts.shape = shape_;
    const MatrixExtent extent = matrix_extent(shape_);
    const int bits = parts.encoding.format->bits();
    const int64_t groups = extent.columns / type_.group;
    parts.codes = Tensor::allocate(DType::u8, {extent.rows, extent.columns * bits / 8});
    parts.scales = Tensor::allocate(type_.scale_dtype, {extent.rows, groups});
    if (type_.real_minimum) parts.minima = Tensor::allocate(type_.scale_dtype, {extent.rows, groups});

    std::vector<uint8_t> codes(static_cast<size_t>(extent.columns));
    std::vector<float> scales(static_cast<size_t>(groups));
    std::vector<float> minima(type_.real_minimum ? scales.size() : 0);
    for (int64_t row = 0; row < extent.rows; ++row) {
      unpack_row(stored_row(row, extent.rows, rotary_heads_), codes, scales, minima);
      const auto packed = parts.codes.mutable_view().bytes();
      const size_t row_bytes = codes.size() * static_cast<size_t>(bits) / 8;
      pack_bits(codes, bits, packed.subspan(static_cast<size_t>(row) * row_bytes, row_bytes));
      store_floats(scales, parts.scales.mutable_view(), row * groups);
      if (type_.real_minimum) store_floats(minima, parts.minima.mutable_view(), row * groups);
    }
    file_->release(bytes_);
    return std::make_shared<QuantizedTensor>(std::move(parts), where_);
  }

  void unpack_row(int64_t row, std::span<uint8_t> codes, std::span<float> scales,
                  std::span<float> minima) const {
    const size_t blocks = codes.size() / type_.block;
    const size_t groups = type_.block / static_cast<size_t>(type_.group);
    const std::byte* from = bytes_.data() + static_cast<size_t>(row) * blocks * type_.bytes;
    for (size_t b = 0; b < blocks; ++b, from += type_.bytes)
      type_.unpack(from, {codes.subspan(b * type_.block, type_.block), scales.subspan(b * groups, groups),
                          minima.empty() ? minima : minima.subspan(b * groups, groups)});
  }

  std::shared_ptr<const MappedFile> file_;
  const GgmlType& type_;
  Shape shape_;
  std::span<const std::byte> bytes_;
  int64_t rotary_heads_;
  std::string where_;
};

}  // namespace

Constant ggml_constant(std::shared_ptr<const MappedFile> file, const GgmlType& type, const Shape& shape,
                       std::span<const std::byte> bytes, const GgmlTransform& transform, std::string where) {
  const int64_t heads = transform.rotary_heads;
  if (heads != 0 && (shape[0] % heads != 0 || shape[0] / heads % 2 != 0))
    throw InputError("{}: {} rows do not divide into {} heads of two halves", where, shape[0], heads);
  if (type.plain) {
    const TensorView view{*type.plain, shape, bytes.data()};
    if (heads == 0 && transform.added == 0) return mapped_constant(std::move(file), view, std::move(where));
    return Constant(view.dtype, shape,
                    std::make_shared<TransformedTensor>(std::move(file), view, transform, std::move(where)));
  }
  if (transform.added != 0)
    throw UnsupportedError("{}: type {}; a norm's weights are expected in F32, F16 or BF16", where,
                           type.name);
  Constant constant(
      DType::f32, shape,
      std::make_shared<BlockTensor>(std::move(file), type, shape, bytes, heads, std::move(where)));
  constant.set_encoding(type.encoding());
  return constant;
}

}  // namespace halftone
