#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "scheme/quantize_with_range.h"

namespace halftone {
namespace {

Tensor random_matrix(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.01f, 0.05f);
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  for (float& x : tensor.mutable_view().span<float>()) x = normal(random);
  return tensor;
}

/// Every format, affine too where that differs, under every granularity, plain and double-quantized scales.
std::vector<Encoding> all_encodings() {
  const Granularity granularities[] = {Granularity::per_tensor(),  Granularity::per_axis(0),
                                       Granularity::per_axis(1),   Granularity::per_token(),
                                       Granularity::per_group(32), Granularity::per_group(64),
                                       Granularity::per_group(128)};
  std::vector<Encoding> encodings;
  for (const NumberFormat* format : number_formats())
    for (const Granularity& granularity : granularities) {
      Encoding encoding{.format = format, .granularity = granularity};
      encodings.push_back(encoding);
      if (!format->is_integer()) continue;
      encoding.symmetric = false;
      encodings.push_back(encoding);
      encoding.real_minimum = true;
      encodings.push_back(encoding);
    }
  return encodings;
}

/// The widest step between neighbouring codes, in units of the scale, around a value.
float step_at(const NumberFormat& format, const CodeParams& params, float value) {
  if (format.is_integer()) return 1;
  std::vector<uint8_t> codes(size_t{1} << format.bits());
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i);
  std::vector<float> numbers(codes.size());
  CodeParams unit = params;
  unit.scale = 1;
  format.decode(codes, unit, numbers);
  std::erase_if(numbers, [](float x) { return !std::isfinite(x); });
  std::sort(numbers.begin(), numbers.end());
  const auto above = std::lower_bound(numbers.begin(), numbers.end(), value / params.scale);
  if (above == numbers.begin()) return 2 * (numbers.front() - value / params.scale);
  if (above == numbers.end()) return 2 * (value / params.scale - numbers.back());
  return *above - *(above - 1);
}

TEST(Quantize, EveryEncodingStaysWithinHalfAStep) {
  for (const Shape& shape : {Shape{5, 172}, Shape{3, 7}, Shape{1, 1}, Shape{4, 128}}) {
    const Tensor values = random_matrix(shape, 7);
    const auto original = values.span<float>();
    for (const Encoding& encoding : all_encodings()) {
      const QuantizedTensor coded = quantize(values.view(), encoding, "w");
      ASSERT_EQ(coded.shape(), shape);
      EXPECT_NEAR(static_cast<double>(coded.stored_bytes()) * 8,
                  bits_per_element(encoding, shape) * static_cast<double>(shape.elements()), 1e-6)
          << encoding.str();
      const Tensor decoded = coded.decode();
      const auto back = decoded.span<float>();
      std::vector<float> scales(static_cast<size_t>(coded.grid().groups));
      for (int64_t row = 0; row < shape[0]; ++row) {
        coded.row_scales(row, scales);
        for (int64_t column = 0; column < shape[1]; ++column) {
          const size_t i = static_cast<size_t>(row * shape[1] + column);
          CodeParams params;
          params.scale = scales[static_cast<size_t>(column / coded.grid().group)];
          if (!coded.parts().codebook.empty()) params.codebook = coded.parts().codebook.span<float>();
          const float step = params.scale * step_at(*encoding.format, params, original[i]);
          // A scale in f16 may round down, and the ends of the range then clip by 2^-11 of it.
          const float range = encoding.format->is_integer()
                                  ? params.scale * static_cast<float>(1 << encoding.format->bits())
                                  : std::abs(original[i]);
          const float slack = range * 0x1p-11f + 1e-7f;
          EXPECT_LE(std::abs(original[i] - back[i]), step / 2 + slack)
              << encoding.str() << " " << shape.str() << " element " << i;
        }
      }
    }
  }
}

TEST(Quantize, AffineErrorsAreAtMostHalfAScaleAtTheEdgesToo) {
  std::mt19937 random(8);
  std::uniform_real_distribution<float> uniform(-1, 2);
  Tensor values = Tensor::allocate(DType::f32, {200, 32});
  for (float& x : values.mutable_view().span<float>()) x = uniform(random);
  for (const NumberFormat* format : number_formats()) {
    if (!format->is_integer()) continue;
    Encoding encoding{.format = format, .granularity = Granularity::per_group(32), .symmetric = false};
    encoding.scale_dtype = DType::f32;
    const QuantizedTensor coded = quantize(values.view(), encoding, "w");
    const Tensor back = coded.decode();
    for (int64_t i = 0; i < 6400; ++i) {
      float scale;
      coded.row_scales(i / 32, {&scale, 1});
      const size_t at = static_cast<size_t>(i);
      EXPECT_LE(std::abs(values.span<float>()[at] - back.span<float>()[at]), scale * 0.5001f)
          << format->name();
    }
  }
}

TEST(Quantize, ThreadsChangeNothing) {
  ThreadPool pool(3);
  const Tensor values = random_matrix({37, 172}, 9);
  for (const Encoding& encoding : all_encodings()) {
    const QuantizedTensor one = quantize(values.view(), encoding, "w");
    const QuantizedTensor many = quantize(values.view(), encoding, "w", &pool);
    const auto bytes = [](const Tensor& tensor) {
      const auto view = tensor.view().bytes();
      return std::vector<std::byte>(view.begin(), view.end());
    };
    EXPECT_EQ(bytes(one.parts().codes), bytes(many.parts().codes)) << encoding.str();
    EXPECT_EQ(bytes(one.parts().scales), bytes(many.parts().scales)) << encoding.str();
  }
}

TEST(Quantize, DoubleQuantizationCodesUnderTheScalesThatComeBack) {
  const Tensor values = random_matrix({64, 320}, 10);
  Encoding encoding{.format = find_number_format("nf4"), .granularity = Granularity::per_group(64)};
  const Tensor plain = quantize(values.view(), encoding, "w").decode();
  encoding.double_quant_block = 256;
  const QuantizedTensor nested = quantize(values.view(), encoding, "w");
  const Tensor doubled = nested.decode();
  EXPECT_EQ(nested.parts().nested.absmax.shape(), Shape({2}));
  double plain_error = 0, doubled_error = 0;
  for (size_t i = 0; i < 64 * 320; ++i) {
    plain_error += std::pow(values.span<float>()[i] - plain.span<float>()[i], 2);
    doubled_error += std::pow(values.span<float>()[i] - doubled.span<float>()[i], 2);
  }
  EXPECT_NEAR(doubled_error / plain_error, 1, 0.01);
}

double squared_error(const QuantizedTensor& codes, const Tensor& values) {
  const Tensor back = codes.decode();
  double sum = 0;
  for (size_t i = 0; i < values.span<float>().size(); ++i)
    sum += std::pow(double{back.span<float>()[i]} - double{values.span<float>()[i]}, 2);
  return sum;
}

TEST(Quantize, ASearchForScalesLowersTheErrorOfFewBitsAndNeverRaisesIt) {
  const Tensor values = random_matrix({6, 256}, 4);
  ThreadPool pool(3);
  for (const Encoding& encoding : all_encodings()) {
    const double plain = squared_error(quantize(values.view(), encoding, "w"), values);
    const RangeFit least_error{RangeFit::Kind::least_error};
    const QuantizedTensor searched = quantize_with_range(values.view(), encoding, least_error, "w");
    EXPECT_LE(squared_error(searched, values), plain) << encoding.str();
    const QuantizedTensor parallel = quantize_with_range(values.view(), encoding, least_error, "w", &pool);
    EXPECT_TRUE(
        std::ranges::equal(searched.parts().codes.view().bytes(), parallel.parts().codes.view().bytes()));
    const bool own_scales = searched.grid().rows == searched.rows();
    const bool few_bits = encoding.format->bits() <= 4 && !encoding.format->has_tensor_codebook();
    if (own_scales && few_bits) {
      EXPECT_LT(squared_error(searched, values), plain * 0.98) << encoding.str();
    }
  }
}

TEST(Quantize, PercentilesCutBothEndsOfWhatSharesAScale) {
  Tensor values = Tensor::allocate(DType::f32, {2, 101});
  for (size_t i = 0; i < 101; ++i) {
    values.mutable_view().span<float>()[i] = static_cast<float>(i) - 20;
    values.mutable_view().span<float>()[101 + i] = 2 * (static_cast<float>(i) - 20);
  }
  Encoding encoding{.format = find_number_format("int8"),
                    .granularity = Granularity::per_axis(0),
                    .symmetric = false,
                    .real_minimum = true,
                    .scale_dtype = DType::f32};
  const auto range = [&](size_t scale) {
    const QuantizedTensor coded = quantize_with_range(
        values.view(), encoding, {.kind = RangeFit::Kind::percentile, .percentile = 90}, "w");
    const float minimum = coded.parts().minima.span<float>()[scale];
    return std::pair(minimum, minimum + 255 * coded.parts().scales.span<float>()[scale]);
  };
  // Five of 101 values in each row lie beyond either end.
  EXPECT_FLOAT_EQ(range(0).first, -15);
  EXPECT_FLOAT_EQ(range(0).second, 75);
  EXPECT_FLOAT_EQ(range(1).first, -30);
  EXPECT_FLOAT_EQ(range(1).second, 150);
  encoding.granularity = Granularity::per_tensor();
  EXPECT_FLOAT_EQ(range(0).first, -20);  // 10.05 of the 202 values of both rows are less
  EXPECT_NEAR(range(0).second, 139.9, 1e-3);
}

TEST(Quantize, ReadsAnyFloatingTypeAtAnyAlignment) {
  const Tensor values = random_matrix({3, 40}, 11);
  const Encoding encoding{.format = find_number_format("int8"), .granularity = Granularity::per_axis(0)};
  for (DType dtype : {DType::f16, DType::bf16, DType::f64}) {
    Tensor rounded = Tensor::allocate(dtype, {3, 40});
    store_floats(values.span<float>(), rounded.mutable_view(), 0);
    std::vector<std::byte> shifted(rounded.size_bytes() + 1);
    std::copy_n(rounded.view().data, rounded.size_bytes(), shifted.data() + 1);
    const QuantizedTensor coded = quantize({dtype, {3, 40}, shifted.data() + 1}, encoding, "w");
    const QuantizedTensor same = quantize(to_f32(rounded).view(), encoding, "w");
    EXPECT_EQ(coded.decode().span<float>()[17], same.decode().span<float>()[17]);
  }
  EXPECT_THROW(quantize(Tensor::zeros(DType::i32, {2, 2}).view(), encoding, "w"), UnsupportedError);
}

TEST(Quantize, GroupsOfZerosAndTinyAndHugeNumbers) {
  for (const Encoding& encoding : all_encodings())
    for (float magnitude : {0.0f, 1e-44f, 1e-9f, 3e38f}) {
      const Tensor values =
          Tensor::from<float>({2, 4}, {magnitude, -magnitude, 0, magnitude, 1, 0.5f, 0, -1});
      const QuantizedTensor coded = quantize(values.view(), encoding, "w");
      const Tensor back = coded.decode();
      for (float x : back.span<float>()) EXPECT_TRUE(std::isfinite(x)) << encoding.str() << " " << magnitude;
      if (magnitude == 0 && encoding.granularity.kind == Granularity::Kind::per_group &&
          !encoding.format->has_tensor_codebook()) {
        for (size_t i = 0; i < 4; ++i) EXPECT_EQ(back.span<float>()[i], 0) << encoding.str();
      }
    }
}

TEST(Quantize, EmptyTensors) {
  for (const Encoding& encoding : all_encodings())
    for (const Shape& shape : {Shape{0, 32}, Shape{3, 0}}) {
      const QuantizedTensor coded = quantize(Tensor::zeros(DType::f32, shape).view(), encoding, "w");
      EXPECT_EQ(coded.decode().shape(), shape);
    }
}

TEST(Quantize, NotANumberIsAnErrorThatSaysWhere) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
                    std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
    for (const Encoding& encoding : all_encodings()) {
      Tensor values = random_matrix({4, 50}, 12);
      values.mutable_view().span<float>()[2 * 50 + 41] = bad;
      values.mutable_view().span<float>()[3 * 50] = bad;
      try {
        quantize(values.view(), encoding, "layers.3.up");
        FAIL() << encoding.str();
      } catch (const InputError& error) {
        EXPECT_NE(std::string(error.what()).find("layers.3.up: element [2, 41] is"), std::string::npos)
            << error.what();
      }
    }
}

TEST(RoundScale, NeverInfiniteAndNeverZeroForAPositiveScale) {
  EXPECT_EQ(round_scale(1e6f, DType::f16), 65504.0f);
  EXPECT_EQ(round_scale(65519.9f, DType::f16), 65504.0f);
  EXPECT_EQ(round_scale(1e-30f, DType::f16), 0x1p-24f);
  EXPECT_EQ(round_scale(0x1.4p-24f, DType::f16), 0x1p-23f);
  EXPECT_EQ(round_scale(0x1p-20f, DType::f16), 0x1p-20f);
  EXPECT_EQ(round_scale(0, DType::f16), 0.0f);
  EXPECT_EQ(round_scale(-1e6f, DType::f16), -65504.0f);
  EXPECT_TRUE(std::isfinite(round_scale(std::numeric_limits<float>::max(), DType::bf16)));
  EXPECT_EQ(round_scale(0.1f, DType::f32), 0.1f);
  EXPECT_EQ(round_scale(0.1f, DType::f16), to_float(to_half(0.1f)));
}

}  // namespace
}  // namespace halftone
