#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

const std::pair<Shape, Shape> kShapes[] = {{{3, 5}, {3, 5}},
                                           {{4, 256}, {4, 256}},
                                           {{4, 64}, {1}},
                                           {{}, {8}},
                                           {{2, 3, 7}, {7}},
                                           {{7}, {2, 3, 7}},
                                           {{2, 3, 8}, {8}},
                                           {{2, 3, 4, 5}, {3, 1, 1}},
                                           {{2, 3, 4, 8}, {3, 1, 1}},
                                           {{2, 1, 4}, {1, 3, 1}},
                                           {{1, 3, 8}, {2, 3, 8}},
                                           {{3, 8, 1}, {3, 1, 8}},
                                           {{2, 1, 3, 1, 2}, {1, 5, 1, 4, 1}},
                                           {{0, 4}, {4}}};

std::vector<std::byte> bytes_of(const Tensor& tensor) {
  return {tensor.view().bytes().begin(), tensor.view().bytes().end()};
}

/// In every bit.
void expect_same(const char* kernel, OpRun& run) {
  EXPECT_EQ(bytes_of(run_on_test_device(cuda_kernel(kernel), run)[0]), bytes_of(run.reference()[0]))
      << kernel;
}

/// Small whole numbers, so that some are equal.
template <class T>
Tensor whole_numbers(const Shape& shape, unsigned seed) {
  const Tensor random = random_tensor(shape, seed, 3);
  Tensor made = Tensor::allocate(DTypeOf<T>::value, shape);
  for (size_t i = 0; i < random.span<float>().size(); ++i)
    made.mutable_view().span<T>()[i] = static_cast<T>(std::round(random.span<float>()[i]));
  return made;
}

TEST(CudaPairs, ArithmeticEqualsTheReferenceExactly) {
  for (const auto& [kernel, op] : {std::pair{"add", "Add"}, {"sub", "Sub"}, {"mul", "Mul"}, {"div", "Div"}})
    for (const auto& [a, b] : kShapes) {
      OpRun run(*find_op(op));
      run.input(random_tensor(a, 1)).input(random_tensor(b, 2));
      EXPECT_EQ(floats(run_on_test_device(cuda_kernel(kernel), run)[0]), floats(run.reference()[0]))
          << kernel << " of " << a.str() << " and " << b.str();
    }
}

TEST(CudaPairs, SixteenBitsEqualTheReferenceExactly) {
  for (DType type : {DType::f16, DType::bf16})
    for (const auto& [kernel, op] : {std::pair{"add", "Add"},
                                     {"sub", "Sub"},
                                     {"mul", "Mul"},
                                     {"div", "Div"},
                                     {"max", "Max"},
                                     {"min", "Min"},
                                     {"sum", "Sum"},
                                     {"equal", "Equal"},
                                     {"less", "Less"},
                                     {"greater_or_equal", "GreaterOrEqual"}})
      for (const auto& [a, b] : kShapes) {
        OpRun run(*find_op(op));
        run.input(as_type(random_tensor(a, 1, 2), type)).input(as_type(random_tensor(b, 2, 2), type));
        expect_same(kernel, run);
      }
  // A sum of three is rounded once.
  OpRun three(*find_op("Sum"));
  for (unsigned i : {1, 2, 3}) three.input(as_type(random_tensor({4}, i), DType::f16));
  EXPECT_EQ(cuda_kernel("sum").supports(three.site()), "3 numbers of f16");
}

TEST(CudaPairs, IntegersEqualTheReference) {
  for (const auto& [kernel, op] : {std::pair{"add", "Add"},
                                   {"sub", "Sub"},
                                   {"mul", "Mul"},
                                   {"div", "Div"},
                                   {"mod", "Mod"},
                                   {"max", "Max"},
                                   {"min", "Min"}})
    for (const auto& [a, b] : kShapes) {
      OpRun longs(*find_op(op)), ints(*find_op(op));
      longs.input(whole_numbers<int64_t>(a, 1)).input(whole_numbers<int64_t>(b, 2));
      ints.input(whole_numbers<int32_t>(a, 1)).input(whole_numbers<int32_t>(b, 2));
      expect_same(kernel, longs);
      expect_same(kernel, ints);
    }
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  for (const char* kernel : {"div", "mod"}) {
    OpRun run(*find_op(kernel == std::string("div") ? "Div" : "Mod"));
    run.input(Tensor::from<int64_t>({4}, {kLeast, kLeast, 7, -7}))
        .input(Tensor::from<int64_t>({4}, {-1, 0, -2, 2}));
    expect_same(kernel, run);
  }
  OpRun remainder(*find_op("Mod"), {{"fmod", int64_t{1}}});
  remainder.input(random_tensor({3, 7}, 1, 9)).input(random_tensor({7}, 2));
  expect_same("mod", remainder);
}

TEST(CudaPairs, TestsEqualTheReference) {
  for (const auto& [kernel, op] : {std::pair{"equal", "Equal"},
                                   {"greater", "Greater"},
                                   {"greater_or_equal", "GreaterOrEqual"},
                                   {"less", "Less"},
                                   {"less_or_equal", "LessOrEqual"}})
    for (const auto& [a, b] : kShapes) {
      OpRun reals(*find_op(op)), ints(*find_op(op)), longs(*find_op(op)), bytes(*find_op(op));
      reals.input(whole_numbers<float>(a, 1)).input(whole_numbers<float>(b, 2));
      ints.input(whole_numbers<int32_t>(a, 1)).input(whole_numbers<int32_t>(b, 2));
      longs.input(whole_numbers<int64_t>(a, 1)).input(whole_numbers<int64_t>(b, 2));
      bytes.input(whole_numbers<uint8_t>(a, 1)).input(whole_numbers<uint8_t>(b, 2));
      for (OpRun* run : {&reals, &ints, &longs, &bytes}) expect_same(kernel, *run);
    }
}

Tensor bools(const Shape& shape, unsigned seed) {
  const Tensor random = random_tensor(shape, seed);
  Tensor made = Tensor::allocate(DType::boolean, shape);
  for (size_t i = 0; i < random.span<float>().size(); ++i)
    made.mutable_view().span<bool>()[i] = random.span<float>()[i] > 0;
  return made;
}

TEST(CudaPairs, LogicEqualsTheReference) {
  for (const auto& [kernel, op] : {std::pair{"and", "And"}, {"or", "Or"}, {"xor", "Xor"}, {"equal", "Equal"}})
    for (const auto& [a, b] : kShapes) {
      OpRun run(*find_op(op));
      run.input(bools(a, 1)).input(bools(b, 2));
      expect_same(kernel, run);
    }
  OpRun negated(*find_op("Not"));
  negated.input(bools({37}, 1));
  expect_same("not", negated);
}

TEST(CudaPairs, SlopesAndExtremesOfFloats) {
  for (const auto& [kernel, op] : {std::pair{"p_relu", "PRelu"}, {"max", "Max"}, {"min", "Min"}})
    for (const Shape& b : {Shape{2, 3, 4, 5}, Shape{3, 1, 1}, Shape{1}}) {
      Tensor x = random_tensor({2, 3, 4, 5}, 1);
      x.mutable_view().span<float>()[3] = NAN;
      OpRun run(*find_op(op));
      run.input(x).input(random_tensor(b, 2));
      expect_same(kernel, run);
    }
}

/// pow errs by 4 ulp on a GPU.
TEST(CudaPairs, PowersOfFloats) {
  Tensor bases = random_tensor({3, 8}, 1);
  for (float& x : bases.mutable_view().span<float>()) x = std::fabs(x) + 0.1f;
  OpRun computed(*find_op("Pow")), square(*find_op("Pow")), longs(*find_op("Pow"));
  computed.input(bases).input(random_tensor({8}, 2, 2));
  square.input(random_tensor({3, 8}, 1)).constant(Constant(Tensor::from<float>({}, {2})));
  longs.input(random_tensor({3, 8}, 1)).constant(Constant(Tensor::from<int64_t>({2, 1, 1}, {3, -2})));
  OpRun halves(*find_op("Pow"));
  halves.input(as_type(random_tensor({3, 8}, 1), DType::f16))
      .constant(Constant(Tensor::from<float>({}, {3})));
  for (OpRun* run : {&computed, &square, &longs, &halves}) {
    const auto found = floats(run_on_test_device(cuda_kernel("pow"), *run)[0]),
               expected = floats(run->reference()[0]);
    const float bound = run == &halves ? 0x1p-10f : 8 * 0x1p-24f;
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(found[i], expected[i], bound * std::fabs(expected[i]));
  }
}

TEST(CudaPairs, FoldsAnyNumberOfInputs) {
  for (const auto& [kernel, op] : {std::pair{"max", "Max"}, {"min", "Min"}, {"sum", "Sum"}, {"mean", "Mean"}})
    for (int count : {1, 2, 4}) {
      OpRun run(*find_op(op));
      for (int i = 0; i < count; ++i) run.input(random_tensor(i == 1 ? Shape{2, 3, 4} : Shape{3, 1}, i + 1));
      expect_same(kernel, run);
    }
}

TEST(CudaPairs, ChannelsLastMeetsOneNumberAChannel) {
  const Storage last{Storage::Order::channels_last, {}};
  for (int64_t channels : {3, 8})
    for (const auto& [kernel, op] : {std::pair{"mul", "Mul"}, {"p_relu", "PRelu"}}) {
      OpRun run(*find_op(op));
      run.stored(random_tensor({2, channels, 4, 5}, 1), last)
          .constant(Constant(random_tensor({channels, 1, 1}, 2)))
          .store_outputs({last});
      expect_same(kernel, run);
    }
}

TEST(CudaWhere, ChoosesElementsOfAnySize) {
  for (const auto& [a, b] : kShapes) {
    const Shape condition = a.rank() > b.rank() ? b : a;
    OpRun reals(*find_op("Where")), longs(*find_op("Where")), bytes(*find_op("Where")),
        halves(*find_op("Where"));
    reals.input(bools(condition, 3)).input(random_tensor(a, 1)).input(random_tensor(b, 2));
    longs.input(bools(condition, 3)).input(whole_numbers<int64_t>(a, 1)).input(whole_numbers<int64_t>(b, 2));
    bytes.input(bools(condition, 3)).input(bools(a, 1)).input(bools(b, 2));
    halves.input(bools(condition, 3))
        .input(as_type(random_tensor(a, 1), DType::f16))
        .input(as_type(random_tensor(b, 2), DType::f16));
    for (OpRun* run : {&reals, &longs, &bytes, &halves}) expect_same("where", *run);
  }
}

}  // namespace
}  // namespace halftone::cuda
