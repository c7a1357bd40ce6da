#include "ops/rotary_embedding/rotary_embedding.h"

#include <cmath>

#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

void turn_halves(const float* x, const float* cosine, const float* sine, float* y, int64_t half) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i];
    const float b = x[i + half];
    y[i] = cosine[i] * a - sine[i] * b;
    y[i + half] = sine[i] * a + cosine[i] * b;
  }
}

void turn_neighbours(const float* x, const float* cosine, const float* sine, float* y, int64_t half) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    y[2 * i] = cosine[i] * a - sine[i] * b;
    y[2 * i + 1] = sine[i] * a + cosine[i] * b;
  }
}

class RotaryEmbedding : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    const RotaryExtent extent = rotary_extent(run.site);
    const float* x = run.inputs[0].span<float>().data();
    const float* cosine = run.inputs[1].span<float>().data();
    const float* sine = run.inputs[2].span<float>().data();
    float* y = run.outputs[0].span<float>().data();
    const int64_t half = extent.rotary / 2;
    const auto turn = extent.interleaved ? turn_neighbours : turn_halves;
    const int64_t grain = row_grain(extent.heads * extent.head_dim);
    run.threads.parallel_for(extent.batch * extent.length, grain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t line = rotary_cache_row(extent, run.inputs, row);
        for (int64_t head = 0; head < extent.heads; ++head) {
          const float* from = x + extent.offset(row, head);
          float* to = y + extent.offset(row, head);
          if (line >= 0)
            turn(from, cosine + line * half, sine + line * half, to, half);
          else
            for (int64_t i = 0; i < extent.rotary; ++i) to[i] = NAN;
          for (int64_t i = extent.rotary; i < extent.head_dim; ++i) to[i] = from[i];
        }
      }
    });
  }
};

Refusal supports(const OpSite& site) {
  return not_all_f32(site, 3);
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<RotaryEmbedding>();
}

}  // namespace

extern const Kernel rotary_embedding{"rotary_embedding", "RotaryEmbedding", Isa::scalar, supports, prepare};

}  // namespace halftone::cpu
