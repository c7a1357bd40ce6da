#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// Values on both sides of every map's joints, in its domain or (NaN expected) outside.
Tensor samples(int64_t count, float low, float high) {
  Tensor x = Tensor::allocate(DType::f32, {count});
  const auto to = x.mutable_view().span<float>();
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = low + (high - low) * static_cast<float>(i) / static_cast<float>(std::max<int64_t>(count - 1, 1));
  if (count > 8) {
    to[1] = 0;
    to[2] = -0.0f;
    to[3] = NAN;
  }
  return x;
}

/// Functions of the mathematical library err by 4 ulp at most (device/functions.h); maps made of several of
/// them, a few times that, of numbers up to 1 besides. Where that carries a number over the middle between
/// two of 16 bits, these are two roundings apart.
void expect_close(OpRun& run, const char* kernel) {
  const Tensor stored = run_on_test_device(cuda_kernel(kernel), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  const float apart = rounded_apart(stored.dtype());
  for (size_t i = 0; i < expected.size(); ++i) {
    const float f = found[i], e = expected[i];
    if (std::isnan(e) || std::isinf(e))
      ASSERT_TRUE(std::isnan(e) ? std::isnan(f) : f == e) << kernel << ", element " << i;
    else
      ASSERT_NEAR(f, e, 12 * 0x1p-24f * (std::fabs(e) + 1) + apart * std::fabs(e))
          << kernel << ", element " << i;
  }
}

TEST(CudaMaps, EqualTheReference) {
  struct Case {
    const char *kernel, *op;
    float low = -4, high = 4;
  };
  constexpr Case kCases[] = {{"abs", "Abs"},
                             {"acos", "Acos", -1.1f, 1},
                             {"acosh", "Acosh", 0.9f, 9},
                             {"asin", "Asin", -1.1f, 1},
                             {"asinh", "Asinh"},
                             {"atan", "Atan"},
                             {"atanh", "Atanh", -0.9f, 0.9f},
                             {"ceil", "Ceil"},
                             {"celu", "Celu"},
                             {"cos", "Cos", -300, 300},
                             {"cosh", "Cosh"},
                             {"elu", "Elu"},
                             {"erf", "Erf"},
                             {"exp", "Exp", -120, 3},
                             {"floor", "Floor"},
                             {"log", "Log", -0.1f, 50},
                             {"mish", "Mish"},
                             {"neg", "Neg"},
                             {"reciprocal", "Reciprocal"},
                             {"relu", "Relu"},
                             {"round", "Round"},
                             {"selu", "Selu"},
                             {"sign", "Sign"},
                             {"sin", "Sin", -300, 300},
                             {"sinh", "Sinh"},
                             {"softplus", "Softplus"},
                             {"softsign", "Softsign"},
                             {"sqrt", "Sqrt", -1, 50},
                             {"tan", "Tan", -1.5f, 1.5f},
                             {"thresholded_relu", "ThresholdedRelu"}};
  for (const Case& c : kCases)
    for (DType type : kFloatTypes)
      for (int64_t count : {1, 7, 1025}) {
        OpRun run(*find_op(c.op));
        run.input(as_type(samples(count, c.low, c.high), type));
        expect_close(run, c.kernel);
      }
}

TEST(CudaMaps, TakeTheirAttributes) {
  for (const auto& [kernel, op] : {std::pair{"celu", "Celu"},
                                   {"elu", "Elu"},
                                   {"selu", "Selu"},
                                   {"thresholded_relu", "ThresholdedRelu"}}) {
    OpRun run(*find_op(op), {{"alpha", 0.3f}});
    run.input(samples(40, -3, 3));
    expect_close(run, kernel);
  }
}

TEST(CudaMaps, ChannelsLastGoesTheSameWay) {
  const Storage last{Storage::Order::channels_last, {}};
  OpRun run(*find_op("Relu"));
  run.stored(random_tensor({2, 3, 4, 5}, 1), last).store_outputs({last});
  expect_close(run, "relu");
}

TEST(CudaMaps, ClipWithAndWithoutEnds) {
  for (bool low : {false, true})
    for (bool high : {false, true}) {
      OpRun run(*find_op("Clip"));
      run.input(samples(39, -3, 3));
      if (low)
        run.constant(Constant(Tensor::from<float>({}, {-0.5f})));
      else
        run.absent();
      if (high) run.input(Tensor::from<float>({1}, {1.25f}));
      expect_close(run, "clip");
    }
  OpRun halves(*find_op("Clip"));
  halves.input(as_type(samples(39, -3, 3), DType::f16))
      .absent()
      .constant(Constant(as_type(Tensor::from<float>({}, {1.25f}), DType::f16)));
  expect_close(halves, "clip");
}

template <class T>
void expect_same_integers(const char* kernel, const char* op) {
  OpRun run(*find_op(op));
  run.input(
      Tensor::from<T>({7}, {0, 5, -5, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), 1, -1}));
  EXPECT_EQ(values<T>(run_on_test_device(cuda_kernel(kernel), run)[0]), values<T>(run.reference()[0])) << op;
}

TEST(CudaMaps, IntegersWrapAround) {
  for (const auto& [kernel, op] :
       {std::pair{"abs", "Abs"}, {"neg", "Neg"}, {"relu", "Relu"}, {"sign", "Sign"}}) {
    expect_same_integers<int32_t>(kernel, op);
    expect_same_integers<int64_t>(kernel, op);
  }
  OpRun clip(*find_op("Clip"));
  clip.input(Tensor::from<int64_t>({5}, {-9, -1, 0, 1, 9})).absent().ints({2});
  EXPECT_EQ(values<int64_t>(run_on_test_device(cuda_kernel("clip"), clip)[0]),
            values<int64_t>(clip.reference()[0]));
}

}  // namespace
}  // namespace halftone::cuda
