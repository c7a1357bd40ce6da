#include "backend/cuda/broadcast/broadcast.h"

#include <algorithm>

#include "backend/cuda/stored_shape.h"
#include "ops/strided.h"

namespace halftone::cuda {
namespace {

/// An operand's dimensions beside those of an output stored so, as they lie.
Shape beside(const Shape& operand, int rank, const Storage& storage) {
  Shape padded;
  for (int a = operand.rank(); a < rank; ++a) padded.push_back(1);
  for (int64_t size : operand) padded.push_back(size);
  return stored_shape(padded, storage);
}

/// Values of one dimension at most lie the same in either order.
bool is_line(const Shape& shape) {
  return std::ranges::count_if(shape, [](int64_t size) { return size != 1; }) <= 1;
}

bool is_aligned(const void* data, size_t bytes) {
  return reinterpret_cast<uintptr_t>(data) % std::min<size_t>(16, 4 * bytes) == 0;
}

bool goes_by_fours(const BroadcastSteps& all, std::span<const BroadcastOperand> operands,
                   const BroadcastOperand& y) {
  if (all.extents.back() % 4 != 0 || !is_aligned(y.data, y.bytes)) return false;
  for (size_t n = 0; n < operands.size(); ++n) {
    const int64_t last = all.steps[n].back();
    if (last == 0) continue;
    if (last != 1 || !is_aligned(operands[n].data, operands[n].bytes)) return false;
    if (!std::all_of(all.steps[n].begin(), all.steps[n].end() - 1, [](int64_t s) { return s % 4 == 0; }))
      return false;
  }
  return true;
}

}  // namespace

BroadcastSteps broadcast_steps(std::span<const BroadcastOperand> operands, const BroadcastOperand& y,
                               const Storage& storage) {
  const Shape whole = stored_shape(y.shape, storage);
  std::vector<Strides> strides;
  for (const BroadcastOperand& operand : operands)
    strides.push_back(broadcast_strides(beside(operand.shape, whole.rank(), storage), whole));
  BroadcastSteps all;
  all.steps.resize(operands.size());
  for (int axis = 0; axis < whole.rank(); ++axis) {
    const auto at = static_cast<size_t>(axis);
    const int64_t extent = whole[axis];
    if (extent == 1) continue;
    bool joins = !all.extents.empty();
    for (size_t n = 0; joins && n < operands.size(); ++n)
      joins = all.steps[n].back() == extent * strides[n][at];
    if (!joins) all.extents.push_back(1);
    all.extents.back() *= extent;
    for (size_t n = 0; n < operands.size(); ++n) {
      if (joins) all.steps[n].pop_back();
      all.steps[n].push_back(strides[n][at]);
    }
  }
  if (all.extents.empty()) {
    all.extents.push_back(1);
    for (auto& steps : all.steps) steps.push_back(0);
  }
  all.wide = goes_by_fours(all, operands, y);
  return all;
}

Refusal broadcast_refusal(const OpSite& site) {
  const Storage out = site.storage_of_output(0);
  if (out.codes) return "the output is stored as codes";
  for (const SiteInput& input : site.inputs) {
    if (input.storage.codes) return "an input is stored as codes";
    if (input.storage.order != out.order && !is_line(input.type.shape))
      return "values lie in different orders";
  }
  const Shape& y = site.outputs[0].shape;
  if (y.rank() > kBroadcastDims) return fmt::format("{} dimensions", y.rank());
  if (y.is_concrete() && y.elements() > INT32_MAX) return "2^31 elements or more";
  return {};
}

Refusal not_all_of(const OpSite& site, DType dtype) {
  for (size_t i = 0; i < site.inputs.size(); ++i) {
    const SiteInput& input = site.inputs[i];
    const std::string_view name = site.schema->inputs[std::min(i, site.schema->inputs.size() - 1)].name;
    if (input.encoding) return fmt::format("{} is encoded as {}", name, input.encoding->str());
    if (input.type.dtype != dtype)
      return fmt::format("{} is {}, not {}", name, dtype_name(input.type.dtype), dtype_name(dtype));
  }
  return {};
}

}  // namespace halftone::cuda
