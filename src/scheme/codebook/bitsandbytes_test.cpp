#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "scheme/double_quant/double_quant.h"
#include "scheme/quantized_tensor.h"
#include "shared_files.h"

namespace halftone {
namespace {

constexpr int64_t kBlocks = 300, kBlock = 64;

/// The same numbers as tools/goldens/bitsandbytes_nf4.py.
Tensor golden_values() {
  Tensor tensor = Tensor::allocate(DType::f32, {kBlocks, kBlock});
  uint64_t state = 1, i = 0;
  for (float& x : tensor.mutable_view().span<float>()) {
    state = (state * 1103515245 + 12345) % (uint64_t{1} << 31);
    const double u = static_cast<double>(state) / 0x1p30 - 1;
    x = static_cast<float>(u * u * u * static_cast<double>(1 + (i++ / kBlock) % 7));
  }
  return tensor;
}

std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

TEST(Bitsandbytes, NestedScalesAreEqual) {
  std::ifstream golden(source_path("src/scheme/testdata/bitsandbytes_nf4.txt"));
  std::string packed, absmax_codes;
  float absmax[2], offset;
  ASSERT_TRUE(golden >> packed >> absmax_codes >> absmax[0] >> absmax[1] >> offset);

  Encoding encoding{.format = find_number_format("nf4"), .granularity = Granularity::per_group(kBlock)};
  encoding.double_quant_block = 256;
  const QuantizedTensor coded = quantize(golden_values().view(), encoding, "golden");
  const auto& nested = coded.parts().nested;
  const auto codes = nested.codes.span<uint8_t>();
  EXPECT_EQ(std::vector<uint8_t>(codes.begin(), codes.end()), from_hex(absmax_codes));
  for (size_t i = 0; i < 2; ++i) EXPECT_FLOAT_EQ(nested.absmax.span<float>()[i], absmax[i]);
  EXPECT_FLOAT_EQ(nested.offset, offset);
}

TEST(Bitsandbytes, Nf4CodesAreEqual) {
  std::ifstream golden(source_path("src/scheme/testdata/bitsandbytes_nf4.txt"));
  std::string packed;
  ASSERT_TRUE(golden >> packed);
  const std::vector<uint8_t> bytes = from_hex(packed);
  ASSERT_EQ(bytes.size(), static_cast<size_t>(kBlocks * kBlock / 2));

  Encoding encoding{.format = find_number_format("nf4"), .granularity = Granularity::per_group(kBlock)};
  encoding.scale_dtype = DType::f32;  // bitsandbytes codes under the scales before their own quantization
  const QuantizedTensor coded = quantize(golden_values().view(), encoding, "golden");
  std::vector<uint8_t> codes(kBlock);
  for (int64_t row = 0; row < kBlocks; ++row) {
    coded.row_codes(row, codes);
    for (size_t i = 0; i < kBlock; ++i) {
      const uint8_t both = bytes[(static_cast<size_t>(row) * kBlock + i) / 2];
      EXPECT_EQ(codes[i], i % 2 ? both & 15 : both >> 4) << row << ", " << i;
    }
  }
}

}  // namespace
}  // namespace halftone
