#include <cstring>

#include "backend/kernel.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  const Storage& out = site.storage_of_output(0);
  const int rank = site.outputs[0].shape.rank();
  const int64_t axis = site.attributes->get_int("axis", 0);
  if (!out.codes) return "the output is not stored as codes";
  for (const SiteInput& input : site.inputs)
    if (!(input.storage == out)) return "inputs and output do not share one scale and order";
  if (out.order == Storage::Order::channels_last && axis != 1 && axis != 1 - rank)
    return "channels-last, but not along the channels";
  return {};
}

/// Concat of codes that share one scale: rows of bytes side by side.
class ConcatCodes final : public PreparedKernel {
 public:
  bool keeps_rows() const override { return true; }
  void run(const KernelRun& run) const override {
    const Shape& shape = run.outputs[0].shape;
    const bool last = run.site.storage_of_output(0).order == Storage::Order::channels_last;
    int64_t axis = run.site.attributes->get_int("axis", 0);
    if (axis < 0) axis += shape.rank();
    int64_t rows = 1, inner = 1;  // of the output; a row of input i is inner * its size along the axis
    for (int i = 0; i < shape.rank(); ++i) {
      if (last ? i != 1 : i < axis) rows *= shape[i];
      if (!last && i > axis) inner *= shape[i];
    }
    const int64_t out_bytes = inner * shape[static_cast<int>(axis)];
    uint8_t* y = run.outputs[0].span<uint8_t>().data();
    run.threads.parallel_for(rows, 1 + (1 << 15) / (out_bytes + 1), [&](int64_t begin, int64_t end) {
      int64_t offset = 0;
      for (const Operand& input : run.inputs) {
        const int64_t bytes = inner * input.tensor.shape[static_cast<int>(axis)];
        const uint8_t* x = input.span<uint8_t>().data();
        const bool in_place = x == y + offset;  // as ValueLayout laid it
        for (int64_t row = begin; row < end && !in_place; ++row)
          std::memcpy(y + row * out_bytes + offset, x + row * bytes, static_cast<size_t>(bytes));
        offset += bytes;
      }
    });
  }
};

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<ConcatCodes>();
}

}  // namespace

extern const Kernel concat_codes{"concat_codes", "Concat", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
