#include "ops/resize/resize_integer.h"

#include <algorithm>
#include <cmath>

namespace halftone {
namespace {

bool unchanged(const ResizeAxis& axis) {
  return axis.scale == 1 && axis.in == axis.out;
}

/// Whether sums of both axes' weights times 255 stay in 32 bits, and no output lies outside.
bool fits(const OpSite& site, const std::vector<ResizeAxis>& axes) {
  double most = 255;
  for (int axis : {2, 3}) {
    double largest = 0;
    for (const auto& taps : code_taps(site, axes[static_cast<size_t>(axis)])) {
      double sum = 0;
      for (const CodeTap& tap : taps) sum += std::abs(tap.weight);
      if (taps.empty()) return false;
      largest = std::max(largest, sum);
    }
    most *= largest;
  }
  return most < 0x7fff0000;
}

std::string refusal(const OpSite& site) {
  const Storage &in = site.inputs[0].storage, &out = site.storage_of_output(0);
  if (!in.codes || in.codes != out.codes) return "input and output do not share one scale";
  if (site.attributes->get_string("mode", "nearest") == "nearest") return "it moves codes";
  const Shape& x = site.input_shape(0);
  if (x.rank() != 4) return fmt::format("{} dimensions", x.rank());
  const auto axes = resize_axes(site);
  if (!axes || !x.is_concrete()) return "sizes are not known ahead";
  if (!unchanged((*axes)[0]) || !unchanged((*axes)[1])) return "batch or channels are resized";
  if (!fits(site, *axes)) return "its weights are too large, or outputs lie outside";
  return {};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const std::vector<ResizeAxis> axes = *resize_axes(site);
  const auto rows = code_taps(site, axes[2]), columns = code_taps(site, axes[3]);
  const auto x = inputs[0].span<uint8_t>();
  const auto y = outputs[0].span<uint8_t>();
  const Shape& from = site.input_shape(0);
  size_t at = 0;
  for (int64_t plane = 0; plane < from[0] * from[1]; ++plane)
    for (const auto& row : rows)
      for (const auto& column : columns) {
        int32_t sum = 1 << (2 * kResizeWeightBits - 1);
        for (const CodeTap& r : row)
          for (const CodeTap& c : column)
            sum +=
                r.weight * c.weight * x[static_cast<size_t>((plane * from[2] + r.from) * from[3] + c.from)];
        y[at++] = static_cast<uint8_t>(std::clamp(sum >> 2 * kResizeWeightBits, 0, 255));
      }
}

}  // namespace

std::vector<std::vector<CodeTap>> code_taps(const OpSite& site, const ResizeAxis& axis) {
  constexpr int32_t kOne = 1 << kResizeWeightBits;
  std::vector<std::vector<CodeTap>> all;
  for (const std::vector<ResizeTap>& taps : resize_taps(site, axis)) {
    std::vector<CodeTap>& made = all.emplace_back();
    int32_t left = kOne;
    for (const ResizeTap& tap : taps) {
      made.push_back({tap.from, static_cast<int32_t>(std::nearbyint(tap.weight * kOne))});
      left -= made.back().weight;
    }
    const auto smaller = [](const CodeTap& a, const CodeTap& b) { return a.weight < b.weight; };
    if (!made.empty()) std::max_element(made.begin(), made.end(), smaller)->weight += left;
  }
  return all;
}

const IntegerMeaning resize_on_codes{refusal, reference};

}  // namespace halftone
