#include "quant/matrix/multiply_loops.h"

namespace halftone {
namespace {

struct Scalar {
  using Float = float;
  static constexpr int kWidth = 1, kRows = 4, kColumns = 4;
  static Float broadcast(float x) { return x; }
  static Float load(const float* from) { return *from; }
  static void store(float* to, Float x) { *to = x; }
  static Float fma(Float a, Float b, Float c) { return a * b + c; }
};

}  // namespace

const MultiplyKernel multiply_scalar{Scalar::kRows, Scalar::kColumns, multiply_tile<Scalar>};

}  // namespace halftone
