#include <bit>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

#include "kernel_run.h"
#include "ops/onnx_type.h"

namespace halftone {
namespace {

void expect_same(const Tensor& x, DType to) {
  ThreadPool threads(2);
  OpRun run(*find_op("Cast"), {{"to", onnx_from_dtype(to)}});
  run.input(x);
  const auto expected = floats(run.reference()[0]);
  int kernels = 0;
  for (const Kernel* kernel : cpu_kernels("Cast")) {
    if (!kernel->supports(run.site()).empty()) continue;
    ++kernels;
    const auto found = floats(run_kernel(*kernel, run, threads)[0]);
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_TRUE(std::isnan(expected[i])
                      ? std::isnan(found[i])
                      : found[i] == expected[i] && std::signbit(found[i]) == std::signbit(expected[i]))
          << kernel->name << " to " << dtype_name(to) << ", element " << i << ": " << found[i] << ", not "
          << expected[i];
  }
  EXPECT_GT(kernels, 0);
}

TEST(CpuCast, WidensEveryNumberOfSixteenBits) {
  for (DType type : {DType::f16, DType::bf16}) {
    Tensor all = Tensor::allocate(type, {65536});
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      const auto number = static_cast<uint16_t>(bits);
      std::memcpy(all.mutable_view().data + 2 * size_t{bits}, &number, 2);
    }
    expect_same(all, DType::f32);
  }
}

/// Numbers of every size, the middles between two of 16 bits among them, and rows of every length.
TEST(CpuCast, RoundsToTheNearest) {
  Tensor x = Tensor::allocate(DType::f32, {1 << 18});
  const auto to = x.mutable_view().span<float>();
  for (size_t i = 0; i < to.size(); ++i) {
    const uint32_t bits = static_cast<uint32_t>(i << 14) | (i % 3 == 0 ? 0u : i % 3 == 1 ? 0x1000u : 0x3fffu);
    to[i] = std::bit_cast<float>(bits);
  }
  for (DType type : {DType::f16, DType::bf16}) {
    expect_same(x, type);
    for (int64_t length = 1; length < 20; ++length) {
      expect_same(random_tensor({length}, 3), type);
      expect_same(as_type(random_tensor({length}, 3), type), DType::f32);
    }
    expect_same(as_type(random_tensor({37}, 3), type), type == DType::f16 ? DType::bf16 : DType::f16);
  }
}

TEST(CpuCast, TakesIntegersAndTruth) {
  Tensor x = random_tensor({3, 7001}, 1, 300);
  const auto numbers = x.mutable_view().span<float>();
  const float special[] = {NAN, INFINITY, -INFINITY, -3e20f, 0, 255.9f, 256};
  std::copy(std::begin(special), std::end(special), numbers.begin());
  constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16,   DType::i32,
                              DType::i64, DType::u8,  DType::boolean};
  for (DType from : kTypes) {
    OpRun first(*find_op("Cast"), {{"to", onnx_from_dtype(from)}});
    const Tensor source = first.input(x).reference()[0];
    for (DType to : kTypes) {
      if (is_float(to)) {
        expect_same(source, to);
        continue;
      }
      ThreadPool threads(2);
      OpRun run(*find_op("Cast"), {{"to", onnx_from_dtype(to)}});
      const Tensor expected = run.input(source).reference()[0];
      const Tensor found = run_kernel(*cpu_kernels("Cast").back(), run, threads)[0];
      EXPECT_TRUE(std::equal(found.view().bytes().begin(), found.view().bytes().end(),
                             expected.view().bytes().begin()))
          << dtype_name(from) << " to " << dtype_name(to);
    }
  }
}

}  // namespace
}  // namespace halftone
