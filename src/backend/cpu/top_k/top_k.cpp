#include <algorithm>
#include <bit>

#include "backend/cpu/float_site.h"
#include "backend/cpu/movement/stored_shape.h"
#include "ops/movement.h"

namespace halftone::cpu {
namespace {

/// Elements that are held against the least of the best at once.
constexpr int64_t kBlock = 64;

/// Whole numbers in the order in which TopK wants elements: the better the higher. NaN is above every number,
/// both zeros are one.
int32_t order_of(float x, bool largest) {
  const auto bits = std::bit_cast<int32_t>(x + 0.0f);
  int32_t key = bits ^ ((bits >> 31) & INT32_MAX);
  key = x != x ? INT32_MAX : key;
  return largest ? key : ~key;
}

/// An element as one number: of equal ones the first is the best.
int64_t candidate(int32_t key, int64_t index) {
  return (int64_t{key} << 32) | (UINT32_MAX - static_cast<uint32_t>(index));
}
int64_t index_of(int64_t candidate) {
  return UINT32_MAX - static_cast<uint32_t>(candidate);
}

/// The best k of the elements seen, and at most as many more.
class Best {
 public:
  Best(int64_t* candidates, int64_t k) : first_(candidates), end_(candidates), k_(k) {}
  static int64_t most(int64_t k) { return 2 * k + kBlock; }

  void add(const int32_t* keys, int64_t from, int64_t count) {
    if (full_) {
      int32_t better = 0;
      for (int64_t i = 0; i < count; ++i) better |= keys[i] > least_;
      if (better == 0) return;
    }
    for (int64_t i = 0; i < count; ++i)
      if (!full_ || keys[i] > least_) *end_++ = candidate(keys[i], from + i);
    if (end_ - first_ >= 2 * k_) shrink();
  }
  /// The best k, the best first.
  const int64_t* sorted() {
    if (end_ - first_ > k_) shrink();
    std::sort(first_, end_, std::greater<>());
    return first_;
  }

 private:
  void shrink() {
    std::nth_element(first_, first_ + (k_ - 1), end_, std::greater<>());
    end_ = first_ + k_;
    least_ = static_cast<int32_t>(first_[k_ - 1] >> 32);
    full_ = true;
  }

  int64_t *first_, *end_;
  int64_t k_;
  bool full_ = false;
  int32_t least_ = 0;
};

class TopKKernel : public PreparedKernel {
 public:
  explicit TopKKernel(const OpSite& site) : largest_(site.attributes->get_int("largest", 1) != 0) {}

  size_t workspace_bytes(const OpSite& site) const override {
    const Lines lines = lines_of(site);
    return static_cast<size_t>(lines.pieces() * Best::most(lines.k)) * sizeof(int64_t);
  }

  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const Lines lines = lines_of(run.site);
    auto* candidates = reinterpret_cast<int64_t*>(run.workspace.data());
    const int64_t pieces = lines.pieces();
    run.threads.parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece)
        for (int64_t line = piece; line < lines.count; line += pieces)
          find(run, lines, line, candidates + piece * Best::most(lines.k));
    });
  }

 private:
  struct Lines {
    int64_t count, length, step, k;
    /// Of work, with memory of its own each.
    int64_t pieces() const { return std::min<int64_t>(count, 64); }
  };

  static Lines lines_of(const OpSite& site) {
    const Shape& x = site.input_shape(0);
    const int axis = axis_attribute(site, "axis", -1, x.rank());
    const AxisView view = axis_view(x, axis, 1);
    const auto inner = static_cast<int64_t>(view.inner);
    return {view.outer * inner, view.size, inner, site.outputs[0].shape[axis]};
  }

  void find(const KernelRun& run, const Lines& lines, int64_t line, int64_t* candidates) const {
    const int64_t block = line / lines.step, inner = line % lines.step;
    const float* x = run.inputs[0].span<float>().data() + block * lines.step * lines.length + inner;
    Best best(candidates, lines.k);
    int32_t keys[kBlock];
    for (int64_t i = 0; i < lines.length; i += kBlock) {
      const int64_t count = std::min(kBlock, lines.length - i);
      if (lines.step == 1)
        for (int64_t n = 0; n < count; ++n) keys[n] = order_of(x[i + n], largest_);
      else
        for (int64_t n = 0; n < count; ++n) keys[n] = order_of(x[(i + n) * lines.step], largest_);
      best.add(keys, i, count);
    }
    const int64_t* sorted = best.sorted();
    const int64_t to = block * lines.step * lines.k + inner;
    float* values = run.outputs[0].span<float>().data() + to;
    int64_t* places = run.outputs[1].span<int64_t>().data() + to;
    for (int64_t i = 0; i < lines.k; ++i) {
      places[i * lines.step] = index_of(sorted[i]);
      values[i * lines.step] = x[places[i * lines.step] * lines.step];
    }
  }

  bool largest_;
};

Refusal supports(const OpSite& site) {
  const SiteInput& x = site.inputs[0];
  if (x.encoding) return "X is encoded as " + x.encoding->str();
  if (x.type.dtype != DType::f32) return fmt::format("X is {}, not f32", dtype_name(x.type.dtype));
  if (!site.inputs[1].constant) return "K is computed";
  if (x.type.shape.is_concrete() && x.type.shape.elements() > INT32_MAX) return "2^31 elements or more";
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<TopKKernel>(site);
}

}  // namespace

extern const Kernel top_k{"top_k", "TopK", Isa::scalar, supports, prepare};

}  // namespace halftone::cpu
