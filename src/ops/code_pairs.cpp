#include "ops/code_pairs.h"

namespace halftone {
namespace {

/// Whether the input, 1s in front left out, is the last axes of the output: its numbers are repeated as they
/// lie.
bool is_repeated(const Shape& input, const Shape& output) {
  int first = 0;
  while (first < input.rank() && input[first] == 1) ++first;
  const int rank = input.rank() - first;
  if (rank > output.rank()) return false;
  for (int i = 0; i < rank; ++i)
    if (input[first + i] != output[output.rank() - rank + i]) return false;
  return true;
}

std::string refusal(const OpSite& site) {
  if (!site.storage_of_output(0).codes) return "the output is not stored as codes";
  for (const SiteInput& input : site.inputs) {
    if (!input.storage.codes) return "an input is not stored as codes";
    if (!is_repeated(input.type.shape, site.outputs[0].shape)) return "the inputs are broadcast";
  }
  return {};
}

template <class F>
void map_code_pairs(std::span<const Operand> inputs, std::span<const MutableTensorView> outputs, F f) {
  const auto a = inputs[0].span<uint8_t>(), b = inputs[1].span<uint8_t>();
  const auto y = outputs[0].span<uint8_t>();
  for (size_t i = 0; i < y.size(); ++i) y[i] = f(a[i % a.size()], b[i % b.size()]);
}

int32_t code_at(const TensorView& tensor, size_t i) {
  return tensor.dtype == DType::i16 ? int32_t{tensor.span<int16_t>()[i]} : int32_t{tensor.span<uint8_t>()[i]};
}

void add_wide(const WideCodeSum& sum, std::span<const Operand> inputs, const MutableTensorView& output) {
  const TensorView &a = inputs[0].tensor, &b = inputs[1].tensor;
  const auto a_count = static_cast<size_t>(a.shape.elements()),
             b_count = static_cast<size_t>(b.shape.elements());
  for (size_t i = 0; i < static_cast<size_t>(output.shape.elements()); ++i) {
    const int32_t code = sum(code_at(a, i % a_count), code_at(b, i % b_count));
    if (output.dtype == DType::i16)
      output.span<int16_t>()[i] = static_cast<int16_t>(code);
    else
      output.span<uint8_t>()[i] = static_cast<uint8_t>(code);
  }
}

void add_reference(const OpSite& site, std::span<const Operand> inputs,
                   std::span<const MutableTensorView> outputs) {
  const CodeScale a = *site.inputs[0].storage.codes, b = *site.inputs[1].storage.codes,
                  y = *site.output_storage[0].codes;
  if (site.any_wide()) return add_wide(WideCodeSum(a, b, y), inputs, outputs[0]);
  map_code_pairs(inputs, outputs, CodeSum(a, b, y));
}

void mul_reference(const OpSite& site, std::span<const Operand> inputs,
                   std::span<const MutableTensorView> outputs) {
  const CodeScale a = *site.inputs[0].storage.codes, b = *site.inputs[1].storage.codes;
  const Requantizer requantizer(site, {double{a.scale} * double{b.scale}});
  map_code_pairs(inputs, outputs,
                 [&](uint8_t x, uint8_t y) { return requantizer.code((x - a.zero) * (y - b.zero), 0); });
}

}  // namespace

const IntegerMeaning add_on_codes{refusal, add_reference, true};
const IntegerMeaning mul_on_codes{refusal, mul_reference};

}  // namespace halftone
