#pragma once

#include <cstdint>

namespace halftone {

/// floor(sqrt(x)) for x >= 0, by Newton's steps from above.
int64_t integer_sqrt(int64_t x);

/// exp of numbers that are not positive, in integers alone (Kim et al., I-BERT, arXiv:2101.01321, algorithm
/// 2). With x = -z ln 2 + p, p in (-ln 2, 0]: exp(x) = 2^-z (0.3585 (p + 1.353)^2 + 0.344). The constants
/// become integers of the argument's scale; results stand in an own scale, fit to be divided by one another.
class IntegerExp {
 public:
  /// Arguments are q * scale. They are shifted first, so that the constants have 11 bits behind the point.
  explicit IntegerExp(double scale);

  /// Of q <= 0; less than 2^26.
  int64_t operator()(int64_t q) const;

 private:
  int shift_;  ///< to the left; negative: to the right
  int64_t ln2_, b_, c_;
};

/// round(-log2(part / whole)) for 0 <= part <= whole, 15 at most: the code of a logarithmic softmax (Lin et
/// al., FQ-ViT, arXiv:2111.13824), which stands for 2^-code.
int logarithmic_code(int64_t part, int64_t whole);

/// erf by I-BERT's polynomial: sgn(x) (a (min(|x|, -b) + b)^2 + 1), a = -0.2888, b = -1.769.
float erf_polynomial(float x);

}  // namespace halftone
