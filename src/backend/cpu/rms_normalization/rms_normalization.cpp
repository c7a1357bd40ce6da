#include <cmath>

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

/// In lanes, which compilers vectorise; a lane sums at most width / kLanes squares.
float sum_of_squares(const float* x, int64_t width) {
  constexpr int64_t kLanes = 16;
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane] * x[i + lane];
  for (int64_t lane = 0; i + lane < width; ++lane) lanes[lane] += x[i + lane] * x[i + lane];
  float sum = 0;
  for (float lane : lanes) sum += lane;
  return sum;
}

void normalise(const float* x, const float* scale, float* y, int64_t width, float epsilon) {
  const float inverse = 1.0f / std::sqrt(sum_of_squares(x, width) / static_cast<float>(width) + epsilon);
  for (int64_t i = 0; i < width; ++i) y[i] = x[i] * inverse * scale[i];
}

class RmsNormalization : public PreparedKernel {
 public:
  explicit RmsNormalization(const OpSite& site) : epsilon_(site.attributes->get_float("epsilon", 1e-5f)) {}

  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const int64_t width = run.outputs[0].shape.back();
    const float* x = run.inputs[0].span<float>().data();
    const float* scale = run.inputs[1].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    run.threads.parallel_for(elements / width, row_grain(width), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        normalise(x + row * width, scale, y + row * width, width, epsilon_);
    });
  }

 private:
  float epsilon_;
};

class SkipRmsNormalization : public PreparedKernel {
 public:
  explicit SkipRmsNormalization(const OpSite& site)
      : epsilon_(site.attributes->get_float("epsilon", 1e-5f)) {}

  void run(const KernelRun& run) const override {
    const int64_t elements = run.outputs[0].shape.elements();
    if (elements == 0) return;
    const int64_t width = run.outputs[0].shape.back();
    const float* x = run.inputs[0].span<float>().data();
    const float* skip = run.inputs[1].span<float>().data();
    const float* scale = run.inputs[2].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    float* sum = run.outputs[1].span<float>().data();
    run.threads.parallel_for(elements / width, row_grain(width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * width; i < end * width; ++i) sum[i] = x[i] + skip[i];
      for (int64_t row = begin; row < end; ++row)
        normalise(sum + row * width, scale, y + row * width, width, epsilon_);
    });
  }

 private:
  float epsilon_;
};

template <class Made>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<Made>(site);
}

}  // namespace

extern const Kernel rms_normalization{"rms_normalization", "RMSNormalization", Isa::scalar,
                                      rms_normalization_refusal, prepare<RmsNormalization>};
extern const Kernel skip_rms_normalization{"skip_rms_normalization", "SkipRMSNormalization", Isa::scalar,
                                           skip_rms_normalization_refusal, prepare<SkipRmsNormalization>};

}  // namespace halftone::cpu
