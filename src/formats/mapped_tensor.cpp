#include "formats/mapped_tensor.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace halftone {
namespace {

class MappedTensor : public ConstantSource {
 public:
  MappedTensor(std::shared_ptr<const MappedFile> file, const TensorView& view, std::string where)
      : file_(std::move(file)), view_(view), where_(std::move(where)) {}
  Tensor load() const override { return mapped_tensor(file_, view_, where_); }
  std::optional<std::string> told_by() const override { return ""; }

 private:
  std::shared_ptr<const MappedFile> file_;
  TensorView view_;
  std::string where_;
};

void check_booleans(const TensorView& view, const std::string& where) {
  const std::span<const std::byte> bytes = view.bytes();
  const auto bad = std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
  if (bad != bytes.end())
    throw InputError("{}: element {}: expected a boolean of 0 or 1, found {}", where, bad - bytes.begin(),
                     static_cast<int>(*bad));
}

}  // namespace

Tensor mapped_tensor(const std::shared_ptr<const MappedFile>& file, const TensorView& view,
                     const std::string& where) {
  if (view.dtype == DType::boolean) check_booleans(view, where);
  if (reinterpret_cast<uintptr_t>(view.data) % dtype_bytes(view.dtype) != 0) {
    Tensor copy = Tensor::allocate(view.dtype, view.shape);
    std::memcpy(copy.mutable_view().data, view.data, view.size_bytes());
    file->release(view.bytes());
    return copy;
  }
  std::shared_ptr<const void> pages(view.data,
                                    [file, bytes = view.bytes()](const void*) { file->release(bytes); });
  return Tensor::view_of(std::move(pages), view);
}

Constant mapped_constant(std::shared_ptr<const MappedFile> file, const TensorView& view, std::string where) {
  return Constant(view.dtype, view.shape,
                  std::make_shared<MappedTensor>(std::move(file), view, std::move(where)));
}

}  // namespace halftone
