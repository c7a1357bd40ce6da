#include "ops/integer_functions.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace halftone {

int64_t integer_sqrt(int64_t x) {
  if (x <= 0) return 0;
  const int bits = 64 - std::countl_zero(static_cast<uint64_t>(x));
  for (int64_t root = int64_t{1} << (bits + 1) / 2;;) {
    const int64_t next = (root + x / root) / 2;
    if (next >= root) return root;
    root = next;
  }
}

IntegerExp::IntegerExp(double scale) {
  shift_ = std::clamp(12 + std::ilogb(scale), -40, 40);
  const double fine = std::ldexp(scale, -shift_);  // in [2^-12, 2^-11)
  ln2_ = static_cast<int64_t>(std::floor(0.6931471805599453 / fine));
  b_ = static_cast<int64_t>(std::floor(1.353 / fine));
  c_ = static_cast<int64_t>(std::floor(0.344 / (0.3585 * fine * fine)));
}

int64_t IntegerExp::operator()(int64_t q) const {
  // Beyond 64 halvings nothing is left.
  const int64_t lowest = -64 * ln2_;
  q = shift_ < 0 ? q >> -shift_ : q < lowest ? lowest : q * (int64_t{1} << shift_);
  if (q <= lowest) return 0;
  const int64_t z = -q / ln2_, p = q + z * ln2_;
  return ((p + b_) * (p + b_) + c_) >> z;
}

int logarithmic_code(int64_t part, int64_t whole) {
  constexpr int kMost = 15;
  if (part <= 0) return kMost;
  const int64_t ratio = std::min((whole << 8) / part, int64_t{1} << 30);
  // round(log2 r) = k while r^2 lies below 2^(2 k + 1).
  int code = 0;
  while (code < kMost && ratio * ratio >= int64_t{1} << (17 + 2 * code)) ++code;
  return code;
}

float erf_polynomial(float x) {
  constexpr float kA = -0.2888f, kB = -1.769f;
  const float reach = std::min(std::fabs(x), -kB) + kB;
  return std::copysign(kA * reach * reach + 1, x);
}

}  // namespace halftone
