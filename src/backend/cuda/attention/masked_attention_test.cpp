#include <gtest/gtest.h>
#include <limits>

#include "device_run.h"
#include "ops/attention/attention.h"

namespace halftone::cuda {
namespace {

/// Few queries: scores of up to 64 products of normal numbers, weights and sums in f32. More go by Tensor
/// Cores, see attention_test.cpp for the bound; a mask's numbers are added in f32.
void expect_close(OpRun& run, float unit) {
  const Tensor stored = run_on_test_device(cuda_kernel("attention_masked"), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found[i], expected[i],
                5 * unit + 0x1p-24f * 300 + rounded_apart(stored.dtype()) * std::fabs(expected[i]))
        << "element " << i;
}
constexpr float kHalf = 0x1p-11f;
struct Rows {
  int64_t rows;
  float unit;
};
constexpr Rows kFewAndMany[] = {{3, 0}, {33, kHalf}};

const Attributes kHeads{{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}};

void fill(OpRun& run, int64_t rows, int64_t keys, int64_t dim = 16, DType type = DType::f32) {
  run.drop_outputs(1)
      .input(as_type(random_tensor({2, rows, 4 * dim}, 1), type))
      .input(as_type(random_tensor({2, keys, 2 * dim}, 2), type))
      .input(as_type(random_tensor({2, keys, 2 * (dim + 4)}, 3), type));
}

Tensor bools(const Shape& shape, unsigned seed) {
  const Tensor random = random_tensor(shape, seed);
  Tensor made = Tensor::allocate(DType::boolean, shape);
  for (size_t i = 0; i < random.span<float>().size(); ++i)
    made.mutable_view().span<bool>()[i] = random.span<float>()[i] > 0;
  return made;
}

TEST(CudaMaskedAttention, MasksOfEveryShape) {
  for (const auto& [rows, unit] : kFewAndMany)
    for (const Shape& shape :
         {Shape{2, 4, rows, 90}, Shape{rows, 90}, Shape{90}, Shape{2, 1, 1, 90}, Shape{4, 1, 80}}) {
      OpRun added(attention_schema(), kHeads), chosen(attention_schema(), kHeads);
      fill(added, rows, 90);
      fill(chosen, rows, 90);
      added.input(random_tensor(shape, 4));
      chosen.input(bools(shape, 4));
      SCOPED_TRACE(fmt::format("{} rows, mask {}", rows, shape.str()));
      expect_close(added, unit);
      expect_close(chosen, unit);
    }
}

TEST(CudaMaskedAttention, HeadsOfEveryLength) {
  for (const auto& [dim, unit] :
       {std::pair{int64_t{62}, kHalf}, {72, kHalf}, {130, kHalf}, {400, kHalf}, {7, 0.0f}}) {
    SCOPED_TRACE(dim);
    OpRun run(attention_schema(), kHeads);
    fill(run, 20, 40, dim);
    run.input(random_tensor({20, 40}, 4));
    expect_close(run, unit);
  }
}

/// Keys and values where they lie, behind a past, and with pieces that are no multiple of 16 bytes.
TEST(CudaMaskedAttention, OfSixteenBits) {
  for (DType type : {DType::f16, DType::bf16})
    for (const auto& [rows, few] : {std::pair{int64_t{3}, true}, {33, false}})
      for (int64_t dim : {12, 14, 300}) {
        SCOPED_TRACE(fmt::format("{}, {} rows, heads of {}", dtype_name(type), rows, dim));
        const float unit = few ? 0 : rounding_of(type);
        OpRun added(attention_schema(), kHeads), chosen(attention_schema(), kHeads);
        fill(added, rows, 90, dim, type);
        fill(chosen, rows, 90, dim, type);
        expect_close(added.input(as_type(random_tensor({rows, 90}, 4), type)), unit);
        expect_close(chosen.input(bools({2, 1, rows, 90}, 4)), unit);
        OpRun past(attention_schema(), kHeads);
        fill(past, rows, rows, dim, type);
        past.absent().input(as_type(random_tensor({2, 2, 11, dim}, 5), type));
        expect_close(past.input(as_type(random_tensor({2, 2, 11, dim + 4}, 6), type)), unit);
        OpRun padded(attention_schema(), kHeads);
        fill(padded, rows, 80, dim, type);
        padded.absent().absent().absent().input(Tensor::from<int64_t>({2}, {80, 4}));
        expect_close(padded, unit);
      }
}

TEST(CudaMaskedAttention, LargeNumbersStayFinite) {
  for (const float large : {1e5f, 1e8f})
    for (int64_t past : {0, 5}) {
      const auto scaled = [](const Shape& shape, unsigned seed, float by, float by_seventh) {
        Tensor made = random_tensor(shape, seed);
        const auto numbers = made.mutable_view().span<float>();
        for (size_t i = 0; i < numbers.size(); ++i)
          numbers[i] *= i / static_cast<size_t>(shape.back()) % 7 == 3 ? by_seventh : by;
        return made;
      };
      OpRun run(attention_schema());
      run.drop_outputs(1)
          .input(scaled({1, 2, 21, 40}, 1, 0.1f / large, 1 / large))
          .input(scaled({1, 1, 30, 40}, 2, large, large))
          .input(scaled({1, 1, 30, 40}, 3, 1, large))
          .input(random_tensor({21, 30 + past}, 4));
      if (past > 0)
        run.input(scaled({1, 1, past, 40}, 5, large, 0.1f)).input(scaled({1, 1, past, 40}, 6, 1, large));
      const auto found = floats(run_on_test_device(cuda_kernel("attention_masked"), run)[0]),
                 expected = floats(run.reference()[0]);
      for (size_t i = 0; i < expected.size(); ++i)
        ASSERT_NEAR(found[i], expected[i], 5 * kHalf * large) << "element " << i << ", " << large;
    }
}

TEST(CudaMaskedAttention, WhatSeesNothingGivesZero) {
  for (const auto& [rows, unit] : kFewAndMany) {
    Tensor mask = random_tensor({rows, 20}, 4);
    for (size_t i = 0; i < 40; ++i) mask.mutable_view().span<float>()[i] = -INFINITY;
    OpRun run(attention_schema(), kHeads);
    fill(run, rows, 20);
    run.input(mask);
    expect_close(run, unit);
  }
}

TEST(CudaMaskedAttention, LeastNumbersHideButInARowOfTheirOwn) {
  for (const auto& [rows, unit] : kFewAndMany) {
    Tensor mask = random_tensor({rows, 90}, 4);
    const auto numbers = mask.mutable_view().span<float>();
    for (size_t i = 0; i < 90 + 70; ++i) numbers[i] = std::numeric_limits<float>::lowest();
    OpRun run(attention_schema(), kHeads);
    fill(run, rows, 90);
    run.input(mask);
    expect_close(run, unit);
  }
}

TEST(CudaMaskedAttention, PastAndCausalWindows) {
  for (const auto& [rows, unit] : kFewAndMany)
    for (int64_t window : {0, 5})
      for (float softcap : {0.0f, 2.0f}) {
        const Attributes attributes{{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}},
                                    {"is_causal", int64_t{1}},   {"window", window},
                                    {"softcap", softcap},        {"scale", 0.3f}};
        OpRun run(attention_schema(), attributes);
        fill(run, rows, rows);
        run.absent().input(random_tensor({2, 2, 11, 16}, 5)).input(random_tensor({2, 2, 11, 20}, 6));
        expect_close(run, unit);
      }
}

TEST(CudaMaskedAttention, PaddingIsNotSeen) {
  for (const auto& [rows, unit] : kFewAndMany)
    for (int64_t causal : {0, 1}) {
      OpRun run(attention_schema(),
                {{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}, {"is_causal", causal}});
      fill(run, rows, 80);
      run.absent().absent().absent().input(Tensor::from<int64_t>({2}, {80, 4}));
      expect_close(run, unit);
    }
}

}  // namespace
}  // namespace halftone::cuda
