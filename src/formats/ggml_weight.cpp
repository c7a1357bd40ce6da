#include "formats/ggml_weight.h"

#include <cmath>
#include <functional>

#include "base/error.h"

namespace halftone {
namespace {

constexpr int64_t kBlock = 32;

/// Codes and parameters of one row in blocks of 32.
struct BlockRow {
  explicit BlockRow(int64_t columns)
      : codes(static_cast<size_t>(columns)),
        scales(static_cast<size_t>(columns / kBlock)),
        minima(static_cast<size_t>(columns / kBlock)) {}

  GgmlBlock block(size_t index) {
    return {std::span(codes).subspan(index * kBlock, kBlock), std::span(scales).subspan(index, 1),
            std::span(minima).subspan(index, 1)};
  }

  std::vector<uint8_t> codes;
  std::vector<float> scales, minima;
};

/// Puts a tensor of blocks together row by row.
std::shared_ptr<const QuantizedTensor> assemble(const GgmlType& type, const Shape& shape,
                                                const std::string& name,
                                                const std::function<void(int64_t row, BlockRow& to)>& fill) {
  QuantizedTensor::Parts parts;
  parts.encoding = type.encoding();
  parts.shape = shape;
  const MatrixExtent extent = matrix_extent(shape);
  const int bits = parts.encoding.format->bits();
  const int64_t blocks = extent.columns / kBlock;
  const auto row_bytes = static_cast<size_t>(extent.columns * bits / 8);
  parts.codes = Tensor::allocate(DType::u8, {extent.rows, static_cast<int64_t>(row_bytes)});
  parts.scales = Tensor::allocate(type.scale_dtype, {extent.rows, blocks});
  if (type.real_minimum) parts.minima = Tensor::allocate(type.scale_dtype, {extent.rows, blocks});
  BlockRow row_parts(extent.columns);
  for (int64_t row = 0; row < extent.rows; ++row) {
    fill(row, row_parts);
    pack_bits(row_parts.codes, bits,
              parts.codes.mutable_view().bytes().subspan(static_cast<size_t>(row) * row_bytes, row_bytes));
    store_floats(row_parts.scales, parts.scales.mutable_view(), row * blocks);
    if (type.real_minimum) store_floats(row_parts.minima, parts.minima.mutable_view(), row * blocks);
  }
  return std::make_shared<QuantizedTensor>(std::move(parts), name);
}

/// What a constant stands for: its codes' numbers where it has an encoding, though the original were there.
Tensor numbers_of(const Constant& constant, const std::string& name) {
  return constant.encoding() ? constant.load_encoded(name)->decode() : constant.load();
}

/// Numbers rounded as ggml rounds them.
class RoundedBlocks : public ConstantSource {
 public:
  RoundedBlocks(Constant original, const GgmlType& type, std::string name)
      : original_(std::move(original)), type_(type), name_(std::move(name)) {}

  Tensor load() const override { return round()->decode(); }
  std::shared_ptr<const QuantizedTensor> load_encoded(const Encoding& encoding) const override {
    return encoding == type_.encoding() ? round() : nullptr;
  }

 private:
  std::shared_ptr<const QuantizedTensor> round() const {
    const Tensor numbers = numbers_of(original_, name_);
    const int64_t columns = matrix_extent(numbers.shape()).columns;
    std::vector<float> values(static_cast<size_t>(columns));
    return assemble(type_, numbers.shape(), name_, [&](int64_t row, BlockRow& to) {
      load_floats(numbers.view(), row * columns, values);
      for (size_t i = 0; i < values.size(); ++i)
        if (!std::isfinite(values[i]))
          throw InputError("{}: row {}, element {}: expected a finite number, found {}", name_, row, i,
                           values[i]);
      for (size_t b = 0; b < to.scales.size(); ++b)
        type_.round(std::span(values).subspan(b * kBlock, kBlock), to.block(b));
    });
  }

  Constant original_;
  const GgmlType& type_;
  std::string name_;
};

/// The same codes around another zero, and the scales of larger groups written to each of their blocks.
class MovedCodes : public ConstantSource {
 public:
  MovedCodes(Constant original, const GgmlType& type, std::string name)
      : original_(std::move(original)), type_(type), name_(std::move(name)) {}

  Tensor load() const override { return move()->decode(); }
  std::shared_ptr<const QuantizedTensor> load_encoded(const Encoding& encoding) const override {
    return encoding == type_.encoding() ? move() : nullptr;
  }

 private:
  std::shared_ptr<const QuantizedTensor> move() const {
    const std::shared_ptr<const QuantizedTensor> from = original_.load_encoded(name_);
    const auto groups = static_cast<size_t>(from->grid().groups);
    const bool has_minima = from->encoding().real_minimum;
    const int middle = 1 << (type_.encoding().format->bits() - 1);
    std::vector<float> scales(groups), minima(groups);
    std::vector<int32_t> zeros(groups);
    return assemble(type_, from->shape(), name_, [&](int64_t row, BlockRow& to) {
      from->row_codes(row, to.codes);
      from->row_scales(row, scales);
      if (has_minima)
        from->row_minima(row, minima);
      else
        from->row_zeros(row, zeros);
      for (size_t b = 0; b < to.scales.size(); ++b) {
        const auto group = b * kBlock / static_cast<size_t>(from->grid().group);
        const int zero = zeros[group];
        to.scales[b] = scales[group];
        if (type_.real_minimum)
          to.minima[b] = has_minima ? minima[group] : -static_cast<float>(zero) * scales[group];
        else
          for (uint8_t& code : to.block(b).codes) code = static_cast<uint8_t>(code - zero + middle);
      }
    });
  }

  Constant original_;
  const GgmlType& type_;
  std::string name_;
};

class RoundedNumbers : public ConstantSource {
 public:
  RoundedNumbers(Constant original, DType dtype, std::string name)
      : original_(std::move(original)), dtype_(dtype), name_(std::move(name)) {}

  Tensor load() const override {
    const Tensor numbers = numbers_of(original_, name_);
    if (numbers.dtype() == dtype_) return numbers;
    Tensor rounded = Tensor::allocate(dtype_, numbers.shape());
    store_floats(to_f32(numbers).span<float>(), rounded.mutable_view(), 0);
    return rounded;
  }

 private:
  Constant original_;
  DType dtype_;
  std::string name_;
};

GgmlWeight plain_weight(const Constant& constant, const GgmlType& type, const std::string& name,
                        std::string change) {
  return {
      &type,
      Constant(*type.plain, constant.shape(), std::make_shared<RoundedNumbers>(constant, *type.plain, name)),
      std::move(change)};
}

template <class Source>
GgmlWeight block_weight(const Constant& constant, const GgmlType& type, const std::string& name,
                        std::string change) {
  Constant blocks(DType::f32, constant.shape(), std::make_shared<Source>(constant, type, name));
  blocks.set_encoding(type.encoding());
  return {&type, std::move(blocks), std::move(change)};
}

/// The type in which codes of the encoding have a place, or null.
const GgmlType* type_for_codes(const Encoding& encoding, const Shape& shape) {
  if (!encoding.format->is_integer()) return nullptr;
  const ScaleGrid grid = scale_grid(encoding.granularity, shape);
  const MatrixExtent extent = matrix_extent(shape);
  const bool whole_blocks = grid.group % kBlock == 0 || grid.groups == 1;
  if (!whole_blocks || (grid.rows != 1 && grid.rows != extent.rows)) return nullptr;
  const int bits = encoding.format->bits();
  if (!encoding.symmetric && bits <= 4) return &ggml_type_named("Q4_1");
  // Less their zero points, codes of 8 bits reach from -255 to 255.
  if (encoding.real_minimum || (!encoding.symmetric && bits == 8)) return nullptr;
  return &ggml_type_named(bits <= 4 ? "Q4_0" : "Q8_0");
}

std::string change_of_codes(const Encoding& encoding, const GgmlType& type) {
  const bool f16 = encoding.scale_dtype == DType::f16 && encoding.double_quant_block == 0;
  const bool minima = type.real_minimum && (!encoding.real_minimum || !f16);
  if (!f16) return minima ? "scales and minima rounded to f16" : "scales rounded to f16";
  return minima ? "minima rounded to f16" : "";
}

}  // namespace

GgmlWeight ggml_weight(const Constant& constant, const GgmlType& type, const std::string& name) {
  const std::optional<Encoding>& encoding = constant.encoding();
  if (matrix_extent(constant.shape()).columns % kBlock != 0) {
    const bool changes = encoding || !type.plain;
    return plain_weight(constant, changes ? ggml_type_named("F16") : type, name,
                        changes ? "F16, since blocks of 32 do not divide its rows" : "");
  }
  if (!encoding)
    return type.plain ? plain_weight(constant, type, name, {})
                      : block_weight<RoundedBlocks>(constant, type, name, {});
  if (const GgmlType* place = type_for_codes(*encoding, constant.shape()))
    return block_weight<MovedCodes>(constant, *place, name, change_of_codes(*encoding, *place));
  const GgmlType& nearest =
      !type.plain ? type : ggml_type_named(encoding->format->bits() <= 4 ? "Q4_0" : "Q8_0");
  return block_weight<RoundedBlocks>(
      constant, nearest, name,
      fmt::format("{} decoded and rounded anew to {}", encoding->str(), nearest.name));
}

void pack_ggml_row(const GgmlType& type, const QuantizedTensor& weight, int64_t row,
                   std::span<std::byte> bytes) {
  BlockRow from(weight.columns());
  weight.row_codes(row, from.codes);
  weight.row_scales(row, from.scales);
  if (type.real_minimum) weight.row_minima(row, from.minima);
  for (size_t b = 0; b < from.scales.size(); ++b) type.pack(from.block(b), bytes.data() + b * type.bytes);
}

}  // namespace halftone
