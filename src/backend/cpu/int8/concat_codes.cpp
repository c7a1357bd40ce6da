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

/// Copies rows of `bytes`, most of them short, so that a call for each would cost more than the copy.
void copy_rows(const uint8_t* from, uint8_t* to, int64_t rows, int64_t bytes, int64_t to_step) {
  constexpr int64_t kPiece = 16, kShort = 128;
  const bool pieces = bytes >= kPiece && bytes <= kShort;
  for (int64_t row = 0; row < rows; ++row, from += bytes, to += to_step) {
    if (!pieces) {
      std::memcpy(to, from, static_cast<size_t>(bytes));
      continue;
    }
    for (int64_t i = 0; i + kPiece < bytes; i += kPiece) std::memcpy(to + i, from + i, kPiece);
    std::memcpy(to + bytes - kPiece, from + bytes - kPiece, kPiece);
  }
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
        if (!in_place)
          copy_rows(x + begin * bytes, y + begin * out_bytes + offset, end - begin, bytes, out_bytes);
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
