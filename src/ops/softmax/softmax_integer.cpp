#include "ops/softmax/softmax_integer.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/integer_functions.h"
#include "ops/movement.h"
#include "scheme/requantize.h"

namespace halftone {
namespace {

constexpr int kShareBits = 16;
constexpr int kFloatBits = 30;  ///< of outputs that are no codes

std::string refusal(const OpSite& site) {
  if (site.schema->name != "Softmax") return "only Softmax has integer arithmetic";
  if (!site.inputs[0].storage.codes) return "the input is not stored as codes";
  return {};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const std::optional<CodeScale> out = site.storage_of_output(0).codes;
  const IntegerExp exp(site.inputs[0].storage.codes->scale);
  const FixedMultiplier unit =
      fixed_multiplier(1.0 / ((int64_t{1} << kShareBits) * double{out ? out->scale : 1}));
  const Shape& shape = outputs[0].shape;
  const int axis = axis_attribute(site, "axis", -1, shape.rank());
  int64_t inner = 1, outer = 1;
  for (int i = 0; i < shape.rank(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : shape[i];
  const int64_t size = shape[axis];
  const auto x = inputs[0].span<uint8_t>();
  std::vector<int64_t> parts(static_cast<size_t>(size));
  for (int64_t line = 0; line < outer * inner; ++line) {
    const auto at = [&](int64_t i) {
      return static_cast<size_t>((line / inner * size + i) * inner + line % inner);
    };
    uint8_t largest = 0;
    for (int64_t i = 0; i < size; ++i) largest = std::max(largest, x[at(i)]);
    int64_t sum = 0;
    for (int64_t i = 0; i < size; ++i)
      sum += parts[static_cast<size_t>(i)] = exp(int64_t{x[at(i)]} - largest);
    for (int64_t i = 0; i < size; ++i) {
      const int64_t part = parts[static_cast<size_t>(i)];
      if (!out) {
        outputs[0].span<float>()[at(i)] =
            std::ldexp(static_cast<float>((part << kFloatBits) / sum), -kFloatBits);
        continue;
      }
      const auto share = static_cast<int32_t>((part << kShareBits) / sum);
      outputs[0].span<uint8_t>()[at(i)] =
          static_cast<uint8_t>(std::clamp<int64_t>(int64_t{multiply_fixed(share, unit)} + out->zero, 0, 255));
    }
  }
}

}  // namespace

const IntegerMeaning softmax_on_codes{refusal, reference};

}  // namespace halftone
