#include "ops/constant.h"

#include <cassert>

namespace halftone {
namespace {

class InMemory : public ConstantSource {
 public:
  explicit InMemory(Tensor tensor) : tensor_(std::move(tensor)) {}
  Tensor load() const override { return tensor_; }

 private:
  Tensor tensor_;
};

}  // namespace

Constant::Constant(Tensor tensor)
    : dtype_(tensor.dtype()),
      shape_(tensor.shape()),
      source_(std::make_shared<InMemory>(std::move(tensor))) {}

Constant::Constant(std::shared_ptr<const QuantizedTensor> encoded)
    : shape_(encoded->shape()), encoding_(encoded->encoding()), encoded_(std::move(encoded)) {}

Constant::Constant(DType dtype, const Shape& shape, std::shared_ptr<const ConstantSource> source)
    : dtype_(dtype), shape_(shape), source_(std::move(source)) {}

void Constant::set_encoding(const Encoding& encoding) {
  assert(source_);
  encoding_ = encoding;
  encoded_ = nullptr;
}

void Constant::set_encoded(std::shared_ptr<const QuantizedTensor> encoded) {
  encoding_ = encoded->encoding();
  encoded_ = std::move(encoded);
}

Tensor Constant::load() const {
  return source_ ? source_->load() : encoded_->decode();
}

std::shared_ptr<const QuantizedTensor> Constant::load_encoded(const std::string& name) const {
  assert(encoding_);
  if (encoded_) return encoded_;
  if (auto made = source_->load_encoded(*encoding_)) return made;
  return std::make_shared<QuantizedTensor>(quantize(source_->load().view(), *encoding_, name));
}

double Constant::stored_bytes() const {
  const double elements = static_cast<double>(shape_.elements());
  return encoding_ ? elements * bits_per_element(*encoding_, shape_) / 8
                   : elements * static_cast<double>(dtype_bytes(dtype_));
}

}  // namespace halftone
