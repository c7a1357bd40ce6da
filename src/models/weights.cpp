#include "models/weights.h"

#include "base/error.h"

namespace halftone {
namespace {

class RowSlice : public ConstantSource {
 public:
  RowSlice(Constant whole, int64_t begin, int64_t end, std::string name)
      : whole_(std::move(whole)), begin_(begin), end_(end), name_(std::move(name)) {}

  Tensor load() const override { return whole_.load().rows(begin_, end_); }

  std::shared_ptr<const QuantizedTensor> load_encoded(const Encoding& encoding) const override {
    if (!whole_.encoding() || !(*whole_.encoding() == encoding)) return nullptr;
    return std::make_shared<QuantizedTensor>(whole_.load_encoded(name_)->slice_rows(begin_, end_));
  }
  std::optional<std::string> told_by() const override {
    const auto whole = whole_.told_by();
    return whole ? std::optional(fmt::format("{} rows {} to {}", *whole, begin_, end_)) : std::nullopt;
  }

 private:
  Constant whole_;
  int64_t begin_, end_;
  std::string name_;
};

}  // namespace

Constant constant_rows(const Constant& whole, int64_t begin, int64_t end, const std::string& name) {
  if (whole.encoding() && whole.encoding()->double_quant_block != 0)
    throw UnsupportedError("{}: cutting rows out of a tensor under double quantization", name);
  Shape shape = whole.shape();
  shape[0] = end - begin;
  Constant rows(whole.dtype(), shape, std::make_shared<RowSlice>(whole, begin, end, name));
  if (whole.encoding()) rows.set_encoding(*whole.encoding());
  return rows;
}

Constant small_f32(const Constant& constant, float added) {
  const Tensor tensor = to_f32(constant.load());
  if (added == 0) return Constant(tensor);
  Tensor sum = Tensor::allocate(DType::f32, tensor.shape());
  const auto from = tensor.span<float>();
  const auto to = sum.mutable_view().span<float>();
  for (size_t i = 0; i < from.size(); ++i) to[i] = from[i] + added;
  return Constant(sum);
}

}  // namespace halftone
