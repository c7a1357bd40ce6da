#include "scheme/quantized_tensor.h"

#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

#include "base/error.h"

namespace halftone {
namespace {

Encoding int4_groups(bool symmetric = false) {
  return {.format = find_number_format("int4"),
          .granularity = Granularity::per_group(32),
          .symmetric = symmetric};
}

QuantizedTensor::Parts valid_parts(const Encoding& encoding) {
  Tensor values = Tensor::allocate(DType::f32, {6, 50});
  float x = -1;
  for (float& value : values.mutable_view().span<float>()) value = x += 0.01f;
  return quantize(values.view(), encoding, "w").parts();
}

TEST(QuantizedTensor, RowsAndSlices) {
  for (const Encoding& encoding :
       {int4_groups(),
        Encoding{.format = find_number_format("int3"), .granularity = Granularity::per_axis(1)},
        Encoding{.format = find_number_format("quantile4"), .granularity = Granularity::per_tensor()}}) {
    const QuantizedTensor whole(valid_parts(encoding), "w");
    const QuantizedTensor slice = whole.slice_rows(2, 5);
    EXPECT_EQ(slice.shape(), Shape({3, 50}));
    EXPECT_EQ(slice.parts().codes.view().data - whole.parts().codes.view().data,
              2 * whole.parts().codes.shape()[1]);
    std::vector<float> expected(50), found(50);
    for (int64_t row = 0; row < 3; ++row) {
      whole.decode_row(row + 2, expected);
      slice.decode_row(row, found);
      EXPECT_EQ(expected, found) << encoding.str();
    }
    EXPECT_NO_THROW(QuantizedTensor(slice.parts(), "slice"));
  }
}

TEST(QuantizedTensor, CodesAndZerosAsStored) {
  const QuantizedTensor affine(valid_parts(int4_groups()), "w");
  std::vector<uint8_t> codes(50);
  std::vector<float> scales(2), values(50);
  std::vector<int32_t> zeros(2);
  affine.row_codes(4, codes);
  affine.row_scales(4, scales);
  affine.row_zeros(4, zeros);
  affine.decode_row(4, values);
  for (size_t c = 0; c < 50; ++c)
    EXPECT_EQ(values[c], static_cast<float>(codes[c] - zeros[c / 32]) * scales[c / 32]);

  const QuantizedTensor symmetric(valid_parts(int4_groups(true)), "w");
  symmetric.row_zeros(0, zeros);
  EXPECT_EQ(zeros, (std::vector<int32_t>{8, 8}));
  EXPECT_TRUE(symmetric.parts().zeros.empty());
}

struct Hostile {
  const char* what;
  Encoding encoding;
  std::function<void(QuantizedTensor::Parts&)> spoil;
};

TEST(QuantizedTensor, HostilePartsAreRefusedByName) {
  const Encoding nf4{.format = find_number_format("nf4"),
                     .granularity = Granularity::per_group(32),
                     .double_quant_block = 256};
  const Encoding quantile{.format = find_number_format("quantile4"),
                          .granularity = Granularity::per_tensor()};
  Encoding minimum = int4_groups();
  minimum.real_minimum = true;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  auto f16_with_nan = [&](const Shape& shape) {
    Tensor scales = Tensor::zeros(DType::f16, shape);
    store_floats({&nan, 1}, scales.mutable_view(), 5);
    return scales;
  };
  const Hostile cases[] = {
      {"number format", int4_groups(), [](auto& p) { p.encoding.format = nullptr; }},
      {"scales are", int4_groups(), [](auto& p) { p.encoding.scale_dtype = DType::i32; }},
      {"blocks of -1", nf4, [](auto& p) { p.encoding.double_quant_block = -1; }},
      {"concrete shape", int4_groups(),
       [](auto& p) {
         p.shape = {Shape::symbol_dim(0), 50};
       }},
      {"concrete shape", int4_groups(),
       [](auto& p) {
         p.shape = {int64_t{1} << 61, 3};
       }},
      {"codes: expected", int4_groups(),
       [](auto& p) {
         p.shape = {7, 50};
       }},
      {"codes: expected", int4_groups(),
       [](auto& p) {
         p.shape = {6, 51 + 1};
       }},
      {"codes: expected u8 [6, 25], found nothing", int4_groups(), [](auto& p) { p.codes = {}; }},
      {"codes: expected", int4_groups(),
       [](auto& p) {
         p.codes = Tensor::zeros(DType::i8, {6, 25});
       }},
      {"scales: expected", int4_groups(),
       [](auto& p) {
         p.scales = Tensor::zeros(DType::f16, {6, 1});
       }},
      {"scales: expected", int4_groups(),
       [](auto& p) {
         p.scales = Tensor::zeros(DType::f32, {6, 2});
       }},
      {"scales: element 5 is nan", int4_groups(),
       [&](auto& p) {
         p.scales = f16_with_nan({6, 2});
       }},
      {"zero points: expected", int4_groups(), [](auto& p) { p.zeros = {}; }},
      {"zero points: int4 g32 has none", int4_groups(true),
       [](auto& p) {
         p.zeros = Tensor::zeros(DType::u8, {6, 2});
       }},
      {"minima: expected", minimum, [](auto& p) { p.minima = {}; }},
      {"minima: element 5 is nan", minimum,
       [&](auto& p) {
         p.minima = f16_with_nan({6, 2});
       }},
      {"minima: int4", int4_groups(),
       [](auto& p) {
         p.minima = Tensor::zeros(DType::f16, {6, 2});
       }},
      {"real minimum", int4_groups(true), [](auto& p) { p.encoding.real_minimum = true; }},
      {"code book: expected", quantile, [](auto& p) { p.codebook = Tensor::zeros(DType::f32, {8}); }},
      {"code book: element 0 is inf", quantile,
       [](auto& p) {
         std::vector<float> book(16, std::numeric_limits<float>::infinity());
         p.codebook = Tensor::from<float>({16}, std::span<const float>(book));
       }},
      {"code book: int4", int4_groups(), [](auto& p) { p.codebook = Tensor::zeros(DType::f32, {16}); }},
      {"nested scales: expected", nf4, [](auto& p) { p.nested.codes = Tensor::zeros(DType::u8, {11}); }},
      {"nested absmax: expected", nf4, [](auto& p) { p.nested.absmax = Tensor::zeros(DType::f32, {2}); }},
      {"nested absmax: element 0 is nan", nf4,
       [&](auto& p) { p.nested.absmax = Tensor::from<float>({1}, {nan}); }},
      {"nested offset", nf4, [&](auto& p) { p.nested.offset = nan; }},
  };
  for (const Hostile& hostile : cases) {
    QuantizedTensor::Parts parts = valid_parts(hostile.encoding);
    EXPECT_NO_THROW(QuantizedTensor(parts, "w"));
    hostile.spoil(parts);
    try {
      QuantizedTensor refused(parts, "model/w");
      FAIL() << hostile.what;
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.rfind("model/w: ", 0), 0u) << message;
      EXPECT_NE(message.find(hostile.what), std::string::npos) << message << " lacks " << hostile.what;
    }
  }
}

}  // namespace
}  // namespace halftone
