#include "scheme/bf16/rounded_bf16.h"

#include "base/error.h"
#include "core/float16.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

class RoundedBf16 final : public NumberFormat {
 public:
  std::string_view name() const override { return "bf16"; }
  int bits() const override { return 16; }
  float fit_scale(const ValueRange&, bool) const override { return 1; }
  void encode(std::span<const float>, const CodeParams&, std::span<uint8_t>) const override { refuse(); }
  void decode(std::span<const uint8_t>, const CodeParams&, std::span<float>) const override { refuse(); }

 private:
  [[noreturn]] static void refuse() { throw UnsupportedError("bf16 as an encoding has no codes"); }
};

}  // namespace

const NumberFormat* rounded_bf16() {
  static const RoundedBf16* const format = new RoundedBf16;  // never destroyed: encodings point at it
  return format;
}

Encoding bf16_activations() {
  Encoding encoding;
  encoding.format = rounded_bf16();
  encoding.granularity = Granularity::per_token();
  encoding.timing = Timing::dynamic;
  encoding.scale_dtype = DType::f32;
  return encoding;
}

bool is_rounded_bf16(const Encoding& encoding) {
  return encoding.format == rounded_bf16();
}

void round_to_bf16(std::span<const float> values, float* to) {
  for (size_t i = 0; i < values.size(); ++i) to[i] = to_float(to_bfloat16(values[i]));
}

}  // namespace halftone
