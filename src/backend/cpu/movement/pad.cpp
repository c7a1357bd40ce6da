#include <algorithm>
#include <array>

#include "backend/cpu/movement/stored_shape.h"
#include "ops/movement.h"

namespace halftone::cpu {
namespace {

/// Constant numbers around f32 values or their codes, as many as are known ahead.
Refusal supports(const OpSite& site) {
  if (site.attributes->get_string("mode", "constant") != "constant") return "mode is not constant";
  if (site.inputs[0].constant) return "data is a constant";
  if (site.inputs[0].type.dtype != DType::f32) return "data is not f32";
  for (size_t i = 1; i < site.inputs.size(); ++i)
    if (site.has_input(i) && !site.inputs[i].constant)
      return fmt::format("{} is computed", site.schema->inputs[i].name);
  const std::vector<int64_t> pads = *known_ints(site, 1);
  if (std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad < 0; })) return "a pad is negative";
  return unlike_storage_refusal(site, 1);
}

class PadKernel : public PreparedKernel {
 public:
  explicit PadKernel(const OpSite& site) {
    const int rank = site.input_shape(0).rank();
    const std::vector<int64_t> pads = *known_ints(site, 1);
    const auto axes = known_ints(site, 3);
    const size_t count = axes ? axes->size() : static_cast<size_t>(rank);
    for (size_t i = 0; i < count; ++i) {
      const int axis = checked_axis(site, axes ? (*axes)[i] : static_cast<int64_t>(i), rank);
      before_[static_cast<size_t>(stored_axis(axis, rank, site.storage_of_output(0)))] = pads[i];
    }
    if (site.has_input(2)) load_floats(site.inputs[2].constant->load().view(), 0, {&value_, 1});
    if (const auto codes = site.storage_of_output(0).codes) code_ = encode_activation(value_, *codes);
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].dtype == DType::u8)
      pad(run, code_);
    else
      pad(run, value_);
  }

 private:
  template <class T>
  void pad(const KernelRun& run, T value) const {
    const Storage storage = run.site.storage_of_output(0);
    const Shape from = stored_shape(run.inputs[0].tensor.shape, storage);
    const Shape to = stored_shape(run.outputs[0].shape, storage);
    if (to.elements() == 0) return;
    const T* x = run.inputs[0].span<T>().data();
    T* y = run.outputs[0].span<T>().data();
    const int64_t width = to.back();
    run.threads.parallel_for(to.elements() / width, bytes_grain(static_cast<size_t>(width) * sizeof(T)),
                             [&](int64_t begin, int64_t end) {
                               for (int64_t row = begin; row < end; ++row)
                                 fill_row(from, to, x, row, value, y + row * width);
                             });
  }

  /// Row `row` of the last axis as it lies.
  template <class T>
  void fill_row(const Shape& from, const Shape& to, const T* x, int64_t row, T value, T* y) const {
    const int last = to.rank() - 1;
    int64_t at = 0, step = 1;
    bool inside = true;
    for (int axis = last - 1; axis >= 0; --axis) {
      const int64_t place = row % to[axis] - before_[static_cast<size_t>(axis)];
      row /= to[axis];
      inside &= place >= 0 && place < from[axis];
      at += place * step;
      step *= from[axis];
    }
    T* end = y + to[last];
    if (inside) {
      y = std::fill_n(y, before_[static_cast<size_t>(last)], value);
      y = std::copy_n(x + at * from[last], from[last], y);
    }
    std::fill(y, end, value);
  }

  std::array<int64_t, Shape::kMaxRank> before_{};
  float value_ = 0;
  uint8_t code_ = 0;
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<PadKernel>(site);
}

}  // namespace

extern const Kernel pad{"pad", "Pad", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
