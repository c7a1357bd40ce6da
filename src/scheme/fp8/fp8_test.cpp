#include "scheme/fp8/fp8.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace halftone {
namespace {

uint8_t encode_one(const Fp8Format& format, float value) {
  uint8_t code;
  format.encode({&value, 1}, CodeParams{}, {&code, 1});
  return code;
}

TEST(Fp8, LandmarksOfTheSpecification) {
  const Fp8Format e4m3(fp8_e4m3()), e5m2(fp8_e5m2());
  EXPECT_EQ(e4m3.table()[0x7e], 448);
  EXPECT_TRUE(std::isnan(e4m3.table()[0x7f]));
  EXPECT_TRUE(std::isnan(e4m3.table()[0xff]));
  EXPECT_EQ(e4m3.table()[0x08], 0x1p-6f);
  EXPECT_EQ(e4m3.table()[0x01], 0x1p-9f);
  EXPECT_EQ(e4m3.table()[0x38], 1);
  EXPECT_EQ(e4m3.table()[0xb8], -1);
  EXPECT_EQ(e5m2.table()[0x7b], 57344);
  EXPECT_TRUE(std::isinf(e5m2.table()[0x7c]));
  EXPECT_TRUE(std::isnan(e5m2.table()[0x7d]));
  EXPECT_EQ(e5m2.table()[0x04], 0x1p-14f);
  EXPECT_EQ(e5m2.table()[0x01], 0x1p-16f);
}

TEST(Fp8, EveryNumberIsItsOwnCode) {
  for (const Fp8Format& format : {Fp8Format(fp8_e4m3()), Fp8Format(fp8_e5m2())})
    for (int code = 0; code < 256; ++code) {
      const float value = format.table()[static_cast<size_t>(code)];
      if (!std::isfinite(value)) continue;
      EXPECT_EQ(encode_one(format, value), code) << format.name() << " " << value;
    }
}

TEST(Fp8, RoundsToNearestWithTiesToEven) {
  for (const Fp8Format& format : {Fp8Format(fp8_e4m3()), Fp8Format(fp8_e5m2())})
    for (uint8_t code = 0; std::isfinite(format.table()[code + 1u]); ++code) {
      const float low = format.table()[code], high = format.table()[code + 1u];
      const float middle = (low + high) / 2;
      EXPECT_EQ(encode_one(format, middle), code % 2 ? code + 1 : code) << middle;
      EXPECT_EQ(encode_one(format, std::nextafter(middle, 0.0f)), code);
      EXPECT_EQ(encode_one(format, std::nextafter(middle, high)), code + 1);
      EXPECT_EQ(encode_one(format, -std::nextafter(middle, high)), 0x80 | (code + 1));
    }
}

TEST(Fp8, Saturates) {
  const Fp8Format e4m3(fp8_e4m3()), e5m2(fp8_e5m2());
  EXPECT_EQ(encode_one(e4m3, 1e9f), 0x7e);
  EXPECT_EQ(encode_one(e4m3, -464.1f), 0xfe);
  EXPECT_EQ(encode_one(e5m2, 1e9f), 0x7b);
}

TEST(Fp8, ScaleTakesTheLargestToTheLargest) {
  const std::vector<float> values{-3, 0.01f, 1.5f};
  const NumberFormat& format = *find_number_format("fp8_e4m3");
  const CodeParams params = format.fit(values, true);
  EXPECT_FLOAT_EQ(params.scale, 3.0f / 448);
  uint8_t codes[3];
  float back[3];
  format.encode(values, params, codes);
  format.decode(codes, params, back);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(back[i], values[i], std::abs(values[i]) / 16);
}

}  // namespace
}  // namespace halftone
