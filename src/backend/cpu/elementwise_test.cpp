#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

/// Elements of y against the reference: within `absolute` times the size of the inputs at hand.
void expect_close(const Tensor& found, const Tensor& expected, float relative, float absolute,
                  std::string_view kernel) {
  ASSERT_EQ(found.shape(), expected.shape());
  const auto a = found.span<float>();
  const auto b = expected.span<float>();
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_NEAR(a[i], b[i], relative * std::fabs(b[i]) + absolute) << kernel << ", element " << i;
}

const std::vector<Shape>& odd_shapes() {
  static const std::vector<Shape> shapes = {{1}, {7}, {16}, {3, 5}, {2, 31}, {1, 100}, {40, 1000}};
  return shapes;
}

TEST(CpuActivations, EqualTheReference) {
  ThreadPool threads(2);
  // 4 roundings of the result, and the erf polynomial's 1.5e-7 times x where x * Phi(x) cancels.
  constexpr float kRelative = 4 * 0x1p-23f, kAbsolute = 8 * 2e-7f;
  struct Case {
    const char* op;
    Attributes attributes;
    int inputs;
  };
  for (const Case& test :
       {Case{"Sigmoid", {}, 1}, Case{"Tanh", {}, 1}, Case{"Swish", {}, 1},
        Case{"Swish", {{"alpha", 1.7f}}, 1}, Case{"Gelu", {}, 1},
        Case{"Gelu", {{"approximate", std::string("tanh")}}, 1}, Case{"GatedActivation", {}, 2},
        Case{"GatedActivation", {{"activation", std::string("gelu")}}, 2},
        Case{"GatedActivation", {{"activation", std::string("gelu_tanh")}}, 2}})
    for (const Shape& shape : odd_shapes()) {
      OpRun run(*find_op(test.op), test.attributes);
      run.input(random_tensor(shape, 1, 3));
      if (test.inputs > 1) run.input(random_tensor(shape, 2));
      const Tensor expected = run.reference()[0];
      for (const Kernel* kernel : float_kernels(test.op))
        expect_close(run_kernel(*kernel, run, threads)[0], expected, 2 * kRelative, kAbsolute, kernel->name);
    }
}

TEST(CpuActivations, HoldAtTheEnds) {
  ThreadPool threads(1);
  for (const Kernel* kernel : float_kernels("Sigmoid")) {
    OpRun run(*find_op("Sigmoid"));
    run.input(Tensor::from<float>({6}, {-1000, -88.5f, 88.5f, 1000, -INFINITY, NAN}));
    const std::vector<float> y = floats(run_kernel(*kernel, run, threads)[0]);
    EXPECT_EQ(y[0], 0) << kernel->name;
    EXPECT_NEAR(y[1], 0, 1e-37) << kernel->name;
    EXPECT_EQ(y[2], 1) << kernel->name;
    EXPECT_EQ(y[3], 1) << kernel->name;
    EXPECT_EQ(y[4], 0) << kernel->name;
    EXPECT_TRUE(std::isnan(y[5])) << kernel->name;
  }
}

TEST(CpuSoftmax, EqualsTheReference) {
  ThreadPool threads(2);
  for (const Shape& shape : odd_shapes()) {
    OpRun run(*find_op("Softmax"));
    run.input(random_tensor(shape, 1, 5));
    const Tensor expected = run.reference()[0];
    // The sum of n terms carries up to n / 16 roundings in a lane and those of the lanes.
    const float relative = static_cast<float>(shape.back() / 4 + 24) * 0x1p-24f;
    for (const Kernel* kernel : float_kernels("Softmax"))
      expect_close(run_kernel(*kernel, run, threads)[0], expected, relative + 4 * 0x1p-23f * 5, 1e-37f,
                   kernel->name);
  }
}

TEST(CpuSoftmax, EqualsTheReferenceOnAnyAxis) {
  ThreadPool threads(2);
  for (const char* op : {"Softmax", "LogSoftmax"})
    for (const Shape& shape :
         {Shape{1, 1, 1}, Shape{3, 21, 5}, Shape{2, 16, 300}, Shape{5, 3, 129}, Shape{2, 70, 8}})
      for (int64_t axis : {0, 1, 2}) {
        OpRun run(*find_op(op), {{"axis", axis}});
        run.input(random_tensor(shape, 1, 5));
        const Tensor expected = run.reference()[0];
        // Up to n roundings of the sum; a logarithm up to 40 has those of its size.
        const float relative = static_cast<float>(shape[static_cast<int>(axis)] + 24) * 0x1p-24f;
        for (const Kernel* kernel : float_kernels(op))
          expect_close(run_kernel(*kernel, run, threads)[0], expected, relative + 4 * 0x1p-23f * 5,
                       op[0] == 'L' ? 4e-6f : 1e-37f, kernel->name);
      }
}

TEST(CpuNorms, EqualTheReference) {
  ThreadPool threads(2);
  for (const Shape& shape :
       {Shape{1, 1}, Shape{1, 7}, Shape{3, 16}, Shape{2, 100}, Shape{5, 4096}, Shape{2, 3, 64}}) {
    const Tensor x = random_tensor(shape, 1);
    const Tensor scale = random_tensor({shape.back()}, 3);
    // A lane sums width / 16 squares, all of one sign; the rest are a handful of roundings.
    const float relative = static_cast<float>(shape.back() / 16 + 16 + 8) * 0x1p-24f;
    OpRun norm(*find_op("RMSNormalization"), {{"epsilon", 1e-5f}});
    norm.input(x).input(scale);
    for (const Kernel* kernel : float_kernels("RMSNormalization"))
      expect_close(run_kernel(*kernel, norm, threads)[0], norm.reference()[0], relative, 1e-30f,
                   kernel->name);
    OpRun skip(*find_op("SkipRMSNormalization"), {{"epsilon", 1e-6f}});
    skip.input(x).input(random_tensor(shape, 2)).input(scale);
    for (const Kernel* kernel : float_kernels("SkipRMSNormalization")) {
      const auto found = run_kernel(*kernel, skip, threads);
      const auto expected = skip.reference();
      expect_close(found[0], expected[0], relative, 1e-30f, kernel->name);
      EXPECT_EQ(floats(found[1]), floats(expected[1]));
    }
  }
}

TEST(CpuRotaryEmbedding, EqualsTheReference) {
  ThreadPool threads(2);
  constexpr int64_t kHeads = 3, kDim = 10;
  const Tensor positions = Tensor::from<int64_t>({2, 3}, {0, 4, 2, 7, 8, -1});
  for (int64_t interleaved : {0, 1})
    for (int64_t rotary : {0, 4}) {
      const int64_t half = (rotary ? rotary : kDim) / 2;
      const Tensor cosine = random_tensor({8, half}, 2);
      const Tensor sine = random_tensor({8, half}, 3);
      for (const Shape& shape :
           {Shape{2, 3, kHeads * kDim}, Shape{2, kHeads, 3, kDim}, Shape{6, kHeads * kDim}}) {
        OpRun run(*find_op("RotaryEmbedding"),
                  {{"num_heads", kHeads}, {"interleaved", interleaved}, {"rotary_embedding_dim", rotary}});
        run.input(random_tensor(shape, 1)).input(cosine).input(sine);
        run.input(shape.rank() == 2 ? positions.reshaped({6}) : positions);
        const std::vector<float> expected = floats(run.reference()[0]);
        const std::vector<float> found =
            floats(run_kernel(*float_kernels("RotaryEmbedding")[0], run, threads)[0]);
        for (size_t i = 0; i < found.size(); ++i) {
          EXPECT_EQ(std::isnan(found[i]), std::isnan(expected[i]));
          // Two products of numbers of normal size and their sum, fused or not.
          if (!std::isnan(found[i])) {
            EXPECT_NEAR(found[i], expected[i], 4 * 4 * 0x1p-23f);
          }
        }
      }
    }
}

TEST(CpuGather, EqualsTheReference) {
  ThreadPool threads(2);
  const Tensor indices = Tensor::from<int64_t>({2, 3}, {0, 4, -1, 2, 5, -6});
  auto same = [&](OpRun& run) {
    const Tensor expected = run.reference()[0];
    const Tensor found = run_kernel(*float_kernels("Gather")[0], run, threads)[0];
    EXPECT_EQ(found.dtype(), expected.dtype());
    EXPECT_TRUE(std::equal(found.view().bytes().begin(), found.view().bytes().end(),
                           expected.view().bytes().begin()));
  };
  const Tensor table = random_tensor({5, 33}, 1);
  for (DType type : {DType::f32, DType::f16, DType::bf16})
    for (int64_t to : {0, 1}) {
      OpRun run(*find_op("Gather"), {{"to", to}});
      run.input(as_type(table, type)).input(indices);
      same(run);
    }
  OpRun integers(*find_op("Gather"));
  integers.input(Tensor::from<int32_t>({5}, {1, 2, 3, 4, 5})).input(indices);
  same(integers);
  Constant encoded(table);
  encoded.set_encoding({find_number_format("int4"), Granularity::per_group(32)});
  OpRun quantized(*find_op("Gather"));
  quantized.constant(encoded).input(indices);
  same(quantized);
}

}  // namespace
}  // namespace halftone
