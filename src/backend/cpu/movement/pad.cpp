#include "ops/pad/pad.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "backend/cpu/movement/stored_shape.h"
#include "ops/movement.h"

namespace halftone::cpu {
namespace {

Refusal supports(const OpSite& site) {
  if (site.inputs[0].constant) return "data is a constant";
  for (size_t i : {1, 3})
    if (site.has_input(i) && !site.inputs[i].constant)
      return fmt::format("{} is computed", site.schema->inputs[i].name);
  if (site.inputs[0].storage.codes && site.has_input(2) && !site.inputs[2].constant)
    return "constant_value is computed";
  return unlike_storage_refusal(site, 1);
}

/// Elements of any type, or codes.
class PadKernel : public PreparedKernel {
 public:
  explicit PadKernel(const OpSite& site)
      : mode_(site.attributes->get_string("mode", "constant")), fills_(mode_ == "constant") {
    const int rank = site.input_shape(0).rank();
    const Storage storage = site.storage_of_output(0);
    const std::vector<Padding> padding = *padding_of(site);
    for (int axis = 0; axis < rank; ++axis)
      before_[static_cast<size_t>(stored_axis(axis, rank, storage))] =
          padding[static_cast<size_t>(axis)].before;
    if (!storage.codes) return;
    float value = 0;
    if (site.has_input(2)) load_floats(site.inputs[2].constant->load().view(), 0, {&value, 1});
    code_ = encode_activation(value, *storage.codes);
  }

  void run(const KernelRun& run) const override {
    switch (dtype_bytes(run.outputs[0].dtype)) {
      case 1:
        return pad<uint8_t>(run);
      case 2:
        return pad<uint16_t>(run);
      case 4:
        return pad<uint32_t>(run);
      default:
        return pad<uint64_t>(run);
    }
  }

 private:
  template <class T>
  void pad(const KernelRun& run) const {
    const Storage storage = run.site.storage_of_output(0);
    const Shape from = stored_shape(run.inputs[0].tensor.shape, storage);
    const Shape to = stored_shape(run.outputs[0].shape, storage);
    if (to.elements() == 0) return;
    const T* x = reinterpret_cast<const T*>(run.inputs[0].tensor.data);
    T* y = reinterpret_cast<T*>(run.outputs[0].data);
    T fill{};
    if (storage.codes)
      std::memcpy(&fill, &code_, 1);
    else if (run.site.has_input(2))
      std::memcpy(&fill, run.inputs[2].tensor.data, sizeof(T));
    const int64_t width = to.rank() > 0 ? to.back() : 1;
    run.threads.parallel_for(to.elements() / width, bytes_grain(static_cast<size_t>(width) * sizeof(T)),
                             [&](int64_t begin, int64_t end) {
                               for (int64_t row = begin; row < end; ++row)
                                 fill_row(from, to, x, row, fill, y + row * width);
                             });
  }

  /// Where the element at `i` of an axis of the output comes from; negative: nowhere.
  int64_t source(int axis, int64_t i, int64_t size) const {
    const int64_t at = i - before_[static_cast<size_t>(axis)];
    if (at >= 0 && at < size) return at;
    return fills_ ? -1 : padded_source(mode_, at, size);
  }

  /// Row `row` of the last axis as it lies.
  template <class T>
  void fill_row(const Shape& from, const Shape& to, const T* x, int64_t row, T fill, T* y) const {
    const int last = to.rank() - 1;
    if (last < 0) {
      *y = *x;
      return;
    }
    int64_t at = 0, step = 1;
    bool inside = true;
    for (int axis = last - 1; axis >= 0; --axis) {
      const int64_t place = source(axis, row % to[axis], from[axis]);
      row /= to[axis];
      inside &= place >= 0;
      at += place * step;
      step *= from[axis];
    }
    if (!inside) {
      std::fill_n(y, to[last], fill);
      return;
    }
    const int64_t size = from[last], before = before_[static_cast<size_t>(last)];
    const int64_t begin = std::clamp<int64_t>(before, 0, to[last]),
                  end = std::clamp<int64_t>(before + size, begin, to[last]);
    const T* line = x + at * size;
    auto edge = [&](int64_t first, int64_t stop) {
      for (int64_t i = first; i < stop; ++i) y[i] = fills_ ? fill : line[source(last, i, size)];
    };
    edge(0, begin);
    if (begin < end) std::copy(line + begin - before, line + end - before, y + begin);
    edge(end, to[last]);
  }

  std::string mode_;
  bool fills_;
  std::array<int64_t, Shape::kMaxRank> before_{};
  uint8_t code_ = 0;
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<PadKernel>(site);
}

}  // namespace

extern const Kernel pad{"pad", "Pad", Isa::scalar, supports, prepare, true};

}  // namespace halftone::cpu
