#include "ops/storage.h"

#include <gtest/gtest.h>
#include <limits>

namespace halftone {
namespace {

std::vector<uint8_t> bytes_of(const Tensor& tensor) {
  return {tensor.span<uint8_t>().begin(), tensor.span<uint8_t>().end()};
}

TEST(Storage, CodesOfTheWorkedExample) {
  const CodeScale codes{2.3f / 255, 200};  // NUMERICS section 8
  const float x[] = {-1.8f, -1.0f, 0, 0.5f};
  const uint8_t expected[] = {0, 89, 200, 255};
  const float back[] = {-1.80392157f, -1.00117647f, 0, 0.49607843f};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(encode_activation(x[i], codes), expected[i]);
    EXPECT_NEAR(decode_activation(expected[i], codes), back[i], 1e-6);
  }
}

TEST(Storage, CodesRoundHalfToEvenAndClamp) {
  const CodeScale codes{1, 128};
  EXPECT_EQ(encode_activation(0.5f, codes), 128);
  EXPECT_EQ(encode_activation(1.5f, codes), 130);
  EXPECT_EQ(encode_activation(-1000, codes), 0);
  EXPECT_EQ(encode_activation(std::numeric_limits<float>::infinity(), codes), 255);
  EXPECT_EQ(encode_activation(std::numeric_limits<float>::quiet_NaN(), codes), 128);
}

TEST(Storage, WideCodesAreSignedAndHaveSixteenBits) {
  const Storage storage{Storage::Order::channels_last, CodeScale{0.5f, CodeScale::kWideZero}};
  EXPECT_EQ(storage.str(), "channels-last i16 * 0.5");
  EXPECT_EQ(stored_dtype(DType::f32, storage), DType::i16);
  EXPECT_EQ(encode_wide(std::numeric_limits<float>::quiet_NaN(), *storage.codes), 0);
  const Tensor plain = Tensor::from<float>({1, 2, 1, 3}, {0, 0.25f, -0.75f, 1e6f, -1e6f, 100});
  Tensor stored = Tensor::allocate(DType::i16, plain.shape());
  store_plain(plain.view(), storage, stored.mutable_view());
  EXPECT_TRUE(std::ranges::equal(stored.span<int16_t>(), std::vector<int16_t>{0, 32767, 0, -32768, -2, 200}));
  Tensor back = Tensor::allocate(DType::f32, plain.shape());
  load_stored(stored.view(), storage, back.mutable_view());
  EXPECT_TRUE(std::ranges::equal(back.span<float>(), std::vector<float>{0, 0, -1, 16383.5f, -16384, 100}));
}

TEST(Storage, ChannelsLastTurnsTheAxes) {
  const Storage storage{Storage::Order::channels_last, CodeScale{1, 0}};
  const Tensor plain = Tensor::from<float>({2, 2, 1, 3}, {0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32});
  Tensor stored = Tensor::allocate(DType::u8, plain.shape());
  store_plain(plain.view(), storage, stored.mutable_view());
  EXPECT_EQ(bytes_of(stored), (std::vector<uint8_t>{0, 10, 1, 11, 2, 12, 20, 30, 21, 31, 22, 32}));
  Tensor back = Tensor::allocate(DType::f32, plain.shape());
  load_stored(stored.view(), storage, back.mutable_view());
  EXPECT_TRUE(std::ranges::equal(back.span<float>(), plain.span<float>()));
}

TEST(Storage, SaysWhatItIs) {
  EXPECT_EQ(Storage{}.str(), "");
  EXPECT_EQ((Storage{Storage::Order::planar, CodeScale{0.5f, 3}}.str()), "u8 * 0.5 - 3");
  EXPECT_EQ((Storage{Storage::Order::channels_last, {}}.str()), "channels-last");
}

}  // namespace
}  // namespace halftone
