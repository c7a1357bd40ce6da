#include "ops/attention/attention.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// `unit`: to what queries, keys, values and weights are rounded. A score, a scaled sum of dim products of
/// normal numbers, changes by less than 3 units then (four standard deviations of both factors' roundings); a
/// weight by that and half a unit, a value by half: the mean of values that spread by about 1 by less than
/// 5. Without Tensor Cores it is f32's roundings.
void expect_close(OpRun& run, float unit, const char* kernel = "attention_dense") {
  const Tensor stored = run_on_test_device(cuda_kernel(kernel), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found[i], expected[i],
                5 * unit + 0x1p-24f * 300 + rounded_apart(stored.dtype()) * std::fabs(expected[i]))
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

/// Packed heads and heads first; keys and values are read as they lie.
TEST(CudaAttention, OfSixteenBits) {
  for (DType type : {DType::f16, DType::bf16}) {
    const auto fill = [&](OpRun& run, const Shape& q, const Shape& k, const Shape& v) {
      run.drop_outputs(1);
      run.input(as_type(random_tensor(q, 1), type)).input(as_type(random_tensor(k, 2), type));
      run.input(as_type(random_tensor(v, 3), type));
      expect_close(run, rounding_of(type), "attention_dense");
    };
    OpRun packed(attention_schema(), {{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}});
    fill(packed, {2, 21, 4 * 32}, {2, 70, 2 * 32}, {2, 70, 2 * 40});
    OpRun heads_first(attention_schema(), {{"is_causal", int64_t{1}}});
    fill(heads_first, {1, 3, 9, 72}, {1, 1, 13, 72}, {1, 1, 13, 8});
  }
  OpRun uneven(attention_schema());
  for (unsigned i : {1, 2, 3}) uneven.input(as_type(random_tensor({1, 3, 9, 6}, i), DType::f16));
  expect_close(uneven.drop_outputs(1), kHalf);
  OpRun odd(attention_schema());
  for (unsigned i : {1, 2, 3}) odd.input(as_type(random_tensor({1, 3, 9, 7}, i), DType::f16));
  EXPECT_EQ(cuda_kernel("attention_dense").supports(odd.drop_outputs(1).site()), "heads of 7 and 7");
}

TEST(CudaAttention, HeadsOfUpTo512) {
  for (const auto& [type, unit] : {std::pair{DType::f32, kHalf}, {DType::f16, kHalf}, {DType::bf16, 0x1p-8f}})
    for (const auto& [dim, value_dim] : {std::pair{512, 512}, {264, 40}, {72, 320}}) {
      SCOPED_TRACE(fmt::format("{}, heads of {} and {}", dtype_name(type), dim, value_dim));
      OpRun run(attention_schema(), {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{1}}});
      run.drop_outputs(1)
          .input(as_type(random_tensor({2, 35, 2 * dim}, 1), type))
          .input(as_type(random_tensor({2, 70, dim}, 2), type))
          .input(as_type(random_tensor({2, 70, value_dim}, 3), type));
      expect_close(run, unit);
    }
  OpRun causal(attention_schema(), {{"is_causal", int64_t{1}}, {"window", int64_t{40}}, {"softcap", 2.0f}});
  for (unsigned i : {1, 2, 3}) causal.input(random_tensor({1, 1, 100, 510}, i));
  expect_close(causal.drop_outputs(1), kHalf);
}

/// Every seventh position of queries (or keys), and all values, times `large`; the others by so much less.
void large_inputs(OpRun& run, float large, const Shape& q, const Shape& kv, float unit, const char* kernel) {
  const auto scaled = [&](const Shape& shape, unsigned seed, auto factor_of) {
    Tensor made = random_tensor(shape, seed);
    const auto numbers = made.mutable_view().span<float>();
    const auto dim = static_cast<size_t>(shape.back());
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] *= factor_of(i / dim);
    return made;
  };
  run.drop_outputs(1)
      .input(scaled(q, 1, [&](size_t row) { return row % 7 == 3 ? 1 / large : 0.1f / large; }))
      .input(scaled(kv, 2, [&](size_t) { return large; }))
      .input(scaled(kv, 3, [&](size_t row) { return row % 7 == 3 ? large : 1.0f; }));
  const Tensor stored = run_on_test_device(cuda_kernel(kernel), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], 5 * unit * std::max(large, 1.0f)) << "element " << i << ", " << large;
}

TEST(CudaAttention, LargeNumbersStayFinite) {
  for (const float large : {1e5f, 1e8f})
    for (int64_t dim : {32, 72, 200, 300}) {
      OpRun run(attention_schema(), {});
      large_inputs(run, large, {1, 4, 21, dim}, {1, 2, 70, dim}, kHalf, "attention_dense");
      OpRun capped(attention_schema(), {{"softcap", 3.0f}, {"is_causal", int64_t{1}}});
      large_inputs(capped, large, {1, 4, 21, dim}, {1, 2, 70, dim}, kHalf, "attention_dense");
    }
  // Large queries and small keys.
  OpRun run(attention_schema(), {{"scale", -0.2f}});
  large_inputs(run, 1e-7f, {1, 2, 33, 64}, {1, 2, 70, 64}, kHalf, "attention_dense");
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
