#include "ops/widened_constant.h"

#include <utility>

#include "core/short_floats.h"

namespace halftone {
namespace {

class Widened final : public ConstantSource {
 public:
  explicit Widened(Constant original) : original_(std::move(original)) {}
  Tensor load() const override { return to_f32(original_.load()); }
  std::optional<std::string> told_by() const override { return original_.told_by(); }

 private:
  Constant original_;
};

}  // namespace

Constant widened(const Constant& constant) {
  return Constant(DType::f32, constant.shape(), std::make_shared<Widened>(constant));
}

}  // namespace halftone
