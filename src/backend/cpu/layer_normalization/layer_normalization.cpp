#include <cmath>

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kLanes = 16;

/// Sum of f(x) over a row, in lanes, which compilers vectorise.
template <class F>
float sum_over(const float* x, int64_t width, F f) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(x[i + lane]);
  for (int64_t lane = 0; i + lane < width; ++lane) lanes[lane] += f(x[i + lane]);
  float sum = 0;
  for (float lane : lanes) sum += lane;
  return sum;
}

void normalise(const float* x, const float* scale, const float* shift, float* y, int64_t width,
               float epsilon) {
  const float count = static_cast<float>(width);
  const float mean = sum_over(x, width, [](float v) { return v; }) / count;
  const float variance = sum_over(x, width, [mean](float v) { return (v - mean) * (v - mean); }) / count;
  const float inverse = 1.0f / std::sqrt(variance + epsilon);
  if (shift)
    for (int64_t i = 0; i < width; ++i) y[i] = (x[i] - mean) * inverse * scale[i] + shift[i];
  else
    for (int64_t i = 0; i < width; ++i) y[i] = (x[i] - mean) * inverse * scale[i];
}

/// All axes from `axis` on are one row, which scale and shift cover.
Refusal supports(const OpSite& site) {
  if (site.outputs.size() > 1) return "more than Y is asked for";
  const Shape& x = site.input_shape(0);
  const auto axis = x.normalize_axis(site.attributes->get_int("axis", -1));
  for (size_t i = 1; i < site.inputs.size(); ++i) {
    if (!site.has_input(i)) continue;
    const Shape row(std::span(x.begin() + *axis, x.end()));
    if (!(site.input_shape(i) == row))
      return fmt::format("{} is {}, not {}", site.schema->inputs[i].name, site.input_shape(i).str(),
                         row.str());
  }
  return not_all_f32(site, 3);
}

class LayerNormalization : public PreparedKernel {
 public:
  explicit LayerNormalization(const OpSite& site) : epsilon_(site.attributes->get_float("epsilon", 1e-5f)) {}

  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const int64_t width = run.site.input_shape(1).elements();
    const float* x = run.inputs[0].span<float>().data();
    const float* scale = run.inputs[1].span<float>().data();
    const float* shift = run.site.has_input(2) ? run.inputs[2].span<float>().data() : nullptr;
    float* y = run.outputs[0].span<float>().data();
    run.threads.parallel_for(elements / width, row_grain(width), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        normalise(x + row * width, scale, shift, y + row * width, width, epsilon_);
    });
  }

 private:
  float epsilon_;
};

std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<LayerNormalization>(site);
}

}  // namespace

extern const Kernel layer_normalization{"layer_normalization", "LayerNormalization", Isa::scalar, supports,
                                        prepare};

}  // namespace halftone::cpu
