#include "ops/attention/attention.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// `unit`: to what queries, keys, values and weights are rounded. A score, a scaled sum of dim products of
/// normal numbers, changes by less than 3 units then (four standard deviations of both factors' roundings); a
/// weight by that and half a unit, a value by half: the mean of values that spread by about 1 by less than
/// 5. Without Tensor Cores it is f32's roundings.
void expect_close(OpRun& run, float unit) {
  const Tensor found = run_on_test_device(cuda_kernel("attention_dense"), run)[0],
               expected = run.reference()[0];
  for (size_t i = 0; i < expected.span<float>().size(); ++i)
    ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], 5 * unit + 0x1p-24f * 300)
        << "element " << i;
}

constexpr float kHalf = 0x1p-11f;

TEST(CudaAttention, EqualsTheReferenceInEveryForm) {
  OpRun packed(attention_schema(), {{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}});
  packed.drop_outputs(1)
      .input(random_tensor({2, 21, 4 * 32}, 1))
      .input(random_tensor({2, 70, 2 * 32}, 2))
      .input(random_tensor({2, 70, 2 * 40}, 3));
  expect_close(packed, kHalf);
  OpRun flat(attention_schema(), {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{2}}});
  flat.drop_outputs(1)
      .input(random_tensor({5, 2 * 64}, 1))
      .input(random_tensor({5, 2 * 64}, 2))
      .input(random_tensor({5, 2 * 64}, 3));
  expect_close(flat, kHalf);
  OpRun heads_first(attention_schema());
  heads_first.drop_outputs(1)
      .input(random_tensor({1, 3, 9, 6}, 1))
      .input(random_tensor({1, 1, 13, 6}, 2))
      .input(random_tensor({1, 1, 13, 10}, 3));
  expect_close(heads_first, kHalf);
}

TEST(CudaAttention, HidesWhatItShould) {
  for (int64_t causal : {0, 1})
    for (int64_t window : {0, 7})
      for (float softcap : {0.0f, 2.0f})
        for (int64_t dim : {16, 7}) {
          OpRun run(attention_schema(), {{"is_causal", causal},
                                         {"window", window},
                                         {"softcap", softcap},
                                         {"scale", 0.3f},
                                         {"q_num_heads", int64_t{2}},
                                         {"kv_num_heads", int64_t{1}}});
          run.drop_outputs(1)
              .input(random_tensor({1, 40, 2 * dim}, 1))
              .input(random_tensor({1, 30, dim}, 2))
              .input(random_tensor({1, 30, dim}, 3));
          expect_close(run, dim % 2 ? 0 : kHalf);
        }
}

}  // namespace
}  // namespace halftone::cuda
