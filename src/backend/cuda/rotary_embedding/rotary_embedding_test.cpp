#include "ops/rotary_embedding/rotary_embedding.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// A product of each pair may be fused with its sum on a GPU: one rounding of either side apart.
void expect_close(OpRun& run) {
  const Tensor found = run_on_test_device(cuda_kernel("rotary_embedding"), run)[0],
               expected = run.reference()[0];
  for (size_t i = 0; i < expected.span<float>().size(); ++i) {
    const float f = found.span<float>()[i], e = expected.span<float>()[i];
    if (std::isnan(e))
      ASSERT_TRUE(std::isnan(f)) << "element " << i;
    else
      ASSERT_NEAR(f, e, 0x1p-24f * 16) << "element " << i;
  }
}

TEST(CudaRotaryEmbedding, TurnsTheFlatForm) {
  for (int64_t interleaved : {0, 1})
    for (int64_t rotary : {0, 6}) {
      OpRun run(rotary_embedding_schema(),
                {{"num_heads", int64_t{3}}, {"interleaved", interleaved}, {"rotary_embedding_dim", rotary}});
      const int64_t half = rotary ? rotary / 2 : 5;
      run.input(random_tensor({4, 30}, 1))
          .input(random_tensor({9, half}, 2))
          .input(random_tensor({9, half}, 3))
          .input(Tensor::from<int64_t>({4}, {0, 8, 9, -1}));  // two outside the tables: NaN
      expect_close(run);
    }
}

TEST(CudaRotaryEmbedding, TurnsTheOtherForms) {
  OpRun packed(rotary_embedding_schema(), {{"num_heads", int64_t{2}}});
  packed.input(random_tensor({2, 3, 20}, 1))
      .input(random_tensor({9, 5}, 2))
      .input(random_tensor({9, 5}, 3))
      .input(Tensor::from<int32_t>({2, 3}, {1, 2, 3, 0, 7, 8}));
  expect_close(packed);
  OpRun heads_first(rotary_embedding_schema());
  heads_first.input(random_tensor({2, 3, 4, 6}, 1))
      .input(random_tensor({2, 4, 3}, 2))
      .input(random_tensor({2, 4, 3}, 3));
  expect_close(heads_first);
  OpRun many(rotary_embedding_schema(), {{"num_heads", int64_t{7}}});
  many.input(random_tensor({2, 7 * 64}, 1)).input(random_tensor({2, 32}, 2)).input(random_tensor({2, 32}, 3));
  expect_close(many);
}

}  // namespace
}  // namespace halftone::cuda
