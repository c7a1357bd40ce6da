#include <gtest/gtest.h>

#include "device_run.h"
#include "ops/attention/attention.h"

namespace halftone::cuda {
namespace {

/// Scores of up to 64 products of normal numbers, weights and sums in f32.
void expect_close(OpRun& run) {
  const Tensor found = run_on_test_device(cuda_kernel("attention_masked"), run)[0],
               expected = run.reference()[0];
  for (size_t i = 0; i < expected.span<float>().size(); ++i)
    ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], 0x1p-24f * 300) << "element " << i;
}

const Attributes kHeads{{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}};

void fill(OpRun& run, int64_t rows, int64_t keys, int64_t dim = 16) {
  run.drop_outputs(1)
      .input(random_tensor({2, rows, 4 * dim}, 1))
      .input(random_tensor({2, keys, 2 * dim}, 2))
      .input(random_tensor({2, keys, 2 * (dim + 3)}, 3));
}

Tensor bools(const Shape& shape, unsigned seed) {
  const Tensor random = random_tensor(shape, seed);
  Tensor made = Tensor::allocate(DType::boolean, shape);
  for (size_t i = 0; i < random.span<float>().size(); ++i)
    made.mutable_view().span<bool>()[i] = random.span<float>()[i] > 0;
  return made;
}

TEST(CudaMaskedAttention, MasksOfEveryShape) {
  for (const Shape& shape :
       {Shape{2, 4, 6, 150}, Shape{6, 150}, Shape{150}, Shape{2, 1, 1, 150}, Shape{4, 1, 140}}) {
    OpRun added(attention_schema(), kHeads), chosen(attention_schema(), kHeads);
    fill(added, 6, 150);
    fill(chosen, 6, 150);
    added.input(random_tensor(shape, 4));
    chosen.input(bools(shape, 4));
    SCOPED_TRACE(shape.str());
    expect_close(added);
    expect_close(chosen);
  }
}

TEST(CudaMaskedAttention, WhatSeesNothingGivesZero) {
  Tensor mask = random_tensor({6, 20}, 4);
  for (size_t i = 0; i < 40; ++i) mask.mutable_view().span<float>()[i] = -INFINITY;
  OpRun run(attention_schema(), kHeads);
  fill(run, 6, 20);
  run.input(mask);
  expect_close(run);
}

TEST(CudaMaskedAttention, PastAndCausalWindows) {
  for (int64_t window : {0, 5})
    for (float softcap : {0.0f, 2.0f}) {
      const Attributes attributes{{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}},
                                  {"is_causal", int64_t{1}},   {"window", window},
                                  {"softcap", softcap},        {"scale", 0.3f}};
      OpRun run(attention_schema(), attributes);
      fill(run, 7, 7);
      run.absent().input(random_tensor({2, 2, 11, 16}, 5)).input(random_tensor({2, 2, 11, 19}, 6));
      expect_close(run);
    }
}

TEST(CudaMaskedAttention, PaddingIsNotSeen) {
  for (int64_t causal : {0, 1}) {
    OpRun run(attention_schema(),
              {{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}, {"is_causal", causal}});
    fill(run, 3, 9);
    run.absent().absent().absent().input(Tensor::from<int64_t>({2}, {9, 4}));
    expect_close(run);
  }
}

}  // namespace
}  // namespace halftone::cuda
