#include "ops/gather/gather.h"

#include <cmath>
#include <cstring>

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

/// Rows of a table, plain or encoded.
class GatherRows : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    const Operand& data = run.inputs[0];
    const MutableTensorView& out = run.outputs[0];
    const Shape& table = run.site.input_shape(0);
    const int64_t count = run.inputs[1].tensor.shape.elements();
    if (out.shape.elements() == 0) return;
    const int64_t width = out.shape.elements() / count;
    const size_t bytes = static_cast<size_t>(width) * dtype_bytes(out.dtype);
    const bool converts = data.tensor.dtype != out.dtype;
    run.threads.parallel_for(count, row_grain(width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = gather_index(run.inputs[1], i, table[0]);
        std::byte* to = out.data + static_cast<size_t>(i) * bytes;
        if (row < 0)
          fill_missing(out, i * width, width);
        else if (data.quantized)
          data.quantized->decode_row(row, {reinterpret_cast<float*>(to), static_cast<size_t>(width)});
        else if (converts)
          load_floats(data.tensor, row * width, {reinterpret_cast<float*>(to), static_cast<size_t>(width)});
        else
          std::memcpy(to, data.tensor.data + static_cast<size_t>(row) * bytes, bytes);
      }
    });
  }
};

Refusal supports(const OpSite& site) {
  const int64_t axis = site.attributes->get_int("axis", 0);
  return axis == 0 ? Refusal{} : fmt::format("axis {} is not the first", axis);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<GatherRows>();
}

}  // namespace

extern const Kernel gather_rows{"gather_rows", "Gather", Isa::scalar, supports, prepare};

}  // namespace halftone::cpu
