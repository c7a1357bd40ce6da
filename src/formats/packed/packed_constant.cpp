#include "formats/packed/packed_constant.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/checked.h"
#include "base/error.h"

namespace halftone {
namespace {

class PackedWeight : public ConstantSource {
 public:
  PackedWeight(const Encoding& encoding, std::function<QuantizedTensor::Parts()> unpack, std::string where)
      : encoding_(encoding), unpack_(std::move(unpack)), where_(std::move(where)) {}

  Tensor load() const override { return assemble()->decode(); }
  std::shared_ptr<const QuantizedTensor> load_encoded(const Encoding& encoding) const override {
    return encoding == encoding_ ? assemble() : nullptr;
  }
  std::optional<std::string> told_by() const override { return ""; }

 private:
  std::shared_ptr<const QuantizedTensor> assemble() const {
    return std::make_shared<QuantizedTensor>(unpack_(), where_);
  }

  Encoding encoding_;
  std::function<QuantizedTensor::Parts()> unpack_;
  std::string where_;
};

}  // namespace

Encoding integer_encoding(int bits, int64_t group, int64_t inputs, bool symmetric, DType scale_dtype) {
  Encoding encoding;
  encoding.format = find_number_format("int" + std::to_string(bits));
  encoding.granularity =
      group <= 0 || group >= inputs ? Granularity::per_axis(0) : Granularity::per_group(group);
  encoding.symmetric = symmetric;
  encoding.scale_dtype = scale_dtype;
  return encoding;
}

Constant packed_constant(const Shape& shape, const Encoding& encoding,
                         std::function<QuantizedTensor::Parts()> unpack, std::string where) {
  Constant constant(DType::f32, shape,
                    std::make_shared<PackedWeight>(encoding, std::move(unpack), std::move(where)));
  constant.set_encoding(encoding);
  return constant;
}

Tensor pack_rows(const Shape& shape, int bits,
                 const std::function<void(int64_t row, std::span<uint8_t> codes)>& fill) {
  const MatrixExtent extent = matrix_extent(shape);
  const auto row_bytes = static_cast<size_t>(ceil_div(extent.columns * bits, int64_t{8}));
  Tensor packed = Tensor::allocate(DType::u8, {extent.rows, static_cast<int64_t>(row_bytes)});
  const auto bytes = packed.mutable_view().bytes();
  std::vector<uint8_t> codes(static_cast<size_t>(extent.columns));
  for (int64_t row = 0; row < extent.rows; ++row) {
    fill(row, codes);
    pack_bits(codes, bits, bytes.subspan(static_cast<size_t>(row) * row_bytes, row_bytes));
  }
  return packed;
}

const Constant& layer_part(const Checkpoint& checkpoint, const std::string& module, std::string_view suffix,
                           const Shape& shape, std::initializer_list<DType> dtypes) {
  const std::string name = module + std::string(suffix);
  const Constant& part = checkpoint.constant(name, shape);
  if (std::ranges::find(dtypes, part.dtype()) == dtypes.end())
    throw InputError("{}: tensor \"{}\": expected {}, found {}", checkpoint.path.string(), name,
                     dtype_name(*dtypes.begin()), dtype_name(part.dtype()));
  return part;
}

std::vector<int64_t> order_by_group(std::span<const int32_t> group_of, int64_t group,
                                    const std::string& where) {
  std::vector<int64_t> order(group_of.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::ranges::stable_sort(order, {}, [&](int64_t i) { return group_of[static_cast<size_t>(i)]; });
  for (size_t i = 0; i < order.size(); ++i)
    if (group_of[static_cast<size_t>(order[i])] != static_cast<int64_t>(i) / group)
      throw InputError("{}: g_idx: group {} does not have {} inputs", where, static_cast<int64_t>(i) / group,
                       group);
  if (std::ranges::is_sorted(order)) order.clear();
  return order;
}

Tensor transposed(const Tensor& tensor) {
  const int64_t rows = tensor.shape()[0], columns = tensor.shape()[1];
  Tensor turned = Tensor::allocate(tensor.dtype(), {columns, rows});
  const size_t size = dtype_bytes(tensor.dtype());
  std::byte* to = turned.mutable_view().data;
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r, to += size)
      std::memcpy(to, tensor.view().data + static_cast<size_t>(r * columns + c) * size, size);
  return turned;
}

}  // namespace halftone
