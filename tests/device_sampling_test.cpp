#include <cmath>
#include <gtest/gtest.h>

#include "backend/cuda/sampling/sampling.h"
#include "base/error.h"
#include "llm/sampler.h"
#include "op_run.h"
#include "test_device.h"

namespace halftone {
namespace {

using cuda::host::ThreadOrder;

/// Tokens drawn one after another on the host that stands in for a device; the history grows by them.
std::vector<TokenId> drawn(const SamplingOptions& o, const std::vector<std::vector<float>>& logits,
                           std::vector<TokenId> history, ThreadOrder order) {
  const cuda::TestDevice device(order, 5);
  const auto vocabulary = static_cast<int64_t>(logits[0].size());
  EXPECT_EQ(cuda::DeviceSampler::refusal(o, vocabulary), "");
  cuda::DeviceSampler sampler(*device, o, vocabulary);
  std::vector<TokenId> ids;
  for (const std::vector<float>& row : logits) {
    const auto on_device = device->allocate(row.size() * sizeof(float), "logits");
    device->upload(on_device.get(), reinterpret_cast<const std::byte*>(row.data()),
                   row.size() * sizeof(float));
    ids.push_back(sampler.draw(reinterpret_cast<const float*>(on_device.get()), history));
    history.push_back(ids.back());
  }
  return ids;
}

void expect_equal(const SamplingOptions& options, const std::vector<std::vector<float>>& logits) {
  const std::vector<TokenId> history = {1, 5, 5, 3, 100000};
  Sampler sampler(options);
  std::vector<TokenId> expected, seen = history;
  for (const std::vector<float>& row : logits) {
    expected.push_back(sampler.sample(row, seen));
    seen.push_back(expected.back());
  }
  for (ThreadOrder order : {ThreadOrder::forward, ThreadOrder::random})
    EXPECT_EQ(drawn(options, logits, history, order), expected) << "top-k " << options.top_k;
}

std::vector<std::vector<float>> random_logits(int64_t vocabulary, int rows, bool rounded) {
  std::vector<std::vector<float>> logits;
  for (int row = 0; row < rows; ++row) {
    logits.push_back(floats(random_tensor({vocabulary}, static_cast<unsigned>(row + 1), 3)));
    if (rounded)
      for (float& x : logits.back()) x = std::round(x);
  }
  return logits;
}

TEST(DeviceSampling, DrawsWhatTheHostDraws) {
  for (bool rounded : {false, true})
    for (int64_t vocabulary : {50, 5000}) {
      const auto logits = random_logits(vocabulary, 3, rounded);
      for (const SamplingOptions& options :
           {SamplingOptions{}, SamplingOptions{.temperature = 0}, SamplingOptions{.top_k = 1},
            SamplingOptions{.temperature = 2, .top_k = 100, .top_p = 1, .seed = 3},
            SamplingOptions{.temperature = 1, .top_k = 128, .top_p = 0.5f, .min_p = 0.1f, .seed = 4},
            SamplingOptions{.top_p = 0, .repeat_penalty = 1.3f, .seed = 5}})
        expect_equal(options, logits);
    }
  const auto few = random_logits(70, 10, true);
  expect_equal({.temperature = 1.5f, .top_k = 0, .top_p = 0.9f, .seed = 6}, few);
  expect_equal({.temperature = 1.5f, .top_k = 0, .top_p = 1, .seed = 7}, few);
}

TEST(DeviceSampling, SaysWhatIsUnsound) {
  std::vector<float> logits(3000, 0.0f);
  logits[2500] = NAN;
  EXPECT_THROW(drawn({}, {logits}, {}, ThreadOrder::forward), InputError);
  const std::vector<float> nothing(3000, -INFINITY);
  EXPECT_THROW(drawn({}, {nothing}, {}, ThreadOrder::forward), InputError);
  logits[2500] = INFINITY;
  EXPECT_EQ(drawn({}, {logits}, {}, ThreadOrder::forward), (std::vector<TokenId>{2500}));
  EXPECT_NE(cuda::DeviceSampler::refusal({.top_k = 0}, 3000), "");
  EXPECT_NE(cuda::DeviceSampler::refusal({.top_k = 500}, 3000), "");
}

}  // namespace
}  // namespace halftone
